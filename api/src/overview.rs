//! The city on one page: entries today by district and hour, standing codes by status, what has been declared, and how fresh it is.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use suikang_analytics::counts::Counts;
use suikang_registry::http::{Bearer, Problem};
use suikang_registry::Action;
use suikang_schemas::area::Level;

use crate::dates::{now_ms, rfc3339, today};
use crate::state::ApiState;

/// Hours of a day.
const HOURS: usize = 24;
/// Height of a bar's picture, in units of its view box.
const BAR_HEIGHT: f64 = 40.0;

/// What the first page shows.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Overview {
    pub(crate) as_of: String,
    pub(crate) lag_records: i64,
    pub(crate) declared: i64,
    pub(crate) entries: i64,
    pub(crate) not_admitted: i64,
    pub(crate) status: ByStatus,
    pub(crate) districts: Vec<District>,
}

/// Standing codes.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct ByStatus {
    pub(crate) green: i64,
    pub(crate) amber: i64,
    pub(crate) red: i64,
}

/// One district's row.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct District {
    pub(crate) code: String,
    pub(crate) name_zh: String,
    pub(crate) name_en: String,
    pub(crate) entries: i64,
    pub(crate) entries_by_hour: [i64; HOURS],
    pub(crate) not_admitted: i64,
    pub(crate) declared: i64,
}

/// `GET /v1/overview`.
pub(crate) async fn json(State(state): State<ApiState>, bearer: Option<Bearer>) -> Result<Json<Overview>, Problem> {
    read(&state, bearer.as_ref()).map(Json)
}

/// The figures now. Sums of whole districts, so anyone may see them unless the operator says otherwise.
pub(crate) fn read(state: &ApiState, bearer: Option<&Bearer>) -> Result<Overview, Problem> {
    if !state.settings.public_overview {
        let Bearer(caller) = bearer.ok_or_else(Problem::unauthorized)?;
        if !caller.may_somewhere(Action::ReadSummary) {
            return Err(Problem::forbidden());
        }
    }
    figures(state, &state.counts).map_err(|error| {
        tracing::error!(%error, "the counts cannot be read");
        Problem::internal()
    })
}
