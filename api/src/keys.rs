//! The keys that verifiers trust: the signed list itself, and the same as a JSON Web Key Set.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use suikang_registry::http::Problem;

use crate::state::ApiState;

/// How long a verifier may keep the list without asking again, in seconds: the bound within which a killed key stops counting online.
const MAX_AGE: &str = "public, max-age=60";

/// `GET /.well-known/suikang-keys`: COSE_Sign1 under the root key.
pub(crate) async fn signed_list(State(state): State<ApiState>) -> Result<Response, Problem> {
    let snapshot = state.registry.snapshot();
    let list = snapshot.key_list().ok_or_else(Problem::not_found)?;
    let headers =
        [(header::CONTENT_TYPE, "application/cose; cose-type=\"cose-sign1\""), (header::CACHE_CONTROL, MAX_AGE)];
    Ok((headers, list.signed.clone()).into_response())
}

/// `GET /.well-known/jwks.json`: the pass-code keys that verify now (RFC 7517, RFC 8037).
pub(crate) async fn jwks(State(state): State<ApiState>) -> Result<Response, Problem> {
    let snapshot = state.registry.snapshot();
    let list = snapshot.key_list().ok_or_else(Problem::not_found)?;
    Ok(([(header::CACHE_CONTROL, MAX_AGE)], Json(list.list.jwks())).into_response())
}
