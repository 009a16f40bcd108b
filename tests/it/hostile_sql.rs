//! Statements that mean harm, or can't end, against the real server: each is refused in our own words or stopped in time, and small
//! questions are answered meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{DemoCity, http};

/// How long a query may run.
const LIMIT: Duration = Duration::from_secs(4);
/// How many mean harm at once.
const AT_ONCE: usize = 2;

/// Refused: what writes, copies, sets, reads what is no table of ours, or tells what we are made of.
const REFUSED: &[&str] = &[
    "INSERT INTO scans SELECT * FROM scans",
    "UPDATE scans SET seq = 1",
    "DELETE FROM scans",
    "TRUNCATE TABLE scans",
    "ALTER TABLE scans DROP COLUMN seq",
    "MERGE INTO scans USING scans ON true WHEN MATCHED THEN DELETE",
    "CREATE TABLE x AS SELECT 1",
    "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
    "CREATE OR REPLACE VIEW scans AS SELECT 1",
    "CREATE FUNCTION f(INT) RETURNS INT RETURN $1",
    "DROP TABLE scans",
    "PREPARE p AS SELECT 1",
    "SELECT * INTO x FROM scans",
    "SELECT * FROM scans FOR UPDATE",
    "SELECT * FROM (INSERT INTO scans VALUES (1))",
    "WITH x AS (DELETE FROM scans RETURNING *) SELECT * FROM x",
    "EXPLAIN DELETE FROM scans",
    "COPY scans TO 'x.csv'",
    "COPY (SELECT 1) TO 's3://x/y' STORED AS PARQUET",
    "COPY scans TO 'https://example.org/x.json'",
    "COPY scans FROM '/etc/passwd'",
    "SET execution.batch_size = 1",
    "RESET ALL",
    "SHOW ALL",
    "BEGIN",
    "ATTACH DATABASE '/etc/passwd' AS x",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "SELECT * FROM 'http://127.0.0.1:1/x.csv'",
    "SELECT * FROM 'x.parquet'",
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM information_schema.tables",
    "SELECT version()",
    "SELECT current_setting('x')",
    "SELECT input_file_name()",
    "SELECT pg_sleep(100)",
    "EXPLAIN ANALYZE SELECT 1",
    "EXPLAIN VERBOSE SELECT 1",
    "EXPLAIN FORMAT TREE SELECT * FROM scans",
    "SELECT 1; DROP TABLE scans",
    "SELECT 1 -- \n; DROP TABLE scans",
    ";;;",
    "SELECT 'open",
    "SELECT 1 BETWEEN 1 AND 1 BETWEEN 1 AND 1",
    "SELECT sum(seq) OVER (ORDER BY seq ROWS BETWEEN 18446744073709551615 PRECEDING AND CURRENT ROW) FROM scans LIMIT 1",
    "SELECT approx_percentile_cont(0.5, 9223372036854775807) WITHIN GROUP (ORDER BY seq) FROM scans",
    // One step of these would take more memory than there is.
    "SELECT repeat('x', 1000000000)",
    "SELECT lpad('x', 1000000000, 'y')",
    "SELECT array_repeat(1, 1000000000)",
    "SELECT unnest(range(1, 9223372036854775807))",
    "SELECT * FROM generate_series(1, array_length(range(1, 1000000000)))",
    "SELECT arrow_cast(NULL, 'FixedSizeBinary(2147483647)') FROM scans",
    "SELECT arrow_cast(NULL, 'FixedSizeList(2147483647, Int64)')",
    "SELECT array_agg(checkpoint) OVER (ORDER BY seq) FROM scans",
    "SELECT count(*) FROM (SELECT unnest(x) FROM (SELECT array_agg(seq) x FROM scans), scans)",
    "SELECT sum(length(x || s.seq)) FROM (SELECT string_agg(checkpoint, ',') x FROM scans), scans s",
    // What no text should hold.
    "\0",
    "SELECT '\0'",
    "SELECT \u{202e}1\u{202c}",
    "SELECT\u{200b}1",
    "ＳＥＬＥＣＴ 1",
    "SELECT \u{1}\u{1b}[31m 1",
];

/// Stopped: what never ends, or takes more memory than queries may have. What sorts much is in one step for long: no two in a row.
const STOPPED: &[&str] = &[
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "SELECT rank() OVER (ORDER BY a.seq + b.seq + c.seq) FROM scans a, scans b, scans c",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t) SELECT * FROM t WHERE n = 2",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t, (VALUES (1), (2)) v) SELECT count(*) FROM t",
    "SELECT a.seq FROM scans a, scans b, scans c ORDER BY a.seq * b.seq * c.seq",
    "WITH RECURSIVE t(x) AS (SELECT 'xxxxxxxx' UNION ALL SELECT x || x FROM t) SELECT max(length(x)) FROM t",
    "WITH RECURSIVE t(x) AS (SELECT [1, 2] UNION ALL SELECT array_concat(x, x) FROM t) SELECT max(array_length(x)) FROM t",
    "SELECT count(*) FROM scans a JOIN scans b USING (direction) JOIN scans c ON b.direction = c.direction AND a.seq + c.seq < 0",
    "SELECT sum(value) FROM range(1, 9223372036854775807)",
    "SELECT * FROM generate_series(1, 9223372036854775807) WHERE value < 0",
    "SELECT * FROM generate_series(1, 9223372036854775807) WHERE random() > 2",
    "SELECT count(*) FROM generate_series(1, 9223372036854775807) WHERE md5(value::varchar) ~ '^(a|b)*x$'",
    "SELECT count(DISTINCT value) FROM generate_series(1, 9223372036854775807)",
    "SELECT value FROM generate_series(1, 9223372036854775807) ORDER BY value DESC",
    "SELECT array_agg(value) FROM generate_series(1, 9223372036854775807)",
    "SELECT sum(value) OVER () FROM generate_series(1, 9223372036854775807)",
    "SELECT value FROM generate_series(1, 9223372036854775807) OFFSET 9223372036854775000",
    "SELECT md5(value::varchar) || md5((value + 1)::varchar), count(*) FROM generate_series(1, 9223372036854775807) GROUP BY 1",
    "SELECT count(*) FROM scans a, scans b, scans c WHERE a.seq + b.seq + c.seq = 0",
    "SELECT a.checkpoint || b.checkpoint || c.checkpoint, count(*) FROM scans a, scans b, scans c GROUP BY 1",
    "SELECT count(*) FROM scans a JOIN scans b ON a.seq < b.seq JOIN scans c ON b.seq < c.seq",
    "SELECT count(*) FROM scans a WHERE EXISTS (SELECT 1 FROM scans b, scans c WHERE a.seq + b.seq + c.seq = 0)",
];

/// Refused: what is nested, long, or uses a name again and again.
fn deep_and_long() -> Vec<String> {
    let twice = |item: &str, from: &str| format!("SELECT {item} AS x FROM ({from})");
    let nested =
        |item: &str, levels| (0..levels).fold("SELECT seq AS x FROM scans".to_owned(), |from, _| twice(item, &from));
    let columns: Vec<_> = (0..60).map(|n| format!("seq + {n}")).collect();
    let laughs: String = (1..30).map(|n| format!(", a{n} AS (SELECT x.c FROM a{} x, a{} y)", n - 1, n - 1)).collect();
    let mut all = vec![
        nested("x + x", 30),
        nested("struct(x, x)", 20),
        nested("x", 60),
        format!("WITH a0 AS (SELECT 1 AS c){laughs} SELECT count(*) FROM a29"),
        format!("SELECT count(*) FROM scans GROUP BY CUBE ({})", columns.join(", ")),
        format!("SELECT CAST(1 AS INT{})", "[]".repeat(200)),
        format!("SELECT CAST(1 AS {}INT{})", "ARRAY<".repeat(200), ">".repeat(200)),
        format!("SELECT '{}'", "x".repeat(60_000)),
        format!("SELECT replace('{0}', 'x', '{0}')", "x".repeat(30_000)),
        format!("SELECT 'x' ~ '{}{}'", "(".repeat(20_000), ")".repeat(20_000)),
        format!("SELECT {}'x'{}", "encode(".repeat(40), ", 'hex')".repeat(40)),
        "x".repeat(65_537),
        format!("SELECT '{}'", "x".repeat(1_000_000)),
    ];
    for levels in [100, 1_000, 10_000] {
        all.push(format!("SELECT {}1{}", "(".repeat(levels), ")".repeat(levels)));
        all.push(format!("SELECT {}", "(".repeat(levels)));
        all.push(format!("SELECT {}1", "- ".repeat(levels)));
        all.push(format!("SELECT {}'1'", "INTERVAL ".repeat(levels)));
        all.push(format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(levels), " END".repeat(levels)));
        all.push(format!("SELECT {}1{}", "(SELECT ".repeat(levels), ")".repeat(levels)));
    }
    for times in [2_000, 10_000] {
        all.push(format!("SELECT 1{}", "+1".repeat(times)));
        all.push(format!("SELECT true{}", " AND true".repeat(times)));
        all.push(format!("SELECT district{} FROM scans", "||district".repeat(times)));
        all.push(format!("SELECT 1{}", " EXCEPT SELECT 1".repeat(times)));
        all.push(format!("SELECT 1 FROM scans{}", " CROSS JOIN scans".repeat(times)));
    }
    all
}

async fn ask(city: &DemoCity, token: &str, sql: &str) -> (u16, String, String) {
    let request = http().post(format!("{}/v1/sql", city.url)).bearer_auth(token).json(&json!({"sql": sql}));
    let answer = request.send().await.unwrap_or_else(|error| panic!("{error}: {sql:.200}\n{}", city.told()));
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), kind, answer.text().await.unwrap())
}

/// A small question; whether it was answered in time, and then it is answered well.
async fn small(city: &DemoCity, token: &str) -> bool {
    let (status, _, text) = ask(city, token, "SELECT 1 AS n").await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    // On a machine that has no time it may be stopped like any other.
    let stopped = answer["error_code"] == "sql_timed_out";
    assert!(stopped || (status, &answer["rows"]) == (200, &json!([{"n": 1}])), "{text}");
    !stopped
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_is_refused_or_stopped_and_others_are_answered() {
    let limit = LIMIT.as_millis().to_string();
    // One step of sorting all of the memory that queries have is not stopped midway: with little memory it is short.
    let settings =
        [("SUIKANG_ANALYTICS__QUERY_TIMEOUT_MS", &*limit), ("SUIKANG_ANALYTICS__QUERY_MEMORY_BYTES", "50000000")];
    let city = Arc::new(DemoCity::start_with(&settings).await);
    let token = city.token("headquarters_investigator", "4401", "hostile");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !ask(&city, &token, "SELECT 1 FROM scans OFFSET 5000 LIMIT 1").await.2.contains("\"rows\":[{") {
        assert!(Instant::now() < deadline, "the city does not live");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let refused =
        REFUSED.iter().map(|sql| ((*sql).to_owned(), false)).chain(deep_and_long().into_iter().map(|sql| (sql, false)));
    let attempts: Arc<Vec<_>> = Arc::new(refused.chain(STOPPED.iter().map(|sql| ((*sql).to_owned(), true))).collect());
    let (next, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let honest = tokio::spawn({
        let (city, token, over) = (Arc::clone(&city), token.clone(), Arc::clone(&over));
        async move {
            let (mut asked, mut answered) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                asked += 1;
                answered += i32::from(small(&city, &token).await);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (asked, answered)
        }
    });
    let hostile: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (city, token, attempts, next) =
                (Arc::clone(&city), token.clone(), Arc::clone(&attempts), Arc::clone(&next));
            tokio::spawn(async move {
                while let Some((sql, endless)) = attempts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    attempt(&city, &token, sql, *endless).await;
                }
            })
        })
        .collect();
    for hostile in hostile {
        hostile.await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let (asked, answered) = honest.await.unwrap();
    assert!(answered * 2 > asked, "of {asked} small questions meanwhile {answered} were answered");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !small(&city, &token).await {
        assert!(Instant::now() < deadline, "nothing is answered afterwards");
    }
    assert!(!city.told().contains("panicked"), "{}", city.told());
    let stopped = STOPPED.len();
    println!(
        "{} refused, {stopped} stopped; {answered} of {asked} small questions answered meanwhile",
        attempts.len() - stopped
    );
    Arc::into_inner(city).unwrap().stop();
}

/// Refused at once or, if it never ends, stopped in time; in our own words.
async fn attempt(city: &DemoCity, token: &str, sql: &str, endless: bool) {
    let (status, kind, text) = ask(city, token, sql).await;
    assert!((400..500).contains(&status) && kind == "application/problem+json", "{sql:.200}: {status} {text:.500}");
    let problem: Value = serde_json::from_str(&text).unwrap();
    let stops = ["sql_timed_out", "sql_too_large"];
    assert_eq!(stops.contains(&problem["error_code"].as_str().unwrap()), endless, "{sql:.200}: {text:.500}");
    let told = text.to_lowercase();
    for word in ["datafusion", "panicked", ".rs:", "optimizer", "parsererror", city.folder.path().to_str().unwrap()] {
        assert!(!told.contains(word), "{sql:.200}: {text:.500}");
    }
}
