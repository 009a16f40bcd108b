//! A writer that dies between any two durable steps: whoever comes after it leaves each scan one row.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use suikang_analytics::Settings;
use suikang_analytics::pseudonym::LakeSecret;
use suikang_analytics::writer::Writer;
use suikang_registry::{NodeSecrets, Registry};
use suikang_stream::testing::Broker;
use suikang_stream::{Access, LogConfig};
use tokio_util::sync::CancellationToken;

use super::{House, PATIENCE};

/// Every place of the writer where it may die, and how often it passes there before it does.
const PLACES: [(&str, u32); 9] = [
    ("lake-after-files", 1),
    ("lake-after-files", 3),
    ("lake-before-entry", 2),
    ("lake-after-commit", 1),
    ("lake-after-commit", 4),
    ("lake-compaction", 1),
    ("lake-before-vacuum", 1),
    ("seen-before-save", 2),
    ("seen-beside", 2),
];

fn settings(lake: PathBuf) -> Settings {
    Settings {
        lake,
        commit_interval_s: 0,
        save_seen_interval_s: 0,
        compact_every_commits: 3,
        vacuum_after_s: 0,
        ..Settings::default()
    }
}

/// Not a test of its own: the writer that dies.
#[tokio::test(flavor = "multi_thread")]
async fn as_a_writer() {
    let Some(told) = std::env::var_os("SUIKANG_TEST_WRITER_OF") else { return };
    let (url, topic_prefix, lake) = match told.to_str().unwrap().split(' ').collect::<Vec<_>>()[..] {
        [url, topic_prefix, lake] => (url.to_owned(), topic_prefix.to_owned(), PathBuf::from(lake)),
        _ => panic!("{told:?}"),
    };
    let kafka = [("session.timeout.ms".to_owned(), "3000".to_owned())].into();
    let config = LogConfig { url, topic_prefix, partitions: 4, kafka, ..LogConfig::default() };
    let log = suikang_stream::open(&config, Access::Write).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let registry =
        Registry::open_rules(Arc::clone(&log), state.path(), NodeSecrets::new(&[1; 32], [2; 32])).await.unwrap();
    let writer = Writer::new(settings(lake), log, registry, LakeSecret::new([3; 32]));
    let stop = CancellationToken::new();
    tokio::time::timeout(PATIENCE, writer.run(stop)).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_after_a_crash_leaves_each_scan_one_row() {
    let broker = Broker::shared().await;
    for (place, times) in PLACES {
        let config = broker.config();
        let mut house = House::new(Some(config.clone())).await;
        house.settings = settings(house.lake().to_owned());
        let mut dying = Command::new(std::env::current_exe().unwrap())
            .args(["crashes::as_a_writer", "--exact", "--nocapture"])
            .env("SUIKANG_FAIL_AT", format!("{place}:{times}"))
            .env("SUIKANG_TEST_WRITER_OF", format!("{} {} {}", config.url, config.topic_prefix, house.lake().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut uploads = 0;
        let died = loop {
            if let Some(died) = dying.try_wait().unwrap() {
                break died;
            }
            assert!(Instant::now() < deadline, "it never came to {place} {times} times");
            // Each comes again, half of it with what follows.
            house.upload(uploads % 7, 1 + 20 * (uploads / 7), 40).await;
            house.upload(uploads % 7, 1 + 20 * (uploads / 7), 40).await;
            uploads += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(died.signal(), Some(6), "it dies of {place}, not of {died}");
        let (stop, writing) = house.write();
        let sums = house.drained().await;
        assert!(sums.scans.distinct > 0 && sums.scans.duplicate > 0, "{place}: {sums}");
        assert_eq!(sums.lake["scans"].rows, sums.scans.distinct, "{place}");
        stop.cancel();
        writing.await.unwrap();
    }
}
