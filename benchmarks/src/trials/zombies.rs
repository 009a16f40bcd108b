//! Processes that stand still past the group's time-out and then go on as if nothing had been; two that go by one name; outcomes that are
//! written long after others took their place.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use suikang_schemas::outcome::Outcome;
use suikang_schemas::{Topic, avro};
use suikang_stream::{Access, NewRecord};
use uuid::Uuid;

use super::scene::{Scene, declare_and_wait};
use super::{Amount, Stage};
use crate::walk::{Sums, each};

/// People who declare twice, and whose first outcome comes again.
const TWICE: usize = 60;

pub(super) async fn all(stage: &Stage, amount: Amount) -> anyhow::Result<Value> {
    let mut scene = Scene::open(stage).await?;
    // A second writer, to which the first one's partitions go.
    scene.city.add("analytics-2", "analytics", "analytics-2");
    scene.city.start("analytics-2")?;
    scene.city.ready(Duration::from_secs(60)).await?;
    let load = scene.load();

    for round in 1..=amount.times {
        for victim in ["issuer-1", "analytics", "issuer-2", "analytics-2"] {
            eprintln!("trial: {round} of {}: SIGSTOP {victim} for {} s", amount.times, amount.time.as_secs());
            scene.city.signal(victim, "STOP")?;
            tokio::time::sleep(amount.time).await;
            scene.city.signal(victim, "CONT")?;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
    let namesake = namesake(&mut scene).await?;
    let account = load.end().await?;
    let reverted = late_outcomes(&mut scene).await?;
    let settled = scene.settle(account).await?;
    Ok(json!({
        "stood_still": 4 * amount.times, "for_s": amount.time.as_secs(), "namesake": namesake,
        "outcomes_written_late": reverted, "statuses_reverted": 0, "settled": settled,
    }))
}

/// A second issuer under the first one's name: one of them ends and says why, the other goes on.
async fn namesake(scene: &mut Scene) -> anyhow::Result<&'static str> {
    eprintln!("trial: a second issuer-1");
    scene.city.add("issuer-1-again", "issuer", "issuer-1");
    scene.city.start("issuer-1-again")?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        for name in ["issuer-1", "issuer-1-again"] {
            if let Some(status) = scene.city.ended(name)? {
                let log = scene.city.log_end(name);
                ensure!(!status.success() && log.contains("`node`"), "{name} ended with {status}, saying\n{log}");
                return Ok(name);
            }
        }
        ensure!(Instant::now() < deadline, "two processes go on under one name");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Writes each first outcome of people who have declared again once more, as an issuer would that woke up late: how many.
async fn late_outcomes(scene: &mut Scene) -> anyhow::Result<usize> {
    eprintln!("trial: outcomes that come late");
    let mut codes = Vec::new();
    for _ in 0..TWICE {
        let resident = scene.resident();
        let mut of_resident = Vec::new();
        for _ in 0..2 {
            let answer = declare_and_wait(&scene.client, &resident, &Uuid::now_v7().to_string()).await?;
            scene.note(&answer);
            of_resident.extend(answer["outcome"]["pass_code"].as_str().map(str::to_owned));
        }
        // Now and then two drawn people have one number: the second is refused.
        if let [first, second] = &of_resident[..] {
            codes.push((first.clone(), second.clone()));
        }
    }
    ensure!(codes.len() > TWICE / 2, "only {} of {TWICE} people have two codes", codes.len());
    scene.city.drained(Duration::from_secs(60)).await?;
    let before = Sums::collect(&scene.city).await?;
    ensure!(standing(scene, &codes).await? == 0, "a former code was in force before anything came late");

    let mut outcomes: HashMap<Vec<u8>, Vec<NewRecord>> = HashMap::new();
    each(scene.log.as_ref(), Topic::Codes, |record| {
        let outcome = avro::decode::<Outcome>(&record.payload)?;
        let record = NewRecord { record_key: record.record_key.clone(), payload: record.payload.clone() };
        outcomes.entry(outcome.subject.0.to_vec()).or_default().push(record);
        Ok(())
    })
    .await?;
    let late: Vec<_> = outcomes.into_values().filter(|of| of.len() > 1).map(|mut of| of.swap_remove(0)).collect();
    let written = late.len();
    suikang_stream::open(&scene.city.log(), Access::Write).await?.append(Topic::Codes, late).await?;
    // Every view must have had the time to fall for it.
    tokio::time::sleep(Duration::from_secs(5)).await;
    scene.city.drained(Duration::from_secs(60)).await?;
    let reverted = standing(scene, &codes).await?;
    ensure!(reverted == 0, "{reverted} codes of {} people, former or new, are not what they were", codes.len());
    let after = Sums::collect(&scene.city).await?;
    ensure!(
        before.summary_codes == after.summary_codes && before.sql_issued == after.sql_issued,
        "standing codes changed from {before:?} to {after:?}"
    );
    Ok(written)
}

/// How many former codes are in force, or new ones not, asked by anybody.
async fn standing(scene: &Scene, codes: &[(String, String)]) -> anyhow::Result<usize> {
    let reader = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/v1/verify", scene.city.reader());
    let is_valid = async |code: &str| -> anyhow::Result<bool> {
        let answer = reader.post(&url).json(&json!({"code": code})).send().await?;
        let answer: Value = answer.error_for_status()?.json().await?;
        answer["valid"].as_bool().with_context(|| format!("no verdict in {answer}"))
    };
    let mut reverted = 0;
    for (first, second) in codes {
        reverted += usize::from(is_valid(first).await?) + usize::from(!is_valid(second).await?);
    }
    Ok(reverted)
}
