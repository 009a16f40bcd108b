//! The audit: who did what, one hash chain per node, so that a missing entry shows.
//!
//! An act that must be audited happens only once its entry is durable.

use std::sync::Arc;

use suikang_registry::Caller;
use suikang_schemas::Topic;
use suikang_schemas::audit::{AuditEntry, chain_hash};
use suikang_schemas::avro;
use suikang_stream::{AppendError, Log, NewRecord};
use tokio::sync::Mutex;

use crate::dates::now_ms;

/// Appends entries of one node, in order.
#[derive(Clone)]
pub struct Auditor {
    log: Arc<dyn Log>,
    node: Arc<str>,
    chain: Arc<Mutex<Chain>>,
}

#[derive(Debug)]
struct Chain {
    seq: i64,
    previous: [u8; 32],
}

impl Auditor {
    /// An auditor whose chain begins here: a node's name is this process's and no other's, so a start begins a chain of its own.
    pub fn new(log: Arc<dyn Log>, node: &str) -> Self {
        let node = format!("{node}/{}", uuid::Uuid::now_v7());
        Self { log, node: node.into(), chain: Arc::new(Mutex::new(Chain { seq: 0, previous: [0; 32] })) }
    }

    /// Writes down that `caller` did (or was refused) `action` on `target`; returns when that is durable.
    ///
    /// # Errors
    /// If the log can't promise durability: then the act must not happen.
    pub async fn record(&self, caller: &Caller, action: &str, target: &str, allowed: bool) -> Result<(), AppendError> {
        let mut chain = self.chain.lock().await;
        let entry = AuditEntry {
            node: self.node.to_string(),
            seq: chain.seq + 1,
            previous: chain.previous,
            at_ms: now_ms(),
            actor: caller.actor(),
            action: action.to_owned(),
            target: target.to_owned(),
            allowed,
        };
        let payload = avro::encode(&entry);
        let hash = chain_hash(&payload);
        let record = NewRecord { record_key: self.node.as_bytes().to_vec(), payload };
        self.log.append(Topic::Audit, vec![record]).await?;
        *chain = Chain { seq: entry.seq, previous: hash };
        Ok(())
    }
}
