//! Audit entries: who did what, chained by hash so that a missing one shows.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::avro::{Event, raw};
use crate::registry_event::Actor;

/// One act of one actor, as one node saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Which process wrote it.
    pub node: String,
    /// Counts from 1 per node.
    pub seq: i64,
    /// [`chain_hash`] of the node's former entry; zeros for the first.
    #[serde(with = "raw")]
    pub previous: [u8; 32],
    /// In milliseconds since 1970.
    #[serde(rename = "at")]
    pub at_ms: i64,
    /// Who.
    pub actor: Actor,
    /// What, as the action's word.
    pub action: String,
    /// On what: an area, an id, the text of a query. Nothing personal.
    pub target: String,
    /// Whether it was allowed.
    pub allowed: bool,
}

impl Event for AuditEntry {
    const NAME: &'static str = "AuditEntry";
}

/// The SHA-256 of an entry's bytes as they lie on the log.
pub fn chain_hash(encoded: &[u8]) -> [u8; 32] {
    Sha256::digest(encoded).into()
}
