//! The fold: scans and outcomes become counts.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use suikang_schemas::columns::Decoder;
use suikang_schemas::outcome::{Issued, Outcome};
use suikang_schemas::scan::ScanUpload;
use suikang_schemas::{AreaCode, Topic, avro};
use suikang_stream::{Fold, FoldError, Record};

use super::scans;
use crate::rows::{Possible as _, Uploads, local_day_and_hour};
use crate::seen::REMEMBERED_MS;

/// Digits of a district's code.
const DISTRICT_DIGITS: usize = 6;
/// Before whatever is asked for.
const FIRST_DAY: i32 = 0;

/// Counts what comes.
#[derive(Default)]
pub(super) struct CountsFold {
    uploads: Decoder<ScanUpload>,
}

impl Fold for CountsFold {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn version(&self) -> u32 {
        2
    }

    fn topics(&self) -> Vec<Topic> {
        vec![Topic::Scans, Topic::Codes]
    }

    fn create(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(
            "CREATE TABLE entries (district TEXT, local_date INTEGER, hour INTEGER, direction TEXT, verdict TEXT, scans INTEGER NOT NULL,
                 PRIMARY KEY (district, local_date, hour, direction, verdict)) STRICT, WITHOUT ROWID;
             CREATE TABLE reasons (district TEXT, local_date INTEGER, reason TEXT, scans INTEGER NOT NULL,
                 PRIMARY KEY (district, local_date, reason)) STRICT, WITHOUT ROWID;
             CREATE TABLE fevers (district TEXT, local_date INTEGER, scans INTEGER NOT NULL,
                 PRIMARY KEY (district, local_date)) STRICT, WITHOUT ROWID;
             CREATE TABLE standing (subject BLOB PRIMARY KEY, district TEXT NOT NULL, status TEXT NOT NULL, expiry_hour INTEGER NOT NULL,
                 declaration_offset INTEGER NOT NULL) STRICT, WITHOUT ROWID;
             CREATE TABLE codes (district TEXT, status TEXT, expiry_hour INTEGER, people INTEGER NOT NULL,
                 PRIMARY KEY (district, status, expiry_hour)) STRICT, WITHOUT ROWID;
             CREATE TABLE declared (district TEXT PRIMARY KEY, people INTEGER NOT NULL) STRICT, WITHOUT ROWID;
             CREATE TABLE begun (topic TEXT, kafka_partition INTEGER, whole_from INTEGER NOT NULL, PRIMARY KEY (topic, kafka_partition)) STRICT, WITHOUT ROWID;
             CREATE TABLE seen (device_epoch INTEGER, first INTEGER, last INTEGER NOT NULL, PRIMARY KEY (device_epoch, first)) STRICT, WITHOUT ROWID;
             CREATE TABLE ended (declaration_id BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;",
        )
    }

    fn apply(&mut self, transaction: &Transaction<'_>, record: &Record) -> Result<(), FoldError> {
        let mut poison = None;
        self.apply_all(transaction, std::slice::from_ref(record), &mut |_, reason| poison = Some(reason))?;
        poison.map_or(Ok(()), |reason| Err(FoldError::Poison(reason)))
    }

    fn apply_all(
        &mut self,
        transaction: &Transaction<'_>,
        records: &[Record],
        pass_over: &mut dyn FnMut(&Record, &'static str),
    ) -> rusqlite::Result<()> {
        note_begins(transaction, records)?;
        for run in records.chunk_by(|a, b| a.topic == b.topic) {
            match run[0].topic {
                Topic::Scans => {
                    let mut poison = Vec::new();
                    let uploads = Uploads::decode(&mut self.uploads, run, &mut poison);
                    poison.into_iter().for_each(|(index, _)| pass_over(&run[index], "not a scan upload"));
                    scans::count(transaction, &uploads)?;
                }
                _ => {
                    for record in run {
                        // What has a row in the lake counts here, and nothing else does.
                        match avro::decode(&record.payload).ok().filter(Outcome::is_possible) {
                            Some(outcome) => count_outcome(transaction, &outcome, record)?,
                            None => pass_over(record, "not an outcome"),
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Notes the first day of which a partition's counts know everything: the first ever if they began with its first record, else the day after
/// that of the record they began with.
fn note_begins(transaction: &Transaction<'_>, records: &[Record]) -> rusqlite::Result<()> {
    let mut begun = BTreeSet::new();
    for record in records.iter().filter(|record| begun.insert((record.topic.short_name(), record.kafka_partition))) {
        let whole_from = if record.offset == 0 { FIRST_DAY } else { local_day_and_hour(record.time_ms).0 + 1 };
        transaction.prepare_cached("INSERT OR IGNORE INTO begun VALUES (?1, ?2, ?3)")?.execute((
            record.topic.short_name(),
            record.kafka_partition,
            whole_from,
        ))?;
    }
    Ok(())
}

/// A district's code is the beginning of every code within it.
pub(super) fn district(area: &AreaCode) -> &str {
    area.as_str().get(..DISTRICT_DIGITS).unwrap_or(area.as_str())
}

/// Among outcomes of one declaration the first counts, among declarations of one subject the greatest position.
fn count_outcome(transaction: &Transaction<'_>, outcome: &Outcome, record: &Record) -> rusqlite::Result<()> {
    let new = transaction
        .prepare_cached("INSERT OR IGNORE INTO ended VALUES (?1)")?
        .execute([outcome.declaration_id.0.as_slice()])?;
    if record.offset % 10_000 == 0 {
        // Ids begin with their time, so the old ones are the smallest.
        let oldest = (record.time_ms - REMEMBERED_MS).max(0).to_be_bytes();
        transaction.execute("DELETE FROM ended WHERE declaration_id < ?1", [&oldest[2..]])?;
    }
    let (Some(issued), true) = (&outcome.issued, new > 0) else { return Ok(()) };
    let subject = outcome.subject.0.as_slice();
    let former: Option<(String, String, i64, i64)> = transaction
        .prepare_cached("SELECT district, status, expiry_hour, declaration_offset FROM standing WHERE subject = ?1")?
        .query_row([subject], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    if former.as_ref().is_some_and(|(.., offset)| *offset > outcome.declaration_position.offset) {
        return Ok(());
    }
    if let Some((district, status, expiry_hour, _)) = &former {
        add_code(transaction, district, status, *expiry_hour, -1)?;
        add_declared(transaction, district, -1)?;
    }
    let district = district(&outcome.committee);
    let expiry_hour = expiry_hour(issued);
    add_code(transaction, district, issued.status.as_str(), expiry_hour, 1)?;
    add_declared(transaction, district, 1)?;
    transaction.prepare_cached("INSERT OR REPLACE INTO standing VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
        subject,
        district,
        issued.status.as_str(),
        expiry_hour,
        outcome.declaration_position.offset
    ])?;
    Ok(())
}

/// The hour since 1970 at whose end the code has run out.
fn expiry_hour(issued: &Issued) -> i64 {
    issued.expires_at_ms.div_euclid(3_600_000)
}

fn add_code(
    transaction: &Transaction<'_>,
    district: &str,
    status: &str,
    expiry_hour: i64,
    people: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO codes VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET people = people + excluded.people",
        )?
        .execute(params![district, status, expiry_hour, people])?;
    Ok(())
}

fn add_declared(transaction: &Transaction<'_>, district: &str, people: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO declared VALUES (?1, ?2) ON CONFLICT DO UPDATE SET people = people + excluded.people",
        )?
        .execute(params![district, people])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_begin_late_know_from_which_day_they_are_whole() {
        let mut connection = Connection::open_in_memory().unwrap();
        CountsFold::default().create(&connection).unwrap();
        let whole_from = |connection: &Connection| -> i32 {
            connection.query_row("SELECT coalesce(max(whole_from), 0) FROM begun", [], |row| row.get(0)).unwrap()
        };
        let mut fold = |kafka_partition, offset, time_ms| {
            let record =
                Record { topic: Topic::Scans, kafka_partition, offset, record_key: vec![], payload: vec![], time_ms };
            let transaction = connection.transaction().unwrap();
            assert!(matches!(CountsFold::default().apply(&transaction, &record), Err(FoldError::Poison(_))));
            transaction.commit().unwrap();
            whole_from(&connection)
        };
        let day_ms = 86_400_000;
        assert_eq!(fold(0, 0, 18_300 * day_ms), 0, "from the first record on");
        assert_eq!(fold(0, 9, 18_310 * day_ms), 0, "what follows changes nothing");
        assert_eq!(fold(1, 5, 18_320 * day_ms), 18_321, "what came before is gone");
    }
}
