//! What the doors observe. Labels are words of fixed sets; nobody's data is among them.

use std::time::Duration;

use metrics::{counter, histogram};
use suikang_registry::http::Problem;
use suikang_schemas::Topic;
use suikang_schemas::decide::Verdict;

use crate::declarations::Accepted;
use crate::limits::Door;
use crate::scans::Sighting;

/// A declaration or a batch's row got its answer.
pub(crate) fn declaration_answered(answer: &Result<Accepted, Problem>) {
    let result = match answer {
        Ok(Accepted { inadmissible: None, .. }) => "accepted",
        Ok(_) => "inadmissible",
        Err(problem) if problem.status().is_server_error() => "unavailable",
        Err(_) => "refused",
    };
    counter!("suikang_ingest_declarations_total", "result" => result).increment(1);
}

/// A scan of an upload got its answer.
pub(crate) fn scans_answered(sightings: &[Sighting]) {
    for (sighting, result) in
        [(Sighting::New, "accepted"), (Sighting::Repeated, "duplicate"), (Sighting::Contradicts, "conflict")]
    {
        let count = sightings.iter().filter(|one| **one == sighting).count() as u64;
        counter!("suikang_ingest_scans_total", "result" => result).increment(count);
    }
}

/// A check was decided and recorded.
pub(crate) fn checked(verdict: Verdict) {
    counter!("suikang_ingest_checks_total", "verdict" => verdict.as_str()).increment(1);
}

/// An append ended.
pub(crate) fn appended(topic: Topic, took: Duration, durable: bool) {
    let result = if durable { "durable" } else { "failed" };
    histogram!("suikang_ingest_append_seconds", "topic" => topic.short_name(), "result" => result).record(took);
}

/// A request came to a full door.
pub(crate) fn shed(door: Door) {
    counter!("suikang_ingest_shed_total", "door" => door.as_str()).increment(1);
}

/// A record on the scans topic could not be read; its scans are not remembered here.
pub(crate) fn unreadable_upload() {
    counter!("suikang_ingest_unreadable_uploads_total").increment(1);
}
