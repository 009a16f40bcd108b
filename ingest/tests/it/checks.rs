//! `POST /v1/checks`: every verdict, recorded before it is answered.

use axum::http::StatusCode;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use suikang_registry::keys::IssuerKeystore;
use suikang_registry::secrets::sealed_file;
use suikang_schemas::key_list::{KeyEntry, Purpose, key_id};
use suikang_schemas::pass_code::{self, Kind, PassCode};
use suikang_schemas::registry_event::{AreaRuleSet, Change, KeyListPublished};
use suikang_schemas::scan::ScanUpload;
use suikang_schemas::status::Status;
use suikang_schemas::{CodeId, KeyId, Topic};

use crate::city::{City, EAST_GATE, Node, WEST_GATE, now_ms};
use crate::exchange::{Answer, Post};

const WEEK_S: i64 = 7 * 24 * 60 * 60;

/// The key that signs now.
fn signing_key(city: &City, node: &Node) -> (KeyId, SigningKey) {
    let key_id = node.registry.snapshot().signing_key_at(now_ms()).unwrap();
    let keystore = IssuerKeystore::load(&city.keys_dir(), &city.unlock).unwrap();
    (key_id, keystore.signing_key(&key_id).unwrap().clone())
}

fn green() -> PassCode {
    let now_s = now_ms() / 1000;
    PassCode {
        code_id: CodeId(rand::random()),
        issued_at_s: now_s,
        expires_at_s: now_s + WEEK_S,
        status: Status::Green,
        district: "440106".parse().unwrap(),
        kind: Kind::Screen,
        masked_name: Some("张**".to_owned()),
        community_tags: Vec::new(),
    }
}

fn text(code: &PassCode, (key_id, signing_key): &(KeyId, SigningKey)) -> String {
    pass_code::to_text(&pass_code::encode(code, *key_id, |bytes| signing_key.sign(bytes).to_bytes()))
}

fn check(code: Option<&str>) -> Value {
    let shown = if code.is_some() { "screen" } else { "none" };
    json!({"code": code, "checkpoint": EAST_GATE, "direction": "entry", "shown": shown, "temperature_tenths_celsius": 365})
}

async fn send(city: &City, node: &Node, body: &Value) -> Answer {
    Post::json("/v1/checks", &city.inspector(), body).send(&node.router).await
}

/// Verdict and reasons.
async fn decided(city: &City, node: &Node, body: &Value) -> (String, Vec<String>) {
    let answer = send(city, node, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let reasons = answer.json()["reasons"].as_array().unwrap().clone();
    for reason in &reasons {
        assert!(!reason["zh"].as_str().unwrap().is_empty() && !reason["en"].as_str().unwrap().is_empty());
    }
    (answer.text_of("verdict"), reasons.iter().map(|reason| reason["reason"].as_str().unwrap().to_owned()).collect())
}

async fn uploads(city: &City) -> Vec<ScanUpload> {
    city.events(Topic::Scans).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_code_is_admitted_and_recorded() {
    let (city, node) = City::new().await;
    let code = green();
    let mut body = check(Some(&text(&code, &signing_key(&city, &node))));
    body["vehicle"] = json!({"group": 3, "plate": "粤A12345", "heads": 4});
    let answer = send(&city, &node, &body).await;
    assert_eq!(answer.text_of("verdict"), "admit");
    assert_eq!((answer.text_of("status"), answer.text_of("masked_name")), ("green".to_owned(), "张**".to_owned()));
    assert!(answer.text_of("expires_at").ends_with("+08:00"));
    assert_eq!(answer.json()["reasons"], json!([]));

    let uploads = uploads(&city).await;
    let [upload] = &uploads[..] else { panic!("{uploads:?}") };
    assert_eq!(upload.checkpoint.as_str(), EAST_GATE);
    assert_eq!(format!("{:016x}", upload.device_epoch), answer.text_of("device_epoch"));
    assert_eq!(upload.first_seq, answer.json()["seq"].as_i64().unwrap());
    let scan = &upload.scans[0];
    assert_eq!((scan.code_id, scan.status, scan.offline), (Some(code.code_id), Some(Status::Green), false));
    assert_eq!((scan.temperature_tenths_celsius, scan.vehicle.unwrap().heads), (Some(365), 4));
    let payload = &city.records(Topic::Scans).await[0].payload;
    for canary in ["张", "GZ1:", "12345"] {
        assert!(!payload.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_code_has_its_reason() {
    let (city, node) = City::new().await;
    let good = signing_key(&city, &node);
    let stranger = SigningKey::from_bytes(&[9; 32]);
    let now_s = now_ms() / 1000;
    let cases = [
        ("expired", "refuse", text(&PassCode { issued_at_s: now_s - WEEK_S, expires_at_s: now_s, ..green() }, &good)),
        ("not_yet_valid", "refuse", text(&PassCode { issued_at_s: now_s + 600, ..green() }, &good)),
        ("unknown_key", "refuse", text(&green(), &(key_id(stranger.verifying_key().as_bytes()), stranger.clone()))),
        ("forged", "refuse", text(&green(), &(good.0, stranger))),
        ("malformed", "refuse", "GZ1:HELLO".to_owned()),
        ("malformed", "refuse", format!("{} ", text(&green(), &good))),
        ("malformed", "refuse", "https://example.org/".to_owned()),
        ("malformed", "refuse", "7".repeat(6000)),
        ("health", "refer", text(&PassCode { status: Status::Amber, ..green() }, &good)),
        ("health", "refuse", text(&PassCode { status: Status::Red, ..green() }, &good)),
    ];
    for (reason, verdict, code) in &cases {
        let decided = decided(&city, &node, &check(Some(code))).await;
        assert_eq!(decided, ((*verdict).to_owned(), vec![(*reason).to_owned()]), "{reason}");
    }
    let scans: Vec<_> = uploads(&city).await.into_iter().flat_map(|upload| upload.scans).collect();
    assert_eq!(scans.len(), cases.len(), "refusals are recorded too");
    assert!(scans.iter().all(|scan| scan.code_id.is_some()
        == (scan.reasons != ["malformed"] && scan.reasons != ["forged"] && scan.reasons != ["unknown_key"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_code_fever_and_rules_as_the_area_says() {
    let (city, node) = City::new().await;
    assert_eq!(decided(&city, &node, &check(None)).await, ("refer".to_owned(), vec!["no_code".to_owned()]));
    let good = text(&green(), &signing_key(&city, &node));
    let mut hot = check(Some(&good));
    hot["temperature_tenths_celsius"] = json!(373);
    assert_eq!(decided(&city, &node, &hot).await, ("refer".to_owned(), vec!["fever".to_owned()]));

    let rule = node.registry.snapshot().area_rule(&"4401".parse().unwrap()).unwrap().clone();
    let here = |change: fn(&mut AreaRuleSet)| {
        let mut rule = AreaRuleSet { area: "440106001001-001".parse().unwrap(), ..rule.clone() };
        change(&mut rule);
        Change::AreaRuleSet(rule)
    };
    city.set(&node, here(|rule| rule.members_only = true)).await;
    assert_eq!(decided(&city, &node, &check(Some(&good))).await.1, ["not_a_member"]);
    city.set(&node, here(|rule| rule.checking = false)).await;
    assert_eq!(decided(&city, &node, &hot).await, ("admit".to_owned(), vec!["checking_off".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_a_key_for_another_district_is_out_of_area() {
    let (city, node) = City::new().await;
    let elsewhere = SigningKey::from_bytes(&[8; 32]);
    let public_key = elsewhere.verifying_key().to_bytes();
    let published = node.registry.snapshot().key_list().unwrap().clone();
    let mut list = published.list;
    let mut entry: KeyEntry = list.entries.iter().find(|entry| entry.purpose == Purpose::PassCode).unwrap().clone();
    entry.key_id = key_id(&public_key);
    entry.public_key = public_key;
    entry.scope = "440104".parse().unwrap();
    list.entries.push(entry);
    list.sequence += 1;
    let root = sealed_file::read(&city.keys_dir().join("root.key"), &city.unlock, "root.key").unwrap();
    let root = SigningKey::from_bytes(root.as_slice().try_into().unwrap());
    let key_list = list.sign(root.verifying_key().as_bytes(), |bytes| root.sign(bytes).to_bytes());
    city.set(&node, Change::KeyListPublished(KeyListPublished { sequence: list.sequence, key_list })).await;

    let code = text(&green(), &(key_id(&public_key), elsewhere));
    assert_eq!(decided(&city, &node, &check(Some(&code))).await, ("refuse".to_owned(), vec!["out_of_area".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_at_once_share_records_and_are_each_numbered() {
    let (city, node) = City::new().await;
    let code = text(&green(), &signing_key(&city, &node));
    let requests = (0..100).map(|at| {
        let (router, token) = (node.router.clone(), city.inspector());
        let mut body = check(Some(&code));
        body["checkpoint"] = json!(if at % 2 == 0 { EAST_GATE } else { WEST_GATE });
        tokio::spawn(async move { Post::json("/v1/checks", &token, &body).send(&router).await.json()["seq"].as_i64() })
    });
    let answers = futures::future::join_all(requests).await;
    let mut seqs: Vec<i64> = answers.into_iter().map(|joined| joined.unwrap().unwrap()).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=100).collect::<Vec<i64>>());
    let uploads = uploads(&city).await;
    assert_eq!(uploads.iter().map(|upload| upload.scans.len()).sum::<usize>(), 100);
    assert!(uploads.len() < 100, "{}", uploads.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_numbers_its_checks_may_repeat_one() {
    let (city, node) = City::new().await;
    let mut body = check(Some(&text(&green(), &signing_key(&city, &node))));
    body["device_epoch"] = json!("00000000000000bb");
    body["seq"] = json!(1);
    let first = send(&city, &node, &body).await;
    assert_eq!((first.text_of("device_epoch"), first.json()["seq"].as_i64()), ("00000000000000bb".to_owned(), Some(1)));
    assert_eq!(send(&city, &node, &body).await, first);
    assert_eq!(uploads(&city).await.len(), 1);

    let mut another = check(None);
    another["device_epoch"] = body["device_epoch"].clone();
    another["seq"] = body["seq"].clone();
    assert_eq!(send(&city, &node, &another).await.refused(), (409, "number_taken".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_recorded_is_not_answered() {
    let (city, node) = City::new().await;
    let mut numbered = check(None);
    numbered["device_epoch"] = json!("00000000000000bb");
    numbered["seq"] = json!(1);
    let before = send(&city, &node, &check(None)).await.text_of("device_epoch");
    city.cut_off(true);
    for body in [&check(None), &numbered] {
        let answer = send(&city, &node, body).await;
        assert_eq!(answer.refused(), (503, "unavailable".to_owned()));
        assert!(answer.headers.contains_key("retry-after"));
    }
    city.cut_off(false);
    let after = send(&city, &node, &check(None)).await;
    assert_ne!(
        after.text_of("device_epoch"),
        before,
        "nobody knows what became of the number, so another epoch begins"
    );
    assert_eq!(after.json()["seq"], 1);
    assert_eq!(send(&city, &node, &numbered).await.status, StatusCode::OK);
}
