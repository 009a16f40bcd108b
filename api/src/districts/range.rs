//! From which day to which: the city's dates, both included.

use chrono::{DateTime, Datelike as _, NaiveDate};
use serde::Deserialize;
use suikang_registry::http::{FieldError, Problem};

use crate::dates::today;

/// The most days that one summary covers.
const MOST_DAYS: i32 = 92;

/// `?from=2020-02-27&to=2020-03-02&format=csv`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    /// `json` or `csv`; the Accept header says the same.
    pub(crate) format: Option<Format>,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    Json,
    Csv,
}

impl Range {
    /// Days since 1970, today unless asked otherwise.
    pub(crate) fn days(&self) -> Result<std::ops::RangeInclusive<i32>, Problem> {
        let to = self.to.or(self.from).unwrap_or_else(today);
        let from = self.from.unwrap_or(to);
        let wrong =
            |pointer, code, zh, en| Problem::invalid("invalid_range", vec![FieldError::new(pointer, code, zh, en)]);
        if from > to {
            return Err(wrong("/from", "after_to", "起始日期晚于结束日期", "after the last day"));
        }
        if to > today() {
            return Err(wrong("/to", "in_the_future", "日期尚未到来", "has not come yet"));
        }
        if (to - from).num_days() >= i64::from(MOST_DAYS) {
            return Err(wrong("/from", "too_long", "最多 92 天", "92 days at most"));
        }
        Ok(day(from)..=day(to))
    }
}

fn day(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - DateTime::UNIX_EPOCH.num_days_from_ce()
}

/// The date of a day since 1970.
pub(crate) fn date(day: i32) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(day + DateTime::UNIX_EPOCH.num_days_from_ce()).unwrap_or_default()
}
