//! The demonstration city: the real tree of places of Guangzhou, and a default for every rule.
//!
//! Seeding submits what is missing and touches nothing that is there: again it submits nothing.

use suikang_schemas::CommandId;
use suikang_schemas::registry_event::{Actor, Change};

use crate::command::{Command, CommandError};
use crate::registry::Registry;
use crate::snapshot::Snapshot;

mod places;
mod rules;

pub use places::places;

/// Submits what the registry doesn't have of the city; says how many events that was. Again: none.
pub async fn city(registry: &Registry, actor: Actor, now_ms: i64) -> Result<usize, CommandError> {
    let commands = missing(&registry.snapshot(), now_ms).into_iter().map(|change| Command {
        command_id: CommandId::now(),
        actor: actor.clone(),
        expected_version: Some(0),
        change,
    });
    let mut submitted = 0;
    for outcome in registry.submit_all(commands.collect()).await {
        match outcome {
            Ok(_) => submitted += 1,
            // Somebody else has just set it.
            Err(CommandError::Conflict { .. } | CommandError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(submitted)
}

/// What is missing of the city: rules first, so that a city half seeded already works.
pub fn missing(snapshot: &Snapshot, now_ms: i64) -> Vec<Change> {
    let missing_places = places().iter().filter(|place| snapshot.place(&place.area).is_none());
    rules::missing(snapshot, now_ms).into_iter().chain(missing_places.cloned().map(Change::PlaceSet)).collect()
}
