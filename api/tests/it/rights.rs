//! Every role at every door that asks for one.

use std::time::Duration;

use serde_json::json;
use suikang_registry::roles::permits;
use suikang_registry::tokens::TokenKey;
use suikang_registry::{Action, Role};
use suikang_schemas::status::Status;

use crate::city::{City, HOME, caller, now_ms};
use crate::exchange::{Ask, get, post};

fn doors(declaration: &str) -> [(Ask, &'static [Action]); 5] {
    const LOOK: &[Action] = &[Action::ReadDeclaration, Action::ReadOwnDeclaration];
    [
        (get("/v1/districts/440106/summary"), &[Action::ReadSummary]),
        (post("/v1/sql", &json!({"sql": "SELECT 1"})), &[Action::QuerySql]),
        (get(declaration), LOOK),
        (get(format!("{declaration}/code.svg")), LOOK),
        (get(format!("{declaration}/print")), LOOK),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_passes_the_doors_that_its_table_opens_and_no_other() {
    let city = City::new().await;
    let subject = city.person("login", HOME, None).await;
    let code = city.issue(subject, HOME, Status::Green).await;
    city.settle().await;
    let declaration = format!("/v1/declarations/{}", code.declaration_id);
    for role in Role::ALL {
        for (ask, actions) in doors(&declaration) {
            let expected = if actions.iter().any(|action| permits(role, *action)) { 200 } else { 403 };
            let answer = city.send(ask.clone().bearer(&city.token(role, "4401", "login"))).await;
            assert_eq!(answer.status.as_u16(), expected, "{role} {actions:?} {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_count_opens_nothing() {
    let city = City::new().await;
    let token_key = TokenKey::load(&city.keys_dir(), &city.unlock).unwrap();
    let analyst = caller(Role::HeadquartersInvestigator, "4401", "login");
    let hour = Duration::from_secs(3600);
    let expired = token_key.mint(&analyst, now_ms() - 2 * 3_600_000, hour);
    let good = token_key.mint(&analyst, now_ms(), hour);
    let altered = format!("{}{}", &good[..good.len() - 2], if good.ends_with("AA") { "BB" } else { "AA" });
    let declaration = "/v1/declarations/01a20aa6-0c56-42e7-df57-a994a2bbe330";
    for token in [expired, altered, String::new(), "sk1.".to_owned()] {
        for (ask, _) in doors(declaration) {
            assert_eq!(city.send(ask.bearer(&token)).await.refused(), (401, "unauthorized".to_owned()));
        }
    }
    for (ask, _) in doors(declaration) {
        let answer = city.send(ask).await;
        assert_eq!((answer.refused().0, answer.header("www-authenticate")), (401, "Bearer"));
    }
    assert!(city.audited().await.is_empty(), "nobody is known to have asked");
}
