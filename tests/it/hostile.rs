//! Clients that mean harm, or can't do better, against the real server: they cost it little, and others are served meanwhile.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{DemoCity, demo_city, http};

/// Clients that send a byte now and then.
const SLOW: usize = 5_000;
/// How long one of them may take with its headers.
const HEADERS_S: u64 = 4;

/// Sends a byte every second, until the server has enough; says how long that took.
async fn dawdle(address: String, start: &'static [u8]) -> Duration {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(start).await.unwrap();
    let connected = Instant::now();
    let mut answer = [0; 64];
    loop {
        match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => return connected.elapsed(),
            Ok(Ok(_)) => {}
            Err(_) => {
                if stream.write_all(b"x").await.is_err() {
                    return connected.elapsed();
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_slow_clients_hold_up_nobody() {
    // A client needs a file as well.
    let limit = rlimit::increase_nofile_limit(20_000).unwrap();
    let slow = SLOW.min(usize::try_from(limit).unwrap().saturating_sub(1_000));
    assert!(slow >= 2_000, "only {limit} files may be open");
    let header_timeout = HEADERS_S.to_string();
    let city = DemoCity::start_with(&[("SUIKANG_HTTP__HEADER_TIMEOUT_S", &header_timeout)]).await;
    let address = city.url.strip_prefix("http://").unwrap().to_owned();
    let before_mb = city.resident_mb();
    let starts: [&[u8]; 4] = [
        b"",
        b"PRI",
        b"GET /healthz HT",
        b"POST /v1/verify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n{",
    ];
    let dawdlers: Vec<_> = (0..slow).map(|n| tokio::spawn(dawdle(address.clone(), starts[n % 4]))).collect();

    let honest = http();
    let mut served = 0;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(HEADERS_S) {
        let asked = Instant::now();
        let alive = honest.get(format!("{}/healthz", city.url)).send().await.unwrap();
        let code = json!({"code": "SK1:NONE"});
        let verified = honest.post(format!("{}/v1/verify", city.url)).json(&code).send().await.unwrap();
        assert_eq!((alive.status(), verified.status()), (StatusCode::OK, StatusCode::OK));
        assert!(asked.elapsed() < Duration::from_secs(5), "an honest client waited {:?}", asked.elapsed());
        served += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(served >= 3, "{served} answers");
    let grown_mb = city.resident_mb().saturating_sub(before_mb);
    assert!(grown_mb < 400, "{grown_mb} MB for {slow} clients");
    for dawdler in dawdlers {
        let held = tokio::time::timeout(Duration::from_secs(60), dawdler).await.expect("they are let go").unwrap();
        assert!(held < Duration::from_secs(45), "one was held for {held:?}");
    }
    city.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_as_a_problem() {
    let city = demo_city().await;
    let resident = city.token("resident", "4401", "hostile");
    let before_mb = city.resident_mb();
    // 100 MB of zeros, as gzip has them.
    let bomb: Vec<u8> = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0; 100_000]].concat();
    let deep = "[".repeat(60_000);
    let json = "application/json";
    let cases = [
        (Method::POST, "/v1/declarations", json, "gzip", bomb.clone(), 415),
        (Method::POST, "/v1/declarations", json, "br", bomb.clone(), 415),
        (Method::POST, "/v1/scans", json, "deflate", bomb.clone(), 415),
        (Method::POST, "/v1/declarations", json, "identity", vec![b' '; 20_000_000], 413),
        (Method::POST, "/v1/sql", json, "identity", vec![b' '; 20_000_000], 413),
        (Method::POST, "/v1/declarations", json, "identity", deep.into_bytes(), 400),
        (Method::POST, "/v1/declarations", json, "identity", b"{\"health\":".to_vec(), 400),
        (Method::POST, "/v1/declarations", json, "identity", vec![0xff, 0xfe, b'{'], 400),
        (Method::POST, "/v1/declarations", "text/xml", "identity", b"<x/>".to_vec(), 415),
        (Method::GET, "/v1/nothing/here", json, "identity", Vec::new(), 404),
        (Method::DELETE, "/v1/declarations", json, "identity", Vec::new(), 405),
        (Method::GET, "/v1/districts/440106/summary?from=x", json, "identity", Vec::new(), 400),
    ];
    for (method, path, content_type, encoding, body, expected) in cases {
        let role = if path.contains("summary") { "district_analyst" } else { "resident" };
        let token = match (path, role) {
            ("/v1/sql", _) => city.token("headquarters_investigator", "4401", "hostile"),
            ("/v1/scans", _) => city.token("inspector", "440106", "hostile"),
            (_, "district_analyst") => city.token(role, "440106", "hostile"),
            _ => resident.clone(),
        };
        let mut request = http().request(method.clone(), format!("{}{path}", city.url)).bearer_auth(token);
        request = request.header("content-type", content_type).header("content-encoding", encoding).body(body);
        // A door that has read enough may close before the client has sent all: then there is no answer to look at.
        let Ok(answer) = request.send().await else {
            assert_eq!(expected, 413, "{method} {path} was not answered");
            continue;
        };
        let kind = answer.headers().get("content-type").cloned();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        assert_eq!(
            (status, kind.as_ref().unwrap().to_str().unwrap()),
            (expected, "application/problem+json"),
            "{method} {path}: {text}"
        );
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["status"], expected, "{text}");
        assert!(!text.contains("src/") && !text.contains("panick") && !text.contains("/home"), "{text}");
    }
    let grown_mb = city.resident_mb().saturating_sub(before_mb);
    assert!(grown_mb < 150, "{grown_mb} MB more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_stopped_gives_its_memory_back() {
    let city = DemoCity::start_with(&[("SUIKANG_ANALYTICS__QUERY_TIMEOUT_MS", "2000")]).await;
    let token = city.token("headquarters_investigator", "4401", "hostile");
    let ask = async |sql: &str| {
        let request = http().post(format!("{}/v1/sql", city.url)).bearer_auth(&token).json(&json!({"sql": sql}));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while ask("SELECT count(*) AS n FROM scans").await.1["rows"][0]["n"].as_i64().unwrap() < 5_000 {
        assert!(Instant::now() < deadline, "the city does not live");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let pairs = "scans a CROSS JOIN scans b";
    let greedy = format!(
        "SELECT count(*) FROM (SELECT DISTINCT a.seq * 100000 + b.seq, a.scanned_at, b.scanned_at FROM {pairs})"
    );
    // What a first run allocates for good is no query's memory.
    ask(&greedy).await;
    let before_mb = city.resident_mb();
    for _ in 0..3 {
        let (status, answer) = ask(&greedy).await;
        assert_eq!(status, 422, "{answer}");
        assert!(["sql_timed_out", "sql_too_large"].contains(&answer["error_code"].as_str().unwrap()), "{answer}");
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while city.resident_mb() > before_mb + 50 {
        assert!(Instant::now() < deadline, "{before_mb} MB have become {} MB", city.resident_mb());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    city.stop();
}
