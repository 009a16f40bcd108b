//! The doors, one line each.

use axum::Router;
use axum::routing::post;

use crate::doors::Doors;
use crate::{checks, declarations, scans};

/// The routes of this stage.
pub fn router(doors: Doors) -> Router {
    Router::new()
        .route("/v1/declarations", post(declarations::one::post))
        .route("/v1/declarations/batch", post(declarations::batch::post))
        .route("/v1/checks", post(checks::post))
        .route("/v1/scans", post(scans::post))
        .with_state(doors)
}
