//! The walk: a city's declarations and scans go all the way through real processes, some of which are killed on the way, and at the end
//! every sum must agree: what clients were promised, what the log holds, what the lake shows, what the districts read.

mod blows;
mod processes;
mod promised;
mod sums;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use suikang_registry::Caller;
use suikang_registry::secrets::{NodeSecrets, Unlock};
use suikang_registry::tokens::TokenKey;
use suikang_schemas::AreaCode;
use suikang_stream::testing::Broker;
use tokio_util::sync::CancellationToken;

use crate::simulate::{self, Account, Client, Mint, Plan, Speed};
pub use processes::{City, Layout};
pub use promised::{Found, each, last};
pub use sums::Sums;

/// What to walk through.
#[derive(Debug, Clone)]
pub struct Walk {
    /// The `suikang` binary.
    pub suikang: PathBuf,
    /// Where everything is kept; empty at the start.
    pub folder: PathBuf,
    /// Residents who declare.
    pub declarations: u64,
    /// Scans at gates.
    pub scans: u64,
    /// Of the simulation.
    pub seed: u64,
    /// How often each victim is killed.
    pub kills: usize,
    /// How often the broker is killed and started again.
    pub broker_restarts: usize,
    /// Whether to draw progress bars.
    pub progress: bool,
}

/// What a walk came to.
#[derive(Debug, serde::Serialize)]
pub struct Walked {
    /// What clients saw.
    pub account: Account,
    /// What readers see.
    pub sums: Sums,
    /// What was acknowledged, found on the log.
    pub found: Found,
    /// Kills and restarts on the way.
    pub blows: usize,
}

/// Walks, kills, recounts; on this broker, or on the embedded log.
///
/// # Errors
/// With the first sum that differs, or the process that would not start or become ready.
pub async fn walk(walk: &Walk, broker: Option<&mut Broker>) -> anyhow::Result<Walked> {
    let url = broker.as_ref().map(|broker| broker.url());
    let mut city = City::found(&walk.suikang, &walk.folder, url.as_deref(), "commit_interval_s = 2")?;
    say(walk, "starting processes");
    city.start_all()?;
    city.ready(Duration::from_secs(120)).await?;

    let client = Client::new(city.doors(), mint(&city.keys())?)?;
    let plan = Plan {
        declarations: Some(walk.declarations),
        scans: Some(walk.scans),
        seed: walk.seed,
        speed: Speed::Max,
        twice: 0.05,
        late: 0.01,
        keep: true,
        progress: walk.progress,
    };
    let simulation = tokio::spawn(simulate::run(plan, client.clone(), CancellationToken::new()));
    let blows = blows::deal(walk, &mut city, broker, &client, || simulation.is_finished()).await?;
    let account = simulation.await.context("the simulation ended early")?;
    say(walk, "waiting until everything has been read");
    let (sums, found) = settle(&mut city, &account).await?;
    city.stop(Duration::from_secs(30)).await?;
    Ok(Walked { account, sums, found, blows })
}

/// Waits until everything has been read, compares all sums, and finds every acknowledged id on the log.
///
/// # Errors
/// With the first sum that differs, or the id that is missing.
pub async fn settle(city: &mut City, account: &Account) -> anyhow::Result<(Sums, Found)> {
    ensure!(account.requests_failed == 0, "{} requests were given up:\n{account}", account.requests_failed);
    ensure!(account.answered_differently == 0, "a repeated request had another answer:\n{account}");
    city.ready(Duration::from_secs(120)).await?;
    let reconciliation = city.drained(Duration::from_secs(600)).await?;
    let sums = Sums::collect(city).await?;
    sums.agree_with(account, &reconciliation).with_context(|| format!("the sums differ; clients saw\n{account}\n"))?;
    let secrets = NodeSecrets::load(&city.keys(), &Unlock::of(&city.keys(), None))?;
    let found = promised::find(&city.log(), secrets.root_public_key(), &account.promises).await?;
    Ok((sums, found))
}

fn say(walk: &Walk, what: &str) {
    if walk.progress {
        eprintln!("walk: {what}");
    }
}

/// Tokens as an operator hands them out.
///
/// # Errors
/// If the folder holds no token key.
pub fn mint(keys: &Path) -> anyhow::Result<Mint> {
    let token_key = TokenKey::load(keys, &Unlock::of(keys, None))?;
    Ok(Arc::new(move |role: &str, area: &AreaCode, login: &str| {
        let role = role.parse().expect("the walk knows the roles");
        let caller = Caller { role, area: area.clone(), login: login.to_owned() };
        token_key.mint(&caller, chrono::Utc::now().timestamp_millis(), Duration::from_secs(12 * 3600))
    }))
}
