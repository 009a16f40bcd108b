//! What is known of a topic, and why topics may not be as configured.

use std::collections::BTreeMap;

use suikang_schemas::Topic;

use crate::log::Extent;

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Which.
    pub topic: Topic,
    /// Its name at the broker.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many copies of a record there are.
    pub replicas: i32,
    /// How many copies must be written before a record is acknowledged.
    pub min_in_sync: i32,
    /// How long a record is kept, in milliseconds; −1 is for ever.
    pub retention_ms: i64,
    /// Whether what was acknowledged survives a power cut of one machine. That takes a second copy before each
    /// acknowledgement (`min_in_sync` above 1), or a flush for each record.
    pub survives_power_cut: bool,
    /// What each partition retains.
    pub extents: BTreeMap<i32, Extent>,
}

/// The topics are not as configured.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TopicsError {
    /// The number of partitions is fixed when a topic is created: another number would break the order per key.
    #[error(
        "topic {topic} has {there} partitions, not {asked}: the number is fixed when a topic is created; configure log.partitions = {there}"
    )]
    Partitions {
        /// Which.
        topic: Topic,
        /// As it is.
        there: i32,
        /// As configured.
        asked: i32,
    },
}
