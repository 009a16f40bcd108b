//! Outcomes into tables, by two rules: among outcomes of one declaration the smallest position counts, among the declarations of one
//! subject the greatest. Neither depends on the order in which outcomes arrive.
//!
//! ```text
//! outcomes  declaration_id → position, subject, whether issued, the outcome's bytes      only what counts
//! codes     code_id → declaration_id                                                       duplicates' codes too: they may be shown
//! ```
//! A subject stays in one partition, so offsets order its declarations.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Params, Transaction};
use suikang_schemas::outcome::Outcome;
use suikang_schemas::{CodeId, DeclarationId, Subject, Topic, avro};
use suikang_stream::{Fold, FoldError, Record};

use super::waiting::Waiting;

/// Of the tables below.
const VERSION: u32 = 1;

/// The fold, and whom it tells.
pub(super) struct CodesFold {
    waiting: Arc<Waiting>,
    /// Waited for, and in the transaction at hand.
    arrived: Vec<DeclarationId>,
}

impl CodesFold {
    pub(super) fn new(waiting: Arc<Waiting>) -> Self {
        Self { waiting, arrived: Vec::new() }
    }
}

impl Fold for CodesFold {
    fn name(&self) -> &'static str {
        "codes"
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn topics(&self) -> Vec<Topic> {
        vec![Topic::Codes]
    }

    fn create(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(
            "CREATE TABLE outcomes (declaration_id BLOB PRIMARY KEY, kafka_partition INTEGER NOT NULL,
                 declaration_offset INTEGER NOT NULL, subject BLOB NOT NULL, issued INTEGER NOT NULL, outcome BLOB NOT NULL) STRICT;
             CREATE INDEX outcomes_by_subject ON outcomes (subject, declaration_offset);
             CREATE TABLE codes (code_id BLOB PRIMARY KEY, declaration_id BLOB NOT NULL) STRICT, WITHOUT ROWID;",
        )
    }

    fn apply(&mut self, transaction: &Transaction<'_>, record: &Record) -> Result<(), FoldError> {
        let outcome: Outcome =
            avro::decode(&record.payload).map_err(|_| FoldError::Poison("not an outcome of a known schema"))?;
        let position = outcome.declaration_position;
        transaction
            .prepare_cached(
                "INSERT INTO outcomes VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (declaration_id) DO UPDATE SET kafka_partition = excluded.kafka_partition,
                     declaration_offset = excluded.declaration_offset, subject = excluded.subject, issued = excluded.issued,
                     outcome = excluded.outcome
                 WHERE (excluded.kafka_partition, excluded.declaration_offset) < (kafka_partition, declaration_offset)",
            )?
            .execute((
                outcome.declaration_id.0,
                position.kafka_partition,
                position.offset,
                outcome.subject.0,
                outcome.issued.is_some(),
                &record.payload,
            ))?;
        if let Some(issued) = &outcome.issued {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO codes VALUES (?1, ?2)")?
                .execute((issued.code_id.0, outcome.declaration_id.0))?;
        }
        if self.waiting.has(&outcome.declaration_id) {
            self.arrived.push(outcome.declaration_id);
        }
        Ok(())
    }

    fn committed(&mut self, _connection: &Connection) -> rusqlite::Result<()> {
        self.waiting.tell(self.arrived.drain(..));
        Ok(())
    }
}

/// What became of a declaration.
pub(super) fn outcome(connection: &Connection, declaration_id: &DeclarationId) -> rusqlite::Result<Option<Outcome>> {
    one(connection, "SELECT outcome FROM outcomes WHERE declaration_id = ?1", [declaration_id.0])
}

/// A subject's newest code.
pub(super) fn current(connection: &Connection, subject: &Subject) -> rusqlite::Result<Option<Outcome>> {
    let newest = "SELECT outcome FROM outcomes WHERE subject = ?1 AND issued ORDER BY declaration_offset DESC LIMIT 1";
    one(connection, newest, [subject.0])
}

/// A subject's outcomes, newest declaration first.
pub(super) fn history(connection: &Connection, subject: &Subject, most: u32) -> rusqlite::Result<Vec<Outcome>> {
    connection
        .prepare_cached("SELECT outcome FROM outcomes WHERE subject = ?1 ORDER BY declaration_offset DESC LIMIT ?2")?
        .query_map((subject.0, most), |row| row.get(0))?
        .map(|outcome| decode(outcome?))
        .collect()
}

/// Whether the code's subject has one of a declaration later than the code's own, which for a duplicate's is where that one counts.
pub(super) fn is_superseded(connection: &Connection, code_id: &CodeId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM codes
                 JOIN outcomes AS own USING (declaration_id)
                 JOIN outcomes AS later ON later.subject = own.subject AND later.declaration_offset > own.declaration_offset
             WHERE code_id = ?1 AND later.issued LIMIT 1",
        )?
        .exists([code_id.0])
}

fn one(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<Option<Outcome>> {
    connection.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()?.map(decode).transpose()
}

fn decode(outcome: Vec<u8>) -> rusqlite::Result<Outcome> {
    // It was decoded before it was stored; if it can't be now, the file is not what this build wrote.
    avro::decode(&outcome)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error)))
}
