//! One Delta table, and the one way to write it: files and positions in a single commit.
//!
//! A commit carries, per Kafka partition, the application transaction `suikang/<table>/<kafka_partition>` whose version is the next offset.
//! It is made only on a snapshot that has exactly the batch's first offsets stored. delta-rs resolves conflicts between appends by itself and
//! doesn't compare versions, so a commit here never retries by itself: it looks again first.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::prelude::SessionContext;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake::kernel::{Action, Add, StructField, StructType, Transaction};
use deltalake::parquet::basic::{Compression, ZstdLevel};
use deltalake::parquet::file::properties::WriterProperties;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::writer::{DeltaWriter as _, RecordBatchWriter};
use deltalake::{DeltaTable, DeltaTableError};
use suikang_schemas::DeclarationId;
use suikang_stream::NextOffsets;

use crate::metrics;
use crate::rows::RowMaker;
use crate::tables::{PARTITION_COLUMN, Table};

/// Why the lake can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// delta-rs.
    #[error("table {table}: {error}")]
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
    /// DataFusion.
    #[error("table {table}: {error}")]
    Query {
        /// Which.
        table: &'static str,
        /// Why.
        error: Box<datafusion::error::DataFusionError>,
    },
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// The batch is in the table.
    Yes,
    /// Another writer has moved the positions: the batch must be discarded and read again.
    Moved,
}

/// A handle to one table.
#[derive(Debug, Clone)]
pub struct LakeTable {
    table: Table,
    folder: PathBuf,
    delta: DeltaTable,
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
        let delta_error = |error| LakeError::Delta { table: table.name(), error: Box::new(error) };
        let mut delta = deltalake::ensure_table_uri(folder.to_string_lossy())
            .and_then(deltalake::DeltaTableBuilder::from_url)
            .and_then(|builder| builder.build())
            .map_err(delta_error)?;
        if !delta.verify_deltatable_existence().await.map_err(delta_error)?
            && let Err(error) = create(&delta, table).await
        {
            // Another process was faster, or the next line says what is wrong.
            tracing::debug!(table = table.name(), %error, "the table was not created here");
        }
        delta.load().await.map_err(delta_error)?;
        Ok(Self { table, folder, delta })
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
        self.delta.update_state().await.map_err(|error| self.delta_error(error))?;
        Ok(self.version() != before)
    }

    /// The next offsets that the table has stored, at this handle's version.
    ///
    /// # Errors
    /// If the table's log can't be read.
    pub async fn positions(&self, kafka_partitions: impl IntoIterator<Item = i32>) -> Result<NextOffsets, LakeError> {
        let log_store = self.delta.log_store();
        let snapshot = self.delta.snapshot().map_err(|error| self.delta_error(error))?;
        let mut positions = NextOffsets::new();
        for kafka_partition in kafka_partitions {
            let stored = snapshot
                .transaction_version(log_store.as_ref(), self.transaction_id(kafka_partition))
                .await
                .map_err(|error| self.delta_error(error))?;
            positions.extend(stored.map(|next_offset| (kafka_partition, next_offset)));
        }
        Ok(positions)
    }

    /// Commits rows and moves the positions, if they are where the batch began.
    ///
    /// `from` has for each of the batch's partitions the offset stored before, or nothing if none was; `to` what is stored after.
    ///
    /// # Errors
    /// If files or the table's log can't be written; then nothing is visible of the batch.
    pub async fn commit(
        &mut self,
        rows: &[RecordBatch],
        from: &BTreeMap<i32, Option<i64>>,
        to: &NextOffsets,
    ) -> Result<Committed, LakeError> {
        let started = Instant::now();
        let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
        self.refresh().await?;
        if !self.stands_at(from).await? {
            metrics::moved(self.table.name());
            return Ok(Committed::Moved);
        }
        let files = self.write_files(rows).await?;
        loop {
            match self.try_commit(files.clone(), to).await {
                Ok(()) => break,
                Err(DeltaTableError::Transaction {
                    source: TransactionError::MaxCommitAttempts(_) | TransactionError::VersionAlreadyExists(_),
                }) => {
                    // Somebody has committed: compaction, or another writer's partitions. Ours must still be where they were.
                    self.refresh().await?;
                    if !self.stands_at(from).await? {
                        metrics::moved(self.table.name());
                        return Ok(Committed::Moved);
                    }
                }
                Err(error) => return Err(self.delta_error(error)),
            }
        }
        self.refresh().await?;
        self.sync_log()?;
        metrics::committed(self.table.name(), count, started.elapsed());
        Ok(Committed::Yes)
    }

    async fn stands_at(&self, from: &BTreeMap<i32, Option<i64>>) -> Result<bool, LakeError> {
        let stored = self.positions(from.keys().copied()).await?;
        Ok(from.iter().all(|(kafka_partition, expected)| stored.get(kafka_partition) == expected.as_ref()))
    }

    /// Parquet files that nothing refers to yet, on disk for good.
    async fn write_files(&self, rows: &[RecordBatch]) -> Result<Vec<Add>, LakeError> {
        let failed = |error| self.delta_error(error);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).expect("3 is a level")))
            .build();
        let mut writer = RecordBatchWriter::for_table(&self.delta).map_err(failed)?.with_writer_properties(properties);
        for batch in rows.iter().filter(|batch| batch.num_rows() > 0) {
            writer.write(batch.clone()).await.map_err(failed)?;
        }
        let files = writer.flush().await.map_err(failed)?;
        for file in &files {
            let path = self.folder.join(&file.path);
            sync(&path)?;
            path.parent().map_or(Ok(()), sync)?;
        }
        Ok(files)
    }

    async fn try_commit(&self, files: Vec<Add>, to: &NextOffsets) -> Result<(), DeltaTableError> {
        let transactions = to
            .iter()
            .map(|(&kafka_partition, &next_offset)| Transaction::new(self.transaction_id(kafka_partition), next_offset))
            .collect();
        let properties = CommitProperties::default().with_application_transactions(transactions).with_max_retries(0);
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(vec![PARTITION_COLUMN.to_owned()]),
            predicate: None,
        };
        CommitBuilder::from(properties)
            .with_actions(files.into_iter().map(Action::Add).collect())
            .build(Some(self.delta.snapshot()?), self.delta.log_store(), operation)
            .await?;
        Ok(())
    }

    /// Merges the small files of each day, without touching positions.
    ///
    /// # Errors
    /// If files or the table's log can't be written.
    pub async fn compact(&mut self) -> Result<(), LakeError> {
        let (delta, _) = self.delta.clone().optimize().await.map_err(|error| self.delta_error(error))?;
        self.delta = delta;
        self.sync_log()
    }

    /// Deletes files that no version younger than `hours` needs.
    ///
    /// # Errors
    /// If files can't be deleted.
    pub async fn vacuum(&mut self, hours: u64) -> Result<(), LakeError> {
        let retention = chrono::Duration::hours(i64::try_from(hours).unwrap_or(i64::MAX / 3_600_000));
        let vacuumed =
            self.delta.clone().vacuum().with_retention_period(retention).with_enforce_retention_duration(false).await;
        (self.delta, _) = vacuumed.map_err(|error| self.delta_error(error))?;
        Ok(())
    }

    /// Tells a maker of rows what the table has already.
    ///
    /// # Errors
    /// If the table can't be read.
    pub async fn teach(&self, maker: &mut RowMaker, now_ms: i64) -> Result<(), LakeError> {
        let failed = |error| LakeError::Query { table: self.table.name(), error: Box::new(error) };
        let context = SessionContext::new();
        self.register(&context, "lake").await?;
        let sql = match self.table {
            Table::Scans => "SELECT device_epoch, seq FROM lake".to_owned(),
            // Ids of the last day and a bit: older ones can't come again.
            _ => format!(
                "SELECT declaration_id FROM lake WHERE accepted_at >= to_timestamp_millis({})",
                now_ms - 36 * 3_600_000
            ),
        };
        let batches = context.sql(&sql).await.map_err(failed)?.collect().await.map_err(failed)?;
        for batch in &batches {
            match self.table {
                Table::Scans => {
                    let (epochs, seqs) =
                        (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Int64Type>());
                    epochs.values().iter().zip(seqs.values()).for_each(|(&epoch, &seq)| maker.note_scan(epoch, seq));
                }
                _ => {
                    let ids = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8)
                        .map_err(|error| failed(error.into()))?;
                    let ids = ids.as_string::<i32>();
                    for id in (0..ids.len()).filter_map(|row| ids.value(row).parse::<DeclarationId>().ok()) {
                        maker.note_declaration(id, now_ms);
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes the table, at this handle's version, readable in SQL under a name.
    ///
    /// # Errors
    /// If the table's log can't be read.
    pub async fn register(&self, context: &SessionContext, name: &str) -> Result<(), LakeError> {
        self.delta.update_datafusion_session(&context.state()).map_err(|error| self.delta_error(error))?;
        let failed = |error| LakeError::Query { table: self.table.name(), error: Box::new(error) };
        let provider = self.delta.table_provider().await.map_err(|error| self.delta_error(error.into()))?;
        context.register_table(name, provider).map_err(failed)?;
        Ok(())
    }

    fn transaction_id(&self, kafka_partition: i32) -> String {
        format!("suikang/{}/{kafka_partition}", self.table.name())
    }

    /// The newest entry of the table's log, on disk for good before the log of records may forget.
    fn sync_log(&self) -> Result<(), LakeError> {
        let log = self.folder.join("_delta_log");
        sync(&log.join(format!("{:020}.json", self.version())))?;
        sync(&log)
    }

    fn delta_error(&self, error: DeltaTableError) -> LakeError {
        LakeError::Delta { table: self.table.name(), error: Box::new(error) }
    }
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
        .with_configuration_property(deltalake::TableProperty::CheckpointInterval, Some("50"))
        .await?;
    Ok(())
}

/// Local object stores don't sync what they write, nor the folders.
fn sync(path: &Path) -> Result<(), LakeError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| LakeError::Io { path: path.to_owned(), error })
}
