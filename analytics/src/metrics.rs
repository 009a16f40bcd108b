//! What is observed of the lake and its readers.

use std::time::Duration;

/// A commit is durable.
pub(crate) fn committed(table: &'static str, rows: usize, took: Duration) {
    metrics::counter!("suikang_lake_rows_total", "table" => table).increment(rows as u64);
    metrics::counter!("suikang_lake_commits_total", "table" => table).increment(1);
    metrics::histogram!("suikang_lake_commit_seconds", "table" => table).record(took.as_secs_f64());
}

/// Another writer was faster; the batch was discarded and read again.
pub(crate) fn moved(table: &'static str) {
    metrics::counter!("suikang_lake_commits_discarded_total", "table" => table).increment(1);
}

/// Rows that are in the log and not yet in the lake.
#[expect(clippy::cast_precision_loss, reason = "a tail is far below 2^52 rows")]
pub(crate) fn tail(table: &'static str, rows: usize) {
    metrics::gauge!("suikang_tail_rows", "table" => table).set(rows as f64);
}

/// A record was passed over.
pub(crate) fn poison(table: &'static str) {
    metrics::counter!("suikang_lake_poison_total", "table" => table).increment(1);
}

/// A query ended.
pub(crate) fn queried(result: &'static str, took: Duration) {
    metrics::histogram!("suikang_sql_seconds", "result" => result).record(took.as_secs_f64());
}
