//! The positions that a table has stored: read once, then followed commit by commit.
//!
//! delta-rs reads the table's log anew for each application transaction it is asked for. Entries of the log are small, and a reader that
//! has followed them knows all positions.

use std::collections::BTreeMap;

use deltalake::{DeltaResult, DeltaTable};
use serde::Deserialize;
use suikang_stream::NextOffsets;

/// What is known of a table's positions, at one of its versions.
#[derive(Debug, Clone, Default)]
pub(super) struct Positions {
    version: u64,
    /// A partition that has never been written has nothing.
    by_partition: BTreeMap<i32, Option<i64>>,
}

/// A line of an entry.
#[derive(Deserialize)]
struct Line {
    txn: Option<Txn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Txn {
    app_id: String,
    version: i64,
}

/// The application transaction that holds a partition's next offset.
pub(super) fn transaction_id(table: &str, kafka_partition: i32) -> String {
    format!("suikang/{table}/{kafka_partition}")
}

impl Positions {
    /// The positions of these partitions at the version that `delta` has read.
    pub(super) async fn at(
        &mut self,
        delta: &DeltaTable,
        table: &str,
        kafka_partitions: impl IntoIterator<Item = i32>,
    ) -> DeltaResult<NextOffsets> {
        self.follow(delta, table).await?;
        let mut positions = NextOffsets::new();
        for kafka_partition in kafka_partitions {
            let stored = match self.by_partition.get(&kafka_partition) {
                Some(stored) => *stored,
                None => {
                    let id = transaction_id(table, kafka_partition);
                    let stored = delta.snapshot()?.transaction_version(delta.log_store().as_ref(), id).await?;
                    *self.by_partition.entry(kafka_partition).or_insert(stored)
                }
            };
            positions.extend(stored.map(|next_offset| (kafka_partition, next_offset)));
        }
        Ok(positions)
    }

    /// Notes what a commit of our own has stored.
    pub(super) fn committed(&mut self, version: u64, to: &NextOffsets) {
        if version == self.version + 1 {
            self.version = version;
            self.by_partition.extend(to.iter().map(|(&kafka_partition, &next)| (kafka_partition, Some(next))));
        }
    }

    async fn follow(&mut self, delta: &DeltaTable, table: &str) -> DeltaResult<()> {
        let newest = delta.version().unwrap_or_default();
        if self.by_partition.is_empty() || newest < self.version {
            *self = Self { version: newest, by_partition: BTreeMap::new() };
        }
        let prefix = transaction_id(table, 0);
        let prefix = &prefix[..prefix.len() - 1];
        while self.version < newest {
            let Some(entry) = delta.log_store().read_commit_entry(self.version + 1).await? else {
                // The entry has expired: what isn't known is read as if for the first time.
                *self = Self { version: newest, by_partition: BTreeMap::new() };
                return Ok(());
            };
            for line in entry.split(|byte| *byte == b'\n') {
                let Ok(Line { txn: Some(txn) }) = serde_json::from_slice(line) else { continue };
                let kafka_partition = txn.app_id.strip_prefix(prefix).and_then(|number| number.parse().ok());
                self.by_partition.extend(kafka_partition.map(|kafka_partition| (kafka_partition, Some(txn.version))));
            }
            self.version += 1;
        }
        Ok(())
    }
}
