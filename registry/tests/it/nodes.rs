//! Nodes on one embedded log, each with a view of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::Value;
use suikang_registry::{Command, NodeSecrets, Registry};
use suikang_schemas::registry_event::{Actor, Change};
use suikang_schemas::{CommandId, Topic};
use suikang_stream::testing::Broker;
use suikang_stream::{Access, Log, LogConfig};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A log, and a temporary folder for it and for views; gone when dropped.
pub(crate) struct Deployment {
    pub(crate) folder: TempDir,
    pub(crate) log: Arc<dyn Log>,
    /// On Kafka each node has a connection of its own; the embedded log has one writer.
    kafka: Option<LogConfig>,
}

/// A registry that follows the log until dropped.
pub(crate) struct Node {
    pub(crate) registry: Registry,
    pub(crate) state_dir: PathBuf,
    shutdown: DropGuard,
    running: JoinHandle<()>,
}

impl Deployment {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file:{}", folder.path().join("log.db").display());
        let log = suikang_stream::open(&LogConfig { url, ..LogConfig::default() }, Access::Write).await.unwrap();
        Self { folder, log, kafka: None }
    }

    pub(crate) async fn on_kafka() -> Self {
        let config = Broker::shared().await.config();
        let log = suikang_stream::open(&config, Access::Write).await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), log, kafka: Some(config) }
    }

    pub(crate) async fn node(&self, name: &str) -> Node {
        self.node_with(name, NodeSecrets::new(&[7; 32], [0; 32])).await
    }

    pub(crate) async fn node_with(&self, name: &str, secrets: NodeSecrets) -> Node {
        let state_dir = self.folder.path().join(name);
        let log = match &self.kafka {
            Some(config) => suikang_stream::open(config, Access::Write).await.unwrap(),
            None => Arc::clone(&self.log),
        };
        Node::run(Registry::open(log, &state_dir, secrets).await.unwrap(), state_dir)
    }

    /// A node that keeps no people.
    pub(crate) async fn rules_node(&self, name: &str) -> Node {
        let state_dir = self.folder.path().join(name);
        let secrets = NodeSecrets::new(&[7; 32], [0; 32]);
        Node::run(Registry::open_rules(Arc::clone(&self.log), &state_dir, secrets).await.unwrap(), state_dir)
    }

    pub(crate) async fn events(&self) -> i64 {
        self.log.extents(Topic::Registry).await.unwrap().values().map(|extent| extent.next).sum()
    }
}

impl Node {
    fn run(registry: Registry, state_dir: PathBuf) -> Self {
        let shutdown = CancellationToken::new();
        let running = tokio::spawn({
            let (registry, shutdown) = (registry.clone(), shutdown.clone());
            async move { registry.run(shutdown).await.unwrap() }
        });
        Self { registry, state_dir, shutdown: shutdown.drop_guard(), running }
    }

    /// Waits until the node knows everything that the log has.
    pub(crate) async fn catch_up(&self, deployment: &Deployment) {
        let events = deployment.events().await;
        assert!(self.registry.wait_for(events, Duration::from_secs(20)).await, "the view stands still");
    }

    pub(crate) async fn stop(self) {
        drop(self.shutdown);
        self.running.await.unwrap();
    }

    /// Every row of every table, but for the view's own bookkeeping.
    pub(crate) fn dump(&self) -> Vec<Vec<Value>> {
        let view = rusqlite::Connection::open(self.state_dir.join("registry.db")).unwrap();
        let mut rows = Vec::new();
        for table in ["rules", "people", "claims", "commands"] {
            let mut select = view.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap();
            let columns = select.column_count();
            let read = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
            rows.extend(select.query_map([], read).unwrap().map(Result::unwrap));
        }
        rows
    }
}

pub(crate) fn actor() -> Actor {
    Actor { role: "operator".to_owned(), area: "4401".to_owned(), login: "test".to_owned() }
}

pub(crate) fn command(expected_version: Option<i64>, change: Change) -> Command {
    Command { command_id: CommandId::now(), actor: actor(), expected_version, change }
}
