//! `POST /v1/verify`: is this code genuine and valid now? For those without a verifier of their own. Nothing is recorded.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use suikang_registry::http::{Problem, StrictJson};
use suikang_schemas::decide::{CLOCK_TOLERANCE_MS, Failure, Reason};
use suikang_schemas::pass_code::{self, PassCode};

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
    reasons: Vec<ReasonWords>,
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
    let now_ms = now_ms();
    let snapshot = state.registry.snapshot();
    // Without a list no key is known.
    let key_list = snapshot.key_list().ok_or(Failure::UnknownKey);
    let verified = key_list.and_then(|key_list| pass_code::verify(&request.code, &key_list.list, now_ms));
    let claims = match verified {
        Ok(verified) => verified.claims,
        Err(failure) => {
            return Ok(Json(Answer { reasons: vec![failure.reason().into()], ..Answer::default() }));
        }
    };
    let superseded = state.codes.is_superseded(&claims.code_id).await.map_err(|error| {
        tracing::error!(%error, "the codes cannot be read");
        Problem::internal()
    })?;
    let reasons = invalid(&claims, superseded, now_ms);
    Ok(Json(Answer { valid: reasons.is_empty(), reasons, claims: Some((&claims).into()) }))
}

/// Why a genuine code is not valid now, as a checkpoint would say it. Where it is valid, and for whom, is a checkpoint's to decide.
fn invalid(claims: &PassCode, superseded: bool, now_ms: i64) -> Vec<ReasonWords> {
    let reasons = [
        (superseded, Reason::Superseded),
        (now_ms >= claims.expires_at_ms(), Reason::Expired),
        (claims.issued_at_ms() > now_ms + CLOCK_TOLERANCE_MS, Reason::NotYetValid),
    ];
    reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason.into()).collect()
}

impl From<&PassCode> for Claims {
    fn from(claims: &PassCode) -> Self {
        Self {
            code_id: claims.code_id.to_string(),
            status: claims.status.as_str(),
            district: claims.district.to_string(),
            masked_name: claims.masked_name.clone(),
            issued_at: rfc3339(claims.issued_at_ms()),
            expires_at: rfc3339(claims.expires_at_ms()),
        }
    }
}
