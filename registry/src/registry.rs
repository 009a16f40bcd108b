//! A node's registry: follows the topic, answers from memory and SQLite, submits commands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use suikang_schemas::declaration::Sealed;
use suikang_schemas::document::IdentityDocument;
use suikang_schemas::{Subject, Topic};
use suikang_stream::{Log, Readiness, View, ViewError};
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::fold::{self, Keeps, RegistryFold};
use crate::people::{Claim, LookupError, Person};
use crate::seal::{self, SealError, SealPurpose, seal_day_at};
use crate::secrets::NodeSecrets;
use crate::snapshot::Snapshot;
use crate::tokens::{AuthenticateError, TokenCache};

/// The registry topic has one partition and therefore one order.
pub(crate) const REGISTRY_PARTITION: i32 = 0;

/// A node that knows less than this much of the present isn't ready.
const OLDEST: Duration = Duration::from_secs(60);

/// The registry as this node knows it. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    log: Arc<dyn Log>,
    view: View,
    snapshot: Arc<ArcSwap<Snapshot>>,
    secrets: NodeSecrets,
    tokens: TokenCache,
}

/// The view did not open.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OpenError(#[from] ViewError);

/// Following the topic ended, and not because it was asked to.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct RunError(#[from] ViewError);

impl Registry {
    /// Opens the view in `state_dir`; it answers from what it last knew and moves once [`Registry::run`] does.
    pub async fn open(log: Arc<dyn Log>, state_dir: &Path, secrets: NodeSecrets) -> Result<Registry, OpenError> {
        Self::open_with(Keeps::Everything, log, state_dir, secrets)
    }

    /// The same for a node that asks for nobody: it keeps the rules, and whatever looks for a person fails.
    pub async fn open_rules(log: Arc<dyn Log>, state_dir: &Path, secrets: NodeSecrets) -> Result<Registry, OpenError> {
        Self::open_with(Keeps::Rules, log, state_dir, secrets)
    }

    fn open_with(
        keeps: Keeps,
        log: Arc<dyn Log>,
        state_dir: &Path,
        secrets: NodeSecrets,
    ) -> Result<Registry, OpenError> {
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let fold = RegistryFold::new(keeps, *secrets.root_public_key(), Arc::clone(&snapshot));
        let view = View::open(state_dir, fold, Arc::clone(&log))?;
        Ok(Registry { inner: Arc::new(Inner { log, view, snapshot, secrets, tokens: TokenCache::default() }) })
    }

    /// Follows the topic until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), RunError> {
        Ok(self.inner.view.run(shutdown).await?)
    }

    /// Everything but people, as of one offset; a pointer, no copy. Read [`Registry::next_offset`] after it, not before.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.inner.snapshot.load_full()
    }

    /// What is known of a person.
    pub async fn person(&self, subject: &Subject) -> Result<Option<Person>, LookupError> {
        Ok(self.inner.view.read(|connection| fold::people::person(connection, subject))?)
    }

    /// Whom a claim leads to.
    pub async fn subject_of(&self, claim: &Claim) -> Result<Option<Subject>, LookupError> {
        Ok(self.inner.view.read(|connection| fold::people::subject_of(connection, &claim.0))?)
    }

    /// How many people there are.
    pub async fn people(&self) -> Result<i64, LookupError> {
        Ok(self.inner.view.read(fold::people::count)?)
    }

    /// The claim that a document makes.
    pub fn claim(&self, document: &IdentityDocument) -> Claim {
        self.inner.secrets.claim(document)
    }

    /// The node's keys.
    pub fn secrets(&self) -> &NodeSecrets {
        &self.inner.secrets
    }

    /// Seals to today's key.
    pub fn seal(&self, now_ms: i64, purpose: SealPurpose, plaintext: &[u8]) -> Result<Sealed, SealError> {
        let seal_day = seal_day_at(now_ms);
        let public_key = self.inner.snapshot.load().seal_key(seal_day).ok_or(SealError::NoKey(seal_day))?;
        seal::seal(&public_key, seal_day, purpose, plaintext)
    }

    /// Verifies a session token against the key list in force.
    pub fn authenticate(&self, token: &str, now_ms: i64) -> Result<Caller, AuthenticateError> {
        self.inner.tokens.authenticate(&self.inner.snapshot.load(), token, now_ms)
    }

    /// The first offset of the registry topic that the view does not yet reflect: whoever waits for it sees what was read before.
    pub fn next_offset(&self) -> i64 {
        self.inner.view.next_offset(Topic::Registry, REGISTRY_PARTITION)
    }

    /// How long ago the view was last known to be at the log's end; nothing if it never was.
    pub fn age(&self) -> Option<Duration> {
        self.inner.view.age()
    }

    /// Waits until the view reflects everything before `next_offset`; false if it didn't in time.
    pub async fn wait_for(&self, next_offset: i64, timeout: Duration) -> bool {
        self.inner.view.wait_for(Topic::Registry, REGISTRY_PARTITION, next_offset, timeout).await
    }

    /// Whether this node knows the registry well enough to answer.
    pub fn readiness(&self) -> Vec<Readiness> {
        vec![readiness_of("registry", &self.inner.view)]
    }

    pub(crate) fn log(&self) -> &dyn Log {
        self.inner.log.as_ref()
    }

    pub(crate) fn view(&self) -> &View {
        &self.inner.view
    }
}

/// A view is ready once it was at the log's end, and as long as that was a short while ago.
pub(crate) fn readiness_of(name: &'static str, view: &View) -> Readiness {
    match view.age() {
        None => Readiness::not_ready(name, format!("catching up: {} records to go", view.lag())),
        Some(age) if age > OLDEST => {
            Readiness::not_ready(name, format!("last at the log's end {} s ago; is the log reachable?", age.as_secs()))
        }
        Some(age) => Readiness::ready(name, format!("at the log's end {} s ago", age.as_secs())),
    }
}
