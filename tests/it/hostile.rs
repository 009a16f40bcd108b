//! Clients that mean harm, or can't do better, against the real server: they cost it little, and others are served meanwhile.

use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{DemoCity, http};

/// Clients that send a byte now and then.
const SLOW: usize = 5_000;
/// How long one of them may take with its headers, and with the body of a declaration.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long an honest client waits for an answer.
const HONEST: Duration = Duration::from_secs(5);

/// Sends a byte every second until the server closes; how long that took, and what the server said.
async fn dawdle(mut stream: TcpStream) -> (Duration, String) {
    let (connected, mut said) = (Instant::now(), Vec::new());
    loop {
        let mut answer = [0; 1024];
        match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(length)) => said.extend_from_slice(&answer[..length]),
            Err(_) if stream.write_all(b"x").await.is_err() => break,
            Err(_) => {}
        }
    }
    (connected.elapsed(), String::from_utf8_lossy(&said).into_owned())
}

/// An honest client of its own connection: each answer in time.
async fn ask(request: reqwest::RequestBuilder, expected: StatusCode) {
    let asked = Instant::now();
    let answer = request.send().await.unwrap();
    let (status, waited) = (answer.status(), asked.elapsed());
    assert_eq!(status, expected, "{}", answer.text().await.unwrap());
    assert!(waited < HONEST, "an honest client waited {waited:?}");
}

fn declaration(number: usize) -> Value {
    json!({
        "person": {"name": "李四", "document": {"type": "passport", "number": format!("E{number:08}")},
            "phone": "13800138000", "address": "8号", "kind": "resident"},
        "declared_by": "relative",
        "residence": {"committee": "440106001003", "capacity": "owner"},
        "health": {"symptoms": [], "hubei_stay": "none", "contact": "none"},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_slow_clients_hold_up_nobody() {
    // A client needs a file as well.
    let limit = rlimit::increase_nofile_limit(20_000).unwrap();
    let slow = SLOW.min(usize::try_from(limit).unwrap().saturating_sub(1_000));
    assert!(slow >= 2_000, "only {limit} files may be open");
    let (header_s, body_ms) = (PATIENCE.as_secs().to_string(), PATIENCE.as_millis().to_string());
    let patience = [("SUIKANG_HTTP__HEADER_TIMEOUT_S", &*header_s), ("SUIKANG_INGEST__BODY_TIMEOUT_MS", &*body_ms)];
    let city = DemoCity::start_empty(&patience).await;
    let address = city.url.strip_prefix("http://").unwrap().to_owned();
    let before_mb = city.resident_mb();
    let body = "host: x\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n{";
    let token = city.token("resident", "4401", "slow");
    // Two in five want to declare: more of them than may be at that door at once.
    let declares = format!("POST /v1/declarations HTTP/1.1\r\nauthorization: Bearer {token}\r\n{body}");
    let verifies = format!("POST /v1/verify HTTP/1.1\r\n{body}");
    let starts = ["", "GET /healthz HT", &verifies, &declares, &declares];
    let begun = Instant::now();
    let mut dawdlers = Vec::new();
    for n in 0..slow {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(starts[n % starts.len()].as_bytes()).await.unwrap();
        dawdlers.push(tokio::spawn(dawdle(stream)));
    }
    let (mut served, mut most_open) = (0, 0);
    while served < 3 || begun.elapsed() < PATIENCE {
        most_open = most_open.max(city.open_files());
        let honest = http();
        ask(honest.get(format!("{}/healthz", city.url)), StatusCode::OK).await;
        let verify = http().post(format!("{}/v1/verify", city.url)).json(&json!({"code": "SK1:NONE"}));
        ask(verify, StatusCode::OK).await;
        let declare = http().post(format!("{}/v1/declarations", city.url)).json(&declaration(served));
        ask(declare.bearer_auth(city.token("resident", "4401", "honest")), StatusCode::ACCEPTED).await;
        served += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(most_open > slow, "{most_open} open files: the slow were not there when others were served");
    let grown_mb = city.most_resident_mb().saturating_sub(before_mb);
    assert!(grown_mb < 400, "{grown_mb} MB for {slow} clients");
    for (n, dawdler) in dawdlers.into_iter().enumerate() {
        let (held, said) = tokio::time::timeout(Duration::from_secs(30), dawdler).await.expect("let go").unwrap();
        // The other doors' patience with bodies is ten seconds.
        assert!(held < Duration::from_secs(25), "one was held for {held:?}");
        if n % starts.len() >= 2 {
            assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("application/problem+json"), "{said}");
        }
    }
    city.stop();
}

/// Sends a request's beginning, then this piece again and again until there is an answer; says that, and how many bytes were sent by then.
async fn pour(city: &DemoCity, start: &str, piece: &[u8]) -> (String, usize) {
    let mut stream = TcpStream::connect(city.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(start.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let (mut sent, mut said, mut answer) = (0, Vec::new(), [0; 4096]);
    while !said.ends_with(b"}") {
        tokio::select! {
            biased;
            read = reader.read(&mut answer) => match read {
                Ok(length @ 1..) => said.extend_from_slice(&answer[..length]),
                _ => break,
            },
            written = writer.write(&piece[sent % piece.len().max(1)..]), if !piece.is_empty() => sent += written.unwrap_or_default(),
            () = tokio::time::sleep(Duration::from_secs(5)) => panic!("no answer after {sent} bytes"),
        }
    }
    (String::from_utf8_lossy(&said).into_owned(), sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_as_a_problem() {
    let city = DemoCity::start_empty(&[]).await;
    let resident = city.token("resident", "4401", "hostile");
    // 100 MB of zeros. Which packing a header names makes no difference: no body is unpacked.
    let gzip = Command::new("sh").args(["-c", "head -c 100M /dev/zero | gzip -9"]).output().unwrap();
    let bomb = gzip.stdout;
    assert!(gzip.status.success() && (50_000..200_000).contains(&bomb.len()));
    let small = bomb[..20_000].to_vec();
    let json = "application/json";
    let cases = [
        (Method::POST, "/v1/declarations", json, "gzip", bomb.clone(), 415),
        (Method::POST, "/v1/declarations", json, "gzip", small.clone(), 415),
        (Method::POST, "/v1/declarations", json, "br", small.clone(), 415),
        (Method::POST, "/v1/declarations", json, "deflate", small.clone(), 415),
        (Method::POST, "/v1/scans", json, "gzip", small.clone(), 415),
        (Method::POST, "/v1/verify", json, "gzip", small.clone(), 415),
        (Method::POST, "/v1/declarations", json, "identity", vec![b' '; 100_000], 413),
        (Method::POST, "/v1/sql", json, "identity", vec![b' '; 200_000], 413),
        (Method::POST, "/v1/declarations", json, "identity", vec![b'['; 100_000], 413),
        (Method::POST, "/v1/declarations", json, "identity", vec![b'['; 60_000], 400),
        (Method::POST, "/v1/scans", json, "identity", vec![b'['; 100_000], 400),
        (Method::POST, "/v1/sql", json, "identity", vec![b'['; 100_000], 400),
        (Method::POST, "/v1/declarations", json, "identity", b"{\"health\":".to_vec(), 400),
        (Method::POST, "/v1/declarations", json, "identity", vec![0xff, 0xfe, b'{'], 400),
        (Method::POST, "/v1/declarations", "text/xml", "identity", b"<x/>".to_vec(), 415),
    ];
    let before_mb = city.resident_mb();
    for (method, path, content_type, encoding, body, expected) in cases {
        let token = match path {
            "/v1/sql" => city.token("headquarters_investigator", "4401", "hostile"),
            "/v1/scans" => city.token("inspector", "440106", "hostile"),
            _ => resident.clone(),
        };
        let request = http().request(method.clone(), format!("{}{path}", city.url)).bearer_auth(token);
        let request = request.header("content-type", content_type).header("content-encoding", encoding).body(body);
        let asked = Instant::now();
        let answer = request.send().await.unwrap();
        assert!(asked.elapsed() < HONEST, "{method} {path} took {:?}", asked.elapsed());
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
    }
    // A body that is announced as too large is refused unread, one that never ends as soon as it is too large.
    let start = format!(
        "POST /v1/declarations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {resident}\r\ncontent-type: application/json\r\n"
    );
    let announced = pour(&city, &format!("{start}content-length: 20000000\r\n\r\n"), b"").await;
    let chunk = [&b"2000\r\n"[..], &[b' '; 0x2000], b"\r\n"].concat();
    let endless = pour(&city, &format!("{start}transfer-encoding: chunked\r\n\r\n"), &chunk).await;
    for (said, sent) in [announced, endless] {
        assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("application/problem+json"), "{said}");
        // What the network holds between the two is sent as well.
        assert!(sent < 16_000_000, "{sent} bytes were taken");
    }
    let grown_mb = city.most_resident_mb().saturating_sub(before_mb);
    assert!(grown_mb < 50, "{grown_mb} MB more");
    city.stop();
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
