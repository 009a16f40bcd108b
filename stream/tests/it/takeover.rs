//! Members of a Kafka group that are slow, late or dead: the others go on, and nothing is delivered that wasn't asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use suikang_schemas::Topic;
use suikang_stream::testing::Broker;
use suikang_stream::{GroupEvent, GroupReader, LogConfig};

use super::{event, from_start, numbered, record, write};

const ALL: [i32; 4] = [0, 1, 2, 3];

/// What happens within this time.
async fn events_of(member: &mut dyn GroupReader, time: Duration) -> Vec<GroupEvent> {
    let mut events = Vec::new();
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        match member.next(100_000, Duration::from_millis(100)).await.unwrap() {
            GroupEvent::Records(records) if records.is_empty() => {}
            event => events.push(event),
        }
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_of_an_earlier_assignment_is_not_heard() {
    let log = write(&Broker::shared().await.config()).await;
    log.append(Topic::Scans, numbered(200, 50)).await.unwrap();
    let mut late = log.join("late", Topic::Scans).await.unwrap();
    assert_eq!(event(late.as_mut()).await, GroupEvent::Gained(ALL.to_vec()));
    let mut other = log.join("late", Topic::Scans).await.unwrap();
    let GroupEvent::Gained(others) = event(other.as_mut()).await else { panic!("partitions come first") };
    assert_eq!(others.len(), 2);

    // While the late one made up its mind, the group has moved on.
    for kafka_partition in ALL {
        late.start_at(kafka_partition, 0).unwrap();
    }
    late.commit(&[(others[0], 7)].into()).await.unwrap();
    let events = events_of(late.as_mut(), Duration::from_secs(2)).await;
    let [GroupEvent::Lost(lost), GroupEvent::Gained(left)] = events.as_slice() else {
        panic!("not lost and gained alone: {events:?}")
    };
    assert_eq!((lost.as_slice(), left.len()), (ALL.as_slice(), 2));
    assert!(left.iter().all(|kafka_partition| !others.contains(kafka_partition)));
    assert!(other.committed(&others).await.unwrap().is_empty(), "nor are its offsets stored");

    // By the assignment that it was told of, it starts as it wants.
    late.start_at(left[0], 0).unwrap();
    let GroupEvent::Records(records) = event(late.as_mut()).await else { panic!("records come") };
    assert!(records.iter().all(|record| record.kafka_partition == left[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_up_nobody_and_misses_nothing() {
    let config = Broker::shared().await.config();
    let log = write(&config).await;
    // Many times what lies between the log and a reader.
    for _ in 0..30 {
        let records = (0..500u32).map(|n| record(n.to_be_bytes(), vec![9; 2_000])).collect();
        log.append(Topic::Declarations, records).await.unwrap();
    }
    let mut slow = log.join("slow", Topic::Declarations).await.unwrap();
    assert_eq!(event(slow.as_mut()).await, GroupEvent::Gained(ALL.to_vec()));
    for kafka_partition in ALL {
        slow.start_at(kafka_partition, 0).unwrap();
    }
    // Long enough for it to be full.
    tokio::time::sleep(Duration::from_secs(3)).await;

    let mut other = log.join("slow", Topic::Declarations).await.unwrap();
    let joined = Instant::now();
    assert!(matches!(event(other.as_mut()).await, GroupEvent::Gained(gained) if gained.len() == 2));
    assert!(joined.elapsed() < Duration::from_secs(10), "the group waited {:?} for a slow member", joined.elapsed());
    drop(other);

    // Whatever it is given and however often it must start again, it misses nothing.
    let extents = log.extents(Topic::Declarations).await.unwrap();
    let mut next_offsets = from_start(&config, Topic::Declarations);
    let deadline = Instant::now() + super::PATIENCE * 2;
    let mut rests = 0;
    while extents.iter().any(|(kafka_partition, extent)| next_offsets[kafka_partition] < extent.next) {
        assert!(Instant::now() < deadline, "it stands at {next_offsets:?} of {extents:?}");
        match slow.next(2_000, Duration::from_millis(200)).await.unwrap() {
            GroupEvent::Gained(gained) => {
                for kafka_partition in gained {
                    slow.start_at(kafka_partition, next_offsets[&kafka_partition]).unwrap();
                }
            }
            GroupEvent::Lost(_) => {}
            GroupEvent::Records(records) => {
                for record in records {
                    let next_offset = next_offsets.get_mut(&record.kafka_partition).unwrap();
                    assert_eq!(record.offset, *next_offset, "in order, each once");
                    *next_offset += 1;
                }
                if rests < 3 {
                    rests += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

/// Not a test of its own: the member that the next test kills.
#[tokio::test(flavor = "multi_thread")]
async fn as_a_member() {
    let Some(log) = std::env::var_os("SUIKANG_TEST_MEMBER_OF") else { return };
    let (url, topic_prefix) = log.to_str().unwrap().split_once(' ').unwrap();
    let config = LogConfig {
        url: url.to_owned(),
        topic_prefix: topic_prefix.to_owned(),
        partitions: 4,
        kafka: BTreeMap::from([("session.timeout.ms".to_owned(), "3000".to_owned())]),
        ..LogConfig::default()
    };
    let log = write(&config).await;
    let mut member = log.join("mortal", Topic::Scans).await.unwrap();
    loop {
        if let GroupEvent::Gained(gained) = event(member.as_mut()).await {
            println!("\ngained {}", gained.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_member_is_replaced() {
    let config = Broker::shared().await.config();
    let log = write(&config).await;
    log.append(Topic::Scans, numbered(400, 40)).await.unwrap();
    let mut survivor = log.join("mortal", Topic::Scans).await.unwrap();
    assert_eq!(event(survivor.as_mut()).await, GroupEvent::Gained(ALL.to_vec()));

    let mut mortal = Command::new(std::env::current_exe().unwrap())
        .args(["takeover::as_a_member", "--exact", "--nocapture"])
        .env("SUIKANG_TEST_MEMBER_OF", format!("{} {}", config.url, config.topic_prefix))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(mortal.stdout.take().unwrap()).lines().map_while(Result::ok);
    let gained = tokio::task::spawn_blocking(move || told.find(|line| line.starts_with("gained ")));
    assert_eq!(gained.await.unwrap().as_deref(), Some("gained 2"));
    assert_eq!(event(survivor.as_mut()).await, GroupEvent::Lost(ALL.to_vec()));
    assert!(matches!(event(survivor.as_mut()).await, GroupEvent::Gained(half) if half.len() == 2));

    mortal.kill().unwrap();
    mortal.wait().unwrap();
    assert!(matches!(event(survivor.as_mut()).await, GroupEvent::Lost(_)));
    assert_eq!(event(survivor.as_mut()).await, GroupEvent::Gained(ALL.to_vec()));
    for kafka_partition in ALL {
        survivor.start_at(kafka_partition, 0).unwrap();
    }
    let mut seen = BTreeSet::new();
    while seen.len() < 400 {
        if let GroupEvent::Records(records) = event(survivor.as_mut()).await {
            seen.extend(records.into_iter().map(|record| (record.kafka_partition, record.offset)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_member_comes_back_to_its_partitions_and_nobody_else_notices() {
    let config = Broker::shared().await.config();
    let named = |name: &str| LogConfig { instance: Some(name.to_owned()), ..config.clone() };
    let log = write(&named("a")).await;
    let mut other = write(&named("b")).await.join("named", Topic::Scans).await.unwrap();
    assert_eq!(event(other.as_mut()).await, GroupEvent::Gained(ALL.to_vec()));
    let mut first = log.join("named", Topic::Scans).await.unwrap();
    let GroupEvent::Gained(mine) = event(first.as_mut()).await else { panic!("partitions come first") };
    assert_eq!(events_of(other.as_mut(), Duration::from_secs(1)).await.len(), 2, "lost all, gained half");

    // One that ends says no goodbye: whoever comes under its name within the time-out has its place.
    drop(first);
    let mut again = log.join("named", Topic::Scans).await.unwrap();
    assert_eq!(event(again.as_mut()).await, GroupEvent::Gained(mine.clone()));

    // Its place is taken once, as by its own former self that was late: it takes it back.
    let mut passing = write(&named("a")).await.join("named", Topic::Scans).await.unwrap();
    assert_eq!(event(passing.as_mut()).await, GroupEvent::Gained(mine.clone()));
    // It hears of that after two heartbeats at most, whatever it is about to say of its partitions.
    tokio::time::sleep(Duration::from_secs(4)).await;
    for &kafka_partition in &mine {
        again.start_at(kafka_partition, 0).unwrap();
    }
    assert_eq!(event(again.as_mut()).await, GroupEvent::Lost(mine.clone()));
    drop(passing);
    assert_eq!(event(again.as_mut()).await, GroupEvent::Gained(mine.clone()));

    // Of two that go on under one name, one ends and says why.
    let mut namesake = write(&named("a")).await.join("named", Topic::Scans).await.unwrap();
    assert_eq!(event(namesake.as_mut()).await, GroupEvent::Gained(mine));
    let deadline = Instant::now() + super::PATIENCE;
    let error = loop {
        assert!(Instant::now() < deadline, "it goes on beside its namesake");
        if let Err(error) = again.next(500, Duration::from_millis(200)).await {
            break error;
        }
    };
    assert!(!error.is_retryable() && error.to_string().contains("node"), "{error}");
    assert_eq!(events_of(other.as_mut(), Duration::from_secs(1)).await, []);
}
