//! The `codes` view: declaration → outcome, subject → current code.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use suikang_schemas::outcome::Outcome;
use suikang_schemas::{CodeId, DeclarationId, Subject};
use suikang_stream::Log;
use tokio_util::sync::CancellationToken;

use crate::people::LookupError;
use crate::registry::{OpenError, RunError};

/// Outcomes and codes as this node knows them. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Codes {}

impl Codes {
    /// Opens the view in `state_dir`; it moves once [`Codes::run`] does.
    pub async fn open(log: Arc<dyn Log>, state_dir: &Path) -> Result<Codes, OpenError> {
        let _ = (log, state_dir);
        todo!()
    }

    /// Follows the topic until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), RunError> {
        shutdown.cancelled().await;
        Ok(())
    }

    /// What became of a declaration: of several outcomes that of the smallest position.
    pub async fn outcome(&self, declaration_id: &DeclarationId) -> Result<Option<Outcome>, LookupError> {
        let _ = declaration_id;
        todo!()
    }

    /// Waits for a declaration's outcome; nothing if there is none in time.
    pub async fn wait_for_outcome(&self, declaration_id: &DeclarationId, timeout: Duration) -> Result<Option<Outcome>, LookupError> {
        let _ = (declaration_id, timeout);
        todo!()
    }

    /// A person's code: of those issued that of the greatest position.
    pub async fn current(&self, subject: &Subject) -> Result<Option<Outcome>, LookupError> {
        let _ = subject;
        todo!()
    }

    /// A person's outcomes, newest declaration first, at most 200.
    pub async fn history(&self, subject: &Subject) -> Result<Vec<Outcome>, LookupError> {
        let _ = subject;
        todo!()
    }

    /// Whether a code was superseded by a newer one of the same person, which for the online check means refused.
    pub async fn is_superseded(&self, code_id: &CodeId) -> Result<bool, LookupError> {
        let _ = code_id;
        todo!()
    }

    /// How long ago the view was last known to be at the log's end; nothing if it never was.
    pub fn age(&self) -> Option<Duration> {
        todo!()
    }
}
