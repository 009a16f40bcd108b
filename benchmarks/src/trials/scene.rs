//! Where trials take place: a broker, a city of processes, a load that goes on until told to stop, somebody who asks on the side.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use suikang_schemas::Topic;
use suikang_stream::testing::Broker;
use suikang_stream::{Access, Log};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::simulate::{self, Account, Client, Plan, Resident, Residents, Speed};
use crate::walk::{City, mint, settle};

/// What a trial is made of.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The `suikang` binary.
    pub suikang: PathBuf,
    /// Everything that is drawn follows from it.
    pub seed: u64,
    /// The load, as so many times the pace of a town of 100,000.
    pub load: f64,
    /// Where logs and lake stay to be looked at, instead of in a temporary folder.
    pub keep: Option<PathBuf>,
}

/// The lake commits, saves and merges often, so that whatever comes finds it busy.
pub(super) const OFTEN: &str = "commit_interval_s = 1\nsave_seen_interval_s = 5\ncompact_every_commits = 10";

/// A city under load.
pub struct Scene {
    pub(super) city: City,
    pub(super) client: Client,
    pub(super) log: Arc<dyn Log>,
    pub(super) rng: StdRng,
    stage: Stage,
    residents: Residents,
    /// What was promised on the side.
    aside: Account,
    pub(super) broker: Broker,
    _folder: tempfile::TempDir,
}

/// What goes on meanwhile.
pub(super) struct Load {
    stop: CancellationToken,
    running: JoinHandle<Account>,
}

impl Load {
    pub(super) async fn end(self) -> anyhow::Result<Account> {
        self.stop.cancel();
        self.running.await.context("the load broke")
    }
}

impl Scene {
    /// A city whose processes are not started yet, in this folder unless it is to be kept. `analytics` are lines of its configuration.
    pub(super) async fn set(stage: &Stage, folder: tempfile::TempDir, analytics: &str) -> anyhow::Result<Self> {
        eprintln!("trial: starting Kafka and the city");
        let broker = Broker::start().await;
        let city = City::found(
            &stage.suikang,
            stage.keep.as_deref().unwrap_or(&folder.path().join("city")),
            Some(&broker.url()),
            analytics,
        )?;
        let client = Client::new(city.doors(), mint(&city.keys())?)?;
        let log = suikang_stream::open(&city.log(), Access::ReadOnly).await?;
        Ok(Self {
            city,
            client,
            log,
            rng: StdRng::seed_from_u64(stage.seed),
            stage: stage.clone(),
            residents: Residents::new(stage.seed ^ 0xa51de, "aside"),
            aside: Account::default(),
            broker,
            _folder: folder,
        })
    }

    /// A city that is ready.
    pub(super) async fn open(stage: &Stage) -> anyhow::Result<Self> {
        let mut scene = Self::set(stage, tempfile::tempdir()?, OFTEN).await?;
        scene.city.start_all()?;
        scene.city.ready(Duration::from_secs(120)).await?;
        Ok(scene)
    }

    /// A load that goes on until it is told to end.
    pub(super) fn load(&self) -> Load {
        let stop = CancellationToken::new();
        let plan = Plan {
            declarations: None,
            scans: None,
            seed: self.stage.seed,
            speed: Speed::Times(self.stage.load),
            twice: 0.2,
            late: 0.01,
            keep: true,
            progress: false,
        };
        Load { stop: stop.clone(), running: tokio::spawn(simulate::run(plan, self.client.clone(), stop)) }
    }

    /// Somebody who has not declared yet.
    pub(super) fn resident(&mut self) -> Resident {
        self.residents.next().expect("people never end")
    }

    /// Others who have not declared yet.
    pub(super) fn residents(&mut self) -> Residents {
        Residents::new(self.rng.random(), "others")
    }

    /// Notes what an answer on the side promised.
    pub(super) fn note(&mut self, answer: &Value) {
        match answer["declaration_id"].as_str() {
            Some(id) => {
                self.aside.declarations += 1;
                self.aside.promises.declarations.push(id.to_owned());
            }
            None => self.aside.unpromised += 1,
        }
    }

    /// Adds a load that has ended to what [`Scene::settle`] expects.
    pub(super) fn keep(&mut self, account: Account) {
        let aside = &mut self.aside;
        aside.declarations += account.declarations;
        aside.scans += account.scans;
        aside.promises.declarations.extend(account.promises.declarations);
        aside.promises.scans.extend(account.promises.scans);
    }

    /// Where a topic ends, all its partitions together.
    pub(super) async fn end_of(&self, topic: Topic) -> anyhow::Result<i64> {
        Ok(self.log.extents(topic).await?.values().map(|extent| extent.next).sum())
    }

    /// Compares all sums when everything has been read, and finds what was acknowledged; the counts.
    pub(super) async fn settle(&mut self, mut account: Account) -> anyhow::Result<Value> {
        eprintln!("trial: waiting until everything has been read");
        account.declarations += self.aside.declarations;
        account.unpromised += self.aside.unpromised;
        account.scans += self.aside.scans;
        account.promises.declarations.extend(self.aside.promises.declarations.iter().cloned());
        account.promises.scans.extend(&self.aside.promises.scans);
        let (sums, found) = settle(&mut self.city, &account).await?;
        let account = json!({
            "seed": self.stage.seed, "declarations": account.declarations, "sent_twice": account.declarations_sent_twice,
            "sent_again": account.requests_retried, "given_up": account.requests_failed, "scans": account.scans,
        });
        Ok(json!({"clients": account, "sums": sums, "found": found}))
    }
}

/// Declares once at whichever door is next: status, Retry-After, body.
pub(super) async fn declare(client: &Client, resident: &Resident, key: &str) -> anyhow::Result<(u16, bool, Value)> {
    let (role, area) = resident.caller();
    let sent = client.send("/v1/declarations", (role, &area, &resident.login), &resident.declaration, |request| {
        request.header("idempotency-key", key)
    });
    let answer = sent.await?;
    let (status, later) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
    Ok((status, later, answer.json().await.unwrap_or_default()))
}

/// Declares until a door answers, and waits for the outcome.
pub(super) async fn declare_and_wait(client: &Client, resident: &Resident, key: &str) -> anyhow::Result<Value> {
    let (role, area) = resident.caller();
    let sent = client.post("/v1/declarations", (role, &area, &resident.login), &resident.declaration, |request| {
        request.header("idempotency-key", key).header("prefer", "wait=20")
    });
    Ok(sent.await?.json().await?)
}
