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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::DOCUMENT;

    /// The paths in a router's source.
    fn routes(source: &str) -> impl Iterator<Item = String> + '_ {
        source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned)
    }

    #[test]
    fn what_is_documented_is_what_is_routed() {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).unwrap();
        let documented: BTreeSet<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
        let sources = [
            include_str!("router.rs"),
            include_str!("../../ingest/src/router.rs"),
            include_str!("../../src/operations.rs"),
        ];
        assert_eq!(documented, sources.into_iter().flat_map(routes).collect());
    }
}
