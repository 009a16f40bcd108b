//! `POST /v1/verify`: is this code genuine and valid now? For those without a verifier of their own. Nothing is recorded.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use suikang_registry::http::{Problem, StrictJson};
use suikang_schemas::decide::Reason;
use suikang_schemas::pass_code;

use crate::dates::{now_ms, rfc3339};
use crate::state::ApiState;

/// A code to look at.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// The text in the QR code.
    code: String,
}

/// What can be said of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Answer {
    /// Genuine, in force, neither withdrawn nor superseded.
    valid: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonWords>,
    /// What a genuine code says.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    claims: Option<Claims>,
}

/// A reason with its words.
#[derive(Debug, Serialize)]
struct ReasonWords {
    reason: &'static str,
    zh: &'static str,
    en: &'static str,
}

impl From<Reason> for ReasonWords {
    fn from(reason: Reason) -> Self {
        let (zh, en) = reason.words();
        Self { reason: reason.as_str(), zh, en }
    }
}

/// What a genuine code says.
#[derive(Debug, Serialize)]
struct Claims {
    code_id: String,
    status: &'static str,
    district: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    masked_name: Option<String>,
    issued_at: String,
    expires_at: String,
}

/// Looks at a code.
pub(crate) async fn verify(
    State(state): State<ApiState>,
    StrictJson(request): StrictJson<Request, 4096>,
) -> Result<Json<Answer>, Problem> {
    let snapshot = state.registry.snapshot();
    let Some(key_list) = snapshot.key_list() else {
        return Ok(Json(Answer { reason: Some(Reason::UnknownKey.into()), ..Answer::default() }));
    };
    let verified = match pass_code::verify(&request.code, &key_list.list, now_ms()) {
        Ok(verified) => verified,
        Err(error) => return Ok(Json(Answer { reason: Some(error.reason().into()), ..Answer::default() })),
    };
    let claims = &verified.claims;
    let reason = if claims.expires_at_ms() <= now_ms() {
        Some(Reason::Expired)
    } else {
        match state.codes.is_superseded(&claims.code_id).await {
            Ok(superseded) => superseded.then_some(Reason::Superseded),
            Err(error) => {
                tracing::error!(%error, "the codes cannot be read");
                return Err(Problem::internal());
            }
        }
    };
    Ok(Json(Answer {
        valid: reason.is_none(),
        reason: reason.map(ReasonWords::from),
        claims: Some(Claims {
            code_id: claims.code_id.to_string(),
            status: claims.status.as_str(),
            district: claims.district.to_string(),
            masked_name: claims.masked_name.clone(),
            issued_at: rfc3339(claims.issued_at_ms()),
            expires_at: rfc3339(claims.expires_at_ms()),
        }),
    }))
}
