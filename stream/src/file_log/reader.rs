//! Reading the file: rows after a position, and a wait for the next commit.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use std::sync::{Arc, Mutex};
use suikang_schemas::Topic;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{blocking, extents, unpoisoned, unreadable};
use crate::group_lag::Given;
use crate::log::{Batch, NextOffsets, ReadError, Reader, Record};

/// How often another process's commits are looked for.
const POLL: Duration = Duration::from_millis(20);

/// Reads partitions of one topic.
pub(super) struct FileReader {
    connection: Arc<Mutex<Connection>>,
    commits: watch::Receiver<u64>,
    topic: Topic,
    next_offsets: NextOffsets,
}

impl FileReader {
    /// Starts at these positions, if the log still has them.
    pub(super) fn start(
        connection: Connection,
        commits: watch::Receiver<u64>,
        topic: Topic,
        from: NextOffsets,
    ) -> Result<Self, ReadError> {
        let mut reader = Self::idle(connection, commits, topic);
        for (kafka_partition, next_offset) in from {
            reader.start_at(kafka_partition, next_offset)?;
        }
        Ok(reader)
    }

    /// Reads nothing yet.
    pub(super) fn idle(connection: Connection, commits: watch::Receiver<u64>, topic: Topic) -> Self {
        Self { connection: Arc::new(Mutex::new(connection)), commits, topic, next_offsets: NextOffsets::new() }
    }

    pub(super) fn topic(&self) -> Topic {
        self.topic
    }

    pub(super) fn start_at(&mut self, kafka_partition: i32, next_offset: i64) -> Result<(), ReadError> {
        let extents = extents(&unpoisoned(&self.connection), self.topic)?;
        let extent = extents
            .get(&kafka_partition)
            .ok_or_else(|| ReadError::Fatal(format!("{} has no partition {kafka_partition}", self.topic)))?;
        if next_offset < extent.start {
            let (topic, asked, start) = (self.topic, next_offset, extent.start);
            return Err(ReadError::BeforeStart { topic, kafka_partition, asked, start });
        }
        if next_offset > extent.next {
            return Err(ReadError::Fatal(format!(
                "{} partition {kafka_partition}: offset {next_offset} is past the log's end {}; the log is not the one that was read before",
                self.topic, extent.next
            )));
        }
        self.next_offsets.insert(kafka_partition, next_offset);
        Ok(())
    }

    /// Compares what a group's member was given with the log's end; nobody waits for it.
    pub(super) fn compare(&self, given: Given) {
        let connection = Arc::clone(&self.connection);
        drop(tokio::task::spawn_blocking(move || {
            if let Ok(extents) = extents(&unpoisoned(&connection), given.topic) {
                given.compare(&extents);
            }
        }));
    }

    pub(super) fn forget_all(&mut self) {
        self.next_offsets.clear();
    }

    /// Every partition of the topic.
    pub(super) fn partitions(&self) -> Result<Vec<i32>, ReadError> {
        Ok(extents(&unpoisoned(&self.connection), self.topic)?.into_keys().collect())
    }

    /// The offsets that a group has stored.
    pub(super) fn committed(&self, group: &str) -> Result<NextOffsets, ReadError> {
        let connection = unpoisoned(&self.connection);
        let mut statement = connection
            .prepare_cached("SELECT kafka_partition, next_offset FROM offsets WHERE consumer_group = ?1 AND topic = ?2")
            .map_err(unreadable)?;
        let rows = statement
            .query_map((group, self.topic.short_name()), |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(unreadable)?;
        rows.collect::<Result<_, _>>().map_err(unreadable)
    }

    /// What is there now.
    async fn rows(&self, max_records: usize) -> Result<Vec<Record>, ReadError> {
        let (connection, topic, from) = (Arc::clone(&self.connection), self.topic, self.next_offsets.clone());
        blocking(move || select(&unpoisoned(&connection), topic, &from, max_records)).await
    }
}

fn select(
    connection: &Connection,
    topic: Topic,
    from: &NextOffsets,
    max_records: usize,
) -> Result<Vec<Record>, ReadError> {
    let mut statement = connection
        .prepare_cached(
            "SELECT offset, record_key, payload, time_ms FROM records
             WHERE topic = ?1 AND kafka_partition = ?2 AND offset >= ?3 ORDER BY offset",
        )
        .map_err(unreadable)?;
    let mut records = Vec::new();
    for (&kafka_partition, &next_offset) in from {
        // Each partition gets its share, so that a busy one starves no other.
        let mut share = Batch::share_of(max_records, from.len());
        let mut rows =
            statement.query(params![topic.short_name(), kafka_partition, next_offset]).map_err(unreadable)?;
        while !share.is_full()
            && let Some(row) = rows.next().map_err(unreadable)?
        {
            share.push(record(topic, kafka_partition, row).map_err(unreadable)?);
        }
        // Retention may have passed the position since the last read.
        if share.records.first().is_none_or(|first| first.offset > next_offset) {
            let start = extents(connection, topic)?.get(&kafka_partition).map_or(0, |extent| extent.start);
            if start > next_offset {
                return Err(ReadError::BeforeStart { topic, kafka_partition, asked: next_offset, start });
            }
        }
        records.append(&mut share.records);
    }
    Ok(records)
}

fn record(topic: Topic, kafka_partition: i32, row: &rusqlite::Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        topic,
        kafka_partition,
        offset: row.get(0)?,
        record_key: row.get(1)?,
        payload: row.get(2)?,
        time_ms: row.get(3)?,
    })
}

#[async_trait]
impl Reader for FileReader {
    async fn next(&mut self, max_records: usize, wait: Duration) -> Result<Vec<Record>, ReadError> {
        let deadline = Instant::now() + wait;
        loop {
            self.commits.borrow_and_update();
            let records = self.rows(max_records).await?;
            if !records.is_empty() {
                for record in &records {
                    self.next_offsets.insert(record.kafka_partition, record.offset + 1);
                }
                return Ok(records);
            }
            if Instant::now() >= deadline {
                return Ok(records);
            }
            // A process that only reads has nobody to tell it of commits.
            let poll = deadline.min(Instant::now() + POLL);
            if self.commits.has_changed().is_err() {
                tokio::time::sleep_until(poll).await;
            } else {
                let _ = tokio::time::timeout_at(deadline, self.commits.changed()).await;
            }
        }
    }
}
