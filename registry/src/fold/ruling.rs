//! Whether an event is in force: the same judgement before a command is appended, as a courtesy, and after, as the law.

use std::collections::BTreeSet;

use rusqlite::Connection;
use suikang_schemas::registry_event::{Change, PolicySet, RegistryEvent, ValueSetSet};

use super::{people, rule_event, version_of};
use crate::command::Refusal;
use crate::key_lists;

/// What the log says to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// In force; its entity has this version now.
    InForce {
        /// The new version.
        version: i64,
    },
    /// Not in force: its entity had this version, not the one expected.
    Conflict {
        /// The version it had.
        version: i64,
    },
    /// Not in force: the change is not acceptable.
    Refused(Refusal),
}

impl Ruling {
    pub(super) const IN_FORCE: &str = "in_force";
    const CONFLICT: &str = "conflict";

    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Ruling::InForce { .. } => Self::IN_FORCE,
            Ruling::Conflict { .. } => Self::CONFLICT,
            Ruling::Refused(refusal) => refusal.as_str(),
        }
    }

    pub(super) fn version(&self) -> i64 {
        match self {
            Ruling::InForce { version } | Ruling::Conflict { version } => *version,
            Ruling::Refused(_) => 0,
        }
    }

    pub(super) fn of(word: &str, version: i64) -> Option<Self> {
        match word {
            Self::IN_FORCE => Some(Ruling::InForce { version }),
            Self::CONFLICT => Some(Ruling::Conflict { version }),
            word => Refusal::ALL.into_iter().find(|refusal| refusal.as_str() == word).map(Ruling::Refused),
        }
    }
}

/// Rules on an event against what earlier events have left.
pub(crate) fn rule(
    connection: &Connection,
    root_public_key: &[u8; 32],
    event: &RegistryEvent,
) -> rusqlite::Result<Ruling> {
    // What can't be right comes first: it tells an author more than a version does.
    if let Some(refusal) = refusal(connection, root_public_key, &event.change)? {
        return Ok(Ruling::Refused(refusal));
    }
    let version = version_of(connection, &event.change)?;
    if version == event.expected_version {
        Ok(Ruling::InForce { version: version + 1 })
    } else {
        Ok(Ruling::Conflict { version })
    }
}

/// What stands against a change, whatever version it expects.
pub(crate) fn refusal(
    connection: &Connection,
    root_public_key: &[u8; 32],
    change: &Change,
) -> rusqlite::Result<Option<Refusal>> {
    Ok(match change {
        Change::PersonSet(person) => match &person.claim {
            Some(claim) => people::subject_of(connection, claim)?
                .filter(|subject| *subject != person.subject)
                .map(|_| Refusal::ClaimTaken),
            None => None,
        },
        Change::ValueSetSet(set) => has_duplicates(set).then_some(Refusal::DuplicateValue),
        Change::PolicySet(policy) if !is_signed_off_by_two(policy) => Some(Refusal::TwoApprovers),
        Change::PolicySet(_) => (version_of(connection, change)? > 0).then_some(Refusal::PolicyImmutable),
        Change::SealKeySet(_) => (version_of(connection, change)? > 0).then_some(Refusal::SealKeyImmutable),
        Change::KeyListPublished(published) => {
            let current = match rule_event(connection, &change.entity())? {
                Some(Change::KeyListPublished(current)) => Some(current),
                _ => None,
            };
            key_lists::refusal(root_public_key, current, published)
        }
        Change::ClaimErased(_)
        | Change::PlaceSet(_)
        | Change::OrderSet(_)
        | Change::AreaRuleSet(_)
        | Change::HaltSet(_) => None,
    })
}

fn is_signed_off_by_two(policy: &PolicySet) -> bool {
    let approvers: BTreeSet<&str> = policy.approved_by.iter().map(|login| login.trim()).collect();
    approvers.iter().filter(|login| !login.is_empty()).count() >= 2
}

fn has_duplicates(set: &ValueSetSet) -> bool {
    let mut seen = BTreeSet::new();
    !set.values.iter().all(|choice| seen.insert(choice.value.as_str()))
}
