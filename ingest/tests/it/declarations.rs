//! `POST /v1/declarations`: what is on the log once it is answered.

use axum::http::StatusCode;
use serde_json::json;
use suikang_ingest::Settings;
use suikang_registry::keys::VaultKeystore;
use suikang_registry::seal::SealPurpose;
use suikang_schemas::Topic;
use suikang_schemas::declaration::{Declaration, DeclaredBy, Rejection};
use suikang_schemas::registry_event::{Change, OrderSet, PersonSet, PolicySet, RegistryEvent};
use suikang_schemas::{DeclarationId, Subject};

use crate::city::{AWAY, City, EAST_GATE, HOME, NEXT_DOOR, Node, now_ms};
use crate::exchange::{Answer, Post};
use crate::forms;

const PATH: &str = "/v1/declarations";

async fn declare(node: &Node, token: &str, body: &serde_json::Value) -> Answer {
    Post::json(PATH, token, body).send(&node.router).await
}

async fn people(city: &City) -> Vec<PersonSet> {
    let events: Vec<RegistryEvent> = city.events(Topic::Registry).await;
    let person = |event: RegistryEvent| match event.change {
        Change::PersonSet(person) => Some(person),
        _ => None,
    };
    events.into_iter().filter_map(person).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_is_on_the_log_when_it_is_answered() {
    let (city, node) = City::new().await;
    let mut form = forms::full(1);
    form["person"]["name"] = json!("𠮷野家");
    form["health"]["description"] = json!("昨晚咳嗽\n今天好了");
    let before_ms = now_ms();
    let answer = declare(&node, &city.resident("me"), &form).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    let id: DeclarationId = answer.text_of("declaration_id").parse().unwrap();
    assert_eq!(answer.headers["location"], format!("/v1/declarations/{id}"));
    assert_eq!(answer.text_of("href"), format!("/v1/declarations/{id}"));

    let declarations: Vec<Declaration> = city.events(Topic::Declarations).await;
    let [declaration] = &declarations[..] else { panic!("{declarations:?}") };
    let snapshot = node.registry.snapshot();
    assert_eq!(declaration.declaration_id, id);
    assert_eq!(declaration.subject.to_string(), answer.text_of("subject"));
    assert!((before_ms..=now_ms()).contains(&declaration.accepted_at_ms));
    assert_eq!((declaration.declared_by, declaration.inadmissible), (DeclaredBy::Oneself, None));
    assert_eq!((declaration.policy_version, declaration.validity_s), (1, 604_800));
    assert_eq!(Some(declaration.signing_key), snapshot.signing_key_at(now_ms()));
    assert_eq!(declaration.registry_offset, node.registry.next_offset());
    assert_eq!(declaration.facts.birth_year, Some(1980));
    assert_eq!(declaration.facts.masked_name.as_deref(), Some("𠮷**"));
    assert_eq!((declaration.residence.committee.as_str(), declaration.residence.since_day), (HOME, Some(18_017)));

    let vault = VaultKeystore::load(&city.keys_dir(), &city.unlock).unwrap();
    let description = vault.open(SealPurpose::FreeText(id), declaration.sealed.as_ref().unwrap()).unwrap();
    assert_eq!(description.as_slice(), "昨晚咳嗽\n今天好了".as_bytes());
    let people = people(&city).await;
    let [person] = &people[..] else { panic!("{people:?}") };
    assert_eq!((person.subject, person.holder.as_str()), (declaration.subject, "me"));
    let basic = vault.open(SealPurpose::BasicInformation(person.subject), person.sealed.as_ref().unwrap()).unwrap();
    let basic: serde_json::Value = serde_json::from_slice(&basic).unwrap();
    assert_eq!(basic["name"], "𠮷野家", "a name of four-byte characters comes through as it was");
    assert_eq!(basic["document_number"], forms::document_number(1));
    assert_eq!(basic["phone"], "+8613800138000");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_is_on_the_log_in_the_clear() {
    let (city, node) = City::new().await;
    let mut form = forms::full(2);
    form["person"]["name"] = json!("甲乙丙丁");
    form["person"]["address"] = json!("canary-address");
    form["health"]["description"] = json!("canary-description");
    assert_eq!(declare(&node, &city.resident("me"), &form).await.status, StatusCode::ACCEPTED);
    let number = forms::document_number(2);
    for topic in [Topic::Declarations, Topic::Registry] {
        for record in city.records(topic).await {
            let bytes = [record.record_key, record.payload].concat();
            for canary in ["乙丙丁", "canary-address", "canary-description", "13800138000", &number] {
                assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary} on {topic}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_alone_renews() {
    let (city, node) = City::new().await;
    let me = city.resident("me");
    let subject = declare(&node, &me, &forms::full(1)).await.text_of("subject");
    let mut renewal = forms::renewal(&subject);
    renewal["health"] = json!({"symptoms": ["fever", "cough"], "hubei_stay": "travelled", "hubei_return": "2020-02-20", "contact": "none"});
    let answer = declare(&node, &me, &renewal).await;
    assert_eq!((answer.status, answer.text_of("subject")), (StatusCode::ACCEPTED, subject));

    let declarations: Vec<Declaration> = city.events(Topic::Declarations).await;
    let renewed = declarations.iter().find(|one| one.declaration_id.to_string() == answer.text_of("declaration_id"));
    let renewed = renewed.unwrap();
    assert_eq!(renewed.health.symptoms, ["fever", "cough"]);
    assert_eq!(renewed.health.hubei_return_day, Some(18_312));
    assert_eq!(renewed.residence.committee.as_str(), HOME, "the residence on file");
    assert_eq!(renewed.facts.birth_year, Some(1980), "facts on file");
    assert_eq!(people(&city).await.len(), 1, "the person is as before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_a_renewal_with_a_residence() {
    let (city, node) = City::new().await;
    let me = city.resident("me");
    let subject = declare(&node, &me, &forms::full(1)).await.text_of("subject");
    let mut moved = forms::renewal(&subject);
    moved["residence"] = json!({"committee": NEXT_DOOR, "capacity": "tenant"});
    assert_eq!(declare(&node, &me, &moved).await.status, StatusCode::ACCEPTED);

    let person = node.registry.person(&subject.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((person.committee.as_str(), person.capacity.as_str(), person.version), (NEXT_DOOR, "tenant", 2));
    assert!(person.has_basic_information());
    let declarations: Vec<Declaration> = city.events(Topic::Declarations).await;
    let committees: Vec<&str> = declarations.iter().map(|one| one.residence.committee.as_str()).collect();
    assert_eq!(committees, [HOME, NEXT_DOOR]);
    assert!(declarations[1].registry_offset > declarations[0].registry_offset);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_document_from_another_account_is_on_the_log_and_changes_nobody() {
    let (city, node) = City::new().await;
    let subject = declare(&node, &city.resident("me"), &forms::full(1)).await.text_of("subject");
    let mut form = forms::full(1);
    form["residence"]["committee"] = json!(AWAY);
    form["residence"].as_object_mut().unwrap().remove("community");
    form["health"]["description"] = json!("something to be forgotten");
    let answer = declare(&node, &city.resident("stranger"), &form).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.json().get("subject"), None, "a stranger doesn't learn who that is here");

    let declarations: Vec<Declaration> = city.events(Topic::Declarations).await;
    let theirs = &declarations[1];
    assert_eq!((theirs.subject.to_string(), theirs.inadmissible), (subject, Some(Rejection::NotTheHolder)));
    assert_eq!(theirs.sealed, None);
    assert_eq!(people(&city).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_declares_for_those_of_its_area() {
    let (city, node) = City::new().await;
    let mut form = forms::full(1);
    form["declared_by"] = json!("staff");
    let answer = declare(&node, &city.staff(), &form).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    form["residence"] = json!({"committee": AWAY, "capacity": "owner"});
    assert_eq!(declare(&node, &city.staff(), &form).await.refused(), (403, "forbidden".to_owned()));
    let declarations: Vec<Declaration> = city.events(Topic::Declarations).await;
    assert_eq!(declarations.len(), 1);
    assert_eq!(declarations[0].declared_by, DeclaredBy::Staff);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_of_somebody_unknown_or_without_information_is_refused() {
    let (city, node) = City::new().await;
    let me = city.resident("me");
    let unknown = forms::renewal("00000000000000000000000000000000");
    assert_eq!(declare(&node, &me, &unknown).await.refused(), (404, "unknown_person".to_owned()));

    let subject = Subject([5; 16]);
    let bare = PersonSet {
        subject,
        claim: None,
        holder: "me".to_owned(),
        birth_year: None,
        person_kind: "resident".to_owned(),
        masked_name: None,
        committee: HOME.parse().unwrap(),
        community: None,
        since_day: None,
        capacity: "owner".to_owned(),
        sealed: None,
    };
    city.set(&node, Change::PersonSet(bare)).await;
    let answer = declare(&node, &me, &forms::renewal(&subject.to_string())).await;
    assert_eq!(answer.refused(), (409, "no_basic_information".to_owned()));
    assert!(city.records(Topic::Declarations).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_added_through_another_node_a_moment_ago_is_known() {
    let (city, one) = City::new().await;
    let two = city.node("two").await;
    let me = city.resident("me");
    for serial in 0..10 {
        let subject = declare(&one, &me, &forms::full(serial)).await.text_of("subject");
        let answer = declare(&two, &me, &forms::renewal(&subject)).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_order_nobody_is_added() {
    let (city, node) = City::new().await;
    let me = city.resident("me");
    let subject = declare(&node, &me, &forms::full(1)).await.text_of("subject");
    let order = node.registry.snapshot().order().unwrap().clone();
    city.set(&node, Change::OrderSet(OrderSet { ends_at_ms: Some(now_ms() - 1), ..order })).await;

    assert_eq!(declare(&node, &me, &forms::full(2)).await.status, StatusCode::ACCEPTED);
    assert_eq!(declare(&node, &me, &forms::renewal(&subject)).await.status, StatusCode::ACCEPTED);
    let declarations: Vec<Declaration> = city.events(Topic::Declarations).await;
    let ended = declarations.iter().filter(|one| one.inadmissible == Some(Rejection::OrderEnded)).count();
    assert_eq!((declarations.len(), ended), (3, 2));
    assert_eq!(people(&city).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_policy_the_answer_says_what_operators_must_do() {
    let (city, node) = City::with(|change| !matches!(change, Change::PolicySet(_))).await;
    let answer = declare(&node, &city.resident("me"), &forms::full(1)).await;
    assert_eq!(answer.refused(), (503, "no_policy".to_owned()));
    assert!(answer.headers.contains_key("retry-after"));
    assert!(answer.text_of("detail").contains("Operators: publish a policy"));
    assert!(people(&city).await.is_empty());
    assert!(node.doors.readiness().iter().any(|part| !part.ready && part.detail.contains("policy")));

    let tomorrow = PolicySet {
        version: 1,
        expression: "named_struct('status', 'green', 'reasons', make_array(''))".to_owned(),
        effective_from_ms: now_ms() + 24 * 60 * 60 * 1000,
        note: String::new(),
        approved_by: vec!["a".to_owned(), "b".to_owned()],
    };
    city.set(&node, Change::PolicySet(tomorrow)).await;
    assert_eq!(declare(&node, &city.resident("me"), &forms::full(1)).await.refused().1, "no_policy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_knows_too_little_of_late_decides_nothing() {
    let (city, _node) = City::new().await;
    let node = city.node_with("behind", Settings { registry_age_s: 0, ..Settings::default() }).await;
    let answer = declare(&node, &city.resident("me"), &forms::full(1)).await;
    assert_eq!(answer.refused(), (503, "unavailable".to_owned()));
    assert!(answer.headers.contains_key("retry-after"));
    let check = json!({"checkpoint": EAST_GATE, "direction": "entry", "shown": "none"});
    let answer = Post::json("/v1/checks", &city.inspector(), &check).send(&node.router).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let scan =
        json!({"scanned_at_ms": now_ms(), "direction": "entry", "shown": "none", "verdict": "refer", "reasons": []});
    let upload = json!({"device_epoch": "00000000000000aa", "first_seq": 1, "checkpoint": EAST_GATE, "scans": [scan]});
    let answer = Post::json("/v1/scans", &city.inspector(), &upload).send(&node.router).await;
    assert_eq!(answer.status, StatusCode::OK, "what was decided elsewhere is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_log_is_away_nothing_is_acknowledged() {
    let (city, node) = City::new().await;
    let me = city.resident("me");
    let subject = declare(&node, &me, &forms::full(1)).await.text_of("subject");
    node.until(|parts| parts.iter().all(|part| part.ready)).await;
    city.cut_off(true);
    for body in [forms::full(2), forms::renewal(&subject)] {
        let answer = declare(&node, &me, &body).await;
        assert_eq!(answer.refused(), (503, "unavailable".to_owned()));
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert!(node.doors.readiness().iter().any(|part| !part.ready && part.name == "ingest log"));
    city.cut_off(false);
    assert_eq!(declare(&node, &me, &forms::renewal(&subject)).await.status, StatusCode::ACCEPTED);
    assert_eq!(city.records(Topic::Declarations).await.len(), 2);
    assert_eq!(people(&city).await.len(), 1);
}
