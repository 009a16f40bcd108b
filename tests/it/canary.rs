//! A name, a number, a phone, an address and a free text go through every door, well-formed and not, and are then looked for in everything that
//! the system wrote or answered. Sealed is the only form in which they may be anywhere.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use memchr::memmem;
use serde_json::{Value, json};

use super::{DemoCity, http};

/// Nobody else in the city is called, numbered or described so.
const CANARIES: [&str; 5] = ["金丝雀翎", "E98765431", "13912345679", "金丝雀巷九十九号", "我的金丝雀昨夜咳嗽"];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_is_anywhere_but_sealed() {
    let city = DemoCity::start().await;
    let mut seen = send_everywhere(&city).await;
    for path in ["/metrics", "/readyz", "/v1/overview", "/"] {
        seen += &http().get(format!("{}{path}", city.url)).send().await.unwrap().text().await.unwrap();
    }
    let token = city.token("headquarters_investigator", "4401", "canary");
    // Parquet is compressed, so the lake is looked through in SQL.
    for table in ["scans", "declarations", "outcomes"] {
        let answer = http().post(format!("{}/v1/sql", city.url)).bearer_auth(&token);
        let answer = answer.json(&json!({"sql": format!("SELECT * FROM {table} LIMIT 9999")})).send().await.unwrap();
        let answer = answer.text().await.unwrap();
        assert!(answer.contains("\"rows\":[{"), "{answer}");
        seen += &answer;
    }
    let folder = city.stop();
    assert_eq!(leaks(seen.as_bytes()), Vec::<String>::new(), "in an answer");
    assert_eq!(leaks_in(folder.path()), Vec::<String>::new(), "in a file");

    // The search can find: each form of each canary, planted.
    for (n, canary) in CANARIES.iter().enumerate() {
        for (m, form) in forms(canary).into_iter().enumerate() {
            let file = folder.path().join(format!("data/state/planted-{n}-{m}"));
            std::fs::write(&file, [b"\0\x01before ".as_slice(), &form, b" after"].concat()).unwrap();
            assert_eq!(leaks_in(folder.path()).len(), 1, "form {m} of canary {n} is not found");
            std::fs::remove_file(file).unwrap();
        }
    }
}

/// Everything that came back.
async fn send_everywhere(city: &DemoCity) -> String {
    let [name, number, phone, address, description] = CANARIES;
    let whole = json!({
        "person": {"name": name, "document": {"type": "passport", "number": number}, "phone": phone, "address": address, "kind": "resident"},
        "declared_by": "self",
        "residence": {"committee": "440106001003", "capacity": "owner"},
        "health": {"symptoms": ["cough"], "hubei_stay": "none", "contact": "none", "description": description},
    });
    let mut wrong = whole.clone();
    wrong["person"]["document"]["number"] = format!("{number}{number}{number}{number}").into();
    wrong["person"]["kind"] = name.into();
    wrong["health"]["symptoms"] = json!([description]);
    wrong["residence"]["committee"] = address.into();
    let mut staff = whole.clone();
    staff["declared_by"] = "staff".into();
    let mut misplaced = whole.clone();
    misplaced[phone] = name.into();

    let (resident, administrator) =
        (city.token("resident", "4401", "canary"), city.token("community_administrator", "440106001003", "canary"));
    let inspector = city.token("inspector", "440106", "canary");
    let csv = format!(
        "name,document_type,document_number,phone,address,kind,committee,community,since,capacity,symptoms,hubei_stay,hubei_return,contact,description\n\
         {name},passport,{number},{phone},{address},resident,440106001003,,,owner,cough,none,,none,{description}\n\
         {name},passport,{name},{number},{address},{phone},440106001003,,,owner,{description},none,,none,{description}\n"
    );
    let check = json!({"code": format!("GZ1:{phone}"), "checkpoint": "440106001003-001-01", "direction": "entry", "shown": "screen",
        "vehicle": {"group": 1, "plate": "粤A12345", "heads": 1}});
    let mut answers = String::new();
    for (path, token, content_type, body) in [
        ("/v1/declarations", &resident, "application/json", whole.to_string()),
        ("/v1/declarations", &resident, "application/json", wrong.to_string()),
        ("/v1/declarations", &resident, "application/json", misplaced.to_string()),
        ("/v1/declarations", &resident, "application/json", format!("{{\"{name}\": {number}")),
        ("/v1/declarations/batch", &administrator, "application/x-ndjson", format!("{staff}\n{wrong}\n{name}\n")),
        ("/v1/declarations/batch", &administrator, "text/csv", csv),
        ("/v1/checks", &inspector, "application/json", check.to_string()),
        ("/v1/scans", &inspector, "application/json", json!({"device_epoch": name, "scans": [phone]}).to_string()),
        ("/v1/verify", &inspector, "application/json", json!({"code": name}).to_string()),
        ("/v1/sql", &inspector, "application/json", json!({"sql": format!("SELECT '{name}', {phone}")}).to_string()),
    ] {
        let request = http().post(format!("{}{path}", city.url)).bearer_auth(token);
        let request = request.header("content-type", content_type).header("prefer", "wait=10").body(body);
        // A city lives beside it: a door may be full for a moment, and says so.
        let deadline = Instant::now() + Duration::from_secs(30);
        let answer = loop {
            let answer = request.try_clone().unwrap().send().await.unwrap();
            if !answer.headers().contains_key("retry-after") || Instant::now() > deadline {
                break answer;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        assert!(!answer.status().is_server_error(), "{path}: {}", answer.status());
        answers += &answer.text().await.unwrap();
        answers.push('\n');
    }
    let first: Value = serde_json::from_str(answers.lines().next().unwrap()).unwrap();
    assert!(first["outcome"]["pass_code"].is_string(), "the canary was declared: {first}");
    answers
}

/// A text as it is, in UTF-16, and in Base64 at each of its three alignments, without the characters that its neighbours change.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let base64 = |skipped: usize| {
        let encoded = STANDARD_NO_PAD.encode([vec![0; skipped], text.as_bytes().to_vec()].concat());
        let whole = (text.len() + skipped) * 8 / 6;
        encoded.as_bytes()[(skipped * 8).div_ceil(6)..whole].to_vec()
    };
    vec![text.as_bytes().to_vec(), utf16, base64(0), base64(1), base64(2)]
}

fn leaks(bytes: &[u8]) -> Vec<String> {
    let found = |form: &Vec<u8>| memmem::find(bytes, form).is_some();
    CANARIES.iter().filter(|canary| forms(canary).iter().any(found)).map(|canary| (*canary).to_owned()).collect()
}

fn leaks_in(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(leaks_in(&path));
        } else {
            all.extend(
                leaks(&std::fs::read(&path).unwrap())
                    .into_iter()
                    .map(|canary| format!("{canary} in {}", path.display())),
            );
        }
    }
    all
}
