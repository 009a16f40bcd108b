//! Entries of the lake's log that are not as they were written: refused by their name, and repaired by one command.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{Scene, Stage};

/// What becomes of an entry, and its name.
type Damage = (&'static str, fn(Vec<u8>) -> Vec<u8>);

const DAMAGES: [Damage; 4] = [
    ("cut short", |entry| entry[..entry.len() * 2 / 3].to_vec()),
    ("emptied", |_| Vec::new()),
    ("zeroed", |entry| vec![0; entry.len()]),
    ("zeroed at its end", |entry| {
        let half = entry.len() / 2;
        [&entry[..half], &vec![0; entry.len() - half]].concat()
    }),
];
/// Those that read the lake.
const READERS: [&str; 2] = ["analytics", "api"];

pub(super) async fn damaged(stage: &Stage) -> anyhow::Result<Value> {
    let mut scene = Scene::open(stage).await?;
    let mut repaired = Vec::new();
    for (number, (damage, of)) in (0..).zip(DAMAGES) {
        let load = scene.load();
        tokio::time::sleep(Duration::from_secs(8)).await;
        let account = load.end().await?;
        let settled = scene.settle(account.clone()).await;
        settled.context("before the damage")?;
        READERS.iter().try_for_each(|reader| scene.city.kill(reader))?;

        // The newest, the one before, and so on.
        let table = scene.city.lake().join("scans/_delta_log");
        let mut entries: Vec<PathBuf> = fs::read_dir(&table)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        entries.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        entries.sort();
        let entry = entries.iter().rev().nth(number).context("the table has entries")?;
        let name = entry.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
        eprintln!("trial: {damage}: {name} of {}", entries.len());
        fs::write(entry, of(fs::read(entry)?))?;

        READERS.iter().try_for_each(|reader| scene.city.start(reader))?;
        refused(&scene, &name).await?;
        READERS.iter().try_for_each(|reader| scene.city.kill(reader))?;
        let said = scene.city.command(&["lake", "repair"])?;
        ensure!(said.contains("scans: back at version"), "repair said {said}");
        READERS.iter().try_for_each(|reader| scene.city.start(reader))?;
        scene.city.ready(Duration::from_secs(60)).await?;
        scene.city.drained(Duration::from_secs(60)).await.context("after the repair")?;
        repaired.push(json!({"entry": name, "damage": damage, "repair": said.lines().collect::<Vec<_>>()}));
        // Each load is a city of its own to its clients; the sums are over all of them.
        scene.keep(account);
    }
    let sums = scene.settle(Default::default()).await?;
    Ok(json!({"damaged": repaired.len(), "repaired": repaired, "settled": sums}))
}

/// Waits until both readers say that they aren't ready, naming the entry.
async fn refused(scene: &Scene, name: &str) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let deadline = Instant::now() + Duration::from_secs(30);
    for reader in READERS {
        let url = format!("{}/readyz", scene.city.address(reader));
        loop {
            let said = match http.get(&url).send().await {
                Ok(answer) => answer.text().await?,
                Err(error) => error.to_string(),
            };
            if said.contains(name) && said.contains("lake repair") && !said.contains("stack backtrace") {
                break;
            }
            ensure!(Instant::now() < deadline, "{reader} doesn't name {name}: {said}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}
