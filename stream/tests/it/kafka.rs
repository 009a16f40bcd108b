//! Kafka alone: members come and go, the broker restarts and goes away, memory stays bounded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

use suikang_schemas::Topic;
use suikang_stream::testing::Broker;
use suikang_stream::{AppendError, GroupEvent, LogConfig, ReadError};

use super::{event, from_start, numbered, read_all, write};

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_between_members() {
    let broker = Broker::shared().await;
    let log = write(&broker.config()).await;
    let mut first = log.join("movers", Topic::Scans).await.unwrap();
    assert_eq!(event(first.as_mut()).await, GroupEvent::Gained(vec![0, 1, 2, 3]));

    let mut second = log.join("movers", Topic::Scans).await.unwrap();
    let (told, gained) = tokio::join!(
        async {
            let lost = event(first.as_mut()).await;
            (lost, event(first.as_mut()).await)
        },
        event(second.as_mut())
    );
    assert_eq!(told.0, GroupEvent::Lost(vec![0, 1, 2, 3]));
    let (GroupEvent::Gained(mut all), GroupEvent::Gained(others)) = (told.1, gained) else {
        panic!("both have a share")
    };
    assert_eq!((all.len(), others.len()), (2, 2));
    all.extend(others);
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);

    // One member goes; the other gets everything.
    drop(second);
    assert!(matches!(event(first.as_mut()).await, GroupEvent::Lost(_)));
    assert_eq!(event(first.as_mut()).await, GroupEvent::Gained(vec![0, 1, 2, 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_loses_nothing_and_promises_nothing() {
    let mut broker = Broker::start().await;
    let mut config = broker.config();
    config.kafka.insert("message.timeout.ms".to_owned(), "2000".to_owned());
    let log = write(&config).await;
    log.append(Topic::Declarations, numbered(200, 20)).await.unwrap();
    let mut reader = log.read(Topic::Declarations, from_start(&config, Topic::Declarations)).await.unwrap();
    assert_eq!(read_all(reader.as_mut(), 200).await.len(), 200);

    broker.kill();
    let started = Instant::now();
    let refused = log.append(Topic::Declarations, numbered(1, 1)).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    assert!(started.elapsed() < Duration::from_secs(15), "the refusal took {:?}", started.elapsed());

    broker.resume().await;
    let deadline = Instant::now() + super::PATIENCE;
    while let Err(error) = log.append(Topic::Declarations, numbered(5, 5)).await {
        assert!(Instant::now() < deadline, "appending does not resume: {error}");
    }
    // The reader goes on by itself. The refused record may have come through: it was not promised, nor was it denied.
    let mut more = Vec::new();
    while more.len() < 5 {
        match reader.next(100, Duration::from_millis(200)).await {
            Ok(records) => more.extend(records),
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
        assert!(Instant::now() < deadline + super::PATIENCE, "reading does not resume");
    }
    let extents = log.extents(Topic::Declarations).await.unwrap();
    assert!(extents.values().map(|extent| extent.next).sum::<i64>() >= 205);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_producer_holds_waits_for_room() {
    let broker = Broker::shared().await;
    let mut config = broker.config();
    config.kafka.insert("queue.buffering.max.kbytes".to_owned(), "1024".to_owned());
    let log = write(&config).await;
    // 8 MB through a queue of 1 MB.
    let records = (0..800u32).map(|n| super::record(n.to_be_bytes(), vec![7; 10_000])).collect();
    assert_eq!(log.append(Topic::Codes, records).await.unwrap().len(), 800);
    let too_large = log.append(Topic::Codes, vec![super::record("k", vec![0; 3_000_000])]).await;
    assert!(matches!(too_large, Err(AppendError::TooLarge)), "{too_large:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_promises_less_is_refused_for_good() {
    let mut config = Broker::shared().await.config();
    // More than five requests in flight can't be kept in order.
    config.kafka.insert("max.in.flight".to_owned(), "6".to_owned());
    let refused = write(&config).await.append(Topic::Notices, vec![super::record("k", vec![1])]).await;
    assert!(matches!(&refused, Err(AppendError::Fatal(why)) if why.contains("max.in.flight")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broker_says_what_a_power_cut_may_take() {
    let broker = Broker::shared().await;
    let log = write(&broker.config()).await;
    let described = log.describe(Topic::Declarations).await.unwrap();
    assert_eq!((described.partitions, described.replicas, described.min_in_sync), (4, 1, 1));
    assert_eq!(described.retention_ms, Topic::Declarations.retention_ms());
    assert!(!described.survives_power_cut);
}

/// A client of our own beside the log's.
fn client(config: &LogConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", config.url.strip_prefix("kafka://").unwrap());
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_survives_a_killed_broker() {
    let mut broker = Broker::start().await;
    let mut config = broker.config();
    config.kafka.insert("message.timeout.ms".to_owned(), "2000".to_owned());
    let log = write(&config).await;
    let appending = Arc::clone(&log);
    let (count, mut counted) = tokio::sync::watch::channel(0);
    let appends = tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        for round in 0.. {
            if count.send(acknowledged.len()).is_err() {
                break;
            }
            let records: Vec<_> =
                (0..25u32).map(|n| super::record((n % 7).to_be_bytes(), (round * 25 + n).to_be_bytes())).collect();
            // What is refused is not sent again: only what was promised counts.
            if let Ok(positions) = appending.append(Topic::Scans, records.clone()).await {
                acknowledged.extend(positions.into_iter().zip(records));
            }
        }
        acknowledged
    });
    counted.wait_for(|acknowledged| *acknowledged >= 250).await.unwrap();
    broker.kill();
    broker.resume().await;
    let before = *counted.borrow();
    let more = counted.wait_for(|acknowledged| *acknowledged >= before + 250);
    tokio::time::timeout(super::PATIENCE, more).await.expect("appending resumes").unwrap();
    drop(counted);
    let acknowledged = appends.await.unwrap();

    let deadline = Instant::now() + super::PATIENCE;
    let extents = loop {
        match log.extents(Topic::Scans).await {
            Ok(extents) => break extents,
            Err(error) => assert!(error.is_retryable() && Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let count: i64 = extents.values().map(|extent| extent.next).sum();
    let mut reader = log.read(Topic::Scans, from_start(&config, Topic::Scans)).await.unwrap();
    let there: HashMap<_, _> = read_all(reader.as_mut(), usize::try_from(count).unwrap())
        .await
        .into_iter()
        .map(|record| ((record.kafka_partition, record.offset), (record.record_key, record.payload)))
        .collect();
    for (position, sent) in acknowledged {
        let found = there.get(&(position.kafka_partition, position.offset));
        assert_eq!(found, Some(&(sent.record_key, sent.payload)), "{position:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_retention_overtakes_is_told() {
    let config = Broker::shared().await.config();
    let log = write(&config).await;
    // More than lies between the log and a reader.
    let key = 1u32.to_be_bytes();
    for _ in 0..40 {
        log.append(Topic::Codes, vec![super::record(key, vec![3; 1_000_000])]).await.unwrap();
    }
    let kafka_partition = suikang_stream::partition_of(&key, config.partitions);
    let mut reader = log.read(Topic::Codes, [(kafka_partition, 0)].into()).await.unwrap();
    assert_eq!(reader.next(1, super::PATIENCE).await.unwrap()[0].offset, 0);
    // It rests for so long that nothing more is fetched for it, and meanwhile the log lets everything go.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let admin: AdminClient<DefaultClientContext> = client(&config).create().unwrap();
    let mut end = TopicPartitionList::new();
    end.add_partition_offset(&config.physical_name(Topic::Codes), kafka_partition, Offset::Offset(40)).unwrap();
    admin.delete_records(&end, &AdminOptions::new()).await.unwrap();

    let mut next_offset = 1;
    let refused = loop {
        match reader.next(100, Duration::from_secs(10)).await {
            Ok(records) => {
                assert!(!records.is_empty() && next_offset < 40, "nobody tells, at {next_offset}");
                for record in records {
                    assert_eq!(record.offset, next_offset, "nothing is skipped in silence");
                    next_offset += 1;
                }
            }
            Err(error) => break error,
        }
    };
    assert!(
        matches!(refused, ReadError::BeforeStart { asked, start: 40, .. } if asked == next_offset),
        "{refused} after {next_offset}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stamps_the_time_whatever_the_clock_of_the_producer() {
    let config = Broker::shared().await.config();
    let log = write(&config).await;
    let producer: FutureProducer = client(&config).create().unwrap();
    let name = config.physical_name(Topic::Notices);
    let from_1970 = FutureRecord::to(&name).partition(0).key("k").payload("p").timestamp(1_000);
    producer.send(from_1970, super::PATIENCE).await.unwrap();
    let mut reader = log.read(Topic::Notices, [(0, 0)].into()).await.unwrap();
    let record = read_all(reader.as_mut(), 1).await.remove(0);
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    assert!((now_ms - record.time_ms).abs() < 60_000, "{} instead of {now_ms}", record.time_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_broker_refuses_is_named() {
    let mut config = Broker::shared().await.config();
    config.kafka.insert("session.timeout.ms".to_owned(), "500".to_owned());
    let log = write(&config).await;
    let mut member = log.join("hasty", Topic::Scans).await.unwrap();
    let deadline = Instant::now() + super::PATIENCE;
    let refused = loop {
        assert!(Instant::now() < deadline, "nobody tells");
        match member.next(1, Duration::from_millis(200)).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(&refused, ReadError::Fatal(why) if why.contains("session.timeout.ms")), "{refused}");
}
