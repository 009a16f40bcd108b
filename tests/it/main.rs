//! The binary as its users meet it: real processes, real HTTP, both logs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod canary;
mod commands;
mod corpora;
mod guide;
mod hostile;
mod hostile_sql;
mod internals;
mod measures;
mod openapi;
mod readme;
mod trials;
mod walk;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use suikang_benchmarks::walk::mint;
use tokio::sync::OnceCell;

const SUIKANG: &str = env!("CARGO_BIN_EXE_suikang");

/// `suikang up` in a folder of its own, with `--demo` where somebody is to live there.
struct DemoCity {
    url: String,
    folder: tempfile::TempDir,
    /// Ends the city when its input closes, that is, when this process ends, however it ends.
    warden: Child,
}

impl DemoCity {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with settings from the environment.
    async fn start_with(environment: &[(&str, &str)]) -> Self {
        Self::launch(tempfile::tempdir().unwrap(), &["--demo"], environment).await
    }

    /// Its places, where nobody lives: what the process holds changes through what a test sends alone.
    async fn start_empty(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for arguments in [&["keys", "init"][..], &["seed"]] {
            let output = suikang(folder.path(), arguments);
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Self::launch(folder, &[], environment).await
    }

    async fn launch(folder: tempfile::TempDir, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let port = suikang_stream::testing::free_port();
        let (out, err) =
            (File::create(folder.path().join("out")).unwrap(), File::create(folder.path().join("err")).unwrap());
        let warden = Command::new("sh")
            .args(["-c", r#""$0" "$@" </dev/null & city=$!; cat >/dev/null; kill -TERM $city; wait $city"#, SUIKANG])
            .args(["up", "--listen", &format!("127.0.0.1:{port}")])
            .args(flags)
            .envs(environment.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap();
        let city = Self { url: format!("http://127.0.0.1:{port}"), folder, warden };
        let http = http();
        let deadline = Instant::now() + Duration::from_secs(90);
        while !http.get(format!("{}/readyz", city.url)).send().await.is_ok_and(|answer| answer.status().is_success())
            || (flags.contains(&"--demo") && !city.said().contains("jwks.json"))
        {
            assert!(Instant::now() < deadline, "the city does not start:\n{}", city.told());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        city
    }

    /// What it printed.
    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("out")).unwrap()
    }

    /// What it logged.
    fn told(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("err")).unwrap()
    }

    fn keys_dir(&self) -> PathBuf {
        self.folder.path().join("data/keys")
    }

    fn token(&self, role: &str, area: &str, login: &str) -> String {
        mint(&self.keys_dir()).unwrap()(role, &area.parse().unwrap(), login)
    }

    /// The city's process: the one child of its warden that runs the binary.
    fn pid(&self) -> u32 {
        let warden = self.warden.id();
        let children = std::fs::read_to_string(format!("/proc/{warden}/task/{warden}/children")).unwrap();
        let mut children = children.split_whitespace().map(|pid| pid.parse::<u32>().unwrap());
        let is_city = |pid: &u32| {
            std::fs::read_link(format!("/proc/{pid}/exe"))
                .is_ok_and(|exe| exe == Path::new(SUIKANG).canonicalize().unwrap())
        };
        children.find(is_city).expect("the city runs")
    }

    /// What it holds in memory, in megabytes.
    fn resident_mb(&self) -> u64 {
        self.memory_mb("VmRSS:")
    }

    /// The most that it ever held, in megabytes: what was given back before anybody looked is in it.
    fn most_resident_mb(&self) -> u64 {
        self.memory_mb("VmHWM:")
    }

    fn memory_mb(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Files and connections that it has open.
    fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// SIGTERM, and waits until everything is on disk; the folder stays.
    fn stop(mut self) -> tempfile::TempDir {
        drop(self.warden.stdin.take());
        assert!(self.warden.wait().unwrap().success(), "the city did not stop in order:\n{}", self.told());
        self.folder
    }
}

/// One city for the tests that only look and ask.
async fn demo_city() -> &'static DemoCity {
    static CITY: OnceCell<DemoCity> = OnceCell::const_new();
    CITY.get_or_init(DemoCity::start).await
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap()
}

/// Runs a subcommand in a folder.
fn suikang(folder: &Path, arguments: &[&str]) -> std::process::Output {
    Command::new(SUIKANG).args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}
