//! What can be configured of the lake and its readers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of analytics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The folder of the Delta tables.
    pub lake: PathBuf,
    /// The lake commits at most this often, in seconds. Freshness doesn't come from it: the tail shows what isn't committed yet.
    pub commit_interval_s: u64,
    /// It commits earlier once it holds this many rows.
    pub commit_rows: usize,
    /// What has been counted is saved at most this often, in seconds; a restart reads the log again from there.
    pub save_seen_interval_s: u64,
    /// Files of a day are compacted after this many commits.
    pub compact_every_commits: u64,
    /// Files that no version needs are deleted after this many hours; no cut lives that long.
    pub vacuum_after_hours: u64,
    /// Rows that the tail may hold; beyond it reading waits for the lake, and readiness goes red.
    pub tail_rows: usize,
    /// Bytes that queries may use together.
    pub query_memory_bytes: usize,
    /// How long a query may take, in milliseconds.
    pub query_timeout_ms: u64,
    /// Rows that an answer holds at most; it says when there were more.
    pub query_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lake: "data/lake".into(),
            commit_interval_s: 10,
            commit_rows: 500_000,
            save_seen_interval_s: 60,
            compact_every_commits: 50,
            vacuum_after_hours: 24,
            tail_rows: 2_000_000,
            query_memory_bytes: 512 * 1024 * 1024,
            query_timeout_ms: 30_000,
            query_rows: 10_000,
        }
    }
}
