//! The audit: who did what, or was refused, as one hash chain per process, so that a missing entry shows.
//!
//! An act that must be audited happens only once its entry is durable.

use std::sync::Arc;

use suikang_registry::http::Problem;
use suikang_registry::{Action, Caller};
use suikang_schemas::audit::{AuditEntry, chain_hash};
use suikang_schemas::{Topic, avro};
use suikang_stream::{Log, NewRecord};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::dates::now_ms;
use crate::metrics;

/// Appends entries of one process, in order. Cheap to clone; all clones write one chain.
#[derive(Clone)]
pub struct Auditor {
    log: Arc<dyn Log>,
    node: Arc<str>,
    chain: Arc<Mutex<Chain>>,
}

#[derive(Debug)]
struct Chain {
    /// The node, and what tells its chains apart.
    name: String,
    seq: i64,
    previous: [u8; 32],
}

impl Chain {
    fn begin(node: &str) -> Self {
        Self { name: format!("{node}/{}", Uuid::now_v7()), seq: 0, previous: [0; 32] }
    }
}

impl Auditor {
    /// An auditor whose chain begins here.
    pub fn new(log: Arc<dyn Log>, node: &str) -> Self {
        Self { log, node: node.into(), chain: Arc::new(Mutex::new(Chain::begin(node))) }
    }

    /// Writes down that `caller` did (or was refused) `action` on `target`; returns when that is durable.
    ///
    /// # Errors
    /// 503 if the log can't promise durability: then the act must not happen.
    pub async fn record(&self, caller: &Caller, action: Action, target: &str, allowed: bool) -> Result<(), Problem> {
        let mut chain = self.chain.lock().await;
        let entry = AuditEntry {
            node: chain.name.clone(),
            seq: chain.seq + 1,
            previous: chain.previous,
            at_ms: now_ms(),
            actor: caller.actor(),
            action: action.as_str().to_owned(),
            target: target.to_owned(),
            allowed,
        };
        let payload = avro::encode(&entry);
        let hash = chain_hash(&payload);
        let record = NewRecord { record_key: self.node.as_bytes().to_vec(), payload };
        let appended = self.log.append(Topic::Audit, vec![record]).await;
        metrics::audited(action, allowed, appended.is_ok());
        match appended {
            Ok(_) => {
                (chain.seq, chain.previous) = (entry.seq, hash);
                Ok(())
            }
            Err(error) => {
                // Nobody knows what became of the entry, so another chain begins.
                *chain = Chain::begin(&self.node);
                tracing::warn!(%error, "an audit entry was not written");
                Err(Problem::unavailable(2))
            }
        }
    }
}
