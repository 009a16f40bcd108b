//! One run of the city: residents declare through a pool of workers, holders pass gates, devices upload; an account at the end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{TimeZone as _, Timelike as _, Utc};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use suikang_schemas::AreaCode;
use suikang_schemas::pass_code;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::account::{Account, percentiles_ms};
use super::client::Client;
use super::curve;
use super::gate::{self, Devices, Pass};
use super::resident::{Resident, Residents};

/// Declarations under way at once.
const DECLARING: usize = 32;
/// Uploads under way at once.
const UPLOADING: usize = 8;
/// The most scans that a device sends at once.
const UPLOAD: usize = 100;
/// How late a device is that had no network: behind a neighbour's upload, or behind a whole round of them.
const LATE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(20)];
/// A town whose pace is speed 1: it declares every 7 days and passes gates four times a day.
const TOWN: f64 = 100_000.0;

/// What a run does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Residents who declare; none: until stopped.
    pub declarations: Option<u64>,
    /// Scans at gates; none: until stopped.
    pub scans: Option<u64>,
    /// Everything that is drawn follows from it.
    pub seed: u64,
    /// How fast.
    pub speed: Speed,
    /// The share of requests that are sent a second time on purpose, as a phone with a bad network does.
    pub twice: f64,
    /// The share of uploads that a device without network hands in after later ones.
    pub late: f64,
    /// Whether to keep what was acknowledged, at some bytes a request.
    pub keep: bool,
    /// Whether to draw progress bars.
    pub progress: bool,
}

/// How fast requests leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// As fast as answers come.
    Max,
    /// So many times the pace of a town of 100,000, by the hour of the day.
    Times(f64),
}

struct Run {
    plan: Plan,
    client: Client,
    account: Mutex<Account>,
    passes: Mutex<Vec<Pass>>,
    devices: Mutex<Devices>,
    latencies: Mutex<[Vec<Duration>; 2]>,
}

/// Runs the plan, or until `stop`, and accounts for it.
pub async fn run(plan: Plan, client: Client, stop: CancellationToken) -> Account {
    let bars = MultiProgress::new();
    if !plan.progress {
        bars.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let declared = bars.add(bar(plan.declarations, "declarations"));
    let scanned = bars.add(bar(plan.scans, "scans"));
    let started = Instant::now();
    let run = Arc::new(Run {
        account: Mutex::new(Account { seed: plan.seed, ..Account::default() }),
        plan,
        client,
        passes: Mutex::default(),
        devices: Mutex::default(),
        latencies: Mutex::default(),
    });
    tokio::join!(declare_all(&run, &declared, &stop), pass_all(&run, &scanned, &stop));
    let _ = bars.clear();

    let mut account = lock(&run.account).clone();
    let mut latencies = lock(&run.latencies);
    account.declaration_ms = percentiles_ms(&mut latencies[0]);
    account.upload_ms = percentiles_ms(&mut latencies[1]);
    account.requests_retried = run.client.retried();
    account.elapsed_s = started.elapsed().as_secs_f64();
    account
}

fn bar(total: Option<u64>, what: &'static str) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{msg:>14} {wide_bar} {pos}/{len} {per_sec} {eta}"),
        None => (ProgressBar::new_spinner(), "{msg:>14} {spinner} {pos} {per_sec}"),
    };
    bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
    bar.with_message(what)
}

/// Draws families and hands their members to workers.
async fn declare_all(run: &Arc<Run>, bar: &ProgressBar, stop: &CancellationToken) {
    let (sender, receiver) = mpsc::channel::<Resident>(2 * DECLARING);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let workers: Vec<_> = (0..DECLARING)
        .map(|_| {
            let (run, receiver, bar) = (Arc::clone(run), Arc::clone(&receiver), bar.clone());
            tokio::spawn(async move {
                loop {
                    let next = receiver.lock().await.recv().await;
                    let Some(resident) = next else { return };
                    declare(&run, resident).await;
                    bar.inc(1);
                }
            })
        })
        .collect();

    let mut pace = Pace::new(run.plan.speed, TOWN / (7.0 * 86_400.0));
    let mut residents = Residents::new(run.plan.seed, "account");
    let mut left = run.plan.declarations.unwrap_or(u64::MAX);
    while left > 0 && !stop.is_cancelled() {
        left -= 1;
        pace.wait().await;
        let resident = residents.next().expect("people never end");
        if sender.send(resident).await.is_err() {
            break;
        }
    }
    drop(sender);
    for worker in workers {
        worker.await.expect("a worker does not panic");
    }
}

async fn declare(run: &Run, resident: Resident) {
    let (role, area) = resident.caller();
    let body = resident.declaration;
    let idempotency_key = Uuid::now_v7().to_string();
    let twice = rand::random_bool(run.plan.twice);
    let mut acknowledged = None;
    for attempt in 0..=u8::from(twice) {
        let started = Instant::now();
        let sent = run.client.post("/v1/declarations", (role, &area, &resident.login), &body, |request| {
            request.header("idempotency-key", &idempotency_key).header("prefer", "wait=20")
        });
        let answer = match sent.await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "a declaration was given up");
                lock(&run.account).requests_failed += 1;
                return;
            }
        };
        let success = answer.status().is_success();
        let answer: Value = answer.json().await.unwrap_or_default();
        if attempt > 0 {
            let mut account = lock(&run.account);
            account.declarations_sent_twice += 1;
            account.answered_differently += u64::from(answer["declaration_id"].as_str() != acknowledged.as_deref());
            continue;
        }
        acknowledged = answer["declaration_id"].as_str().map(str::to_owned);
        lock(&run.latencies)[0].push(started.elapsed());
        let mut account = lock(&run.account);
        // A declaration that is rejected is on the log like any other.
        if let Some(id) = answer["declaration_id"].as_str() {
            account.declarations += 1;
            if run.plan.keep {
                account.promises.declarations.push(id.to_owned());
            }
        }
        if !success {
            Account::count(
                &mut account.declarations_refused,
                answer["type"].as_str().unwrap_or("not a problem document"),
            );
        }
        if let Some(pass) = pass(&answer, &resident.committee) {
            Account::count(&mut account.codes, &pass.status);
            lock(&run.passes).push(pass);
        }
    }
}

/// The code in an answer, if one came in time.
fn pass(answer: &Value, committee: &AreaCode) -> Option<Pass> {
    let outcome = &answer["outcome"];
    let text = outcome["pass_code"].as_str()?;
    let code_id = pass_code::from_text(text).ok()?.code_id().to_string();
    Some(Pass {
        text: text.to_owned(),
        code_id,
        status: outcome["status"].as_str()?.to_owned(),
        committee: committee.clone(),
    })
}

/// Keeps uploads under way while there are holders to pass gates.
async fn pass_all(run: &Arc<Run>, bar: &ProgressBar, stop: &CancellationToken) {
    let mut rng = StdRng::seed_from_u64(run.plan.seed ^ 0x5ca5);
    let mut pace = Pace::new(run.plan.speed, TOWN * 4.0 / 86_400.0);
    let mut left = run.plan.scans.unwrap_or(u64::MAX);
    let mut uploads = tokio::task::JoinSet::new();
    let mut late = tokio::task::JoinSet::new();
    while left > 0 && !stop.is_cancelled() {
        let holder = {
            let passes = lock(&run.passes);
            (!passes.is_empty()).then(|| passes[rng.random_range(0..passes.len())].clone())
        };
        let Some(holder) = holder else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let most = if run.plan.speed == Speed::Max { UPLOAD } else { 8 };
        let count = u64::try_from(rng.random_range(1..=most)).expect("small").min(left);
        left -= count;
        pace.wait_for(count).await;
        while uploads.len() >= UPLOADING {
            uploads.join_next().await;
        }
        // Each upload draws from a seed of its own, so that the order in which uploads end changes nothing.
        let (run, bar, seed) = (Arc::clone(run), bar.clone(), rng.random());
        let is_late = rng.random_bool(run.plan.late);
        let passing = async move {
            let mut rng = StdRng::seed_from_u64(seed);
            if is_late {
                let late = LATE[usize::from(rng.random_bool(0.2))];
                upload(&run, &mut rng, &holder, count, late).await;
            } else if rng.random_bool(0.1) {
                check(&run, &mut rng, &holder, count).await;
            } else {
                upload(&run, &mut rng, &holder, count, Duration::ZERO).await;
            }
            bar.inc(count);
        };
        if is_late {
            late.spawn(passing)
        } else {
            uploads.spawn(passing)
        };
    }
    while uploads.join_next().await.is_some() {}
    while late.join_next().await.is_some() {}
}

/// Midnight in the city and the seconds since.
fn today() -> (i64, u32) {
    let city = chrono::FixedOffset::east_opt(8 * 3600).expect("an offset");
    let now = city.from_utc_datetime(&Utc::now().naive_utc());
    (now.timestamp_millis() - i64::from(now.num_seconds_from_midnight()) * 1000, now.num_seconds_from_midnight())
}

/// A device that decided by itself, and hands in what it saw after so long.
async fn upload(run: &Run, rng: &mut StdRng, holder: &Pass, count: u64, late: Duration) {
    let checkpoint = gate::checkpoint(rng, holder);
    let (midnight_ms, until_s) = today();
    let live = run.plan.speed != Speed::Max;
    let mut times: Vec<i64> = (0..count)
        .map(|_| {
            let second = if live && rng.random_bool(0.5) { until_s } else { curve::second_of_day(rng, until_s.max(1)) };
            midnight_ms + i64::from(second) * 1000
        })
        .collect();
    times.sort_unstable();
    let passages: Vec<_> = {
        let passes = lock(&run.passes);
        // Those who live here, and whoever comes by.
        let mut passer = || if rng.random_bool(0.1) { holder } else { &passes[rng.random_range(0..passes.len())] };
        let passers: Vec<_> = times.iter().map(|_| passer()).collect();
        times.iter().zip(passers).map(|(&at_ms, pass)| gate::passage(rng, pass, at_ms)).collect()
    };
    let (epoch, first_seq) = lock(&run.devices).number(&checkpoint, passages.len());
    if late > Duration::ZERO {
        lock(&run.account).uploads_late += 1;
        tokio::time::sleep(late).await;
    }
    let scans: Vec<_> = passages.iter().map(|passage| &passage.scan).collect();
    let body = json!({"device_epoch": epoch, "first_seq": first_seq, "checkpoint": checkpoint, "scans": scans});
    let started = Instant::now();
    for attempt in 0..=u8::from(rng.random_bool(run.plan.twice)) {
        let sent = run.client.post("/v1/scans", ("inspector", &checkpoint, "inspector"), &body, |request| request);
        let Some(answer) = answered(run, sent.await).await else { return };
        let mut account = lock(&run.account);
        if run.plan.keep && attempt == 0 {
            account.promises.scans.push((epoch.to_i64(), first_seq, i64::try_from(passages.len()).expect("small")));
        }
        for (result, passage) in answer["results"].as_array().into_iter().flatten().zip(&passages) {
            match result.as_str() {
                // A request whose first answer was lost is a duplicate when it comes again, and acknowledged all the same.
                Some("accepted" | "duplicate") if attempt == 0 => {
                    account.scans += 1;
                    Account::count(&mut account.verdicts, passage.verdict);
                }
                // Through another door, which may not have seen the first: it is on the log twice, and counts once.
                Some("accepted" | "duplicate") => account.scans_duplicate += 1,
                _ => account.scans_conflict += 1,
            }
        }
    }
    lock(&run.latencies)[1].push(started.elapsed());
}

/// A thin gate: the server decides, one code at a time; now and then somebody shows a code that was tampered with.
async fn check(run: &Run, rng: &mut StdRng, holder: &Pass, count: u64) {
    let checkpoint = gate::checkpoint(rng, holder);
    for _ in 0..count {
        let (epoch, seq) = lock(&run.devices).number(&checkpoint, 1);
        let code = if rng.random_bool(0.01) { tampered(&holder.text) } else { holder.text.clone() };
        let body = json!({
            "code": code, "checkpoint": checkpoint, "direction": "entry", "shown": "screen",
            "temperature_tenths_celsius": 362 + rng.random_range(0..6), "device_epoch": epoch, "seq": seq,
        });
        let sent = run.client.post("/v1/checks", ("inspector", &checkpoint, "inspector"), &body, |request| request);
        let Some(answer) = answered(run, sent.await).await else { return };
        let mut account = lock(&run.account);
        account.scans += 1;
        if run.plan.keep {
            account.promises.scans.push((epoch.to_i64(), seq, 1));
        }
        Account::count(&mut account.verdicts, answer["verdict"].as_str().unwrap_or("none"));
    }
}

/// The same text with two neighbours exchanged, in the middle of its signature.
fn tampered(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let middle = bytes.len() - bytes.len() / 4;
    let other = (middle + 1..bytes.len()).find(|&at| bytes[at] != bytes[middle]).unwrap_or(middle);
    bytes.swap(middle, other);
    String::from_utf8(bytes).expect("Base45 is ASCII")
}

async fn answered(run: &Run, sent: Result<reqwest::Response, super::client::GivenUp>) -> Option<Value> {
    let answer = match sent {
        Ok(answer) if answer.status().is_success() => answer.json().await.ok(),
        Ok(answer) => {
            tracing::warn!(status = %answer.status(), "a gate's request was refused");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "a gate's request was given up");
            None
        }
    };
    if answer.is_none() {
        lock(&run.account).requests_failed += 1;
    }
    answer
}

/// Spaces events at a rate that follows the day's curve.
struct Pace {
    speed: Speed,
    per_second: f64,
    due: Instant,
}

impl Pace {
    fn new(speed: Speed, per_second: f64) -> Self {
        Self { speed, per_second, due: Instant::now() }
    }

    async fn wait(&mut self) {
        self.wait_for(1).await;
    }

    async fn wait_for(&mut self, events: u64) {
        let Speed::Times(times) = self.speed else { return };
        let hour = today().1 / 3600;
        // Even at four in the morning somebody comes home.
        let rate = self.per_second * times * curve::intensity(hour).max(0.25);
        #[expect(clippy::cast_precision_loss, reason = "an upload is small")]
        let gap = Duration::from_secs_f64(events as f64 / rate);
        tokio::time::sleep_until(self.due).await;
        self.due = self.due.max(Instant::now() - Duration::from_secs(1)) + gap;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
