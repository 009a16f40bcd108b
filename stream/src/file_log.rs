//! The embedded log: a thin table in one SQLite file. For trying, developing and small sites.
//!
//! ```text
//! topics      topic → partitions, retention_ms
//! partitions  (topic, kafka_partition) → start_offset, next_offset
//! records     (topic, kafka_partition, offset) → record_key, payload, time_ms
//! offsets     (consumer_group, topic, kafka_partition) → next_offset
//! ```
//! One thread appends: what arrives while it commits is committed together next, so many callers share one sync to disk. One process
//! writes, held by a lock beside the file; any number of processes read.

mod group;
mod reader;
mod writer;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use suikang_schemas::Topic;
use tokio::sync::watch;

use crate::config::{Access, LogConfig, OpenError};
use crate::log::{
    AppendError, Extent, GroupReader, Log, NewRecord, NextOffsets, Position, ReadError, Reader, check_sizes,
};
use crate::metrics;
use crate::topics::{TopicDescription, TopicsError};

/// How long SQLite waits for another connection's lock.
const BUSY: Duration = Duration::from_secs(10);

/// How long a former writer may take to finish.
const LAST_COMMIT: Duration = Duration::from_millis(500);
/// How often old records are let go.
const RETENTION_EVERY: Duration = Duration::from_secs(60);

/// A log in a SQLite file.
pub(crate) struct FileLog {
    path: PathBuf,
    writer: Option<writer::Writer>,
    /// Counts commits of this process, so that its own readers need not poll.
    commits: watch::Receiver<u64>,
    groups: Arc<group::Groups>,
}

impl FileLog {
    /// Opens the file, and for writing takes its lock and creates what is missing.
    pub(crate) fn open(path: &Path, config: &LogConfig, access: Access) -> Result<Self, OpenError> {
        Self::open_expiring(path, config, access, RETENTION_EVERY)
    }

    fn open_expiring(path: &Path, config: &LogConfig, access: Access, every: Duration) -> Result<Self, OpenError> {
        let (commits_sender, commits) = watch::channel(0);
        let writer = match access {
            Access::ReadOnly => {
                if !path.is_file() {
                    return Err(OpenError::Missing(path.to_owned()));
                }
                None
            }
            Access::Write => {
                let lock = lock(path)?;
                let connection = connect(path, true).map_err(|error| OpenError::file(path, &error))?;
                create(&connection, config).map_err(|error| OpenError::file(path, &error))?;
                check_partitions(&connection, config)?;
                Some(writer::Writer::start(connection, lock, commits_sender, every))
            }
        };
        Ok(Self { path: path.to_owned(), writer, commits, groups: Arc::default() })
    }

    fn connect(&self) -> Result<Connection, ReadError> {
        connect(&self.path, false).map_err(unreadable)
    }
}

/// The writing process holds this until it ends, however it ends.
fn lock(path: &Path) -> Result<File, OpenError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| OpenError::file(path, &error))?;
    }
    let beside = path.with_extension("lock");
    let file = File::create(&beside).map_err(|error| OpenError::file(&beside, &error))?;
    // A former writer of this process may be finishing its last commit.
    let deadline = Instant::now() + LAST_COMMIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::WouldBlock) => return Err(OpenError::AnotherWriter(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(OpenError::file(&beside, &error)),
        }
    }
}

fn connect(path: &Path, write: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_WRITE;
    let flags = if write { flags | OpenFlags::SQLITE_OPEN_CREATE } else { flags };
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    if write {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // What was acknowledged survives a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
    } else {
        connection.pragma_update(None, "query_only", true)?;
    }
    Ok(connection)
}

fn create(connection: &Connection, config: &LogConfig) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS topics (topic TEXT PRIMARY KEY, partitions INTEGER NOT NULL, retention_ms INTEGER NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS partitions (topic TEXT, kafka_partition INTEGER, start_offset INTEGER NOT NULL, next_offset INTEGER NOT NULL,
             PRIMARY KEY (topic, kafka_partition)) STRICT, WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS records (topic TEXT, kafka_partition INTEGER, offset INTEGER, record_key BLOB NOT NULL, payload BLOB NOT NULL,
             time_ms INTEGER NOT NULL, PRIMARY KEY (topic, kafka_partition, offset)) STRICT, WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS offsets (consumer_group TEXT, topic TEXT, kafka_partition INTEGER, next_offset INTEGER NOT NULL,
             PRIMARY KEY (consumer_group, topic, kafka_partition)) STRICT, WITHOUT ROWID;",
    )?;
    for topic in Topic::ALL {
        let new = connection.execute(
            "INSERT OR IGNORE INTO topics VALUES (?1, ?2, ?3)",
            (topic.short_name(), config.partitions_of(topic), config.retention_ms_of(topic)),
        )?;
        connection.execute(
            "UPDATE topics SET retention_ms = ?2 WHERE topic = ?1",
            (topic.short_name(), config.retention_ms_of(topic)),
        )?;
        for kafka_partition in (0..config.partitions_of(topic)).filter(|_| new > 0) {
            connection
                .execute("INSERT INTO partitions VALUES (?1, ?2, 0, 0)", (topic.short_name(), kafka_partition))?;
        }
    }
    Ok(())
}

/// Order holds per key only while the number of partitions stays.
fn check_partitions(connection: &Connection, config: &LogConfig) -> Result<(), OpenError> {
    for topic in Topic::ALL {
        let there: i32 = connection
            .query_row("SELECT partitions FROM topics WHERE topic = ?1", [topic.short_name()], |row| row.get(0))
            .map_err(|error| OpenError::file(connection.path().unwrap_or_default().as_ref(), &error))?;
        let asked = config.partitions_of(topic);
        if there != asked {
            return Err(OpenError::Partitions(TopicsError::Partitions { topic, there, asked }));
        }
    }
    Ok(())
}

fn extents(connection: &Connection, topic: Topic) -> Result<BTreeMap<i32, Extent>, ReadError> {
    let mut statement = connection
        .prepare_cached("SELECT kafka_partition, start_offset, next_offset FROM partitions WHERE topic = ?1")
        .map_err(unreadable)?;
    let rows = statement
        .query_map([topic.short_name()], |row| Ok((row.get(0)?, Extent { start: row.get(1)?, next: row.get(2)? })))
        .map_err(unreadable)?;
    rows.collect::<Result<_, _>>().map_err(unreadable)
}

fn unreadable(error: rusqlite::Error) -> ReadError {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, FileLockingProtocolFailed, OutOfMemory, SchemaChanged,
        SystemIoFailure,
    };
    match error.sqlite_error_code() {
        // Other connections, other processes, a full table of open files: it may pass.
        Some(
            CannotOpen
            | DatabaseBusy
            | DatabaseLocked
            | FileLockingProtocolFailed
            | OutOfMemory
            | SchemaChanged
            | SystemIoFailure,
        ) => ReadError::Unavailable(error.to_string()),
        _ => ReadError::Fatal(error.to_string()),
    }
}

#[async_trait]
impl Log for FileLog {
    async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, AppendError> {
        match &self.writer {
            Some(writer) => {
                check_sizes(&records)?;
                let (count, started) = (records.len(), Instant::now());
                let appended = writer.append(topic, records).await;
                match &appended {
                    Ok(_) => metrics::appended(topic, count, started.elapsed()),
                    Err(_) => metrics::append_failed(topic),
                }
                appended
            }
            None => Err(AppendError::Fatal("the log was opened for reading".to_owned())),
        }
    }

    async fn expire(&self, topic: Topic, now_ms: i64) -> Result<(), AppendError> {
        match &self.writer {
            Some(writer) => writer.expire(topic, now_ms).await,
            None => Err(AppendError::Fatal("the log was opened for reading".to_owned())),
        }
    }

    async fn extents(&self, topic: Topic) -> Result<BTreeMap<i32, Extent>, ReadError> {
        let connection = self.connect()?;
        blocking(move || extents(&connection, topic)).await
    }

    async fn read(&self, topic: Topic, from: NextOffsets) -> Result<Box<dyn Reader>, ReadError> {
        let connection = self.connect()?;
        let commits = self.commits.clone();
        Ok(Box::new(blocking(move || reader::FileReader::start(connection, commits, topic, from)).await?))
    }

    async fn join(&self, group: &str, topic: Topic) -> Result<Box<dyn GroupReader>, ReadError> {
        let connection = self.connect()?;
        let reader = reader::FileReader::idle(connection, self.commits.clone(), topic);
        Ok(Box::new(group::FileGroupReader::join(Arc::clone(&self.groups), group, reader, self.writer.clone())))
    }

    async fn describe(&self, topic: Topic) -> Result<TopicDescription, ReadError> {
        let connection = self.connect()?;
        blocking(move || {
            let (partitions, retention_ms) = connection
                .query_row(
                    "SELECT partitions, retention_ms FROM topics WHERE topic = ?1",
                    [topic.short_name()],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()
                .map_err(unreadable)?
                .ok_or_else(|| ReadError::Fatal(format!("no topic {topic} in the file")))?;
            Ok(TopicDescription {
                topic,
                name: topic.short_name().to_owned(),
                partitions,
                replicas: 1,
                min_in_sync: 1,
                retention_ms,
                survives_power_cut: true,
                extents: extents(&connection, topic)?,
            })
        })
        .await
    }
}

/// Runs SQLite away from the tasks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ReadError::Fatal("a reading thread broke".to_owned()))?
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_idle_log_lets_old_records_go() {
        let folder = tempfile::tempdir().unwrap();
        let config = LogConfig { retention_hours: [("scans".to_owned(), 0)].into(), ..LogConfig::default() };
        let path = folder.path().join("log.db");
        let log = FileLog::open_expiring(&path, &config, Access::Write, Duration::from_millis(100)).unwrap();
        let record = NewRecord { record_key: b"k".to_vec(), payload: b"p".to_vec() };
        let kafka_partition = log.append(Topic::Scans, vec![record]).await.unwrap()[0].kafka_partition;
        let deadline = Instant::now() + Duration::from_secs(10);
        while log.extents(Topic::Scans).await.unwrap()[&kafka_partition].start == 0 {
            assert!(Instant::now() < deadline, "nothing expires while nothing is appended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
