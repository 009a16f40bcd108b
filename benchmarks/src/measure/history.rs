//! A history of so many scans, through the real writer: what a row costs as they grow many, how soon a reader is fresh after a restart, how
//! long a district's summary takes, and ten questions beside DuckDB on the same files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use suikang_analytics::lake::LakeTable;
use suikang_analytics::tables::Table;
use suikang_schemas::scan::{Scan, ScanUpload, Vehicle};
use suikang_schemas::{AreaCode, CodeId, DeviceEpoch, Topic, avro};
use suikang_stream::testing::Broker;
use suikang_stream::{Access, Log, NewRecord};

use super::cost::{Meter, as_f64, high_water_mib, round};
use super::floors;
use super::flow::{in_lake, parquet_bytes, say, share_in_lake};
use super::gates::somebody;
use super::questions::{QUESTIONS, ask, compare, median};
use crate::simulate::account::percentiles_ms;
use crate::simulate::gate::{checkpoint, passage};
use crate::simulate::{Client, city};
use crate::walk::{City, last, mint};

const DAY_MS: i64 = 86_400_000;
/// The city's offset from UTC.
const OFFSET_MS: i64 = 8 * 3_600_000;
const DEVICES: usize = 5_000;
const SCANS_PER_UPLOAD: usize = 100;
/// Uploads that are appended together.
const TOGETHER: usize = 500;
/// Uploads of which the writer's floor is measured.
const FLOOR_UPLOADS: u64 = 20_000;
/// Scans for each of the people, in all; there are no more of these than that.
const SCANS_PER_PERSON: u64 = 25;
const MOST_PEOPLE: usize = 400_000;
/// What no file has rows for: what is left is what every question costs.
const NOTHING: &str = "SELECT count(*) AS n FROM scans WHERE local_date = DATE '{day}' AND district = 'nowhere'";

/// How much of it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The `suikang` binary.
    pub suikang: PathBuf,
    /// Scans.
    pub scans: u64,
    /// Days over which they are spread; the last is yesterday.
    pub days: u32,
    /// How often each question is put.
    pub rounds: usize,
    /// Everything drawn follows from it.
    pub seed: u64,
    /// Where log and lake stay, instead of in a temporary folder.
    pub keep: Option<PathBuf>,
}

/// Makes the history, and measures.
///
/// # Errors
/// If a process fails, or we answer otherwise than DuckDB.
pub async fn history(plan: &Plan) -> anyhow::Result<Value> {
    let folder = tempfile::tempdir()?;
    say("starting Kafka");
    let broker = Broker::start().await;
    let at = plan.keep.clone().unwrap_or_else(|| folder.path().join("city"));
    let mut city = City::found(&plan.suikang, &at, Some(&broker.url()), "")?;
    let log = suikang_stream::open(&city.log(), Access::Write).await?;
    let mint = mint(&city.keys())?;
    let mut past = Past::new(plan);
    let (uploads, scans) = (past.uploads, past.uploads * SCANS_PER_UPLOAD as u64);
    append(log.as_ref(), &mut past, uploads).await?;

    say("rows for the lake");
    city.start("analytics")?;
    let watched = [("broker", broker.pid()), ("analytics", city.pid("analytics")?)];
    let (meter, first_half) = (Meter::start(&watched)?, Meter::start(&watched)?);
    let half = share_in_lake(&city, log.as_ref(), 0.5).await? * SCANS_PER_UPLOAD as u64;
    let (first_half, second_half) = (first_half.stop(half)?, Meter::start(&watched)?);
    in_lake(&city, log.as_ref()).await?;
    // Few scans are one commit.
    let (writer, second_half) =
        (meter.stop(scans)?, (half < scans).then(|| second_half.stop(scans - half)).transpose()?);
    let lake = LakeTable::open(&city.lake(), Table::Scans).await?;
    let (versions, files) = (lake.version(), parquet_files(&city)?);
    let bytes = parquet_bytes(&city.lake().join("scans"))?;

    say("a reader starts, is killed, and starts again");
    city.start("api")?;
    let begun = Instant::now();
    city.ready(Duration::from_secs(3_600)).await?;
    let first = begun.elapsed();
    city.kill("api")?;
    let begun = Instant::now();
    city.start("api")?;
    city.ready(Duration::from_secs(600)).await?;
    let again = begun.elapsed();

    let reader = Client::new(vec![city.reader()], Arc::clone(&mint))?;
    let counted = ask(&reader, "SELECT count(*) AS n FROM scans").await?.0;
    ensure!(counted[0]["n"] == scans, "{counted}");
    let day = past.last_day();
    let summaries = summaries(&reader).await?;
    say("ten questions");
    city.kill("analytics")?; // The lake stands still, so that both have the same rows.
    let floor = floors::decode_and_encode(&last(log.as_ref(), Topic::Scans, FLOOR_UPLOADS).await?)?;
    let questions = compare(&reader, &city.lake(), &day, plan.rounds).await?;
    let nothing = median_ms(&reader, &NOTHING.replace("{day}", &day), 20 * plan.rounds).await?;

    say("the same with a tail");
    let before = all_questions_ms(&reader, &day, plan.rounds).await?;
    let tail = (uploads / 100).clamp(1, 5_000);
    append(log.as_ref(), &mut past, tail).await?;
    let whole = (uploads + tail) * SCANS_PER_UPLOAD as u64;
    let appended = Instant::now();
    while ask(&reader, "SELECT count(*) AS n FROM scans").await?.0[0]["n"] != whole {
        ensure!(appended.elapsed() < Duration::from_secs(60), "the tail doesn't show what was appended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let with_tail = all_questions_ms(&reader, &day, plan.rounds).await?;
    Ok(json!({
        "seed": plan.seed, "scans": scans, "days": plan.days, "writer": writer.figures(),
        "writer_second_half_to_first": second_half.map(|second| round(second.of("analytics") / first_half.of("analytics"))),
        "decode_and_encode": floor.figures(), "writer_speed_of_floor": round(floor.of("bare") / writer.of("analytics")), "commits": versions, "files": files,
        "lake_bytes_per_scan": round(as_f64(bytes) / as_f64(scans)),
        "reader": {
            "first_start_s": round(first.as_secs_f64()), "fresh_after_restart_s": round(again.as_secs_f64()),
            "high_water_mib": high_water_mib(city.pid("api")?)?,
        },
        "summaries": summaries, "questions": questions, "nothing_ms": round(nothing),
        "tail": {
            "rows": tail * SCANS_PER_UPLOAD as u64, "lake_only_ms": round(before), "joined_ms": round(with_tail),
            "ratio": round(with_tail / before),
        },
    }))
}

/// Uploads of the past, without end.
struct Past {
    rng: StdRng,
    gates: Vec<(DeviceEpoch, AreaCode, i64)>,
    people: Vec<CodeId>,
    templates: Vec<Vec<Scan>>,
    begins_ms: i64,
    days: u32,
    uploads: u64,
    made: u64,
}

impl Past {
    fn new(plan: &Plan) -> Self {
        let mut rng = StdRng::seed_from_u64(plan.seed);
        let city = city::City::guangzhou();
        let gates = (0..DEVICES).map(|_| {
            let holder = somebody(&mut rng, &city);
            (DeviceEpoch(rng.random()), checkpoint(&mut rng, &holder), 1)
        });
        let gates = gates.collect();
        let people = usize::try_from(plan.scans / SCANS_PER_PERSON).unwrap_or(MOST_PEOPLE).clamp(1, MOST_PEOPLE);
        let people = (0..people).map(|_| CodeId(rng.random())).collect();
        let templates = (0..200).map(|_| (0..SCANS_PER_UPLOAD).map(|_| scan(&mut rng, &city)).collect()).collect();
        // The city's midnight.
        let midnight_ms = (chrono::Utc::now().timestamp_millis() + OFFSET_MS) / DAY_MS * DAY_MS - OFFSET_MS;
        let begins_ms = midnight_ms - i64::from(plan.days) * DAY_MS;
        let uploads = plan.scans / SCANS_PER_UPLOAD as u64;
        Self { rng, gates, people, templates, begins_ms, days: plan.days, uploads, made: 0 }
    }

    /// The last day, as SQL has it.
    fn last_day(&self) -> String {
        let last_ms = self.begins_ms + i64::from(self.days) * DAY_MS - 1 + OFFSET_MS;
        chrono::DateTime::from_timestamp_millis(last_ms).map(|day| day.format("%F").to_string()).unwrap_or_default()
    }
}

impl Iterator for Past {
    type Item = ScanUpload;

    fn next(&mut self) -> Option<ScanUpload> {
        let gate = self.rng.random_range(0..DEVICES);
        // Time goes on with the uploads; what comes after them all belongs to the last hour.
        let span_ms = i64::from(self.days) * DAY_MS;
        let done = as_f64(self.made.min(self.uploads - 1)) / as_f64(self.uploads);
        self.made += 1;
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "milliseconds of some days")]
        let at_ms = self.begins_ms + (done * span_ms as f64) as i64;
        let mut scans = self.templates[self.rng.random_range(0..self.templates.len())].clone();
        let (epoch, checkpoint, next_seq) = &mut self.gates[gate];
        let first_seq = *next_seq;
        *next_seq += SCANS_PER_UPLOAD as i64;
        for (at, scan) in (0..).zip(&mut scans) {
            scan.scanned_at_ms = at_ms + at * 1_700;
            if scan.code_id.is_some() {
                scan.code_id = Some(self.people[self.rng.random_range(0..self.people.len())]);
            }
            if at % 20 < 2 {
                // A car with three heads of which two were seen, or two and two.
                let heads = if at < 40 { 3 } else { 2 };
                scan.vehicle = Some(Vehicle { group: first_seq + at / 20 * 20, plate_hash: first_seq ^ at, heads });
            }
        }
        Some(ScanUpload {
            device_epoch: epoch.to_i64(),
            first_seq,
            received_at_ms: at_ms + 200_000,
            checkpoint: checkpoint.clone(),
            scans,
        })
    }
}

/// A scan as the door would write it.
pub fn scan(rng: &mut StdRng, city: &city::City) -> Scan {
    let holder = somebody(rng, city);
    let drawn = passage(rng, &holder, 0).scan;
    let word = |name: &str| drawn[name].clone();
    let drawn_as = "a passage is drawn in the scan's own words";
    Scan {
        scanned_at_ms: 0,
        direction: serde_json::from_value(word("direction")).expect(drawn_as),
        shown: serde_json::from_value(word("shown")).expect(drawn_as),
        verdict: serde_json::from_value(word("verdict")).expect(drawn_as),
        reasons: serde_json::from_value(word("reasons")).expect(drawn_as),
        code_id: word("code_id").as_str().map(|id| id.parse().expect(drawn_as)),
        status: serde_json::from_value(word("status")).expect(drawn_as),
        temperature_tenths_celsius: serde_json::from_value(word("temperature_tenths_celsius")).expect(drawn_as),
        vehicle: None,
        offline: drawn["offline"] == true,
    }
}

async fn append(log: &dyn Log, past: &mut Past, uploads: u64) -> anyhow::Result<()> {
    let bar = indicatif::ProgressBar::new(uploads * SCANS_PER_UPLOAD as u64);
    bar.set_style(indicatif::ProgressStyle::with_template(
        "scans to the log {bar:40} {human_pos} of {human_len}, {eta} left",
    )?);
    let mut left = uploads;
    while left > 0 {
        let count = left.min(TOGETHER as u64);
        let records = past.by_ref().take(usize::try_from(count)?).map(|upload| NewRecord {
            record_key: DeviceEpoch::from_i64(upload.device_epoch).0.to_vec(),
            payload: avro::encode(&upload),
        });
        log.append(Topic::Scans, records.collect()).await?;
        left -= count;
        bar.inc(count * SCANS_PER_UPLOAD as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

/// A district's summary of all days, a thousand times.
async fn summaries(reader: &Client) -> anyhow::Result<Value> {
    let district: AreaCode = "440106".parse()?;
    let path = format!("/v1/districts/{district}/summary");
    let mut took = Vec::new();
    for _ in 0..1_000 {
        let asked = Instant::now();
        let answer = reader.get(&path, ("district_analyst", &district, "bench")).await?.error_for_status()?;
        answer.bytes().await?;
        took.push(asked.elapsed());
    }
    let [median_ms, p99_ms] = percentiles_ms(&mut took);
    Ok(json!({"asked": took.len(), "median_ms": median_ms, "p99_ms": p99_ms}))
}

/// The medians of all ten, together.
async fn all_questions_ms(reader: &Client, day: &str, rounds: usize) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for (_, sql) in QUESTIONS {
        sum += median_ms(reader, &sql.replace("{day}", day), rounds).await?;
    }
    Ok(sum)
}

async fn median_ms(reader: &Client, sql: &str, rounds: usize) -> anyhow::Result<f64> {
    let mut took = Vec::new();
    for _ in 0..rounds {
        took.push(ask(reader, sql).await?.1);
    }
    Ok(median(&mut took))
}

fn parquet_files(city: &City) -> anyhow::Result<usize> {
    let mut files = 0;
    for day in std::fs::read_dir(city.lake().join("scans"))? {
        let day = day?;
        if day.file_name().to_str().context("a name")?.contains('=') {
            files += std::fs::read_dir(day.path())?.count();
        }
    }
    Ok(files)
}
