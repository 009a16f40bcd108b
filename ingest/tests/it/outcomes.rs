//! Declarations with the real issuer behind the log: the code comes with the answer.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};
use suikang_ingest::Settings;
use suikang_issuer::{Issuer, Keystore};
use suikang_schemas::pass_code;
use suikang_schemas::registry_event::{Change, OrderSet};
use suikang_schemas::status::Status;
use suikang_schemas::{DeclarationId, Topic};
use suikang_stream::Log;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::city::{City, EAST_GATE, Node, now_ms};
use crate::exchange::{Answer, Post};
use crate::forms;

/// An issuer that runs until dropped.
struct Issuing {
    _shutdown: DropGuard,
}

impl Issuing {
    fn begin(city: &City, node: &Node) -> Issuing {
        let keystore = Keystore::load(&city.keys_dir(), &city.unlock).unwrap();
        let log: Arc<dyn Log> = Arc::<crate::interrupted_log::InterruptedLog>::clone(&city.log);
        let issuer = Issuer::new(suikang_issuer::Settings::default(), log, node.registry.clone(), keystore);
        let shutdown = CancellationToken::new();
        let (runtime, stop) = (tokio::runtime::Handle::current(), shutdown.clone());
        tokio::task::spawn_blocking(move || runtime.block_on(issuer.run(stop)).unwrap());
        Issuing { _shutdown: shutdown.drop_guard() }
    }
}

async fn declare(node: &Node, token: &str, key: &str, body: &Value, prefer: &str) -> Answer {
    let post = Post::json("/v1/declarations", token, body).header("idempotency-key", key);
    post.header("prefer", prefer).send(&node.router).await
}

fn key() -> String {
    Uuid::now_v7().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_gets_the_code() {
    let (city, node) = City::new().await;
    let _issuing = Issuing::begin(&city, &node);
    let mut form = forms::full(1);
    form["health"]["symptoms"] = json!(["fever"]);
    let answer = declare(&node, &city.resident("me"), &key(), &form, "wait=20").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(answer.headers["preference-applied"], "wait=20");
    assert_eq!(answer.headers["location"], answer.text_of("href"));
    let outcome = &answer.json()["outcome"];
    assert_eq!(outcome["status"], "amber");
    assert_eq!(outcome["reasons"], json!(["symptoms"]));
    assert!(outcome["expires_at"].as_str().unwrap().ends_with("+08:00"));

    let list = &node.registry.snapshot().key_list().unwrap().clone().list;
    let verified = pass_code::verify(outcome["pass_code"].as_str().unwrap(), list, now_ms()).unwrap();
    assert_eq!(verified.claims.status, Status::Amber);
    assert_eq!(verified.claims.expires_at_s - verified.claims.issued_at_s, 604_800);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_in_vain_is_accepted_all_the_same() {
    let (city, node) = City::new().await;
    let (me, key) = (city.resident("me"), key());
    let answer = declare(&node, &me, &key, &forms::full(1), "wait=1").await;
    assert_eq!((answer.status, answer.json().get("outcome")), (StatusCode::ACCEPTED, None));
    let _issuing = Issuing::begin(&city, &node);
    let again = declare(&node, &me, &key, &forms::full(1), "wait=20").await;
    assert_eq!(again.status, StatusCode::CREATED);
    assert_eq!(again.text_of("declaration_id"), answer.text_of("declaration_id"));
    assert_eq!(city.records(Topic::Declarations).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_its_outcome_is_answered_from_it_by_any_node() {
    let (city, one) = City::new().await;
    let _issuing = Issuing::begin(&city, &one);
    let (me, key) = (city.resident("me"), key());
    let first = declare(&one, &me, &key, &forms::full(1), "wait=20").await;
    assert_eq!(first.status, StatusCode::CREATED);
    let two = city.node("two").await;
    let again = declare(&two, &me, &key, &forms::full(1), "wait=20").await;
    assert_eq!(first, again);
    assert_eq!(city.records(Topic::Declarations).await.len(), 1, "the second node appended nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_typed_and_never_about_health() {
    let (city, node) = City::new().await;
    let _issuing = Issuing::begin(&city, &node);
    let me = city.resident("me");
    assert_eq!(declare(&node, &me, &key(), &forms::full(1), "wait=20").await.status, StatusCode::CREATED);
    let stranger = declare(&node, &city.resident("stranger"), &key(), &forms::full(1), "wait=20").await;
    assert_eq!(stranger.refused(), (403, "not_the_holder".to_owned()));
    assert!(stranger.text_of("declaration_id").parse::<DeclarationId>().is_ok());

    let order = node.registry.snapshot().order().unwrap().clone();
    city.set(&node, Change::OrderSet(OrderSet { ends_at_ms: Some(now_ms() - 1), ..order })).await;
    for serial in [1, 2] {
        let late = declare(&node, &me, &key(), &forms::full(serial), "wait=20").await;
        assert_eq!(late.refused(), (403, "order_ended".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_get_one_code() {
    let (city, _) = City::new().await;
    let node = city.node_with("roomy", Settings { declarations_at_once: 256, ..Settings::default() }).await;
    let _issuing = Issuing::begin(&city, &node);
    let (me, key) = (city.resident("me"), key());
    let requests = (0..200).map(|_| {
        let (router, me, key) = (node.router.clone(), me.clone(), key.clone());
        tokio::spawn(async move {
            let post = Post::json("/v1/declarations", &me, &forms::full(1)).header("idempotency-key", key);
            post.header("prefer", "wait=20").send(&router).await
        })
    });
    let answers: Vec<Answer> =
        futures::future::join_all(requests).await.into_iter().map(|joined| joined.unwrap()).collect();
    assert_eq!(answers[0].status, StatusCode::CREATED, "{}", answers[0].text);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_code_supersedes_the_former_at_the_gate() {
    let (city, node) = City::new().await;
    let _issuing = Issuing::begin(&city, &node);
    let me = city.resident("me");
    let code = |answer: &Answer| answer.json()["outcome"]["pass_code"].as_str().unwrap().to_owned();
    let first = declare(&node, &me, &key(), &forms::full(1), "wait=20").await;
    let check = |code: String| {
        let body = json!({"code": code, "checkpoint": EAST_GATE, "direction": "entry", "shown": "screen"});
        let post = Post::json("/v1/checks", &city.inspector(), &body);
        let router = node.router.clone();
        async move { post.send(&router).await.json() }
    };
    assert_eq!(check(code(&first)).await["verdict"], "admit");
    let renewal = forms::renewal(&first.text_of("subject"));
    let second = declare(&node, &me, &key(), &renewal, "wait=20").await;
    let former = check(code(&first)).await;
    assert_eq!((&former["verdict"], &former["reasons"][0]["reason"]), (&json!("refuse"), &json!("superseded")));
    assert_eq!(check(code(&second)).await["verdict"], "admit");
}
