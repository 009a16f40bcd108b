//! A summary as a table: a row per day and hour, for spreadsheets.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use suikang_analytics::sql::format::harmless;

use super::summary::Summary;

/// UTF-8 with a byte order mark; what is not by hour stands in the day's first row.
pub(super) fn answer(summary: &Summary) -> Response {
    let mut text = String::from("\u{feff}district,name_zh,date,hour,entries,exits,admit,refer,refuse,fevers,state\r\n");
    for day in &summary.days {
        for hour in 0..24 {
            let of_day = |count: i64| if hour == 0 { count.to_string() } else { String::new() };
            let verdict = |name: &str| of_day(day.verdicts.get(name).copied().unwrap_or(0));
            let cells = [
                summary.district.clone(),
                harmless(&summary.name_zh),
                day.date.clone(),
                hour.to_string(),
                day.entries_by_hour[hour].to_string(),
                day.exits_by_hour[hour].to_string(),
                verdict("admit"),
                verdict("refer"),
                verdict("refuse"),
                of_day(day.fevers),
                summary.state.to_owned(),
            ];
            text.push_str(&cells.join(","));
            text.push_str("\r\n");
        }
    }
    ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response()
}
