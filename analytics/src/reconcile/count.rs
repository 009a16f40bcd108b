//! Counting: every record that the topics retain, once, and the rows that the lake has for them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::path::Path;
use std::time::Duration;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt as _;
use suikang_schemas::dead_letter::DeadLetter;
use suikang_schemas::declaration::Declaration;
use suikang_schemas::outcome::Outcome;
use suikang_schemas::scan::ScanUpload;
use suikang_schemas::{DeclarationId, Topic, avro};
use suikang_stream::{Extent, Log, NextOffsets, Record};

use super::{Declarations, InLake, Reconciliation, Scans};
use crate::lake::LakeTable;
use crate::rows::Possible as _;
use crate::tables::Table;
use crate::writer::WriterError;

type Extents = BTreeMap<i32, Extent>;
/// Where a record lies.
type Place = (i32, i64);

/// Counts.
///
/// # Errors
/// If the log or the lake can't be read.
pub async fn reconcile(log: &dyn Log, lake: &Path) -> Result<Reconciliation, WriterError> {
    // What follows from declarations is looked at after them: what is appended meanwhile is pending, never an outcome of nothing.
    let declarations = log.extents(Topic::Declarations).await?;
    let scans = log.extents(Topic::Scans).await?;
    let dead = dead_letters(log).await?;
    let codes = log.extents(Topic::Codes).await?;
    let mut counted = Reconciliation::default();

    let mut declared = Rows::of(lake, Table::Declarations, &declarations).await?;
    let mut places: HashMap<DeclarationId, BTreeSet<Place>> = HashMap::new();
    each(log, Topic::Declarations, &declarations, |record| {
        counted.declarations.appended += 1;
        match avro::decode::<Declaration>(&record.payload) {
            Ok(declaration) => {
                if declaration.is_possible() {
                    declared.expect(declaration.declaration_id, record);
                }
                places.entry(declaration.declaration_id).or_default().insert((record.kafka_partition, record.offset));
            }
            Err(_) if dead.contains(&(Topic::Declarations, (record.kafka_partition, record.offset))) => {
                counted.declarations.dead_lettered += 1;
            }
            Err(_) => counted.declarations.pending += 1,
        }
    })
    .await?;
    counted.lake.insert(Table::Declarations.name(), declared.count().await?);

    let mut ended = Rows::of(lake, Table::Outcomes, &codes).await?;
    let mut issued: HashMap<Place, bool> = HashMap::new();
    each(log, Topic::Codes, &codes, |record| {
        if let Ok(outcome) = avro::decode::<Outcome>(&record.payload) {
            if outcome.is_possible() {
                ended.expect(outcome.declaration_id, record);
            }
            let position = outcome.declaration_position;
            issued.insert((position.kafka_partition, position.offset), outcome.issued.is_some());
        }
    })
    .await?;
    counted.lake.insert(Table::Outcomes.name(), ended.count().await?);
    counted.declarations.end(places, &issued);

    let mut scanned = Rows::of(lake, Table::Scans, &scans).await?;
    each(log, Topic::Scans, &scans, |record| counted.scans.take(record, &mut scanned, &dead)).await?;
    counted.scans.distinct = i64::try_from(scanned.expected.len()).unwrap_or(i64::MAX);
    counted.scans.duplicate = counted.scans.uploaded - counted.scans.distinct;
    counted.lake.insert(Table::Scans.name(), scanned.count().await?);
    Ok(counted)
}

impl Declarations {
    /// Counts what has an outcome: of one id the smallest place counts, the others are its retries.
    fn end(&mut self, places: HashMap<DeclarationId, BTreeSet<Place>>, issued: &HashMap<Place, bool>) {
        for places in places.into_values() {
            for (index, place) in places.into_iter().enumerate() {
                match issued.get(&place) {
                    None => self.pending += 1,
                    Some(_) if index > 0 => self.duplicate += 1,
                    Some(true) => self.issued += 1,
                    Some(false) => self.rejected += 1,
                }
            }
        }
    }
}

impl Scans {
    fn take(&mut self, record: &Record, rows: &mut Rows<(i64, i64)>, dead: &HashSet<(Topic, Place)>) {
        match avro::decode::<ScanUpload>(&record.payload) {
            Ok(upload) if upload.is_possible() => {
                for (seq, _) in (upload.first_seq..).zip(&upload.scans) {
                    self.uploaded += 1;
                    rows.expect((upload.device_epoch, seq), record);
                }
            }
            _ if dead.contains(&(Topic::Scans, (record.kafka_partition, record.offset))) => self.dead_lettered += 1,
            _ => self.pending += 1,
        }
    }
}

async fn dead_letters(log: &dyn Log) -> Result<HashSet<(Topic, Place)>, WriterError> {
    let mut dead = HashSet::new();
    each(log, Topic::DeadLetters, &log.extents(Topic::DeadLetters).await?, |record| {
        if let Ok(letter) = avro::decode::<DeadLetter>(&record.payload)
            && let Some(topic) = Topic::from_short_name(&letter.topic)
        {
            dead.insert((topic, (letter.kafka_partition, letter.offset)));
        }
    })
    .await?;
    Ok(dead)
}

/// What is to have a row, and the table that is to have it.
struct Rows<I> {
    lake: LakeTable,
    extents: Extents,
    positions: NextOffsets,
    expected: HashMap<I, Expected>,
}

/// One that is to have a row.
#[derive(Debug, Clone, Copy)]
struct Expected {
    /// Whether the table has yet to pass it.
    in_tail: bool,
    /// Rows that were found for it.
    rows: u32,
}

/// How the rows of a table are told apart.
trait Identity: Eq + Hash + Sized {
    /// The columns that are it.
    const COLUMNS: &'static str;
    /// Of every row of a batch of these columns.
    fn of(batch: &RecordBatch) -> Vec<Self>;
}

impl Identity for (i64, i64) {
    const COLUMNS: &'static str = "device_epoch, seq";

    fn of(batch: &RecordBatch) -> Vec<Self> {
        let [epochs, seqs] = [0, 1].map(|column| batch.column(column).as_primitive::<Int64Type>().values());
        epochs.iter().copied().zip(seqs.iter().copied()).collect()
    }
}

impl Identity for DeclarationId {
    const COLUMNS: &'static str = "declaration_id";

    fn of(batch: &RecordBatch) -> Vec<Self> {
        let ids = cast(batch.column(0), &DataType::Utf8).expect("ids are text");
        let ids = ids.as_string::<i32>();
        (0..ids.len()).filter_map(|row| ids.value(row).parse().ok()).collect()
    }
}

impl<I: Identity> Rows<I> {
    /// The table as it is now, for what lies within these extents.
    async fn of(lake: &Path, table: Table, extents: &Extents) -> Result<Self, WriterError> {
        let mut lake = LakeTable::open(lake, table).await?;
        let positions = lake.positions(extents.keys().copied()).await?;
        Ok(Self { lake, extents: extents.clone(), positions, expected: HashMap::new() })
    }

    /// Notes what is to have a row; the first record with it decides where.
    fn expect(&mut self, identity: I, record: &Record) {
        let position = self.positions.get(&record.kafka_partition);
        let in_tail = position.is_none_or(|position| record.offset >= *position);
        self.expected.entry(identity).or_insert(Expected { in_tail, rows: 0 });
    }

    async fn count(mut self) -> Result<InLake, WriterError> {
        let mut rows = 0;
        let mut within = self.rows(Side::Within).await?;
        while let Some(batch) = within.try_next().await.map_err(|error| self.lake.query_error(error))? {
            for identity in I::of(&batch) {
                rows += 1;
                if let Some(expected) = self.expected.get_mut(&identity) {
                    expected.rows += 1;
                }
            }
        }
        if self.extents.values().any(|extent| extent.start > 0) {
            // What came again after the topic had let its first record go has its row from then.
            let mut before = self.rows(Side::Before).await?;
            while let Some(batch) = before.try_next().await.map_err(|error| self.lake.query_error(error))? {
                for identity in I::of(&batch) {
                    if let Some(expected) = self.expected.get_mut(&identity) {
                        rows += 1;
                        *expected = Expected { in_tail: false, rows: expected.rows + 1 };
                    }
                }
            }
        }
        let count = |of: fn(&Expected) -> bool| {
            i64::try_from(self.expected.values().filter(|expected| of(expected)).count()).unwrap_or(i64::MAX)
        };
        Ok(InLake {
            distinct: count(|_| true),
            rows,
            tail: count(|expected| expected.in_tail),
            missing: count(|expected| !expected.in_tail && expected.rows == 0),
            doubled: count(|expected| expected.rows > 1),
        })
    }

    /// Rows whose records lie on this side of what the topic retains. Rows of later records than were counted lie on neither.
    async fn rows(&self, side: Side) -> Result<SendableRecordBatchStream, WriterError> {
        let parts = self.extents.iter().map(|(kafka_partition, Extent { start, next })| match side {
            Side::Before => format!("(kafka_partition = {kafka_partition} AND kafka_offset < {start})"),
            Side::Within => {
                format!("(kafka_partition = {kafka_partition} AND kafka_offset >= {start} AND kafka_offset < {next})")
            }
        });
        let condition = parts.collect::<Vec<_>>().join(" OR ");
        Ok(self.lake.stream(&format!("SELECT {} FROM lake WHERE {condition}", I::COLUMNS)).await?)
    }
}

#[derive(Clone, Copy)]
enum Side {
    Before,
    Within,
}

/// Every record of a topic within these extents.
async fn each(
    log: &dyn Log,
    topic: Topic,
    extents: &Extents,
    mut take: impl FnMut(&Record),
) -> Result<(), WriterError> {
    let from: NextOffsets = extents.iter().map(|(&kafka_partition, extent)| (kafka_partition, extent.start)).collect();
    let mut left: i64 = extents.values().map(|extent| extent.next - extent.start).sum();
    let mut reader = log.read(topic, from).await?;
    while left > 0 {
        for record in reader.next(5_000, Duration::from_secs(1)).await? {
            if record.offset < extents[&record.kafka_partition].next {
                left -= 1;
                take(&record);
            }
        }
    }
    Ok(())
}
