//! What is observed of issuing.

use std::time::Duration;

/// Outcomes are durable.
pub(crate) fn issued(issued: usize, rejected: usize) {
    metrics::counter!("suikang_issuer_outcomes_total", "result" => "issued").increment(issued as u64);
    metrics::counter!("suikang_issuer_outcomes_total", "result" => "rejected").increment(rejected as u64);
}

/// How long after its acceptance a declaration's outcome was durable.
pub(crate) fn latency(since_accepted: Duration) {
    metrics::histogram!("suikang_issuer_latency_seconds").record(since_accepted.as_secs_f64());
}

/// A record was set aside.
pub(crate) fn dead_letter(reason: &'static str) {
    metrics::counter!("suikang_issuer_dead_letters_total", "reason" => reason).increment(1);
}
