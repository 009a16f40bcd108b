//! `POST /v1/scans`: each scan is accepted once, in whatever order uploads arrive.

use axum::http::StatusCode;
use serde_json::{Value, json};
use suikang_schemas::Topic;
use suikang_schemas::decide::Verdict;
use suikang_schemas::scan::ScanUpload;
use suikang_stream::{Log, NewRecord};

use crate::city::{City, EAST_GATE, Node, now_ms};
use crate::exchange::{Answer, Post};

const EPOCH: &str = "00000000000000aa";

fn scan(at_ms: i64) -> Value {
    json!({"scanned_at_ms": at_ms, "direction": "entry", "shown": "screen", "verdict": "admit", "reasons": []})
}

fn upload(first_seq: i64, scans: &[Value]) -> Value {
    json!({"device_epoch": EPOCH, "first_seq": first_seq, "checkpoint": EAST_GATE, "scans": scans})
}

async fn send(city: &City, node: &Node, body: &Value) -> Answer {
    Post::json("/v1/scans", &city.inspector(), body).send(&node.router).await
}

async fn results(city: &City, node: &Node, body: &Value) -> Vec<String> {
    let answer = send(city, node, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    serde_json::from_value(answer.json()["results"].clone()).unwrap()
}

async fn uploads(city: &City) -> Vec<ScanUpload> {
    city.events(Topic::Scans).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_is_on_the_log_as_it_was_sent() {
    let (city, node) = City::new().await;
    let at_ms = now_ms() - 3_600_000;
    let full = json!({
        "scanned_at_ms": at_ms, "direction": "exit", "shown": "companion", "verdict": "refer", "reasons": ["health", "fever"],
        "code_id": "000102030405060708090a0b0c0d0e0f", "status": "amber", "temperature_tenths_celsius": 378,
        "vehicle": {"group": 7, "plate": "粤A·12345", "heads": 2}, "offline": true,
    });
    let before_ms = now_ms();
    assert_eq!(results(&city, &node, &upload(7, &[full, scan(at_ms)])).await, ["accepted", "accepted"]);
    let uploads = uploads(&city).await;
    let [upload] = &uploads[..] else { panic!("{uploads:?}") };
    assert_eq!((upload.device_epoch, upload.first_seq, upload.scans.len()), (0xaa, 7, 2));
    assert!((before_ms..=now_ms()).contains(&upload.received_at_ms));
    let first = &upload.scans[0];
    assert_eq!((first.scanned_at_ms, first.verdict, first.offline), (at_ms, Verdict::Refer, true));
    assert_eq!(first.reasons, ["health", "fever"]);
    assert_eq!(first.code_id.unwrap().to_string(), "000102030405060708090a0b0c0d0e0f");
    let vehicle = first.vehicle.unwrap();
    assert_eq!((vehicle.group, vehicle.heads), (7, 2));
    let record = &city.records(Topic::Scans).await[0];
    assert_eq!(record.record_key, [0, 0, 0, 0, 0, 0, 0, 0xaa]);
    assert!(!record.payload.windows(5).any(|window| window == b"12345"), "a plate stays outside");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_counts_once_whatever_order_uploads_arrive_in() {
    let (city, node) = City::new().await;
    let now = now_ms();
    let scans: Vec<Value> = (0..10).map(|i| scan(now - 1000 + i)).collect();
    assert_eq!(results(&city, &node, &upload(6, &scans[5..])).await, ["accepted"; 5]);
    assert_eq!(results(&city, &node, &upload(1, &scans[..5])).await, ["accepted"; 5]);
    assert_eq!(results(&city, &node, &upload(1, &scans)).await, ["duplicate"; 10]);
    assert_eq!(uploads(&city).await.len(), 2, "a repetition is not appended");

    let mut contradicts = scans.clone();
    contradicts[2]["verdict"] = json!("refuse");
    contradicts.push(scan(now));
    let mut expected = vec!["duplicate"; 10];
    expected[2] = "conflict";
    expected.push("accepted");
    assert_eq!(results(&city, &node, &upload(1, &contradicts)).await, expected);
    let uploads = uploads(&city).await;
    let last = uploads.last().unwrap();
    assert_eq!((uploads.len(), last.first_seq, last.scans.len()), (3, 11, 1), "the new one alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_took_is_known_here() {
    let (city, one) = City::new().await;
    let two = city.node("two").await;
    // A record that nobody can read is passed over.
    let poison = NewRecord { record_key: vec![0], payload: b"poison".to_vec() };
    city.log.append(Topic::Scans, vec![poison]).await.unwrap();
    // The second node follows within moments; each number is asked of it once, for by asking it learns.
    for seq in 1..100 {
        let body = upload(seq, &[scan(now_ms())]);
        assert_eq!(results(&city, &one, &body).await, ["accepted"]);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        if results(&city, &two, &body).await == ["duplicate"] {
            return;
        }
    }
    panic!("the second node never heard of the first one's scans");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_remembers_a_day() {
    let (city, node) = City::new().await;
    let scans: Vec<Value> = (0..5).map(|i| scan(now_ms() + i)).collect();
    for first_seq in [1, 6, 11] {
        results(&city, &node, &upload(first_seq, &scans)).await;
    }
    drop(node);
    let restarted = city.node("one-again").await;
    let appended = uploads(&city).await.len();
    // Following begins with the node; until it has caught up a repetition is appended, which readers drop.
    for _ in 0..100 {
        let probe = upload(1, &scans);
        if results(&city, &restarted, &probe).await == ["duplicate"; 5] {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(results(&city, &restarted, &upload(11, &scans)).await, ["duplicate"; 5]);
    assert!(uploads(&city).await.len() <= appended + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_upload_at_once_is_appended_once() {
    let (city, node) = City::new().await;
    let body = upload(1, &(0..20).map(|i| scan(now_ms() + i)).collect::<Vec<_>>());
    let requests = (0..50).map(|_| {
        let (router, token, body) = (node.router.clone(), city.inspector(), body.clone());
        tokio::spawn(async move { Post::json("/v1/scans", &token, &body).send(&router).await.text })
    });
    let answers: Vec<String> = futures::future::join_all(requests).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| answer.contains("accepted")).count(), 1);
    assert_eq!(uploads(&city).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_another_month_is_refused() {
    let (city, node) = City::new().await;
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    for (offset_ms, status) in [(-31 * DAY_MS, 422), (-29 * DAY_MS, 200), (DAY_MS / 2, 200), (2 * DAY_MS, 422)] {
        let body = upload(1 + offset_ms.abs() / DAY_MS, &[scan(now_ms() + offset_ms)]);
        assert_eq!(send(&city, &node, &body).await.status.as_u16(), status, "{offset_ms}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_log_is_away_a_device_keeps_its_scans() {
    let (city, node) = City::new().await;
    let body = upload(1, &[scan(now_ms())]);
    city.cut_off(true);
    let answer = send(&city, &node, &body).await;
    assert_eq!(answer.refused(), (503, "unavailable".to_owned()));
    assert!(answer.headers.contains_key("retry-after"));
    city.cut_off(false);
    assert_eq!(results(&city, &node, &body).await, ["accepted"]);
    assert_eq!(results(&city, &node, &body).await, ["duplicate"]);
}
