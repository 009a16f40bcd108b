//! Whether the log is there: known from appends, and from asking it when nothing is appended.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use suikang_schemas::Topic;
use tokio_util::sync::CancellationToken;

use crate::doors::Doors;

/// How often an idle door asks.
const EVERY: Duration = Duration::from_secs(5);
/// After this long without a good word the log counts as away.
const PATIENCE: Duration = Duration::from_secs(15);

/// The last word from the log.
#[derive(Debug, Default)]
pub(crate) struct LogHealth(Mutex<Option<(Instant, bool)>>);

impl LogHealth {
    /// The log answered, or it didn't.
    pub(crate) fn note(&self, answered: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), answered));
    }

    /// Whether the last word was good and is not too old.
    pub(crate) fn is_good(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|(at, answered)| answered && at.elapsed() < PATIENCE)
    }
}

/// Asks the log now and then until `shutdown`.
pub(crate) async fn watch(doors: &Doors, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        let answered = tokio::time::timeout(EVERY, doors.log().extents(Topic::Declarations)).await;
        doors.log_health.note(matches!(answered, Ok(Ok(_))));
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.cancelled() => {}
        }
    }
}
