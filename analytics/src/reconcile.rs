//! Reconciliation: the sums that must agree, counted from the raw log by code that shares nothing with the readers it checks.
//!
//! Over what the topics retain: declarations appended = issued + rejected + duplicate + dead-lettered + pending; scans distinct = rows of the
//! lake + tail. Nothing is remembered between runs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::SessionContext;
use serde::Serialize;
use suikang_schemas::dead_letter::DeadLetter;
use suikang_schemas::declaration::Declaration;
use suikang_schemas::outcome::Outcome;
use suikang_schemas::scan::ScanUpload;
use suikang_schemas::{DeclarationId, Topic, avro};
use suikang_stream::{Extent, Log, NextOffsets, Record};

use crate::lake::LakeTable;
use crate::tables::Table;
use crate::writer::WriterError;

/// The sums.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// Of declarations.
    pub declarations: Declarations,
    /// Of scans.
    pub scans: Scans,
}

/// Records of declarations, each counted under exactly one of the names below `appended`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Declarations {
    /// Records on the topic.
    pub appended: i64,
    /// Those whose code counts.
    pub issued: i64,
    /// Those that were rejected.
    pub rejected: i64,
    /// Retries of one with a smaller position.
    pub duplicate: i64,
    /// Those that were set aside.
    pub dead_lettered: i64,
    /// Those without an outcome yet.
    pub pending: i64,
}

/// Scans, by their identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scans {
    /// On the topic, in all uploads.
    pub uploaded: i64,
    /// Identities among them.
    pub distinct: i64,
    /// The rest.
    pub duplicate: i64,
    /// Uploads that were set aside.
    pub dead_lettered: i64,
    /// Rows of the lake whose records the topic retains.
    pub rows: i64,
    /// Distinct ones that the lake's positions have not passed.
    pub tail: i64,
}

impl Reconciliation {
    /// What doesn't add up, in words; nothing if everything does.
    pub fn differences(&self, drained: bool) -> Vec<String> {
        let Declarations { appended, issued, rejected, duplicate, dead_lettered, pending } = self.declarations;
        let mut differences = Vec::new();
        let accounted = issued + rejected + duplicate + dead_lettered + pending;
        if appended != accounted {
            differences.push(format!("declarations: {appended} appended, {accounted} accounted for"));
        }
        if self.scans.distinct != self.scans.rows + self.scans.tail {
            differences.push(format!(
                "scans: {} distinct, {} in lake and tail",
                self.scans.distinct,
                self.scans.rows + self.scans.tail
            ));
        }
        if drained && pending > 0 {
            differences.push(format!("declarations: {pending} pending"));
        }
        if drained && self.scans.tail > 0 {
            differences.push(format!("scans: {} not in the lake yet", self.scans.tail));
        }
        differences
    }
}

impl fmt::Display for Reconciliation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Declarations { appended, issued, rejected, duplicate, dead_lettered, pending } = self.declarations;
        writeln!(f, "declarations appended      {appended:>10}")?;
        writeln!(f, "  issued                   {issued:>10}")?;
        writeln!(f, "  rejected                 {rejected:>10}")?;
        writeln!(f, "  duplicate                {duplicate:>10}")?;
        writeln!(f, "  dead-lettered            {dead_lettered:>10}")?;
        writeln!(f, "  pending                  {pending:>10}")?;
        writeln!(f, "scans uploaded             {:>10}", self.scans.uploaded)?;
        writeln!(f, "  duplicate                {:>10}", self.scans.duplicate)?;
        writeln!(f, "  distinct (epoch, seq)    {:>10}", self.scans.distinct)?;
        writeln!(f, "    rows in the lake       {:>10}", self.scans.rows)?;
        write!(f, "    in the tail            {:>10}", self.scans.tail)
    }
}

/// Counts.
///
/// # Errors
/// If the log or the lake can't be read.
pub async fn reconcile(log: &dyn Log, lake: &Path) -> Result<Reconciliation, WriterError> {
    // Readers of outcomes first: what is appended meanwhile counts as pending, never as an outcome without a declaration.
    let declarations = log.extents(Topic::Declarations).await?;
    let scans = log.extents(Topic::Scans).await?;
    let table = LakeTable::open(lake, Table::Scans).await?;
    let dead = dead_letters(log).await?;
    Ok(Reconciliation {
        declarations: count_declarations(log, &declarations, &dead).await?,
        scans: count_scans(log, &scans, &table, &dead).await?,
    })
}

type Place = (Topic, i32, i64);

async fn dead_letters(log: &dyn Log) -> Result<HashSet<Place>, WriterError> {
    let mut dead = HashSet::new();
    each(log, Topic::DeadLetters, &log.extents(Topic::DeadLetters).await?, |record| {
        if let Ok(letter) = avro::decode::<DeadLetter>(&record.payload)
            && let Some(topic) = Topic::from_short_name(&letter.topic)
        {
            dead.insert((topic, letter.kafka_partition, letter.offset));
        }
    })
    .await?;
    Ok(dead)
}

async fn count_declarations(
    log: &dyn Log,
    extents: &BTreeMap<i32, Extent>,
    dead: &HashSet<Place>,
) -> Result<Declarations, WriterError> {
    let mut places: HashMap<DeclarationId, BTreeSet<(i32, i64)>> = HashMap::new();
    let mut counted = Declarations::default();
    each(log, Topic::Declarations, extents, |record| {
        counted.appended += 1;
        match avro::decode::<Declaration>(&record.payload) {
            Ok(declaration) => {
                places.entry(declaration.declaration_id).or_default().insert((record.kafka_partition, record.offset));
            }
            Err(_) if dead.contains(&(Topic::Declarations, record.kafka_partition, record.offset)) => {
                counted.dead_lettered += 1
            }
            Err(_) => counted.pending += 1,
        }
    })
    .await?;
    let mut issued: HashMap<(i32, i64), bool> = HashMap::new();
    each(log, Topic::Codes, &log.extents(Topic::Codes).await?, |record| {
        if let Ok(outcome) = avro::decode::<Outcome>(&record.payload) {
            let position = outcome.declaration_position;
            issued.insert((position.kafka_partition, position.offset), outcome.issued.is_some());
        }
    })
    .await?;
    for places in places.into_values() {
        for (index, place) in places.into_iter().enumerate() {
            match issued.get(&place) {
                None => counted.pending += 1,
                Some(_) if index > 0 => counted.duplicate += 1,
                Some(true) => counted.issued += 1,
                Some(false) => counted.rejected += 1,
            }
        }
    }
    Ok(counted)
}

async fn count_scans(
    log: &dyn Log,
    extents: &BTreeMap<i32, Extent>,
    table: &LakeTable,
    dead: &HashSet<Place>,
) -> Result<Scans, WriterError> {
    let positions = table.positions(extents.keys().copied()).await?;
    let mut counted = Scans::default();
    let mut first_seen: HashSet<(i64, i64)> = HashSet::new();
    each(log, Topic::Scans, extents, |record| {
        let Ok(upload) = avro::decode::<ScanUpload>(&record.payload) else {
            counted.dead_lettered += i64::from(dead.contains(&(Topic::Scans, record.kafka_partition, record.offset)));
            return;
        };
        let in_tail = positions.get(&record.kafka_partition).is_none_or(|position| record.offset >= *position);
        for (seq, _) in (upload.first_seq..).zip(&upload.scans) {
            counted.uploaded += 1;
            if first_seen.insert((upload.device_epoch, seq)) {
                counted.distinct += 1;
                counted.tail += i64::from(in_tail);
            }
        }
    })
    .await?;
    counted.duplicate = counted.uploaded - counted.distinct;
    counted.rows = rows_retained(table, extents).await?;
    Ok(counted)
}

/// Rows whose records the topic still has.
async fn rows_retained(table: &LakeTable, extents: &BTreeMap<i32, Extent>) -> Result<i64, WriterError> {
    let failed = |error| crate::lake::LakeError::Query { table: table.table().name(), error: Box::new(error) };
    let context = SessionContext::new();
    table.register(&context, "lake").await?;
    let retained: Vec<_> = extents
        .iter()
        .map(|(kafka_partition, extent)| {
            format!("(kafka_partition = {kafka_partition} AND kafka_offset >= {})", extent.start)
        })
        .collect();
    let sql = format!("SELECT count(*) FROM lake WHERE {}", retained.join(" OR "));
    let batches = context.sql(&sql).await.map_err(failed)?.collect().await.map_err(failed)?;
    let count = |batch: &arrow::array::RecordBatch| {
        debug_assert_eq!(batch.column(0).data_type(), &DataType::Int64);
        batch.column(0).as_primitive::<Int64Type>().value(0)
    };
    Ok(batches.iter().filter(|batch| !batch.column(0).is_empty()).map(count).sum())
}

/// Every record of a topic within these extents.
async fn each(
    log: &dyn Log,
    topic: Topic,
    extents: &BTreeMap<i32, Extent>,
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
