//! `GET /v1/districts/{code}/summary`: what happened in a district, hour by hour, and how much of it has declared.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use suikang_analytics::counts::{AreaCounts, Day};
use suikang_registry::Action;
use suikang_registry::http::{Bearer, Problem};
use suikang_schemas::AreaCode;
use suikang_schemas::area::Level;
use suikang_schemas::registry_event::PlaceSet;

use super::csv;
use super::range::{Format, Range, date};
use crate::dates::{now_ms, rfc3339, today};
use crate::state::ApiState;

/// A district's summary. Totals cover all its days; every scan counts in exactly one verdict.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) district: String,
    pub(crate) name_zh: String,
    pub(crate) name_en: Option<String>,
    pub(crate) from: String,
    pub(crate) to: String,
    /// When the counts were last known to be complete; nothing if they have not caught up yet.
    pub(crate) as_of: Option<String>,
    pub(crate) lag_records: i64,
    /// `final` once the last day is over and the counts have passed its end; a scan that comes later still counts on its day.
    pub(crate) state: &'static str,
    pub(crate) entries: i64,
    pub(crate) exits: i64,
    pub(crate) verdicts: BTreeMap<String, i64>,
    pub(crate) reasons: BTreeMap<String, i64>,
    pub(crate) fevers: i64,
    /// People whose code has not run out, by status, now.
    pub(crate) status: BTreeMap<String, i64>,
    pub(crate) coverage: Coverage,
    pub(crate) days: Vec<DayRow>,
}

/// How many of those who live there have declared.
#[derive(Debug, Serialize)]
pub(crate) struct Coverage {
    pub(crate) declared: i64,
    pub(crate) population: Option<i64>,
    /// May exceed 1: people declare where they are, the census counted where they were.
    pub(crate) share: Option<f64>,
    pub(crate) source: Option<String>,
    pub(crate) population_as_of: Option<String>,
}

/// One of the city's days.
#[derive(Debug, Serialize)]
pub(crate) struct DayRow {
    pub(crate) date: String,
    pub(crate) entries_by_hour: [i64; 24],
    pub(crate) exits_by_hour: [i64; 24],
    pub(crate) verdicts: BTreeMap<String, i64>,
    pub(crate) reasons: BTreeMap<String, i64>,
    pub(crate) fevers: i64,
}

/// The summary, in the form asked for.
pub(crate) async fn summary(
    State(state): State<ApiState>,
    Bearer(caller): Bearer,
    Path(code): Path<String>,
    Query(range): Query<Range>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let district: AreaCode = code.parse().map_err(|_| Problem::not_found())?;
    if !caller.may_somewhere(Action::ReadSummary) {
        return Err(Problem::forbidden());
    }
    // Another's district and one that isn't there look alike.
    if district.level() != Level::District || !caller.may(Action::ReadSummary, &district) {
        audit(&state, &caller, &code, false).await?;
        return Err(Problem::not_found());
    }
    let days = range.days()?;
    let snapshot = state.registry.snapshot();
    let place = snapshot.place(&district).ok_or_else(Problem::not_found)?;
    audit(&state, &caller, &code, true).await?;
    let counts = state.counts.area(&district, days.clone(), now_ms()).map_err(|error| {
        tracing::error!(%error, "the counts cannot be read");
        Problem::internal()
    })?;
    let last_day = *days.end();
    let is_final = date(last_day) < today() && state.counts.lag() == 0;
    let summary = build(place, &counts, &days, is_final, &state);

    let etag = etag(&counts, is_final, summary.lag_records);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|sent| sent.as_bytes() == etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let caching = [(header::ETAG, etag), (header::CACHE_CONTROL, "private, no-cache".to_owned())];
    let wants_csv = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/csv"));
    Ok(match range.format {
        Some(Format::Json) => (caching, Json(summary)).into_response(),
        Some(Format::Csv) => (caching, csv::answer(&summary)).into_response(),
        None if wants_csv => (caching, csv::answer(&summary)).into_response(),
        None => (caching, Json(summary)).into_response(),
    })
}

async fn audit(
    state: &ApiState,
    caller: &suikang_registry::Caller,
    district: &str,
    allowed: bool,
) -> Result<(), Problem> {
    // Only areas are written down: whatever else stood in the path is no district.
    let target = if district.parse::<AreaCode>().is_ok() { district } else { "-" };
    state.audit.record(caller, "read_summary", target, allowed).await.map_err(|error| {
        tracing::warn!(%error, "an audit entry was not written");
        Problem::unavailable(2)
    })
}

fn build(
    place: &PlaceSet,
    counts: &AreaCounts,
    days: &std::ops::RangeInclusive<i32>,
    is_final: bool,
    state: &ApiState,
) -> Summary {
    let total = |of: fn(&Day) -> &[i64; 24]| counts.days.iter().flat_map(|day| of(day).iter()).sum();
    let merged = |of: fn(&Day) -> &BTreeMap<String, i64>| {
        let mut all = BTreeMap::new();
        for (name, count) in counts.days.iter().flat_map(of) {
            *all.entry(name.clone()).or_default() += count;
        }
        all
    };
    let population = place.population.as_ref();
    #[expect(clippy::cast_precision_loss, reason = "people are far fewer than 2^52")]
    let share = population.filter(|p| p.count > 0).map(|p| counts.declared as f64 / p.count as f64);
    Summary {
        district: place.area.to_string(),
        name_zh: place.name_zh.clone(),
        name_en: place.name_en.clone(),
        from: date(*days.start()).to_string(),
        to: date(*days.end()).to_string(),
        as_of: state.counts.as_of_ms().map(rfc3339),
        lag_records: state.counts.lag(),
        state: if is_final { "final" } else { "provisional" },
        entries: total(|day| &day.entries_by_hour),
        exits: total(|day| &day.exits_by_hour),
        verdicts: merged(|day| &day.verdicts),
        reasons: merged(|day| &day.reasons),
        fevers: counts.days.iter().map(|day| day.fevers).sum(),
        status: counts.status.clone(),
        coverage: Coverage {
            declared: counts.declared,
            population: population.map(|p| p.count),
            share,
            source: population.map(|p| p.source.clone()),
            population_as_of: population.map(|p| date(p.as_of_day).to_string()),
        },
        days: counts.days.iter().map(row).collect(),
    }
}

fn row(day: &Day) -> DayRow {
    DayRow {
        date: date(day.day).to_string(),
        entries_by_hour: day.entries_by_hour,
        exits_by_hour: day.exits_by_hour,
        verdicts: day.verdicts.clone(),
        reasons: day.reasons.clone(),
        fevers: day.fevers,
    }
}

/// Equal figures, equal tag; the time at which they were looked at is no part of it.
fn etag(counts: &AreaCounts, is_final: bool, lag: i64) -> String {
    let mut hasher = DefaultHasher::new();
    format!("{counts:?}").hash(&mut hasher);
    (is_final, lag).hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
