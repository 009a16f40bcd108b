//! V1 to V3 at each door: too much, compressed, not JSON, not UTF-8.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::json;
use suikang_ingest::Settings;

use crate::city::{City, EAST_GATE, Node};
use crate::exchange::{Answer, Post};

const DOORS: [&str; 3] = ["/v1/declarations", "/v1/checks", "/v1/scans"];

fn token(city: &City, path: &str) -> String {
    if path == "/v1/declarations" { city.resident("me") } else { city.inspector() }
}

async fn post(city: &City, node: &Node, path: &'static str, body: impl Into<Body>) -> Answer {
    Post::raw(path, &token(city, path), "application/json", body).send(&node.router).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_and_not_held() {
    let (city, node) = City::new().await;
    for path in DOORS {
        let answer = post(&city, &node, path, vec![b' '; 1024 * 1024]).await;
        assert_eq!(answer.refused(), (413, "too_large".to_owned()), "{path}");
        let endless = futures::stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[b' '; 1024])));
        let answer = post(&city, &node, path, Body::from_stream(endless)).await;
        assert_eq!(answer.refused(), (413, "too_large".to_owned()), "{path}, endless");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_another_kind_is_refused() {
    let (city, node) = City::new().await;
    for path in DOORS {
        let plain = Post::raw(path, &token(&city, path), "text/plain", "{}").send(&node.router).await;
        assert_eq!(plain.refused(), (415, "unsupported_type".to_owned()), "{path}");
        let bomb = Post::raw(path, &token(&city, path), "application/json", vec![0x1f, 0x8b])
            .header("content-encoding", "gzip")
            .send(&node.router)
            .await;
        assert_eq!(bomb.refused(), (415, "unsupported_type".to_owned()), "{path}, compressed");
    }
    let bomb = Post::raw("/v1/declarations/batch", &city.staff(), "text/csv", vec![0x1f, 0x8b])
        .header("content-encoding", "gzip")
        .send(&node.router)
        .await;
    assert_eq!(bomb.refused().0, 415);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_parsers_could_read_differently_is_refused() {
    let (city, node) = City::new().await;
    let deep = "[".repeat(100_000);
    for path in DOORS {
        for (body, word) in [
            (b"{\"checkpoint\": \"canary\xff\"}".as_slice(), "not_utf8"),
            (b"{\"checkpoint\": \"canary\\u0000\"}", "nul"),
            (b"{\"checkpoint\": \"a\", \"checkpoint\": \"canary\"}", "duplicate_name"),
            (b"{\"canary\": 1}", "wrong_type"),
            (b"[\"canary\"]", "wrong_type"),
            (b"{\"checkpoint\": \"canary\"", "not_json"),
            (b"", "not_json"),
        ] {
            let answer = post(&city, &node, path, body.to_vec()).await;
            assert_eq!(answer.refused(), (400, "malformed_json".to_owned()), "{path} {word}");
            assert_eq!(answer.wrong_fields()[0].1, word, "{path}");
            assert!(!answer.text.contains("canary\\") && !answer.text.contains("\"canary"), "{path} {}", answer.text);
        }
        let begun = Instant::now();
        let limit = if path == "/v1/checks" { 8_000 } else { 60_000 };
        let answer = post(&city, &node, path, deep[..limit].to_owned()).await;
        assert_eq!(answer.wrong_fields()[0].1, "too_deep", "{path}");
        assert!(begun.elapsed() < Duration::from_millis(200), "{path}: {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_sending_is_not_waited_for() {
    let (city, _node) = City::new().await;
    let settings = Settings { body_timeout_ms: 200, ..Settings::default() };
    let node = city.node_with("impatient", settings).await;
    for path in DOORS {
        let piece = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
        let stalls = Body::from_stream(piece.chain(futures::stream::pending()));
        assert_eq!(post(&city, &node, path, stalls).await.refused(), (408, "body_too_slow".to_owned()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_door_says_so_at_once() {
    let (city, _node) = City::new().await;
    let node = city.node_with("narrow", Settings { checks_at_once: 1, ..Settings::default() }).await;
    let first = tokio::spawn({
        let (router, token) = (node.router.clone(), city.inspector());
        async move {
            loop {
                // All bytes that the one place may have, and no end of them.
                let piece = futures::stream::iter([Ok::<_, Infallible>(Bytes::from(vec![b' '; 8 * 1024]))]);
                let stalls = Body::from_stream(piece.chain(futures::stream::pending()));
                Post::raw("/v1/checks", &token, "application/json", stalls).send(&router).await;
            }
        }
    });
    let check = json!({"code": null, "checkpoint": EAST_GATE, "direction": "entry", "shown": "none"});
    let mut refused = Post::json("/v1/checks", &city.inspector(), &check).send(&node.router).await;
    while refused.status.is_success() {
        // The first has yet to come in.
        tokio::time::sleep(Duration::from_millis(10)).await;
        refused = Post::json("/v1/checks", &city.inspector(), &check).send(&node.router).await;
    }
    assert_eq!(refused.refused(), (503, "overloaded".to_owned()));
    assert!(refused.headers.contains_key("retry-after"));
    first.abort();
    let _ = first.await;
    assert!(Post::json("/v1/checks", &city.inspector(), &check).send(&node.router).await.status.is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_door_asks_nobody_who_they_are() {
    let (city, _node) = City::new().await;
    let shut = Settings {
        declarations_at_once: 0,
        batches_at_once: 0,
        checks_at_once: 0,
        uploads_at_once: 0,
        ..Settings::default()
    };
    let (open, shut) = (city.node("open").await, city.node_with("shut", shut).await);
    for path in ["/v1/declarations", "/v1/declarations/batch", "/v1/checks", "/v1/scans"] {
        let unread = || Body::from_stream(futures::stream::pending::<Result<Bytes, Infallible>>());
        let refused = Post::raw(path, "no token", "application/json", unread()).send(&shut.router).await;
        assert_eq!(
            (refused.refused(), refused.headers["retry-after"].as_bytes()),
            ((503, "overloaded".to_owned()), &b"1"[..]),
            "{path}"
        );
        assert_eq!(
            Post::raw(path, "no token", "application/json", unread()).send(&open.router).await.status,
            401,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_stop_sending_keep_nobody_out() {
    let (city, _node) = City::new().await;
    let node = city.node_with("besieged", Settings { checks_at_once: 1, ..Settings::default() }).await;
    for _ in 0..100 {
        let (router, token) = (node.router.clone(), city.inspector());
        tokio::spawn(async move {
            let piece = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
            let stalls = Body::from_stream(piece.chain(futures::stream::pending()));
            Post::raw("/v1/checks", &token, "application/json", stalls).send(&router).await
        });
    }
    let check = json!({"code": null, "checkpoint": EAST_GATE, "direction": "entry", "shown": "none"});
    for _ in 0..20 {
        let answer = Post::json("/v1/checks", &city.inspector(), &check).send(&node.router).await;
        assert!(answer.status.is_success(), "{}", answer.text);
    }
}
