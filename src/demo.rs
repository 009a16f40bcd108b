//! The demonstration: keys and places if there are none, then a small city that lives, and lines to copy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use suikang_benchmarks::simulate::{self, Client, Mint, Plan, Speed};
use suikang_registry::{NodeSecrets, Registry, keys, seed};
use suikang_schemas::Topic;
use suikang_stream::Log;
use tokio_util::sync::CancellationToken;

use crate::commands::{now_ms, operator, simulate::mint, unlock};
use crate::config::Config;
use crate::operations::Operations;

/// Declarations and scans with which the city begins, so that the first page has a day to show.
const FIRST: (u64, u64) = (600, 6_000);
/// The pace at which it lives on: some three declarations and ninety passages a second at midday.
const SPEED: Speed = Speed::Times(15.0);

/// Makes keys and seeds the places, where they are missing.
pub(crate) async fn found(config: &Config, log: &Arc<dyn Log>) -> anyhow::Result<()> {
    let unlock = unlock(config);
    if !keys::exist(&config.keys_dir) {
        keys::init(&config.keys_dir, &unlock, now_ms())?;
        tracing::info!(folder = %config.keys_dir.display(), "made keys for the demonstration");
    }
    let registry =
        Registry::open(Arc::clone(log), &config.state_dir, NodeSecrets::load(&config.keys_dir, &unlock)?).await?;
    let stop = CancellationToken::new();
    let following = tokio::spawn({
        let (registry, stop) = (registry.clone(), stop.clone());
        async move { registry.run(stop).await }
    });
    let next_offset = log.extents(Topic::Registry).await?[&0].next;
    anyhow::ensure!(registry.wait_for(next_offset, Duration::from_secs(60)).await, "the registry could not be read");
    keys::publish(&registry, &config.keys_dir, &unlock, operator(config)).await?;
    let submitted = seed::city(&registry, operator(config), now_ms()).await?;
    tracing::info!(submitted, "the city of Guangzhou is in the registry");
    stop.cancel();
    following.await??;
    Ok(())
}

/// A city ready to live behind this address.
pub(crate) struct City {
    address: SocketAddr,
    mint: Mint,
}

/// Prepares the city's tokens.
pub(crate) fn live(config: &Config, address: SocketAddr) -> anyhow::Result<City> {
    Ok(City { address, mint: mint(config)? })
}

impl City {
    /// Waits for the doors, fills the day so far, says where to look, and lives until `stop`.
    pub(crate) async fn live(self, operations: Operations, stop: CancellationToken) {
        while !operations.is_ready() {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
                () = stop.cancelled() => return,
            }
        }
        let url = format!("http://{}", self.address);
        let client = match Client::new(vec![url.clone()], Arc::clone(&self.mint)) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(%error, "the demonstration city cannot speak HTTP");
                return;
            }
        };
        self.say_where_to_look(&url);
        let plan = Plan {
            declarations: Some(FIRST.0),
            scans: Some(FIRST.1),
            seed: 1,
            speed: Speed::Max,
            twice: 0.02,
            late: 0.0,
            keep: false,
            progress: true,
        };
        simulate::run(plan.clone(), client.clone(), stop.clone()).await;
        tracing::info!("the city has had its morning and lives on");
        let endless = Plan { declarations: None, scans: None, seed: 2, speed: SPEED, progress: false, ..plan };
        simulate::run(endless, client, stop).await;
    }

    fn say_where_to_look(&self, url: &str) {
        println!("{}", guide(url, &self.mint));
    }
}

/// Lines to copy. Each works as it stands on the demonstration city.
fn guide(url: &str, mint: &Mint) -> String {
    let token = |role: &str, area: &str| mint(role, &area.parse().expect("an area"), "guide");
    let (resident, inspector) = (token("resident", "4401"), token("inspector", "440106"));
    let (district, headquarters) = (token("district_analyst", "440106"), token("headquarters_investigator", "4401"));
    include_str!("guide.txt")
        .replace("{url}", url)
        .replace("{resident}", &resident)
        .replace("{inspector}", &inspector)
        .replace("{district}", &district)
        .replace("{headquarters}", &headquarters)
}
