//! The table of contents: every route on one line.

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};

use crate::state::ApiState;
use crate::{declarations, districts, keys, metrics, openapi, overview, pages, sql, verify};

/// Every route that reads.
pub fn router(state: ApiState) -> Router {
    Router::new()
        // for holders
        .route("/v1/declarations/{id}", get(declarations::read))
        .route("/v1/declarations/{id}/code.svg", get(declarations::svg))
        .route("/v1/declarations/{id}/print", get(declarations::print))
        // for verifiers
        .route("/.well-known/suikang-keys", get(keys::signed_list))
        .route("/.well-known/jwks.json", get(keys::jwks))
        .route("/v1/verify", post(verify::verify))
        // for districts and headquarters
        .route("/v1/districts/{code}/summary", get(districts::summary))
        .route("/v1/sql", post(sql::query))
        // for everyone
        .route("/v1/overview", get(overview::json))
        .route("/", get(pages::index))
        .route("/assets/{file}", get(pages::asset))
        .route("/openapi.json", get(openapi::document))
        .route_layer(from_fn(metrics::observe))
        .with_state(state)
}
