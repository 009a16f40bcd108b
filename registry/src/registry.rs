//! A node's registry: follows the topic, answers from memory and SQLite, submits commands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use suikang_schemas::Subject;
use suikang_schemas::declaration::Sealed;
use suikang_schemas::document::IdentityDocument;
use suikang_stream::Log;
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::people::{Claim, LookupError, Person};
use crate::seal::{SealError, SealPurpose};
use crate::secrets::NodeSecrets;
use crate::snapshot::Snapshot;

/// The registry as this node knows it. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    secrets: NodeSecrets,
}

/// The registry did not open.
#[derive(Debug, thiserror::Error)]
#[error("the registry's view did not open: {0}")]
pub struct OpenError(pub(crate) Box<dyn std::error::Error + Send + Sync>);

/// Following the topic ended, and not because it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("the registry's view stopped: {0}")]
pub struct RunError(pub(crate) Box<dyn std::error::Error + Send + Sync>);

impl Registry {
    /// Opens the view in `state_dir`; it answers from what it last knew and moves once [`Registry::run`] does.
    pub async fn open(log: Arc<dyn Log>, state_dir: &Path, secrets: NodeSecrets) -> Result<Registry, OpenError> {
        let _ = (log, state_dir);
        Ok(Registry { inner: Arc::new(Inner { secrets }) })
    }

    /// Follows the topic until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), RunError> {
        shutdown.cancelled().await;
        Ok(())
    }

    /// Everything but people, as of one offset; a pointer, no copy.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        todo!()
    }

    /// What is known of a person.
    pub async fn person(&self, subject: &Subject) -> Result<Option<Person>, LookupError> {
        let _ = subject;
        todo!()
    }

    /// Whom a claim leads to.
    pub async fn subject_of(&self, claim: &Claim) -> Result<Option<Subject>, LookupError> {
        let _ = claim;
        todo!()
    }

    /// The claim that a document makes.
    pub fn claim(&self, document: &IdentityDocument) -> Claim {
        self.inner.secrets.claim(document)
    }

    /// The node's keys.
    pub fn secrets(&self) -> &NodeSecrets {
        &self.inner.secrets
    }

    /// The first offset of the registry topic that the view does not yet reflect.
    pub fn next_offset(&self) -> i64 {
        todo!()
    }

    /// How long ago the view was last known to be at the log's end; nothing if it never was.
    pub fn age(&self) -> Option<Duration> {
        todo!()
    }

    /// Waits until the view reflects everything before `next_offset`; false if it didn't in time.
    pub async fn wait_for(&self, next_offset: i64, timeout: Duration) -> bool {
        let _ = (next_offset, timeout);
        todo!()
    }

    /// Seals to today's key.
    pub fn seal(&self, now_ms: i64, purpose: SealPurpose, plaintext: &[u8]) -> Result<Sealed, SealError> {
        let _ = (now_ms, purpose, plaintext);
        todo!()
    }

    /// Verifies a session token against the key list in force.
    pub fn authenticate(&self, token: &str, now_ms: i64) -> Result<Caller, AuthenticateError> {
        let _ = (token, now_ms);
        todo!()
    }
}

/// The token counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid token")]
pub struct AuthenticateError;
