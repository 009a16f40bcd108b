//! Nothing is kept that no reader needs.

use std::time::Duration;

use deltalake::checkpoints;
use deltalake::operations::vacuum::VacuumMode;

use super::{LakeError, LakeTable, commit_properties};
use crate::fail_points::{BEFORE_VACUUM, fail_point};

/// delta-rs forgets deleted files after this long, as the table says; later it would take them for orphans whose age it can't tell. Until
/// then each of them is in every Delta checkpoint.
pub(super) const FORGOTTEN_AFTER: &str = "interval 2 days";
/// So they are gone from the disk before.
const MOST: Duration = Duration::from_secs(47 * 3600);

impl LakeTable {
    /// Deletes files that no version younger than this needs, those that were never committed among them.
    ///
    /// # Errors
    /// If files can't be deleted.
    pub async fn vacuum(&mut self, after: Duration) -> Result<(), LakeError> {
        fail_point(BEFORE_VACUUM);
        let vacuum = self.delta.clone().vacuum();
        let vacuum = vacuum
            .with_mode(VacuumMode::Full)
            .with_retention_period(span(after.min(MOST)))
            .with_enforce_retention_duration(false)
            .with_commit_properties(commit_properties());
        (self.delta, _) = vacuum.await.map_err(|error| self.delta_error(error))?;
        Ok(())
    }

    /// Deletes entries of the table's log, and Delta checkpoints, that are older than this and that a later Delta checkpoint stands for.
    ///
    /// # Errors
    /// If they can't be deleted.
    pub async fn expire_entries(&self, after: Duration) -> Result<(), LakeError> {
        let before = (chrono::Utc::now() - span(after)).timestamp_millis();
        let (version, log) = (self.delta.version().unwrap_or_default(), self.delta.log_store());
        let expired = checkpoints::cleanup_expired_logs_for(version, log.as_ref(), before, None).await;
        expired.map(drop).map_err(|error| self.delta_error(error))
    }
}

fn span(time: Duration) -> chrono::Duration {
    // What doesn't fit is far longer than anything is kept.
    chrono::Duration::from_std(time).unwrap_or(chrono::Duration::days(36_500))
}
