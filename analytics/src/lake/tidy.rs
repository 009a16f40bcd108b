//! Keeping a table in shape: few files a day, and nothing kept that no reader needs.

use deltalake::checkpoints;
use deltalake::operations::vacuum::VacuumMode;

use super::{LakeError, LakeTable, commit_properties, files};
use crate::fail_points::{BEFORE_VACUUM, COMPACTION, fail_point};

/// Entries of the table's log are kept this long once a later Delta checkpoint holds what they say; no handle sleeps longer.
pub(super) const LOG_RETENTION: &str = "interval 2 days";
/// delta-rs forgets deleted files after a week; later it would take them for orphans whose age it can't tell.
const MOST_HOURS: u64 = 24 * 7 - 1;

impl LakeTable {
    /// Merges the small files of each day, without touching positions.
    ///
    /// # Errors
    /// If files or the table's log can't be written, or somebody else merges the same files. Then nothing has changed.
    pub async fn compact(&mut self) -> Result<(), LakeError> {
        fail_point(COMPACTION);
        let compaction = self.delta.clone().optimize();
        let compaction = compaction
            .with_writer_properties(files::properties())
            .with_max_concurrent_tasks(1)
            .with_commit_properties(commit_properties());
        let (delta, _) = compaction.await.map_err(|error| self.delta_error(error))?;
        self.delta = delta;
        Ok(())
    }

    /// Deletes files that no version younger than `hours` needs, those that were never committed among them, and log entries past their
    /// retention.
    ///
    /// # Errors
    /// If files can't be deleted.
    pub async fn vacuum(&mut self, hours: u64) -> Result<(), LakeError> {
        fail_point(BEFORE_VACUUM);
        let retention = chrono::Duration::hours(i64::try_from(hours.min(MOST_HOURS)).unwrap_or(1));
        let vacuum = self.delta.clone().vacuum();
        let vacuum = vacuum
            .with_mode(VacuumMode::Full)
            .with_retention_period(retention)
            .with_enforce_retention_duration(false)
            .with_commit_properties(commit_properties());
        (self.delta, _) = vacuum.await.map_err(|error| self.delta_error(error))?;
        checkpoints::cleanup_metadata(&self.delta, None).await.map_err(|error| self.delta_error(error))?;
        Ok(())
    }
}
