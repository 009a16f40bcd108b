//! A view: a fold of topics into the tables of a SQLite file, with the positions in the same transaction.
//!
//! Records come in by position, in order per partition; rows go out. What a reader of the file sees always agrees with the positions beside
//! it, so a restart goes on where the file says and counts nothing twice. The file can be deleted at any time: it is rebuilt from the log.

mod file;
mod fold;
mod progress;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use suikang_schemas::Topic;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::log::{Log, NextOffsets, ReadError, Record};
use crate::metrics;
use progress::{End, Progress};

pub use fold::{Fold, FoldError, ViewError};
pub use progress::Positions;

/// Records folded in one transaction.
const BATCH: usize = 2_000;
/// Transactions begin at least so far apart: each costs as much as many records do, and under load those share it.
const APART: Duration = Duration::from_millis(10);
/// How long a read waits for records before the view notes that it is at the end.
const WAIT: Duration = Duration::from_millis(500);
/// How often a view that is never idle compares itself with the log's end.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Reading connections kept open.
const POOL: usize = 4;

/// A record that a fold passed over, with the reason.
pub type OnPoison = Arc<dyn Fn(&Record, &'static str) + Send + Sync>;

/// What writes the file.
struct State {
    fold: Box<dyn Fold>,
    connection: Connection,
}

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
    /// Whoever follows takes it.
    state: Mutex<Option<State>>,
    pool: Mutex<Vec<Connection>>,
    progress: watch::Sender<Progress>,
    on_poison: Mutex<Option<OnPoison>>,
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
        let state = Mutex::new(Some(State { fold, connection }));
        let (pool, on_poison) = (Mutex::default(), Mutex::default());
        Ok(Self { shared: Arc::new(Shared { name, path, log, topics, state, pool, progress, on_poison }) })
    }

    /// Calls this for each record that is passed over.
    pub fn on_poison(&self, tell: OnPoison) {
        *unpoisoned(&self.shared.on_poison) = Some(tell);
    }

    /// Follows the topics until `shutdown`.
    ///
    /// # Errors
    /// If the file fails, or the log for good. A log that is away is waited for, and so is room on a full disk.
    ///
    /// # Panics
    /// If the view is followed already.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), ViewError> {
        let taken = unpoisoned(&self.shared.state).take();
        let mut state = Some(taken.expect("a view is followed once"));
        let ended = loop {
            match self.follow(&mut state, &shutdown).await {
                Err(error) if error.is_retryable() => {
                    tracing::warn!(view = self.shared.name, %error, "the view waits");
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                        () = shutdown.cancelled() => break Ok(()),
                    }
                }
                ended => break ended,
            }
        };
        *unpoisoned(&self.shared.state) = state;
        ended
    }

    async fn follow(&self, state: &mut Option<State>, shutdown: &CancellationToken) -> Result<(), ViewError> {
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
        let mut end: Option<End> = None;
        let mut due = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
            let mut records = Vec::new();
            for reader in &mut readers {
                tokio::select! {
                    more = reader.next(BATCH, first_wait) => records.extend(more.map_err(failed)?),
                    () = shutdown.cancelled() => return Ok(()),
                }
            }
            // Where records never cease, the end is looked for all the same: a view that keeps up is not old.
            if records.is_empty() || end.as_ref().is_none_or(|end| end.seen.elapsed() >= LOOK_EVERY) {
                let now = End::of(self.shared.log.as_ref(), &self.shared.topics).await.map_err(failed)?;
                self.note_end(end.as_ref(), &now);
                end = Some(now);
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
                // A full batch needs no company.
                due = Instant::now() + if records.len() < BATCH { APART } else { Duration::ZERO };
                self.fold(state, records).await?;
            }
        }
    }

    /// Folds on a thread that may block; the state goes there and comes back.
    async fn fold(&self, state: &mut Option<State>, records: Vec<Record>) -> Result<(), ViewError> {
        let mut taken = state.take().expect("the state came back from the last fold");
        let (view, count) = (self.clone(), records.len());
        let folded = tokio::task::spawn_blocking(move || {
            let folded = view.shared.fold(&mut taken, records);
            (taken, folded)
        });
        let (back, folded) = match folded.await {
            Ok(done) => done,
            Err(broken) if broken.is_panic() => std::panic::resume_unwind(broken.into_panic()),
            // The runtime is ending, and this task with it.
            Err(_) => return Ok(()),
        };
        *state = Some(back);
        folded?;
        metrics::view_folded(self.shared.name, count);
        Ok(())
    }

    fn note_end(&self, former: Option<&End>, now: &End) {
        self.shared.progress.send_modify(|progress| progress.note_end(former, now));
        metrics::view_lag(self.shared.name, self.lag());
    }

    /// Reads the file on a pooled connection that can't write; all of `read` sees one state.
    ///
    /// # Errors
    /// SQLite's.
    pub fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let pooled = unpoisoned(&self.shared.pool).pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => file::connect_reading(&self.shared.path)?,
        };
        // Prepared once for a connection: it costs more than the look-up between them. Whatever fails, the connection goes with it.
        connection.prepare_cached("BEGIN")?.execute([])?;
        let result = read(&connection)?;
        connection.prepare_cached("COMMIT")?.execute([])?;
        let mut pool = unpoisoned(&self.shared.pool);
        if pool.len() < POOL {
            pool.push(connection);
        }
        Ok(result)
    }

    /// Reads the file, and tells what that state of it has folded: the first offsets that it has not.
    ///
    /// # Errors
    /// SQLite's.
    pub fn read_at<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<(T, Positions)> {
        self.read(|connection| Ok((read(connection)?, file::positions(connection)?)))
    }

    /// The view's name.
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// The first offset of a partition that has not been folded.
    pub fn next_offset(&self, topic: Topic, kafka_partition: i32) -> i64 {
        self.shared.progress.borrow().next_offset(topic, kafka_partition).unwrap_or(0)
    }

    /// The first offsets of a topic that have not been folded.
    pub fn next_offsets(&self, topic: Topic) -> NextOffsets {
        self.shared.progress.borrow().next_offsets.get(&topic).cloned().unwrap_or_default()
    }

    /// Waits until everything before `next_offset` has been folded; whether that came in time.
    pub async fn wait_for(&self, topic: Topic, kafka_partition: i32, next_offset: i64, patience: Duration) -> bool {
        let mut progress = self.shared.progress.subscribe();
        let there =
            |progress: &Progress| progress.next_offset(topic, kafka_partition).is_some_and(|next| next >= next_offset);
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

impl Shared {
    /// One transaction: rows and positions. The file's positions count, should another have folded meanwhile: nothing is folded twice.
    fn fold(&self, State { fold, connection }: &mut State, mut records: Vec<Record>) -> Result<(), ViewError> {
        let failed = |error| ViewError::Sqlite { path: self.path.clone(), error };
        let mut next_offsets = self.progress.borrow().next_offsets.clone();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        for (topic, stored) in file::positions(&transaction).map_err(failed)? {
            next_offsets.entry(topic).or_default().extend(stored);
        }
        records.retain(|record| {
            let next_offset = next_offsets.entry(record.topic).or_default().entry(record.kafka_partition).or_default();
            let is_new = record.offset >= *next_offset;
            *next_offset = (*next_offset).max(record.offset + 1);
            is_new
        });
        fold.apply_all(&transaction, &records, &mut |record, reason| self.pass_over(record, reason)).map_err(failed)?;
        file::store_positions(&transaction, &next_offsets).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        fold.committed(connection).map_err(failed)?;
        self.progress.send_modify(|progress| progress.next_offsets = next_offsets);
        Ok(())
    }

    fn pass_over(&self, record: &Record, reason: &'static str) {
        let Record { topic, kafka_partition, offset, .. } = record;
        tracing::warn!(view = self.name, %topic, kafka_partition, offset, reason, "a record was passed over");
        metrics::view_poison(self.name);
        if let Some(tell) = unpoisoned(&self.on_poison).as_ref() {
            tell(record, reason);
        }
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
