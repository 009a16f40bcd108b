//! What a writer has in hand: partitions it owns, and their rows that are not committed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use suikang_stream::{Extent, NewRecord, NextOffsets, Record};

use crate::partition::Partition;

/// Rows in hand, by partition.
pub(super) struct Batch {
    owned: BTreeMap<i32, Owned>,
    interval: Duration,
    /// When the oldest record in hand is to be committed.
    due: Option<Instant>,
    /// What is set aside before the next commit.
    pub(super) letters: Vec<NewRecord>,
}

struct Owned {
    partition: Partition,
    /// What the table has stored.
    stored: Option<i64>,
    /// Where the partition was before the records in hand.
    committed: i64,
    rows: Vec<RecordBatch>,
    count: usize,
}

impl Batch {
    pub(super) fn new(interval: Duration) -> Self {
        Self { owned: BTreeMap::new(), interval, due: None, letters: Vec::new() }
    }

    pub(super) fn gain(&mut self, kafka_partition: i32, partition: Partition, stored: Option<i64>) {
        let committed = stored.unwrap_or(partition.next_offset());
        self.owned.insert(kafka_partition, Owned { partition, stored, committed, rows: Vec::new(), count: 0 });
    }

    /// Forgets partitions and their rows: whoever has them now reads them again.
    pub(super) fn lose(&mut self, kafka_partitions: &[i32]) {
        self.owned.retain(|kafka_partition, _| !kafka_partitions.contains(kafka_partition));
        if !self.owned.values().any(Owned::has_moved) {
            self.due = None;
        }
    }

    /// Takes records; what makes no row is told with its reason, and what comes back is set aside.
    pub(super) fn take(&mut self, records: &[Record], mut poison: impl FnMut(&Record, &str) -> Option<NewRecord>) {
        for run in records.chunk_by(|a, b| a.kafka_partition == b.kafka_partition) {
            // Of a partition that was lost meanwhile nothing is taken.
            let Some(owned) = self.owned.get_mut(&run[0].kafka_partition) else { continue };
            let made = owned.partition.take_packed(run);
            self.letters.extend(made.poison.iter().filter_map(|(i, error)| poison(&run[*i], &error.to_string())));
            if made.batch.num_rows() > 0 {
                owned.count += made.batch.num_rows();
                owned.rows.push(made.batch);
            }
            if owned.has_moved() && self.due.is_none() {
                self.due = Some(Instant::now() + self.interval);
            }
        }
    }

    /// Whether there are records before these ends that were not taken.
    pub(super) fn is_before(&self, extents: &BTreeMap<i32, Extent>) -> bool {
        self.owned.iter().any(|(kafka_partition, owned)| {
            extents.get(kafka_partition).is_some_and(|extent| owned.partition.next_offset() < extent.next)
        })
    }

    /// Whether the partition is this writer's.
    pub(super) fn owns(&self, kafka_partition: i32) -> bool {
        self.owned.contains_key(&kafka_partition)
    }

    pub(super) fn is_due(&self, most_rows: usize) -> bool {
        self.due.is_some_and(|due| Instant::now() >= due)
            || self.owned.values().map(|owned| owned.count).sum::<usize>() >= most_rows
    }

    /// From where to where a commit moves: only partitions of which something is in hand.
    pub(super) fn positions(&self) -> (BTreeMap<i32, Option<i64>>, NextOffsets) {
        let moved = || self.owned.iter().filter(|(_, owned)| owned.has_moved());
        let from = moved().map(|(&kafka_partition, owned)| (kafka_partition, owned.stored)).collect();
        let to = moved().map(|(&kafka_partition, owned)| (kafka_partition, owned.partition.next_offset())).collect();
        (from, to)
    }

    pub(super) fn rows(&self) -> Vec<RecordBatch> {
        self.owned.values().flat_map(|owned| owned.rows.iter().cloned()).collect()
    }

    /// Everything in hand is in the table now.
    pub(super) fn committed(&mut self, to: &NextOffsets) {
        for (kafka_partition, &next_offset) in to {
            if let Some(owned) = self.owned.get_mut(kafka_partition) {
                owned.stored = Some(next_offset);
                owned.committed = next_offset;
                owned.rows.clear();
                owned.count = 0;
            }
        }
        self.due = None;
    }

    /// Where the table is.
    pub(super) fn stored(&self) -> NextOffsets {
        self.owned.iter().filter_map(|(&kafka_partition, owned)| Some((kafka_partition, owned.stored?))).collect()
    }

    /// Partitions that stand exactly where the table does.
    pub(super) fn partitions(&self) -> impl Iterator<Item = (i32, &Partition)> {
        self.owned
            .iter()
            .filter(|(_, owned)| owned.stored == Some(owned.partition.next_offset()))
            .map(|(&kafka_partition, owned)| (kafka_partition, &owned.partition))
    }
}

impl Owned {
    fn has_moved(&self) -> bool {
        self.partition.next_offset() > self.committed
    }
}
