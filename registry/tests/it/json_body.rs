//! Bodies at a door: what the extractor refuses before any handler sees it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use axum::routing::post;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::Value;
use suikang_registry::http::StrictJson;
use tower::ServiceExt;

const LIMIT_BYTES: usize = 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    name: String,
}

fn door() -> Router {
    Router::new().route("/", post(|StrictJson(form): StrictJson<Form, LIMIT_BYTES>| async { form.name }))
}

async fn send(content_type: Option<&str>, body: impl Into<Body>) -> (StatusCode, Bytes) {
    let mut request = Request::post("/");
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    let response = door().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let status = response.status();
    if status != StatusCode::OK {
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

async fn send_json(body: impl Into<Body>) -> (StatusCode, Value) {
    let (status, body) = send(Some("application/json"), body).await;
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_good_body_comes_through_to_the_letter() {
    for content_type in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        let (status, body) = send(Some(content_type), "{\"name\": \"𠮷\u{202E}野\"}").await;
        assert_eq!((status, &body[..]), (StatusCode::OK, "𠮷\u{202E}野".as_bytes()), "{content_type}");
    }
}

#[tokio::test]
async fn another_content_type_is_refused() {
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")]
    {
        let (status, _) = send(content_type, "{\"name\": \"x\"}").await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type:?}");
    }
}

#[tokio::test]
async fn too_many_bytes_are_refused_announced_or_not() {
    let (status, problem) = send_json(format!("{{\"name\": \"{}\"}}", "x".repeat(LIMIT_BYTES))).await;
    assert_eq!((status, &problem["limit_bytes"]), (StatusCode::PAYLOAD_TOO_LARGE, &Value::from(LIMIT_BYTES)));

    // Endless chunks of unannounced length: the door stops reading soon after its limit.
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let chunks = std::iter::from_fn(move || {
        counter.fetch_add(100, Ordering::Relaxed);
        Some(Ok::<_, Infallible>(Bytes::from_static(&[b' '; 100])))
    });
    let (status, _) = send_json(Body::from_stream(futures::stream::iter(chunks))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(sent.load(Ordering::Relaxed) <= 2 * LIMIT_BYTES);
}

#[tokio::test]
async fn a_broken_body_is_refused_by_its_place() {
    let cases: [(&[u8], &str, &str); 6] = [
        (b"{\"name\": \"\xF0\x28\"}", "not_utf8", ""),
        (b"{\"name\": \"a\\u0000\"}", "nul", "/name"),
        (b"{\"name\": \"a\", \"name\": \"b\"}", "duplicate_name", "/name"),
        (b"{\"name\": 13800138000}", "wrong_type", "/name"),
        (b"{\"name\": \"a\"", "not_json", ""),
        (&[b'['; 1000], "too_deep", &"/0".repeat(32)),
    ];
    for (body, error_code, pointer) in cases {
        let (status, problem) = send_json(body.to_vec()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{error_code}");
        assert_eq!(problem["error_code"], "malformed_json");
        assert_eq!(
            (&problem["errors"][0]["error_code"], &problem["errors"][0]["pointer"]),
            (&error_code.into(), &pointer.into())
        );
        assert!(!problem.to_string().contains("13800138000"), "never the value");
    }
}
