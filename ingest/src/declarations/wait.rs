//! `Prefer: wait=N` (RFC 7240): the answer to an accepted declaration, with its outcome if that comes in time.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use suikang_registry::http::Problem;
use suikang_schemas::declaration::Rejection;
use suikang_schemas::outcome::{Issued, Outcome};
use suikang_schemas::pass_code;

use super::accepted::Accepted;
use crate::doors::Doors;
use crate::{Settings, clock, refusals};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The answer to an accepted declaration.
#[derive(Debug, Serialize)]
pub(crate) struct DeclarationAnswer {
    /// The declaration's id.
    declaration_id: String,
    /// Whom it is about; left out for those who don't hold the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Where its outcome is read.
    href: String,
    /// The code, if the client waited and it came in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeAnswer>,
}

/// An issued code.
#[derive(Debug, Serialize)]
pub(crate) struct OutcomeAnswer {
    /// `green`, `amber` or `red`.
    status: &'static str,
    /// The policy's reasons.
    reasons: Vec<String>,
    /// Until when, exclusively.
    expires_at: String,
    /// What the QR code holds.
    pass_code: String,
}

/// How long the client wants to wait, at most as long as configured; nothing if it doesn't.
pub(super) fn asked(headers: &HeaderMap, settings: &Settings) -> Option<Duration> {
    let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences =
        preferences.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or(one));
    let seconds = preferences.find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("wait") { value.trim().trim_matches('"').parse::<u64>().ok() } else { None }
    })?;
    (seconds > 0).then(|| Duration::from_secs(seconds.min(settings.wait_s)))
}

/// 202; with patience 201 and the code, or 403 where there is none, if the outcome comes in time.
pub(super) async fn answer(
    doors: &Doors,
    accepted: &Accepted,
    patience: Option<Duration>,
) -> Result<Response, Problem> {
    // Where too many wait already, this client asks again later, as if its patience had ended.
    let place = patience.and_then(|patience| doors.limits.wait().map(|place| (patience, place)));
    let Some((patience, _place)) = place else { return Ok(respond(accepted, None)) };
    let outcome = doors.codes().wait_for_outcome(&accepted.declaration_id, patience).await.map_err(refusals::lookup)?;
    let mut response = match outcome {
        Some(Outcome { rejected: Some(rejection), .. }) => rejected(accepted, rejection).into_response(),
        Some(Outcome { issued: Some(issued), .. }) => respond(accepted, Some(&issued)),
        _ => respond(accepted, None),
    };
    let applied = HeaderValue::from_str(&format!("wait={}", patience.as_secs()));
    response.headers_mut().extend(applied.ok().map(|applied| (PREFERENCE_APPLIED, applied)));
    Ok(response)
}

fn respond(accepted: &Accepted, issued: Option<&Issued>) -> Response {
    let href = href(accepted);
    let status = if issued.is_some() { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    let answer = DeclarationAnswer {
        declaration_id: accepted.declaration_id.to_string(),
        subject: accepted.told_subject().map(|subject| subject.to_string()),
        href: href.clone(),
        outcome: issued.map(|issued| OutcomeAnswer {
            status: issued.status.as_str(),
            reasons: issued.reasons.clone(),
            expires_at: clock::rfc3339(issued.expires_at_ms),
            pass_code: pass_code::to_text(&issued.pass_code),
        }),
    };
    (status, [(header::LOCATION, href)], Json(answer)).into_response()
}

fn href(accepted: &Accepted) -> String {
    format!("/v1/declarations/{}", accepted.declaration_id)
}

/// Never about health: everyone who may declare gets a code.
fn rejected(accepted: &Accepted, rejection: Rejection) -> Problem {
    let title = match rejection {
        Rejection::UnknownPerson => "没有此人的登记 Nobody is known under this subject",
        Rejection::NoBasicInformation => "尚无基本信息 No basic information is on file",
        Rejection::NotTheHolder => "此人由其他账号申报 Another account holds this person",
        Rejection::OrderEnded => "防控命令已结束，不再发码 The order has ended: no codes are issued any more",
    };
    Problem::new(StatusCode::FORBIDDEN, rejection.as_str(), title)
        .with("declaration_id", accepted.declaration_id.to_string())
        .with("href", href(accepted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_read_and_bounded() {
        for (value, seconds) in [
            ("wait=10", Some(10)),
            ("respond-async, wait=5", Some(5)),
            ("Wait = \"7\"; x=1", Some(7)),
            ("wait=9999", Some(30)),
            ("wait=0", None),
            ("wait=-1", None),
            ("wait", None),
            ("waiting=10", None),
        ] {
            let headers = HeaderMap::from_iter([(PREFER, HeaderValue::from_static(value))]);
            assert_eq!(asked(&headers, &Settings::default()), seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(asked(&HeaderMap::new(), &Settings::default()), None);
    }
}
