//! Every route, asked in every wrong way: a refusal is a problem of our own words, whoever asks, and no answer tells what the server is made of.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{DemoCity, demo_city, http};

/// Words of the machinery, of which none belongs into a refusal.
const MACHINERY: [&str; 19] = [
    "src/",
    ".rs:",
    "panick",
    "backtrace",
    "datafusion",
    "deltalake",
    "delta_rs",
    "arrow",
    "parquet",
    "sqlite",
    "axum",
    "hyper",
    "tokio",
    "serde",
    "rdkafka",
    "os error",
    "/tmp",
    "/home",
    "internal error",
];

/// What may stand where a path has a variable.
const SEGMENTS: [&str; 7] =
    ["440106", "00000000-0000-0000-0000-000000000000", "%ff", "%00", "..%2f..%2fetc%2fpasswd", "'", "%E7%A9%97"];

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_a_problem_in_our_own_words() {
    let city = demo_city().await;
    let document = http().get(format!("{}/openapi.json", city.url)).send().await.unwrap();
    let document: Value = document.json().await.unwrap();
    let tokens = [
        None,
        Some("sk1.nonsense".to_owned()),
        Some(city.token("resident", "4401", "nosy")),
        Some(city.token("inspector", "440106", "nosy")),
        Some(city.token("district_analyst", "440106", "nosy")),
        Some(city.token("headquarters_investigator", "4401", "nosy")),
    ];
    let (client, mut refused) = (http(), 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        let variable = path.contains('{');
        let head = path.split('{').next().unwrap();
        let tail = path.split_once('}').map_or("", |(_, tail)| tail);
        let urls: Vec<_> = if variable {
            SEGMENTS.iter().map(|segment| format!("{}{head}{segment}{tail}", city.url)).collect()
        } else {
            [path.as_str(), &format!("{path}?from=x"), &format!("{path}?to=%ff"), &format!("{path}{}", "/x".repeat(99))]
                .map(|path| format!("{}{path}", city.url))
                .to_vec()
        };
        for (method, url) in
            item.as_object().unwrap().keys().flat_map(|method| urls.iter().map(move |url| (method, url)))
        {
            for token in &tokens {
                for (kind, body) in [
                    ("application/json", ""),
                    ("application/json", "{\"x\":"),
                    ("application/json", "[]"),
                    ("text/plain", "{}"),
                    ("text/csv", "x"),
                    ("", "x"),
                ] {
                    // Only a body makes a difference where one is read.
                    if method == "get" && kind != "text/plain" {
                        continue;
                    }
                    let mut request = client.request(method.to_uppercase().parse().unwrap(), url).body(body);
                    if let Some(token) = token {
                        request = request.bearer_auth(token);
                    }
                    if !kind.is_empty() {
                        request = request.header("content-type", kind);
                    }
                    refused += usize::from(look(city, request.send().await.unwrap()).await >= 400);
                }
            }
            let wrong = client.request(Method::PATCH, url).send().await.unwrap();
            let status = look(city, wrong).await;
            assert!(status == 405 || status == 404, "PATCH {url}: {status}");
        }
    }
    assert!(refused > 300, "{refused} refusals");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_to_sql_tells_where_the_lake_is_or_what_answers() {
    let city = demo_city().await;
    let token = city.token("headquarters_investigator", "4401", "nosy");
    let ask = async |sql: &str| {
        let request = http().post(format!("{}/v1/sql", city.url)).bearer_auth(&token).json(&json!({"sql": sql}));
        request.send().await.unwrap()
    };
    // Until there are files.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while ask("SELECT 1").await.json::<Value>().await.unwrap()["cut"]["scans"]["table_version"].as_i64() < Some(2) {
        assert!(std::time::Instant::now() < deadline, "no scan comes into the lake");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    for (sql, expected) in [
        ("EXPLAIN SELECT seq FROM scans", 200),
        ("EXPLAIN VERBOSE SELECT seq FROM scans", 422),
        ("EXPLAIN FORMAT TREE SELECT seq FROM scans", 422),
        ("SELECT version()", 422),
        ("SELECT * FROM nowhere", 422),
        ("SELECT * FROM '/etc/passwd'", 422),
        ("SELECT nothing FROM scans", 422),
        ("SELECT sum(district) FROM scans", 422),
        ("SELECT no_function(1)", 422),
        ("SELECT * FROM scans PIVOT (sum(seq) FOR district IN ('a'))", 422),
        ("SELECT * FROM scans a, LATERAL (SELECT a.seq + b.seq FROM scans b LIMIT 1)", 422),
        ("SELECT exists(SELECT 1 FROM scans s WHERE s.seq = scans.seq LIMIT 1 OFFSET 3) FROM scans", 422),
        ("SELECT regexp_like(district, '(') FROM scans", 422),
        ("SELECT CAST(district AS DATE) FROM scans", 422),
        ("SELECT date_trunc('never', scanned_at) FROM scans", 422),
        ("SELECT (SELECT seq FROM scans) FROM scans", 422),
        ("SELECT $1", 422),
        ("SELEC 1", 422),
    ] {
        let answer = ask(sql).await;
        assert_eq!(answer.status(), expected, "{sql}");
        let text = answer.text().await.unwrap().to_lowercase();
        let told: Vec<_> = MACHINERY.iter().filter(|word| text.contains(*word)).collect();
        // The tree of a plan counts the files and names their format.
        assert!(told.is_empty() || told == [&"parquet"], "{sql} tells {told:?}: {text}");
        assert!(!text.contains(&hidden(city)), "{sql} tells where the lake is: {text}");
    }
}

/// The last part of the city's folder: nobody else's text has it.
fn hidden(city: &DemoCity) -> String {
    city.folder.path().file_name().unwrap().to_str().unwrap().to_lowercase()
}

/// Looks an answer through; its status.
async fn look(city: &DemoCity, answer: Response) -> u16 {
    let (url, status, headers) = (answer.url().clone(), answer.status().as_u16(), answer.headers().clone());
    let text = String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned();
    for header in ["server", "x-powered-by", "via"] {
        assert!(!headers.contains_key(header), "{url}: {header}");
    }
    assert!(!text.to_lowercase().contains(&hidden(city)), "{url} tells a folder: {text}");
    assert!(status < 500, "{url}: {status} {text}");
    if status >= 400 {
        assert_eq!(headers["content-type"], "application/problem+json", "{url}: {status} {text}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["status"], status, "{url}: {text}");
        let is_ours = problem["type"].as_str().is_some_and(|it| it.starts_with("urn:suikang:problem:"));
        assert!(is_ours && problem["title"].is_string() && problem["error_code"].is_string(), "{url}: {text}");
        assert_eq!(status == 401, headers.contains_key("www-authenticate"), "{url}: {text}");
        let lower = text.to_lowercase();
        let told = MACHINERY.iter().find(|word| lower.contains(*word));
        assert_eq!(told, None, "{url}: {text}");
    }
    status
}
