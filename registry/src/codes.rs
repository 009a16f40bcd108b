//! The `codes` view: declaration → outcome, subject → current code, code → whether a newer one replaced it.
//!
//! Whoever waits for an outcome is told when the view has it, not by asking again and again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use suikang_schemas::outcome::Outcome;
use suikang_schemas::{CodeId, DeclarationId, Subject, Topic};
use suikang_stream::{Log, NextOffsets, Readiness, View};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::people::LookupError;
use crate::registry::{OpenError, RunError, readiness_of};

mod fold;
mod waiting;

use fold::CodesFold;
use waiting::Waiting;

/// Outcomes that [`Codes::history`] gives at most.
const MOST_HISTORY: u32 = 200;

/// Outcomes and codes as this node knows them. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Codes {
    view: View,
    waiting: Arc<Waiting>,
}

impl Codes {
    /// Opens the view in `state_dir`; it answers from what it last knew and moves once [`Codes::run`] does.
    pub async fn open(log: Arc<dyn Log>, state_dir: &Path) -> Result<Codes, OpenError> {
        let waiting = Arc::new(Waiting::default());
        let view = View::open(state_dir, CodesFold::new(Arc::clone(&waiting)), log)?;
        Ok(Codes { view, waiting })
    }

    /// Follows the topic until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), RunError> {
        Ok(self.view.run(shutdown).await?)
    }

    /// What became of a declaration: of several outcomes that of the smallest position.
    pub async fn outcome(&self, declaration_id: &DeclarationId) -> Result<Option<Outcome>, LookupError> {
        Ok(self.view.read(|connection| fold::outcome(connection, declaration_id))?)
    }

    /// Waits for a declaration's outcome; nothing if there is none in time.
    pub async fn wait_for_outcome(
        &self,
        declaration_id: &DeclarationId,
        timeout: Duration,
    ) -> Result<Option<Outcome>, LookupError> {
        let deadline = Instant::now() + timeout;
        // Who is told must be known before the view is asked, or an outcome could slip in between.
        let mut told = self.waiting.enter(*declaration_id);
        let outcome = self.outcome(declaration_id).await?;
        if outcome.is_some() || timeout_at(deadline, told.arrival()).await.is_err() {
            return Ok(outcome);
        }
        self.outcome(declaration_id).await
    }

    /// A person's code: of the outcomes that count, the issued one of the greatest position.
    pub async fn current(&self, subject: &Subject) -> Result<Option<Outcome>, LookupError> {
        Ok(self.view.read(|connection| fold::current(connection, subject))?)
    }

    /// A person's outcomes, newest declaration first, at most 200.
    pub async fn history(&self, subject: &Subject) -> Result<Vec<Outcome>, LookupError> {
        Ok(self.view.read(|connection| fold::history(connection, subject, MOST_HISTORY))?)
    }

    /// Whether a newer declaration of the same person has a code: then, online, this one no longer counts. A code that the view
    /// doesn't know yet is not superseded by anything it knows.
    pub async fn is_superseded(&self, code_id: &CodeId) -> Result<bool, LookupError> {
        Ok(self.view.read(|connection| fold::is_superseded(connection, code_id))?)
    }

    /// The first offsets of the codes topic that the view does not yet reflect.
    pub fn next_offsets(&self) -> NextOffsets {
        self.view.next_offsets(Topic::Codes)
    }

    /// How long ago the view was last known to be at the log's end; nothing if it never was.
    pub fn age(&self) -> Option<Duration> {
        self.view.age()
    }

    /// Records between the view and the log's end when it last looked.
    pub fn lag(&self) -> i64 {
        self.view.lag()
    }

    /// Whether this node knows the outcomes well enough to answer.
    pub fn readiness(&self) -> Vec<Readiness> {
        vec![readiness_of("codes", &self.view)]
    }
}
