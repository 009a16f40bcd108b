//! `/.well-known/suikang-keys`, `/.well-known/jwks.json`, `POST /v1/verify`.

use serde_json::{Value, json};
use suikang_registry::keys;
use suikang_schemas::key_list::{KeyList, Purpose};
use suikang_schemas::status::Status;

use crate::city::{City, HOME, WEEK_MS, now_ms};
use crate::exchange::{get, post};

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_what_the_root_signed_and_the_key_set_says_the_same() {
    let city = City::new().await;
    let list = city.send(get("/.well-known/suikang-keys")).await;
    assert_eq!(list.header("content-type"), "application/cose; cose-type=\"cose-sign1\"");
    let list = KeyList::verify(&list.bytes, city.registry.secrets().root_public_key()).unwrap();
    assert_eq!(list, keys::list(&city.keys_dir()).unwrap());

    let key_set = city.send(get("/.well-known/jwks.json")).await;
    assert_eq!(key_set.header("cache-control"), "public, max-age=60");
    let key_set = key_set.json();
    let [key] = key_set["keys"].as_array().unwrap().as_slice() else { panic!("{key_set}") };
    let signing_key = list.signing_key_at(Purpose::PassCode, now_ms()).unwrap();
    assert_eq!((&key["kid"], &key["alg"]), (&json!(signing_key), &json!("EdDSA")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_valid_or_says_why_not() {
    let city = City::new().await;
    let subject = city.person("me", HOME, None).await;
    let ours = city.issue(subject, HOME, Status::Amber).await;
    let another = city.person("me", HOME, None).await;
    let expired = city.issue_at(another, HOME, Status::Green, now_ms() - WEEK_MS).await;
    let third = city.person("me", HOME, None).await;
    let ahead = city.issue_at(third, HOME, Status::Green, now_ms() + 3 * 60_000).await;
    city.settle().await;
    let verify = async |code: &str| city.send(post("/v1/verify", &json!({"code": code}))).await.json();

    let valid = verify(&ours.text).await;
    assert_eq!((&valid["valid"], &valid["reasons"]), (&json!(true), &json!([])));
    assert_eq!((&valid["status"], &valid["district"]), (&json!("amber"), &json!("440106")));
    assert_eq!(valid["masked_name"], "张**");

    let reasons = |answer: &Value| {
        let reasons = answer["reasons"].as_array().unwrap();
        reasons.iter().map(|reason| reason["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (most, last) = ours.text.split_at(ours.text.len() - 1);
    let forged = format!("{most}{}", if last == "0" { "1" } else { "0" });
    for (code, reason) in [
        (expired.text.as_str(), "expired"),
        (&ahead.text, "not_yet_valid"),
        ("GZ1:HELLO", "malformed"),
        ("https://example.org/", "malformed"),
        ("", "malformed"),
    ] {
        let answer = verify(code).await;
        assert_eq!((&answer["valid"], reasons(&answer)), (&json!(false), vec![reason.to_owned()]), "{code}");
    }
    let answer = verify(&forged).await;
    assert!(answer["valid"] == false && answer.get("status").is_none(), "nothing that it says is repeated: {answer}");

    city.issue(subject, HOME, Status::Red).await;
    city.settle().await;
    let superseded = verify(&ours.text).await;
    assert_eq!((&superseded["valid"], reasons(&superseded)), (&json!(false), vec!["superseded".to_owned()]));
    assert!(city.audited().await.is_empty(), "nothing is recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_question_is_refused_without_an_echo() {
    let city = City::new().await;
    for (body, status) in [
        (json!({}), 400),
        (json!({"code": 13_800_138_000_i64}), 400),
        (json!({"code": "x", "13800138000": 1}), 400),
        (json!({"code": "A".repeat(5_000)}), 413),
    ] {
        let answer = city.send(post("/v1/verify", &body)).await;
        assert_eq!(answer.refused().0, status);
        assert!(!answer.text().contains("13800138000"));
    }
    let plain = post("/v1/verify", &json!({"code": "x"})).header("content-type", "text/plain");
    assert!(city.send(plain).await.status.is_client_error());
}
