//! The flow, stage by stage: a renewal per request at the door, codes from the issuer, checks and uploads at the gateway, rows in the lake, and how soon
//! SQL shows them. Each stage runs alone, so that its processes' time is its own.

mod checks;
mod door;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use suikang_analytics::lake::LakeTable;
use suikang_analytics::tables::Table;
use suikang_schemas::registry_event::{Change, RegistryEvent};
use suikang_schemas::{DeviceEpoch, Topic, avro};
use suikang_stream::testing::Broker;
use suikang_stream::{Access, Log};

use super::cost::{Meter, Spent, as_f64, round};
use super::floors;
use super::gates::Gates;
use super::load::{Answered, Load, Make, send_well};
use super::questions::ask;
use super::servers::{Before, Server};
use crate::simulate::account::percentiles_ms;
use crate::simulate::{Client, Mint};
use crate::walk::{City, each, last, mint};

/// Requests at once at the door: a request waits for the broker's acknowledgement, and others use the time.
const DOOR_CONNECTIONS: usize = 64;
/// At a gateway that waits for the broker with each upload, fewer would measure the wait.
const GATEWAY_CONNECTIONS: usize = 64;
/// The lake commits seldom: freshness is the tail's. Waiting for it would be counted as idle time of the writer.
const COMMITS: &str = "commit_interval_s = 15";
const DOOR: &str = "ingest-1";

/// How much of it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The `suikang` binary.
    pub suikang: PathBuf,
    /// People who declare once, and then renew in turns.
    pub people: usize,
    /// Renewals.
    pub renewals: u64,
    /// Checks at thin gates.
    pub checks: u64,
    /// Uploads of scans.
    pub uploads: u64,
    /// Scans in an upload.
    pub scans: usize,
    /// Single scans that are looked for in SQL.
    pub looks: usize,
    /// Everything drawn follows from it.
    pub seed: u64,
}

impl Plan {
    /// Uploads that come first, uncounted.
    fn warm_uploads(&self) -> u64 {
        self.uploads / 4
    }

    fn uploads_in_all(&self) -> u64 {
        self.warm_uploads() + self.uploads
    }
}

struct Bench {
    city: City,
    broker: Broker,
    log: Arc<dyn Log>,
    mint: Mint,
    plan: Plan,
    /// Codes that were waited for, each the newest of its holder then.
    pass_codes: Vec<String>,
}

/// Measures every stage.
///
/// # Errors
/// If a process or a request fails.
pub async fn flow(plan: &Plan) -> anyhow::Result<Value> {
    let folder = tempfile::tempdir()?;
    say("starting Kafka and a door");
    let broker = Broker::start().await;
    let city = City::found(&plan.suikang, &folder.path().join("city"), Some(&broker.url()), COMMITS)?;
    let log = suikang_stream::open(&city.log(), Access::ReadOnly).await?;
    let mint = mint(&city.keys())?;
    let mut bench = Bench { city, broker, log, mint, plan: plan.clone(), pass_codes: Vec::new() };
    let door = bench.door().await?;
    let checks = bench.checks().await?;
    let issuer = bench.issuer().await?;
    let gateway = bench.gateway().await?;
    let writer = bench.writer().await?;
    let fresh = bench.fresh().await?;
    let all_in = gateway.1.of_all() + writer.1.of_all();
    let bytes = bench.bytes(folder.path()).await?;
    Ok(json!({
        "seed": plan.seed, "door": door, "checks": checks, "issuer": issuer, "gateway": gateway.0, "writer": writer.0, "fresh": fresh, "bytes": bytes,
        "scan_all_in_cpu_us": round(all_in),
    }))
}

impl Bench {
    async fn start(&mut self, name: &'static str) -> anyhow::Result<()> {
        self.city.start(name)?;
        self.city.ready(Duration::from_secs(120)).await
    }

    /// Processes to watch: these, the broker, and the load itself.
    fn meter(&self, names: &[&'static str]) -> anyhow::Result<Meter> {
        let mut watched = vec![("broker", self.broker.pid()), ("client", std::process::id())];
        for name in names {
            watched.push((name, self.city.pid(name)?));
        }
        Meter::start(&watched)
    }

    fn load(&self, connections: usize, requests: u64, make: Make) -> Load {
        let address = self.city.address(DOOR).trim_start_matches("http://").to_owned();
        Load { address, connections, requests, pace: None, make, keep: false, patient: true }
    }

    /// The same load at a server that answers every request alike, a third of it first, uncounted; its cost, and how long the answers took.
    async fn alike(&self, before: Before<'_>, load: Load) -> anyhow::Result<(Spent, Answered)> {
        let server = Server::start(before).await?;
        let load = Load { address: server.address.clone(), ..load };
        send_well(Load { requests: load.requests / 3, pace: None, ..load.clone() }).await?;
        let meter = Meter::start(&[("server", server.pid()), ("client", std::process::id())])?;
        let requests = load.requests;
        let answered = send_well(load).await?;
        Ok((meter.stop(requests)?, answered))
    }

    /// Codes for the renewals that wait.
    async fn issuer(&mut self) -> anyhow::Result<Value> {
        say("codes for the renewals that wait");
        let count = u64::try_from(self.end_of(Topic::Declarations).await? - self.end_of(Topic::Codes).await?)?;
        // From its very start, which is little beside so many.
        self.city.start("issuer-1")?;
        let meter = self.meter(&["issuer-1"])?;
        self.codes_for_all().await?;
        let spent = meter.stop(count)?;
        self.city.ready(Duration::from_secs(60)).await?;
        let policy = self.policy().await?;
        let bare = floors::issue(self.log.as_ref(), &self.broker.url(), &policy).await?;
        self.city.kill("issuer-1")?;
        Ok(json!({
            "spent": spent.figures(), "without_care": bare.figures(),
            "speed_of_floor": round(bare.of("bare") / spent.of("issuer-1")),
        }))
    }

    async fn policy(&self) -> anyhow::Result<String> {
        let mut found = None;
        each(self.log.as_ref(), Topic::Registry, |record| {
            if let Change::PolicySet(policy) = avro::decode::<RegistryEvent>(&record.payload)?.change {
                found = Some(policy.expression);
            }
            Ok(())
        })
        .await?;
        found.context("the registry has a policy")
    }

    /// Uploads of decided scans.
    async fn gateway(&mut self) -> anyhow::Result<(Value, Spent)> {
        say("uploads of scans");
        let scans = self.plan.uploads * self.plan.scans as u64;
        let gates = Arc::new(Gates::new(self.plan.seed, self.plan.scans, &self.mint));
        let make = |gates: &Arc<Gates>| -> Make {
            let gates = Arc::clone(gates);
            Arc::new(move |number| gates.upload(number))
        };
        let warm = Arc::new(Gates::new(self.plan.seed + 1, self.plan.scans, &self.mint));
        send_well(self.load(GATEWAY_CONNECTIONS, self.plan.warm_uploads(), make(&warm))).await?;
        let meter = self.meter(&[DOOR])?;
        let mut sent = send_well(self.load(GATEWAY_CONNECTIONS, self.plan.uploads, make(&gates))).await?;
        let spent = meter.stop(scans)?;
        let [median_ms, p99_ms] = sent.percentiles_ms();
        let load = self.load(GATEWAY_CONNECTIONS, self.plan.uploads, make(&gates));
        let (fixed, _) = self.alike(Before::Nothing, load).await?;
        let uploads = last(self.log.as_ref(), Topic::Scans, self.plan.uploads).await?;
        let bare = floors::produce(&self.broker.url(), &uploads, scans).await?;
        let figures = json!({
            "scans_per_upload": self.plan.scans, "spent": spent.figures(), "median_ms": median_ms, "p99_ms": p99_ms,
            "connections": GATEWAY_CONNECTIONS, "fixed_reply_per_scan": fixed.figures(), "bare_produce": bare.figures(),
            "of_bare_throughput": round(spent.per_second() / bare.per_second()),
        });
        Ok((figures, spent))
    }

    /// From the log to the lake.
    async fn writer(&mut self) -> anyhow::Result<(Value, Spent)> {
        say("rows for the lake");
        let scans = self.plan.uploads_in_all() * self.plan.scans as u64;
        // From its very start: it reads before it is ready.
        self.city.start("analytics")?;
        let meter = Meter::start(&[("broker", self.broker.pid()), ("analytics", self.city.pid("analytics")?)])?;
        let spent = in_lake(&self.city, self.log.as_ref()).await.and_then(|()| meter.stop(scans))?;
        // Beside its floor it is measured on a history, where its start and its last wait for a commit weigh little.
        Ok((json!({"spent": spent.figures()}), spent))
    }

    /// How soon an acknowledged scan is seen in SQL, the question's own time included.
    async fn fresh(&mut self) -> anyhow::Result<Value> {
        say("from acknowledged to visible");
        self.start("api").await?;
        let reader = Client::new(vec![self.city.reader()], Arc::clone(&self.mint))?;
        let gates = Gates::new(self.plan.seed, 1, &self.mint);
        let mut took = Vec::new();
        for _ in 0..self.plan.looks {
            let epoch = DeviceEpoch(rand::random());
            let one = Arc::new(gates.upload_of(epoch, 1, 0));
            let make: Make = Arc::new(move |_| (*one).clone());
            send_well(self.load(1, 1, make)).await?;
            let acknowledged = Instant::now();
            let sql = format!("SELECT count(*) AS n FROM scans WHERE device_epoch = {}", epoch.to_i64());
            while ask(&reader, &sql).await?.0[0]["n"] != 1 {
                ensure!(acknowledged.elapsed() < Duration::from_secs(30), "a scan was acknowledged and isn't seen");
            }
            took.push(acknowledged.elapsed());
        }
        let [median_ms, p99_ms] = percentiles_ms(&mut took);
        Ok(json!({"looks": took.len(), "median_ms": median_ms, "p99_ms": p99_ms}))
    }

    /// Bytes of one event, in the log and in the lake.
    async fn bytes(&self, folder: &Path) -> anyhow::Result<Value> {
        let mut log = serde_json::Map::new();
        for topic in [Topic::Declarations, Topic::Codes, Topic::Scans] {
            let (mut bytes, mut records) = (0, 0);
            each(self.log.as_ref(), topic, |record| {
                bytes += record.record_key.len() + record.payload.len();
                records += 1;
                Ok(())
            })
            .await?;
            log.insert(format!("{topic}"), round(as_f64(bytes as u64) / as_f64(records)).into());
        }
        let scans = self.plan.uploads_in_all() * self.plan.scans as u64;
        let lake = parquet_bytes(&folder.join("city/lake/scans"))?;
        Ok(json!({"log_per_record": log, "lake_per_scan": round(as_f64(lake) / as_f64(scans))}))
    }

    async fn end_of(&self, topic: Topic) -> anyhow::Result<i64> {
        Ok(self.log.extents(topic).await?.values().map(|extent| extent.next).sum())
    }

    /// Waits until there is an outcome for each declaration.
    async fn codes_for_all(&self) -> anyhow::Result<()> {
        let (started, all) = (Instant::now(), self.end_of(Topic::Declarations).await?);
        while self.end_of(Topic::Codes).await? < all {
            ensure!(started.elapsed() < Duration::from_secs(600), "no codes; {}", self.city.log_end("issuer-1"));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

/// Waits until the lake has every upload that the log has.
///
/// # Errors
/// If that takes longer than an hour.
pub async fn in_lake(city: &City, log: &dyn Log) -> anyhow::Result<()> {
    share_in_lake(city, log, 1.0).await.map(drop)
}

/// Waits until the lake has this share of the uploads that the log has; how many it has then.
///
/// # Errors
/// If that takes longer than an hour.
pub async fn share_in_lake(city: &City, log: &dyn Log, share: f64) -> anyhow::Result<u64> {
    let (started, extents) = (Instant::now(), log.extents(Topic::Scans).await?);
    let all: i64 = extents.values().map(|extent| extent.next - extent.start).sum();
    let mut lake = LakeTable::open(&city.lake(), Table::Scans).await?;
    loop {
        lake.refresh().await?;
        let positions = lake.positions(extents.keys().copied()).await?;
        let of_partition = |(partition, extent): (&i32, &suikang_stream::Extent)| {
            positions.get(partition).map_or(0, |position| (*position).min(extent.next) - extent.start)
        };
        let has = u64::try_from(extents.iter().map(of_partition).sum::<i64>())?;
        if as_f64(has) >= share * as_f64(u64::try_from(all)?) {
            return Ok(has);
        }
        ensure!(started.elapsed() < Duration::from_secs(3600), "not in the lake: {}", city.log_end("analytics"));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Bytes of the Parquet files in a folder and those below.
///
/// # Errors
/// If it can't be read.
pub fn parquet_bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_log = entry.file_name() == "_delta_log";
        if entry.file_type()?.is_dir() && !is_log {
            bytes += parquet_bytes(&entry.path())?;
        } else if entry.path().extension().is_some_and(|extension| extension == "parquet") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

pub(super) fn say(what: &str) {
    eprintln!("bench: {what}");
}
