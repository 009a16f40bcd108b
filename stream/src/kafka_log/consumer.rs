//! The thread behind a reader: polls a consumer, and hands over what comes.
//!
//! It polls whatever its reader does, so that a slow reader holds up nobody's rebalance. While there is no room for records it fetches
//! none. Where a partition starts is said for one assignment: what is said for an earlier one is not heard.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc as commands};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use suikang_schemas::Topic;

use super::handover::{Giver, Item, Taker, handover};
use super::unreadable;
use crate::log::{NextOffsets, ReadError, Record};

/// How long a poll waits; also how soon a command is seen.
const POLL: Duration = Duration::from_millis(20);
/// How long the thread waits for room before it stops fetching: what was fetched ahead is then fetched again.
const HOLD_AFTER: Duration = Duration::from_millis(500);
/// How often it looks for room meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// A member that is silent for so long is out of its group, and its partitions go to others. Brokers take no less unless told so by
/// `group.min.session.timeout.ms`; where they are, set `session.timeout.ms` in `log.kafka` to be served again sooner.
const SESSION_TIMEOUT_MS: u32 = 6_000;

/// What a reader needs of librdkafka, over whatever a deployment passes through.
const NEEDS: [(&str, &str); 7] = [
    // An offset that isn't there is an error, never a jump.
    ("auto.offset.reset", "error"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("fetch.wait.max.ms", "20"),
    ("queued.max.messages.kbytes", "8192"),
    ("isolation.level", "read_committed"),
    // A group's partitions move all at once: few and simple states.
    ("partition.assignment.strategy", "range"),
];

/// A group, and who joins it.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    pub(super) id: &'a str,
    pub(super) instance: Option<&'a str>,
}

/// The thread's end, as its reader sees it.
pub(super) struct Polling {
    pub(super) items: Taker,
    pub(super) consumer: Arc<BaseConsumer<Rebalances>>,
    starts: commands::Sender<Start>,
    /// The assignment that the thread has by now; the reader may not have been told yet.
    assignment: Arc<AtomicU64>,
}

/// Where a partition starts, said for one assignment.
struct Start {
    assignment: u64,
    kafka_partition: i32,
    next_offset: i64,
}

impl Polling {
    /// Creates a consumer and polls it on a thread of its own, until the receiving end is dropped.
    pub(super) fn start(
        client: &ClientConfig,
        topic: Topic,
        name: &str,
        group: Option<Group<'_>>,
        from: NextOffsets,
    ) -> Result<Self, ReadError> {
        let assignment = Arc::new(AtomicU64::new(0));
        let context = Rebalances { assignment: Arc::clone(&assignment), queue: Mutex::default() };
        let consumer: BaseConsumer<Rebalances> =
            configured(client, group).create_with_context(context).map_err(|error| unreadable(&error))?;
        let consumer = Arc::new(consumer);
        if group.is_some() {
            consumer.subscribe(&[name]).map_err(|error| unreadable(&error))?;
        }
        let (giver, items) = handover();
        let (starts, started) = commands::channel();
        let mut thread = Thread {
            consumer: Arc::clone(&consumer),
            topic,
            name: name.to_owned(),
            owned: BTreeSet::new(),
            assignment: Arc::clone(&assignment),
            next_offsets: from,
            full_since: None,
            holding: false,
            starts: started,
            items: giver,
        };
        thread.assign().map_err(|error| unreadable(&error))?;
        std::thread::Builder::new()
            .name(format!("read-{topic}"))
            .spawn(move || thread.run())
            .map_err(|error| ReadError::Unavailable(error.to_string()))?;
        Ok(Self { items, consumer, starts, assignment })
    }

    /// Delivers this partition from here on, if it still is the reader's by this assignment. A thread that has ended said why among its items.
    pub(super) fn start_at(&self, assignment: u64, kafka_partition: i32, next_offset: i64) {
        let _ = self.starts.send(Start { assignment, kafka_partition, next_offset });
    }

    /// The assignment that the member has now.
    pub(super) fn assignment(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.assignment)
    }
}

/// How long a member of this client's may be silent.
pub(super) fn session_timeout_ms(client: &ClientConfig) -> u32 {
    client.get("session.timeout.ms").and_then(|asked| asked.parse().ok()).unwrap_or(SESSION_TIMEOUT_MS)
}

fn configured(client: &ClientConfig, group: Option<Group<'_>>) -> ClientConfig {
    let mut config = client.clone();
    for (property, value) in NEEDS {
        config.set(property, value);
    }
    config.set("group.id", group.map_or("suikang-unused", |group| group.id));
    if let Some(instance) = group.and_then(|group| group.instance) {
        config.set("group.instance.id", instance);
    }
    let session_timeout_ms = session_timeout_ms(client);
    config.set("session.timeout.ms", session_timeout_ms.to_string());
    if config.get("heartbeat.interval.ms").is_none() {
        config.set("heartbeat.interval.ms", (session_timeout_ms / 4).max(1).to_string());
    }
    config
}

struct Thread {
    consumer: Arc<BaseConsumer<Rebalances>>,
    topic: Topic,
    name: String,
    /// What the group has given to this member.
    owned: BTreeSet<i32>,
    /// Counts what the group decided.
    assignment: Arc<AtomicU64>,
    /// Partitions that are delivered, and from where.
    next_offsets: NextOffsets,
    full_since: Option<Instant>,
    /// Whether nothing is fetched until there is room.
    holding: bool,
    starts: commands::Receiver<Start>,
    items: Giver,
}

impl Thread {
    fn run(mut self) {
        while !self.items.is_closed() {
            if let Err(error) = self.step() {
                if error.is_retryable() {
                    self.items.fail(error);
                } else {
                    return self.end(error);
                }
            }
        }
        // A group hears at once that its member has left.
        self.consumer.unsubscribe();
    }

    /// Tells why nothing more comes.
    fn end(mut self, error: ReadError) {
        if matches!(error, ReadError::Namesake) {
            // The member's place is another's, and so are its partitions. There is nothing to leave.
            self.assignment.fetch_add(1, Ordering::AcqRel);
            if !self.owned.is_empty() {
                self.items.give(Item::Lost(std::mem::take(&mut self.owned).into_iter().collect()));
            }
        } else {
            self.consumer.unsubscribe();
        }
        self.items.give(Item::Failed(error));
    }

    fn step(&mut self) -> Result<(), ReadError> {
        self.take_starts().map_err(|error| unreadable(&error))?;
        if self.wait_for_room().map_err(|error| unreadable(&error))? {
            return Ok(());
        }
        let consumer = Arc::clone(&self.consumer);
        let polled = consumer.poll(POLL);
        for rebalanced in consumer.context().take() {
            self.rebalanced(rebalanced);
        }
        match polled {
            None => Ok(()),
            Some(Ok(message)) => {
                // Of a partition that was taken away meanwhile nothing more is delivered.
                if let Some(next_offset) = self.next_offsets.get_mut(&message.partition()) {
                    let record = record(self.topic, &message);
                    *next_offset = record.offset + 1;
                    self.items.give(Item::Record(record));
                }
                Ok(())
            }
            Some(Err(error)) => Err(self.failed(&error)),
        }
    }

    fn take_starts(&mut self) -> Result<(), KafkaError> {
        let mut any = false;
        while let Ok(Start { assignment, kafka_partition, next_offset }) = self.starts.try_recv() {
            if assignment == self.assignment.load(Ordering::Relaxed) && self.owned.contains(&kafka_partition) {
                self.next_offsets.insert(kafka_partition, next_offset);
                any = true;
            }
        }
        if any { self.assign() } else { Ok(()) }
    }

    /// Whether to look again before polling. Room that lacks for long ends the fetching, and the polls go on.
    fn wait_for_room(&mut self) -> Result<bool, KafkaError> {
        if self.holding {
            if self.items.is_half_free() {
                self.holding = false;
                self.assign()?;
            }
            return Ok(false);
        }
        if self.items.has_room() {
            self.full_since = None;
            return Ok(false);
        }
        let since = *self.full_since.get_or_insert_with(Instant::now);
        if since.elapsed() < HOLD_AFTER {
            std::thread::sleep(LOOK);
            return Ok(true);
        }
        self.full_since = None;
        self.holding = true;
        self.assign()?;
        Ok(false)
    }

    fn rebalanced(&mut self, Rebalanced { gained, assignment, kafka_partitions }: Rebalanced) {
        // Nothing is delivered of a lost partition, nor of a gained one before it is started.
        self.next_offsets.retain(|kafka_partition, _| !kafka_partitions.contains(kafka_partition));
        if gained {
            self.owned.extend(&kafka_partitions);
            self.items.give(Item::Gained(assignment, kafka_partitions));
        } else {
            self.owned.retain(|kafka_partition| !kafka_partitions.contains(kafka_partition));
            self.items.give(Item::Lost(kafka_partitions));
        }
    }

    /// Fetches what is delivered, from where it is; nothing while there is no room.
    fn assign(&mut self) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for (&kafka_partition, &next_offset) in self.next_offsets.iter().filter(|_| !self.holding) {
            list.add_partition_offset(&self.name, kafka_partition, Offset::Offset(next_offset))?;
        }
        self.consumer.assign(&list)
    }

    fn failed(&self, error: &KafkaError) -> ReadError {
        use RDKafkaErrorCode::{AutoOffsetReset, InvalidSessionTimeout, OffsetOutOfRange};
        match error.rdkafka_error_code() {
            Some(InvalidSessionTimeout) => ReadError::Fatal(
                "the broker refuses session.timeout.ms: set it in log.kafka between the broker's group.min.session.timeout.ms and \
                 group.max.session.timeout.ms"
                    .to_owned(),
            ),
            Some(AutoOffsetReset | OffsetOutOfRange) => self.outside(),
            _ => unreadable(error),
        }
    }

    /// Which position is outside the log.
    fn outside(&self) -> ReadError {
        for (&kafka_partition, &asked) in &self.next_offsets {
            match self.consumer.fetch_watermarks(&self.name, kafka_partition, super::PATIENCE) {
                Ok((start, _)) if asked < start => {
                    return ReadError::BeforeStart { topic: self.topic, kafka_partition, asked, start };
                }
                Ok(_) => {}
                // Not knowing is no verdict.
                Err(error) => return unreadable(&error),
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
#[derive(Debug)]
pub(super) struct Rebalances {
    /// Counts what the group decided.
    assignment: Arc<AtomicU64>,
    queue: Mutex<VecDeque<Rebalanced>>,
}

#[derive(Debug)]
struct Rebalanced {
    gained: bool,
    assignment: u64,
    kafka_partitions: Vec<i32>,
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
        // Before librdkafka is answered and joins again: what is stored after that goes under another membership, and would fence this one.
        let assignment = self.assignment.fetch_add(1, Ordering::AcqRel) + 1;
        let answered = if gained { consumer.assign(&TopicPartitionList::new()) } else { consumer.unassign() };
        if let Err(error) = answered {
            tracing::warn!(%error, "an assignment was not taken");
        }
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(Rebalanced {
            gained,
            assignment,
            kafka_partitions,
        });
    }
}
