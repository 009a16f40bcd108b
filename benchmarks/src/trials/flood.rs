//! More than is reasonable: a thousand times one key at once, ten times the load that is expected.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use suikang_schemas::declaration::Declaration;
use suikang_schemas::{Topic, avro};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::scene::{Scene, declare, declare_and_wait};
use super::{Amount, Stage};
use crate::measure::cost::high_water_mib;
use crate::simulate::account::percentiles_ms;
use crate::walk::each;

/// Declarations a second that a door is built to take: Guangzhou's first wave at its peak hour.
const EXPECTED: f64 = 156.0;
/// What a door may have in memory, in MiB.
const CEILING_MIB: u64 = 128;

/// The same request, all at once, through both doors.
pub(super) async fn one_key(stage: &Stage, times: usize) -> anyhow::Result<Value> {
    let mut scene = Scene::open(stage).await?;
    let (resident, key) = (scene.resident(), Uuid::now_v7().to_string());
    let mut requests = JoinSet::new();
    for _ in 0..times {
        let (client, resident, key) = (scene.client.clone(), resident.clone(), key.clone());
        requests.spawn(async move { declare_and_wait(&client, &resident, &key).await });
    }
    let mut answers = HashSet::new();
    while let Some(answer) = requests.join_next().await {
        answers.insert(answer??.to_string());
    }
    ensure!(
        answers.len() == 1,
        "{} different answers, such as {:?}",
        answers.len(),
        answers.iter().take(2).collect::<Vec<_>>()
    );
    let answer: Value = answers.iter().next().map(|answer| serde_json::from_str(answer)).context("an answer")??;
    scene.note(&answer);
    let (mut ids, mut records) = (HashSet::new(), 0);
    each(scene.log.as_ref(), Topic::Declarations, |record| {
        ids.insert(avro::decode::<Declaration>(&record.payload)?.declaration_id);
        records += 1;
        Ok(())
    })
    .await?;
    ensure!(ids.len() == 1, "{} declarations on the log", ids.len());
    let settled = scene.settle(Default::default()).await?;
    Ok(json!({"requests": times, "answers": 1, "declarations": 1, "records": records, "settled": settled}))
}

/// Opens the load loop: each request leaves when it is due, whatever became of those before.
async fn open_loop(scene: &mut Scene, per_second: f64, time: Duration) -> anyhow::Result<Answered> {
    let started = Instant::now();
    let mut requests = JoinSet::new();
    let mut answered = Answered::default();
    let mut sent = 0u32;
    while started.elapsed() < time {
        let due = started + Duration::from_secs_f64(f64::from(sent) / per_second);
        tokio::time::sleep_until(due).await;
        sent += 1;
        let (client, resident) = (scene.client.clone(), scene.resident());
        requests.spawn(async move {
            let answer = declare(&client, &resident, &Uuid::now_v7().to_string()).await;
            // From when it was due: a sender that is held up must not hide it.
            (answer, due.elapsed())
        });
        while let Some(answer) = requests.try_join_next() {
            answered.take(scene, answer?);
        }
    }
    while let Some(answer) = requests.join_next().await {
        answered.take(scene, answer?);
    }
    Ok(answered)
}

#[derive(Default)]
struct Answered {
    admitted: Vec<Duration>,
    shed: u64,
    without_retry_after: u64,
    others: u64,
    broken: u64,
}

impl Answered {
    fn take(&mut self, scene: &mut Scene, (answer, took): (anyhow::Result<(u16, bool, Value)>, Duration)) {
        match answer {
            Ok((status, later, answer)) => {
                scene.note(&answer);
                match status {
                    200..300 => self.admitted.push(took),
                    429 | 503 => {
                        self.shed += 1;
                        self.without_retry_after += u64::from(!later);
                    }
                    // Two drawn people with one number.
                    409 | 403 | 422 => {}
                    _ => self.others += 1,
                }
            }
            Err(_) => {
                self.broken += 1;
                scene.note(&Value::Null);
            }
        }
    }

    fn figures(&mut self) -> Value {
        let [median_ms, p99_ms] = percentiles_ms(&mut self.admitted);
        json!({"admitted": self.admitted.len(), "median_ms": median_ms, "p99_ms": p99_ms, "shed": self.shed, "broken": self.broken})
    }
}

/// Normal load, then so many times the expected one.
pub(super) async fn many(stage: &Stage, amount: Amount) -> anyhow::Result<Value> {
    let mut scene = Scene::open(stage).await?;
    eprintln!("trial: {EXPECTED} a second for 30 s");
    let mut normal = open_loop(&mut scene, EXPECTED, Duration::from_secs(30)).await?;
    let normal = normal.figures();
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let many = EXPECTED * amount.times as f64;
    eprintln!("trial: {many} a second for {} s", amount.time.as_secs());
    let mut flood = open_loop(&mut scene, many, amount.time).await?;
    let flooded = flood.figures();
    let memory: Vec<_> =
        ["ingest-1", "ingest-2"].map(|door| high_water_mib(scene.city.pid(door)?)).into_iter().collect();
    let account = Default::default();
    let settled = scene.settle(account).await?;
    let figures = json!({
        "normal": normal, "flood": flooded, "times": amount.times, "seconds": amount.time.as_secs(),
        "door_high_water_mib": memory.iter().flatten().collect::<Vec<_>>(), "settled": settled,
    });
    ensure!(
        flood.others == 0 && flood.without_retry_after == 0,
        "a door answered otherwise than promised: {figures:#}"
    );
    for high in memory {
        let high = high?;
        ensure!(high <= CEILING_MIB, "a door took {high} MiB: {figures:#}");
    }
    let p99 = |of: &str| figures[of]["p99_ms"].as_f64().unwrap_or(f64::MAX);
    ensure!(p99("flood") <= 2.0 * p99("normal"), "those admitted waited for longer: {figures:#}");
    Ok(figures)
}
