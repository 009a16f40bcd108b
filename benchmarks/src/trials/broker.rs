//! A broker that is killed and comes back, once only after a minute.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rand::RngExt as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::scene::{Scene, declare};
use super::{Amount, Stage};

/// What is asked while the broker is away, this often.
const EVERY: Duration = Duration::from_millis(500);
/// How long a door waits for the broker before it says that it can't promise anything, and then some.
const PATIENCE: Duration = Duration::from_secs(12);

pub(super) async fn away(stage: &Stage, amount: Amount) -> anyhow::Result<Value> {
    let mut scene = Scene::open(stage).await?;
    let load = scene.load();
    for number in 1..=amount.times {
        tokio::time::sleep(Duration::from_millis(scene.rng.random_range(1_000..4_000))).await;
        eprintln!("trial: {number} of {}: SIGKILL the broker", amount.times);
        scene.broker.kill();
        tokio::time::sleep(Duration::from_millis(scene.rng.random_range(100..3_000))).await;
        scene.broker.resume().await;
        // The next blow falls on a city that serves: otherwise all of them are one long outage.
        served_again(&mut scene).await?;
    }

    eprintln!("trial: the broker is away for {} s", amount.time.as_secs());
    tokio::time::sleep(Duration::from_secs(5)).await;
    scene.broker.kill();
    let (gone, mut asked) = (Instant::now(), JoinSet::new());
    // A door tells once it has waited for the broker in vain: the last must be told before that is back.
    while gone.elapsed() + PATIENCE < amount.time {
        let (client, resident) = (scene.client.clone(), scene.resident());
        asked.spawn(async move { declare(&client, &resident, &Uuid::now_v7().to_string()).await });
        tokio::time::sleep(EVERY).await;
    }
    let mut refused = 0;
    while let Some(told) = asked.join_next().await {
        let (status, later, answer) = told??;
        ensure!(status == 503 && later, "without a broker a door answered {status}, Retry-After: {later}");
        scene.note(&answer);
        refused += 1;
    }
    ensure!(refused > 0, "nobody asked while the broker was away: let it be away for longer");
    tokio::time::sleep(amount.time.saturating_sub(gone.elapsed())).await;
    scene.broker.resume().await;
    let back = Instant::now();
    let served = served_again(&mut scene).await?;
    scene.city.ready(Duration::from_secs(60)).await?;
    let ready = back.elapsed();
    let account = load.end().await?;
    Ok(json!({
        "broker_restarts": amount.times, "away_s": amount.time.as_secs(), "answered_503_meanwhile": refused,
        "served_again_after_ms": served.as_secs_f64() * 1e3, "all_ready_after_ms": ready.as_secs_f64() * 1e3, "settled": scene.settle(account).await?,
    }))
}

/// Declares until a door accepts; how long that takes.
async fn served_again(scene: &mut Scene) -> anyhow::Result<Duration> {
    let back = Instant::now();
    loop {
        let resident = scene.resident();
        let (status, _, answer) = declare(&scene.client, &resident, &Uuid::now_v7().to_string()).await?;
        scene.note(&answer);
        if (200..300).contains(&status) {
            return Ok(back.elapsed());
        }
        ensure!(back.elapsed() < Duration::from_secs(60), "the broker is back, and a door still answers {status}");
        tokio::time::sleep(EVERY).await;
    }
}
