//! Kafka alone: members come and go, the broker restarts and goes away, memory stays bounded.

use std::time::{Duration, Instant};

use suikang_schemas::Topic;
use suikang_stream::testing::Broker;
use suikang_stream::{AppendError, GroupEvent};

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
async fn one_broker_says_what_a_power_cut_may_take() {
    let broker = Broker::shared().await;
    let log = write(&broker.config()).await;
    let described = log.describe(Topic::Declarations).await.unwrap();
    assert_eq!((described.partitions, described.replicas, described.min_in_sync), (4, 1, 1));
    assert_eq!(described.retention_ms, Topic::Declarations.retention_ms());
    assert!(!described.survives_power_cut);
}
