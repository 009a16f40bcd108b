//! A small city on a log of its own: two districts' first streets, the default rules, real keys, and nodes that serve the doors.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use suikang_ingest::{Doors, Settings};
use suikang_registry::secrets::Unlock;
use suikang_registry::tokens::TokenKey;
use suikang_registry::{Caller, Codes, Command, NodeSecrets, Registry, Role, keys, seed};
use suikang_schemas::avro::{self, Event};
use suikang_schemas::registry_event::{Actor, Change};
use suikang_schemas::{CommandId, Topic};
use suikang_stream::{Access, Log, LogConfig, NextOffsets, Record};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::interrupted_log::InterruptedLog;

pub(crate) const HOME: &str = "440106001001";
pub(crate) const NEXT_DOOR: &str = "440106001002";
pub(crate) const AWAY: &str = "440104001007";
pub(crate) const COMMUNITY: &str = "440106001001-001";
pub(crate) const EAST_GATE: &str = "440106001001-001-01";
pub(crate) const WEST_GATE: &str = "440106001001-001-02";
pub(crate) const AWAY_GATE: &str = "440104001007-001-01";

/// A log, its keys and its registry; the folder is gone when dropped.
pub(crate) struct City {
    folder: TempDir,
    pub(crate) log: Arc<InterruptedLog>,
    pub(crate) unlock: Unlock,
    token_key: TokenKey,
}

/// A process that serves the doors; it stops when dropped.
pub(crate) struct Node {
    pub(crate) router: Router,
    pub(crate) registry: Registry,
    pub(crate) doors: Doors,
    _shutdown: DropGuard,
}

impl City {
    /// A city in which all is set for a declaration.
    pub(crate) async fn new() -> (City, Node) {
        Self::with(|_| true).await
    }

    /// A city whose rules are those that `keep` lets through.
    pub(crate) async fn with(keep: impl Fn(&Change) -> bool) -> (City, Node) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file:{}", folder.path().join("log.db").display());
        let log = suikang_stream::open(&LogConfig { url, ..LogConfig::default() }, Access::Write).await.unwrap();
        let log = Arc::new(InterruptedLog { log, cut_off: AtomicBool::new(false) });
        let keys_dir = folder.path().join("keys");
        let unlock = Unlock::of(&keys_dir, None);
        unlock.prepare().unwrap();
        keys::init(&keys_dir, &unlock, now_ms()).unwrap();
        let token_key = TokenKey::load(&keys_dir, &unlock).unwrap();
        let city = City { folder, log, unlock, token_key };
        let node = city.node("one").await;
        keys::publish(&node.registry, &city.keys_dir(), &city.unlock, actor()).await.unwrap();
        let small = |change: &Change| match change {
            Change::PlaceSet(place) => {
                let code = place.area.as_str();
                code.len() < 12 || code.starts_with("440106001") || code.starts_with("440104001")
            }
            _ => true,
        };
        let missing = seed::missing(&node.registry.snapshot(), now_ms()).into_iter();
        let commands = missing.filter(|change| small(change) && keep(change)).map(command).collect();
        for outcome in node.registry.submit_all(commands).await {
            outcome.unwrap();
        }
        (city, node)
    }

    pub(crate) fn keys_dir(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// Another process on the same log.
    pub(crate) async fn node(&self, name: &str) -> Node {
        self.node_with(name, Settings::default()).await
    }

    pub(crate) async fn node_with(&self, name: &str, settings: Settings) -> Node {
        let state_dir = self.folder.path().join(name);
        let log: Arc<dyn Log> = Arc::<InterruptedLog>::clone(&self.log);
        let secrets = NodeSecrets::load(&self.keys_dir(), &self.unlock).unwrap();
        let registry = Registry::open(Arc::clone(&log), &state_dir, secrets).await.unwrap();
        let codes = Codes::open(Arc::clone(&log), &state_dir).await.unwrap();
        let doors = Doors::new(settings, log, registry.clone(), codes.clone());
        let shutdown = CancellationToken::new();
        tokio::spawn({
            let (registry, shutdown) = (registry.clone(), shutdown.clone());
            async move { registry.run(shutdown).await.unwrap() }
        });
        tokio::spawn({
            let (codes, shutdown) = (codes.clone(), shutdown.clone());
            async move { codes.run(shutdown).await.unwrap() }
        });
        tokio::spawn({
            let (doors, shutdown) = (doors.clone(), shutdown.clone());
            async move { suikang_ingest::run(doors, shutdown).await.unwrap() }
        });
        let node =
            Node { router: suikang_ingest::router(doors.clone()), registry, doors, _shutdown: shutdown.drop_guard() };
        node.until(|parts| parts.iter().filter(|part| part.name.contains("view")).all(|part| part.ready)).await;
        node
    }

    /// Changes the registry, and waits until the node knows.
    pub(crate) async fn set(&self, node: &Node, change: Change) {
        node.registry.submit(command(change)).await.unwrap();
    }

    /// A token for a role in an area.
    pub(crate) fn token(&self, role: Role, area: &str, login: &str) -> String {
        let caller = Caller { role, area: area.parse().unwrap(), login: login.to_owned() };
        self.token_key.mint(&caller, now_ms(), Duration::from_secs(600))
    }

    pub(crate) fn resident(&self, login: &str) -> String {
        self.token(Role::Resident, "4401", login)
    }

    pub(crate) fn staff(&self) -> String {
        self.token(Role::Proxy, "440106001", "proxy-1")
    }

    pub(crate) fn inspector(&self) -> String {
        self.token(Role::Inspector, COMMUNITY, "inspector-1")
    }

    /// Everything on a topic, in order per partition.
    pub(crate) async fn records(&self, topic: Topic) -> Vec<Record> {
        let extents = self.log.log.extents(topic).await.unwrap();
        let count: i64 = extents.values().map(|extent| extent.next - extent.start).sum();
        let from: NextOffsets = extents.iter().map(|(&partition, extent)| (partition, extent.start)).collect();
        let mut reader = self.log.read(topic, from).await.unwrap();
        let mut records = Vec::new();
        while records.len() < usize::try_from(count).unwrap() {
            let more = reader.next(1000, Duration::from_secs(10)).await.unwrap();
            assert!(!more.is_empty(), "the log has {count} records and gave {}", records.len());
            records.extend(more);
        }
        records
    }

    pub(crate) async fn events<E: Event>(&self, topic: Topic) -> Vec<E> {
        self.records(topic).await.iter().map(|record| avro::decode(&record.payload).unwrap()).collect()
    }

    /// Cuts the log off, or lets it be reached again.
    pub(crate) fn cut_off(&self, cut_off: bool) {
        self.log.cut_off.store(cut_off, Ordering::SeqCst);
    }
}

impl Node {
    /// Waits until readiness is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&[suikang_stream::Readiness]) -> bool) {
        for _ in 0..600 {
            if wanted(&self.doors.readiness()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("readiness stays {:?}", self.doors.readiness());
    }
}

fn command(change: Change) -> Command {
    Command { command_id: CommandId::now(), actor: actor(), expected_version: None, change }
}

fn actor() -> Actor {
    Actor { role: "operator".to_owned(), area: "4401".to_owned(), login: "test".to_owned() }
}

pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
