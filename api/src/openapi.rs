//! `GET /openapi.json`: what can be asked of this system, with examples that work on the demonstration city.
//!
//! The document is written by hand beside the routes, for its examples are run by a test and its paths are compared with the router's.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The document.
pub const DOCUMENT: &str = include_str!("../openapi.json");

/// Serves it.
pub(crate) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
