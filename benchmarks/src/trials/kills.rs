//! SIGKILL, again and again, under load.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rand::RngExt as _;
use serde_json::{Value, json};
use suikang_schemas::Topic;

use super::{Scene, Stage};
use crate::simulate::account::percentiles_ms;

/// How soon codes must come again.
const SOON: Duration = Duration::from_secs(5);
const ISSUERS: [&str; 2] = ["issuer-1", "issuer-2"];

/// Kills all issuers at once, starts them at once, and waits for the next code.
pub(super) async fn issuers(stage: &Stage, times: usize) -> anyhow::Result<Value> {
    let mut scene = Scene::open(stage).await?;
    let load = scene.load();
    let mut took = Vec::new();
    for number in 1..=times {
        tokio::time::sleep(Duration::from_millis(scene.rng.random_range(1_000..4_000))).await;
        ISSUERS.iter().try_for_each(|issuer| scene.city.kill(issuer))?;
        let killed = Instant::now();
        let before = scene.end_of(Topic::Codes).await?;
        ISSUERS.iter().try_for_each(|issuer| scene.city.start(issuer))?;
        while scene.end_of(Topic::Codes).await? == before {
            ensure!(killed.elapsed() < 6 * SOON, "no code for {:?} after kill {number}", killed.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        took.push(killed.elapsed());
        eprintln!("trial: {number} of {times}: a code {} ms after SIGKILL", took[number - 1].as_millis());
    }
    let account = load.end().await?;
    let settled = scene.settle(account).await?;
    let most = took.iter().copied().max().unwrap_or_default();
    let [median_ms, _] = percentiles_ms(&mut took);
    ensure!(most <= SOON, "codes came again only after {most:?}");
    Ok(
        json!({"kills": 2 * times, "code_again_median_ms": median_ms, "code_again_most_ms": most.as_secs_f64() * 1e3, "settled": settled}),
    )
}

/// Kills one door after the other; clients go on through the next.
pub(super) async fn doors(stage: &Stage, times: usize) -> anyhow::Result<Value> {
    let mut scene = Scene::open(stage).await?;
    let load = scene.load();
    for number in 1..=times {
        tokio::time::sleep(Duration::from_millis(scene.rng.random_range(500..3_000))).await;
        let door = if scene.rng.random_bool(0.5) { "ingest-1" } else { "ingest-2" };
        eprintln!("trial: {number} of {times}: SIGKILL {door}");
        scene.city.kill(door)?;
        tokio::time::sleep(Duration::from_millis(scene.rng.random_range(0..2_000))).await;
        scene.city.start(door)?;
    }
    let account = load.end().await?;
    ensure!(account.requests_retried > 0, "no request met a killed door: the load is too small to say anything");
    ensure!(account.declarations_sent_twice > 0, "no request was repeated");
    Ok(json!({"kills": times, "settled": scene.settle(account).await?}))
}
