//! A summary as a table for spreadsheets: a figure a row, so that a new verdict or reason is a row more and never another column.
//!
//! ```text
//! district,name_zh,date,state,measure,item,count,as_of
//! 440106,天河区,2020-02-28,provisional,entries,7,1204,2020-02-28T07:42:10+08:00        entries, exits: the hour
//! 440106,天河区,2020-02-28,provisional,verdict,refer,31,…                              verdict, reason: the word
//! 440106,天河区,2020-02-28,provisional,fevers,,4,…
//! 440106,天河区,,provisional,status,green,20391,…                                      what holds now has no date
//! 440106,天河区,,provisional,declared,,20511,…
//! 440106,天河区,2020-11-01,final,population,第七次全国人口普查 …,2241826,…               dated and named as its source has it
//! ```

use axum::http::header;
use axum::response::{IntoResponse, Response};
use suikang_analytics::sql::format::harmless;

use super::summary::{DayState, Summary};

const HEADER: [&str; 8] = ["district", "name_zh", "date", "state", "measure", "item", "count", "as_of"];

/// UTF-8 with a byte order mark, so that a spreadsheet reads Chinese; no cell is one that it would run.
pub(super) fn answer(summary: &Summary) -> Response {
    let mut table = Table { summary, rows: ::csv::Writer::from_writer("\u{feff}".as_bytes().to_vec()) };
    table.row(HEADER);
    for day in &summary.days {
        for (measure, by_hour) in [("entries", &day.entries_by_hour), ("exits", &day.exits_by_hour)] {
            for (hour, count) in by_hour.iter().enumerate() {
                table.figure(&day.date, day.state, measure, &hour.to_string(), *count);
            }
        }
        for (measure, by_word) in [("verdict", &day.verdicts), ("reason", &day.reasons)] {
            for (word, count) in by_word {
                table.figure(&day.date, day.state, measure, word, *count);
            }
        }
        table.figure(&day.date, day.state, "fevers", "", day.fevers);
    }
    for (status, count) in &summary.status {
        table.figure("", DayState::Provisional, "status", status, *count);
    }
    let coverage = &summary.coverage;
    table.figure("", DayState::Provisional, "declared", "", coverage.declared);
    if let (Some(population), Some(source), Some(date)) =
        (coverage.population, &coverage.source, &coverage.population_as_of)
    {
        table.figure(date, DayState::Final, "population", source, population);
    }
    let text = table.rows.into_inner().expect("memory takes every row");
    ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response()
}

struct Table<'a> {
    summary: &'a Summary,
    rows: ::csv::Writer<Vec<u8>>,
}

impl Table<'_> {
    fn figure(&mut self, date: &str, state: DayState, measure: &str, item: &str, count: i64) {
        let summary = self.summary;
        let (count, as_of) = (count.to_string(), summary.as_of.as_deref().unwrap_or_default());
        self.row([&summary.district, &summary.name_zh, date, state.as_str(), measure, item, &count, as_of]);
    }

    fn row(&mut self, cells: [&str; 8]) {
        self.rows.write_record(cells.map(harmless)).expect("every row has as many cells as the header");
    }
}
