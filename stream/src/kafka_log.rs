//! The log on Kafka, through librdkafka.
//!
//! `append` is the idempotent producer with `acks=all`: a record is durable when its delivery is reported, retries neither duplicate nor
//! reorder. Readers have a thread each that polls and hands over. What blocks runs on threads of its own.

mod admin;
mod consumer;
mod group;
mod handover;
mod producer;
mod reader;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use suikang_schemas::Topic;

use crate::config::{Access, LogConfig, OpenError};
use crate::log::{
    AppendError, Extent, GroupReader, Log, NewRecord, NextOffsets, Position, ReadError, Reader, check_sizes,
};
use crate::metrics;
use crate::topics::TopicDescription;

use producer::Producer;

/// How long a question to the broker may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A log on a Kafka cluster.
pub(crate) struct KafkaLog {
    config: Arc<LogConfig>,
    client: ClientConfig,
    producers: Option<Producers>,
    /// Asks for metadata and watermarks; reads nothing.
    asker: Arc<BaseConsumer>,
    taken_back: group::TakenBack,
}

/// A record is sent sooner, or at less cost.
struct Producers {
    /// Waits for nothing.
    prompt: Producer,
    /// Waits 5 ms for company.
    patient: Producer,
}

impl KafkaLog {
    /// Connects, and for writing creates the topics that are missing.
    pub(crate) async fn open(brokers: &str, config: &LogConfig, access: Access) -> Result<Self, OpenError> {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", brokers).set("client.id", "suikang").set("log.connection.close", "false");
        // A broker that is back is found within a second, not ten.
        client.set("reconnect.backoff.max.ms", "1000");
        for (property, value) in &config.kafka {
            client.set(property, value);
        }
        let config = Arc::new(config.clone());
        let asker: BaseConsumer = client.create().map_err(|error| OpenError::Broker(error.to_string()))?;
        let asker = Arc::new(asker);
        admin::ensure_topics(&client, &asker, &config, access).await?;
        let producer = |linger_ms| Producer::new(&client, &config, linger_ms);
        let producers = match access {
            Access::Write => Some(Producers { prompt: producer("0"), patient: producer("5") }),
            Access::ReadOnly => None,
        };
        Ok(Self { config, client, producers, asker, taken_back: group::TakenBack::default() })
    }

    fn producers(&self) -> Result<&Producers, AppendError> {
        self.producers.as_ref().ok_or_else(|| AppendError::Fatal("the log was opened for reading".to_owned()))
    }

    /// Asks the broker, on a thread.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BaseConsumer, &LogConfig) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let (asker, config) = (Arc::clone(&self.asker), Arc::clone(&self.config));
        let asked = tokio::task::spawn_blocking(move || question(&asker, &config)).await;
        asked.map_err(|_| ReadError::Fatal("a thread broke".to_owned()))?.map_err(|error| unreadable(&error))
    }
}

#[async_trait]
impl Log for KafkaLog {
    async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, AppendError> {
        let Producers { prompt, patient } = self.producers()?;
        // An act waits for its entry of the audit, and so does the next entry of the chain.
        append(if topic == Topic::Audit { prompt } else { patient }, topic, records).await
    }

    async fn append_gathered(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, AppendError> {
        append(&self.producers()?.prompt, topic, records).await
    }

    async fn expire(&self, _topic: Topic, _now_ms: i64) -> Result<(), AppendError> {
        Ok(())
    }

    async fn describe(&self, topic: Topic) -> Result<TopicDescription, ReadError> {
        let extents = self.extents(topic).await?;
        admin::describe(&self.client, &self.config, topic, extents).await
    }

    async fn extents(&self, topic: Topic) -> Result<BTreeMap<i32, Extent>, ReadError> {
        self.ask(move |asker, config| extents(asker, config, topic)).await
    }

    async fn read(&self, topic: Topic, from: NextOffsets) -> Result<Box<dyn Reader>, ReadError> {
        check_within(topic, &from, &self.extents(topic).await?)?;
        Ok(Box::new(reader::KafkaReader::start(&self.client, &self.config, topic, from)?))
    }

    async fn join(&self, group: &str, topic: Topic) -> Result<Box<dyn GroupReader>, ReadError> {
        Ok(Box::new(group::KafkaGroupReader::join(
            &self.client,
            Arc::clone(&self.asker),
            Arc::clone(&self.config),
            Arc::clone(&self.taken_back),
            group,
            topic,
        )?))
    }
}

async fn append(producer: &Producer, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, AppendError> {
    check_sizes(&records)?;
    let (count, started) = (records.len(), Instant::now());
    let appended = producer.append(topic, records).await;
    match &appended {
        Ok(_) => metrics::appended(topic, count, started.elapsed()),
        Err(_) => metrics::append_failed(topic),
    }
    appended
}

/// Asks the broker what each partition retains; blocks.
fn extents(asker: &BaseConsumer, config: &LogConfig, topic: Topic) -> Result<BTreeMap<i32, Extent>, KafkaError> {
    let name = config.physical_name(topic);
    let of = |kafka_partition| {
        let (start, next) = asker.fetch_watermarks(&name, kafka_partition, PATIENCE)?;
        Ok((kafka_partition, Extent { start, next }))
    };
    (0..config.partitions_of(topic)).map(of).collect()
}

/// Refuses positions that the log does not have.
fn check_within(topic: Topic, from: &NextOffsets, extents: &BTreeMap<i32, Extent>) -> Result<(), ReadError> {
    for (&kafka_partition, &asked) in from {
        let extent = extents
            .get(&kafka_partition)
            .ok_or_else(|| ReadError::Fatal(format!("{topic} has no partition {kafka_partition}")))?;
        if asked < extent.start {
            return Err(ReadError::BeforeStart { topic, kafka_partition, asked, start: extent.start });
        }
        if asked > extent.next {
            return Err(ReadError::Fatal(format!(
                "{topic} partition {kafka_partition}: offset {asked} is past the log's end {}; the log is not the one that was read before",
                extent.next
            )));
        }
    }
    Ok(())
}

/// What time may mend, and what it won't. The topics were there when the log was opened; a broker that has just started may not know them
/// yet, and says that there are none.
fn unreadable(error: &KafkaError) -> ReadError {
    use RDKafkaErrorCode::{
        Authentication, ClusterAuthorizationFailed, FencedInstanceId, GroupAuthorizationFailed,
        SaslAuthenticationFailed, TopicAuthorizationFailed,
    };
    match error.rdkafka_error_code() {
        Some(FencedInstanceId) => ReadError::Namesake,
        Some(
            Authentication
            | ClusterAuthorizationFailed
            | GroupAuthorizationFailed
            | SaslAuthenticationFailed
            | TopicAuthorizationFailed,
        ) => ReadError::Fatal(error.to_string()),
        _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => ReadError::Fatal(error.to_string()),
        _ => ReadError::Unavailable(error.to_string()),
    }
}
