//! Records become rows: each scan and each declaration once, in the log's order; where and when as columns; pseudonyms for whoever.
//!
//! What is not the topic's event is passed over and told. Of a scan that comes twice the first in the log counts, so every reader of the
//! same log makes the same rows.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use suikang_schemas::AreaCode;
use suikang_schemas::area::Level;
use suikang_schemas::avro::{self, DecodeError};
use suikang_schemas::declaration::{Declaration, DeclaredBy};
use suikang_schemas::outcome::Outcome;
use suikang_schemas::scan::{Direction, ScanUpload, Shown};
use suikang_stream::Record;

use crate::pseudonym::LakeSecret;
use crate::seen::{SeenDeclarations, SeenScans};
use crate::tables::Table;

/// The city's offset from UTC, in milliseconds.
const OFFSET_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// Makes rows of one table, and remembers what it has counted.
#[derive(Debug, Clone)]
pub struct RowMaker {
    table: Table,
    secret: LakeSecret,
    scans: SeenScans,
    declarations: SeenDeclarations,
}

/// What a run of records came to.
#[derive(Debug)]
pub struct Rows {
    /// The rows.
    pub batch: RecordBatch,
    /// Records that are not the topic's event, by index.
    pub poison: Vec<(usize, DecodeError)>,
}

impl RowMaker {
    /// A maker that has counted nothing.
    pub fn new(table: Table, secret: LakeSecret) -> Self {
        Self { table, secret, scans: SeenScans::default(), declarations: SeenDeclarations::default() }
    }

    /// Its table.
    pub fn table(&self) -> Table {
        self.table
    }

    /// Notes a scan that the lake has.
    pub fn note_scan(&mut self, device_epoch: i64, seq: i64) {
        self.scans.insert(device_epoch, seq);
    }

    /// Notes a declaration that the lake has.
    pub fn note_declaration(&mut self, id: suikang_schemas::DeclarationId, at_ms: i64) {
        self.declarations.insert(id, at_ms);
    }

    /// The rows of these records.
    pub fn rows(&mut self, records: &[Record]) -> Rows {
        let mut poison = Vec::new();
        let batch = match self.table {
            Table::Scans => self.scans(records, &mut poison),
            Table::Declarations => self.declarations(records, &mut poison),
            Table::Outcomes => self.outcomes(records, &mut poison),
        };
        Rows { batch, poison }
    }

    fn scans(&mut self, records: &[Record], poison: &mut Vec<(usize, DecodeError)>) -> RecordBatch {
        let uploads = decoded::<ScanUpload>(records, poison);
        let mut rows = Vec::new();
        for (record, upload) in &uploads {
            for (seq, scan) in (upload.first_seq..).zip(&upload.scans) {
                if self.scans.insert(upload.device_epoch, seq) {
                    rows.push((*record, upload, seq, scan));
                }
            }
        }
        let columns = Columns::default()
            .when_and_where(rows.iter().map(|(_, upload, _, scan)| (scan.scanned_at_ms, &upload.checkpoint)))
            .numbers(rows.iter().map(|(_, upload, ..)| upload.device_epoch))
            .numbers(rows.iter().map(|(_, _, seq, _)| *seq))
            .times(rows.iter().map(|(_, upload, ..)| Some(upload.received_at_ms)))
            .texts(rows.iter().map(|(_, upload, ..)| Some(upload.checkpoint.as_str())))
            .texts(rows.iter().map(|(.., scan)| {
                Some(match scan.direction {
                    Direction::Entry => "entry",
                    Direction::Exit => "exit",
                })
            }))
            .texts(rows.iter().map(|(.., scan)| {
                Some(match scan.shown {
                    Shown::Screen => "screen",
                    Shown::Paper => "paper",
                    Shown::Companion => "companion",
                    Shown::None => "none",
                })
            }))
            .texts(rows.iter().map(|(.., scan)| Some(scan.verdict.as_str())))
            .words(rows.iter().map(|(.., scan)| Some(&scan.reasons)))
            .optional_numbers(rows.iter().map(|(.., scan)| scan.code_id.map(|code_id| self.secret.code_ref(&code_id))))
            .texts(rows.iter().map(|(.., scan)| scan.status.map(|status| status.as_str())))
            .integers(rows.iter().map(|(.., scan)| scan.temperature_tenths_celsius))
            .optional_numbers(rows.iter().map(|(.., scan)| scan.vehicle.map(|vehicle| vehicle.group)))
            .optional_numbers(rows.iter().map(|(.., scan)| scan.vehicle.map(|v| self.secret.plate_ref(v.plate_hash))))
            .integers(rows.iter().map(|(.., scan)| scan.vehicle.map(|vehicle| vehicle.heads)))
            .push(BooleanArray::from_iter(rows.iter().map(|(.., scan)| Some(scan.offline))))
            .positions(rows.iter().map(|(record, ..)| *record));
        columns.batch(self.table)
    }

    fn declarations(&mut self, records: &[Record], poison: &mut Vec<(usize, DecodeError)>) -> RecordBatch {
        let mut rows = decoded::<Declaration>(records, poison);
        rows.retain(|(record, declaration)| self.declarations.insert(declaration.declaration_id, record.time_ms));
        let columns =
            Columns::default()
                .when_and_where(rows.iter().map(|(_, d)| {
                    (d.accepted_at_ms, residence(&d.residence.committee, d.residence.community.as_ref()))
                }))
                .owned_texts(rows.iter().map(|(_, d)| d.declaration_id.to_string()))
                .numbers(rows.iter().map(|(_, d)| self.secret.subject_ref(&d.subject)))
                .texts(rows.iter().map(|(_, d)| {
                    Some(match d.declared_by {
                        DeclaredBy::Oneself => "self",
                        DeclaredBy::Relative => "relative",
                        DeclaredBy::Staff => "staff",
                    })
                }))
                .texts(rows.iter().map(|(_, d)| d.inadmissible.map(|rejection| rejection.as_str())))
                .integers(rows.iter().map(|(_, d)| Some(d.policy_version)))
                .integers(rows.iter().map(|(_, d)| d.facts.birth_year))
                .texts(rows.iter().map(|(_, d)| Some(d.facts.person_kind.as_str())))
                .texts(rows.iter().map(|(_, d)| Some(d.residence.capacity.as_str())))
                .words(rows.iter().map(|(_, d)| Some(&d.health.symptoms)))
                .texts(rows.iter().map(|(_, d)| Some(d.health.hubei_stay.as_str())))
                .push(rows.iter().map(|(_, d)| d.health.hubei_return_day).collect::<Date32Array>())
                .texts(rows.iter().map(|(_, d)| Some(d.health.contact.as_str())))
                .texts(rows.iter().map(|(_, d)| d.facts.hold.map(|hold| hold.as_str())))
                .positions(rows.iter().map(|(record, _)| *record));
        columns.batch(self.table)
    }

    fn outcomes(&mut self, records: &[Record], poison: &mut Vec<(usize, DecodeError)>) -> RecordBatch {
        // An issuer appends the outcomes of a partition in the order of its declarations, and another that takes over begins at or before
        // the first that is missing: so the first outcome of a declaration id is the one of its smallest position.
        let mut rows = decoded::<Outcome>(records, poison);
        rows.retain(|(record, outcome)| self.declarations.insert(outcome.declaration_id, record.time_ms));
        let columns = Columns::default()
            .when_and_where(rows.iter().map(|(_, o)| (o.accepted_at_ms, residence(&o.committee, o.community.as_ref()))))
            .owned_texts(rows.iter().map(|(_, o)| o.declaration_id.to_string()))
            .numbers(rows.iter().map(|(_, o)| self.secret.subject_ref(&o.subject)))
            .texts(rows.iter().map(|(_, o)| Some(if o.issued.is_some() { "issued" } else { "rejected" })))
            .texts(rows.iter().map(|(_, o)| o.rejected.map(|rejection| rejection.as_str())))
            .texts(rows.iter().map(|(_, o)| o.issued.as_ref().map(|issued| issued.status.as_str())))
            .words(rows.iter().map(|(_, o)| o.issued.as_ref().map(|issued| &issued.reasons)))
            .integers(rows.iter().map(|(_, o)| o.issued.as_ref().map(|issued| issued.policy_version)))
            .optional_numbers(
                rows.iter().map(|(_, o)| o.issued.as_ref().map(|issued| self.secret.code_ref(&issued.code_id))),
            )
            .times(rows.iter().map(|(_, o)| o.issued.as_ref().map(|issued| issued.expires_at_ms)))
            .integers(rows.iter().map(|(_, o)| Some(o.declaration_position.kafka_partition)))
            .numbers(rows.iter().map(|(_, o)| o.declaration_position.offset))
            .positions(rows.iter().map(|(record, _)| *record));
        columns.batch(self.table)
    }
}

fn decoded<'r, E: avro::Event>(records: &'r [Record], poison: &mut Vec<(usize, DecodeError)>) -> Vec<(&'r Record, E)> {
    let mut events = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        match avro::decode(&record.payload) {
            Ok(event) => events.push((record, event)),
            Err(error) => poison.push((index, error)),
        }
    }
    events
}

fn residence<'a>(committee: &'a AreaCode, community: Option<&'a AreaCode>) -> &'a AreaCode {
    community.unwrap_or(committee)
}

/// The city's day (in days since 1970) and hour of a moment.
pub(crate) fn local_day_and_hour(at_ms: i64) -> (i32, i32) {
    let local_ms = at_ms + OFFSET_MS;
    let day = i32::try_from(local_ms.div_euclid(DAY_MS)).unwrap_or(i32::MAX);
    let hour = i32::try_from(local_ms.rem_euclid(DAY_MS) / 3_600_000).expect("an hour of a day");
    (day, hour)
}

/// Columns in the order of the table's schema.
#[derive(Default)]
struct Columns(Vec<ArrayRef>);

impl Columns {
    fn push(mut self, column: impl arrow::array::Array + 'static) -> Self {
        self.0.push(Arc::new(column));
        self
    }

    fn when_and_where<'a>(self, rows: impl Iterator<Item = (i64, &'a AreaCode)> + Clone) -> Self {
        let day_and_hour = rows.clone().map(|(at_ms, _)| local_day_and_hour(at_ms));
        let part = |level| {
            rows.clone().map(move |(_, area)| area.as_str().get(..length(level)).filter(|_| area.level() >= level))
        };
        self.times(rows.clone().map(|(at_ms, _)| Some(at_ms)))
            .push(day_and_hour.clone().map(|(day, _)| Some(day)).collect::<Date32Array>())
            .push(Int32Array::from_iter_values(day_and_hour.map(|(_, hour)| hour)))
            .texts(part(Level::District))
            .texts(part(Level::Street))
            .texts(part(Level::Committee))
            .texts(part(Level::Community))
    }

    fn times(self, times_ms: impl Iterator<Item = Option<i64>>) -> Self {
        self.push(
            times_ms
                .map(|at_ms| at_ms.map(|at_ms| at_ms * 1000))
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        )
    }

    fn texts<'a>(self, texts: impl Iterator<Item = Option<&'a str>>) -> Self {
        self.push(texts.collect::<StringArray>())
    }

    fn owned_texts(self, texts: impl Iterator<Item = String>) -> Self {
        self.push(StringArray::from_iter_values(texts))
    }

    fn numbers(self, numbers: impl Iterator<Item = i64>) -> Self {
        self.push(Int64Array::from_iter_values(numbers))
    }

    fn optional_numbers(self, numbers: impl Iterator<Item = Option<i64>>) -> Self {
        self.push(numbers.collect::<Int64Array>())
    }

    fn integers(self, integers: impl Iterator<Item = Option<i32>>) -> Self {
        self.push(integers.collect::<Int32Array>())
    }

    fn words<'a>(self, rows: impl Iterator<Item = Option<&'a Vec<String>>>) -> Self {
        let mut words = ListBuilder::new(StringBuilder::new());
        for row in rows {
            words.append_option(row.map(|row| row.iter().map(Some)));
        }
        self.push(words.finish())
    }

    fn positions<'a>(self, records: impl Iterator<Item = &'a Record> + Clone) -> Self {
        self.push(Int32Array::from_iter_values(records.clone().map(|record| record.kafka_partition)))
            .numbers(records.map(|record| record.offset))
    }

    fn batch(self, table: Table) -> RecordBatch {
        RecordBatch::try_new(table.schema(), self.0).expect("the columns are the table's")
    }
}

fn length(level: Level) -> usize {
    match level {
        Level::City => 4,
        Level::District => 6,
        Level::Street => 9,
        Level::Committee => 12,
        Level::Community => 16,
        Level::Checkpoint => 19,
    }
}
