//! The processes of a walk: founded from nothing, started, killed, found ready, drained, stopped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
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
    /// Name of each process, and its subcommand.
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

/// A process as it is started, again and again on the same port, where its clients look for it.
#[derive(Debug, Clone)]
struct Process {
    subcommand: &'static str,
    node: &'static str,
    port: u16,
}

/// A founded city: its configuration, its ports, its running processes. Whatever runs is killed when this is dropped.
#[derive(Debug)]
pub struct City {
    suikang: PathBuf,
    folder: PathBuf,
    config: PathBuf,
    log: LogConfig,
    layout: Layout,
    processes: BTreeMap<&'static str, Process>,
    running: BTreeMap<&'static str, Child>,
}

impl City {
    /// Writes the configuration, makes the keys, creates the topics, seeds the places. `analytics` are further lines of that table of the
    /// configuration.
    ///
    /// # Errors
    /// If the folder can't be written or a command fails.
    pub fn found(suikang: &Path, folder: &Path, kafka: Option<&str>, analytics: &str) -> anyhow::Result<Self> {
        let layout = if kafka.is_some() { Layout::Many } else { Layout::One };
        fs::create_dir_all(folder.join("logs"))?;
        let config = folder.join("suikang.toml");
        let url = kafka.map_or_else(|| format!("file:{}", folder.join("log.db").display()), str::to_owned);
        fs::write(
            &config,
            format!(
                "state_dir = {state:?}\nkeys_dir = {keys:?}\n\n[log]\nurl = {url:?}\ntopic_prefix = \"walk.\"\n\n\
                 [analytics]\nlake = {lake:?}\n{analytics}\n",
                state = folder.join("state"),
                keys = folder.join("keys"),
                lake = folder.join("lake"),
            ),
        )?;
        let mut city = Self {
            suikang: suikang.to_owned(),
            folder: folder.to_owned(),
            config,
            log: LogConfig { url, topic_prefix: "walk.".to_owned(), ..LogConfig::default() },
            layout,
            processes: BTreeMap::new(),
            running: BTreeMap::new(),
        };
        layout.processes().iter().for_each(|(name, subcommand)| city.add(name, subcommand, name));
        city.command(&["topics", "create"])?;
        city.command(&["keys", "init"])?;
        city.command(&["seed"])?;
        Ok(city)
    }

    /// One more process, not started yet, under a node's name that need not be its own.
    pub fn add(&mut self, name: &'static str, subcommand: &'static str, node: &'static str) {
        self.processes.insert(name, Process { subcommand, node, port: suikang_stream::testing::free_port() });
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

    /// Base address of a process.
    pub fn address(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}", self.processes[name].port)
    }

    /// Starts every process.
    ///
    /// # Errors
    /// If one can't be started.
    pub fn start_all(&mut self) -> anyhow::Result<()> {
        let names: Vec<_> = self.processes.keys().copied().collect();
        names.into_iter().try_for_each(|name| self.start(name))
    }

    /// Starts one process; its output is kept in the folder `logs`.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start(&mut self, name: &'static str) -> anyhow::Result<()> {
        let Process { subcommand, node, port } = self.processes.get(name).context("no such process")?;
        let log =
            File::options().create(true).append(true).open(self.folder.join("logs").join(format!("{name}.log")))?;
        let child = self
            .suikang(&["--listen", &format!("127.0.0.1:{port}"), "--node", node, subcommand])
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

    /// Sends a signal, such as `STOP`.
    ///
    /// # Errors
    /// If it does not run.
    pub fn signal(&self, name: &str, signal: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.pid(name)?.to_string()]).status()?;
        ensure!(sent.success(), "{name} could not be sent SIG{signal}");
        Ok(())
    }

    /// The process id.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pid(&self, name: &str) -> anyhow::Result<u32> {
        Ok(self.running.get(name).with_context(|| format!("{name} does not run"))?.id())
    }

    /// Whether a process has ended by itself, and how; it doesn't run then.
    ///
    /// # Errors
    /// If the system can't tell.
    pub fn ended(&mut self, name: &str) -> anyhow::Result<Option<ExitStatus>> {
        let status = self.running.get_mut(name).map(Child::try_wait).transpose()?.flatten();
        if status.is_some() {
            self.running.remove(name);
        }
        Ok(status)
    }

    /// Waits until every process that runs says that it is ready.
    ///
    /// # Errors
    /// If one ends or takes longer than `patience`, with the end of its log.
    pub async fn ready(&mut self, patience: Duration) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let deadline = Instant::now() + patience;
        let names: Vec<_> = self.running.keys().copied().collect();
        for name in names {
            let url = format!("{}/readyz", self.address(name));
            loop {
                let said = match http.get(&url).send().await {
                    Ok(answer) if answer.status().is_success() => break,
                    Ok(answer) => answer.text().await?,
                    Err(error) => error.to_string(),
                };
                let ended = self.running.get_mut(name).is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
                ensure!(!ended, "{name} has ended; its log ends with\n{}", self.log_end(name));
                ensure!(
                    Instant::now() < deadline,
                    "{name} is not ready: {said}\nits log ends with\n{}",
                    self.log_end(name)
                );
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
        self.running.keys().try_for_each(|name| self.signal(name, "TERM"))?;
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

    /// The end of a process's log.
    pub fn log_end(&self, name: &str) -> String {
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
