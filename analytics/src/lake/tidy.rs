//! Nothing is kept that no reader needs.

use deltalake::checkpoints;
use deltalake::operations::vacuum::VacuumMode;

use super::{LakeError, LakeTable, commit_properties};
use crate::fail_points::{BEFORE_VACUUM, fail_point};

/// Entries of the table's log are kept this long once a later Delta checkpoint holds what they say; no handle sleeps longer.
pub(super) const LOG_RETENTION: &str = "interval 2 days";
/// delta-rs forgets deleted files after a week; later it would take them for orphans whose age it can't tell.
const MOST_HOURS: u64 = 24 * 7 - 1;

impl LakeTable {
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
