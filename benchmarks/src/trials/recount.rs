//! Questions while everything moves: whatever SQL and summaries answer, the raw log says the same up to the cut that the answer names.
//!
//! The recount shares nothing with what answers: another library decodes the records, and it counts in plain vectors.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use serde_json::{Value, json};
use suikang_schemas::{AreaCode, Topic};
use suikang_stream::{Log, NextOffsets};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Stage;
use super::scene::Scene;
use crate::simulate::Client;
use crate::walk::{City, mint};

const SCHEMA: &str = include_str!("../../../schemas/avro/scan_upload.v1.avsc");
/// Marker and fingerprint.
const HEADER: usize = 10;
/// Questions at once.
const ASKING: usize = 4;
/// Of all answers at least so many must have had a commit between question and answer: one in.
const ASTRIDE: usize = 10;
const OFTEN: &str = "commit_interval_s = 0\nsave_seen_interval_s = 2\ncompact_every_commits = 7";
const DISTRICTS: [&str; 4] = ["440106", "440111", "440103", "440115"];

/// A scan as it lies on the log, the first under its number.
#[derive(Debug)]
pub(super) struct Raw {
    kafka_partition: i32,
    offset: i64,
    device_epoch: i64,
    seq: i64,
    district: String,
    verdict: String,
    direction: String,
    local_hour: i64,
    temperature: Option<i32>,
    has_fever: bool,
}

impl Raw {
    pub(super) fn seq(&self) -> i64 {
        self.seq
    }
}

/// The log as far as it was read.
#[derive(Default)]
pub(super) struct RawLog {
    next_offsets: NextOffsets,
    scans: Vec<Raw>,
    numbers: HashSet<(i64, i64)>,
}

/// A question in SQL, and its answer from the scans of the log.
type Question = (&'static str, fn(&[&Raw]) -> Vec<Value>);

const QUESTIONS: [Question; 4] = [
    ("SELECT count(*) AS n, sum(seq) AS s, count(DISTINCT device_epoch) AS d FROM scans", |scans| {
        let devices: HashSet<_> = scans.iter().map(|scan| scan.device_epoch).collect();
        let sum = (!scans.is_empty()).then(|| scans.iter().map(|scan| scan.seq).sum::<i64>());
        vec![json!({"n": scans.len(), "s": sum, "d": devices.len()})]
    }),
    ("SELECT district, verdict, count(*) AS n FROM scans GROUP BY 1, 2 ORDER BY 1, 2", |scans| {
        let groups = grouped(scans, |scan| (scan.district.clone(), scan.verdict.clone()));
        groups
            .into_iter()
            .map(|((district, verdict), of)| json!({"district": district, "verdict": verdict, "n": of.len()}))
            .collect()
    }),
    (
        "SELECT local_hour, direction, count(*) AS n, max(temperature_tenths_celsius) AS t FROM scans GROUP BY 1, 2 ORDER BY 1, 2",
        |scans| {
            let groups = grouped(scans, |scan| (scan.local_hour, scan.direction.clone()));
            let row = |((hour, direction), of): ((i64, String), Vec<&Raw>)| {
                let warmest = of.iter().filter_map(|scan| scan.temperature).max();
                json!({"local_hour": hour, "direction": direction, "n": of.len(), "t": warmest})
            };
            groups.into_iter().map(row).collect()
        },
    ),
    ("SELECT count(*) AS n FROM scans WHERE array_has(reasons, 'fever') AND direction = 'entry'", |scans| {
        vec![json!({"n": scans.iter().filter(|scan| scan.has_fever && scan.direction == "entry").count()})]
    }),
];

fn grouped<'a, K: Ord>(scans: &[&'a Raw], by: impl Fn(&Raw) -> K) -> BTreeMap<K, Vec<&'a Raw>> {
    let mut groups: BTreeMap<K, Vec<&Raw>> = BTreeMap::new();
    for scan in scans {
        groups.entry(by(scan)).or_default().push(scan);
    }
    groups
}

/// What was found equal.
#[derive(Default)]
pub(super) struct Equal {
    pub(super) sql: usize,
    pub(super) summaries: usize,
    pub(super) astride: usize,
    pub(super) versions: BTreeSet<i64>,
}

pub(super) async fn all(stage: &Stage, times: usize) -> anyhow::Result<Value> {
    let mut scene = Scene::set(stage, tempfile::tempdir()?, OFTEN).await?;
    scene.city.start_all()?;
    scene.city.ready(Duration::from_secs(120)).await?;
    let raw = Arc::new(Mutex::new(RawLog::default()));
    let stop = CancellationToken::new();
    let reading = tokio::spawn(read_on(Arc::clone(&scene.log), Arc::clone(&raw), stop.clone()));
    let load = scene.load();

    let asker = Asker::new(&scene.city, raw)?;
    let equal = Arc::new(Mutex::new(Equal::default()));
    let mut asking = JoinSet::new();
    for worker in 0..ASKING {
        let (asker, equal) = (asker.clone(), Arc::clone(&equal));
        asking.spawn(async move {
            for number in (worker..times).step_by(ASKING) {
                asker.ask(number, &equal).await.with_context(|| format!("question {number}"))?;
                if number % 100 == 0 {
                    eprintln!("trial: {number} of {times} answers");
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    let account = load.end().await?;
    let settled = scene.settle(account).await?;
    stop.cancel();
    reading.await??;
    let equal = lock(&equal);
    ensure!(
        equal.astride * ASTRIDE >= times,
        "only {} answers had a commit between question and answer",
        equal.astride
    );
    Ok(json!({
        "equal": equal.sql + equal.summaries, "of": times, "sql": equal.sql, "summaries": equal.summaries,
        "astride_a_commit": equal.astride, "lake_versions": equal.versions.len(), "settled": settled,
    }))
}

#[derive(Clone)]
pub(super) struct Asker {
    client: Client,
    entries: std::path::PathBuf,
    raw: Arc<Mutex<RawLog>>,
}

impl Asker {
    pub(super) fn new(city: &City, raw: Arc<Mutex<RawLog>>) -> anyhow::Result<Self> {
        let client = Client::new(vec![city.reader()], mint(&city.keys())?)?;
        Ok(Self { client, entries: city.lake().join("scans/_delta_log"), raw })
    }

    /// Puts the question of a number, and compares.
    pub(super) async fn ask(&self, number: usize, equal: &Mutex<Equal>) -> anyhow::Result<()> {
        let before = self.newest_version()?;
        if number % 5 == 4 {
            self.ask_for_a_summary(DISTRICTS[number / 5 % DISTRICTS.len()]).await?;
            let astride = usize::from(self.newest_version()? != before);
            let mut equal = lock(equal);
            equal.summaries += 1;
            equal.astride += astride;
            return Ok(());
        }
        let (sql, recount) = QUESTIONS[number % QUESTIONS.len()];
        let answer = self.client.sql(sql).await?;
        let after = self.newest_version()?;
        let cut = &answer["cut"]["scans"];
        let expected = self.recount(&serde_json::from_value(cut["next_offsets"].clone())?, recount).await?;
        ensure!(
            answer["rows"] == json!(expected),
            "{sql}\nanswered {}\nthe log says {}\nat {cut}",
            answer["rows"],
            json!(expected)
        );
        let mut equal = lock(equal);
        equal.sql += 1;
        equal.astride += usize::from(after != before);
        equal.versions.extend(cut["table_version"].as_i64());
        Ok(())
    }

    async fn ask_for_a_summary(&self, district: &'static str) -> anyhow::Result<()> {
        let area: AreaCode = district.parse()?;
        let from = chrono::Utc::now().date_naive() - chrono::Days::new(2);
        let path = format!("/v1/districts/{district}/summary?from={from}");
        let answer = self.client.get(&path, ("district_analyst", &area, "recount")).await?;
        let answer: Value = answer.error_for_status()?.json().await?;
        // Nothing has been counted of a topic that isn't named.
        let cut: Option<NextOffsets> = serde_json::from_value(answer["cut"]["scans"].clone())?;
        let cut = cut.unwrap_or_default();
        let expected = self
            .recount(&cut, |scans| {
                let by_district = grouped(scans, |scan| scan.district.clone());
                let row = |(district, of): (String, Vec<&Raw>)| {
                    let verdicts: BTreeMap<_, _> =
                        grouped(&of, |scan| scan.verdict.clone()).into_iter().map(|(verdict, of)| (verdict, of.len())).collect();
                    let entries = of.iter().filter(|scan| scan.direction == "entry").count();
                    json!({"district": district, "verdicts": verdicts, "entries": entries, "fevers": of.iter().filter(|scan| scan.has_fever).count()})
                };
                by_district.into_iter().map(row).collect()
            })
            .await?;
        let nothing = json!({"district": district, "verdicts": {}, "entries": 0, "fevers": 0});
        let expected = expected.iter().find(|row| row["district"] == district).unwrap_or(&nothing);
        for part in ["verdicts", "entries", "fevers"] {
            ensure!(answer[part] == expected[part], "{part} of {district}: {} is not {}", answer[part], expected[part]);
        }
        Ok(())
    }

    /// What the log says up to there.
    pub(super) async fn recount(&self, cut: &NextOffsets, of: fn(&[&Raw]) -> Vec<Value>) -> anyhow::Result<Vec<Value>> {
        for _ in 0..3_000 {
            {
                let raw = lock(&self.raw);
                if cut.iter().all(|(kafka_partition, next)| {
                    raw.next_offsets.get(kafka_partition).is_some_and(|read| read >= next)
                }) {
                    let is_within =
                        |scan: &&Raw| cut.get(&scan.kafka_partition).is_some_and(|next| scan.offset < *next);
                    return Ok(of(&raw.scans.iter().filter(is_within).collect::<Vec<_>>()));
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the log has not come to {cut:?}")
    }

    fn newest_version(&self) -> anyhow::Result<Option<String>> {
        let names = std::fs::read_dir(&self.entries)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter(|name| name.ends_with(".json")).max())
    }
}

/// Reads the topic on and on.
pub(super) async fn read_on(log: Arc<dyn Log>, raw: Arc<Mutex<RawLog>>, stop: CancellationToken) -> anyhow::Result<()> {
    let schema = Schema::parse_str(SCHEMA)?;
    let datum = GenericDatumReader::builder(&schema).build()?;
    let from: NextOffsets = log
        .extents(Topic::Scans)
        .await?
        .into_iter()
        .map(|(kafka_partition, extent)| (kafka_partition, extent.start))
        .collect();
    lock(&raw).next_offsets.clone_from(&from);
    let mut reader = log.read(Topic::Scans, from).await?;
    while !stop.is_cancelled() {
        for record in reader.next(500, Duration::from_millis(100)).await? {
            let upload = datum.read_value(&mut &record.payload[HEADER..])?;
            let mut raw = lock(&raw);
            take(&mut raw, &upload, record.kafka_partition, record.offset)?;
            raw.next_offsets.insert(record.kafka_partition, record.offset + 1);
        }
    }
    Ok(())
}

fn take(raw: &mut RawLog, upload: &Avro, kafka_partition: i32, offset: i64) -> anyhow::Result<()> {
    let device_epoch = long(field(upload, "device_epoch")?)?;
    let first_seq = long(field(upload, "first_seq")?)?;
    let district = text(field(upload, "checkpoint")?)?[..6].to_owned();
    let Avro::Array(scans) = field(upload, "scans")? else { bail!("no scans") };
    for (seq, scan) in (first_seq..).zip(scans) {
        if !raw.numbers.insert((device_epoch, seq)) {
            continue;
        }
        let Avro::Array(reasons) = field(scan, "reasons")? else { bail!("no reasons") };
        let temperature = match field(scan, "temperature_tenths_celsius")? {
            Avro::Union(_, inner) => match inner.as_ref() {
                Avro::Int(tenths) => Some(*tenths),
                _ => None,
            },
            _ => None,
        };
        raw.scans.push(Raw {
            kafka_partition,
            offset,
            device_epoch,
            seq,
            district: district.clone(),
            verdict: text(field(scan, "verdict")?)?.to_owned(),
            direction: text(field(scan, "direction")?)?.to_owned(),
            local_hour: (long(field(scan, "scanned_at")?)? + 8 * 3_600_000).div_euclid(3_600_000).rem_euclid(24),
            temperature,
            has_fever: reasons.iter().any(|reason| text(reason).is_ok_and(|reason| reason == "fever")),
        });
    }
    Ok(())
}

fn field<'a>(record: &'a Avro, name: &str) -> anyhow::Result<&'a Avro> {
    let Avro::Record(fields) = record else { bail!("not a record") };
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value).with_context(|| format!("no {name}"))
}

fn long(value: &Avro) -> anyhow::Result<i64> {
    match value {
        Avro::Long(long) | Avro::TimestampMillis(long) => Ok(*long),
        other => bail!("{other:?} is no long"),
    }
}

fn text(value: &Avro) -> anyhow::Result<&str> {
    match value {
        Avro::String(text) | Avro::Enum(_, text) => Ok(text),
        other => bail!("{other:?} is no text"),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
