//! The joined read: a cut is a version of each table and the tail of the log from precisely that version's positions.
//!
//! A follower per table reads the log on from where the lake was, keeps the rows that the lake doesn't have, and lets them go once it has. A
//! query takes the cut that is current and keeps it; the next one is put in its place by one pointer swap.

mod tail;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use serde::Serialize;
use suikang_stream::{Log, NextOffsets, Readiness, Record};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::lake::{LakeError, LakeTable};
use crate::partition::{self, Partition};
use crate::pseudonym::LakeSecret;
use crate::tables::Table;
use crate::writer::WriterError;
use crate::{Settings, metrics};
use tail::Tail;

/// How long a read waits for records; freshness is this and a batch.
const WAIT: Duration = Duration::from_millis(50);
/// Records read at once.
const BATCH: usize = 2_000;
/// How often the lake is asked for a newer version.
const REFRESH: Duration = Duration::from_millis(1_000);
/// How long to wait before something that doesn't work now is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// One table at one moment.
#[derive(Debug)]
pub struct TableCut {
    /// The lake's part.
    pub lake: LakeTable,
    /// Its files, as DataFusion reads them.
    files: Arc<dyn TableProvider>,
    /// The log's part: rows that the lake's part doesn't have.
    pub tail: Vec<RecordBatch>,
    /// What this cut reflects: the log up to these offsets.
    pub next_offsets: NextOffsets,
    /// The time of the newest record in it, in milliseconds since 1970; 0 if there is none.
    pub newest_ms: i64,
}

/// The name of a table's cut: asked again on it, a question has the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CutName {
    /// The Delta version.
    pub table_version: i64,
    /// The log up to these offsets, by partition.
    pub next_offsets: NextOffsets,
}

impl TableCut {
    /// A table without a tail.
    ///
    /// # Errors
    /// If the lake can't be read.
    pub fn of_lake(lake: LakeTable, next_offsets: NextOffsets) -> Result<Self, LakeError> {
        Ok(Self { files: lake.as_table()?, lake, tail: Vec::new(), next_offsets, newest_ms: 0 })
    }

    /// Its name.
    pub fn name(&self) -> CutName {
        CutName { table_version: self.lake.version(), next_offsets: self.next_offsets.clone() }
    }
}

/// The current cut of every table. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Cuts {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    log: Arc<dyn Log>,
    secret: LakeSecret,
    current: [ArcSwapOption<TableCut>; 3],
    full: [AtomicBool; 3],
    /// Why a table isn't followed now.
    failed: [ArcSwapOption<String>; 3],
}

impl Cuts {
    /// Cuts that have not begun.
    pub fn new(settings: Settings, log: Arc<dyn Log>, secret: LakeSecret) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings,
                log,
                secret,
                current: Default::default(),
                full: Default::default(),
                failed: Default::default(),
            }),
        }
    }

    /// A table as it is now; nothing until it was read for the first time.
    pub fn current(&self, table: Table) -> Option<Arc<TableCut>> {
        self.shared.current[table as usize].load_full()
    }

    /// Whether every table can be read, and the lake keeps up.
    pub fn readiness(&self) -> Vec<Readiness> {
        let state = |table: Table| {
            if let Some(why) = self.shared.failed[table as usize].load_full() {
                Some(format!("{}: {why}", table.name()))
            } else if self.current(table).is_none() {
                Some(format!("{} has not been read yet", table.name()))
            } else if self.shared.full[table as usize].load(Ordering::Relaxed) {
                Some(format!("the tail of {} is full: is the lake's writer running?", table.name()))
            } else {
                None
            }
        };
        vec![match Table::ALL.into_iter().find_map(state) {
            None => Readiness::ready("lake and tail", "read as one"),
            Some(why) => Readiness::not_ready("lake and tail", why),
        }]
    }

    /// Follows lake and log until `shutdown`.
    ///
    /// # Errors
    /// If either fails for good.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), WriterError> {
        let mut tables = JoinSet::new();
        for table in Table::ALL {
            let (shared, shutdown) = (Arc::clone(&self.shared), shutdown.clone());
            tables.spawn(async move { shared.follow(table, &shutdown).await });
        }
        while let Some(ended) = tables.join_next().await {
            ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        }
        Ok(())
    }
}

/// A follower's state.
struct Follower {
    lake: LakeTable,
    /// Listed once for all cuts of this version.
    files: Arc<dyn TableProvider>,
    /// A version that the tail hasn't reached.
    ahead: Option<LakeTable>,
    partitions: BTreeMap<i32, Partition>,
    tail: Tail,
    newest_ms: i64,
}

/// Why a follower came to an end without an error.
#[derive(PartialEq, Eq)]
enum Ended {
    Stopped,
    /// The lake has passed a tail that is full: it begins anew where the lake is.
    Passed,
}

/// What became of a look at the lake.
#[derive(PartialEq, Eq)]
enum Advanced {
    Yes,
    No,
    /// The lake has a version that this tail hasn't reached.
    LakeAhead,
}

impl Shared {
    async fn follow(&self, table: Table, shutdown: &CancellationToken) -> Result<(), WriterError> {
        loop {
            match self.follow_once(table, shutdown).await {
                Ok(Ended::Stopped) => return Ok(()),
                Ok(Ended::Passed) => tracing::info!(table = table.name(), "the lake has passed the tail"),
                Err(error) if error.is_retryable() => {
                    self.fails_because(table, Some(error.to_string()));
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }

    async fn follow_once(&self, table: Table, shutdown: &CancellationToken) -> Result<Ended, WriterError> {
        let mut follower = self.start(table).await?;
        let mut reader = self.log.read(table.topic(), follower.next_offsets()).await?;
        // What is read once more of what the lake has makes no rows, so the cut is right from the first record on. One that begins anew
        // shows nothing before it has come as far as the one before.
        let shown =
            self.current[table as usize].load().as_ref().map_or_else(NextOffsets::new, |cut| cut.next_offsets.clone());
        let mut is_behind = !follower.has_reached(&shown);
        if !is_behind {
            self.publish(&follower);
        }
        let mut refresh_due = Instant::now() + REFRESH;
        while !shutdown.is_cancelled() {
            let full = follower.tail.rows() >= self.settings.tail_rows;
            self.full[table as usize].store(full, Ordering::Relaxed);
            let mut changed = false;
            if full {
                tokio::time::sleep(WAIT).await;
            } else {
                let records = tokio::select! {
                    records = reader.next(BATCH, WAIT) => records,
                    () = shutdown.cancelled() => break,
                };
                match records {
                    Ok(records) => {
                        changed = follower.take(&records);
                        self.fails_because(table, None);
                    }
                    // The reader goes on once the log is there again.
                    Err(error) if error.is_retryable() => {
                        self.fails_because(table, Some(error.to_string()));
                        tokio::time::sleep(WAIT).await;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            if Instant::now() >= refresh_due {
                match follower.advance().await? {
                    Advanced::LakeAhead if full => return Ok(Ended::Passed),
                    advanced => changed |= advanced == Advanced::Yes,
                }
                refresh_due = Instant::now() + REFRESH;
                metrics::tail(table.name(), follower.tail.rows());
            }
            is_behind = is_behind && !follower.has_reached(&shown);
            if changed && !is_behind {
                self.publish(&follower);
            }
        }
        Ok(Ended::Stopped)
    }

    async fn start(&self, table: Table) -> Result<Follower, WriterError> {
        let mut lake = LakeTable::open(&self.settings.lake, table).await?;
        let extents = self.log.extents(table.topic()).await?;
        let partitions = partition::begin(&mut lake, &self.settings.lake, &self.secret, &extents).await?;
        Ok(Follower { files: lake.as_table()?, lake, ahead: None, partitions, tail: Tail::default(), newest_ms: 0 })
    }

    fn fails_because(&self, table: Table, why: Option<String>) {
        let failed = &self.failed[table as usize];
        if failed.load().as_deref() != why.as_ref() {
            match &why {
                Some(why) => tracing::warn!(table = table.name(), why, "the tail cannot be followed now"),
                None => tracing::info!(table = table.name(), "the tail is followed"),
            }
            failed.store(why.map(Arc::new));
        }
    }

    fn publish(&self, follower: &Follower) {
        self.current[follower.lake.table() as usize].store(Some(Arc::new(TableCut {
            lake: follower.lake.clone(),
            files: Arc::clone(&follower.files),
            tail: follower.tail.batches().to_vec(),
            next_offsets: follower.reflected(),
            newest_ms: follower.newest_ms,
        })));
    }
}

impl Follower {
    /// Where the log is read from.
    fn next_offsets(&self) -> NextOffsets {
        self.partitions.iter().map(|(&kafka_partition, partition)| (kafka_partition, partition.next_offset())).collect()
    }

    /// What lake and tail hold together.
    fn reflected(&self) -> NextOffsets {
        self.partitions.iter().map(|(&kafka_partition, partition)| (kafka_partition, partition.reflected())).collect()
    }

    fn has_reached(&self, next_offsets: &NextOffsets) -> bool {
        let reflected = self.reflected();
        next_offsets.iter().all(|(kafka_partition, next)| reflected.get(kafka_partition) >= Some(next))
    }

    fn take(&mut self, records: &[Record]) -> bool {
        for run in records.chunk_by(|a, b| a.kafka_partition == b.kafka_partition) {
            let Some(partition) = self.partitions.get_mut(&run[0].kafka_partition) else { continue };
            self.tail.push(partition.take(run).batch);
            self.newest_ms = run.iter().map(|record| record.time_ms).fold(self.newest_ms, i64::max);
        }
        !records.is_empty()
    }

    /// Takes a newer version of the table if there is one that this tail has already passed, and lets go what it has.
    async fn advance(&mut self) -> Result<Advanced, WriterError> {
        let mut newer = self.ahead.take().unwrap_or_else(|| self.lake.clone());
        newer.refresh().await?;
        if newer.version() == self.lake.version() {
            return Ok(Advanced::No);
        }
        let positions = newer.positions(self.partitions.keys().copied()).await?;
        let reflected = self.reflected();
        if positions.iter().any(|(kafka_partition, position)| reflected.get(kafka_partition) < Some(position)) {
            self.ahead = Some(newer);
            return Ok(Advanced::LakeAhead);
        }
        self.files = newer.as_table()?;
        self.tail.advance(&positions);
        self.lake = newer;
        Ok(Advanced::Yes)
    }
}

impl TableCut {
    /// Lake and tail as one table.
    ///
    /// # Errors
    /// If DataFusion can't make one table of the two.
    pub fn as_table(&self, context: &SessionContext) -> Result<Arc<dyn TableProvider>, DataFusionError> {
        let lake = Arc::clone(&self.files);
        if self.tail.is_empty() {
            return Ok(lake);
        }
        let tail = MemTable::try_new(self.lake.table().schema(), vec![self.tail.clone()])?;
        Ok(context.read_table(lake)?.union_by_name(context.read_table(Arc::new(tail))?)?.into_view())
    }
}
