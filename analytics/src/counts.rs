//! Standing counts: a view of scans and outcomes that answers a summary in microseconds, whatever the history's length.
//!
//! ```text
//! entries    (district, local_date, hour, direction, verdict) → scans
//! reasons    (district, local_date, reason) → scans
//! fevers     (district, local_date) → scans
//! standing   subject → district, status, expiry hour, declaration position        the code that counts
//! codes      (district, status, expiry_hour) → people
//! declared   (district) → people
//! begun      (topic, kafka_partition) → the first day that is counted whole
//! seen       (device_epoch, first) → last                                          so that each scan counts once
//! ended      declaration_id                                                        so that each declaration counts once
//! ```

mod fold;
mod read;
mod scans;

use std::path::Path;
use std::sync::Arc;

use suikang_schemas::Topic;
use suikang_stream::{Log, Readiness, View, ViewError};
use tokio_util::sync::CancellationToken;

pub use read::{Day, DistrictCounts};

/// The counts. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Counts {
    view: View,
}

impl Counts {
    /// Opens the view in `state_dir`.
    ///
    /// # Errors
    /// If its file can't be used.
    pub fn open(log: Arc<dyn Log>, state_dir: &Path) -> Result<Self, ViewError> {
        Ok(Self { view: View::open(state_dir, fold::CountsFold::default(), log)? })
    }

    /// Follows the topics until `shutdown`.
    ///
    /// # Errors
    /// If the file or the log fails for good.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), ViewError> {
        self.view.run(shutdown).await
    }

    /// Records between the counts and the log's end when it was last looked at.
    pub fn lag(&self) -> i64 {
        self.view.lag()
    }

    /// When the counts were last known to be at the log's end, in milliseconds since 1970.
    pub fn as_of_ms(&self) -> Option<i64> {
        let age = self.view.age()?;
        Some(crate::writer::now_ms() - i64::try_from(age.as_millis()).unwrap_or(0))
    }

    /// Whether the counts follow.
    pub fn readiness(&self) -> Vec<Readiness> {
        vec![match self.view.age() {
            Some(age) if age.as_secs() <= 60 => {
                Readiness::ready("counts", format!("at the log's end {} s ago", age.as_secs()))
            }
            Some(age) => Readiness::not_ready("counts", format!("last at the log's end {} s ago", age.as_secs())),
            None => Readiness::not_ready("counts", "has not reached the log's end yet"),
        }]
    }

    /// What the counts reflect: the first offsets not counted.
    pub fn next_offsets(&self, topic: Topic) -> suikang_stream::NextOffsets {
        self.view.next_offsets(topic)
    }
}
