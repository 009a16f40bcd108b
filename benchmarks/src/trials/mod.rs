//! Trials: one fault each, inflicted on the real processes under load, and what must hold afterwards counted.
//!
//! In all of them every acknowledged declaration ends in exactly one outcome, the lake has each scan once, and service goes on by itself.

mod age;
mod broker;
mod disk;
mod entries;
mod flood;
mod kills;
mod left;
mod rebalances;
mod recount;
mod scene;
mod zombies;

use std::time::Duration;

use serde_json::Value;

pub use scene::{Scene, Stage};

/// What a trial inflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// The issuers are killed again and again; each time codes come again within 5 s
    Issuers,
    /// The doors are killed again and again; nothing acknowledged is lost, and a repeated request has its first answer
    Doors,
    /// The broker is killed and comes back, once after a minute; meanwhile 503 with Retry-After, and no false success
    Broker,
    /// Processes stand still past the group's time-out and go on; two go by one name; old outcomes are written late
    Zombies,
    /// Strangers join and leave the groups every 2 seconds
    Rebalances,
    /// The disk of the lake and of the views is full for a while
    Disk,
    /// Entries of the lake's log are cut short, emptied, zeroed
    Entries,
    /// A thousand requests at once with one Idempotency-Key
    OneKey,
    /// Ten times the load that is expected of the door
    Flood,
    /// Questions while rows are written, committed, merged: each answer equals a recount of the raw log up to its cut
    Recount,
    /// Ten thousand commits, merged, vacuumed and their log cleaned up under readers: none fails, and the table opens as fast as when it was new
    Age,
}

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    /// Kills, rounds, requests, commits: whatever the fault counts.
    pub times: usize,
    /// How long, where that is what counts.
    pub time: Duration,
}

impl Fault {
    /// How much is enough to claim that it does no harm.
    pub fn usual(self) -> Amount {
        let (times, seconds) = match self {
            Fault::Issuers | Fault::Doors => (20, 0),
            Fault::Broker => (3, 60),
            Fault::Zombies => (3, 10),
            Fault::Rebalances => (0, 300),
            Fault::Disk => (1, 15),
            Fault::Entries => (4, 0),
            Fault::OneKey => (1_000, 0),
            Fault::Flood => (10, 300),
            Fault::Recount => (1_000, 0),
            Fault::Age => (10_000, 0),
        };
        Amount { times, time: Duration::from_secs(seconds) }
    }

    /// Inflicts it, and counts.
    ///
    /// # Errors
    /// With the first claim that doesn't hold.
    pub async fn inflict(self, stage: &Stage, amount: Amount) -> anyhow::Result<Value> {
        match self {
            Fault::Issuers => kills::issuers(stage, amount.times).await,
            Fault::Doors => kills::doors(stage, amount.times).await,
            Fault::Broker => broker::away(stage, amount).await,
            Fault::Zombies => zombies::all(stage, amount).await,
            Fault::Rebalances => rebalances::all(stage, amount.time).await,
            Fault::Disk => disk::full(stage, amount.time).await,
            Fault::Entries => entries::damaged(stage).await,
            Fault::OneKey => flood::one_key(stage, amount.times).await,
            Fault::Flood => flood::many(stage, amount).await,
            Fault::Recount => recount::all(stage, amount.times).await,
            Fault::Age => age::grows_old(stage, amount.times).await,
        }
    }
}
