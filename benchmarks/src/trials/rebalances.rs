//! Strangers who join each group, take their share of the partitions, do nothing with it, and leave.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use suikang_schemas::Topic;
use suikang_stream::Access;

use super::{Scene, Stage};

/// A stranger comes or goes this often.
const EVERY: Duration = Duration::from_secs(2);
/// How soon everything must have been read when they have gone.
const SOON: Duration = Duration::from_secs(60);
/// The issuers' group, and those of the lake's writers.
const GROUPS: [(&str, Topic); 4] = [
    ("issuer", Topic::Declarations),
    ("lake-scans", Topic::Scans),
    ("lake-declarations", Topic::Declarations),
    ("lake-outcomes", Topic::Codes),
];

pub(super) async fn all(stage: &Stage, time: Duration) -> anyhow::Result<Value> {
    let mut scene = Scene::open(stage).await?;
    let load = scene.load();
    let log = suikang_stream::open(&scene.city.log(), Access::Write).await?;
    let (began, mut visits, mut partitions) = (Instant::now(), 0, 0);
    while began.elapsed() < time {
        let mut strangers = Vec::new();
        for (group, topic) in GROUPS {
            strangers.push(log.join(group, topic).await?);
        }
        let deadline = Instant::now() + EVERY;
        while Instant::now() < deadline {
            for stranger in &mut strangers {
                if let Ok(suikang_stream::GroupEvent::Gained(gained)) =
                    stranger.next(1, Duration::from_millis(50)).await
                {
                    partitions += gained.len();
                }
            }
        }
        drop(strangers);
        visits += 1;
        eprintln!("trial: {} of {} s, {visits} visits", began.elapsed().as_secs(), time.as_secs());
        tokio::time::sleep(EVERY).await;
    }
    ensure!(partitions > 0, "no stranger was given a partition: nothing was rebalanced");
    let account = load.end().await?;
    let ended = Instant::now();
    scene.city.drained(SOON).await?;
    let drained = ended.elapsed();
    Ok(json!({
        "seconds": time.as_secs(), "rebalances": 2 * visits, "partitions_taken_away": partitions,
        "drained_after_ms": drained.as_secs_f64() * 1e3, "settled": scene.settle(account).await?,
    }))
}
