//! `GET /v1/declarations/{id}`.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use suikang_registry::http::{Bearer, Problem};
use suikang_schemas::outcome::Outcome;
use suikang_schemas::pass_code;

use super::{Known, find};
use crate::dates::rfc3339;
use crate::segment::Segment;
use crate::state::ApiState;

/// What became of it: pending, issued with the code, or rejected.
pub(crate) async fn read(
    State(state): State<ApiState>,
    Bearer(caller): Bearer,
    Segment(id): Segment,
) -> Result<Json<Value>, Problem> {
    Ok(Json(match find(&state, &caller, &id).await? {
        Known::Pending => json!({"declaration_id": id, "state": "pending"}),
        Known::Ended(outcome) => answer(&outcome),
    }))
}

fn answer(outcome: &Outcome) -> Value {
    let mut answer = json!({
        "declaration_id": outcome.declaration_id,
        "subject": outcome.subject,
        "accepted_at": rfc3339(outcome.accepted_at_ms),
    });
    if let Some(issued) = &outcome.issued {
        answer["state"] = "issued".into();
        answer["outcome"] = json!({
            "status": issued.status,
            "reasons": issued.reasons,
            "code_id": issued.code_id,
            "expires_at": rfc3339(issued.expires_at_ms),
            "policy_version": issued.policy_version,
            "pass_code": pass_code::to_text(&issued.pass_code),
        });
    } else if let Some(rejection) = outcome.rejected {
        answer["state"] = "rejected".into();
        answer["outcome"] = json!({"rejection": rejection});
    }
    answer
}
