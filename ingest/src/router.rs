//! The doors, one line each.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use suikang_registry::http::Problem;

use crate::doors::Doors;
use crate::limits::Door;
use crate::{checks, declarations, scans};

/// The routes of this stage.
pub fn router(doors: Doors) -> Router {
    let at =
        |door: Door, route: MethodRouter<Doors>| route.route_layer(from_fn_with_state((doors.clone(), door), knock));
    Router::new()
        .route("/v1/declarations", at(Door::Declarations, post(declarations::one::post)))
        .route("/v1/declarations/batch", at(Door::Batches, post(declarations::batch::post)))
        .route("/v1/checks", at(Door::Checks, post(checks::post)))
        .route("/v1/scans", at(Door::Scans, post(scans::post)))
        .with_state(doors.clone())
}

/// Turns away whoever comes to a full door, before a token is verified or a body read: what is done for those outside, those inside wait for.
async fn knock(State((doors, door)): State<(Doors, Door)>, request: Request, next: Next) -> Result<Response, Problem> {
    doors.limits.knock(door)?;
    Ok(next.run(request).await)
}
