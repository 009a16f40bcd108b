//! What can be configured of the lake and its readers.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How late whoever follows the lake may come to a newer version: he looks for one every second, and takes it once he has read the log up to
/// where it is.
const BEHIND: Duration = Duration::from_secs(10);

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
    /// Files that no version needs any more are deleted after this many seconds, 47 hours at most, and never while a query may still read
    /// them ([`Settings::vacuum_after`]).
    pub vacuum_after_s: u64,
    /// Entries of a table's own log are deleted after this many seconds, once a Delta checkpoint holds what they say; not before the files of
    /// their versions.
    pub expire_entries_after_s: u64,
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
            vacuum_after_s: 24 * 3600,
            expire_entries_after_s: 48 * 3600,
            tail_rows: 2_000_000,
            query_memory_bytes: 640 * 1024 * 1024,
            query_timeout_ms: 30_000,
            query_rows: 10_000,
        }
    }
}

impl Settings {
    /// How long a file stays that no version needs any more: longer than any query takes that may have begun on a version that did, whatever
    /// is configured.
    pub fn vacuum_after(&self) -> Duration {
        let longest_query = Duration::from_millis(self.query_timeout_ms);
        Duration::from_secs(self.vacuum_after_s).max(BEHIND + longest_query)
    }

    /// How long an entry of a table's log stays: as long as the files of its version, whatever is configured.
    pub fn expire_entries_after(&self) -> Duration {
        Duration::from_secs(self.expire_entries_after_s).max(self.vacuum_after())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_deleted_while_a_query_may_read_it() {
        for query_timeout_ms in [0, 2_000, 30_000, 7_200_000] {
            for (vacuum_after_s, expire_entries_after_s) in [(0, 0), (20, 5), (5, 20), (86_400, 172_800)] {
                let settings =
                    Settings { query_timeout_ms, vacuum_after_s, expire_entries_after_s, ..Settings::default() };
                let vacuum_after = settings.vacuum_after();
                assert!(vacuum_after > Duration::from_millis(query_timeout_ms), "{settings:?}");
                assert!(vacuum_after >= Duration::from_secs(vacuum_after_s), "{settings:?}");
                assert!(settings.expire_entries_after() >= vacuum_after, "{settings:?}");
            }
        }
        let usual = Settings::default();
        assert_eq!(usual.vacuum_after(), Duration::from_secs(usual.vacuum_after_s));
        assert_eq!(usual.expire_entries_after(), Duration::from_secs(usual.expire_entries_after_s));
    }
}
