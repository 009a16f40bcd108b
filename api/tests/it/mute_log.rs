//! The real log, behind a switch after which one topic promises nothing any more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use suikang_schemas::Topic;
use suikang_stream::{
    AppendError, Extent, GroupReader, Log, NewRecord, NextOffsets, Position, ReadError, Reader, TopicDescription,
};

pub(crate) struct MuteLog {
    pub(crate) log: Arc<dyn Log>,
    /// Whether the audit can't be written.
    pub(crate) mute: AtomicBool,
}

#[async_trait::async_trait]
impl Log for MuteLog {
    async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, AppendError> {
        if topic == Topic::Audit && self.mute.load(Ordering::SeqCst) {
            return Err(AppendError::Unavailable("no broker".to_owned()));
        }
        self.log.append(topic, records).await
    }

    async fn expire(&self, topic: Topic, now_ms: i64) -> Result<(), AppendError> {
        self.log.expire(topic, now_ms).await
    }

    async fn describe(&self, topic: Topic) -> Result<TopicDescription, ReadError> {
        self.log.describe(topic).await
    }

    async fn extents(&self, topic: Topic) -> Result<BTreeMap<i32, Extent>, ReadError> {
        self.log.extents(topic).await
    }

    async fn read(&self, topic: Topic, from: NextOffsets) -> Result<Box<dyn Reader>, ReadError> {
        self.log.read(topic, from).await
    }

    async fn join(&self, group: &str, topic: Topic) -> Result<Box<dyn GroupReader>, ReadError> {
        self.log.join(group, topic).await
    }
}
