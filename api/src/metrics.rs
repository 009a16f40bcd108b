//! What is observed of what reads. Labels are words of fixed sets: route templates, never paths.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use suikang_registry::Action;

/// Counts and times requests by route and class of answer, such as `2xx`.
pub(crate) async fn observe(route: MatchedPath, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = next.run(request).await;
    let class = match response.status().as_u16() {
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    metrics::histogram!("suikang_api_request_seconds", "route" => route.as_str().to_owned(), "class" => class)
        .record(begun.elapsed());
    response
}

/// An act was written down, or could not be.
pub(crate) fn audited(action: Action, allowed: bool, durable: bool) {
    let result = match (durable, allowed) {
        (false, _) => "failed",
        (true, true) => "allowed",
        (true, false) => "refused",
    };
    metrics::counter!("suikang_audit_entries_total", "action" => action.as_str(), "result" => result).increment(1);
}
