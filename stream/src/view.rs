//! A view: a fold of topics into the tables of a SQLite file, with the positions in the same transaction.
//!
//! Records come in by position, in order per partition; rows go out. What a reader of the file sees always agrees with the positions beside
//! it, so a restart goes on where the file says and counts nothing twice. The file can be deleted at any time: it is rebuilt from the log.

mod file;
mod fold;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use suikang_schemas::Topic;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::log::{Log, NextOffsets, ReadError, Record};
use crate::metrics;

pub use fold::{Fold, FoldError, ViewError};

/// Records folded in one transaction.
const BATCH: usize = 2_000;
/// How long a read waits for records before the view notes that it is at the end.
const WAIT: Duration = Duration::from_millis(500);
/// How often a view that is never idle compares itself with the log's end.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Reading connections kept open.
const POOL: usize = 4;

/// A record that a fold passed over, with the reason.
pub type OnPoison = Arc<dyn Fn(&Record, &'static str) + Send + Sync>;

/// A handle to a view: reads it, and waits for it to have come to a position.
#[derive(Clone)]
pub struct View {
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    path: PathBuf,
    log: Arc<dyn Log>,
    topics: Vec<Topic>,
    fold: Mutex<Option<(Box<dyn Fold>, Connection)>>,
    pool: Mutex<Vec<Connection>>,
    progress: watch::Sender<Progress>,
    on_poison: Mutex<Option<OnPoison>>,
}

/// How far a view has come.
#[derive(Debug, Clone, Default)]
struct Progress {
    next_offsets: HashMap<Topic, NextOffsets>,
    /// When it was last known to be at the log's end.
    at_end: Option<Instant>,
    lag: i64,
}

/// Where the log's end was when it was last looked at.
struct End {
    seen: Instant,
    next_offsets: Option<HashMap<Topic, NextOffsets>>,
}

impl Progress {
    /// Records before these offsets that are not folded.
    fn behind(&self, ends: &HashMap<Topic, NextOffsets>) -> i64 {
        let folded = |topic, kafka_partition| {
            self.next_offsets.get(topic).and_then(|next| next.get(kafka_partition)).copied().unwrap_or(0)
        };
        ends.iter()
            .flat_map(|(topic, ends)| ends.iter().map(move |(kafka_partition, end)| (topic, kafka_partition, end)))
            .map(|(topic, kafka_partition, &end)| (end - folded(topic, kafka_partition)).max(0))
            .sum()
    }
}

impl View {
    /// Opens the view's file in `folder`, or makes it; a file of another version, or one that SQLite can't read, is made anew.
    ///
    /// # Errors
    /// If the folder or the file can't be written.
    pub fn open(folder: &Path, fold: impl Fold, log: Arc<dyn Log>) -> Result<Self, ViewError> {
        let mut fold: Box<dyn Fold> = Box::new(fold);
        std::fs::create_dir_all(folder).map_err(|error| ViewError::Io { path: folder.to_owned(), error })?;
        let path = folder.join(format!("{}.db", fold.name()));
        let failed = |error| ViewError::Sqlite { path: path.clone(), error };
        let connection = match file::open_current(&path, fold.as_ref()) {
            Ok(Some(connection)) => connection,
            other => {
                if let Err(error) = &other {
                    tracing::warn!(view = fold.name(), %error, "the file cannot be used and is rebuilt from the log");
                }
                drop(other);
                file::remove(&path)?;
                file::create(&path, fold.as_ref()).map_err(failed)?
            }
        };
        let next_offsets = file::positions(&connection).map_err(failed)?;
        fold.committed(&connection).map_err(failed)?;
        let (progress, _) = watch::channel(Progress { next_offsets, ..Progress::default() });
        let (name, topics) = (fold.name(), fold.topics());
        let fold = Mutex::new(Some((fold, connection)));
        let (pool, on_poison) = (Mutex::default(), Mutex::default());
        Ok(Self { shared: Arc::new(Shared { name, path, log, topics, fold, pool, progress, on_poison }) })
    }

    /// Calls this for each record that is passed over.
    pub fn on_poison(&self, tell: OnPoison) {
        *unpoisoned(&self.shared.on_poison) = Some(tell);
    }

    /// Follows the topics until `shutdown`.
    ///
    /// # Errors
    /// If the file fails, or the log for good. A log that is away is waited for.
    ///
    /// # Panics
    /// If the view is followed already.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), ViewError> {
        let taken = unpoisoned(&self.shared.fold).take();
        let mut state = taken.expect("a view is followed once");
        let ended = loop {
            match self.follow(&mut state, &shutdown).await {
                Err(ViewError::Log { name, error }) if error.is_retryable() => {
                    tracing::warn!(view = name, %error, "the log is away; the view waits");
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                        () = shutdown.cancelled() => break Ok(()),
                    }
                }
                ended => break ended,
            }
        };
        *unpoisoned(&self.shared.fold) = Some(state);
        ended
    }

    async fn follow(
        &self,
        state: &mut (Box<dyn Fold>, Connection),
        shutdown: &CancellationToken,
    ) -> Result<(), ViewError> {
        let name = self.shared.name;
        let failed = |error: ReadError| match error {
            ReadError::BeforeStart { .. } => ViewError::Behind { path: self.shared.path.clone(), error },
            error => ViewError::Log { name, error },
        };
        let mut readers = Vec::new();
        for &topic in &self.shared.topics {
            let stored = self.shared.progress.borrow().next_offsets.get(&topic).cloned().unwrap_or_default();
            let extents = self.shared.log.extents(topic).await.map_err(failed)?;
            // What was never read is read from the log's first record. If that is gone, a rebuilt view would be wrong in silence,
            // unless the topic is one whose records a view may forget, as all spread by key are.
            let from: NextOffsets = extents
                .iter()
                .map(|(&kafka_partition, extent)| {
                    let fresh = if topic.is_totally_ordered() { 0 } else { extent.start };
                    (kafka_partition, stored.get(&kafka_partition).copied().unwrap_or(fresh))
                })
                .collect();
            self.shared.progress.send_modify(|progress| {
                progress.next_offsets.insert(topic, from.clone());
            });
            readers.push(self.shared.log.read(topic, from).await.map_err(failed)?);
        }
        let first_wait = if readers.len() > 1 { Duration::ZERO } else { WAIT };
        let mut end = End { seen: Instant::now(), next_offsets: None };
        loop {
            let mut records = Vec::new();
            for reader in &mut readers {
                tokio::select! {
                    more = reader.next(BATCH, first_wait) => records.extend(more.map_err(failed)?),
                    () = shutdown.cancelled() => return Ok(()),
                }
            }
            // Where records never cease, the end is looked for all the same: a view that keeps up is not old.
            if records.is_empty() || end.seen.elapsed() >= LOOK_EVERY {
                end = self.look_at_end(end).await.map_err(failed)?;
            }
            if records.is_empty() && readers.len() > 1 {
                // Several topics: whichever has something next.
                let waits = readers.iter_mut().map(|reader| reader.next(BATCH, WAIT));
                tokio::select! {
                    (more, ..) = futures::future::select_all(waits) => records = more.map_err(failed)?,
                    () = shutdown.cancelled() => return Ok(()),
                }
            }
            if !records.is_empty() {
                self.fold(state, &records)?;
            }
        }
    }

    /// One transaction: rows and positions.
    fn fold(&self, (fold, connection): &mut (Box<dyn Fold>, Connection), records: &[Record]) -> Result<(), ViewError> {
        let failed = |error| ViewError::Sqlite { path: self.shared.path.clone(), error };
        let mut next_offsets = self.shared.progress.borrow().next_offsets.clone();
        tokio::task::block_in_place(|| {
            let transaction = connection.transaction().map_err(failed)?;
            for record in records {
                let next_offset =
                    next_offsets.entry(record.topic).or_default().entry(record.kafka_partition).or_default();
                if record.offset < *next_offset {
                    continue;
                }
                match fold.apply(&transaction, record) {
                    Ok(()) => {}
                    Err(FoldError::Poison(reason)) => self.pass_over(record, reason),
                    Err(FoldError::Sqlite(error)) => return Err(failed(error)),
                }
                *next_offset = record.offset + 1;
            }
            file::store_positions(&transaction, &next_offsets).map_err(failed)?;
            transaction.commit().map_err(failed)?;
            fold.committed(connection).map_err(failed)
        })?;
        metrics::view_folded(self.shared.name, records.len());
        self.shared.progress.send_modify(|progress| progress.next_offsets = next_offsets);
        Ok(())
    }

    fn pass_over(&self, record: &Record, reason: &'static str) {
        let Record { topic, kafka_partition, offset, .. } = record;
        tracing::warn!(view = self.shared.name, %topic, kafka_partition, offset, reason, "a record was passed over");
        metrics::view_poison(self.shared.name);
        if let Some(tell) = unpoisoned(&self.shared.on_poison).as_ref() {
            tell(record, reason);
        }
    }

    /// Compares with the log's end, now and as it was at the last look: once everything up to there is folded, the view was at the
    /// end then.
    async fn look_at_end(&self, former: End) -> Result<End, ReadError> {
        let seen = Instant::now();
        let mut next_offsets: HashMap<Topic, NextOffsets> = HashMap::new();
        for &topic in &self.shared.topics {
            let extents = self.shared.log.extents(topic).await?;
            next_offsets.insert(
                topic,
                extents.into_iter().map(|(kafka_partition, extent)| (kafka_partition, extent.next)).collect(),
            );
        }
        self.shared.progress.send_modify(|progress| {
            progress.lag = progress.behind(&next_offsets);
            if progress.lag == 0 {
                progress.at_end = Some(seen);
            } else if former.next_offsets.is_some_and(|former| progress.behind(&former) == 0) {
                progress.at_end = progress.at_end.max(Some(former.seen));
            }
            metrics::view_lag(self.shared.name, progress.lag);
        });
        Ok(End { seen, next_offsets: Some(next_offsets) })
    }

    /// Reads the file on a pooled connection that can't write; all of `read` sees one state.
    ///
    /// # Errors
    /// SQLite's.
    pub fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let pooled = unpoisoned(&self.shared.pool).pop();
        let mut connection = match pooled {
            Some(connection) => connection,
            None => file::connect_reading(&self.shared.path)?,
        };
        let transaction = connection.transaction()?;
        let result = read(&transaction);
        drop(transaction);
        let mut pool = unpoisoned(&self.shared.pool);
        if result.is_ok() && pool.len() < POOL {
            pool.push(connection);
        }
        result
    }

    /// The view's name.
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// The first offset of a partition that has not been folded.
    pub fn next_offset(&self, topic: Topic, kafka_partition: i32) -> i64 {
        let progress = self.shared.progress.borrow();
        progress.next_offsets.get(&topic).and_then(|next| next.get(&kafka_partition)).copied().unwrap_or(0)
    }

    /// The first offsets of a topic that have not been folded.
    pub fn next_offsets(&self, topic: Topic) -> NextOffsets {
        self.shared.progress.borrow().next_offsets.get(&topic).cloned().unwrap_or_default()
    }

    /// Waits until everything before `next_offset` has been folded; whether that came in time.
    pub async fn wait_for(&self, topic: Topic, kafka_partition: i32, next_offset: i64, patience: Duration) -> bool {
        let mut progress = self.shared.progress.subscribe();
        let there = |progress: &Progress| {
            progress
                .next_offsets
                .get(&topic)
                .and_then(|next| next.get(&kafka_partition))
                .is_some_and(|&next| next >= next_offset)
        };
        tokio::time::timeout(patience, progress.wait_for(there)).await.is_ok_and(|waited| waited.is_ok())
    }

    /// Waits for the next commit, if it comes in time.
    pub async fn changed(&self, patience: Duration) {
        let mut progress = self.shared.progress.subscribe();
        let _ = tokio::time::timeout(patience, progress.changed()).await;
    }

    /// Records between the view and the log's end when it last looked.
    pub fn lag(&self) -> i64 {
        self.shared.progress.borrow().lag
    }

    /// How long ago the view was last known to be at the log's end; nothing if never.
    pub fn age(&self) -> Option<Duration> {
        self.shared.progress.borrow().at_end.map(|at_end| at_end.elapsed())
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
