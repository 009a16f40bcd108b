//! Which log, and how it is opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use suikang_schemas::Topic;

use crate::file_log::FileLog;
use crate::kafka_log::KafkaLog;
use crate::log::Log;
use crate::topics::TopicsError;

/// The log's settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `kafka://HOST:PORT[,HOST:PORT]` or `file:PATH`.
    pub url: String,
    /// What stands before every topic's short name.
    pub topic_prefix: String,
    /// Partitions of the topics that are spread by key; fixed once they exist.
    pub partitions: i32,
    /// How long a topic keeps a record, in hours, by short name; the others keep their defaults.
    pub retention_hours: BTreeMap<String, i64>,
    /// This process in its consumer groups, by a name that no other process has: while it restarts, its partitions wait for it. Without one
    /// they go to others, once the group has missed it for `session.timeout.ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Any librdkafka property, such as `security.protocol`.
    pub kafka: BTreeMap<String, String>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            url: "file:data/log.db".to_owned(),
            topic_prefix: "suikang.".to_owned(),
            partitions: 6,
            retention_hours: BTreeMap::new(),
            instance: None,
            kafka: BTreeMap::new(),
        }
    }
}

/// What a process wants of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To append and read; creates topics that are missing.
    Write,
    /// To read alone.
    ReadOnly,
}

/// Why the log can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no log.
    #[error("not a log: {0:?}; use kafka://HOST:PORT[,HOST:PORT] or file:PATH")]
    Url(String),
    /// Another process writes to the file.
    #[error("another process writes to the log {}; the embedded log has one writing process: stop it, or use Kafka", .0.display())]
    AnotherWriter(PathBuf),
    /// There is no such file to read.
    #[error("there is no log at {}; the first writing process creates it", .0.display())]
    Missing(PathBuf),
    /// The file can't be used.
    #[error("cannot use {}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The topics are not as configured.
    #[error(transparent)]
    Partitions(#[from] TopicsError),
    /// The broker can't be reached or refuses.
    #[error("cannot use the broker: {0}")]
    Broker(String),
}

impl OpenError {
    pub(crate) fn file(path: &Path, reason: &dyn std::fmt::Display) -> Self {
        OpenError::File { path: path.to_owned(), reason: reason.to_string() }
    }
}

impl LogConfig {
    /// How many partitions a topic has.
    pub fn partitions_of(&self, topic: Topic) -> i32 {
        if topic.is_totally_ordered() { 1 } else { self.partitions }
    }

    /// How long a topic keeps a record, in milliseconds.
    pub fn retention_ms_of(&self, topic: Topic) -> i64 {
        self.retention_hours.get(topic.short_name()).map_or(topic.retention_ms(), |hours| hours * 3_600_000)
    }

    /// The topic's name at the broker.
    pub fn physical_name(&self, topic: Topic) -> String {
        format!("{}{}", self.topic_prefix, topic.short_name())
    }
}

/// Opens the log that the URL names.
///
/// # Errors
/// With what to do about it.
pub async fn open(config: &LogConfig, access: Access) -> Result<Arc<dyn Log>, OpenError> {
    if let Some(path) = config.url.strip_prefix("file:").filter(|path| !path.is_empty()) {
        return Ok(Arc::new(FileLog::open(Path::new(path), config, access)?));
    }
    if let Some(brokers) = config.url.strip_prefix("kafka://").filter(|brokers| !brokers.is_empty()) {
        return Ok(Arc::new(KafkaLog::open(brokers, config, access).await?));
    }
    Err(OpenError::Url(config.url.clone()))
}
