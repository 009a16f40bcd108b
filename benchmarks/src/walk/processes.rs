//! The processes of a walk: founded from nothing, started, killed, found ready, drained, stopped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use suikang_stream::LogConfig;
use tokio::time::Instant;

/// How the stages are spread over processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Everything in one process, on the embedded log.
    One,
    /// A process a stage, two doors and two issuers, on Kafka.
    Many,
}

impl Layout {
    /// Name of the process and its subcommand.
    fn processes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Layout::One => &[("up", "up")],
            Layout::Many => &[
                ("ingest-1", "ingest"),
                ("ingest-2", "ingest"),
                ("issuer-1", "issuer"),
                ("issuer-2", "issuer"),
                ("analytics", "analytics"),
                ("api", "api"),
            ],
        }
    }

    /// Who is killed on the way.
    pub fn victims(self) -> &'static [&'static str] {
        match self {
            Layout::One => &["up"],
            Layout::Many => &["ingest-1", "issuer-1", "issuer-2", "analytics"],
        }
    }
}

/// A founded city: its configuration, its ports, its running processes. Whatever runs is killed when this is dropped.
#[derive(Debug)]
pub struct City {
    suikang: PathBuf,
    folder: PathBuf,
    config: PathBuf,
    log: LogConfig,
    layout: Layout,
    ports: BTreeMap<&'static str, u16>,
    running: BTreeMap<&'static str, Child>,
}

impl City {
    /// Writes the configuration, makes the keys, creates the topics, seeds the places.
    ///
    /// # Errors
    /// If the folder can't be written or a command fails.
    pub fn found(suikang: &Path, folder: &Path, kafka: Option<&str>) -> anyhow::Result<Self> {
        let layout = if kafka.is_some() { Layout::Many } else { Layout::One };
        fs::create_dir_all(folder.join("logs"))?;
        let config = folder.join("suikang.toml");
        let url = kafka.map_or_else(|| format!("file:{}", folder.join("log.db").display()), str::to_owned);
        fs::write(
            &config,
            format!(
                "state_dir = {state:?}\nkeys_dir = {keys:?}\n\n[log]\nurl = {url:?}\ntopic_prefix = \"walk.\"\n\n\
                 [analytics]\nlake = {lake:?}\ncommit_interval_s = 2\n",
                state = folder.join("state"),
                keys = folder.join("keys"),
                lake = folder.join("lake"),
            ),
        )?;
        // Ports are chosen first and stay, so that a process that was killed comes back where its clients look for it.
        let mut ports = BTreeMap::new();
        for (name, _) in layout.processes() {
            ports.insert(*name, suikang_stream::testing::free_port());
        }
        let city = Self {
            suikang: suikang.to_owned(),
            folder: folder.to_owned(),
            config,
            log: LogConfig { url, topic_prefix: "walk.".to_owned(), ..LogConfig::default() },
            layout,
            ports,
            running: BTreeMap::new(),
        };
        city.command(&["topics", "create"])?;
        city.command(&["keys", "init"])?;
        city.command(&["seed"])?;
        Ok(city)
    }

    /// How the stages are spread.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The log of its processes.
    pub fn log(&self) -> LogConfig {
        self.log.clone()
    }

    /// Where the lake is.
    pub fn lake(&self) -> PathBuf {
        self.folder.join("lake")
    }

    /// Where the keys are.
    pub fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// Base addresses of the processes that take declarations and scans.
    pub fn doors(&self) -> Vec<String> {
        let doors: &[_] = if self.layout == Layout::One { &["up"] } else { &["ingest-1", "ingest-2"] };
        doors.iter().map(|door| self.address(door)).collect()
    }

    /// Base address of the process that answers readers.
    pub fn reader(&self) -> String {
        self.address(if self.layout == Layout::One { "up" } else { "api" })
    }

    fn address(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}", self.ports[name])
    }

    /// Starts every process.
    ///
    /// # Errors
    /// If one can't be started.
    pub fn start_all(&mut self) -> anyhow::Result<()> {
        self.layout.processes().iter().try_for_each(|(name, _)| self.start(name))
    }

    /// Starts one process; its output is kept in the folder `logs`.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start(&mut self, name: &'static str) -> anyhow::Result<()> {
        let (_, subcommand) =
            self.layout.processes().iter().find(|(known, _)| *known == name).context("no such process")?;
        let log =
            File::options().create(true).append(true).open(self.folder.join("logs").join(format!("{name}.log")))?;
        let child = self
            .suikang(&["--listen", &format!("127.0.0.1:{}", self.ports[name]), "--node", name, subcommand])
            .env("SUIKANG_STATE_DIR", self.folder.join("state").join(name))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.running.insert(name, child);
        Ok(())
    }

    /// SIGKILL: no chance to say goodbye.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let mut child = self.running.remove(name).with_context(|| format!("{name} does not run"))?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Waits until every process says that it is ready.
    ///
    /// # Errors
    /// If one ends or takes longer than `patience`, with the end of its log.
    pub async fn ready(&mut self, patience: Duration) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let deadline = Instant::now() + patience;
        for (name, _) in self.layout.processes() {
            let url = format!("{}/readyz", self.address(name));
            loop {
                if http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
                let ended = self.running.get_mut(name).is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
                ensure!(!ended, "{name} has ended; its log ends with\n{}", self.log_end(name));
                ensure!(Instant::now() < deadline, "{name} is not ready; its log ends with\n{}", self.log_end(name));
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Ok(())
    }

    /// Reconciles again and again until nothing is pending and every sum agrees; the account in JSON.
    ///
    /// # Errors
    /// With the last account, if that takes longer than `patience`.
    pub async fn drained(&self, patience: Duration) -> anyhow::Result<Value> {
        let deadline = Instant::now() + patience;
        loop {
            let output = self.suikang(&["reconcile", "--drained", "--json"]).output()?;
            if output.status.success() {
                return Ok(serde_json::from_slice(&output.stdout)?);
            }
            if Instant::now() > deadline {
                bail!(
                    "reconcile --drained still differs:\n{}{}",
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// SIGTERM to all, and waits.
    ///
    /// # Errors
    /// If one is still there after the grace period, or failed.
    pub async fn stop(&mut self, grace: Duration) -> anyhow::Result<()> {
        for child in self.running.values() {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
        }
        let deadline = Instant::now() + grace;
        while let Some((name, mut child)) = self.running.pop_first() {
            loop {
                if let Some(status) = child.try_wait()? {
                    ensure!(status.success(), "{name} ended with {status}; its log ends with\n{}", self.log_end(name));
                    break;
                }
                if Instant::now() > deadline {
                    child.kill()?;
                    bail!("{name} did not stop; its log ends with\n{}", self.log_end(name));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Runs a subcommand to its end.
    ///
    /// # Errors
    /// With what it said, if it fails.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.suikang(arguments).output()?;
        ensure!(
            output.status.success(),
            "suikang {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    fn suikang(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.suikang);
        command.arg("--config").arg(&self.config).args(arguments);
        command
    }

    fn log_end(&self, name: &str) -> String {
        let log = fs::read_to_string(self.folder.join("logs").join(format!("{name}.log"))).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(12).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for City {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
