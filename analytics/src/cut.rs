//! The joined read: a cut is a version of each table and the tail of the log from precisely that version's positions.
//!
//! A follower per table reads the log on from where the lake was, keeps the rows that the lake doesn't have, and lets them go once it has. A
//! query takes the cut that is current and keeps it; the next one is put in its place by one pointer swap.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use arrow::array::{AsArray as _, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Int64Type};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use serde::Serialize;
use suikang_stream::{Log, NextOffsets, Readiness};
use tokio_util::sync::CancellationToken;

use crate::lake::LakeTable;
use crate::pseudonym::LakeSecret;
use crate::rows::RowMaker;
use crate::tables::Table;
use crate::writer::{WriterError, now_ms};
use crate::{Settings, metrics};

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
}

impl Cuts {
    /// Cuts that have not begun.
    pub fn new(settings: Settings, log: Arc<dyn Log>, secret: LakeSecret) -> Self {
        Self {
            shared: Arc::new(Shared { settings, log, secret, current: Default::default(), full: Default::default() }),
        }
    }

    /// A table as it is now; nothing until it was read for the first time.
    pub fn current(&self, table: Table) -> Option<Arc<TableCut>> {
        self.shared.current[table as usize].load_full()
    }

    /// Whether every table can be read, and the lake keeps up.
    pub fn readiness(&self) -> Vec<Readiness> {
        let state = |table: Table| {
            if self.current(table).is_none() {
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
        let tables = Table::ALL.map(|table| Arc::clone(&self.shared).follow(table, shutdown.clone()));
        futures::future::try_join_all(tables).await?;
        Ok(())
    }
}

/// A follower's state.
struct Follower {
    lake: LakeTable,
    maker: RowMaker,
    tail: Vec<RecordBatch>,
    next_offsets: NextOffsets,
    newest_ms: i64,
}

impl Shared {
    async fn follow(self: Arc<Self>, table: Table, shutdown: CancellationToken) -> Result<(), WriterError> {
        loop {
            match self.follow_once(table, &shutdown).await {
                Ok(()) => return Ok(()),
                Err(WriterError::Read(error)) if !error.is_retryable() => return Err(error.into()),
                Err(error) => tracing::warn!(table = table.name(), %error, "the tail cannot be followed now"),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }

    async fn follow_once(&self, table: Table, shutdown: &CancellationToken) -> Result<(), WriterError> {
        let mut follower = self.start(table).await?;
        let mut reader = self.log.read(table.topic(), follower.next_offsets.clone()).await?;
        self.publish(&follower);
        let mut refresh_due = Instant::now() + REFRESH;
        while !shutdown.is_cancelled() {
            let full = follower.tail_rows() >= self.settings.tail_rows;
            self.full[table as usize].store(full, Ordering::Relaxed);
            let mut changed = false;
            if full {
                tokio::time::sleep(WAIT).await;
            } else {
                let records = tokio::select! {
                    records = reader.next(BATCH, WAIT) => records?,
                    () = shutdown.cancelled() => return Ok(()),
                };
                changed = follower.take(&records);
            }
            if Instant::now() >= refresh_due {
                changed |= follower.advance().await?;
                refresh_due = Instant::now() + REFRESH;
                metrics::tail(table.name(), follower.tail_rows());
            }
            if changed {
                self.publish(&follower);
            }
        }
        Ok(())
    }

    async fn start(&self, table: Table) -> Result<Follower, WriterError> {
        let lake = LakeTable::open(&self.settings.lake, table).await?;
        let mut maker = RowMaker::new(table, self.secret.clone());
        lake.teach(&mut maker, now_ms()).await?;
        let extents = self.log.extents(table.topic()).await?;
        let positions = lake.positions(extents.keys().copied()).await?;
        let next_offsets = extents
            .into_iter()
            .map(|(kafka_partition, extent)| {
                (kafka_partition, positions.get(&kafka_partition).copied().unwrap_or(extent.start))
            })
            .collect();
        Ok(Follower { lake, maker, tail: Vec::new(), next_offsets, newest_ms: 0 })
    }

    fn publish(&self, follower: &Follower) {
        self.current[follower.lake.table() as usize].store(Some(Arc::new(TableCut {
            lake: follower.lake.clone(),
            tail: follower.tail.clone(),
            next_offsets: follower.next_offsets.clone(),
            newest_ms: follower.newest_ms,
        })));
    }
}

impl Follower {
    fn tail_rows(&self) -> usize {
        self.tail.iter().map(RecordBatch::num_rows).sum()
    }

    fn take(&mut self, records: &[suikang_stream::Record]) -> bool {
        let Some(last) = records.last() else { return false };
        self.newest_ms = self.newest_ms.max(last.time_ms);
        for record in records {
            self.next_offsets.insert(record.kafka_partition, record.offset + 1);
        }
        let batch = self.maker.rows(records).batch;
        if batch.num_rows() > 0 {
            self.tail.push(batch);
        }
        true
    }

    /// Takes a newer version of the table if there is one that this tail has already passed, and lets go what it has.
    async fn advance(&mut self) -> Result<bool, WriterError> {
        let mut newer = self.lake.clone();
        if !newer.refresh().await? {
            return Ok(false);
        }
        let positions = newer.positions(self.next_offsets.keys().copied()).await?;
        let passed = |(kafka_partition, position): (&i32, &i64)| {
            self.next_offsets.get(kafka_partition).is_some_and(|next| next >= position)
        };
        if !positions.iter().all(passed) {
            return Ok(false);
        }
        self.tail = std::mem::take(&mut self.tail).into_iter().filter_map(|batch| beyond(&batch, &positions)).collect();
        self.lake = newer;
        Ok(true)
    }
}

/// The rows of a batch that lie at or after the positions.
fn beyond(batch: &RecordBatch, positions: &BTreeMap<i32, i64>) -> Option<RecordBatch> {
    let columns = batch.num_columns();
    let partitions = batch.column(columns - 2).as_primitive::<Int32Type>();
    let offsets = batch.column(columns - 1).as_primitive::<Int64Type>();
    let keep: BooleanArray = partitions
        .values()
        .iter()
        .zip(offsets.values())
        .map(|(kafka_partition, offset)| Some(positions.get(kafka_partition).is_none_or(|position| offset >= position)))
        .collect();
    match keep.true_count() {
        0 => None,
        all if all == batch.num_rows() => Some(batch.clone()),
        _ => Some(filter_record_batch(batch, &keep).expect("the filter has the batch's length")),
    }
}

impl TableCut {
    /// Lake and tail as one table.
    ///
    /// # Errors
    /// If the lake can't be read.
    pub async fn as_table(
        &self,
        context: &SessionContext,
    ) -> Result<Arc<dyn TableProvider>, datafusion::error::DataFusionError> {
        let table = self.lake.table();
        self.lake.delta().update_datafusion_session(&context.state())?;
        let lake = context.read_table(self.lake.delta().table_provider().await?)?;
        if self.tail.is_empty() {
            return Ok(lake.into_view());
        }
        let tail = MemTable::try_new(table.schema(), vec![self.tail.clone()])?;
        Ok(lake.union_by_name(context.read_table(Arc::new(tail))?)?.into_view())
    }
}
