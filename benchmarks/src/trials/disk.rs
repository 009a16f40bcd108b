//! A full disk: lake and views on a small file system of their own, filled to the last byte under load.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::Stage;
use super::scene::{OFTEN, Scene};

/// Set where the file system can be made.
const INSIDE: &str = "TRIAL_INSIDE";
/// How soon the processes must say that they aren't ready.
const SOON: Duration = Duration::from_secs(5);
const SIZE: &str = "size=256m";
/// Those that keep something on disk.
const CONCERNED: [&str; 4] = ["ingest-1", "issuer-1", "analytics", "api"];

pub(super) async fn full(stage: &Stage, time: Duration) -> anyhow::Result<Value> {
    if std::env::var_os(INSIDE).is_none() {
        // A file system may be mounted where nobody else sees it.
        let error = Command::new("unshare")
            .args(["--map-root-user", "--mount", "--"])
            .arg(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .env(INSIDE, "yes")
            .exec();
        bail!("unshare can't be run: {error}");
    }
    let folder = tempfile::tempdir()?;
    let disk = folder.path().join("city");
    std::fs::create_dir(&disk)?;
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(&disk).status()?;
    ensure!(mounted.success(), "no file system could be mounted");
    let mut scene = Scene::set(stage, folder, OFTEN).await?;
    scene.city.start_all()?;
    scene.city.ready(Duration::from_secs(120)).await?;
    let load = scene.load();
    tokio::time::sleep(Duration::from_secs(5)).await;

    let filling = Filling::new(&disk)?;
    let filled = Instant::now();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut told = Vec::new();
    for process in CONCERNED {
        let url = format!("{}/readyz", scene.city.address(process));
        while http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            ensure!(filled.elapsed() < SOON, "{process} is ready with a full disk after {:?}", filled.elapsed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        told.push(filled.elapsed().as_secs_f64() * 1e3);
    }
    eprintln!("trial: the disk is full for {} s", time.as_secs());
    tokio::time::sleep(time).await;
    for process in CONCERNED {
        let ended = scene.city.ended(process)?;
        ensure!(ended.is_none(), "{process} ended with {ended:?}, saying\n{}", scene.city.log_end(process));
    }
    drop(filling);
    let free = Instant::now();
    scene.city.ready(Duration::from_secs(60)).await?;
    let again = free.elapsed();
    let account = load.end().await?;
    let settled = scene.settle(account).await?;
    Ok(json!({
        "full_s": time.as_secs(), "not_ready_after_ms": told, "ready_again_after_ms": again.as_secs_f64() * 1e3,
        "settled": settled,
    }))
}

/// A file that takes whatever there is, until it is dropped.
struct Filling {
    path: PathBuf,
}

impl Filling {
    fn new(disk: &Path) -> anyhow::Result<Self> {
        let filling = Self { path: disk.join("filling") };
        let mut file = File::create(&filling.path)?;
        // In ever smaller pieces, to the last byte.
        for size in [1 << 20, 4096, 1] {
            let piece = vec![7; size];
            loop {
                match file.write_all(&piece) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("the disk could not be filled"),
                }
            }
        }
        Ok(filling)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
