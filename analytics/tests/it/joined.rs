//! The joined read against a recount at the cut that the answer names, while everything moves.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use suikang_analytics::sql::{SqlEngine, SqlError};

use super::{House, recount};

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
