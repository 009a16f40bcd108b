//! Subcommands that do one thing and end.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod halt;
pub(crate) mod keys;
pub(crate) mod lake;
pub(crate) mod reconcile;
pub(crate) mod seed;
pub(crate) mod simulate;
pub(crate) mod tail;
pub(crate) mod token;
pub(crate) mod topics;
pub(crate) mod verify;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use suikang_registry::secrets::Unlock;
use suikang_registry::{NodeSecrets, Registry};
use suikang_schemas::registry_event::Actor;
use suikang_stream::{Access, Log};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// How long a tool waits for its view of the registry.
const PATIENCE: Duration = Duration::from_secs(60);

/// What opens the files of keys: `SUIKANG_PASSPHRASE` if it is set, else the key file beside them.
pub(crate) fn unlock(config: &Config) -> Unlock {
    Unlock::of(&config.keys_dir, std::env::var("SUIKANG_PASSPHRASE").ok().map(Into::into))
}

/// The operator at the command line, as events and the audit name them.
pub(crate) fn operator(config: &Config) -> Actor {
    Actor { role: "operator".to_owned(), area: "4401".to_owned(), login: format!("cli@{}", config.node) }
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// Opens the log and a view of the registry in a folder that goes away, catches up, and hands both over.
pub(crate) async fn with_registry<T, F>(
    config: &Config,
    work: impl FnOnce(Arc<dyn Log>, Registry) -> F,
) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let log = suikang_stream::open(&config.log, Access::Write).await?;
    let secrets = NodeSecrets::load(&config.keys_dir, &unlock(config))?;
    let folder = tempfile::tempdir()?;
    let registry = Registry::open(Arc::clone(&log), folder.path(), secrets).await?;
    let stop = CancellationToken::new();
    let following = tokio::spawn({
        let (registry, stop) = (registry.clone(), stop.clone());
        async move { registry.run(stop).await }
    });
    let next_offset = log.extents(suikang_schemas::Topic::Registry).await?[&0].next;
    anyhow::ensure!(
        registry.wait_for(next_offset, PATIENCE).await,
        "the registry could not be read in {} s",
        PATIENCE.as_secs()
    );
    let result = work(log, registry).await;
    stop.cancel();
    following.await??;
    result
}
