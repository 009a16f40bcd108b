//! Consumer groups of the embedded log: one process, so the first member has every partition and the others wait until it leaves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use suikang_schemas::Topic;

use super::reader::FileReader;
use super::unpoisoned;
use super::writer::Writer;
use crate::group_lag::GroupLag;
use crate::log::{AppendError, GroupEvent, GroupReader, NextOffsets, ReadError, Reader as _};

/// How often a waiting member looks whether it is its turn.
const TURN: Duration = Duration::from_millis(50);

/// Members by group and topic, in the order in which they joined.
#[derive(Default)]
pub(super) struct Groups {
    members: Mutex<HashMap<(String, Topic), Members>>,
}

#[derive(Default)]
struct Members {
    last: u64,
    waiting: Vec<u64>,
}

pub(super) struct FileGroupReader {
    groups: Arc<Groups>,
    group: String,
    member: u64,
    reader: FileReader,
    writer: Option<Writer>,
    has_partitions: bool,
    lag: GroupLag,
}

impl FileGroupReader {
    pub(super) fn join(groups: Arc<Groups>, group: &str, reader: FileReader, writer: Option<Writer>) -> Self {
        let member = {
            let mut members = unpoisoned(&groups.members);
            let members = members.entry((group.to_owned(), reader.topic())).or_default();
            members.last += 1;
            members.waiting.push(members.last);
            members.last
        };
        let lag = GroupLag::new(group, reader.topic());
        Self { groups, group: group.to_owned(), member, reader, writer, has_partitions: false, lag }
    }

    fn is_first(&self) -> bool {
        let members = unpoisoned(&self.groups.members);
        members.get(&(self.group.clone(), self.reader.topic())).is_some_and(|m| m.waiting.first() == Some(&self.member))
    }
}

impl Drop for FileGroupReader {
    fn drop(&mut self) {
        let mut members = unpoisoned(&self.groups.members);
        if let Some(members) = members.get_mut(&(self.group.clone(), self.reader.topic())) {
            members.waiting.retain(|member| *member != self.member);
        }
        self.reader.forget_all();
    }
}

#[async_trait]
impl GroupReader for FileGroupReader {
    async fn next(&mut self, max_records: usize, wait: Duration) -> Result<GroupEvent, ReadError> {
        if self.has_partitions {
            if let Some(given) = self.lag.due() {
                self.reader.compare(given);
            }
            let records = self.reader.next(max_records, wait).await?;
            self.lag.given(&records);
            return Ok(GroupEvent::Records(records));
        }
        let deadline = tokio::time::Instant::now() + wait;
        while !self.is_first() {
            if tokio::time::Instant::now() >= deadline {
                return Ok(GroupEvent::Records(Vec::new()));
            }
            tokio::time::sleep(TURN.min(wait)).await;
        }
        self.has_partitions = true;
        self.reader.partitions().map(GroupEvent::Gained)
    }

    fn start_at(&mut self, kafka_partition: i32, next_offset: i64) -> Result<(), ReadError> {
        self.reader.start_at(kafka_partition, next_offset)?;
        self.lag.started(kafka_partition, next_offset);
        Ok(())
    }

    async fn committed(&mut self, kafka_partitions: &[i32]) -> Result<NextOffsets, ReadError> {
        let mut stored = self.reader.committed(&self.group)?;
        stored.retain(|kafka_partition, _| kafka_partitions.contains(kafka_partition));
        Ok(stored)
    }

    async fn commit(&mut self, next_offsets: &NextOffsets) -> Result<(), ReadError> {
        let writer =
            self.writer.as_ref().ok_or_else(|| ReadError::Fatal("the log was opened for reading".to_owned()))?;
        writer.commit(&self.group, self.reader.topic(), next_offsets.clone()).await.map_err(|error| match error {
            AppendError::Unavailable(reason) => ReadError::Unavailable(reason),
            other => ReadError::Fatal(other.to_string()),
        })
    }
}
