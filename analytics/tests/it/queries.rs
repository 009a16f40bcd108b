//! Questions that may not be asked, and one that never ends.

use std::time::{Duration, Instant};

use suikang_analytics::Settings;
use suikang_analytics::cut::Cuts;
use suikang_analytics::pseudonym::LakeSecret;
use suikang_analytics::sql::{SqlEngine, SqlError};

use super::House;

async fn engine(house: &House, settings: Settings) -> (SqlEngine, tokio_util::sync::CancellationToken) {
    let (cuts, stop): (Cuts, _) = house.follow();
    let deadline = Instant::now() + super::PATIENCE;
    let engine = SqlEngine::new(settings, cuts);
    while matches!(engine.query("SELECT 1").await, Err(SqlError::NotReady)) {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (engine, stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_outside_the_tables_is_refused() {
    let house = House::new(None).await;
    let (engine, stop) = engine(&house, house.settings.clone()).await;
    for sql in [
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM 'file:///etc/passwd'",
        "SELECT * FROM 'https://example.org/x.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('/tmp/x')",
        "SELECT * FROM parquet_metadata('/tmp/x')",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM information_schema.df_settings",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT load_extension('x')",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT nothing FROM scans",
        "SELECT * FROM people",
        "SELECT count(*) FROM scans WHERE seq = 'x' + 1",
        "SELECT 1/0",
        "COPY scans TO '/tmp/x'",
        "SELECT repeat('x', 1000000000)",
        "SELECT count(*) FROM scans WHERE length(rpad('x', 1000000000 + seq)) > 1",
        "SELECT array_length(generate_series(1, 1000000000))",
        "SELECT 1 WHERE EXISTS (SELECT array_repeat(1, 1000000000))",
    ] {
        let answered = engine.query(sql).await;
        assert!(matches!(answered, Err(SqlError::Refused(_) | SqlError::Invalid(_))), "{sql}: {answered:?}");
    }
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_never_ends_is_stopped_and_others_are_answered() {
    let house = House::new(None).await;
    for n in 0..20 {
        house.upload(n, 1, 500).await;
    }
    let settings = Settings { query_timeout_ms: 1_500, ..house.settings.clone() };
    let (engine, stop) = engine(&house, settings).await;
    let deadline = Instant::now() + super::PATIENCE;
    while engine
        .query("SELECT 1 FROM scans OFFSET 9999")
        .await
        .unwrap()
        .batches
        .iter()
        .all(|batch| batch.num_rows() == 0)
    {
        assert!(Instant::now() < deadline, "the tail does not come");
    }
    for sql in [
        "SELECT sum(a.seq + b.seq + c.seq) FROM scans a CROSS JOIN scans b CROSS JOIN scans c",
        "SELECT count(*) FROM scans a CROSS JOIN scans b CROSS JOIN scans c WHERE a.seq + b.seq + c.seq < 0",
        "SELECT count(*) FROM scans a JOIN scans b ON a.local_hour = b.local_hour AND a.seq + b.seq < 0
         JOIN scans c ON a.local_hour = c.local_hour AND a.seq + b.seq + c.seq < 0",
        "SELECT sum(seq * value) FROM scans CROSS JOIN (SELECT value FROM generate_series(1, 1000000000000))",
        "WITH RECURSIVE more AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM more) SELECT count(*) FROM more",
        "SELECT count(*) FROM (SELECT DISTINCT a.seq, b.scanned_at FROM scans a CROSS JOIN scans b CROSS JOIN scans c)",
    ] {
        is_stopped(&engine, sql).await;
    }
    stop.cancel();
}

/// It is stopped in time, others are answered meanwhile, and then its threads rest.
async fn is_stopped(engine: &SqlEngine, sql: &'static str) {
    let endless = tokio::spawn({
        let engine = engine.clone();
        async move { engine.query(sql).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(engine.query("SELECT count(*) FROM scans").await.is_ok(), "others are answered meanwhile");
    let stopped = endless.await.unwrap().err();
    assert!(matches!(stopped, Some(SqlError::TimedOut(_) | SqlError::TooLarge)), "{sql}: {stopped:?}");
    assert!(cpu_ms() > 200, "it had been running");
    // Other tests' queries have threads of the same name, and end; this one would go on for hours.
    let deadline = Instant::now() + super::PATIENCE / 4;
    loop {
        let before = cpu_ms();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let used = cpu_ms().saturating_sub(before);
        if used < 100 {
            break;
        }
        assert!(Instant::now() < deadline, "{used} ms of processor time in half a second, long after {sql}");
    }
}

/// Processor time that the threads of queries have used.
fn cpu_ms() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| task.path());
    let queries =
        tasks.filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "sql"));
    queries
        .map(|task| {
            let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
            let ticks = |field: usize| stat.rsplit(')').next()?.split_whitespace().nth(field)?.parse::<u64>().ok();
            (ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0)) * 10
        })
        .sum()
}

#[test]
fn secrets_do_not_show() {
    assert_eq!(format!("{:?}", LakeSecret::new([3; 32])), "LakeSecret(…)");
}
