//! From which day to which: the city's dates, both included.

use std::ops::RangeInclusive;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use chrono::NaiveDate;
use serde::Deserialize;
use suikang_registry::http::{FieldError, Problem};

use crate::dates::{day, today};

/// The most days that one summary covers.
const MOST_DAYS: i64 = 92;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    Json,
    Csv,
}

impl<S: Send + Sync> FromRequestParts<S> for Range {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Query::<Range>::try_from_uri(&parts.uri).map(|Query(range)| range).map_err(|_| {
            Problem::malformed("invalid_query").detail(
                "可用参数：from、to（YYYY-MM-DD）、format（json 或 csv） from and to are dates, format is json or csv",
            )
        })
    }
}

impl Range {
    /// Days since 1970: up to today, and only the last of them, unless asked otherwise.
    pub(crate) fn days(&self) -> Result<RangeInclusive<i32>, Problem> {
        let to = self.to.unwrap_or_else(today);
        let from = self.from.unwrap_or(to);
        let wrong = |pointer, code, zh, en| {
            Err(Problem::invalid("invalid_range", vec![FieldError::new(pointer, code, zh, en)]))
        };
        if to > today() {
            return wrong("/to", "in_the_future", "日期尚未到来", "has not come yet");
        }
        if from > to {
            return wrong("/from", "after_to", "起始日期晚于结束日期", "after the last day");
        }
        if (to - from).num_days() >= MOST_DAYS {
            return wrong("/from", "too_long", "最多 92 天", "92 days at most");
        }
        Ok(day(from)..=day(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Option<NaiveDate> {
        Some(text.parse().unwrap())
    }

    fn code(range: &Range) -> String {
        range.days().unwrap_err().errors()[0].error_code.to_string()
    }

    #[test]
    fn a_range_is_whole_days_and_not_too_many() {
        let now = day(today());
        assert_eq!(Range::default().days().unwrap(), now..=now);
        assert_eq!(Range { to: date("2020-02-28"), ..Range::default() }.days().unwrap(), 18_320..=18_320);
        let range = |from, to| Range { from: date(from), to: date(to), format: None };
        assert_eq!(range("2020-02-27", "2020-05-28").days().unwrap().count(), 92);
        assert_eq!(code(&range("2020-02-27", "2020-05-29")), "too_long");
        assert_eq!(code(&range("2020-02-28", "2020-02-27")), "after_to");
        assert_eq!(code(&range("2020-02-28", "9999-02-27")), "in_the_future");
    }
}
