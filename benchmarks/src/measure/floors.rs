//! What nobody can beat, on the same bytes: a producer that waits for nothing, the issuer's loop without its care for exactly once, decoding
//! and encoding without rows in between. The servers are in [`servers`](super::servers).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use arrow::array::AsArray as _;
use ed25519_dalek::SigningKey;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use suikang_issuer::issue::{self, CommunitySecret, Keys};
use suikang_issuer::{columns, policy::Policy};
use suikang_schemas::declaration::Declaration;
use suikang_schemas::outcome::DeclarationPosition;
use suikang_schemas::scan::ScanUpload;
use suikang_schemas::{AreaCode, Topic, avro};
use suikang_stream::{Log, LogConfig, Record};
use uuid::Uuid;

use super::cost::{Meter, Spent};

/// What this process does from now on.
///
/// # Errors
/// If the kernel doesn't tell.
fn me() -> anyhow::Result<Meter> {
    Meter::start(&[("bare", std::process::id())])
}

/// How long a record waits for company at the door.
pub(super) const LINGER_MS: &str = "5";

/// A client with the door's promises, whose records wait so long for company, and a topic that is made for it.
///
/// # Errors
/// If the broker refuses.
pub(super) async fn client_and_topic(url: &str, linger_ms: &str) -> anyhow::Result<(ClientConfig, String)> {
    let topic = format!("bare-{}", Uuid::now_v7());
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", url.trim_start_matches("kafka://"));
    let admin: AdminClient<DefaultClientContext> = client.create()?;
    let topics = [NewTopic::new(&topic, LogConfig::default().partitions, TopicReplication::Fixed(1))];
    for made in admin.create_topics(&topics, &AdminOptions::new()).await? {
        made.map_err(|(topic, error)| anyhow::anyhow!("{topic}: {error}"))?;
    }
    client.set("acks", "all").set("enable.idempotence", "true").set("linger.ms", linger_ms);
    Ok((client, topic))
}

/// A producer with the door's promises, to a topic of its own.
struct Bare {
    producer: BaseProducer,
    topic: String,
}

impl Bare {
    /// Makes the topic.
    ///
    /// # Errors
    /// If the broker refuses.
    async fn open(url: &str) -> anyhow::Result<Self> {
        let (client, topic) = client_and_topic(url, LINGER_MS).await?;
        Ok(Self { producer: client.create()?, topic })
    }

    /// Sends one, waiting only for room.
    ///
    /// # Errors
    /// If the producer refuses.
    fn send(&self, key: &[u8], payload: &[u8]) -> anyhow::Result<()> {
        let mut record = BaseRecord::to(&self.topic).key(key).payload(payload);
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    self.producer.poll(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    /// Waits until the broker has all of them.
    ///
    /// # Errors
    /// If that takes longer than a minute.
    fn flush(&self) -> anyhow::Result<()> {
        Ok(self.producer.flush(Duration::from_secs(60))?)
    }
}

/// Produces these records, in this process.
///
/// # Errors
/// If the broker refuses.
pub async fn produce(url: &str, records: &[Record], events: u64) -> anyhow::Result<Spent> {
    let bare = Bare::open(url).await?;
    let meter = me()?;
    for record in records {
        bare.send(&record.record_key, &record.payload)?;
    }
    bare.flush()?;
    meter.stop(events)
}

/// Decodes uploads into columns and writes these as Parquet to memory, 500,000 scans a file.
///
/// # Errors
/// If a record isn't an upload.
pub fn decode_and_encode(records: &[Record]) -> anyhow::Result<Spent> {
    const RECORDS: usize = 2_000;
    const FILE_RECORDS: usize = 5_000;
    let (meter, mut scans) = (me()?, 0);
    for file in records.chunks(FILE_RECORDS) {
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?)).build();
        let mut writer =
            ArrowWriter::try_new(Vec::new(), suikang_schemas::columns::schema::<ScanUpload>(), Some(properties))?;
        for chunk in file.chunks(RECORDS) {
            let payloads: Vec<_> = chunk.iter().map(|record| record.payload.as_slice()).collect();
            let columns = suikang_schemas::columns::decode::<ScanUpload>(&payloads)?;
            ensure!(columns.poison.is_empty(), "a record is no upload");
            let lists = columns.batch.column_by_name("scans").context("scans")?;
            scans += u64::try_from(lists.as_list::<i32>().values().len())?;
            writer.write(&columns.batch)?;
        }
        writer.into_inner()?;
    }
    meter.stop(scans)
}

#[derive(Debug)]
struct OneSecret;

impl CommunitySecret for OneSecret {
    fn of(&self, _: &AreaCode) -> [u8; 32] {
        [3; 32]
    }
}

/// Issues every declaration of the log to a topic of its own, waiting for nothing and storing no offsets.
///
/// # Errors
/// If the log can't be read.
pub async fn issue(log: &dyn Log, url: &str, policy: &str) -> anyhow::Result<Spent> {
    let bare = Bare::open(url).await?;
    let signing_key = SigningKey::from_bytes(&[7; 32]);
    let keys = Keys { signing_key: &signing_key, code_id_key: &[5; 32], community_secret: &OneSecret };
    let policy = Policy::compile(policy)?;
    let extents = log.extents(Topic::Declarations).await?;
    let count: i64 = extents.values().map(|extent| extent.next - extent.start).sum();
    let from: BTreeMap<_, _> = extents.iter().map(|(partition, extent)| (*partition, extent.start)).collect();
    let mut reader = log.read(Topic::Declarations, from).await?;
    let batch = suikang_issuer::Settings::default().batch;
    let (meter, mut read) = (me()?, 0);
    while read < count {
        let records = reader.next(batch, Duration::from_millis(200)).await?;
        read += i64::try_from(records.len())?;
        let declared = records.iter().map(|record| Ok((record, avro::decode::<Declaration>(&record.payload)?)));
        let declared =
            declared.filter(|one| one.as_ref().map_or(true, |(_, declaration)| declaration.inadmissible.is_none()));
        let declared = declared.collect::<anyhow::Result<Vec<_>>>()?;
        let rows: Vec<_> = declared.iter().map(|(_, declaration)| declaration).collect();
        for ((record, declaration), ruling) in declared.iter().zip(policy.evaluate(&columns::batch(&rows))?) {
            let position = DeclarationPosition { kafka_partition: record.kafka_partition, offset: record.offset };
            let outcome = issue::issue(declaration, &record.payload, position, ruling, keys);
            bare.send(&outcome.subject.0, &avro::encode(&outcome))?;
        }
    }
    bare.flush()?;
    meter.stop(u64::try_from(count)?)
}
