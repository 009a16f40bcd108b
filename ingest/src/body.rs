//! Bodies: as much of them as a door takes, in time, and as they are: a compressed one is refused, however small it looks.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use suikang_registry::http::Problem;
use suikang_registry::http::json::read_body;

/// The media type of a request, without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next()?.trim().to_ascii_lowercase())
}

/// Refuses compressed bodies.
pub(crate) fn refuse_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(Problem::unsupported_type("Content-Encoding: identity")),
        _ => Ok(()),
    }
}

/// The bytes of a JSON body.
pub(crate) async fn json(request: Request, limit_bytes: usize, timeout: Duration) -> Result<Bytes, Problem> {
    if media_type(request.headers()).as_deref() != Some("application/json") {
        return Err(Problem::unsupported_type("application/json"));
    }
    refuse_encoded(request.headers())?;
    match tokio::time::timeout(timeout, read_body(request, limit_bytes)).await {
        Ok(body) => body,
        Err(_) => Err(Problem::too_slow()),
    }
}
