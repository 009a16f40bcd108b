//! `GET /v1/districts/{code}/summary`: what happened in a district, hour by hour, and how much of it has declared.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use suikang_analytics::counts::{Day, DistrictCounts};
use suikang_registry::Action;
use suikang_registry::http::{Bearer, Problem};
use suikang_schemas::AreaCode;
use suikang_schemas::area::Level;
use suikang_schemas::registry_event::PlaceSet;
use suikang_stream::{NextOffsets, Positions};

use super::range::{Format, Range};
use super::{csv, etag};
use crate::dates::{date, end_ms, now_ms, rfc3339};
use crate::segment::Segment;
use crate::state::ApiState;

/// A district's summary. Totals cover all its days; every scan counts in exactly one verdict, every standing code in one status.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) district: String,
    pub(crate) name_zh: String,
    pub(crate) name_en: Option<String>,
    pub(crate) from: String,
    pub(crate) to: String,
    /// When the counts were last known to be complete; nothing if they have not caught up yet.
    pub(crate) as_of: Option<String>,
    /// Records that were waiting to be counted when that was looked at.
    pub(crate) lag_records: i64,
    /// The log up to which this counts: by topic and partition, the first offset that it doesn't.
    pub(crate) cut: BTreeMap<&'static str, NextOffsets>,
    /// `final` if each of its days is.
    pub(crate) state: DayState,
    pub(crate) entries: i64,
    pub(crate) exits: i64,
    pub(crate) verdicts: BTreeMap<String, i64>,
    pub(crate) reasons: BTreeMap<String, i64>,
    pub(crate) fevers: i64,
    /// People whose code has not run out (to the hour), by status, now.
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
    pub(crate) state: DayState,
    pub(crate) entries_by_hour: [i64; 24],
    pub(crate) exits_by_hour: [i64; 24],
    pub(crate) verdicts: BTreeMap<String, i64>,
    pub(crate) reasons: BTreeMap<String, i64>,
    pub(crate) fevers: i64,
}

/// Whether a day's figures still grow. A scan that a device hands in days later counts on the day it happened, even on a final one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DayState {
    /// These counts began later than the day: the log had let go what came before. SQL knows it.
    Partial,
    /// The day is not over, or the counts have not come to its end.
    Provisional,
    /// The day is over, and everything that had arrived by its end is counted.
    Final,
}

/// The summary, in the form asked for.
pub(crate) async fn summary(
    State(state): State<ApiState>,
    Bearer(caller): Bearer,
    Segment(code): Segment,
    range: Result<Range, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let district = code.parse::<AreaCode>().ok().filter(|area| area.level() == Level::District);
    let allowed = district.as_ref().is_some_and(|district| caller.may(Action::ReadSummary, district));
    // Only codes are written down: whatever else stood in the path is no district.
    let target = district.as_ref().map_or("-", AreaCode::as_str);
    state.audit.record(&caller, Action::ReadSummary, target, allowed).await?;
    if !caller.may_somewhere(Action::ReadSummary) {
        return Err(Problem::forbidden());
    }
    // Another's district and one that isn't there look alike.
    let district = district.filter(|_| allowed).ok_or_else(Problem::not_found)?;
    let snapshot = state.registry.snapshot();
    let place = snapshot.place(&district).ok_or_else(Problem::not_found)?;
    let range = range?;
    let days = range.days()?;

    // Asked before the counts are read, so that they hold at least as much as it says.
    let as_of_ms = state.counts.as_of_ms();
    let (counts, cut) = state.counts.district(&district, days, now_ms()).map_err(|error| {
        tracing::error!(%error, "the counts cannot be read");
        Problem::internal()
    })?;
    let summary = Summary::new(place, &counts, as_of_ms, state.counts.lag(), cut);

    let format = range.format.unwrap_or_else(|| accepted(&headers));
    let etag = etag::of(&(format, summary.state, format!("{counts:?}")));
    let answer = if etag::is_known(&headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match format {
            Format::Json => Json(summary).into_response(),
            Format::Csv => csv::answer(&summary),
        }
    };
    let caching = [
        (header::ETAG, HeaderValue::try_from(etag).expect("a tag is hexadecimal")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (header::VARY, HeaderValue::from_static("accept")),
    ];
    Ok((caching, answer).into_response())
}

fn accepted(headers: &HeaderMap) -> Format {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/csv")) { Format::Csv } else { Format::Json }
}

impl Summary {
    fn new(place: &PlaceSet, counts: &DistrictCounts, as_of_ms: Option<i64>, lag_records: i64, cut: Positions) -> Self {
        let total = |of: fn(&Day) -> &[i64; 24]| counts.days.iter().flat_map(|day| of(day).iter()).sum();
        let merged = |of: fn(&Day) -> &BTreeMap<String, i64>| {
            let mut all = BTreeMap::new();
            for (name, count) in counts.days.iter().flat_map(of) {
                *all.entry(name.clone()).or_default() += count;
            }
            all
        };
        let days: Vec<_> = counts
            .days
            .iter()
            .map(|day| DayRow::new(day, DayState::of(day.day, counts.whole_from, as_of_ms)))
            .collect();
        let date_of = |row: Option<&DayRow>| row.map(|row| row.date.clone()).unwrap_or_default();
        let has = |state| days.iter().any(|day| day.state == state);
        let state =
            [DayState::Partial, DayState::Provisional].into_iter().find(|state| has(*state)).unwrap_or(DayState::Final);
        Self {
            district: place.area.to_string(),
            name_zh: place.name_zh.clone(),
            name_en: place.name_en.clone(),
            from: date_of(days.first()),
            to: date_of(days.last()),
            as_of: as_of_ms.map(rfc3339),
            lag_records,
            cut: cut.into_iter().map(|(topic, next_offsets)| (topic.short_name(), next_offsets)).collect(),
            state,
            entries: total(|day| &day.entries_by_hour),
            exits: total(|day| &day.exits_by_hour),
            verdicts: merged(|day| &day.verdicts),
            reasons: merged(|day| &day.reasons),
            fevers: counts.days.iter().map(|day| day.fevers).sum(),
            status: counts.status.clone(),
            coverage: Coverage::new(place, counts.declared),
            days,
        }
    }
}

impl Coverage {
    /// Without a source there is no denominator, and without one no share.
    fn new(place: &PlaceSet, declared: i64) -> Self {
        let population = place.population.as_ref();
        #[expect(clippy::cast_precision_loss, reason = "people are far fewer than 2^52")]
        let share = population.filter(|p| p.count > 0).map(|p| declared as f64 / p.count as f64);
        Self {
            declared,
            population: population.map(|p| p.count),
            share,
            source: population.map(|p| p.source.clone()),
            population_as_of: population.map(|p| date(p.as_of_day).to_string()),
        }
    }
}

impl DayRow {
    fn new(day: &Day, state: DayState) -> Self {
        Self {
            date: date(day.day).to_string(),
            state,
            entries_by_hour: day.entries_by_hour,
            exits_by_hour: day.exits_by_hour,
            verdicts: day.verdicts.clone(),
            reasons: day.reasons.clone(),
            fevers: day.fevers,
        }
    }
}

impl DayState {
    fn of(day: i32, whole_from: i32, as_of_ms: Option<i64>) -> Self {
        if day < whole_from {
            return Self::Partial;
        }
        if as_of_ms.is_some_and(|as_of_ms| as_of_ms >= end_ms(day)) { Self::Final } else { Self::Provisional }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Partial => "partial",
            Self::Provisional => "provisional",
            Self::Final => "final",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_final_once_the_counts_have_passed_its_end() {
        assert_eq!(DayState::of(18_320, 0, None), DayState::Provisional);
        assert_eq!(DayState::of(18_320, 0, Some(end_ms(18_320) - 1)), DayState::Provisional);
        assert_eq!(DayState::of(18_320, 18_320, Some(end_ms(18_320))), DayState::Final);
        assert_eq!(DayState::of(18_320, 18_321, Some(end_ms(18_320))), DayState::Partial);
    }

    #[test]
    fn coverage_may_exceed_the_census_and_has_none_without_a_source() {
        let place =
            PlaceSet { area: "440106".parse().unwrap(), name_zh: "天河区".into(), name_en: None, population: None };
        assert_eq!(Coverage::new(&place, 3).share, None);
        let population =
            Some(suikang_schemas::registry_event::Population { count: 2, source: "census".into(), as_of_day: 18_567 });
        let coverage = Coverage::new(&PlaceSet { population, ..place }, 3);
        assert_eq!((coverage.share, coverage.population_as_of.as_deref()), (Some(1.5), Some("2020-11-01")));
    }
}
