//! Views: every record folded once, whatever happens to the process; rebuilt when they must be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction};
use suikang_schemas::Topic;
use suikang_stream::testing::Broker;
use suikang_stream::{Fold, FoldError, Log, LogConfig, ReadError, Record, View, ViewError};
use tokio_util::sync::CancellationToken;

use super::{numbered, record, write};

/// Counts records and adds up their numbers: a record that is folded twice, or never, shows.
struct Sum {
    version: u32,
    topics: Vec<Topic>,
}

impl Sum {
    fn of(version: u32) -> Self {
        Self { version, topics: vec![Topic::Scans, Topic::Codes] }
    }
}

impl Fold for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }
    fn version(&self) -> u32 {
        self.version
    }
    fn topics(&self) -> Vec<Topic> {
        self.topics.clone()
    }
    fn create(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch("CREATE TABLE sum (records INTEGER, total INTEGER); INSERT INTO sum VALUES (0, 0)")
    }
    fn apply(&mut self, transaction: &Transaction<'_>, record: &Record) -> Result<(), FoldError> {
        let number = record.payload.get(4..8).ok_or(FoldError::Poison("no number"))?;
        let number = u32::from_be_bytes(number.try_into().unwrap());
        transaction.execute("UPDATE sum SET records = records + 1, total = total + ?1", [number])?;
        Ok(())
    }
}

fn sum(view: &View) -> (i64, i64) {
    view.read(|connection| {
        connection.query_row("SELECT records, total FROM sum", [], |row| Ok((row.get(0)?, row.get(1)?)))
    })
    .unwrap()
}

/// Follows until the view has everything, or for `at_most`, and stops as a process does.
async fn follow(view: &View, log: &Arc<dyn Log>, at_most: Duration) {
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (view, stop) = (view.clone(), stop.clone());
        async move { view.run(stop).await }
    });
    let all = async {
        for topic in [Topic::Scans, Topic::Codes] {
            for (kafka_partition, extent) in log.extents(topic).await.unwrap() {
                assert!(view.wait_for(topic, kafka_partition, extent.next, super::PATIENCE).await);
            }
        }
    };
    let _ = tokio::time::timeout(at_most, all).await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

async fn folds_every_record_once(config: LogConfig) {
    let log = write(&config).await;
    let folder = tempfile::tempdir().unwrap();
    let mut expected = (0, 0);
    for round in 0..6u64 {
        for topic in [Topic::Scans, Topic::Codes] {
            log.append(topic, numbered(700, 11)).await.unwrap();
            expected = (expected.0 + 700, expected.1 + 699 * 350);
        }
        // Opened anew each time, and stopped somewhere on the way.
        let view = View::open(folder.path(), Sum::of(1), Arc::clone(&log)).unwrap();
        follow(&view, &log, Duration::from_millis(30 * round)).await;
    }
    let view = View::open(folder.path(), Sum::of(1), Arc::clone(&log)).unwrap();
    follow(&view, &log, super::PATIENCE).await;
    assert_eq!(sum(&view), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn folds_every_record_once_on_kafka() {
    folds_every_record_once(Broker::shared().await.config()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folds_every_record_once_on_file() {
    folds_every_record_once(file(&tempfile::tempdir().unwrap())).await;
}

fn file(folder: &tempfile::TempDir) -> LogConfig {
    let url = format!("file:{}", folder.path().join("log.db").display());
    LogConfig { url, partitions: 4, ..LogConfig::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_or_a_broken_file_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let log = write(&file(&folder)).await;
    log.append(Topic::Scans, numbered(100, 3)).await.unwrap();
    let state = folder.path().join("state");
    let view = View::open(&state, Sum::of(1), Arc::clone(&log)).unwrap();
    follow(&view, &log, super::PATIENCE).await;
    assert_eq!(sum(&view).0, 100);
    drop(view);

    let view = View::open(&state, Sum::of(2), Arc::clone(&log)).unwrap();
    assert_eq!(sum(&view).0, 0, "another version starts from nothing");
    follow(&view, &log, super::PATIENCE).await;
    assert_eq!(sum(&view).0, 100);
    drop(view);

    std::fs::write(state.join("sum.db"), b"not a database, but long enough to look like something").unwrap();
    let view = View::open(&state, Sum::of(2), Arc::clone(&log)).unwrap();
    follow(&view, &log, super::PATIENCE).await;
    assert_eq!(sum(&view).0, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_record_is_passed_over_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = write(&file(&folder)).await;
    log.append(Topic::Codes, vec![record("k", "abc")]).await.unwrap();
    log.append(Topic::Codes, numbered(3, 1)).await.unwrap();
    let view = View::open(&folder.path().join("state"), Sum::of(1), Arc::clone(&log)).unwrap();
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    view.on_poison(Arc::new({
        let told = Arc::clone(&told);
        move |record, reason| told.lock().unwrap().push((record.offset, reason))
    }));
    follow(&view, &log, super::PATIENCE).await;
    assert_eq!(sum(&view).0, 3);
    assert_eq!(*told.lock().unwrap(), [(0, "no number")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_keeps_up_is_not_old_though_records_never_cease() {
    let folder = tempfile::tempdir().unwrap();
    let log = write(&file(&folder)).await;
    let sum = Sum { topics: vec![Topic::Scans], ..Sum::of(1) };
    let view = View::open(&folder.path().join("views"), sum, Arc::clone(&log)).unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (view, stop) = (view.clone(), stop.clone());
        async move { view.run(stop).await }
    });
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        log.append(Topic::Scans, numbered(1, 1)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let age = view.age();
    assert!(age.is_some_and(|age| age < Duration::from_secs(4)), "{age:?} old after five seconds of records");
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn folds_on_a_runtime_of_one_thread() {
    let folder = tempfile::tempdir().unwrap();
    let log = write(&file(&folder)).await;
    log.append(Topic::Scans, numbered(10, 3)).await.unwrap();
    let view = View::open(&folder.path().join("state"), Sum::of(1), Arc::clone(&log)).unwrap();
    follow(&view, &log, super::PATIENCE).await;
    assert_eq!(sum(&view), (10, 45));
}

#[tokio::test]
async fn two_that_fold_into_one_file_count_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let log = write(&file(&folder)).await;
    let state = folder.path().join("state");
    let view = View::open(&state, Sum::of(1), Arc::clone(&log)).unwrap();
    let another = View::open(&state, Sum::of(1), Arc::clone(&log)).unwrap();
    log.append(Topic::Scans, numbered(10, 3)).await.unwrap();
    // The second knows of no record that the first has folded.
    follow(&view, &log, super::PATIENCE).await;
    follow(&another, &log, super::PATIENCE).await;
    assert_eq!(sum(&view), (10, 45));
}

#[tokio::test]
async fn a_view_that_retention_has_overtaken_names_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let log = write(&file(&folder)).await;
    let state = folder.path().join("state");
    log.append(Topic::Scans, numbered(10, 1)).await.unwrap();
    let view = View::open(&state, Sum::of(1), Arc::clone(&log)).unwrap();
    follow(&view, &log, super::PATIENCE).await;
    drop(view);
    log.append(Topic::Scans, numbered(5, 1)).await.unwrap();
    log.expire(Topic::Scans, i64::MAX / 2).await.unwrap();

    let view = View::open(&state, Sum::of(1), Arc::clone(&log)).unwrap();
    let stopped = view.run(CancellationToken::new()).await.unwrap_err();
    let ViewError::Behind { path, error: ReadError::BeforeStart { asked: 10, start: 15, .. } } = &stopped else {
        panic!("{stopped}")
    };
    assert_eq!(path, &state.join("sum.db"));
    assert!(stopped.to_string().contains("sum.db"), "{stopped}");
}
