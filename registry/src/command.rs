//! Commands: checked against the view, appended, and known to be in force or not once the own view has passed them.

use std::time::Duration;

use suikang_schemas::CommandId;
use suikang_schemas::registry_event::{Actor, Change};

use crate::registry::Registry;

/// Something to change.
#[derive(Debug, Clone)]
pub struct Command {
    /// Names the command: submitted again under the same id it changes nothing and succeeds.
    pub command_id: CommandId,
    /// Who commands it; may they do so is for the caller of [`Registry::submit`] to know.
    pub actor: Actor,
    /// The version that the entity must have, 0 before it exists; nothing: whatever it has now.
    pub expected_version: Option<i64>,
    /// What becomes of the entity.
    pub change: Change,
}

/// A command in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The offset of its event.
    pub offset: i64,
    /// The version that it gave its entity.
    pub version: i64,
}

/// A command that is not in force, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The entity has another version than was expected: somebody else was first.
    #[error("{entity} has version {version}, not the one expected")]
    Conflict {
        /// Which entity.
        entity: String,
        /// The version it has.
        version: i64,
    },
    /// The change itself is not acceptable.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The log can't promise durability now; the command may or may not be in force later: submit it again under its id.
    #[error("the log is not available")]
    Unavailable,
    /// The log refuses.
    #[error("the log refuses: {0}")]
    Fatal(String),
    /// It was appended, but the own view did not reach it in time: submit it again under its id to know.
    #[error("appended, but not seen in force within {0:?}")]
    NotSeen(Duration),
}

/// Why a change is never acceptable, whatever the version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The claim leads to another person.
    #[error("the claim leads to another person")]
    ClaimTaken,
    /// A policy needs two approvers who are different people.
    #[error("a policy needs two different approvers")]
    TwoApprovers,
    /// A policy, once there, never changes: a new version is needed.
    #[error("a policy's version never changes")]
    PolicyImmutable,
    /// A day's seal key never changes.
    #[error("a day's seal key never changes")]
    SealKeyImmutable,
    /// Not signed by the root, or malformed.
    #[error("the key list is not one that the root signed")]
    KeyListForged,
    /// Its sequence is not greater, or it drops a key in use.
    #[error("the key list does not follow the one in force")]
    KeyListRegresses,
}

impl Registry {
    /// Submits a command; returns when it is in force and this node's view shows it.
    pub async fn submit(&self, command: Command) -> Result<Committed, CommandError> {
        let _ = command;
        todo!()
    }

    /// Submits many commands at once, for their speed: each in force or not for itself, in this order.
    pub async fn submit_all(&self, commands: Vec<Command>) -> Result<Vec<Result<Committed, CommandError>>, CommandError> {
        let _ = commands;
        todo!()
    }
}
