//! One suite, two logs.

use std::collections::HashMap;
use std::time::Duration;

use suikang_schemas::Topic;
use suikang_stream::testing::Broker;
use suikang_stream::{AppendError, GroupEvent, LogConfig, ReadError};

use super::{event, from_start, numbered, read_all, record, write};

macro_rules! on_both_logs {
    ($($name:ident),* $(,)?) => {
        mod on_kafka {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Broker::shared().await.config()).await;
            }
        )*}
        mod on_file {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("file:{}", folder.path().join("log.db").display());
                super::$name(super::LogConfig { url, partitions: 4, ..super::LogConfig::default() }).await;
            }
        )*}
    };
}

on_both_logs!(
    what_was_acknowledged_is_there_after_reopening,
    records_of_one_key_keep_their_order,
    concurrent_appends_get_distinct_positions,
    reading_resumes_by_position,
    a_reader_waits_for_what_comes,
    a_position_before_the_start_is_an_error,
    a_position_past_the_end_is_an_error,
    a_group_delivers_from_where_it_is_told,
    another_number_of_partitions_is_refused,
    the_registry_has_one_order,
    a_record_above_1_mib_is_too_large_and_nothing_is_appended,
    a_read_is_bounded_by_bytes,
    a_group_tells_how_far_it_is_behind,
);

async fn what_was_acknowledged_is_there_after_reopening(config: LogConfig) {
    let log = write(&config).await;
    let positions = log.append(Topic::Scans, numbered(300, 7)).await.unwrap();
    drop(log);

    let log = write(&config).await;
    let mut reader = log.read(Topic::Scans, from_start(&config, Topic::Scans)).await.unwrap();
    let records = read_all(reader.as_mut(), 300).await;
    for (position, sent) in positions.iter().zip(numbered(300, 7)) {
        let found = records
            .iter()
            .find(|r| (r.kafka_partition, r.offset) == (position.kafka_partition, position.offset))
            .expect("every acknowledged position is there");
        assert_eq!((&found.record_key, &found.payload), (&sent.record_key, &sent.payload));
        assert!(found.time_ms > 1_600_000_000_000);
    }
    let extents = log.extents(Topic::Scans).await.unwrap();
    assert_eq!(extents.values().map(|extent| extent.next - extent.start).sum::<i64>(), 300);
}

async fn records_of_one_key_keep_their_order(config: LogConfig) {
    let log = write(&config).await;
    for batch in numbered(400, 9).chunks(37) {
        log.append(Topic::Codes, batch.to_vec()).await.unwrap();
    }
    let mut reader = log.read(Topic::Codes, from_start(&config, Topic::Codes)).await.unwrap();
    let mut last: HashMap<Vec<u8>, (i32, u32)> = HashMap::new();
    for record in read_all(reader.as_mut(), 400).await {
        let number = u32::from_be_bytes(record.payload[4..].try_into().unwrap());
        if let Some((kafka_partition, before)) = last.insert(record.record_key, (record.kafka_partition, number)) {
            assert_eq!(kafka_partition, record.kafka_partition, "a key stays in one partition");
            assert!(before < number);
        }
    }
    assert_eq!(last.len(), 9);
}

async fn concurrent_appends_get_distinct_positions(config: LogConfig) {
    let log = write(&config).await;
    let appends = (0..50u32).map(|n| log.append(Topic::Declarations, numbered(n % 3 + 1, 5)));
    let positions: Vec<_> = futures::future::try_join_all(appends).await.unwrap().into_iter().flatten().collect();
    let mut distinct = positions.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), positions.len());
}

async fn reading_resumes_by_position(config: LogConfig) {
    let log = write(&config).await;
    log.append(Topic::Registry, numbered(100, 1)).await.unwrap();
    let mut reader = log.read(Topic::Registry, [(0, 0)].into()).await.unwrap();
    let first = reader.next(40, Duration::from_secs(5)).await.unwrap();
    let next_offset = first.last().unwrap().offset + 1;
    drop(reader);
    let mut reader = log.read(Topic::Registry, [(0, next_offset)].into()).await.unwrap();
    let rest = read_all(reader.as_mut(), 100 - first.len()).await;
    let offsets: Vec<_> = first.iter().chain(&rest).map(|record| record.offset).collect();
    assert_eq!(offsets, (0..100).collect::<Vec<_>>());
}

async fn a_reader_waits_for_what_comes(config: LogConfig) {
    let log = write(&config).await;
    let mut reader = log.read(Topic::Audit, from_start(&config, Topic::Audit)).await.unwrap();
    assert!(reader.next(10, Duration::from_millis(100)).await.unwrap().is_empty());
    let waiting = tokio::spawn(async move { read_all(reader.as_mut(), 1).await });
    log.append(Topic::Audit, vec![record("node", "entry")]).await.unwrap();
    assert_eq!(waiting.await.unwrap()[0].payload, b"entry");
}

async fn a_position_before_the_start_is_an_error(mut config: LogConfig) {
    // Nothing is kept longer than no time at all.
    config.retention_hours.insert("notices".to_owned(), 0);
    let log = write(&config).await;
    log.append(Topic::Notices, numbered(20, 1)).await.unwrap();
    let kafka_partition = suikang_stream::partition_of(&0u32.to_be_bytes(), config.partitions);
    let deadline = std::time::Instant::now() + super::PATIENCE * 2;
    loop {
        let now_ms = i64::MAX / 2;
        log.expire(Topic::Notices, now_ms).await.unwrap();
        if log.extents(Topic::Notices).await.unwrap()[&kafka_partition].start == 20 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "nothing expired: {:?}", log.extents(Topic::Notices).await);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let refused = log.read(Topic::Notices, [(kafka_partition, 3)].into()).await.err();
    assert!(matches!(refused, Some(ReadError::BeforeStart { asked: 3, start: 20, .. })), "{refused:?}");
    // What comes next goes on counting.
    let positions = log.append(Topic::Notices, numbered(1, 1)).await.unwrap();
    assert_eq!(positions[0].offset, 20);
}

async fn a_position_past_the_end_is_an_error(config: LogConfig) {
    let log = write(&config).await;
    log.append(Topic::Codes, numbered(5, 1)).await.unwrap();
    let refused = log.read(Topic::Codes, [(0, 1_000)].into()).await.err();
    assert!(matches!(refused, Some(ReadError::Fatal(_))), "{refused:?}");
}

async fn a_group_delivers_from_where_it_is_told(config: LogConfig) {
    let log = write(&config).await;
    let positions = log.append(Topic::Declarations, numbered(100, 16)).await.unwrap();
    let mut member = log.join("readers", Topic::Declarations).await.unwrap();
    let GroupEvent::Gained(gained) = event(member.as_mut()).await else { panic!("partitions come first") };
    assert_eq!(gained.len(), 4, "a single member has every partition");
    assert!(member.committed(&gained).await.unwrap().is_empty());
    let held = gained[0];
    for &kafka_partition in &gained[1..] {
        member.start_at(kafka_partition, 0).unwrap();
    }
    let expected = positions.iter().filter(|position| position.kafka_partition != held).count();
    let mut records = Vec::new();
    while records.len() < expected {
        if let GroupEvent::Records(more) = event(member.as_mut()).await {
            records.extend(more);
        }
    }
    assert!(records.iter().all(|record| record.kafka_partition != held), "nothing of a partition that was not started");

    let next_offsets = records.iter().map(|record| (record.kafka_partition, record.offset + 1)).collect();
    member.commit(&next_offsets).await.unwrap();
    drop(member);
    let mut successor = log.join("readers", Topic::Declarations).await.unwrap();
    let GroupEvent::Gained(gained) = event(successor.as_mut()).await else { panic!("partitions come first") };
    assert_eq!(successor.committed(&gained).await.unwrap(), next_offsets);
}

async fn another_number_of_partitions_is_refused(mut config: LogConfig) {
    drop(write(&config).await);
    config.partitions = 5;
    let refused = suikang_stream::open(&config, suikang_stream::Access::Write).await.err().expect("a refusal");
    assert!(refused.to_string().contains("has 4 partitions, not 5"), "{refused}");
}

async fn the_registry_has_one_order(config: LogConfig) {
    let log = write(&config).await;
    let positions = log.append(Topic::Registry, numbered(30, 30)).await.unwrap();
    assert!(positions.iter().zip(0..).all(|(position, n)| position.kafka_partition == 0 && position.offset == n));
    assert_eq!(log.describe(Topic::Registry).await.unwrap().partitions, 1);
}

async fn a_record_above_1_mib_is_too_large_and_nothing_is_appended(config: LogConfig) {
    let log = write(&config).await;
    let of = |bytes: usize| record([7; 4], vec![1; bytes - 4]);
    let refused = log.append(Topic::Codes, vec![of(100), of((1 << 20) + 1)]).await;
    assert!(matches!(refused, Err(AppendError::TooLarge)), "{refused:?}");
    // The largest that is taken; nothing of what was refused stands before it.
    let positions = log.append(Topic::Codes, vec![of(1 << 20)]).await.unwrap();
    assert_eq!(positions[0].offset, 0);
}

async fn a_read_is_bounded_by_bytes(config: LogConfig) {
    let log = write(&config).await;
    let (key, records) = (3u32.to_be_bytes(), 20);
    for n in 0..records {
        log.append(Topic::Audit, vec![record(key, vec![n; 1_000_000])]).await.unwrap();
    }
    let mut reader = log.read(Topic::Audit, from_start(&config, Topic::Audit)).await.unwrap();
    let mut seen = Vec::new();
    let deadline = std::time::Instant::now() + super::PATIENCE;
    while seen.len() < usize::from(records) && std::time::Instant::now() < deadline {
        // So that everything that can lie ready does.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let read = reader.next(1_000, Duration::from_secs(1)).await.unwrap();
        assert!(read.len() <= 9, "{} records of 1 MB at once", read.len());
        seen.extend(read.into_iter().map(|record| record.payload[0]));
    }
    assert_eq!(seen, (0..records).collect::<Vec<_>>());
}

/// The line of a metric, whatever its value.
fn metric<'a>(rendered: &'a str, name: &str, group: &str) -> Option<&'a str> {
    let line = rendered.lines().find(|line| line.starts_with(name) && line.contains(&format!("group=\"{group}\"")))?;
    line.rsplit_once(' ').map(|(_, value)| value)
}

async fn a_group_tells_how_far_it_is_behind(config: LogConfig) {
    static RECORDER: std::sync::OnceLock<metrics_exporter_prometheus::PrometheusHandle> = std::sync::OnceLock::new();
    let recorder =
        RECORDER.get_or_init(|| metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().unwrap());
    let log = write(&config).await;
    log.append(Topic::Codes, numbered(100, 16)).await.unwrap();
    let group = format!("behind-{}", config.url.split(':').next().unwrap());
    let mut member = log.join(&group, Topic::Codes).await.unwrap();
    let GroupEvent::Gained(gained) = event(member.as_mut()).await else { panic!("partitions come first") };
    for kafka_partition in gained {
        member.start_at(kafka_partition, 0).unwrap();
    }
    let deadline = std::time::Instant::now() + super::PATIENCE;
    // One record at a time: it is behind for long enough to be seen so.
    let mut tell = async |value: &dyn Fn(&str) -> bool, pause| {
        while !metric(&recorder.render(), "suikang_group_lag_records", &group).is_some_and(value) {
            assert!(std::time::Instant::now() < deadline, "{}", recorder.render());
            member.next(1, Duration::from_millis(50)).await.unwrap();
            tokio::time::sleep(pause).await;
        }
    };
    tell(&|value| value.parse::<f64>().is_ok_and(|lag| lag > 0.0 && lag < 100.0), Duration::from_millis(100)).await;
    tell(&|value| value == "0", Duration::ZERO).await;
}
