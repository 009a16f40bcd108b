//! Who is believed, and what they may do: tokens at a door.

use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use suikang_registry::http::{Bearer, Problem};
use suikang_registry::keys;
use suikang_registry::secrets::Unlock;
use suikang_registry::tokens::TokenKey;
use suikang_registry::{Action, Caller, CommandError, NodeSecrets, Refusal, Registry, Role};
use suikang_schemas::AreaCode;
use suikang_schemas::key_list::{KeyList, Purpose};
use suikang_schemas::registry_event::{Change, KeyListPublished};
use suikang_schemas::token::SessionToken;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::nodes::{Deployment, Node, actor, command};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A node with keys of its own, published.
struct Keyed {
    deployment: Deployment,
    node: Node,
    keys: TempDir,
    unlock: Unlock,
}

#[derive(Clone)]
struct Door(Registry);

impl FromRef<Door> for Registry {
    fn from_ref(door: &Door) -> Registry {
        door.0.clone()
    }
}

impl Keyed {
    async fn new() -> Self {
        let keys = tempfile::tempdir().unwrap();
        let unlock = Unlock::of(keys.path(), None);
        keys::init(keys.path(), &unlock, now_ms()).unwrap();
        let deployment = Deployment::new().await;
        let node = deployment.node_with("one", NodeSecrets::load(keys.path(), &unlock).unwrap()).await;
        let published = keys::publish(&node.registry, keys.path(), &unlock, actor()).await.unwrap();
        assert_eq!(published, 1 + 42, "the list and the seal keys");
        Self { deployment, node, keys, unlock }
    }

    fn token(&self, role: Role, area: &str, now_ms: i64) -> String {
        let caller = Caller { role, area: area.parse().unwrap(), login: "li".to_owned() };
        TokenKey::load(self.keys.path(), &self.unlock).unwrap().mint(&caller, now_ms, HOUR)
    }

    /// The status of Tianhe's summary for whoever sends these headers.
    async fn ask(&self, authorization: &[&str]) -> StatusCode {
        async fn summary(bearer: Bearer) -> Result<String, Problem> {
            let tianhe: AreaCode = "440106".parse().unwrap();
            bearer.permit(Action::ReadSummary, &tianhe).map(|caller| caller.login.clone())
        }
        let router = Router::new().route("/", get(summary)).with_state(Door(self.node.registry.clone()));
        let request = authorization
            .iter()
            .fold(Request::get("/"), |request, value| request.header(header::AUTHORIZATION, *value));
        router.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap().status()
    }
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_for_its_role_in_its_area() {
    let keyed = Keyed::new().await;
    let ask = async |role, area| keyed.ask(&[&format!("Bearer {}", keyed.token(role, area, now_ms()))]).await;
    assert_eq!(ask(Role::DistrictAnalyst, "440106").await, StatusCode::OK);
    assert_eq!(ask(Role::HeadquartersAnalyst, "4401").await, StatusCode::OK);
    assert_eq!(ask(Role::DistrictAnalyst, "440104").await, StatusCode::FORBIDDEN, "another district");
    assert_eq!(ask(Role::StreetAdministrator, "440106001").await, StatusCode::FORBIDDEN, "a part of the district");
    assert_eq!(ask(Role::Inspector, "440106").await, StatusCode::FORBIDDEN, "another role");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_valid_token_is_401() {
    let keyed = Keyed::new().await;
    let good = keyed.token(Role::DistrictAnalyst, "440106", now_ms());
    let bearer = format!("Bearer {good}");
    assert_eq!(keyed.ask(&[&bearer]).await, StatusCode::OK);
    assert_eq!(keyed.ask(&[&format!("bearer {good}")]).await, StatusCode::OK, "the scheme's case is free");

    let expired = keyed.token(Role::DistrictAnalyst, "440106", now_ms() - 2 * 3_600_000);
    let not_yet = keyed.token(Role::DistrictAnalyst, "440106", now_ms() + 600_000);
    let mut altered = good.clone();
    let last = altered.pop().unwrap();
    altered.push(if last == 'A' { 'B' } else { 'A' });
    for refused in [&expired, &not_yet, &altered, "", "sk1.", &"x".repeat(10_000)] {
        assert_eq!(keyed.ask(&[&format!("Bearer {refused}")]).await, StatusCode::UNAUTHORIZED);
    }
    for headers in [&[][..], &[good.as_str()], &["Basic bGk6bGk="], &[bearer.as_str(), &bearer]] {
        assert_eq!(keyed.ask(headers).await, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_another_purpose_signs_no_token() {
    let keyed = Keyed::new().await;
    let keystore = keys::IssuerKeystore::load(keyed.keys.path(), &keyed.unlock).unwrap();
    let key_id = keyed.node.registry.snapshot().signing_key_at(now_ms()).unwrap();
    let now_s = now_ms() / 1000;
    let token = SessionToken {
        login: "li".to_owned(),
        role: Role::DistrictAnalyst.as_str().to_owned(),
        area: "440106".parse().unwrap(),
        issued_at_s: now_s,
        expires_at_s: now_s + 60,
        token_id: [0; 16],
    };
    let sign = |bytes: &[u8]| ed25519_dalek::Signer::sign(keystore.signing_key(&key_id).unwrap(), bytes).to_bytes();
    assert_eq!(keyed.ask(&[&format!("Bearer {}", token.sign(key_id, sign))]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_dies_with_its_key_and_remembering_it_does_not_help() {
    let keyed = Keyed::new().await;
    let bearer = format!("Bearer {}", keyed.token(Role::DistrictAnalyst, "440106", now_ms()));
    assert_eq!(keyed.ask(&[&bearer]).await, StatusCode::OK);

    let list = keys::list(keyed.keys.path()).unwrap();
    let token_key = list.signing_key_at(Purpose::SessionToken, now_ms()).unwrap();
    keys::revoke(keyed.keys.path(), &keyed.unlock, token_key, now_ms()).unwrap();
    assert_eq!(keyed.ask(&[&bearer]).await, StatusCode::OK, "revoked, but not published");
    keys::publish(&keyed.node.registry, keyed.keys.path(), &keyed.unlock, actor()).await.unwrap();
    assert_eq!(keyed.ask(&[&bearer]).await, StatusCode::UNAUTHORIZED);

    let renewed = format!("Bearer {}", keyed.token(Role::DistrictAnalyst, "440106", now_ms()));
    assert_eq!(keyed.ask(&[&renewed]).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_believed_no_longer_than_the_token_lives() {
    let keyed = Keyed::new().await;
    let begun_ms = now_ms();
    let token = keyed.token(Role::DistrictAnalyst, "440106", begun_ms);
    let registry = &keyed.node.registry;
    let end_ms = (begun_ms / 1000 + 3600) * 1000;
    assert!(registry.authenticate(&token, end_ms - 1).is_ok());
    assert!(registry.authenticate(&token, end_ms).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_list_that_the_root_signed_and_that_drops_nothing_is_in_force() {
    let keyed = Keyed::new().await;
    let registry = &keyed.node.registry;
    let first = std::fs::read(keyed.keys.path().join("key-list.cose")).unwrap();
    let submit = async |sequence, key_list| {
        let published =
            registry.submit(command(None, Change::KeyListPublished(KeyListPublished { sequence, key_list }))).await;
        published.map(|_| ())
    };
    let refused = |refusal| Err(CommandError::Refused(refusal));

    assert_eq!(
        keys::publish(registry, keyed.keys.path(), &keyed.unlock, actor()).await.unwrap(),
        0,
        "all is published"
    );
    assert_eq!(submit(1, first.clone()).await, refused(Refusal::KeyListRegresses), "the same again");
    assert_eq!(submit(2, first).await, refused(Refusal::KeyListForged), "another number than it has");

    let stranger = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let root = root_of(&keyed);
    let current = registry.snapshot().key_list().unwrap().list.clone();
    let list = KeyList { sequence: 2, ..current };
    let sign = |list: &KeyList, key: &ed25519_dalek::SigningKey| {
        list.sign(key.verifying_key().as_bytes(), |bytes| ed25519_dalek::Signer::sign(key, bytes).to_bytes())
    };
    assert_eq!(submit(2, sign(&list, &stranger)).await, refused(Refusal::KeyListForged));
    let forgetful = KeyList { entries: list.entries[1..].to_vec(), ..list.clone() };
    assert_eq!(submit(2, sign(&forgetful, &root)).await, refused(Refusal::KeyListRegresses));
    assert_eq!(submit(2, sign(&list, &root)).await, Ok(()));
    assert_eq!(registry.snapshot().key_list().unwrap().list.sequence, 2);
    drop(keyed.deployment);
}

/// The folder's root key: what only the offline machine has.
fn root_of(keyed: &Keyed) -> ed25519_dalek::SigningKey {
    let path = keyed.keys.path().join("root.key");
    let seed = suikang_registry::secrets::sealed_file::read(&path, &keyed.unlock, "root.key").unwrap();
    ed25519_dalek::SigningKey::from_bytes(seed.as_slice().try_into().unwrap())
}
