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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use suikang_schemas::KeyId;
    use suikang_schemas::outcome::{DeclarationPosition, Issued};
    use suikang_schemas::status::Status;

    use super::*;

    const SUBJECT: Subject = Subject([1; 16]);

    /// The outcome of a record at `offset`; its code is told apart by the offset, as a code id is by its record.
    fn outcome_of(declaration: u8, offset: u8, is_issued: bool) -> Outcome {
        let issued = Issued {
            code_id: CodeId([offset; 16]),
            status: Status::Green,
            reasons: Vec::new(),
            expires_at_ms: 0,
            policy_version: 1,
            signing_key: KeyId([0; 8]),
            pass_code: Vec::new(),
        };
        Outcome {
            declaration_id: DeclarationId([declaration; 16]),
            subject: SUBJECT,
            declaration_position: DeclarationPosition { kafka_partition: 0, offset: offset.into() },
            accepted_at_ms: 0,
            committee: "440106001003".parse().unwrap(),
            community: None,
            issued: is_issued.then_some(issued),
            rejected: None,
        }
    }

    fn folded(arrivals: &[Outcome]) -> Connection {
        let mut fold = CodesFold::new(Arc::default());
        let mut connection = Connection::open_in_memory().unwrap();
        fold.create(&connection).unwrap();
        let transaction = connection.transaction().unwrap();
        for (offset, outcome) in arrivals.iter().enumerate() {
            let record = Record {
                topic: Topic::Codes,
                kafka_partition: 0,
                offset: i64::try_from(offset).unwrap(),
                record_key: Vec::new(),
                payload: avro::encode(outcome),
                time_ms: 0,
            };
            fold.apply(&transaction, &record).unwrap();
        }
        transaction.commit().unwrap();
        connection
    }

    prop_compose! {
        /// Records of a few declarations of one subject, and an order in which their outcomes arrive, some of them twice.
        fn arrivals()(records in prop::collection::vec((0..4u8, any::<bool>()), 1..12))(
            arrivals in Just(
                records
                    .iter()
                    .chain(&records[..records.len() / 2])
                    .zip((0..records.len()).chain(0..records.len() / 2))
                    .map(|(&(declaration, is_issued), offset)| outcome_of(declaration, offset as u8, is_issued))
                    .collect::<Vec<_>>()
            ).prop_shuffle()
        ) -> Vec<Outcome> {
            arrivals
        }
    }

    proptest! {
        #[test]
        fn the_two_rules_hold_in_whatever_order_outcomes_arrive(arrivals in arrivals()) {
            let connection = folded(&arrivals);
            let mut counting: BTreeMap<DeclarationId, &Outcome> = BTreeMap::new();
            for outcome in &arrivals {
                let smallest = counting.entry(outcome.declaration_id).or_insert(outcome);
                if outcome.declaration_position < smallest.declaration_position {
                    *smallest = outcome;
                }
            }
            let newest = counting.values().filter(|outcome| outcome.issued.is_some()).max_by_key(|o| o.declaration_position);
            prop_assert_eq!(current(&connection, &SUBJECT).unwrap(), newest.copied().cloned());
            for outcome in &arrivals {
                let counts = counting[&outcome.declaration_id];
                let known = super::outcome(&connection, &outcome.declaration_id).unwrap();
                prop_assert_eq!(known, Some(counts.clone()));
                if let Some(issued) = &outcome.issued {
                    let later = newest.is_some_and(|newest| newest.declaration_position > counts.declaration_position);
                    prop_assert_eq!(is_superseded(&connection, &issued.code_id).unwrap(), later);
                }
            }
        }
    }
}
