//! `POST /v1/declarations/batch`: an answer for each row, and a bad row spoils no other.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};
use suikang_ingest::Settings;
use suikang_schemas::Topic;
use suikang_schemas::declaration::{Declaration, DeclaredBy};
use uuid::Uuid;

use crate::city::{AWAY, City, HOME, Node};
use crate::exchange::{Answer, Post, wrong_fields};
use crate::forms;

const PATH: &str = "/v1/declarations/batch";
const NDJSON: &str = "application/x-ndjson";
const HEADER: &str = "name,document_type,document_number,phone,address,kind,committee,community,since,capacity,\
                      symptoms,hubei_stay,hubei_return,contact,description";

fn ndjson_row(serial: u32) -> Value {
    json!({"person": forms::person(serial), "residence": forms::residence(), "health": forms::healthy()})
}

fn csv_row(serial: u32, phone: &str, symptoms: &str) -> String {
    let number = forms::document_number(serial);
    format!(
        "张三,resident_id,{number},{phone},\"体育东路 1 号,\n2 楼\",resident,{HOME},,2019-05-01,tenant,{symptoms},none,,none,"
    )
}

async fn send(city: &City, node: &Node, content_type: &str, body: impl Into<Body>) -> Answer {
    Post::raw(PATH, &city.staff(), content_type, body).send(&node.router).await
}

async fn declarations(city: &City) -> Vec<Declaration> {
    city.events(Topic::Declarations).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_spoils_no_other() {
    let (city, node) = City::new().await;
    let mut wrong = ndjson_row(2);
    wrong["person"]["phone"] = json!("canary");
    let mut elsewhere = ndjson_row(3);
    elsewhere["residence"] = json!({"committee": AWAY, "capacity": "owner"});
    let body = format!("{}\n{wrong}\n{{\"canary\n\n{elsewhere}\n{}", ndjson_row(1), ndjson_row(4));
    let answer = send(&city, &node, NDJSON, body).await;
    assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (StatusCode::OK, NDJSON));
    let lines = answer.lines();
    assert_eq!(lines.iter().map(|line| line["row"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(wrong_fields(&lines[1]["problem"]), [("/person/phone".to_owned(), "wrong_character".to_owned())]);
    assert_eq!(lines[2]["problem"]["error_code"], "malformed_json");
    assert_eq!(lines[3]["problem"]["error_code"], "forbidden");
    assert!(!answer.text.contains("canary"));

    let declared = declarations(&city).await;
    assert_eq!(declared.len(), 2);
    for line in [&lines[0], &lines[4]] {
        let id = line["declaration_id"].as_str().unwrap();
        let one = declared.iter().find(|one| one.declaration_id.to_string() == id).unwrap();
        assert_eq!(one.subject.to_string(), line["subject"].as_str().unwrap());
        assert_eq!(one.declared_by, DeclaredBy::Staff);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spreadsheet_is_a_batch() {
    let (city, node) = City::new().await;
    let rows = [
        csv_row(1, "13800138000", "fever; cough"),
        csv_row(2, "canary", "canary;fever"),
        "canary,only,three".to_owned(),
        csv_row(3, "13800138000", ""),
    ];
    let body = format!("\u{feff}{HEADER}\r\n{}\r\n", rows.join("\r\n"));
    let lines = send(&city, &node, "text/csv; charset=utf-8", body).await.lines();
    assert_eq!(lines.len(), 4);
    assert_eq!(
        wrong_fields(&lines[1]["problem"]),
        [("/phone".to_owned(), "wrong_character".to_owned()), ("/symptoms".to_owned(), "not_a_choice".to_owned())]
    );
    assert_eq!(wrong_fields(&lines[2]["problem"]), [(String::new(), "field_count".to_owned())]);
    let mut symptoms: Vec<_> = declarations(&city).await.into_iter().map(|one| one.health.symptoms).collect();
    symptoms.sort();
    assert_eq!(symptoms, [vec![], vec!["fever".to_owned(), "cough".to_owned()]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_none_refuses_the_batch() {
    let (city, node) = City::new().await;
    for (body, place, word) in [
        ("name,canary\n", "/2", "unknown_column"),
        ("name,phone,name\n", "/3", "repeated_column"),
        ("", "", "field_count"),
        ("name,phone\rx,y\r", "", "line_end"),
    ] {
        let answer = send(&city, &node, "text/csv", body).await;
        assert_eq!(answer.refused(), (422, "invalid_header".to_owned()));
        assert_eq!(answer.wrong_fields(), [(place.to_owned(), word.to_owned())]);
    }
    assert_eq!(send(&city, &node, "application/json", "[]").await.refused(), (415, "unsupported_type".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_batch_again_has_the_same_ids() {
    let (city, node) = City::new().await;
    let body: String = (0..150).map(|serial| format!("{}\n", ndjson_row(serial))).collect();
    let key = Uuid::now_v7().to_string();
    let post = |router: axum::Router| {
        let post = Post::raw(PATH, &city.staff(), NDJSON, body.clone()).header("idempotency-key", key.clone());
        async move { post.send(&router).await }
    };
    let first = post(node.router.clone()).await;
    assert_eq!(first.lines().len(), 150);
    assert!(first.lines().iter().all(|line| line.get("declaration_id").is_some()), "{}", first.text);
    let two = city.node("two").await;
    assert_eq!(post(two.router.clone()).await.text, first.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_twice_in_a_batch_is_one_person_and_the_later_row_is_later() {
    let (city, node) = City::new().await;
    let mut later = ndjson_row(1);
    later["health"]["symptoms"] = json!(["fever"]);
    let lines = send(&city, &node, NDJSON, format!("{}\n{later}\n", ndjson_row(1))).await.lines();
    assert_eq!(lines[0]["subject"], lines[1]["subject"], "{lines:?}");
    let symptoms: Vec<usize> = declarations(&city).await.iter().map(|one| one.health.symptoms.len()).collect();
    assert_eq!(symptoms, [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_is_told_where_it_begins() {
    let (city, _node) = City::new().await;
    let settings = Settings { batch_rows: 3, batch_row_bytes: 1000, batch_bytes: 100_000, ..Settings::default() };
    let node = city.node_with("small", settings).await;
    let body: String = (0..5).map(|serial| format!("{}\n", ndjson_row(serial))).collect();
    let lines = send(&city, &node, NDJSON, body).await.lines();
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[3]["row"], &lines[3]["problem"]["error_code"]), (&json!(4), &json!("too_many_rows")));

    let body = format!("{}\n{}\n", "x".repeat(2000), ndjson_row(9));
    let lines = send(&city, &node, NDJSON, body).await.lines();
    assert_eq!(lines[0]["problem"]["status"], 413);
    assert!(lines[1].get("declaration_id").is_some(), "{lines:?}");

    let endless = futures::stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1024])));
    let lines = send(&city, &node, NDJSON, Body::from_stream(endless)).await.lines();
    assert_eq!(lines.len(), 2, "one row that is too long, then the body's end");
    assert!(lines.iter().all(|line| line["problem"]["status"] == 413));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_log_is_away_every_row_says_so() {
    let (city, node) = City::new().await;
    let body: String = (0..250).map(|serial| format!("{}\n", ndjson_row(serial))).collect();
    city.cut_off(true);
    let lines = send(&city, &node, NDJSON, body.clone()).await.lines();
    assert_eq!(lines.len(), 250);
    assert!(lines.iter().all(|line| line["problem"]["status"] == 503));
    city.cut_off(false);
    assert!(declarations(&city).await.is_empty());
    let lines = send(&city, &node, NDJSON, body).await.lines();
    assert!(lines.iter().all(|line| line.get("declaration_id").is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_for_staff() {
    let (city, node) = City::new().await;
    for token in [city.resident("me"), city.inspector()] {
        let answer = Post::raw(PATH, &token, NDJSON, ndjson_row(1).to_string()).send(&node.router).await;
        assert_eq!(answer.refused(), (403, "forbidden".to_owned()));
    }
}
