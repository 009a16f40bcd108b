//! Few files a day instead of many: small ones are merged, sorted anew, and replaced in one commit.
//!
//! delta-rs has an operation for it, which lets two merge the same files at once: its conflict check passes over removals that change no
//! data, and each of them adds the rows again. Here files are replaced only while the table still has all of them.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Date32Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{Date32Type, Field};
use deltalake::kernel::transaction::{CommitBuilder, TransactionError};
use deltalake::kernel::{Action, Add, Remove};
use deltalake::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use deltalake::protocol::DeltaOperation;
use deltalake::{DeltaResult, DeltaTableError};

use super::{LakeError, LakeTable, commit_properties, files};
use crate::fail_points::{COMPACTION, fail_point};
use crate::rows::packed;
use crate::tables::{PARTITION_COLUMN, Table};

/// A merged file has at most so many rows: they are sorted in memory.
const ROWS: usize = 300_000;
/// Files with fewer are small.
const SMALL: usize = ROWS / 2;
/// Rows read at once.
const READ: usize = 32 * 1024;

/// A file to be merged.
struct Small {
    path: PathBuf,
    rows: usize,
    remove: Remove,
}

/// Files that take the place of others.
struct Merged {
    added: Vec<Add>,
    removed: Vec<Remove>,
}

impl LakeTable {
    /// Merges the small files of each day, without touching positions; whether any were replaced. If somebody else replaces the same files
    /// meanwhile, nothing is.
    ///
    /// # Errors
    /// If files or the table's log can't be written. Then nothing has changed.
    pub async fn compact(&mut self) -> Result<bool, LakeError> {
        self.refresh().await?;
        let mut any = false;
        for (day, small) in self.small().map_err(|error| self.delta_error(error))? {
            for group in groups(small) {
                let (started, files) = (Instant::now(), group.len());
                let rows: usize = group.iter().map(|file| file.rows).sum();
                let merged = self.merge(day, group).await.map_err(|error| self.delta_error(error))?;
                fail_point(COMPACTION);
                if self.replace(merged).await? {
                    any = true;
                    let (table, took) = (self.table.name(), started.elapsed());
                    let day = Date32Type::to_naive_date_opt(day);
                    tracing::info!(table, ?day, files, rows, ?took, "small files are one");
                }
            }
        }
        Ok(any)
    }

    /// Writes what takes the place of small files.
    async fn merge(&self, day: i32, group: Vec<Small>) -> DeltaResult<Merged> {
        let rows = self.rows(day, &group).await?;
        let added = files::write(&self.delta, self.table, &rows).await?;
        let added = added.into_iter().map(|add| Add { data_change: false, ..add }).collect();
        Ok(Merged { added, removed: group.into_iter().map(|file| file.remove).collect() })
    }

    /// Puts merged files in the others' place, if all of those are still there.
    async fn replace(&mut self, merged: Merged) -> Result<bool, LakeError> {
        let Merged { added, removed } = merged;
        loop {
            // Vacuum counts from when a file is taken out of the table, which may be long after it was read.
            let deletion_timestamp = Some(chrono::Utc::now().timestamp_millis());
            let removed_now = removed.iter().map(|remove| Remove { deletion_timestamp, ..remove.clone() });
            let actions = removed_now.map(Action::Remove).chain(added.iter().cloned().map(Action::Add)).collect();
            let operation = DeltaOperation::Optimize { predicate: None, target_size: 0 };
            let commit = CommitBuilder::from(commit_properties().with_max_retries(0))
                .with_actions(actions)
                .build(
                    Some(self.delta.snapshot().map_err(|error| self.delta_error(error))?),
                    self.delta.log_store(),
                    operation,
                )
                .await;
            match commit {
                Ok(commit) => {
                    self.delta.state = Some(commit.snapshot());
                    self.followed += 1;
                    return Ok(true);
                }
                Err(DeltaTableError::Transaction {
                    source: TransactionError::MaxCommitAttempts(_) | TransactionError::VersionAlreadyExists(_),
                }) => {
                    self.listed = None;
                    self.refresh().await?;
                    let there = self.paths().map_err(|error| self.delta_error(error))?;
                    if !removed.iter().all(|remove| there.contains(&remove.path)) {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(self.delta_error(error)),
            }
        }
    }

    fn paths(&self) -> DeltaResult<HashSet<String>> {
        Ok(self.delta.snapshot()?.log_data().iter().map(|file| file.remove_action(false).path).collect())
    }

    /// The small files of each day, in days since 1970.
    fn small(&self) -> DeltaResult<BTreeMap<i32, Vec<Small>>> {
        let mut by_day: BTreeMap<i32, Vec<Small>> = BTreeMap::new();
        for file in self.delta.snapshot()?.log_data().iter() {
            let day = file.partition_values_map().remove(PARTITION_COLUMN).flatten();
            let day = day.and_then(|day| day.parse::<chrono::NaiveDate>().ok()).map(Date32Type::from_naive_date);
            if let (Some(day), Some(rows @ ..SMALL)) = (day, file.num_records()) {
                let path = self.folder.join(file.object_store_path().as_ref());
                let small = Small { path, rows, remove: file.remove_action(false) };
                by_day.entry(day).or_default().push(small);
            }
        }
        Ok(by_day)
    }

    async fn rows(&self, day: i32, group: &[Small]) -> DeltaResult<Vec<RecordBatch>> {
        let (table, paths): (_, Vec<_>) = (self.table, group.iter().map(|file| file.path.clone()).collect());
        let read = move || paths.iter().map(|path| read(path, day, table)).collect::<DeltaResult<Vec<_>>>();
        let read = tokio::task::spawn_blocking(read).await.map_err(|_| DeltaTableError::generic("a thread broke"))?;
        Ok(read?.concat())
    }
}

/// A file's rows with the table's columns, packed: a file has all but its day.
fn read(path: &Path, day: i32, table: Table) -> DeltaResult<Vec<RecordBatch>> {
    let schema = packed::schema(table);
    let file = File::open(path)?;
    let stored = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
    // Batches share the file's dictionaries, instead of having each text of each row.
    let options = ArrowReaderOptions::new().with_schema(packed::of(table, stored.schema()));
    let stored = ArrowReaderMetadata::try_new(Arc::clone(stored.metadata()), options)?;
    let rows = ParquetRecordBatchReaderBuilder::new_with_metadata(file, stored).with_batch_size(READ).build()?;
    rows.map(|rows| {
        let rows = rows?;
        let column = |field: &Arc<Field>| -> DeltaResult<ArrayRef> {
            if field.name() == PARTITION_COLUMN {
                return Ok(Arc::new(Date32Array::from_value(day, rows.num_rows())));
            }
            let column = rows.column_by_name(field.name());
            let column =
                column.ok_or_else(|| DeltaTableError::generic(format!("{} has no {field}", path.display())))?;
            Ok(cast(column, field.data_type())?)
        };
        let columns = schema.fields().iter().map(column).collect::<Result<_, _>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
    })
    .collect()
}

/// Neighbours that fit into one file; one alone stays as it is.
fn groups(mut small: Vec<Small>) -> Vec<Vec<Small>> {
    small.sort_by_key(|file| file.rows);
    let mut groups: Vec<(usize, Vec<Small>)> = Vec::new();
    for file in small {
        match groups.last_mut() {
            Some((rows, group)) if *rows + file.rows <= ROWS => {
                *rows += file.rows;
                group.push(file);
            }
            _ => groups.push((file.rows, vec![file])),
        }
    }
    groups.into_iter().map(|(_, group)| group).filter(|group| group.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::Committed;
    use crate::lake::fevers::upload;
    use crate::pseudonym::LakeSecret;
    use crate::rows::RowMaker;

    async fn count(lake: &LakeTable) -> usize {
        let rows = lake.query("SELECT seq, local_date, reasons FROM lake WHERE reasons[1] = 'fever'").await.unwrap();
        rows.iter().map(RecordBatch::num_rows).sum()
    }

    #[tokio::test]
    async fn two_that_merge_the_same_files_leave_each_row_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut lake = LakeTable::open(folder.path(), Table::Scans).await.unwrap();
        let mut maker = RowMaker::new(Table::Scans, LakeSecret::new([3; 32]));
        let commit = async |lake: &mut LakeTable, maker: &mut RowMaker, offset: i64| {
            let rows = maker.rows(&[upload(offset, 0)]).batch;
            let from = [(0, (offset > 0).then_some(offset))].into();
            let committed = lake.commit(&[rows], &from, &[(0, offset + 1)].into()).await.unwrap();
            assert_eq!(committed, Committed::Yes);
        };
        for offset in 0..5 {
            commit(&mut lake, &mut maker, offset).await;
        }
        let mut zombie = lake.clone();
        let all = async |lake: &LakeTable| {
            let (day, small) = lake.small().unwrap().pop_first().unwrap();
            lake.merge(day, small).await.unwrap()
        };
        let (late, early) = (all(&zombie).await, all(&lake).await);
        // New rows are in nobody's way; files that are gone already are.
        commit(&mut lake, &mut maker, 5).await;
        assert!(lake.replace(early).await.unwrap());
        assert!(!zombie.replace(late).await.unwrap());
        assert_eq!(zombie.paths().unwrap().len(), 2);
        assert_eq!(count(&zombie).await, 60);
        assert!(zombie.compact().await.unwrap() && !zombie.compact().await.unwrap());
        assert_eq!((count(&zombie).await, zombie.paths().unwrap().len()), (60, 1));
    }
}
