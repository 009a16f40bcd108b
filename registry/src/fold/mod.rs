//! The registry view: events in, tables out. This is where the log decides.
//!
//! ```text
//! rules     entity → version, the event that set it        everything small: also kept in memory as a `Snapshot`
//! people    subject → version, what issuing needs, sealed basic information
//! claims    claim → subject (nothing once erased), version
//! commands  command_id → when, offset, ruling              the last two days: so that authors learn what became of theirs
//! ```
//! An event is in force iff its entity still has the version it expects and [`ruling`] finds nothing against it. Both depend on earlier
//! events alone, never on a clock or on this node, so every node comes to the same tables.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rusqlite::{Connection, OptionalExtension, Transaction};
use suikang_schemas::registry_event::{Change, RegistryEvent};
use suikang_schemas::{Topic, avro};
use suikang_stream::{Fold, FoldError, Record};

use crate::snapshot::Snapshot;

pub(crate) mod commands;
pub(crate) mod people;
pub(crate) mod ruling;

use ruling::Ruling;

/// Of the tables below.
const VERSION: u32 = 1;

/// What a node keeps of the registry. Rules never depend on people, and no command about a person has the id of one about a rule (doors
/// derive theirs, the others are drawn), so whoever keeps less comes to the same rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    Everything,
    /// All but people and claims: enough for who issues and who writes the lake.
    Rules,
}

/// Events into tables, and the small ones into memory.
pub(crate) struct RegistryFold {
    keeps: Keeps,
    root_public_key: [u8; 32],
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// Rules that the transaction at hand has set; nothing before the first commit, when all are to be loaded.
    changed: Option<BTreeSet<String>>,
}

impl RegistryFold {
    /// A fold that publishes its snapshots there and believes key lists signed by this root alone.
    pub(crate) fn new(keeps: Keeps, root_public_key: [u8; 32], snapshot: Arc<ArcSwap<Snapshot>>) -> Self {
        Self { keeps, root_public_key, snapshot, changed: None }
    }
}

impl Fold for RegistryFold {
    fn name(&self) -> &'static str {
        match self.keeps {
            Keeps::Everything => "registry",
            Keeps::Rules => "rules",
        }
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn topics(&self) -> Vec<Topic> {
        vec![Topic::Registry]
    }

    fn create(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(
            "CREATE TABLE rules (entity TEXT PRIMARY KEY, version INTEGER NOT NULL, event BLOB NOT NULL) STRICT;",
        )?;
        if self.keeps == Keeps::Everything {
            connection.execute_batch(people::TABLES)?;
        }
        connection.execute_batch(commands::TABLES)
    }

    fn apply(&mut self, transaction: &Transaction<'_>, record: &Record) -> Result<(), FoldError> {
        let event: RegistryEvent =
            avro::decode(&record.payload).map_err(|_| FoldError::Poison("not a registry event of a known schema"))?;
        commands::forget_old(transaction, record)?;
        if self.keeps == Keeps::Rules && matches!(event.change, Change::PersonSet(_) | Change::ClaimErased(_)) {
            return Ok(());
        }
        if commands::is_in_force(transaction, &event.command_id, record.time_ms)? {
            return Ok(());
        }
        let ruling = ruling::rule(transaction, &self.root_public_key, &event)?;
        if let Ruling::InForce { version } = ruling {
            self.enforce(transaction, &event, &record.payload, version)?;
        }
        commands::note(transaction, &event.command_id, record, &ruling)?;
        Ok(())
    }

    fn committed(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        match self.changed.replace(BTreeSet::new()) {
            Some(entities) if entities.is_empty() => {}
            Some(entities) => {
                let mut next = Snapshot::clone(&self.snapshot.load());
                let mut select = connection.prepare_cached("SELECT event FROM rules WHERE entity = ?1")?;
                for entity in entities {
                    // Not there: set by a transaction that failed, and that is folded again later.
                    if let Some(event) = select.query_row([entity], |row| row.get(0)).optional()? {
                        next.put(&self.root_public_key, decode_rule(event)?);
                    }
                }
                self.snapshot.store(Arc::new(next));
            }
            None => {
                let mut next = Snapshot::default();
                let mut select = connection.prepare("SELECT event FROM rules")?;
                for event in select.query_map([], |row| row.get(0))? {
                    next.put(&self.root_public_key, decode_rule(event?)?);
                }
                self.snapshot.store(Arc::new(next));
            }
        }
        Ok(())
    }
}

impl RegistryFold {
    fn enforce(
        &mut self,
        transaction: &Transaction<'_>,
        event: &RegistryEvent,
        payload: &[u8],
        version: i64,
    ) -> rusqlite::Result<()> {
        match &event.change {
            Change::PersonSet(person) => people::set(transaction, person, version),
            Change::ClaimErased(erased) => people::erase_claim(transaction, &erased.claim, version),
            rule => {
                let entity = rule.entity();
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO rules VALUES (?1, ?2, ?3)")?
                    .execute((&entity, version, payload))?;
                if let Some(changed) = &mut self.changed {
                    changed.insert(entity);
                }
                Ok(())
            }
        }
    }
}

/// The version that an entity has; 0 before it exists.
pub(crate) fn version_of(connection: &Connection, change: &Change) -> rusqlite::Result<i64> {
    let version = match change {
        Change::PersonSet(person) => connection
            .prepare_cached("SELECT version FROM people WHERE subject = ?1")?
            .query_row([person.subject.0], |row| row.get(0))
            .optional()?,
        Change::ClaimErased(erased) => connection
            .prepare_cached("SELECT version FROM claims WHERE claim = ?1")?
            .query_row([erased.claim], |row| row.get(0))
            .optional()?,
        rule => connection
            .prepare_cached("SELECT version FROM rules WHERE entity = ?1")?
            .query_row([rule.entity()], |row| row.get(0))
            .optional()?,
    };
    Ok(version.unwrap_or(0))
}

/// The event that set a rule.
pub(crate) fn rule_event(connection: &Connection, entity: &str) -> rusqlite::Result<Option<Change>> {
    connection
        .prepare_cached("SELECT event FROM rules WHERE entity = ?1")?
        .query_row([entity], |row| row.get(0))
        .optional()?
        .map(decode_rule)
        .transpose()
}

fn decode_rule(event: Vec<u8>) -> rusqlite::Result<Change> {
    // It was decoded before it was stored; if it can't be now, the file is not what this build wrote.
    let event: RegistryEvent = avro::decode(&event)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error)))?;
    Ok(event.change)
}
