//! Writers that stop, race and come back: each scan is one row.

use std::collections::BTreeMap;
use std::time::Duration;

use suikang_analytics::lake::{Committed, LakeTable};
use suikang_analytics::pseudonym::LakeSecret;
use suikang_analytics::rows::RowMaker;
use suikang_analytics::tables::Table;
use suikang_schemas::{Topic, avro};
use suikang_stream::testing::Broker;
use suikang_stream::{LogConfig, NewRecord, Record};

use super::{House, upload};

async fn each_scan_is_one_row(log: Option<LogConfig>) {
    let house = House::new(log).await;
    let mut distinct = 0;
    for round in 0..3i64 {
        let (stop, writing) = house.write();
        for epoch in 0..5 {
            house.upload(epoch, round * 100 + 1, 100).await;
            distinct += 100;
            // Sent again whole, and in part.
            house.upload(epoch, round * 100 + 1, 100).await;
            house.upload(epoch, round * 100 + 51, 50).await;
        }
        if round == 1 {
            // No goodbye: whatever was in hand is forgotten.
            tokio::time::sleep(Duration::from_millis(400)).await;
            writing.abort();
        } else {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            stop.cancel();
            writing.await.unwrap();
        }
    }
    let (stop, writing) = house.write();
    let sums = house.drained().await;
    assert_eq!((sums.scans.distinct, sums.lake["scans"].rows), (distinct, distinct));
    assert_eq!(sums.scans.uploaded, 3 * 5 * 250);
    stop.cancel();
    writing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scan_is_one_row_on_file() {
    each_scan_is_one_row(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scan_is_one_row_on_kafka() {
    each_scan_is_one_row(Some(Broker::shared().await.config())).await;
}

fn record(offset: i64, epoch: i64, first_seq: i64) -> Record {
    let payload = avro::encode(&upload(epoch, first_seq, 10));
    Record { topic: Topic::Scans, kafka_partition: 2, offset, record_key: Vec::new(), payload, time_ms: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_adds_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = LakeTable::open(folder.path(), Table::Scans).await.unwrap();
    let mut zombie = LakeTable::open(folder.path(), Table::Scans).await.unwrap();
    let mut maker = RowMaker::new(Table::Scans, LakeSecret::new([3; 32]));
    let rows = maker.rows(&[record(0, 1, 1), record(1, 1, 11)]).batch;

    let (nothing, two) = (BTreeMap::from([(2, None)]), BTreeMap::from([(2, 2)]));
    assert_eq!(first.commit(std::slice::from_ref(&rows), &nothing, &two).await.unwrap(), Committed::Yes);
    // It read the same records and comes late.
    assert_eq!(zombie.commit(std::slice::from_ref(&rows), &nothing, &two).await.unwrap(), Committed::Moved);
    // Another partition's writer is not in its way.
    let other = BTreeMap::from([(3, None)]);
    let mut on_three = record(0, 9, 1);
    on_three.kafka_partition = 3;
    let rows = maker.rows(&[on_three]).batch;
    assert_eq!(zombie.commit(&[rows], &other, &BTreeMap::from([(3, 1)])).await.unwrap(), Committed::Yes);
    first.refresh().await.unwrap();
    assert_eq!(first.positions([2, 3, 4]).await.unwrap(), BTreeMap::from([(2, 2), (3, 1)]));

    // Compaction and vacuum leave rows and positions alone.
    first.compact().await.unwrap();
    first.vacuum(Duration::ZERO).await.unwrap();
    let mut reopened = LakeTable::open(folder.path(), Table::Scans).await.unwrap();
    assert_eq!(reopened.positions([2, 3]).await.unwrap(), BTreeMap::from([(2, 2), (3, 1)]));
    let context = datafusion::prelude::SessionContext::new();
    reopened.register(&context, "lake").unwrap();
    assert_eq!(context.sql("SELECT * FROM lake").await.unwrap().count().await.unwrap(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_set_aside_and_the_partition_goes_on() {
    let house = House::new(None).await;
    let poison = NewRecord { record_key: 1i64.to_be_bytes().to_vec(), payload: b"poison".to_vec() };
    house.upload(1, 1, 10).await;
    house.log.append(Topic::Scans, vec![poison]).await.unwrap();
    house.upload(1, 11, 10).await;
    let (stop, writing) = house.write();
    let sums = house.drained().await;
    assert_eq!((sums.lake["scans"].rows, sums.scans.dead_lettered), (20, 1));
    stop.cancel();
    writing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_entry_is_refused_by_name_and_repaired_from_the_log() {
    use suikang_analytics::lake::{Repaired, repair};
    let house = House::new(None).await;
    for epoch in 0..4 {
        house.upload(epoch, 1, 25).await;
        let (stop, writing) = house.write();
        house.drained().await;
        stop.cancel();
        writing.await.unwrap();
    }
    let log = house.lake().join("scans/_delta_log");
    let damaged = "00000000000000000002.json";
    std::fs::write(log.join(damaged), "").unwrap();
    let refused = LakeTable::open(house.lake(), Table::Scans).await.unwrap_err().to_string();
    assert!(refused.contains(damaged), "{refused}");

    let repaired = repair(house.lake(), Table::Scans, house.log.as_ref()).await.unwrap();
    assert!(matches!(&repaired, Repaired::WentBack { version: 1, files: 3, aside } if aside.join(damaged).is_file()));
    assert_eq!(repair(house.lake(), Table::Scans, house.log.as_ref()).await.unwrap(), Repaired::Whole);
    let (stop, writing) = house.write();
    assert_eq!(house.drained().await.lake["scans"].rows, 100);
    stop.cancel();
    writing.await.unwrap();
}
