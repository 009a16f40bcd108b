//! The thread behind a reader: polls a consumer, and hands over what comes through a bounded channel.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, mpsc as commands};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use suikang_schemas::Topic;
use tokio::sync::mpsc;

use super::unreadable;
use crate::log::{NextOffsets, ReadError, Record};

/// Records between the thread and the task; with librdkafka's own queue it bounds what a reader holds.
const CHANNEL: usize = 4_000;
/// How long a poll waits; also how soon a command is seen.
const POLL: Duration = Duration::from_millis(20);

/// What the thread hands over, in order.
#[derive(Debug)]
pub(super) enum Item {
    Record(Record),
    Gained(Vec<i32>),
    Lost(Vec<i32>),
    Failed(ReadError),
}

/// The thread's end, as its reader sees it.
pub(super) struct Polling {
    pub(super) items: mpsc::Receiver<Item>,
    pub(super) consumer: Arc<BaseConsumer<Rebalances>>,
    starts: commands::Sender<(i32, i64)>,
}

impl Polling {
    /// Creates a consumer and polls it on a thread of its own, until the receiving end is dropped.
    pub(super) fn start(
        client: &ClientConfig,
        topic: Topic,
        name: &str,
        group: Option<&str>,
        from: NextOffsets,
    ) -> Result<Self, ReadError> {
        let mut config = client.clone();
        config
            // An offset that isn't there is an error, never a jump.
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("fetch.wait.max.ms", "20")
            .set("queued.max.messages.kbytes", "16384")
            .set("isolation.level", "read_committed")
            // A group's partitions move all at once: few and simple states.
            .set("partition.assignment.strategy", "range")
            .set("group.id", group.unwrap_or("suikang-unused"));
        for (property, value) in [("session.timeout.ms", "10000"), ("max.poll.interval.ms", "300000")] {
            if config.get(property).is_none() {
                config.set(property, value);
            }
        }
        let consumer: BaseConsumer<Rebalances> =
            config.create_with_context(Rebalances::default()).map_err(|error| unreadable(&error))?;
        let consumer = Arc::new(consumer);
        if group.is_some() {
            consumer.subscribe(&[name]).map_err(|error| unreadable(&error))?;
        }
        let (sender, items) = mpsc::channel(CHANNEL);
        let (starts, started) = commands::channel();
        let thread = Thread {
            consumer: Arc::clone(&consumer),
            topic,
            name: name.to_owned(),
            next_offsets: from,
            starts: started,
            items: sender,
        };
        thread.assign().map_err(|error| unreadable(&error))?;
        std::thread::Builder::new()
            .name(format!("read-{topic}"))
            .spawn(move || thread.run())
            .map_err(|error| ReadError::Unavailable(error.to_string()))?;
        Ok(Self { items, consumer, starts })
    }

    /// Delivers this partition from here on.
    pub(super) fn start_at(&self, kafka_partition: i32, next_offset: i64) -> Result<(), ReadError> {
        self.starts
            .send((kafka_partition, next_offset))
            .map_err(|_| ReadError::Unavailable("the reading thread has ended".to_owned()))
    }
}

struct Thread {
    consumer: Arc<BaseConsumer<Rebalances>>,
    topic: Topic,
    name: String,
    /// Partitions that are delivered, and from where.
    next_offsets: NextOffsets,
    starts: commands::Receiver<(i32, i64)>,
    items: mpsc::Sender<Item>,
}

impl Thread {
    fn run(mut self) {
        while !self.items.is_closed() {
            let polled = self.step();
            if let Err(error) = polled {
                let fatal = !error.is_retryable();
                if self.items.blocking_send(Item::Failed(error)).is_err() || fatal {
                    break;
                }
            }
        }
        // A group hears at once that its member has left.
        self.consumer.unsubscribe();
    }

    fn step(&mut self) -> Result<(), ReadError> {
        let mut started = false;
        while let Ok((kafka_partition, next_offset)) = self.starts.try_recv() {
            self.next_offsets.insert(kafka_partition, next_offset);
            started = true;
        }
        if started {
            self.assign().map_err(|error| unreadable(&error))?;
        }
        let polled = self.consumer.poll(POLL);
        for rebalance in self.consumer.context().take() {
            self.next_offsets.retain(|kafka_partition, _| !rebalance.concerns(*kafka_partition));
            if self.items.blocking_send(rebalance.into_item()).is_err() {
                return Ok(());
            }
        }
        match polled {
            None => Ok(()),
            Some(Ok(message)) => {
                // Of a partition that was taken away meanwhile nothing more is delivered.
                if let Some(next_offset) = self.next_offsets.get_mut(&message.partition()) {
                    let record = record(self.topic, &message);
                    *next_offset = record.offset + 1;
                    let _ = self.items.blocking_send(Item::Record(record));
                }
                Ok(())
            }
            Some(Err(error)) => Err(self.failed(&error)),
        }
    }

    /// Fetches what is delivered, from where it is.
    fn assign(&self) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for (&kafka_partition, &next_offset) in &self.next_offsets {
            list.add_partition_offset(&self.name, kafka_partition, Offset::Offset(next_offset))?;
        }
        self.consumer.assign(&list)
    }

    fn failed(&self, error: &KafkaError) -> ReadError {
        use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
        if !matches!(error.rdkafka_error_code(), Some(AutoOffsetReset | OffsetOutOfRange)) {
            return unreadable(error);
        }
        for (&kafka_partition, &asked) in &self.next_offsets {
            if let Ok((start, _)) = self.consumer.fetch_watermarks(&self.name, kafka_partition, super::PATIENCE)
                && asked < start
            {
                return ReadError::BeforeStart { topic: self.topic, kafka_partition, asked, start };
            }
        }
        ReadError::Fatal(format!("{}: a position is outside the log", self.topic))
    }
}

fn record(topic: Topic, message: &BorrowedMessage<'_>) -> Record {
    Record {
        topic,
        kafka_partition: message.partition(),
        offset: message.offset(),
        record_key: message.key().unwrap_or_default().to_vec(),
        payload: message.payload().unwrap_or_default().to_vec(),
        time_ms: message.timestamp().to_millis().unwrap_or(0),
    }
}

/// Collects what the group decides, while the thread polls.
#[derive(Debug, Default)]
pub(super) struct Rebalances {
    queue: Mutex<VecDeque<Rebalanced>>,
}

#[derive(Debug)]
struct Rebalanced {
    gained: bool,
    kafka_partitions: Vec<i32>,
}

impl Rebalanced {
    /// Nothing is delivered of a lost partition, nor of a gained one before it is started.
    fn concerns(&self, kafka_partition: i32) -> bool {
        self.kafka_partitions.contains(&kafka_partition)
    }

    fn into_item(self) -> Item {
        if self.gained { Item::Gained(self.kafka_partitions) } else { Item::Lost(self.kafka_partitions) }
    }
}

impl Rebalances {
    fn take(&self) -> VecDeque<Rebalanced> {
        std::mem::take(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Rebalances {}

impl ConsumerContext for Rebalances {
    /// Takes an assignment without fetching: the reader says where each partition starts, and the thread assigns it then.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, response: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let kafka_partitions = list.elements().iter().map(|element| element.partition()).collect();
        let gained = response == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let answered = if gained { consumer.assign(&TopicPartitionList::new()) } else { consumer.unassign() };
        if let Err(error) = answered {
            tracing::warn!(%error, "an assignment was not taken");
        }
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(Rebalanced { gained, kafka_partitions });
    }
}
