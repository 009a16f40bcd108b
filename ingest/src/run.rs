//! What runs beside the requests: following the scans topic, and asking the log whether it is there.

use suikang_stream::ReadError;
use tokio_util::sync::CancellationToken;

use crate::doors::Doors;
use crate::{health, scans};

/// The doors can't go on.
#[derive(Debug, thiserror::Error)]
#[error("the doors stopped: {0}")]
pub struct StageError(#[from] ReadError);

/// Runs until `shutdown`. Requests are served by [`crate::router`]; they are durable when answered, so nothing is left to finish here.
///
/// # Errors
/// If the scans topic can't be read for good.
pub async fn run(doors: Doors, shutdown: CancellationToken) -> Result<(), StageError> {
    // Whichever ends first ends the other.
    tokio::select! {
        followed = scans::follow(&doors, &shutdown) => Ok(followed?),
        () = health::watch(&doors, &shutdown) => Ok(()),
    }
}
