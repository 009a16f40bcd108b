//! Commands: judged against the own view, appended, and known to be in force or not once the own view has passed them.
//!
//! The judgement before appending is a courtesy that keeps hopeless events out of the log; the one in [`crate::fold`], in log order and
//! alike on every node, is the law.

use std::collections::HashMap;
use std::time::Duration;

use suikang_schemas::registry_event::{Actor, Change, RegistryEvent};
use suikang_schemas::{CommandId, Topic, avro};
use suikang_stream::{AppendError, NewRecord};

use crate::fold::ruling::{Ruling, refusal};
use crate::fold::{commands, version_of};
use crate::metrics;
use crate::registry::Registry;

/// How long the own view may take to pass what was appended.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a command that doesn't mind the version is tried against others that were faster.
const ATTEMPTS: usize = 5;
/// Events appended at once.
const CHUNK: usize = 2_000;

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
        /// The version it has; −1 if others kept being faster.
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
    /// The own view can't be read.
    #[error("the view: {0}")]
    View(String),
    /// It was appended, but the own view did not reach it in time: submit it again under its id to know.
    #[error("appended, but not seen in force within {0:?}")]
    NotSeen(Duration),
}

/// Why a change is never acceptable, whatever the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The claim leads to another person.
    #[error("the claim leads to another person")]
    ClaimTaken,
    /// A set of choices has one twice.
    #[error("a set of choices has one of them twice")]
    DuplicateValue,
    /// A policy needs two approvers who are different people.
    #[error("a policy needs two different approvers")]
    TwoApprovers,
    /// A policy, once there, never changes: a new version is needed.
    #[error("a policy's version never changes")]
    PolicyImmutable,
    /// A day's seal key never changes.
    #[error("a day's seal key never changes")]
    SealKeyImmutable,
    /// Not signed by the root, malformed, or numbered otherwise than its event says.
    #[error("the key list is not one that the root signed")]
    KeyListForged,
    /// Its sequence is not greater, or it drops a key in use.
    #[error("the key list does not follow the one in force")]
    KeyListRegresses,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Refusal; 7] = [
        Refusal::ClaimTaken,
        Refusal::DuplicateValue,
        Refusal::TwoApprovers,
        Refusal::PolicyImmutable,
        Refusal::SealKeyImmutable,
        Refusal::KeyListForged,
        Refusal::KeyListRegresses,
    ];

    /// The word that views and problems use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Refusal::ClaimTaken => "claim_taken",
            Refusal::DuplicateValue => "duplicate_value",
            Refusal::TwoApprovers => "two_approvers",
            Refusal::PolicyImmutable => "policy_immutable",
            Refusal::SealKeyImmutable => "seal_key_immutable",
            Refusal::KeyListForged => "key_list_forged",
            Refusal::KeyListRegresses => "key_list_regresses",
        }
    }
}

type Outcome = Result<Committed, CommandError>;

impl Registry {
    /// Submits a command; returns when it is in force and this node's view shows it.
    pub async fn submit(&self, command: Command) -> Outcome {
        let mut outcomes = self.submit_all(vec![command]).await;
        outcomes.pop().unwrap_or(Err(CommandError::Unavailable))
    }

    /// Submits many commands at once, for their speed: each in force or not for itself, in this order.
    pub async fn submit_all(&self, commands: Vec<Command>) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; commands.len()];
        for _ in 0..ATTEMPTS {
            let open: Vec<usize> = (0..commands.len()).filter(|&at| outcomes[at].is_none()).collect();
            for chunk in open.chunks(CHUNK) {
                for (at, outcome) in self.attempt(&commands, chunk).await {
                    metrics::command(&outcome);
                    // Whoever doesn't mind the version tries again against the one that was faster.
                    let minds = commands[at].expected_version.is_some();
                    if minds || !matches!(outcome, Err(CommandError::Conflict { .. })) {
                        outcomes[at] = Some(outcome);
                    }
                }
            }
        }
        let crowded = |command: &Command| Err(CommandError::Conflict { entity: command.change.entity(), version: -1 });
        outcomes
            .into_iter()
            .zip(&commands)
            .map(|(outcome, command)| outcome.unwrap_or_else(|| crowded(command)))
            .collect()
    }

    /// One round: judge, append what may be in force, wait for the own view, ask it.
    async fn attempt(&self, commands: &[Command], chunk: &[usize]) -> Vec<(usize, Outcome)> {
        let judged = match self.judge(commands, chunk) {
            Ok(judged) => judged,
            Err(error) => return same_for_all(chunk, &CommandError::View(error.to_string())),
        };
        let (mut outcomes, mut waiting, mut records) = (Vec::new(), Vec::new(), Vec::new());
        for (at, judgement) in judged {
            match judgement {
                Ok(event) => {
                    waiting.push(at);
                    records.push(NewRecord {
                        record_key: event.change.entity().into_bytes(),
                        payload: avro::encode(&event),
                    });
                }
                Err(outcome) => outcomes.push((at, outcome)),
            }
        }
        if waiting.is_empty() {
            return outcomes;
        }
        let appended = match self.log().append(Topic::Registry, records).await {
            Ok(positions) => positions.iter().map(|position| position.offset).max(),
            Err(error) => {
                outcomes.extend(same_for_all(&waiting, &error.into()));
                return outcomes;
            }
        };
        let next_offset = appended.map_or(0, |offset| offset + 1);
        if !self.wait_for(next_offset, PATIENCE).await {
            outcomes.extend(same_for_all(&waiting, &CommandError::NotSeen(PATIENCE)));
            return outcomes;
        }
        match self.rulings(commands, &waiting) {
            Ok(ruled) => outcomes.extend(ruled),
            Err(error) => outcomes.extend(same_for_all(&waiting, &CommandError::View(error.to_string()))),
        }
        outcomes
    }

    /// For each command the event to append, or what is known of it without appending.
    fn judge(
        &self,
        commands: &[Command],
        chunk: &[usize],
    ) -> rusqlite::Result<Vec<(usize, Result<RegistryEvent, Outcome>)>> {
        // Versions that entities will have once the events before in this chunk are in force.
        let mut ahead: HashMap<String, i64> = HashMap::new();
        self.view().read(|connection| {
            chunk
                .iter()
                .map(|&at| {
                    let Command { command_id, actor, expected_version, change } = &commands[at];
                    let command_id = command_id.0.into_bytes();
                    if let Some((offset, Ruling::InForce { version })) = commands::ruling_on(connection, &command_id)? {
                        return Ok((at, Err(Ok(Committed { offset, version }))));
                    }
                    if let Some(refusal) = refusal(connection, self.secrets().root_public_key(), change)? {
                        return Ok((at, Err(Err(CommandError::Refused(refusal)))));
                    }
                    let entity = change.entity();
                    let version = match ahead.get(&entity) {
                        Some(&version) => version,
                        None => version_of(connection, change)?,
                    };
                    if expected_version.is_some_and(|expected| expected != version) {
                        return Ok((at, Err(Err(CommandError::Conflict { entity, version }))));
                    }
                    ahead.insert(entity, version + 1);
                    let event = RegistryEvent {
                        command_id,
                        at_ms: chrono::Utc::now().timestamp_millis(),
                        actor: actor.clone(),
                        expected_version: version,
                        change: change.clone(),
                    };
                    Ok((at, Ok(event)))
                })
                .collect()
        })
    }

    /// What the log has ruled, now that the own view has passed the events.
    fn rulings(&self, commands: &[Command], waiting: &[usize]) -> rusqlite::Result<Vec<(usize, Outcome)>> {
        self.view().read(|connection| {
            waiting
                .iter()
                .map(|&at| {
                    let command = &commands[at];
                    let outcome = match commands::ruling_on(connection, command.command_id.0.as_bytes())? {
                        Some((offset, Ruling::InForce { version })) => Ok(Committed { offset, version }),
                        Some((_, Ruling::Conflict { version })) => {
                            Err(CommandError::Conflict { entity: command.change.entity(), version })
                        }
                        Some((_, Ruling::Refused(refusal))) => Err(CommandError::Refused(refusal)),
                        // The view passed the event over: a newer build would have to read what this one wrote.
                        None => Err(CommandError::View("no ruling on an event that was passed".to_owned())),
                    };
                    Ok((at, outcome))
                })
                .collect()
        })
    }
}

fn same_for_all(chunk: &[usize], error: &CommandError) -> Vec<(usize, Outcome)> {
    chunk.iter().map(|&at| (at, Err(error.clone()))).collect()
}

impl From<AppendError> for CommandError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Unavailable(_) => CommandError::Unavailable,
            error => CommandError::Fatal(error.to_string()),
        }
    }
}
