//! A log in memory that forgets: what was appended since it was last asked comes out, so that a target sees what one input has caused.
//!
//! One partition for each topic. It implements the interface that Kafka and the embedded file implement, and is for nothing but fuzzing:
//! an input costs microseconds, and a run of days fills no disk.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use suikang_schemas::Topic;
use suikang_stream::{
    AppendError, Extent, GroupReader, Log, NewRecord, NextOffsets, Position, ReadError, Reader, Record,
    TopicDescription,
};
use tokio::sync::Notify;

const PARTITION: i32 = 0;
/// Records kept of a topic for readers; they read within microseconds.
const KEPT: usize = 20_000;

/// The log.
#[derive(Clone, Default)]
pub struct ScratchLog(Arc<Inner>);

#[derive(Default)]
struct Inner {
    topics: Mutex<HashMap<Topic, Kept>>,
    appended: Notify,
}

#[derive(Default)]
struct Kept {
    start: i64,
    records: VecDeque<Record>,
    /// Payloads that were not taken yet.
    news: Vec<Vec<u8>>,
}

impl Kept {
    fn next(&self) -> i64 {
        self.start + self.records.len() as i64
    }
}

impl ScratchLog {
    /// The payloads appended to a topic since this was last asked.
    pub fn take(&self, topic: Topic) -> Vec<Vec<u8>> {
        self.with(topic, |kept| std::mem::take(&mut kept.news))
    }

    fn with<T>(&self, topic: Topic, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(self.0.topics.lock().unwrap_or_else(PoisonError::into_inner).entry(topic).or_default())
    }

    fn from(&self, topic: Topic, offset: i64, max_records: usize) -> Vec<Record> {
        self.with(topic, |kept| {
            let skipped = usize::try_from(offset - kept.start).expect("a reader that keeps up");
            kept.records.iter().skip(skipped).take(max_records).cloned().collect()
        })
    }
}

#[async_trait::async_trait]
impl Log for ScratchLog {
    async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, AppendError> {
        let positions = self.with(topic, |kept| {
            let mut positions = Vec::with_capacity(records.len());
            for NewRecord { record_key, payload } in records {
                let offset = kept.next();
                positions.push(Position { kafka_partition: PARTITION, offset });
                kept.news.push(payload.clone());
                kept.records.push_back(Record {
                    topic,
                    kafka_partition: PARTITION,
                    offset,
                    record_key,
                    payload,
                    time_ms: chrono::Utc::now().timestamp_millis(),
                });
            }
            while kept.records.len() > KEPT {
                kept.records.pop_front();
                kept.start += 1;
            }
            positions
        });
        self.0.appended.notify_waiters();
        Ok(positions)
    }

    async fn expire(&self, _topic: Topic, _now_ms: i64) -> Result<(), AppendError> {
        Ok(())
    }

    async fn describe(&self, _topic: Topic) -> Result<TopicDescription, ReadError> {
        Err(ReadError::Fatal("this log describes nothing".to_owned()))
    }

    async fn extents(&self, topic: Topic) -> Result<BTreeMap<i32, Extent>, ReadError> {
        let extent = self.with(topic, |kept| Extent { start: kept.start, next: kept.next() });
        Ok([(PARTITION, extent)].into())
    }

    async fn read(&self, topic: Topic, from: NextOffsets) -> Result<Box<dyn Reader>, ReadError> {
        let next_offset = from.get(&PARTITION).copied().unwrap_or(0);
        Ok(Box::new(ScratchReader { log: self.clone(), topic, next_offset }))
    }

    async fn join(&self, _group: &str, _topic: Topic) -> Result<Box<dyn GroupReader>, ReadError> {
        Err(ReadError::Fatal("this log has no groups".to_owned()))
    }
}

struct ScratchReader {
    log: ScratchLog,
    topic: Topic,
    next_offset: i64,
}

#[async_trait::async_trait]
impl Reader for ScratchReader {
    async fn next(&mut self, max_records: usize, wait: Duration) -> Result<Vec<Record>, ReadError> {
        // Registered before looking: what is appended in between wakes it.
        let mut appended = std::pin::pin!(self.log.0.appended.notified());
        appended.as_mut().enable();
        let mut records = self.log.from(self.topic, self.next_offset, max_records);
        if records.is_empty() && tokio::time::timeout(wait, appended).await.is_ok() {
            records = self.log.from(self.topic, self.next_offset, max_records);
        }
        self.next_offset += records.len() as i64;
        Ok(records)
    }
}
