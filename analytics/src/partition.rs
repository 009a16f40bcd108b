//! A partition on its way into rows: begun where its table is, knowing what the table has.
//!
//! What the table has is known from the numbers saved last and the log from there to the table's own position, read once more without making
//! rows; or, if there is nothing saved or the log has let that part go, from the table. The declarations of the last day are always read from
//! the table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMillisecondType};
use futures::TryStreamExt as _;
use suikang_schemas::DeclarationId;
use suikang_stream::{Extent, NextOffsets, Record};

use crate::lake::{LakeError, LakeTable};
use crate::pseudonym::LakeSecret;
use crate::rows::{RowMaker, Rows};
use crate::seen::{REMEMBERED_MS, saved};

/// Recent declarations are looked for among the table's last days first.
const RECENT_DAYS: i32 = 3;

/// Why partitions can't be begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The lake.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The log has fewer records than the lake has passed: one of the two isn't this city's.
    #[error(
        "the lake has passed offset {position} of {table} partition {kafka_partition}, and the log ends at {end}: \
         is this the log that the lake was written from?"
    )]
    Ahead {
        /// The table.
        table: &'static str,
        /// The partition.
        kafka_partition: i32,
        /// The table's position.
        position: i64,
        /// The log's end.
        end: i64,
    },
}

/// One partition of one table, as far as it has been read.
#[derive(Debug)]
pub(crate) struct Partition {
    maker: RowMaker,
    next_offset: i64,
    rows_from: i64,
}

impl Partition {
    /// The first offset that has not been taken.
    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The first offset whose record is neither in the table nor taken.
    pub(crate) fn reflected(&self) -> i64 {
        self.next_offset.max(self.rows_from)
    }

    /// What has been counted up to there.
    pub(crate) fn maker(&self) -> &RowMaker {
        &self.maker
    }

    /// Takes the partition's next records. Poison is told by its index in `records`.
    pub(crate) fn take(&mut self, records: &[Record]) -> Rows {
        self.take_as(records, RowMaker::rows)
    }

    /// The same, with the rows packed.
    pub(crate) fn take_packed(&mut self, records: &[Record]) -> Rows {
        self.take_as(records, RowMaker::packed)
    }

    fn take_as(&mut self, records: &[Record], rows: fn(&mut RowMaker, &[Record]) -> Rows) -> Rows {
        // Nothing is taken twice, and what the table has makes no rows.
        let taken = records.partition_point(|record| record.offset < self.next_offset);
        let known = records.partition_point(|record| record.offset < self.rows_from).max(taken);
        if known > taken {
            self.maker.packed(&records[taken..known]);
        }
        let mut rows = rows(&mut self.maker, &records[known..]);
        rows.poison.iter_mut().for_each(|(index, _)| *index += known);
        self.next_offset = records.last().map_or(self.next_offset, |last| self.next_offset.max(last.offset + 1));
        rows
    }
}

/// Begins partitions: each at its next offset, from where its records are to be read.
///
/// # Errors
/// If the lake can't be read, or lake and log don't belong together.
pub(crate) async fn begin(
    lake: &mut LakeTable,
    folder: &Path,
    secret: &LakeSecret,
    extents: &BTreeMap<i32, Extent>,
) -> Result<BTreeMap<i32, Partition>, BeginError> {
    let table = lake.table();
    let positions = lake.positions(extents.keys().copied()).await?;
    let mut partitions = BTreeMap::new();
    let mut from_table = BTreeSet::new();
    for (&kafka_partition, extent) in extents {
        let Some(&position) = positions.get(&kafka_partition) else {
            let maker = RowMaker::new(table, secret.clone());
            let begun = Partition { maker, next_offset: extent.start, rows_from: extent.start };
            partitions.insert(kafka_partition, begun);
            continue;
        };
        if position > extent.next {
            let end = extent.next;
            return Err(BeginError::Ahead { table: table.name(), kafka_partition, position, end });
        }
        let saved = saved::load(folder, table, kafka_partition)
            .filter(|(next_offset, _)| *next_offset == position || (extent.start..position).contains(next_offset));
        let (next_offset, numbers) = saved.unwrap_or_else(|| {
            from_table.insert(kafka_partition);
            (position, Default::default())
        });
        let maker = RowMaker::knowing(table, secret.clone(), numbers);
        partitions.insert(kafka_partition, Partition { maker, next_offset, rows_from: position });
    }
    note_numbers(lake, &mut partitions, &from_table).await?;
    note_declarations(lake, &mut partitions, &positions).await?;
    Ok(partitions)
}

/// The numbers of every row of these partitions.
async fn note_numbers(
    lake: &LakeTable,
    partitions: &mut BTreeMap<i32, Partition>,
    from_table: &BTreeSet<i32>,
) -> Result<(), LakeError> {
    let Some((numberer, number)) = lake.table().number_columns().filter(|_| !from_table.is_empty()) else {
        return Ok(());
    };
    let sql = format!(
        "SELECT kafka_partition, CAST({numberer} AS BIGINT), {number} FROM lake WHERE kafka_partition IN ({})",
        list(from_table)
    );
    let mut rows = lake.stream(&sql).await?;
    while let Some(batch) = rows.try_next().await.map_err(|error| lake.query_error(error))? {
        let kafka_partitions = batch.column(0).as_primitive::<Int32Type>();
        let (numberers, numbers) =
            (batch.column(1).as_primitive::<Int64Type>(), batch.column(2).as_primitive::<Int64Type>());
        for ((kafka_partition, &numberer), &number) in
            kafka_partitions.values().iter().zip(numberers.values()).zip(numbers.values())
        {
            if let Some(partition) = partitions.get_mut(kafka_partition) {
                partition.maker.note_number(numberer, number);
            }
        }
    }
    Ok(())
}

/// The declarations of each partition's last day, counted back from its newest: the log may have waited for longer than that.
async fn note_declarations(
    lake: &LakeTable,
    partitions: &mut BTreeMap<i32, Partition>,
    positions: &NextOffsets,
) -> Result<(), LakeError> {
    if !lake.table().has_declarations() {
        return Ok(());
    }
    let mut newest_ms = BTreeMap::new();
    let recent = format!("local_date >= (SELECT max(local_date) FROM lake) - INTERVAL '{RECENT_DAYS} days' AND");
    for within in [recent.as_str(), ""] {
        let missing: BTreeSet<_> = positions.keys().copied().filter(|p| !newest_ms.contains_key(p)).collect();
        if missing.is_empty() {
            break;
        }
        let sql = format!(
            "SELECT kafka_partition, arrow_cast(max(accepted_at), 'Timestamp(Millisecond, None)') FROM lake
             WHERE {within} kafka_partition IN ({}) GROUP BY kafka_partition",
            list(&missing)
        );
        for batch in lake.query(&sql).await? {
            let newest = batch.column(1).as_primitive::<TimestampMillisecondType>();
            let kafka_partitions = batch.column(0).as_primitive::<Int32Type>();
            newest_ms.extend(kafka_partitions.values().iter().copied().zip(newest.values().iter().copied()));
        }
    }
    let Some(oldest_needed_ms) = newest_ms.values().min().map(|newest| newest - REMEMBERED_MS) else { return Ok(()) };
    let sql = format!(
        "SELECT kafka_partition, declaration_id FROM lake
         WHERE accepted_at >= to_timestamp_millis({oldest_needed_ms}) AND kafka_partition IN ({})",
        list(&positions.keys().copied().collect())
    );
    let mut rows = lake.stream(&sql).await?;
    while let Some(batch) = rows.try_next().await.map_err(|error| lake.query_error(error))? {
        let kafka_partitions = batch.column(0).as_primitive::<Int32Type>();
        let ids = arrow::compute::cast(batch.column(1), &DataType::Utf8).expect("ids are text");
        let ids = ids.as_string::<i32>();
        for row in 0..ids.len() {
            let id = ids.value(row).parse::<DeclarationId>();
            if let (Ok(id), Some(partition)) = (id, partitions.get_mut(&kafka_partitions.value(row))) {
                partition.maker.note_declaration(id);
            }
        }
    }
    Ok(())
}

fn list(numbers: &BTreeSet<i32>) -> String {
    numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(", ")
}
