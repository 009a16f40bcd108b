//! Who may come in at which door, and where.

use axum::http::StatusCode;
use serde_json::{Value, json};
use suikang_registry::{Action, Role, roles};

use crate::city::{AWAY_GATE, City, EAST_GATE, Node, now_ms};
use crate::exchange::Post;
use crate::forms;

fn request(path: &str, checkpoint: &str) -> Value {
    match path {
        "/v1/declarations" => forms::full(1),
        "/v1/checks" => json!({"checkpoint": checkpoint, "direction": "entry", "shown": "none"}),
        _ => json!({"device_epoch": "00000000000000aa", "first_seq": 1, "checkpoint": checkpoint, "scans": [
            {"scanned_at_ms": now_ms(), "direction": "entry", "shown": "none", "verdict": "refer", "reasons": ["no_code"]}]}),
    }
}

async fn status(node: &Node, path: &'static str, token: &str, checkpoint: &str) -> StatusCode {
    Post::json(path, token, &request(path, checkpoint)).send(&node.router).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_without_a_token() {
    let (city, node) = City::new().await;
    let token = city.inspector();
    let (head, tail) = token.split_at(token.len() / 2);
    let altered = format!("{head}{}{}", if tail.starts_with('A') { 'B' } else { 'A' }, &tail[1..]);
    for path in ["/v1/declarations", "/v1/checks", "/v1/scans"] {
        for token in ["", "sk1.nonsense", &altered, &altered[1..]] {
            assert_eq!(status(&node, path, token, EAST_GATE).await, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    let batch = Post::raw("/v1/declarations/batch", "", "text/csv", "").send(&node.router).await;
    assert_eq!(batch.refused(), (401, "unauthorized".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_comes_in_where_its_table_says() {
    let (city, node) = City::new().await;
    for role in Role::ALL {
        let token = city.token(role, "4401", "somebody");
        for (path, action) in [("/v1/checks", Action::Check), ("/v1/scans", Action::UploadScans)] {
            let expected = if roles::permits(role, action) { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status(&node, path, &token, EAST_GATE).await, expected, "{role} at {path}");
        }
        let declares = roles::permits(role, Action::Declare) || roles::permits(role, Action::DeclareForOthers);
        let declared = status(&node, "/v1/declarations", &token, EAST_GATE).await;
        assert_eq!(declared == StatusCode::FORBIDDEN, !declares, "{role}: {declared}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_areas_token_opens_nothing_and_learns_nothing() {
    let (city, node) = City::new().await;
    let nowhere = "440104001007-001-77";
    for path in ["/v1/checks", "/v1/scans"] {
        for gate in [AWAY_GATE, nowhere] {
            assert_eq!(status(&node, path, &city.inspector(), gate).await, StatusCode::FORBIDDEN, "{path} {gate}");
        }
        let other = city.token(Role::Inspector, "440104", "inspector-2");
        assert_eq!(status(&node, path, &other, EAST_GATE).await, StatusCode::FORBIDDEN);
        assert_eq!(status(&node, path, &other, AWAY_GATE).await, StatusCode::OK);
    }
}
