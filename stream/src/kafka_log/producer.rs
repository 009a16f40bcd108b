//! Appending to Kafka.
//!
//! A thread hears of deliveries and tells whoever waits. rdkafka's own such thread spins for the last millisecond of each of its polls, ten times a
//! second: two producers in each of seven processes took a seventh of a core for nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::try_join_all;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message as _};
use suikang_schemas::Topic;

use crate::config::LogConfig;
use crate::log::{AppendError, NewRecord, Position};
use crate::partitioner::partition_of;

/// How long a caller waits before it looks again for room in the producer's queue.
const ROOM: Duration = Duration::from_millis(2);
/// How long the thread polls at once; so long does letting a producer go take at most, and what librdkafka needs.
const POLL: Duration = Duration::from_millis(250);

/// Properties of the producer; those a deployment passes through come after and win, but for the two that the promise rests on.
const DEFAULTS: [(&str, &str); 5] = [
    ("message.timeout.ms", "8000"),
    // The bound on memory: a caller waits for room.
    ("queue.buffering.max.kbytes", "65536"),
    ("queue.buffering.max.messages", "100000"),
    ("socket.nagle.disable", "true"),
    // The largest record that is taken, and what its frame adds.
    ("message.max.bytes", "1114112"),
];
const PROMISE: [(&str, &str); 2] = [("enable.idempotence", "true"), ("acks", "all")];

pub(super) struct Producer {
    client: ClientConfig,
    topics: Vec<(Topic, String, i32)>,
    /// Made for the first record: many processes have none to append.
    producer: RwLock<Option<Arc<Polled>>>,
}

type Delivered = KafkaResult<Position>;

/// Tells each caller what became of its record.
struct Deliveries;

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<oneshot::Sender<Delivered>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let delivered = match result {
            Ok(message) => Ok(Position { kafka_partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(error.clone()),
        };
        // Who has gone need not be told.
        let _ = waiting.send(delivered);
    }
}

/// A producer and its thread, which ends with it.
struct Polled {
    producer: Arc<BaseProducer<Deliveries>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Polled {
    fn start(client: &ClientConfig) -> KafkaResult<Arc<Self>> {
        let producer: Arc<BaseProducer<Deliveries>> = Arc::new(client.create_with_context(Deliveries)?);
        let ends = Arc::new(AtomicBool::new(false));
        let poll = {
            let (producer, ends) = (Arc::clone(&producer), Arc::clone(&ends));
            move || {
                while !ends.load(Ordering::Relaxed) {
                    producer.poll(POLL);
                }
            }
        };
        let thread = std::thread::Builder::new().name("deliveries".to_owned()).spawn(poll);
        let thread = thread.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        Ok(Arc::new(Self { producer, ends, thread: Some(thread) }))
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // A process doesn't end under a thread that is within librdkafka.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Producer {
    /// One that waits so long, in milliseconds, for company to a record: together they cost less.
    pub(super) fn new(client: &ClientConfig, config: &LogConfig, linger_ms: &str) -> Self {
        let mut client = client.clone();
        for (property, value) in [("linger.ms", linger_ms)].into_iter().chain(DEFAULTS) {
            if client.get(property).is_none() {
                client.set(property, value);
            }
        }
        for (property, value) in PROMISE {
            client.set(property, value);
        }
        let topics =
            Topic::ALL.iter().map(|&topic| (topic, config.physical_name(topic), config.partitions_of(topic))).collect();
        Self { client, topics, producer: RwLock::default() }
    }

    fn producer(&self) -> KafkaResult<Arc<Polled>> {
        if let Some(producer) = &*self.producer.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Arc::clone(producer));
        }
        let mut producer = self.producer.write().unwrap_or_else(PoisonError::into_inner);
        match &*producer {
            Some(producer) => Ok(Arc::clone(producer)),
            None => Ok(Arc::clone(producer.insert(Polled::start(&self.client)?))),
        }
    }

    pub(super) async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, AppendError> {
        // What librdkafka refuses of a configuration it refuses again.
        let producer = self.producer().map_err(|error| AppendError::Fatal(error.to_string()))?;
        let (_, name, partitions) =
            self.topics.iter().find(|(known, ..)| *known == topic).expect("every topic has a name");
        let mut deliveries = Vec::with_capacity(records.len());
        for record in &records {
            match enqueue(&producer, name, *partitions, record).await {
                Ok(delivery) => deliveries.push(delivery),
                Err(error) => return Err(self.refusal(&producer, &error)),
            }
        }
        try_join_all(deliveries.into_iter().map(|delivery| async {
            match delivery.await {
                Ok(Ok(position)) => Ok(position),
                Ok(Err(error)) => Err(self.refusal(&producer, &error)),
                Err(_) => Err(AppendError::Unavailable("the producer has gone".to_owned())),
            }
        }))
        .await
    }

    fn refusal(&self, producer: &Polled, error: &KafkaError) -> AppendError {
        use RDKafkaErrorCode::{
            Authentication, ClusterAuthorizationFailed, MessageSizeTooLarge, SaslAuthenticationFailed,
            TopicAuthorizationFailed,
        };
        if producer.producer.client().fatal_error().is_some() {
            self.let_go();
        }
        match error.rdkafka_error_code() {
            Some(MessageSizeTooLarge) => AppendError::TooLarge,
            Some(Authentication | ClusterAuthorizationFailed | SaslAuthenticationFailed | TopicAuthorizationFailed) => {
                AppendError::Fatal(error.to_string())
            }
            _ => AppendError::Unavailable(error.to_string()),
        }
    }

    /// An idempotent producer that lost track of its sequence refuses everything for ever after; the next record has a new one, which starts
    /// another sequence. What the old one had in hand was not acknowledged, so its callers send again.
    fn let_go(&self) {
        let mut producer = self.producer.write().unwrap_or_else(PoisonError::into_inner);
        let broken = producer.take_if(|producer| producer.producer.client().fatal_error().is_some());
        // Its thread is waited for: by nobody who appends meanwhile.
        drop(producer);
        drop(broken);
    }
}

/// Puts a record into the producer's queue, and waits while that is full.
async fn enqueue(
    producer: &Polled,
    name: &str,
    partitions: i32,
    record: &NewRecord,
) -> KafkaResult<oneshot::Receiver<Delivered>> {
    let (waiting, delivery) = oneshot::channel();
    let mut waiting = Box::new(waiting);
    loop {
        let message = BaseRecord::with_opaque_to(name, waiting)
            .partition(partition_of(&record.record_key, partitions))
            .key(&record.record_key)
            .payload(&record.payload);
        match producer.producer.send(message) {
            Ok(()) => return Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                waiting = refused.delivery_opaque;
                tokio::time::sleep(ROOM).await;
            }
            Err((error, _)) => return Err(error),
        }
    }
}
