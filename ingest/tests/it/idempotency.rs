//! The same request again: same answer, same declaration, nothing that counts twice.

use std::collections::HashSet;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use suikang_ingest::Settings;
use suikang_schemas::Topic;
use suikang_schemas::declaration::Declaration;
use uuid::{Timestamp, Uuid};

use crate::city::{City, Node, now_ms};
use crate::exchange::{Answer, Post};
use crate::forms;

async fn declare(node: &Node, token: &str, key: &str, body: &Value) -> Answer {
    Post::json("/v1/declarations", token, body).header("idempotency-key", key).send(&node.router).await
}

fn key_at(offset_s: i64) -> String {
    let now_s = u64::try_from(now_ms() / 1000 + offset_s).unwrap();
    Uuid::new_v7(Timestamp::from_unix_time(now_s, 0, 0, 0)).to_string()
}

fn key() -> String {
    key_at(0)
}

async fn ids(city: &City) -> Vec<String> {
    let declarations: Vec<Declaration> = city.events(Topic::Declarations).await;
    declarations.into_iter().map(|declaration| declaration.declaration_id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_twice_is_one_declaration() {
    let (city, node) = City::new().await;
    let (me, key) = (city.resident("me"), key());
    let first = declare(&node, &me, &key, &forms::full(1)).await;
    let again = declare(&node, &me, &key, &forms::full(1)).await;
    assert_eq!(first.status, StatusCode::ACCEPTED);
    assert_eq!(first, again);
    assert_eq!(ids(&city).await, [first.text_of("declaration_id")]);
    assert_eq!(first.text_of("declaration_id")[..13], key[..13], "the id tells the key's time");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_body_key_or_account_is_another_declaration() {
    let (city, node) = City::new().await;
    let (me, key, form) = (city.resident("me"), key(), forms::full(1));
    let mut coughing = form.clone();
    coughing["health"]["symptoms"] = json!(["cough"]);
    let answers = [
        declare(&node, &me, &key, &form).await,
        declare(&node, &me, &key, &coughing).await,
        declare(&node, &me, &self::key(), &form).await,
        declare(&node, &city.resident("you"), &key, &forms::full(2)).await,
        Post::json("/v1/declarations", &me, &form).send(&node.router).await,
    ];
    let distinct: HashSet<String> = answers.iter().map(|answer| answer.text_of("declaration_id")).collect();
    assert_eq!(distinct.len(), answers.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_through_two_nodes_has_one_id() {
    let (city, one) = City::new().await;
    let two = city.node("two").await;
    let me = city.resident("me");
    for serial in 0..8 {
        let (key, form) = (key(), forms::full(serial));
        let (first, second) = tokio::join!(declare(&one, &me, &key, &form), declare(&two, &me, &key, &form));
        assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.text);
        assert_eq!(first, second);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(first, declare(&two, &me, &key, &form).await, "and later");
    }
    let ids = ids(&city).await;
    assert!(ids.len() <= 16 && ids.iter().collect::<HashSet<_>>().len() == 8, "{ids:?}");
    let subjects: Vec<Declaration> = city.events(Topic::Declarations).await;
    assert_eq!(subjects.iter().map(|one| one.subject).collect::<HashSet<_>>().len(), 8, "one person each");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_that_add_one_document_at_once_get_one_person() {
    let (city, one) = City::new().await;
    let two = city.node("two").await;
    let (me, you) = (city.resident("me"), city.resident("you"));
    for serial in 0..8 {
        let (form, my_key, your_key) = (forms::full(serial), key(), key());
        let (mine, yours) = tokio::join!(declare(&one, &me, &my_key, &form), declare(&two, &you, &your_key, &form));
        assert_eq!((mine.status, yours.status), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
        let told = [&mine, &yours].iter().filter(|answer| answer.json().get("subject").is_some()).count();
        assert_eq!(told, 1, "one of them holds the person");
    }
    let declarations: Vec<Declaration> = city.events(Topic::Declarations).await;
    assert_eq!(declarations.iter().map(|one| one.subject).collect::<HashSet<_>>().len(), 8);
    assert_eq!(declarations.iter().filter(|one| one.inadmissible.is_some()).count(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_are_appended_once() {
    let (city, _) = City::new().await;
    let node = city.node_with("roomy", Settings { declarations_at_once: 256, ..Settings::default() }).await;
    let (me, key) = (city.resident("me"), key());
    let requests = (0..200).map(|_| {
        let (router, me, key) = (node.router.clone(), me.clone(), key.clone());
        tokio::spawn(async move {
            Post::json("/v1/declarations", &me, &forms::full(1)).header("idempotency-key", key).send(&router).await
        })
    });
    let answers: Vec<Answer> =
        futures::future::join_all(requests).await.into_iter().map(|joined| joined.unwrap()).collect();
    assert_eq!(answers[0].status, StatusCode::ACCEPTED, "{}", answers[0].text);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(ids(&city).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_for_want_of_the_log_can_be_sent_again() {
    let (city, node) = City::new().await;
    let (me, key) = (city.resident("me"), key());
    city.cut_off(true);
    assert_eq!(declare(&node, &me, &key, &forms::full(1)).await.status, StatusCode::SERVICE_UNAVAILABLE);
    city.cut_off(false);
    assert_eq!(declare(&node, &me, &key, &forms::full(1)).await.status, StatusCode::ACCEPTED);
    assert_eq!(ids(&city).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_repetition_changes_back_nothing() {
    let (city, node) = City::new().await;
    let (me, key, form) = (city.resident("me"), key(), forms::full(1));
    let subject = declare(&node, &me, &key, &form).await.text_of("subject");
    let mut moved = forms::renewal(&subject);
    moved["residence"] = json!({"committee": crate::city::NEXT_DOOR, "capacity": "tenant"});
    assert_eq!(declare(&node, &me, &self::key(), &moved).await.status, StatusCode::ACCEPTED);

    // A node that never saw the first request gets its repetition.
    let two = city.node("two").await;
    assert_eq!(declare(&two, &me, &key, &form).await.text_of("subject"), subject);
    let person = two.registry.person(&subject.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(person.committee.as_str(), crate::city::NEXT_DOOR);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_of_today() {
    let (city, node) = City::new().await;
    let me = city.resident("me");
    for (key, word) in [
        (key_at(-25 * 3600), "idempotency_key_too_old"),
        (key_at(300), "idempotency_key_ahead"),
        (Uuid::nil().to_string(), "not_an_idempotency_key"),
        ("retry-1".to_owned(), "not_an_idempotency_key"),
    ] {
        let answer = declare(&node, &me, &key, &forms::full(1)).await;
        assert_eq!(answer.refused(), (400, word.to_owned()));
    }
    assert_eq!(declare(&node, &me, &key_at(-23 * 3600), &forms::full(1)).await.status, StatusCode::ACCEPTED);
    assert_eq!(declare(&node, &me, &key_at(100), &forms::full(1)).await.status, StatusCode::ACCEPTED);
}
