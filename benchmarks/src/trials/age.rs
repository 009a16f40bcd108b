//! A table that grows ten thousand commits old while it is asked, merged, vacuumed, its log cleaned up: no query fails, each answer is what
//! was committed up to its cut, positions survive, and it opens as fast as when it was new.
//!
//! Rows come in small uploads, each after the former is in the table: at every moment it is known what the table must hold.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use suikang_analytics::Settings;
use suikang_analytics::cut::{Cuts, TableCut};
use suikang_analytics::lake::LakeTable;
use suikang_analytics::pseudonym::LakeSecret;
use suikang_analytics::tables::Table;
use suikang_schemas::scan::{Scan, ScanUpload};
use suikang_schemas::{AreaCode, Topic, avro};
use suikang_stream::{Log, NewRecord, NextOffsets};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::left::Left;
use super::recount::{Asker, Equal, RawLog, lock, read_on};
use super::{Scene, Stage};
use crate::measure::cost::round;
use crate::measure::gates::somebody;
use crate::measure::history::scan;
use crate::simulate::account::percentiles_ms;
use crate::simulate::gate::checkpoint;
use crate::simulate::{Account, city};

/// The table is new at this version.
const NEW: i64 = 10;
/// Then, and when it is old, it is opened after each of a hundredth of its commits, 10 at least: of a hundred, entries gather twice up to a Delta
/// checkpoint, and small files up to a merge.
const OPENINGS: usize = 10;
/// How much longer it may take to open when it is old.
const SLOWER: f64 = 1.5;
/// What a query may take; so long are cuts held.
const QUERY: Duration = Duration::from_secs(5);
/// Cuts held at once, and questions through the door at once.
const HOLDING: usize = 3;
const ASKING: usize = 2;
/// Of its age, so often the writer is killed.
const KILLS: usize = 3;
const DEVICES: usize = 60;
/// The most scans that come at once.
const UPLOAD: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// Each upload is a commit; files are merged as often as usual, or more often if the trial is short. Nothing is kept for longer than queries
/// need: the two zeros are raised to that.
fn settings(times: usize) -> String {
    let usual = Settings::default().compact_every_commits;
    let compact_every_commits = u64::try_from(times / 50).unwrap_or(usual).clamp(2, usual);
    format!(
        "commit_interval_s = 0\nsave_seen_interval_s = 5\ncompact_every_commits = {compact_every_commits}\n\
         vacuum_after_s = 0\nexpire_entries_after_s = 0\nquery_timeout_ms = {}",
        QUERY.as_millis()
    )
}

pub(super) async fn grows_old(stage: &Stage, times: usize) -> anyhow::Result<Value> {
    let mut scene = Scene::set(stage, tempfile::tempdir()?, &settings(times)).await?;
    scene.city.start("analytics")?;
    scene.city.start("api")?;
    scene.city.ready(Duration::from_secs(120)).await?;
    let age = i64::try_from(times)?;

    let mut growing = Growing::new(&scene, stage.seed).await?;
    growing.to(NEW).await?;
    let openings = (times / 100).max(OPENINGS);
    let new = growing.opened(openings).await?;
    let readers = Readers::begin(&scene)?;
    for quarter in 1..=i64::try_from(KILLS)? {
        growing.to(age * quarter / i64::try_from(KILLS + 1)?).await?;
        scene.city.kill("analytics")?;
        scene.city.start("analytics")?;
    }
    growing.to(age).await?;
    // Cleaning up is a matter of time, not of commits; and a writer killed before its Delta checkpoint leaves that to the next one.
    let grown = Instant::now();
    let table = scene.city.lake().join("scans");
    while Left::of(&table)?.oldest_entry <= NEW || readers.deleted() == 0 {
        ensure!(grown.elapsed() < 5 * PATIENCE, "nothing is cleaned up: {}", Left::of(&table)?.figures());
        growing.commit().await?;
    }
    let read = readers.end().await?;
    let old = growing.opened(openings).await?;

    let (left, versions) = (Left::of(&table)?, growing.following.version());
    let settled = scene.settle(growing.account).await?;
    let ratio = new.slower(&old);
    let outcome = json!({
        "versions": versions, "appended": growing.appended, "writer_killed": KILLS,
        "opens_ms": {"new": new.figures(), "old": old.figures(), "ratio": round(ratio)},
        "read": read, "left": left.figures(), "settled": settled,
    });
    ensure!(ratio <= SLOWER, "it opens {ratio:.2} times as slowly as when it was new: {outcome:#}");
    Ok(outcome)
}

/// The table, and what it must hold.
struct Growing {
    lake: PathBuf,
    log: Arc<dyn Log>,
    rng: StdRng,
    devices: Vec<(i64, AreaCode, i64)>,
    scans: Vec<Scan>,
    /// A handle that follows every version.
    following: LakeTable,
    next_offsets: NextOffsets,
    /// Appends; each is a commit, unless two come so close that they are one.
    appended: usize,
    account: Account,
    began: Instant,
}

/// How long something took, each time.
#[derive(Default)]
struct Opened {
    opening: Vec<Duration>,
    committing: Vec<Duration>,
}

impl Growing {
    async fn new(scene: &Scene, seed: u64) -> anyhow::Result<Self> {
        let (mut rng, city) = (StdRng::seed_from_u64(seed), city::City::guangzhou());
        let devices = (0..DEVICES).map(|_| {
            let holder = somebody(&mut rng, &city);
            (rng.random(), checkpoint(&mut rng, &holder), 1)
        });
        let devices = devices.collect();
        let scans = (0..100).map(|_| scan(&mut rng, &city)).collect();
        let lake = scene.city.lake();
        let following = LakeTable::open(&lake, Table::Scans).await?;
        let log = suikang_stream::open(&scene.city.log(), suikang_stream::Access::Write).await?;
        let account = Account { seed, ..Account::default() };
        let mut growing = Self {
            lake,
            log,
            rng,
            devices,
            scans,
            following,
            next_offsets: NextOffsets::new(),
            appended: 0,
            account,
            began: Instant::now(),
        };
        // Every partition has a position from the first on.
        let first = (0..DEVICES).map(|device| growing.upload(device)).collect();
        growing.append(first).await?;
        Ok(growing)
    }

    /// Grows up to a version.
    async fn to(&mut self, version: i64) -> anyhow::Result<()> {
        while self.following.version() < version {
            self.commit().await?;
        }
        Ok(())
    }

    /// Commits, and opens the table after each.
    async fn opened(&mut self, openings: usize) -> anyhow::Result<Opened> {
        let mut opened = Opened::default();
        for _ in 0..openings {
            opened.committing.push(self.commit().await?);
            opened.opening.push(self.open().await?);
        }
        Ok(opened)
    }

    /// A few uploads; one in ten comes twice.
    async fn commit(&mut self) -> anyhow::Result<Duration> {
        let mut records = Vec::new();
        for _ in 0..self.rng.random_range(1..=3) {
            let device = self.rng.random_range(0..DEVICES);
            let upload = self.upload(device);
            if self.rng.random_bool(0.1) {
                records.push(upload.clone());
            }
            records.push(upload);
        }
        let took = self.append(records).await?;
        if self.appended.is_multiple_of(100) {
            self.open().await?;
        }
        if self.appended.is_multiple_of(1_000) {
            let (version, seconds) = (self.following.version(), self.began.elapsed().as_secs());
            eprintln!("trial: version {version} after {seconds} s");
        }
        Ok(took)
    }

    /// Appends, and waits until the table has it; how long.
    async fn append(&mut self, records: Vec<NewRecord>) -> anyhow::Result<Duration> {
        for position in self.log.append(Topic::Scans, records).await? {
            self.next_offsets.insert(position.kafka_partition, position.offset + 1);
        }
        self.appended += 1;
        let appended = Instant::now();
        loop {
            self.following.refresh().await?;
            let stored = self.following.positions(self.next_offsets.keys().copied()).await?;
            if stored == self.next_offsets {
                return Ok(appended.elapsed());
            }
            ensure!(
                appended.elapsed() < PATIENCE,
                "the table stays at {stored:?}, the log ends at {:?}",
                self.next_offsets
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Opens the table anew: it has all positions and all rows; how long that took.
    async fn open(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let mut lake = LakeTable::open(&self.lake, Table::Scans).await?;
        let stored = lake.positions(self.next_offsets.keys().copied()).await?;
        let counted = lake.query("SELECT count(*) FROM lake").await?;
        let took = began.elapsed();
        let (version, rows) = (lake.version(), counted[0].column(0).as_primitive::<Int64Type>().value(0));
        ensure!(
            stored == self.next_offsets,
            "opened at {version} it stands at {stored:?}, not {:?}",
            self.next_offsets
        );
        ensure!(
            u64::try_from(rows)? == self.account.scans,
            "opened at {version} it has {rows} of {}",
            self.account.scans
        );
        Ok(took)
    }

    fn upload(&mut self, device: usize) -> NewRecord {
        let count = self.rng.random_range(1..=UPLOAD);
        let now_ms = chrono::Utc::now().timestamp_millis();
        let drawn = (0..count).map(|_| {
            let scan = self.scans[self.rng.random_range(0..self.scans.len())].clone();
            Scan { scanned_at_ms: now_ms, ..scan }
        });
        let scans: Vec<_> = drawn.collect();
        let (device_epoch, checkpoint, next_seq) = &mut self.devices[device];
        let first_seq = *next_seq;
        let count = i64::try_from(count).expect("an upload is small");
        *next_seq += count;
        self.account.scans += scans.len() as u64;
        self.account.promises.scans.push((*device_epoch, first_seq, count));
        let (device_epoch, checkpoint) = (*device_epoch, checkpoint.clone());
        let upload = ScanUpload { device_epoch, first_seq, received_at_ms: now_ms, checkpoint, scans };
        NewRecord { record_key: device_epoch.to_be_bytes().to_vec(), payload: avro::encode(&upload) }
    }
}

impl Opened {
    /// How many times as long the other takes, in the median.
    fn slower(&self, other: &Self) -> f64 {
        let [this, other] = [self, other].map(|of| percentiles_ms(&mut of.opening.clone())[0]);
        other / this
    }

    fn figures(&self) -> Value {
        let figures = |took: &[Duration]| {
            let [median_ms, p99_ms] = percentiles_ms(&mut took.to_vec()).map(round);
            json!({"median": median_ms, "p99": p99_ms})
        };
        json!({"times": self.opening.len(), "opening": figures(&self.opening), "appended_to_committed": figures(&self.committing)})
    }
}

/// Those who read all the while.
struct Readers {
    reading: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
    equal: Arc<Mutex<Equal>>,
    held: Arc<Mutex<Held>>,
}

/// What was found of cuts that were held.
#[derive(Default)]
struct Held {
    cuts: usize,
    answers: usize,
    /// Cuts some of whose files were no longer the table's when they were asked for the last time.
    outdated: usize,
    files: BTreeSet<PathBuf>,
}

impl Readers {
    fn begin(scene: &Scene) -> anyhow::Result<Self> {
        let raw = Arc::new(Mutex::new(RawLog::default()));
        let stop = CancellationToken::new();
        let mut reading = JoinSet::new();
        reading.spawn(read_on(Arc::clone(&scene.log), Arc::clone(&raw), stop.clone()));
        let asker = Asker::new(&scene.city, raw)?;
        let equal = Arc::new(Mutex::new(Equal::default()));
        for worker in 0..ASKING {
            let (asker, equal, stop) = (asker.clone(), Arc::clone(&equal), stop.clone());
            reading.spawn(async move {
                for number in (worker..).step_by(ASKING) {
                    if stop.is_cancelled() {
                        break;
                    }
                    asker.ask(number, &equal).await.with_context(|| format!("question {number}"))?;
                }
                Ok(())
            });
        }
        // What rows refer to is hidden with another secret here: nobody asks for it.
        let settings = Settings { lake: scene.city.lake(), ..Settings::default() };
        let cuts = Cuts::new(settings, Arc::clone(&scene.log), LakeSecret::new([0; 32]));
        reading.spawn({
            let (cuts, stop) = (cuts.clone(), stop.clone());
            async move { Ok(cuts.run(stop).await?) }
        });
        let held = Arc::new(Mutex::new(Held::default()));
        for _ in 0..HOLDING {
            reading.spawn(hold(cuts.clone(), asker.clone(), Arc::clone(&held), stop.clone()));
        }
        Ok(Self { reading, stop, equal, held })
    }

    /// Files of cuts that were held, and that have been deleted since.
    fn deleted(&self) -> usize {
        lock(&self.held).files.iter().filter(|file| !file.exists()).count()
    }

    async fn end(mut self) -> anyhow::Result<Value> {
        self.stop.cancel();
        while let Some(read) = self.reading.join_next().await {
            read??;
        }
        let deleted = self.deleted();
        let (equal, held) = (lock(&self.equal), lock(&self.held));
        ensure!(held.outdated > 0, "of {} cuts none was held while its files were replaced", held.cuts);
        Ok(json!({
            "sql": equal.sql, "summaries": equal.summaries, "lake_versions": equal.versions.len(),
            "cuts_held": held.cuts, "for_s": QUERY.as_secs(), "of_them_outdated": held.outdated, "answers_on_them": held.answers,
            "files_of_them": held.files.len(), "deleted_since": deleted,
        }))
    }
}

/// Takes a cut, asks it for as long as a query may take, and takes the next.
async fn hold(cuts: Cuts, asker: Asker, held: Arc<Mutex<Held>>, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let taken = Instant::now();
        let Some(cut) = cuts.current(Table::Scans) else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let files = cut.lake.files()?;
        let expected = asker.recount(&cut.next_offsets, |scans| {
            vec![json!([scans.len(), scans.iter().map(|scan| scan.seq()).sum::<i64>()])]
        });
        let expected = expected.await?.swap_remove(0);
        loop {
            let answer = count_and_sum(&cut).await.with_context(|| format!("at {:?}", cut.name()))?;
            ensure!(json!(answer) == expected, "{answer:?} is not {expected} at {:?}", cut.name());
            lock(&held).answers += 1;
            if taken.elapsed() >= QUERY {
                break;
            }
            tokio::time::sleep((QUERY / 8).min(QUERY.saturating_sub(taken.elapsed()))).await;
        }
        let newest = cuts.current(Table::Scans).context("there was one before")?.lake.files()?;
        let mut held = lock(&held);
        held.cuts += 1;
        held.outdated += usize::from(files.iter().any(|file| !newest.contains(file)));
        held.files.extend(files);
    }
    Ok(())
}

/// Of lake and tail together.
async fn count_and_sum(cut: &TableCut) -> anyhow::Result<[i64; 2]> {
    let rows = cut.lake.query("SELECT count(*), coalesce(sum(seq), 0) FROM lake").await?;
    let of_lake = |column: usize| rows[0].column(column).as_primitive::<Int64Type>().value(0);
    let [mut count, mut sum] = [of_lake(0), of_lake(1)];
    for tail in &cut.tail {
        count += i64::try_from(tail.num_rows())?;
        let numbers = tail.column_by_name("seq").context("a column of the table")?;
        sum += numbers.as_primitive::<Int64Type>().values().iter().sum::<i64>();
    }
    Ok([count, sum])
}
