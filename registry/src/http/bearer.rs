//! `Authorization: Bearer sk1.…`: who is calling. The signature is checked once per token and key list, then remembered.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use suikang_schemas::AreaCode;

use super::problem::Problem;
use crate::caller::Caller;
use crate::registry::Registry;
use crate::roles::Action;

/// Somebody whose token was verified; without one the request is refused with 401.
#[derive(Debug, Clone)]
pub struct Bearer(pub Caller);

impl Bearer {
    /// The caller, if they may do this in that area; else 403.
    pub fn permit(&self, action: Action, area: &AreaCode) -> Result<&Caller, Problem> {
        if self.0.may(action, area) { Ok(&self.0) } else { Err(Problem::forbidden()) }
    }

    /// The caller, if they may do this at all; else 403. For what is bound to no area.
    pub fn permit_somewhere(&self, action: Action) -> Result<&Caller, Problem> {
        if self.0.may_somewhere(action) { Ok(&self.0) } else { Err(Problem::forbidden()) }
    }
}

impl<S> FromRequestParts<S> for Bearer
where
    S: Send + Sync,
    Registry: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = bearer_token(parts).ok_or_else(Problem::unauthorized)?;
        let now_ms = chrono::Utc::now().timestamp_millis();
        match Registry::from_ref(state).authenticate(token, now_ms) {
            Ok(caller) => Ok(Self(caller)),
            Err(_) => Err(Problem::unauthorized()),
        }
    }
}

/// The token of the one `Authorization` header; two of them are none.
fn bearer_token(parts: &Parts) -> Option<&str> {
    let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (header, None) = (headers.next()?, headers.next()) else { return None };
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
