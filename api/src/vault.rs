//! The vault: the only place that can read what was sealed, and the hand that makes the keys to seal with.
//!
//! A day's private half lies in `vault.keystore` and nowhere else; its public half is in the registry, where every door finds it. Nothing is
//! unsealed without a role, an area, a stated purpose, and an audit entry that is durable before the first byte is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use suikang_registry::http::Problem;
use suikang_registry::keys::{self, KeysError, VaultKeystore};
use suikang_registry::seal::{OpenSealError, SealPurpose, seal_day_at};
use suikang_registry::secrets::{SealedFileError, Unlock};
use suikang_registry::{Action, Caller, Registry};
use suikang_schemas::AreaCode;
use suikang_schemas::declaration::Sealed;
use suikang_schemas::registry_event::Actor;
use suikang_stream::Readiness;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::audit::Auditor;
use crate::dates::now_ms;

/// How often the days ahead are looked at.
const EVERY: Duration = Duration::from_secs(3600);
/// How long to wait after that went wrong.
const RETRY: Duration = Duration::from_secs(30);
/// How long to wait for a registry that is still catching up.
const SOON: Duration = Duration::from_millis(200);

/// The vault of this process. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    keys_dir: PathBuf,
    unlock: Unlock,
    audit: Auditor,
    actor: Actor,
}

/// Why something stays sealed.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// The caller may not, or it could not be written down that they did.
    #[error("refused")]
    Refused(Problem),
    /// The day's key is gone, or the bytes are not what they are said to be.
    #[error(transparent)]
    Sealed(#[from] OpenSealError),
    /// The keystore was not read.
    #[error(transparent)]
    Keystore(#[from] SealedFileError),
}

impl Vault {
    /// The vault in this folder; nothing if the folder is not a vault's.
    pub fn open(registry: Registry, keys_dir: &Path, unlock: Unlock, audit: Auditor, node: &str) -> Option<Self> {
        let actor = Actor { role: "operator".to_owned(), area: "4401".to_owned(), login: format!("vault@{node}") };
        keys::has_vault(keys_dir)
            .then(|| Self { inner: Arc::new(Inner { registry, keys_dir: keys_dir.to_owned(), unlock, audit, actor }) })
    }

    /// Keeps keys for today and the days ahead in the folder and in the registry, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let look = async {
            loop {
                tokio::time::sleep(self.ensure_keys().await).await;
            }
        };
        tokio::select! {
            () = look => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Makes and publishes what is missing of the days ahead; says when to look again.
    async fn ensure_keys(&self) -> Duration {
        // What the registry lacks is known once the view has come to the log's end.
        if self.inner.registry.age().is_none() {
            return SOON;
        }
        match self.renew_and_publish().await {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!(%error, "seal keys for the days ahead were not made or published");
                RETRY
            }
        }
    }

    async fn renew_and_publish(&self) -> Result<(), KeysError> {
        let Inner { registry, keys_dir, unlock, actor, .. } = &*self.inner;
        if keys::renew_seal_keys(keys_dir, unlock, now_ms())? {
            tracing::info!("made seal keys for the days ahead");
        }
        keys::publish_seal_keys(registry, keys_dir, unlock, actor.clone()).await?;
        Ok(())
    }

    /// Opens what was sealed of somebody who lives in `committee`. The audit keeps the stated purpose and whose it was, never what it said.
    ///
    /// # Errors
    /// [`UnsealError`]; a refusal is audited, too.
    pub async fn unseal(
        &self,
        caller: &Caller,
        committee: &AreaCode,
        stated_purpose: &str,
        of: SealPurpose,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let allowed = caller.may(Action::ReadProfile, committee) && !stated_purpose.trim().is_empty();
        let target = format!("{}: {stated_purpose}", subject_of(of));
        self.inner.audit.record(caller, Action::ReadProfile, &target, allowed).await.map_err(UnsealError::Refused)?;
        if !allowed {
            return Err(UnsealError::Refused(Problem::forbidden()));
        }
        // Read anew each time: rare, always current, and no private half stays in memory.
        let keystore = VaultKeystore::load(&self.inner.keys_dir, &self.inner.unlock)?;
        Ok(keystore.open(of, sealed)?)
    }

    /// Whether doors find a key to seal to, today and tomorrow.
    pub fn readiness(&self) -> Vec<Readiness> {
        let today = seal_day_at(now_ms());
        let snapshot = self.inner.registry.snapshot();
        let missing = (today..=today + 1).find(|seal_day| snapshot.seal_key(*seal_day).is_none());
        vec![match missing {
            None => Readiness::ready("vault", "seal keys are published for today and tomorrow"),
            Some(day) if day == today => {
                Readiness::not_ready("vault", "no seal key is published for today: see this process's log")
            }
            Some(_) => Readiness::ready("vault", "no seal key is published for tomorrow yet: see this process's log"),
        }]
    }
}

/// Whose it is, for the audit.
fn subject_of(purpose: SealPurpose) -> String {
    match purpose {
        SealPurpose::BasicInformation(subject) => format!("subject {subject}"),
        SealPurpose::FreeText(declaration_id) => format!("declaration {declaration_id}"),
        SealPurpose::DeadLetter => "dead letter".to_owned(),
    }
}
