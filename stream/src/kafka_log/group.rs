//! Reading partitions that a consumer group assigned.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use suikang_schemas::Topic;
use tokio::time::Instant;

use super::consumer::{Group, Polling, session_timeout_ms};
use super::handover::Item;
use super::{PATIENCE, extents, unreadable};
use crate::config::LogConfig;
use crate::group_lag::GroupLag;
use crate::log::{Batch, GroupEvent, GroupReader, NextOffsets, ReadError, Record};

/// A named member whose place is taken takes it back, but not twice in so long, nor in the time that a member may be silent: two that live
/// under one name would take it in turns, each within two heartbeats.
const TAKEN_TWICE: Duration = Duration::from_secs(60);

/// When a process took back its place in a group, by the group's id. Its readers come and go.
pub(super) type TakenBack = Arc<Mutex<BTreeMap<String, Instant>>>;

pub(super) struct KafkaGroupReader {
    membership: Membership,
    polling: Polling,
    /// The assignment that the caller was told of last.
    assignment: u64,
    /// What came behind a run of records and is told next.
    held: Option<Item>,
    taken_back: TakenBack,
    lag: GroupLag,
    asker: Arc<BaseConsumer>,
}

/// What a member joins by, and joins by again.
struct Membership {
    client: ClientConfig,
    config: Arc<LogConfig>,
    group_id: String,
    topic: Topic,
    /// The topic's.
    name: String,
}

impl Membership {
    fn join(&self) -> Result<Polling, ReadError> {
        let group = Group { id: &self.group_id, instance: self.config.instance.as_deref() };
        Polling::start(&self.client, self.topic, &self.name, Some(group), NextOffsets::new())
    }
}

impl KafkaGroupReader {
    pub(super) fn join(
        client: &ClientConfig,
        asker: Arc<BaseConsumer>,
        config: Arc<LogConfig>,
        taken_back: TakenBack,
        group: &str,
        topic: Topic,
    ) -> Result<Self, ReadError> {
        let membership = Membership {
            client: client.clone(),
            group_id: format!("{}{group}", config.topic_prefix),
            topic,
            name: config.physical_name(topic),
            config,
        };
        let (polling, lag) = (membership.join()?, GroupLag::new(group, topic));
        Ok(Self { membership, polling, assignment: 0, held: None, taken_back, lag, asker })
    }

    /// Joins anew in the place of a member that the broker holds to be another's. A process that stood still past the time-out is told so
    /// of its own former self, if a request of that one comes after it has joined again; librdkafka's client is of no use from then on.
    fn take_back(&mut self) -> Result<(), ReadError> {
        let Membership { client, group_id, topic, .. } = &self.membership;
        let twice = TAKEN_TWICE.max(Duration::from_millis(session_timeout_ms(client).into()));
        let mut taken_back = self.taken_back.lock().unwrap_or_else(PoisonError::into_inner);
        if taken_back.get(group_id).is_some_and(|at| at.elapsed() < twice) {
            return Err(ReadError::Namesake);
        }
        tracing::warn!(%topic, "this member's place in its group was taken; taking it back");
        let former = std::mem::replace(&mut self.polling, self.membership.join()?);
        // Its threads end in their own time.
        drop(tokio::task::spawn_blocking(move || drop(former)));
        self.assignment = 0;
        taken_back.insert(group_id.clone(), Instant::now());
        Ok(())
    }

    fn watch_lag(&mut self) {
        if let Some(given) = self.lag.due() {
            let (asker, config) = (Arc::clone(&self.asker), Arc::clone(&self.membership.config));
            // Nobody waits for it, and a broker that is away has no end to compare with.
            drop(tokio::task::spawn_blocking(move || {
                if let Ok(extents) = extents(&asker, &config, given.topic) {
                    given.compare(&extents);
                }
            }));
        }
    }

    fn give(&mut self, records: Vec<Record>) -> GroupEvent {
        self.lag.given(&records);
        GroupEvent::Records(records)
    }
}

#[async_trait]
impl GroupReader for KafkaGroupReader {
    async fn next(&mut self, max_records: usize, wait: Duration) -> Result<GroupEvent, ReadError> {
        self.watch_lag();
        let deadline = Instant::now() + wait;
        let mut item = match self.held.take() {
            Some(item) => item,
            None => match tokio::time::timeout_at(deadline, self.polling.items.take()).await {
                Err(_) => return Ok(GroupEvent::Records(Vec::new())),
                Ok(Some(item)) => item,
                Ok(None) => return Err(ReadError::Fatal("the reading thread has ended".to_owned())),
            },
        };
        let mut batch = Batch::of(max_records);
        loop {
            match item {
                Item::Record(record) => batch.push(record),
                other if !batch.records.is_empty() => {
                    self.held = Some(other);
                    return Ok(self.give(batch.records));
                }
                Item::Gained(assignment, kafka_partitions) => {
                    self.assignment = assignment;
                    return Ok(GroupEvent::Gained(kafka_partitions));
                }
                Item::Lost(kafka_partitions) => {
                    self.lag.lost(&kafka_partitions);
                    return Ok(GroupEvent::Lost(kafka_partitions));
                }
                Item::Failed(ReadError::Namesake) => {
                    self.take_back().inspect_err(|_| self.held = Some(Item::Failed(ReadError::Namesake)))?;
                    return Ok(GroupEvent::Records(Vec::new()));
                }
                Item::Failed(error) => return Err(error),
            }
            if batch.is_full() {
                return Ok(self.give(batch.records));
            }
            match self.polling.items.try_take() {
                Some(next) => item = next,
                None => return Ok(self.give(batch.records)),
            }
        }
    }

    fn start_at(&mut self, kafka_partition: i32, next_offset: i64) -> Result<(), ReadError> {
        self.lag.started(kafka_partition, next_offset);
        self.polling.start_at(self.assignment, kafka_partition, next_offset);
        Ok(())
    }

    async fn committed(&mut self, kafka_partitions: &[i32]) -> Result<NextOffsets, ReadError> {
        let mut list = TopicPartitionList::new();
        for kafka_partition in kafka_partitions {
            list.add_partition(&self.membership.name, *kafka_partition);
        }
        let consumer = Arc::clone(&self.polling.consumer);
        let stored = tokio::task::spawn_blocking(move || consumer.committed_offsets(list, PATIENCE)).await;
        let stored =
            stored.map_err(|_| ReadError::Fatal("a thread broke".to_owned()))?.map_err(|error| unreadable(&error))?;
        let next_offset = |offset| match offset {
            Offset::Offset(next_offset) => Some(next_offset),
            _ => None,
        };
        Ok(stored.elements().iter().filter_map(|e| Some((e.partition(), next_offset(e.offset())?))).collect())
    }

    async fn commit(&mut self, next_offsets: &NextOffsets) -> Result<(), ReadError> {
        use RDKafkaErrorCode::{FencedInstanceId, IllegalGeneration, RebalanceInProgress, UnknownMemberId};
        let mut list = TopicPartitionList::new();
        for (&kafka_partition, &next_offset) in next_offsets {
            list.add_partition_offset(&self.membership.name, kafka_partition, Offset::Offset(next_offset))
                .map_err(|error| unreadable(&error))?;
        }
        let (consumer, mine, current) =
            (Arc::clone(&self.polling.consumer), self.assignment, self.polling.assignment());
        let committed = tokio::task::spawn_blocking(move || {
            // What was read under an earlier assignment is another's to store: it may have come further already.
            if current.load(Ordering::Acquire) == mine {
                consumer.commit(&list, CommitMode::Sync)
            } else {
                Err(KafkaError::ConsumerCommit(IllegalGeneration))
            }
        })
        .await;
        match committed.map_err(|_| ReadError::Fatal("a thread broke".to_owned()))? {
            Ok(()) => Ok(()),
            // The partitions are another's by now, and so is the offset: whoever has them does the work again, to the same end.
            Err(error)
                if matches!(
                    error.rdkafka_error_code(),
                    Some(FencedInstanceId | IllegalGeneration | RebalanceInProgress | UnknownMemberId)
                ) =>
            {
                tracing::debug!(%error, "offsets were not stored: the group has moved on");
                Ok(())
            }
            Err(error) => Err(unreadable(&error)),
        }
    }
}
