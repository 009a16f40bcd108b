//! The joined read against a recount at the cut that the answer names, while everything moves.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use datafusion::prelude::SessionContext;
use suikang_analytics::Settings;
use suikang_analytics::cut::TableCut;
use suikang_analytics::lake::LakeTable;
use suikang_analytics::pseudonym::LakeSecret;
use suikang_analytics::rows::RowMaker;
use suikang_analytics::sql::{SqlEngine, SqlError};
use suikang_analytics::tables::Table;
use suikang_schemas::{Topic, avro};
use suikang_stream::Record;

use super::{House, recount, upload};

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_equals_a_recount_at_its_cut() {
    let house = Arc::new(House::new(None).await);
    let (stop_writer, writing) = house.write();
    let (cuts, stop_cuts) = house.follow();
    let engine = SqlEngine::new(house.settings.clone(), cuts);
    let uploading = tokio::spawn({
        let house = Arc::clone(&house);
        async move {
            for n in 0..120i64 {
                // Devices repeat themselves, overlap, and come out of order.
                let first_seq = 1 + (n / 4) * 20 - (n % 3) * 10;
                house.upload(n % 4, first_seq.max(1), 25).await;
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        }
    });
    let (mut answers, mut versions) = (0, std::collections::BTreeSet::new());
    while !uploading.is_finished() || answers < 20 {
        let answer = match engine.query("SELECT count(*) AS n FROM scans").await {
            Ok(answer) => answer,
            Err(SqlError::NotReady) => continue,
            Err(error) => panic!("{error}"),
        };
        let counted = answer.batches[0].column(0).as_primitive::<Int64Type>().value(0);
        let cut = &answer.cut["scans"];
        assert_eq!(counted, recount(house.log.as_ref(), &cut.next_offsets).await, "at {cut:?}");
        versions.insert(cut.table_version);
        answers += 1;
    }
    assert!(versions.len() >= 3, "the lake committed meanwhile: {versions:?}");
    stop_writer.cancel();
    writing.await.unwrap();
    stop_cuts.cancel();
}

async fn sum(cut: &TableCut) -> datafusion::error::Result<i64> {
    let context = SessionContext::new();
    context.register_table("scans", cut.as_table(&context)?)?;
    let rows = context.sql("SELECT sum(seq) FROM scans").await?.collect().await?;
    Ok(rows[0].column(0).as_primitive::<Int64Type>().value(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_is_read_on_while_its_files_are_merged_and_vacuumed() {
    let folder = tempfile::tempdir().unwrap();
    let mut lake = LakeTable::open(folder.path(), Table::Scans).await.unwrap();
    let mut maker = RowMaker::new(Table::Scans, LakeSecret::new([3; 32]));
    for offset in 0..4 {
        let payload = avro::encode(&upload(1, 1 + offset * 10, 10));
        let record =
            Record { topic: Topic::Scans, kafka_partition: 0, offset, record_key: Vec::new(), payload, time_ms: 0 };
        let from = [(0, (offset > 0).then_some(offset))].into();
        lake.commit(&[maker.rows(&[record]).batch], &from, &[(0, offset + 1)].into()).await.unwrap();
    }
    let cut = TableCut::of_lake(lake.clone(), [(0, 4)].into()).unwrap();
    assert_eq!(sum(&cut).await.unwrap(), 40 * 41 / 2);

    // As early as any configuration lets it.
    let earliest = Settings { vacuum_after_s: 0, query_timeout_ms: 0, ..Settings::default() }.vacuum_after();
    assert!(lake.compact().await.unwrap());
    lake.vacuum(earliest).await.unwrap();
    assert_eq!(sum(&cut).await.unwrap(), 40 * 41 / 2);
    assert!(cut.lake.files().unwrap().iter().all(|file| file.is_file()));

    // Any earlier, and nothing would have been left of it.
    lake.vacuum(Duration::ZERO).await.unwrap();
    assert!(!cut.lake.files().unwrap().iter().any(|file| file.is_file()));
    assert!(sum(&cut).await.is_err());
    assert_eq!(lake.files().unwrap().len(), 1);
}
