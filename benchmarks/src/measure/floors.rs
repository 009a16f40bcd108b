//! What nobody can beat, on the same bytes: a server that answers without looking, a producer that waits for nothing, the issuer's loop
//! without its care for exactly once, decoding and encoding without rows in between.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use arrow::array::AsArray as _;
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, FutureProducer, FutureRecord, Producer as _};
use suikang_issuer::issue::{self, CommunitySecret, Keys};
use suikang_issuer::{columns, policy::Policy};
use suikang_schemas::declaration::Declaration;
use suikang_schemas::outcome::DeclarationPosition;
use suikang_schemas::scan::ScanUpload;
use suikang_schemas::{AreaCode, Topic, avro};
use suikang_stream::{Log, LogConfig, Record};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::cost::{Meter, Spent};
use crate::simulate::account::percentiles_ms;

/// A running server that answers every request alike, in a process of its own.
#[derive(Debug)]
pub struct Floor {
    child: Child,
    /// Host and port.
    pub address: String,
}

impl Floor {
    /// Starts it: this program again, as `serve-fixed`.
    ///
    /// # Errors
    /// If it can't be started.
    pub async fn start() -> anyhow::Result<Self> {
        let address = format!("127.0.0.1:{}", suikang_stream::testing::free_port());
        let child =
            Command::new(std::env::current_exe()?).args(["serve-fixed", &address]).stdin(Stdio::null()).spawn()?;
        let floor = Self { child, address };
        let deadline = Instant::now() + Duration::from_secs(10);
        while tokio::net::TcpStream::connect(&floor.address).await.is_err() {
            ensure!(Instant::now() < deadline, "the fixed server doesn't answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(floor)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves for ever: reads a request to its end, and answers 202.
///
/// # Errors
/// If the address can't be had.
pub async fn serve_fixed(address: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(fixed)));
    }
}

async fn fixed(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    let body = Full::new(Bytes::from_static(b"{\"declaration_id\":\"00000000000000000000000000000000\"}"));
    Ok(Response::builder().status(202).header("content-type", "application/json").body(body).expect("plain text"))
}

/// What this process does from now on.
///
/// # Errors
/// If the kernel doesn't tell.
fn me() -> anyhow::Result<Meter> {
    Meter::start(&[("bare", std::process::id())])
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
        let topic = format!("bare-{}", Uuid::now_v7());
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", url.trim_start_matches("kafka://"));
        let admin: AdminClient<DefaultClientContext> = client.create()?;
        let topics = [NewTopic::new(&topic, LogConfig::default().partitions, TopicReplication::Fixed(1))];
        for made in admin.create_topics(&topics, &AdminOptions::new()).await? {
            made.map_err(|(topic, error)| anyhow::anyhow!("{topic}: {error}"))?;
        }
        client.set("acks", "all").set("enable.idempotence", "true").set("linger.ms", "5");
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

/// How long the broker takes to acknowledge records that come at a pace and wait 2 ms for company: median and 99th percentile, in milliseconds
/// from when each was due. The first quarter, in which the producer finds its broker, doesn't count.
///
/// # Errors
/// If the broker refuses.
pub async fn acknowledge(url: &str, records: &[Record], per_second: f64) -> anyhow::Result<[f64; 2]> {
    let topic = Bare::open(url).await?.topic;
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", url.trim_start_matches("kafka://"));
    client.set("acks", "all").set("enable.idempotence", "true").set("linger.ms", "2");
    let producer: FutureProducer = client.create()?;
    let (begun, mut acknowledged) = (tokio::time::Instant::now(), JoinSet::new());
    for (number, record) in (0_u32..).zip(records) {
        let due = begun + Duration::from_secs_f64(f64::from(number) / per_second);
        tokio::time::sleep_until(due).await;
        let sent = producer.send_result(FutureRecord::to(&topic).key(&record.record_key).payload(&record.payload));
        let delivery = sent.map_err(|(error, _)| error)?;
        let counts = usize::try_from(number)? >= records.len() / 4;
        acknowledged.spawn(async move {
            delivery.await?.map_err(|(error, _)| error)?;
            anyhow::Ok(counts.then(|| due.elapsed()))
        });
    }
    let took = acknowledged.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    Ok(percentiles_ms(&mut took.into_iter().flatten().collect::<Vec<_>>()))
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
