//! The city on one page: entries today by district and hour, standing codes by status, what has been declared, and how fresh it is.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use suikang_registry::Action;
use suikang_registry::http::{Bearer, Problem};
use suikang_schemas::area::Level;
use suikang_schemas::status::Status;

use crate::dates::{day, now_ms, rfc3339, today};
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
pub(crate) async fn json(
    State(state): State<ApiState>,
    bearer: Result<Bearer, Problem>,
) -> Result<Json<Overview>, Problem> {
    read(&state, bearer.as_ref().ok()).map(Json)
}

/// The figures now. Sums of whole districts, so anyone may see them unless the operator says otherwise.
pub(crate) fn read(state: &ApiState, bearer: Option<&Bearer>) -> Result<Overview, Problem> {
    if !state.settings.public_overview {
        let Bearer(caller) = bearer.ok_or_else(Problem::unauthorized)?;
        if !caller.may_somewhere(Action::ReadSummary) {
            return Err(Problem::forbidden());
        }
    }
    figures(state).map_err(|error| {
        tracing::error!(%error, "the counts cannot be read");
        Problem::internal()
    })
}

fn figures(state: &ApiState) -> Result<Overview, rusqlite::Error> {
    let snapshot = state.registry.snapshot();
    let city = "4401".parse().expect("four digits are a city");
    let places: Vec<_> = snapshot.places_of_level(&city, Level::District).cloned().collect();
    let areas: Vec<_> = places.iter().map(|place| place.area.clone()).collect();
    let counted = state.counts.districts(&areas, day(today()), now_ms())?;

    let mut status = ByStatus::default();
    let mut districts = Vec::with_capacity(places.len());
    for (place, counted) in places.into_iter().zip(&counted) {
        let of = |counts: &BTreeMap<String, i64>, name: &str| counts.get(name).copied().unwrap_or(0);
        status.green += of(&counted.status, "green");
        status.amber += of(&counted.status, "amber");
        status.red += of(&counted.status, "red");
        let today = counted.days.first();
        let entries_by_hour = today.map_or([0; HOURS], |day| day.entries_by_hour);
        districts.push(District {
            code: place.area.to_string(),
            name_zh: place.name_zh,
            name_en: place.name_en.unwrap_or_default(),
            entries: entries_by_hour.iter().sum(),
            entries_by_hour,
            not_admitted: today.map_or(0, |day| of(&day.verdicts, "refer") + of(&day.verdicts, "refuse")),
            declared: counted.declared,
        });
    }
    let total = |of: fn(&District) -> i64| districts.iter().map(of).sum();
    Ok(Overview {
        as_of: rfc3339(state.counts.as_of_ms().unwrap_or(0)),
        lag_records: state.counts.lag(),
        declared: total(|district| district.declared),
        entries: total(|district| district.entries),
        not_admitted: total(|district| district.not_admitted),
        status,
        districts,
    })
}

/// A figure with its words; a colour never stands alone.
pub(crate) struct Tile {
    pub(crate) class: &'static str,
    pub(crate) sign: &'static str,
    pub(crate) figure: i64,
    pub(crate) zh: &'static str,
    pub(crate) en: &'static str,
}

/// One hour's bar.
pub(crate) struct Bar {
    pub(crate) x: usize,
    pub(crate) y: f64,
    pub(crate) height: f64,
}

impl Overview {
    /// The time of day of `as_of`.
    pub(crate) fn as_of_clock(&self) -> &str {
        self.as_of.get(11..19).unwrap_or_default()
    }

    /// In the order in which the script refreshes them.
    pub(crate) fn tiles(&self) -> [Tile; 6] {
        let tile = |class, sign, figure, zh, en| Tile { class, sign, figure, zh, en };
        [
            tile("", "", self.declared, "已申报", "declared"),
            tile("", "", self.entries, "今日进入", "entries today"),
            tile("green", Status::Green.sign(), self.status.green, "绿码", "green codes"),
            tile("amber", Status::Amber.sign(), self.status.amber, "黄码", "amber codes"),
            tile("red", Status::Red.sign(), self.status.red, "红码", "red codes"),
            tile("", "", self.not_admitted, "转介、劝返", "referred, refused"),
        ]
    }

    /// A district's bars, all districts to one scale.
    #[expect(clippy::cast_precision_loss, reason = "entries are far fewer than 2^52")]
    pub(crate) fn bars(&self, district: &District) -> Vec<Bar> {
        let highest = self.districts.iter().flat_map(|district| district.entries_by_hour).max().unwrap_or(0).max(1);
        let bar = |(hour, entries): (usize, &i64)| {
            let height = (BAR_HEIGHT * *entries as f64 / highest as f64 * 10.0).round() / 10.0;
            Bar { x: hour * 10, y: BAR_HEIGHT - height, height }
        };
        district.entries_by_hour.iter().enumerate().map(bar).collect()
    }
}

impl District {
    /// The picture in words.
    pub(crate) fn described(&self) -> String {
        let busiest = (0..HOURS).max_by_key(|&hour| self.entries_by_hour[hour]).unwrap_or(0);
        format!("今日进入 {} 人次，{busiest} 时最多", self.entries)
    }
}
