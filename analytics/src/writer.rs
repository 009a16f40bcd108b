//! The writer: records of a topic → rows → a commit now and then. One loop per table; any number of processes share the partitions.
//!
//! Whatever is not committed is forgotten on a restart, a rebalance or a race, and read again from the table's own positions.

mod batch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use suikang_registry::Registry;
use suikang_registry::seal::SealPurpose;
use suikang_schemas::dead_letter::{DeadLetter, MOST_SEALED};
use suikang_schemas::declaration::Sealed;
use suikang_schemas::{Topic, avro};
use suikang_stream::{GroupEvent, GroupReader, Log, NewRecord, ReadError, Readiness, Record};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::lake::{Committed, LakeError, LakeTable};
use crate::partition::{self, BeginError};
use crate::pseudonym::LakeSecret;
use crate::seen::saved;
use crate::tables::Table;
use crate::{Settings, metrics};
use batch::Batch;

/// How long a read waits for records.
const WAIT: Duration = Duration::from_millis(200);
/// Records read at once.
const RECORDS: usize = 500;
/// How long the last read may take when the process is to end.
const LAST_READ: Duration = Duration::from_secs(5);
/// How long to wait before something that doesn't work now is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Why a writer or a follower ended.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// The log.
    #[error("the log cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The lake.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The two don't belong together.
    #[error(transparent)]
    Begin(BeginError),
}

impl WriterError {
    /// Whether waiting may help.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            WriterError::Read(error) => error.is_retryable(),
            WriterError::Lake(_) => true,
            WriterError::Begin(_) => false,
        }
    }
}

impl From<BeginError> for WriterError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Lake(error) => WriterError::Lake(error),
            error @ BeginError::Ahead { .. } => WriterError::Begin(error),
        }
    }
}

/// Seals a record that is set aside, if there is a key to seal to.
pub type Seal = Arc<dyn Fn(&[u8]) -> Option<Sealed> + Send + Sync>;

/// Writes every table. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    log: Arc<dyn Log>,
    seal: Seal,
    secret: LakeSecret,
    /// Why a table isn't written now.
    waiting: Mutex<BTreeMap<Table, String>>,
}

/// Why a table's loop came to an end without an error.
enum Ended {
    Stopped,
    /// Another writer has the positions: everything in hand is forgotten.
    Moved,
}

impl Writer {
    /// A writer that has not begun.
    pub fn new(settings: Settings, log: Arc<dyn Log>, registry: Registry, secret: LakeSecret) -> Self {
        let seal = move |payload: &[u8]| registry.seal(now_ms(), SealPurpose::DeadLetter, payload).ok();
        Self::sealing(settings, log, Arc::new(seal), secret)
    }

    /// A writer that seals what it sets aside in its caller's way.
    pub fn sealing(settings: Settings, log: Arc<dyn Log>, seal: Seal, secret: LakeSecret) -> Self {
        Self { shared: Arc::new(Shared { settings, log, seal, secret, waiting: Mutex::default() }) }
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
        // A task each: a large commit of one table holds up none of the others.
        let mut tables = JoinSet::new();
        for table in Table::ALL {
            let (shared, shutdown) = (Arc::clone(&self.shared), shutdown.clone());
            tables.spawn(async move { shared.write(table, &shutdown).await });
        }
        while let Some(ended) = tables.join_next().await {
            ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        }
        Ok(())
    }
}

impl Shared {
    /// Writes a table, beginning anew after whatever passes.
    async fn write(&self, table: Table, shutdown: &CancellationToken) -> Result<(), WriterError> {
        loop {
            match self.write_on(table, shutdown).await {
                Ok(Ended::Stopped) => return Ok(()),
                Ok(Ended::Moved) => tracing::info!(table = table.name(), "another writer was faster; reading again"),
                Err(error) if error.is_retryable() => self.wait_because(table, Some(error.to_string())),
                Err(error) => return Err(error),
            }
            if pause(RETRY, shutdown).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn write_on(&self, table: Table, shutdown: &CancellationToken) -> Result<Ended, WriterError> {
        let mut lake = LakeTable::open(&self.settings.lake, table).await?;
        let mut group = self.log.join(&format!("lake-{}", table.name()), table.topic()).await?;
        let mut batch = Batch::new(self.interval());
        let (mut commits, mut saved) = (0, Instant::now());
        let ended = loop {
            let event = tokio::select! {
                event = group.next(RECORDS, WAIT) => event,
                () = shutdown.cancelled() => break Ended::Stopped,
            };
            self.wait_because(table, event.as_ref().err().map(ToString::to_string));
            match event {
                Ok(GroupEvent::Gained(gained)) => self.start(&mut lake, group.as_mut(), &mut batch, &gained).await?,
                Ok(GroupEvent::Lost(lost)) => batch.lose(&lost),
                Ok(GroupEvent::Records(records)) => {
                    batch.take(&records, |record, reason| self.dead_letter(table, record, reason));
                }
                // The reader goes on once the log is there again; what is in hand stays good.
                Err(error) if error.is_retryable() => _ = pause(RETRY, shutdown).await,
                Err(error) => return Err(error.into()),
            }
            if batch.is_due(self.settings.commit_rows) {
                match self.commit(&mut lake, &mut batch, shutdown).await {
                    Some(Committed::Yes) => {
                        commits += 1;
                        // For whoever watches the group's lag; nobody starts from it.
                        let _ = group.commit(&batch.stored()).await;
                    }
                    Some(Committed::Moved) => return Ok(Ended::Moved),
                    None => break Ended::Stopped,
                }
                if saved.elapsed() >= Duration::from_secs(self.settings.save_seen_interval_s) {
                    self.save_seen(table, &batch);
                    saved = Instant::now();
                }
                // One writer does it for all.
                if batch.owns(0) {
                    self.tidy(&mut lake, commits).await;
                }
            }
        };
        // What makes records has ended before: what they left is the last to be written.
        self.read_to_end(table, group.as_mut(), &mut batch).await?;
        if let Some(Committed::Yes) = self.commit(&mut lake, &mut batch, shutdown).await {
            self.save_seen(table, &batch);
        }
        Ok(ended)
    }

    /// Reads on to where the log ends now, if that comes in time.
    async fn read_to_end(
        &self,
        table: Table,
        group: &mut dyn GroupReader,
        batch: &mut Batch,
    ) -> Result<(), WriterError> {
        let extents = self.log.extents(table.topic()).await?;
        let deadline = Instant::now() + LAST_READ;
        while batch.is_before(&extents) && Instant::now() < deadline {
            match group.next(RECORDS, WAIT).await? {
                GroupEvent::Records(records) => {
                    batch.take(&records, |record, reason| self.dead_letter(table, record, reason));
                }
                GroupEvent::Lost(lost) => batch.lose(&lost),
                GroupEvent::Gained(_) => break,
            }
        }
        Ok(())
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(self.settings.commit_interval_s)
    }

    /// Goes on where the table is, knowing what it has.
    async fn start(
        &self,
        lake: &mut LakeTable,
        group: &mut dyn GroupReader,
        batch: &mut Batch,
        gained: &[i32],
    ) -> Result<(), WriterError> {
        lake.refresh().await?;
        let mut extents = self.log.extents(lake.table().topic()).await?;
        extents.retain(|kafka_partition, _| gained.contains(kafka_partition));
        let positions = lake.positions(gained.iter().copied()).await?;
        for (kafka_partition, partition) in partition::begin(lake, &self.settings.lake, &self.secret, &extents).await? {
            group.start_at(kafka_partition, partition.next_offset())?;
            batch.gain(kafka_partition, partition, positions.get(&kafka_partition).copied());
        }
        tracing::info!(table = lake.table().name(), ?gained, version = lake.version(), "writing");
        Ok(())
    }

    /// What is set aside of a record that makes no row. The issuer sets declarations aside; here they are only passed over.
    fn dead_letter(&self, table: Table, record: &Record, reason: &str) -> Option<NewRecord> {
        metrics::poison(table.name());
        let letter = || DeadLetter {
            topic: record.topic.short_name().to_owned(),
            kafka_partition: record.kafka_partition,
            offset: record.offset,
            reader: "lake".to_owned(),
            reason: reason.to_owned(),
            failed_at_ms: now_ms(),
            sealed: (record.payload.len() <= MOST_SEALED).then(|| (self.seal)(&record.payload)).flatten(),
        };
        let kept = table != Table::Declarations;
        kept.then(|| NewRecord { record_key: record.record_key.clone(), payload: avro::encode(&letter()) })
    }

    /// Commits the batch, trying until it works or another writer was faster; nothing if it was stopped before. Dead letters go first: a
    /// position never passes what is nowhere.
    async fn commit(&self, lake: &mut LakeTable, batch: &mut Batch, shutdown: &CancellationToken) -> Option<Committed> {
        let (from, to) = batch.positions();
        if to.is_empty() {
            return Some(Committed::Yes);
        }
        let rows = batch.rows();
        loop {
            let failed = match self.set_aside(batch).await {
                Err(error) => error,
                Ok(()) => match lake.commit(&rows, &from, &to).await {
                    Ok(Committed::Yes) => {
                        self.wait_because(lake.table(), None);
                        batch.committed(&to);
                        return Some(Committed::Yes);
                    }
                    Ok(Committed::Moved) => return Some(Committed::Moved),
                    Err(error) => error.to_string(),
                },
            };
            self.wait_because(lake.table(), Some(failed));
            // Once stopped there is no waiting.
            pause(RETRY, shutdown).await.ok()?;
        }
    }

    async fn set_aside(&self, batch: &mut Batch) -> Result<(), String> {
        if !batch.letters.is_empty() {
            let letters = batch.letters.clone();
            self.log.append(Topic::DeadLetters, letters).await.map_err(|error| error.to_string())?;
            batch.letters.clear();
        }
        Ok(())
    }

    /// Saves what has been counted up to the commit that was just made. It is a short cut for the next start, so failing is no failure.
    fn save_seen(&self, table: Table, batch: &Batch) {
        if table.number_columns().is_none() {
            return;
        }
        for (kafka_partition, partition) in batch.partitions() {
            let (next_offset, numbers) = (partition.next_offset(), partition.maker().numbers());
            if let Err(error) = saved::save(&self.settings.lake, table, kafka_partition, next_offset, numbers) {
                tracing::warn!(table = table.name(), kafka_partition, %error, "the seen numbers were not saved");
            }
        }
    }

    async fn tidy(&self, lake: &mut LakeTable, commits: u64) {
        if commits == 0 || !commits.is_multiple_of(self.settings.compact_every_commits.max(1)) {
            return;
        }
        let table = lake.table().name();
        if let Err(error) = lake.compact().await {
            tracing::warn!(table, %error, "compaction is left for later");
        }
        if let Err(error) = lake.vacuum(self.settings.vacuum_after()).await {
            tracing::warn!(table, %error, "vacuum is left for later");
        }
        if let Err(error) = lake.expire_entries(self.settings.expire_entries_after()).await {
            tracing::warn!(table, %error, "old entries are left for later");
        }
    }

    fn wait_because(&self, table: Table, why: Option<String>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => {
                if waiting.get(&table) != Some(&why) {
                    tracing::warn!(table = table.name(), why, "the lake waits");
                }
                waiting.insert(table, why);
            }
            None => {
                waiting.remove(&table);
            }
        }
    }
}

/// Waits, unless asked to stop.
async fn pause(time: Duration, shutdown: &CancellationToken) -> Result<(), ()> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        () = shutdown.cancelled() => Err(()),
    }
}

pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
