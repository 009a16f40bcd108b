//! What is observed of the log and the views.

use std::time::Duration;

use suikang_schemas::Topic;

/// Records were appended and are durable.
pub(crate) fn appended(topic: Topic, records: usize, took: Duration) {
    metrics::counter!("suikang_log_appended_records_total", "topic" => topic.short_name()).increment(records as u64);
    metrics::histogram!("suikang_log_append_seconds", "topic" => topic.short_name()).record(took.as_secs_f64());
}

/// An append failed; nothing was promised.
pub(crate) fn append_failed(topic: Topic) {
    metrics::counter!("suikang_log_append_failures_total", "topic" => topic.short_name()).increment(1);
}

/// A view folded records.
pub(crate) fn view_folded(view: &'static str, records: usize) {
    metrics::counter!("suikang_view_records_total", "view" => view).increment(records as u64);
}

/// A view passed a record over.
pub(crate) fn view_poison(view: &'static str) {
    metrics::counter!("suikang_view_poison_total", "view" => view).increment(1);
}

/// Records between a view and the log's end.
#[expect(clippy::cast_precision_loss, reason = "a lag is far below 2^52")]
pub(crate) fn view_lag(view: &'static str, lag: i64) {
    metrics::gauge!("suikang_view_lag_records", "view" => view).set(lag as f64);
}

/// Records between what a group's member has been given and the end of its partitions.
#[expect(clippy::cast_precision_loss, reason = "a lag is far below 2^52")]
pub(crate) fn group_lag(group: String, topic: Topic, lag: i64) {
    metrics::gauge!("suikang_group_lag_records", "group" => group, "topic" => topic.short_name()).set(lag as f64);
}
