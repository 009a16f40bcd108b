//! `POST /v1/sql`: one question at a time, nothing but questions, never for ever.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use suikang_registry::{Action, Role};
use suikang_schemas::decide::Verdict;
use suikang_schemas::scan::{Direction, Scan, Shown};

use crate::city::{City, GATE, now_ms};
use crate::exchange::{Ask, post};

fn question(city: &City, sql: &str) -> Ask {
    post("/v1/sql", &json!({"sql": sql})).bearer(&city.investigator())
}

/// Some scans, without codes.
async fn scans(city: &City, count: i64) {
    let scan = Scan {
        scanned_at_ms: now_ms(),
        direction: Direction::Entry,
        shown: Shown::None,
        verdict: Verdict::Refer,
        reasons: vec!["no_code".to_owned()],
        code_id: None,
        status: None,
        temperature_tenths_celsius: None,
        vehicle: None,
        offline: false,
    };
    for first_seq in (0..count).map(|at| at * 500 + 1) {
        city.scan(7, first_seq, GATE, vec![scan.clone(); 500]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_names_its_columns_its_limit_and_its_cut() {
    let city = City::with(|settings| settings.1.query_rows = 3, now_ms()).await;
    scans(&city, 2).await;
    city.settle().await;
    let sql = "SELECT seq, code_ref, reasons FROM scans ORDER BY seq";
    let answer = city.send(question(&city, sql)).await.json();
    assert_eq!(answer["columns"][0], json!({"name": "seq", "type": "Int64"}));
    assert_eq!(
        answer["rows"][0],
        json!({"seq": 1, "code_ref": null, "reasons": ["no_code"]}),
        "every column, also empty"
    );
    assert_eq!(answer["rows"].as_array().unwrap().len(), 3);
    assert_eq!((&answer["row_limit"], &answer["truncated"]), (&json!(3), &json!(true)));
    for table in ["scans", "declarations", "outcomes"] {
        assert!(answer["cut"][table]["table_version"].is_i64(), "{answer}");
    }
    let offsets: i64 =
        answer["cut"]["scans"]["next_offsets"].as_object().unwrap().values().filter_map(Value::as_i64).sum();
    assert_eq!(offsets, 2, "both uploads");
    let all = city.send(question(&city, "SELECT count(*) AS n FROM scans")).await.json();
    assert_eq!((&all["rows"], &all["truncated"]), (&json!([{"n": 1000}]), &json!(false)));
    let none = city.send(question(&city, "SELECT seq FROM scans WHERE seq < 0")).await.json();
    assert_eq!((&none["rows"], &none["columns"][0]["name"]), (&json!([]), &json!("seq")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_the_form_that_was_asked_for() {
    let city = City::with(|settings| settings.1.query_rows = 2, now_ms()).await;
    city.settle().await;
    let sql = "SELECT * FROM (VALUES ('=1+1', -2), ('@天河', 1), ('x', 0)) AS t(text, number)";
    let accept = |media_type| question(&city, sql).header("accept", media_type);
    let table = city.send(accept("text/csv;q=0.9, */*;q=0.1")).await;
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(table.text(), "\u{feff}text,number\n'=1+1,-2\n'@天河,1\n", "no cell that a spreadsheet would run");
    assert_eq!((table.header("suikang-truncated"), table.header("suikang-row-limit")), ("true", "2"));
    assert!(serde_json::from_str::<Value>(table.header("suikang-cut")).unwrap()["scans"].is_object());

    let arrow = city.send(accept("application/vnd.apache.arrow.stream")).await;
    assert_eq!(arrow.header("content-type"), "application/vnd.apache.arrow.stream");
    assert_eq!(arrow.bytes[..4], [0xff; 4], "a stream begins with a continuation marker");
    let parquet = city.send(accept("application/vnd.apache.parquet")).await;
    assert_eq!((&parquet.bytes[..4], &parquet.bytes[parquet.bytes.len() - 4..]), (&b"PAR1"[..], &b"PAR1"[..]));

    let named = post("/v1/sql", &json!({"sql": sql, "format": "csv"})).bearer(&city.investigator());
    assert_eq!(city.send(named).await.bytes, table.bytes);
    let unknown = post("/v1/sql", &json!({"sql": sql, "format": "xml"})).bearer(&city.investigator());
    assert_eq!(city.send(unknown).await.refused().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_no_question_is_refused_and_written_down() {
    let city = City::new().await;
    city.settle().await;
    let cases = [
        ("INSERT INTO scans SELECT * FROM scans", "sql_refused"),
        ("DROP TABLE scans", "sql_refused"),
        ("COPY scans TO '/tmp/scans.csv'", "sql_refused"),
        ("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", "sql_refused"),
        ("SET datafusion.execution.batch_size = 1", "sql_refused"),
        ("SELECT 1; SELECT 2", "sql_refused"),
        ("", "sql_refused"),
        ("SELECT * FROM '/etc/passwd'", "sql_invalid"),
        ("SELECT * FROM 'https://example.org/x.csv'", "sql_invalid"),
        ("SELECT * FROM information_schema.tables", "sql_invalid"),
        ("SELECT no_such_column FROM scans", "sql_invalid"),
        ("SELEC 1", "sql_invalid"),
        ("SELECT 1 / 0", "sql_invalid"),
    ];
    for (sql, error_code) in cases {
        assert_eq!(city.send(question(&city, sql)).await.refused(), (422, error_code.to_owned()), "{sql}");
    }
    let entries: Vec<_> = city.audited().await.into_iter().map(|(entry, _)| entry).collect();
    assert_eq!(entries.len(), cases.len());
    assert!(entries.iter().all(|entry| entry.action == Action::QuerySql.as_str() && entry.allowed));
    assert_eq!(entries[2].target, "COPY scans TO '…'", "the text, without what might be about a person");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_end_is_stopped_and_others_are_answered_meanwhile() {
    let city = City::with(|settings| settings.1.query_timeout_ms = 1_500, now_ms()).await;
    scans(&city, 10).await;
    city.settle().await;
    let endless = question(&city, "SELECT count(*) FROM scans a, scans b, scans c WHERE a.seq + b.seq + c.seq = 0");
    let asked = Instant::now();
    let waiting = tokio::spawn({
        let (router, endless) = (city.router.clone(), endless);
        async move { endless.send(&router).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let small = city.send(question(&city, "SELECT 1 AS n")).await.json();
    assert_eq!(small["rows"][0]["n"], 1);
    assert!(!waiting.is_finished(), "it was answered while the other ran");
    assert_eq!(waiting.await.unwrap().refused(), (422, "sql_timed_out".to_owned()));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_is_refused_and_written_down() {
    let city = City::new().await;
    let token = city.token(Role::DistrictAnalyst, "440106", "analyst");
    let answer = city.send(post("/v1/sql", &json!({"sql": "SELECT '张三'"})).bearer(&token)).await;
    assert_eq!(answer.refused(), (403, "forbidden".to_owned()));
    let [(entry, _)] = city.audited().await.try_into().unwrap();
    assert_eq!((entry.target.as_str(), entry.allowed), ("SELECT '…'", false));
    let long = post("/v1/sql", &json!({"sql": "x".repeat(200_000)})).bearer(&city.investigator());
    assert_eq!(city.send(long).await.refused().0, 413);
}
