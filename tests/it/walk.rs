//! The walk in short, on both logs, with its kills; and a lost row, which reconciliation must see.

use std::path::Path;

use suikang_benchmarks::walk::{Walk, walk};
use suikang_stream::testing::Broker;

use super::{SUIKANG, suikang};

fn short(folder: &Path, broker_restarts: usize) -> Walk {
    Walk {
        suikang: SUIKANG.into(),
        folder: folder.join("city"),
        declarations: 600,
        scans: 3_000,
        seed: 7,
        kills: 1,
        broker_restarts,
        progress: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sum_agrees_on_kafka() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start().await;
    let walked = walk(&short(folder.path(), 1), Some(&mut broker)).await.unwrap_or_else(|error| panic!("{error:#}"));
    assert!(walked.found.declarations == 600 && walked.found.scans == 3_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sum_agrees_on_the_embedded_log_and_a_lost_row_shows() {
    let folder = tempfile::tempdir().unwrap();
    walk(&short(folder.path(), 0), None).await.unwrap_or_else(|error| panic!("{error:#}"));

    let config = folder.path().join("city/suikang.toml");
    let reconcile = ["--config", &config.display().to_string(), "reconcile", "--drained"];
    let before = suikang(folder.path(), &reconcile);
    assert!(before.status.success(), "{}", String::from_utf8_lossy(&before.stderr));

    let table = folder.path().join("city/lake/scans").canonicalize().unwrap();
    let table = deltalake::open_table(deltalake::ensure_table_uri(table.to_string_lossy()).unwrap()).await.unwrap();
    let (_, metrics) = table.delete().with_predicate("seq = 1").await.unwrap();
    assert!(metrics.num_deleted_rows > Some(0), "every device has a first scan");
    let after = suikang(folder.path(), &reconcile);
    assert_eq!(after.status.code(), Some(1), "{}", String::from_utf8_lossy(&after.stdout));
    assert!(String::from_utf8_lossy(&after.stderr).contains("scans"), "it says what differs");
}
