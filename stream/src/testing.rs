//! A real broker for tests: started on a free port, restarted, killed, and ended with the process that started it, however that ends;
//! its data goes with it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use crate::config::{Access, LogConfig, open};

/// How long a broker may take to be reachable.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port that nobody listens on, for a server that is about to start. It lies below those that systems give to connections, which come and
/// go while the server starts.
pub fn free_port() -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new();
    let mut ports = (0u32..).map(|n| 10_000 + u16::try_from(random.hash_one(n) % 20_000).expect("less than 20,000"));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    port: u16,
    folder: tempfile::TempDir,
    script: PathBuf,
    child: Option<Child>,
}

impl Broker {
    /// Starts one, and waits until it answers.
    ///
    /// # Panics
    /// If it doesn't: without a broker a test has failed.
    pub async fn start() -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kafka/broker.sh");
        let mut broker = Self { port, folder, script, child: None };
        broker.resume().await;
        broker
    }

    /// One for all tests of this process.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Broker> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// The log's URL.
    pub fn url(&self) -> String {
        format!("kafka://127.0.0.1:{}", self.port)
    }

    /// A configuration whose topics nobody else has; a member of a group that dies is noticed sooner than elsewhere.
    pub fn config(&self) -> LogConfig {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let topic_prefix = format!("t{}-{}.", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let kafka = [("session.timeout.ms".to_owned(), "3000".to_owned())].into();
        LogConfig { url: self.url(), topic_prefix, partitions: 4, kafka, ..LogConfig::default() }
    }

    /// Where its data lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The Java process, to be stopped and continued by signals.
    pub fn pid(&self) -> u32 {
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).expect("the script writes it");
        pid.trim().parse().expect("a process id")
    }

    /// SIGKILL, and waits until it has gone. Its data stays.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the broker runs");
        let killed = Command::new("kill").args(["-KILL", &self.pid().to_string()]).status();
        assert!(killed.is_ok_and(|status| status.success()), "the broker was not running");
        // `wait` would close the script's input first, and with it the data would go.
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("the script is our child").is_none() {
            assert!(Instant::now() < deadline, "the script does not end with Java");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts again on the same port with the data that is there.
    pub async fn resume(&mut self) {
        let child = Command::new(&self.script)
            .args(["--stdin", "--ephemeral", "--port", &self.port.to_string(), "--data"])
            .arg(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("kafka/broker.sh runs");
        self.child = Some(child);
        let config = LogConfig { topic_prefix: "probe.".to_owned(), partitions: 1, ..self.config() };
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = open(&config, Access::Write).await {
            let ended = self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            assert!(!ended && Instant::now() < deadline, "no broker: {error}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("broker.log")).unwrap_or_default()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            // A broken script is no reason to panic while a test may be panicking already.
            let _ = child.wait();
        }
    }
}
