//! The one thread that appends: it commits what has queued up, tells each caller its positions, and lets old records go.

use std::fs::File;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, params};
use suikang_schemas::Topic;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout_at;

use crate::log::{AppendError, NewRecord, NextOffsets, Position};
use crate::partitioner::partition_of;

/// Appends waiting for the thread; a caller beyond it waits for room.
const QUEUE: usize = 1024;
/// Records committed together at most.
const BATCH: usize = 20_000;

#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

enum Job {
    Append { topic: Topic, records: Vec<NewRecord>, done: oneshot::Sender<Result<Vec<Position>, AppendError>> },
    Offsets { group: String, topic: Topic, next_offsets: NextOffsets, done: oneshot::Sender<Result<(), AppendError>> },
    Expire { topic: Topic, now_ms: i64, done: oneshot::Sender<Result<(), AppendError>> },
}

impl Writer {
    /// Starts the thread; it ends, and gives back the lock, when the last handle is gone. Every so often it lets old records go, whether
    /// anything is appended or not.
    pub(super) fn start(
        mut connection: Connection,
        lock: File,
        commits: watch::Sender<u64>,
        retention_every: Duration,
    ) -> Self {
        let (jobs, mut queue) = mpsc::channel(QUEUE);
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let clock = clock.expect("the system gives a clock at start");
        let thread = std::thread::Builder::new().name("file-log".to_owned()).spawn(move || {
            let mut retention_due = Instant::now();
            loop {
                let first = clock.block_on(async { timeout_at(retention_due.into(), queue.recv()).await });
                let mut batch = match first {
                    Ok(None) => break,
                    Ok(Some(first)) => vec![first],
                    Err(_) => Vec::new(),
                };
                let mut records = 0;
                while records < BATCH
                    && let Ok(job) = queue.try_recv()
                {
                    if let Job::Append { records: more, .. } = &job {
                        records += more.len();
                    }
                    batch.push(job);
                }
                if retention_due <= Instant::now() {
                    retention_due = Instant::now() + retention_every;
                    for topic in Topic::ALL {
                        let (done, _) = oneshot::channel();
                        batch.push(Job::Expire { topic, now_ms: now_ms(), done });
                    }
                }
                run(&mut connection, batch);
                commits.send_modify(|commits| *commits += 1);
            }
            drop(lock);
        });
        thread.expect("the system gives a thread at start");
        Self { jobs }
    }

    pub(super) async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, AppendError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(|done| Job::Append { topic, records, done }).await
    }

    pub(super) async fn commit(&self, group: &str, topic: Topic, next_offsets: NextOffsets) -> Result<(), AppendError> {
        self.ask(|done| Job::Offsets { group: group.to_owned(), topic, next_offsets, done }).await
    }

    /// Lets go what is older at `now_ms` than the topic keeps.
    pub(super) async fn expire(&self, topic: Topic, now_ms: i64) -> Result<(), AppendError> {
        self.ask(|done| Job::Expire { topic, now_ms, done }).await
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, AppendError>>) -> Job) -> Result<T, AppendError> {
        let (done, answer) = oneshot::channel();
        let gone = || AppendError::Fatal("the log's writing thread has ended".to_owned());
        self.jobs.send(job(done)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Does these jobs in one transaction, and answers once it is on disk.
fn run(connection: &mut Connection, jobs: Vec<Job>) {
    let mut positions = Vec::with_capacity(jobs.len());
    let committed = (|| {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for job in &jobs {
            positions.push(match job {
                Job::Append { topic, records, .. } => append(&transaction, *topic, records)?,
                Job::Offsets { group, topic, next_offsets, .. } => {
                    store_offsets(&transaction, group, *topic, next_offsets)?;
                    Vec::new()
                }
                Job::Expire { topic, now_ms, .. } => {
                    expire(&transaction, *topic, *now_ms)?;
                    Vec::new()
                }
            });
        }
        transaction.commit()
    })();
    // A caller that has gone away is not told; its records are as durable as the others.
    match committed {
        Ok(()) => {
            for (job, positions) in jobs.into_iter().zip(positions) {
                match job {
                    Job::Append { done, .. } => drop(done.send(Ok(positions))),
                    Job::Offsets { done, .. } | Job::Expire { done, .. } => drop(done.send(Ok(()))),
                }
            }
        }
        Err(error) => {
            let error = refusal(&error);
            for job in jobs {
                match job {
                    Job::Append { done, .. } => drop(done.send(Err(error.clone()))),
                    Job::Offsets { done, .. } | Job::Expire { done, .. } => drop(done.send(Err(error.clone()))),
                }
            }
        }
    }
}

/// A full disk or a locked file may pass; anything else won't.
fn refusal(error: &rusqlite::Error) -> AppendError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
    tracing::error!(%error, "the embedded log cannot commit");
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked | DiskFull | SystemIoFailure) => AppendError::Unavailable(error.to_string()),
        _ => AppendError::Fatal(error.to_string()),
    }
}

fn append(connection: &Connection, topic: Topic, records: &[NewRecord]) -> rusqlite::Result<Vec<Position>> {
    let name = topic.short_name();
    let partitions: i32 = connection
        .prepare_cached("SELECT partitions FROM topics WHERE topic = ?1")?
        .query_row([name], |row| row.get(0))?;
    let mut take = connection.prepare_cached(
        "UPDATE partitions SET next_offset = next_offset + 1 WHERE topic = ?1 AND kafka_partition = ?2 RETURNING next_offset - 1",
    )?;
    let mut insert = connection.prepare_cached("INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let time_ms = now_ms();
    records
        .iter()
        .map(|record| {
            let kafka_partition = partition_of(&record.record_key, partitions);
            let offset: i64 = take.query_row(params![name, kafka_partition], |row| row.get(0))?;
            insert.execute(params![name, kafka_partition, offset, record.record_key, record.payload, time_ms])?;
            Ok(Position { kafka_partition, offset })
        })
        .collect()
}

fn store_offsets(
    connection: &Connection,
    group: &str,
    topic: Topic,
    next_offsets: &NextOffsets,
) -> rusqlite::Result<()> {
    let mut store = connection.prepare_cached("INSERT OR REPLACE INTO offsets VALUES (?1, ?2, ?3, ?4)")?;
    for (kafka_partition, next_offset) in next_offsets {
        store.execute(params![group, topic.short_name(), kafka_partition, next_offset])?;
    }
    Ok(())
}

fn expire(connection: &Connection, topic: Topic, now_ms: i64) -> rusqlite::Result<()> {
    let name = topic.short_name();
    let retention_ms: i64 = connection
        .prepare_cached("SELECT retention_ms FROM topics WHERE topic = ?1")?
        .query_row([name], |row| row.get(0))?;
    // Times ascend with offsets within a partition, so the first record that is young enough is the new start.
    let mut starts = connection.prepare_cached(
        "SELECT p.kafka_partition, coalesce((SELECT r.offset FROM records r WHERE r.topic = p.topic
             AND r.kafka_partition = p.kafka_partition AND r.time_ms >= ?2 ORDER BY r.offset LIMIT 1), p.next_offset)
         FROM partitions p WHERE p.topic = ?1
         AND (SELECT r.time_ms FROM records r WHERE r.topic = p.topic AND r.kafka_partition = p.kafka_partition
              ORDER BY r.offset LIMIT 1) < ?2",
    )?;
    let starts: Vec<(i32, i64)> = starts
        .query_map(params![name, now_ms - retention_ms], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (kafka_partition, start) in starts {
        connection.execute(
            "UPDATE partitions SET start_offset = ?3 WHERE topic = ?1 AND kafka_partition = ?2",
            params![name, kafka_partition, start],
        )?;
        connection.execute(
            "DELETE FROM records WHERE topic = ?1 AND kafka_partition = ?2 AND offset < ?3",
            params![name, kafka_partition, start],
        )?;
    }
    Ok(())
}
