//! The demonstration city: the real tree of places, and a default for every rule.

use suikang_schemas::registry_event::{Actor, Change};

use crate::command::CommandError;
use crate::registry::Registry;
use crate::snapshot::Snapshot;

/// Submits what the registry doesn't have of the city; says how many events that was. Again: none.
pub async fn city(registry: &Registry, actor: Actor, now_ms: i64) -> Result<usize, CommandError> {
    let _ = (registry, actor, now_ms);
    todo!()
}

/// What is missing of the city.
pub fn missing(snapshot: &Snapshot, now_ms: i64) -> Vec<Change> {
    let _ = (snapshot, now_ms);
    todo!()
}
