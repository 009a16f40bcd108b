//! What is written down: one chain, in order, durable before the act.

use std::collections::BTreeSet;

use serde_json::json;
use suikang_registry::Role;
use suikang_schemas::audit::chain_hash;
use suikang_schemas::status::Status;

use crate::city::{City, HOME};
use crate::exchange::{get, post};

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_many_at_once_are_one_chain() {
    let city = City::new().await;
    city.settle().await;
    let token = city.token(Role::DistrictAnalyst, "440106", "analyst");
    let looks = (0..20).map(|at| {
        let code = if at % 2 == 0 { "440106" } else { "440104" };
        let (ask, router) = (get(format!("/v1/districts/{code}/summary")).bearer(&token), city.router.clone());
        tokio::spawn(async move { ask.send(&router).await.status.as_u16() })
    });
    let mut answers = BTreeSet::new();
    for look in looks.collect::<Vec<_>>() {
        answers.insert(look.await.unwrap());
    }
    assert_eq!(answers, BTreeSet::from([200, 404]));

    let entries = city.audited().await;
    assert_eq!(entries.len(), 20);
    let mut previous = [0; 32];
    for (nth, (entry, bytes)) in entries.iter().enumerate() {
        assert_eq!((usize::try_from(entry.seq).unwrap(), entry.previous), (nth + 1, previous), "none is missing");
        assert_eq!((entry.actor.role.as_str(), entry.actor.login.as_str()), ("district_analyst", "analyst"));
        assert_eq!(entry.allowed, entry.target == "440106");
        previous = chain_hash(bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_down_does_not_happen() {
    let city = City::new().await;
    let subject = city.person("me", HOME, None).await;
    let code = city.issue(subject, HOME, Status::Green).await;
    city.settle().await;
    let staff = city.token(Role::CommunityAdministrator, HOME, "staff");
    let asks = || {
        [
            post("/v1/sql", &json!({"sql": "SELECT 1"})).bearer(&city.investigator()),
            get("/v1/districts/440106/summary").bearer(&city.token(Role::DistrictAnalyst, "440106", "analyst")),
            get(format!("/v1/declarations/{}", code.declaration_id)).bearer(&staff),
            get(format!("/v1/declarations/{}/print", code.declaration_id)).bearer(&staff),
        ]
    };
    city.mute(true);
    for ask in asks() {
        let answer = city.send(ask).await;
        assert_eq!(answer.refused(), (503, "unavailable".to_owned()));
        assert_eq!(answer.header("retry-after"), "2");
    }
    let mine = get(format!("/v1/declarations/{}", code.declaration_id)).bearer(&city.resident("me"));
    assert_eq!(city.send(mine).await.status, 200, "a holder needs no audit to see a code");
    city.mute(false);
    for ask in asks() {
        let answer = city.send(ask).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let chains: BTreeSet<_> = city.audited().await.into_iter().map(|(entry, _)| (entry.node, entry.seq)).collect();
    assert_eq!(chains.len(), 4, "after a failure another chain begins, so no number is used twice: {chains:?}");
}
