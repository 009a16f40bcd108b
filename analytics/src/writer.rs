//! The writer: records of a topic → rows → a commit now and then. One loop per table; any number of processes share the partitions.
//!
//! Whatever is not committed is forgotten on a restart, a rebalance or a race, and read again from the table's own positions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use suikang_registry::Registry;
use suikang_registry::seal::SealPurpose;
use suikang_schemas::dead_letter::DeadLetter;
use suikang_schemas::{Topic, avro};
use suikang_stream::{GroupEvent, GroupReader, Log, NewRecord, NextOffsets, ReadError, Readiness, Record};
use tokio_util::sync::CancellationToken;

use crate::lake::{Committed, LakeError, LakeTable};
use crate::pseudonym::LakeSecret;
use crate::rows::RowMaker;
use crate::tables::Table;
use crate::{Settings, metrics};

/// How long a read waits for records.
const WAIT: Duration = Duration::from_millis(200);
/// Records read at once.
const BATCH: usize = 2_000;
/// How long the last read may take when the process is to end.
const LAST_READ: Duration = Duration::from_secs(5);
/// How long to wait before something that doesn't work now is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Why a writer ended.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// The log.
    #[error("the log cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The lake.
    #[error(transparent)]
    Lake(#[from] LakeError),
}

/// Writes every table. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    log: Arc<dyn Log>,
    registry: Registry,
    secret: LakeSecret,
    /// Why a table isn't written now.
    waiting: Mutex<BTreeMap<Table, String>>,
}

impl Writer {
    /// A writer that has not begun.
    pub fn new(settings: Settings, log: Arc<dyn Log>, registry: Registry, secret: LakeSecret) -> Self {
        Self { shared: Arc::new(Shared { settings, log, registry, secret, waiting: Mutex::default() }) }
    }

    /// Whether every table is written.
    pub fn readiness(&self) -> Vec<Readiness> {
        let waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        vec![match waiting.iter().next() {
            None => Readiness::ready("lake writer", "writing"),
            Some((table, why)) => Readiness::not_ready("lake writer", format!("{}: {why}", table.name())),
        }]
    }

    /// Writes until `shutdown`, then commits what is in hand.
    ///
    /// # Errors
    /// If the log or the lake fails for good.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), WriterError> {
        let tables = Table::ALL.map(|table| Arc::clone(&self.shared).write(table, shutdown.clone()));
        futures::future::try_join_all(tables).await?;
        Ok(())
    }
}

/// What has been read and not committed.
struct Pending {
    rows: Vec<RecordBatch>,
    count: usize,
    from: BTreeMap<i32, Option<i64>>,
    to: NextOffsets,
    due: Instant,
}

impl Shared {
    async fn write(self: Arc<Self>, table: Table, shutdown: CancellationToken) -> Result<(), WriterError> {
        let folder: PathBuf = self.settings.lake.clone();
        let mut lake = LakeTable::open(&folder, table).await?;
        let mut group = self.log.join(&format!("lake-{}", table.name()), table.topic()).await?;
        let mut maker = RowMaker::new(table, self.secret.clone());
        let mut pending = Pending::new(self.interval());
        let mut commits = 0;
        loop {
            let event = tokio::select! {
                event = group.next(BATCH, WAIT) => event,
                () = shutdown.cancelled() => break,
            };
            match event {
                Ok(GroupEvent::Gained(gained)) => {
                    (maker, pending) = self.start(&mut lake, group.as_mut(), &gained).await?;
                }
                Ok(GroupEvent::Lost(_)) => pending = Pending::new(self.interval()),
                Ok(GroupEvent::Records(records)) => self.take(&mut maker, &mut pending, &records).await,
                Err(error) if error.is_retryable() => {
                    self.wait_because(table, Some(error.to_string()));
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(error.into()),
            }
            if pending.is_due(self.settings.commit_rows) {
                match self.commit(&mut lake, &mut pending).await {
                    Committed::Yes => {
                        commits += 1;
                        self.tidy(&mut lake, commits).await;
                    }
                    Committed::Moved => {
                        // What this reader has in hand lies beyond what is read again: another one begins without it.
                        group = self.log.join(&format!("lake-{}", table.name()), table.topic()).await?;
                        pending = Pending::new(self.interval());
                    }
                }
            }
        }
        // What makes records has ended before: what they left is the last to be written.
        self.read_to_end(group.as_mut(), &mut maker, &mut pending).await?;
        if !pending.to.is_empty() {
            self.commit(&mut lake, &mut pending).await;
        }
        Ok(())
    }

    /// Reads on to where the log ends now, if that comes in time.
    async fn read_to_end(
        &self,
        group: &mut dyn GroupReader,
        maker: &mut RowMaker,
        pending: &mut Pending,
    ) -> Result<(), WriterError> {
        let extents = self.log.extents(maker.table().topic()).await?;
        let deadline = Instant::now() + LAST_READ;
        let is_short = |pending: &Pending| {
            pending.from.iter().any(|(kafka_partition, from)| {
                let next = pending.to.get(kafka_partition).copied().or(*from);
                extents.get(kafka_partition).is_some_and(|extent| next.unwrap_or(extent.start) < extent.next)
            })
        };
        while is_short(pending) && Instant::now() < deadline {
            match group.next(BATCH, WAIT).await? {
                GroupEvent::Records(records) => self.take(maker, pending, &records).await,
                GroupEvent::Gained(_) | GroupEvent::Lost(_) => break,
            }
        }
        Ok(())
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(self.settings.commit_interval_s)
    }

    /// Goes on where the table is, having learnt what it has.
    async fn start(
        &self,
        lake: &mut LakeTable,
        group: &mut dyn GroupReader,
        gained: &[i32],
    ) -> Result<(RowMaker, Pending), WriterError> {
        lake.refresh().await?;
        let mut maker = RowMaker::new(lake.table(), self.secret.clone());
        lake.teach(&mut maker, now_ms()).await?;
        let stored = lake.positions(gained.iter().copied()).await?;
        let extents = self.log.extents(lake.table().topic()).await?;
        let mut pending = Pending::new(self.interval());
        for &kafka_partition in gained {
            let position = stored.get(&kafka_partition).copied();
            let start = extents.get(&kafka_partition).map_or(0, |extent| extent.start);
            group.start_at(kafka_partition, position.unwrap_or(start))?;
            pending.from.insert(kafka_partition, position);
        }
        tracing::info!(table = lake.table().name(), ?gained, version = lake.version(), "writing");
        Ok((maker, pending))
    }

    /// Makes rows of records; sets aside what is none.
    async fn take(&self, maker: &mut RowMaker, pending: &mut Pending, records: &[Record]) {
        if records.is_empty() {
            return;
        }
        let made = maker.rows(records);
        let letters: Vec<_> =
            made.poison.iter().map(|(index, error)| self.dead_letter(&records[*index], &error.to_string())).collect();
        for record in records {
            pending.to.insert(record.kafka_partition, record.offset + 1);
        }
        pending.count += made.batch.num_rows();
        pending.rows.push(made.batch);
        // The issuer sets declarations aside; here they are only passed over.
        if !letters.is_empty() && maker.table() != Table::Declarations {
            metrics::poison(maker.table().name());
            if let Err(error) = self.log.append(Topic::DeadLetters, letters).await {
                tracing::warn!(%error, "dead letters were not appended");
            }
        }
    }

    fn dead_letter(&self, record: &Record, reason: &str) -> NewRecord {
        let letter = DeadLetter {
            topic: record.topic.short_name().to_owned(),
            kafka_partition: record.kafka_partition,
            offset: record.offset,
            reader: "lake".to_owned(),
            reason: reason.to_owned(),
            failed_at_ms: now_ms(),
            sealed: self.registry.seal(now_ms(), SealPurpose::DeadLetter, &record.payload).ok(),
        };
        NewRecord { record_key: record.record_key.clone(), payload: avro::encode(&letter) }
    }

    /// Commits what is pending, as often as it takes while the lake is away.
    async fn commit(&self, lake: &mut LakeTable, pending: &mut Pending) -> Committed {
        let table = lake.table();
        let from: BTreeMap<_, _> = pending
            .to
            .keys()
            .map(|kafka_partition| (*kafka_partition, pending.from.get(kafka_partition).copied().flatten()))
            .collect();
        for _ in 0..20 {
            match lake.commit(&pending.rows, &from, &pending.to).await {
                Ok(Committed::Yes) => {
                    self.wait_because(table, None);
                    let to = std::mem::take(&mut pending.to);
                    pending.from.extend(to.into_iter().map(|(kafka_partition, next)| (kafka_partition, Some(next))));
                    pending.rows.clear();
                    pending.count = 0;
                    pending.due = Instant::now() + self.interval();
                    return Committed::Yes;
                }
                Ok(Committed::Moved) => return Committed::Moved,
                Err(error) => {
                    self.wait_because(table, Some(error.to_string()));
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
        // Read again from where the table is, whatever it is that has come of the attempts.
        Committed::Moved
    }

    async fn tidy(&self, lake: &mut LakeTable, commits: u64) {
        if !commits.is_multiple_of(self.settings.compact_every_commits.max(1)) {
            return;
        }
        let table = lake.table().name();
        if let Err(error) = lake.compact().await {
            tracing::warn!(table, %error, "compaction is left for later");
        }
        if let Err(error) = lake.vacuum(self.settings.vacuum_after_hours).await {
            tracing::warn!(table, %error, "vacuum is left for later");
        }
    }

    fn wait_because(&self, table: Table, why: Option<String>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => {
                tracing::warn!(table = table.name(), why, "the lake waits");
                waiting.insert(table, why);
            }
            None => {
                waiting.remove(&table);
            }
        }
    }
}

impl Pending {
    fn new(interval: Duration) -> Self {
        Self {
            rows: Vec::new(),
            count: 0,
            from: BTreeMap::new(),
            to: NextOffsets::new(),
            due: Instant::now() + interval,
        }
    }

    fn is_due(&self, most_rows: usize) -> bool {
        !self.to.is_empty() && (self.count >= most_rows || Instant::now() >= self.due)
    }
}

pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
