//! What the doors can be told: how large a request may be, how many are in hand at once, how long things may take.

use serde::{Deserialize, Serialize};

/// Configuration of the doors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Bytes of one declaration.
    pub declaration_bytes: usize,
    /// Bytes of one check.
    pub check_bytes: usize,
    /// Bytes of one upload of scans.
    pub scans_bytes: usize,
    /// Bytes of one batch of declarations.
    pub batch_bytes: usize,
    /// Bytes of one row of a batch.
    pub batch_row_bytes: usize,
    /// Rows of one batch.
    pub batch_rows: usize,
    /// Declarations being accepted at once; more are told to come again.
    pub declarations_at_once: usize,
    /// How soon nineteen of twenty people are to be answered, in milliseconds, by the log's acknowledgement: a door that is slower lets fewer in. Where
    /// the log takes more than a quarter of it to acknowledge, four times as long as that.
    pub answer_ms: u64,
    /// Declarations waiting for their outcome at once; more get their answer without it.
    pub waiting_at_once: usize,
    /// Batches in hand at once.
    pub batches_at_once: usize,
    /// Checks in hand at once.
    pub checks_at_once: usize,
    /// Uploads of scans in hand at once.
    pub uploads_at_once: usize,
    /// How long a client may take from the first byte of a body to the last, in milliseconds; a batch between two pieces of it.
    pub body_timeout_ms: u64,
    /// The longest that `Prefer: wait` waits, in seconds.
    pub wait_s: u64,
    /// How far back scans are remembered on start, in hours.
    pub scans_remembered_h: u32,
    /// Scans whose content is remembered, to tell a repetition from a contradiction.
    pub scans_remembered: usize,
    /// Accepted declarations that are remembered, to answer their repetition.
    pub declarations_remembered: usize,
    /// How old the view of the registry may be, in seconds, before this node takes nothing more.
    pub registry_age_s: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            declaration_bytes: 64 * 1024,
            check_bytes: 8 * 1024,
            scans_bytes: 256 * 1024,
            batch_bytes: 32 * 1024 * 1024,
            batch_row_bytes: 16 * 1024,
            batch_rows: 20_000,
            declarations_at_once: 64,
            // An unoptimized build takes several times as long for the same.
            answer_ms: if cfg!(debug_assertions) { 300 } else { 30 },
            waiting_at_once: 8_192,
            batches_at_once: 8,
            checks_at_once: 1_024,
            uploads_at_once: 256,
            body_timeout_ms: 10_000,
            wait_s: 30,
            scans_remembered_h: 24,
            scans_remembered: 500_000,
            declarations_remembered: 50_000,
            registry_age_s: 60,
        }
    }
}
