//! The doors, one line each.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::post;
use suikang_registry::http::Problem;

use crate::doors::Doors;
use crate::limits::Door;
use crate::{checks, declarations, scans};

/// The routes of this stage.
pub fn router(doors: Doors) -> Router {
    let at = |door| from_fn_with_state((doors.clone(), door), knock);
    Router::new()
        .route("/v1/declarations", post(declarations::one::post).route_layer(at(Door::Declarations)))
        .route("/v1/declarations/batch", post(declarations::batch::post).route_layer(at(Door::Batches)))
        .route("/v1/checks", post(checks::post).route_layer(at(Door::Checks)))
        .route("/v1/scans", post(scans::post).route_layer(at(Door::Scans)))
        .with_state(doors.clone())
}

/// Turns away whoever comes to a full door, before a token is verified or a body read: what is done for those outside, those inside wait for.
async fn knock(State((doors, door)): State<(Doors, Door)>, request: Request, next: Next) -> Result<Response, Problem> {
    doors.limits.knock(door)?;
    Ok(next.run(request).await)
}
