//! One Delta table, and the one way to write it: files and positions in a single commit.
//!
//! A commit carries, per Kafka partition, the application transaction `suikang/<table>/<kafka_partition>` whose version is the next offset.
//! It is made only on a snapshot that has exactly the batch's first offsets stored. delta-rs resolves conflicts between appends by itself and
//! doesn't compare versions, so a commit here never retries by itself: it looks again first.

mod compact;
mod durable;
mod entries;
#[cfg(test)]
mod fevers;
mod files;
mod order;
mod positions;
mod scan;
mod tidy;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, FinalizedCommit, TransactionError};
use deltalake::kernel::{Action, Add, StructField, StructType, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError, TableProperty};
use futures::TryStreamExt as _;
use suikang_stream::NextOffsets;

use crate::fail_points::{AFTER_COMMIT, AFTER_FILES, fail_point};
use crate::metrics;
use crate::tables::{PARTITION_COLUMN, Table};
pub use entries::{RepairError, Repaired, repair};
use positions::{Positions, transaction_id};

/// A handle that has followed this many versions is opened anew: what it holds grows with them.
const REOPEN_AFTER: u32 = 100;
/// A handle whose next entry isn't there looks for later ones this often: entries expire.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// Why the lake can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// delta-rs, whose errors may carry a backtrace behind their first line.
    #[error("table {table}: {}", first_line(error))]
    Delta {
        /// Which.
        table: &'static str,
        /// Why.
        error: Box<DeltaTableError>,
    },
    /// The files.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// An entry of a table's log is not as it was written.
    #[error("{} is damaged: {why}; stop what uses the lake, and run `suikang lake repair`", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// DataFusion.
    #[error("table {table}: {error}")]
    Query {
        /// Which.
        table: &'static str,
        /// Why.
        error: Box<DataFusionError>,
    },
}

fn first_line(error: &DeltaTableError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// The batch is in the table.
    Yes,
    /// Another writer has moved the positions: the batch must be discarded and read again.
    Moved,
}

/// A handle to one table at one version.
#[derive(Debug, Clone)]
pub struct LakeTable {
    table: Table,
    folder: PathBuf,
    delta: DeltaTable,
    positions: Positions,
    followed: u32,
    /// When the table's log was listed last.
    listed: Option<Instant>,
}

impl LakeTable {
    /// Opens the table in `lake`, or creates it.
    ///
    /// # Errors
    /// If the folder can't be used or holds something else.
    pub async fn open(lake: &Path, table: Table) -> Result<Self, LakeError> {
        let folder = lake.join(table.name());
        let io = |error| LakeError::Io { path: folder.clone(), error };
        std::fs::create_dir_all(&folder).map_err(io)?;
        let folder = folder.canonicalize().map_err(io)?;
        entries::check_all(&folder)?;
        let delta_error = |error| LakeError::Delta { table: table.name(), error: Box::new(error) };
        let mut delta = handle(&folder).map_err(delta_error)?;
        let created = match delta.verify_deltatable_existence().await.map_err(delta_error)? {
            true => Ok(()),
            false => create(&delta, table).await,
        };
        // If another process was faster, its table is as good.
        delta.load().await.map_err(|error| delta_error(created.err().unwrap_or(error)))?;
        Ok(Self { table, folder, delta, positions: Positions::default(), followed: 0, listed: Some(Instant::now()) })
    }

    /// Which table.
    pub fn table(&self) -> Table {
        self.table
    }

    /// The version that this handle has read.
    pub fn version(&self) -> i64 {
        self.delta.version().map_or(-1, |version| i64::try_from(version).unwrap_or(i64::MAX))
    }

    /// The table at the version that this handle has read.
    pub fn delta(&self) -> &DeltaTable {
        &self.delta
    }

    /// Reads on to the newest version; whether there was one.
    ///
    /// # Errors
    /// If the table's log can't be read.
    pub async fn refresh(&mut self) -> Result<bool, LakeError> {
        let before = self.version();
        // Listing a log of days takes long, and what comes next has a name.
        let is_next_there = entries::check_after(&self.folder, before)?;
        if !is_next_there && self.listed.is_some_and(|listed| listed.elapsed() < LIST_EVERY) {
            return Ok(false);
        }
        let updated = if self.followed < REOPEN_AFTER { self.delta.update_state().await.is_ok() } else { false };
        if !updated {
            // Due, or the entries that this handle would read next have expired.
            entries::check_all(&self.folder)?;
            let mut delta = handle(&self.folder).map_err(|error| self.delta_error(error))?;
            delta.load().await.map_err(|error| self.delta_error(error))?;
            self.delta = delta;
            self.followed = 0;
        }
        self.listed = Some(Instant::now());
        let newer = self.version() != before;
        self.followed += u32::from(newer);
        Ok(newer)
    }

    /// The next offsets that the table has stored for these partitions, at this handle's version.
    ///
    /// # Errors
    /// If the table's log can't be read.
    pub async fn positions(
        &mut self,
        kafka_partitions: impl IntoIterator<Item = i32>,
    ) -> Result<NextOffsets, LakeError> {
        let positions = self.positions.at(&self.delta, self.table.name(), kafka_partitions).await;
        positions.map_err(|error| self.delta_error(error))
    }

    /// Commits rows and moves the positions, if they are where the batch began.
    ///
    /// `from` has for each of the batch's partitions the offset stored before, or nothing if none was; `to` what is stored after.
    ///
    /// # Errors
    /// If files or the table's log can't be written. Nothing is visible of the batch then, unless it was the very last step that failed:
    /// whoever tries again is told that the positions have moved.
    pub async fn commit(
        &mut self,
        rows: &[RecordBatch],
        from: &BTreeMap<i32, Option<i64>>,
        to: &NextOffsets,
    ) -> Result<Committed, LakeError> {
        let started = Instant::now();
        let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
        if !self.stands_at(from).await? {
            metrics::moved(self.table.name());
            return Ok(Committed::Moved);
        }
        let files = files::write(&self.delta, self.table, rows).await.map_err(|error| self.delta_error(error))?;
        fail_point(AFTER_FILES);
        let commit = loop {
            match self.try_commit(files.clone(), to).await {
                Ok(commit) => break commit,
                Err(DeltaTableError::Transaction {
                    source: TransactionError::MaxCommitAttempts(_) | TransactionError::VersionAlreadyExists(_),
                }) => {
                    // Somebody has committed: compaction, or another writer's partitions. Ours must still be where they were.
                    self.listed = None;
                    if !self.stands_at(from).await? {
                        metrics::moved(self.table.name());
                        return Ok(Committed::Moved);
                    }
                }
                Err(error) => return Err(self.delta_error(error)),
            }
        };
        fail_point(AFTER_COMMIT);
        self.positions.committed(commit.version(), to);
        self.delta.state = Some(commit.snapshot());
        self.followed += 1;
        metrics::committed(self.table.name(), count, started.elapsed());
        Ok(Committed::Yes)
    }

    /// Whether the newest version has exactly these positions.
    async fn stands_at(&mut self, from: &BTreeMap<i32, Option<i64>>) -> Result<bool, LakeError> {
        self.refresh().await?;
        let stored = self.positions(from.keys().copied()).await?;
        Ok(from.iter().all(|(kafka_partition, expected)| stored.get(kafka_partition) == expected.as_ref()))
    }

    async fn try_commit(&self, files: Vec<Add>, to: &NextOffsets) -> Result<FinalizedCommit, DeltaTableError> {
        let transactions = to.iter().map(|(&kafka_partition, &next_offset)| {
            Transaction::new(transaction_id(self.table.name(), kafka_partition), next_offset)
        });
        let properties = commit_properties()
            .with_application_transactions(transactions.collect())
            // None: see above.
            .with_max_retries(0);
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(vec![PARTITION_COLUMN.to_owned()]),
            predicate: None,
        };
        CommitBuilder::from(properties)
            .with_actions(files.into_iter().map(Action::Add).collect())
            .build(Some(self.delta.snapshot()?), self.delta.log_store(), operation)
            .await
    }

    /// Makes the table, at this handle's version, readable in SQL under a name.
    ///
    /// # Errors
    /// If the table's log can't be read.
    pub fn register(&self, context: &SessionContext, name: &str) -> Result<(), LakeError> {
        context.register_table(name, self.as_table()?).map_err(|error| self.query_error(error))?;
        Ok(())
    }

    /// The table at this handle's version, as DataFusion reads it.
    pub(crate) fn as_table(&self) -> Result<Arc<dyn TableProvider>, LakeError> {
        let files = scan::Files::new(&self.delta, &self.folder, self.table).map_err(|error| self.delta_error(error))?;
        Ok(Arc::new(files))
    }

    /// The files that hold its rows, at this handle's version.
    ///
    /// # Errors
    /// If the table's log can't be read.
    pub fn files(&self) -> Result<Vec<PathBuf>, LakeError> {
        let snapshot = self.delta.snapshot().map_err(|error| self.delta_error(error))?;
        Ok(snapshot.log_data().iter().map(|file| self.folder.join(file.object_store_path().as_ref())).collect())
    }

    /// The rows of a query over this table, called `lake`, at this handle's version.
    ///
    /// # Errors
    /// If the query is wrong, or a file can't be read.
    pub async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, LakeError> {
        self.stream(sql).await?.try_collect().await.map_err(|error| self.query_error(error))
    }

    /// The same, batch by batch.
    pub(crate) async fn stream(&self, sql: &str) -> Result<SendableRecordBatchStream, LakeError> {
        let context = SessionContext::new();
        self.register(&context, "lake")?;
        let question = context.sql(sql).await.map_err(|error| self.query_error(error))?;
        question.execute_stream().await.map_err(|error| self.query_error(error))
    }

    pub(crate) fn query_error(&self, error: DataFusionError) -> LakeError {
        LakeError::Query { table: self.table.name(), error: Box::new(error) }
    }

    fn delta_error(&self, error: DeltaTableError) -> LakeError {
        LakeError::Delta { table: self.table.name(), error: Box::new(error) }
    }
}

/// Expired log entries go when the table is tidied, not at every commit, which would list them all.
fn commit_properties() -> CommitProperties {
    CommitProperties::default().with_cleanup_expired_logs(Some(false))
}

fn handle(folder: &Path) -> Result<DeltaTable, DeltaTableError> {
    let url = deltalake::ensure_table_uri(folder.to_string_lossy())?;
    DeltaTableBuilder::from_url(url.clone())?
        .with_storage_backend(Arc::new(durable::DurableStore::default()), url)
        .build()
}

async fn create(delta: &DeltaTable, table: Table) -> Result<(), DeltaTableError> {
    let schema: StructType = table.schema().as_ref().try_into_kernel()?;
    delta
        .clone()
        .create()
        .with_table_name(table.name())
        .with_comment(table.comment())
        .with_columns(schema.fields().cloned().collect::<Vec<StructField>>())
        .with_partition_columns([PARTITION_COLUMN])
        .with_configuration_property(TableProperty::CheckpointInterval, Some("50"))
        .with_configuration_property(TableProperty::DeletedFileRetentionDuration, Some(tidy::FORGOTTEN_AFTER))
        .await?;
    Ok(())
}
