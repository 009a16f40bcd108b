//! The log's interface: what every stage may rely on, whichever log is behind it.
//!
//! A record is durable once `append` returns. Order holds per record key. Reading is by position: a reader says from which offsets, and a
//! position that the log no longer has is an error, never a silent jump.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use suikang_schemas::Topic;

use crate::topics::TopicDescription;

/// A record to be appended; its time is stamped by the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Records of one key keep their order.
    pub record_key: Vec<u8>,
    /// An Avro single object.
    pub payload: Vec<u8>,
}

/// A record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub topic: Topic,
    /// Its partition.
    pub kafka_partition: i32,
    /// Its offset within the partition.
    pub offset: i64,
    /// The key it was appended under.
    pub record_key: Vec<u8>,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// When it was appended, in milliseconds since 1970.
    pub time_ms: i64,
}

/// The place of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Its partition.
    pub kafka_partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// For each partition the first offset that has not been read.
pub type NextOffsets = BTreeMap<i32, i64>;

/// What a partition retains: `[start, next)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The oldest offset that is still there.
    pub start: i64,
    /// The offset that the next record will get.
    pub next: i64,
}

/// What a member of a consumer group is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEvent {
    /// These partitions are this member's now; say where to start each.
    Gained(Vec<i32>),
    /// These partitions are another's now; nothing more of them may be written.
    Lost(Vec<i32>),
    /// Records of partitions that were gained and started; none if nothing came in time.
    Records(Vec<Record>),
}

/// Why records were not appended. Nothing is known to be durable of a failed append; appending the same again must be harmless.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Durability can't be promised now; it may be later.
    #[error("the log is not available: {0}")]
    Unavailable(String),
    /// A record is larger than the log takes.
    #[error("a record is larger than the log takes")]
    TooLarge,
    /// It will never work without someone's help.
    #[error("the log refuses: {0}")]
    Fatal(String),
}

/// Why reading failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The position asked for is older than what the log retains.
    #[error("{topic} partition {kafka_partition}: offset {asked} is older than the log's start {start}")]
    BeforeStart {
        /// The topic.
        topic: Topic,
        /// The partition.
        kafka_partition: i32,
        /// What was asked for.
        asked: i64,
        /// The oldest there is.
        start: i64,
    },
    /// The log can't be reached now; it may be later.
    #[error("the log is not available: {0}")]
    Unavailable(String),
    /// Another has this member's place in its group, and had it again after it was taken back.
    #[error("another process has joined the group under this one's name: give each its own `node`")]
    Namesake,
    /// It will never work without someone's help.
    #[error("cannot read the log: {0}")]
    Fatal(String),
}

impl ReadError {
    /// Whether waiting may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, ReadError::Unavailable(_))
    }
}

/// The largest record that is taken, key and payload together.
const RECORD_BYTES: usize = 1 << 20;
/// What one read returns at most, give or take a record.
const READ_BYTES: usize = 8 << 20;

/// Refuses records that are larger than either log takes, before any of them is appended.
pub(crate) fn check_sizes(records: &[NewRecord]) -> Result<(), AppendError> {
    let fits = |record: &NewRecord| record.record_key.len() + record.payload.len() <= RECORD_BYTES;
    if records.iter().all(fits) { Ok(()) } else { Err(AppendError::TooLarge) }
}

/// What one read returns: so many records at most, and so many bytes.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) records: Vec<Record>,
    max_records: usize,
    room_bytes: usize,
}

impl Batch {
    pub(crate) fn of(max_records: usize) -> Self {
        Self::share_of(max_records, 1)
    }

    /// One of so many equal shares; each has room for a record.
    pub(crate) fn share_of(max_records: usize, shares: usize) -> Self {
        let shares = shares.max(1);
        Self { records: Vec::new(), max_records: max_records.div_ceil(shares).max(1), room_bytes: READ_BYTES / shares }
    }

    pub(crate) fn push(&mut self, record: Record) {
        self.room_bytes = self.room_bytes.saturating_sub(record.record_key.len() + record.payload.len());
        self.records.push(record);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= self.max_records || self.room_bytes == 0
    }
}

/// A log: Kafka, or a SQLite file.
#[async_trait]
pub trait Log: Send + Sync {
    /// Appends and returns when every record is durable; positions in the order of the records.
    async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, AppendError>;
    /// The same for records that have waited for company: nothing is gained by letting them wait again.
    async fn append_gathered(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, AppendError> {
        self.append(topic, records).await
    }
    /// Lets go what is older at `now_ms` than the topic keeps. A broker does so by itself.
    async fn expire(&self, topic: Topic, now_ms: i64) -> Result<(), AppendError>;
    /// A topic as it is.
    async fn describe(&self, topic: Topic) -> Result<TopicDescription, ReadError>;
    /// What each partition of a topic retains.
    async fn extents(&self, topic: Topic) -> Result<BTreeMap<i32, Extent>, ReadError>;
    /// Reads exactly these partitions from exactly these offsets.
    async fn read(&self, topic: Topic, from: NextOffsets) -> Result<Box<dyn Reader>, ReadError>;
    /// Joins a consumer group, which assigns the partitions.
    async fn join(&self, group: &str, topic: Topic) -> Result<Box<dyn GroupReader>, ReadError>;
}

/// Reads partitions that its caller chose.
#[async_trait]
pub trait Reader: Send {
    /// Up to `max_records` records, or none after `wait`. Cancel-safe: what isn't returned is returned next time.
    async fn next(&mut self, max_records: usize, wait: Duration) -> Result<Vec<Record>, ReadError>;
}

/// Reads partitions that its group assigned.
#[async_trait]
pub trait GroupReader: Send {
    /// What happened next; `Records` of none after `wait`. Cancel-safe.
    async fn next(&mut self, max_records: usize, wait: Duration) -> Result<GroupEvent, ReadError>;
    /// Says where a gained partition starts; nothing of it is delivered before.
    fn start_at(&mut self, kafka_partition: i32, next_offset: i64) -> Result<(), ReadError>;
    /// The group's stored offsets; a partition without one is absent.
    async fn committed(&mut self, kafka_partitions: &[i32]) -> Result<NextOffsets, ReadError>;
    /// Stores offsets for the group.
    async fn commit(&mut self, next_offsets: &NextOffsets) -> Result<(), ReadError>;
}
