//! More than is reasonable: a thousand times one key at once, ten times the load that is expected.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use hyper::StatusCode;
use serde_json::{Value, json};
use suikang_schemas::declaration::Declaration;
use suikang_schemas::{Topic, avro};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::scene::{Scene, declare_and_wait};
use super::{Amount, Stage};
use crate::measure::cost::high_water_mib;
use crate::measure::load::{Answered, Load, Make, Refused, post, send};
use crate::walk::{each, mint};

/// Declarations a second that a door is built to take: Guangzhou's first wave at its peak hour.
const EXPECTED: f64 = 156.0;
/// So long first, uncounted: the broker's Java compiles itself while it works, which takes a core.
const WARM: Duration = Duration::from_secs(30);
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

/// New people declare at both doors, each when it is due, whatever became of those before.
async fn declare_at(scene: &mut Scene, per_second: f64, time: Duration) -> anyhow::Result<Answered> {
    let (residents, mint) = (Arc::new(Mutex::new(scene.residents())), mint(&scene.city.keys())?);
    let make: Make = Arc::new(move |_| {
        let resident = residents.lock().unwrap_or_else(PoisonError::into_inner).next().expect("people never end");
        let (role, area) = resident.caller();
        let (token, key) = (mint(role, &area, &resident.login), Uuid::now_v7().to_string());
        post("/v1/declarations", &token, Some(("idempotency-key", &key)), resident.declaration.to_string())
    });
    let doors = scene.city.doors();
    #[expect(clippy::cast_precision_loss, reason = "two doors")]
    let pace = per_second / doors.len() as f64;
    let loads = doors.iter().map(|door| {
        let address = door.trim_start_matches("http://").to_owned();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
        let (connections, requests) = (pace.ceil() as usize, (pace * time.as_secs_f64()) as u64);
        // A connection for each request of a second: none waits for another's answer.
        send(Load {
            address,
            connections,
            requests,
            pace: Some(pace),
            make: Arc::clone(&make),
            keep: true,
            patient: false,
        })
    });
    let mut all = Answered::default();
    for answered in try_join_all(loads).await? {
        for (_, body) in &answered.bodies {
            scene.note(&serde_json::from_slice(body)?);
        }
        answered.refused.iter().for_each(|_| scene.note(&Value::Null));
        all.add(answered);
    }
    Ok(all)
}

fn figures(answered: &mut Answered) -> Value {
    let [median_ms, p99_ms] = answered.percentiles_ms();
    let shed = answered.refused.iter().filter(|refused| is_shed(refused)).count();
    json!({"admitted": answered.good, "median_ms": median_ms, "p99_ms": p99_ms, "shed": shed})
}

fn is_shed(refused: &Refused) -> bool {
    refused.says_when && matches!(refused.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// Whether a door may answer so: shed, or two drawn people have one number.
fn is_promised(refused: &Refused) -> bool {
    is_shed(refused) || matches!(refused.status.as_u16(), 403 | 409 | 422)
}

/// Normal load, then so many times the expected one.
pub(super) async fn many(stage: &Stage, amount: Amount) -> anyhow::Result<Value> {
    let mut scene = Scene::open(stage).await?;
    eprintln!("trial: {EXPECTED} a second for {} and {} s", WARM.as_secs(), amount.time.as_secs());
    declare_at(&mut scene, EXPECTED, WARM).await?;
    // For as long as the flood: what happens now and then weighs the same in both.
    let mut normal = declare_at(&mut scene, EXPECTED, amount.time).await?;
    let normal = figures(&mut normal);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let many = EXPECTED * amount.times as f64;
    eprintln!("trial: {many} a second for {} s", amount.time.as_secs());
    let mut flood = declare_at(&mut scene, many, amount.time).await?;
    let memory = ["ingest-1", "ingest-2"].map(|door| high_water_mib(scene.city.pid(door)?));
    let memory = memory.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let settled = scene.settle(Default::default()).await?;
    let figures = json!({
        "normal": normal, "flood": figures(&mut flood), "times": amount.times, "seconds": amount.time.as_secs(),
        "door_high_water_mib": memory, "settled": settled,
    });
    ensure!(flood.refused.iter().all(is_promised), "a door answered otherwise than promised: {figures:#}");
    for high in memory {
        ensure!(high <= CEILING_MIB, "a door took {high} MiB: {figures:#}");
    }
    let p99 = |of: &str| figures[of]["p99_ms"].as_f64().unwrap_or(f64::MAX);
    ensure!(p99("flood") <= 2.0 * p99("normal"), "those admitted waited for longer: {figures:#}");
    Ok(figures)
}
