//! The broker for tests: it ends with whoever started it, leaves nothing behind, and tells when it dies.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use suikang_schemas::Topic;
use suikang_stream::testing::Broker;

use super::{from_start, numbered, read_all, write};

fn is_alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + super::PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Not a test of its own: a process of the next test, which dies with a broker in its hands.
#[tokio::test]
async fn as_a_process_with_a_broker() {
    if std::env::var_os("SUIKANG_TEST_WITH_BROKER").is_none() {
        return;
    }
    let broker = Broker::shared().await;
    println!("broker {} {}", broker.pid(), broker.folder().display());
    std::process::abort();
}

#[test]
fn a_broker_ends_with_its_process_and_leaves_nothing() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["broker::as_a_process_with_a_broker", "--exact", "--nocapture"])
        .env("SUIKANG_TEST_WITH_BROKER", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let told = output.lines().find_map(|line| line.split_once("broker ")?.1.split_once(' ')).expect(&output);
    let (pid, folder) = (told.0, PathBuf::from(told.1));
    wait_until("Java ends", || !is_alive(pid));
    wait_until("its folder is removed", || !folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_ends_with_java_and_java_with_the_script() {
    let mut broker = Broker::start().await;
    let config = broker.config();
    let log = write(&config).await;
    log.append(Topic::Codes, numbered(50, 5)).await.unwrap();
    let killed = broker.pid().to_string();
    broker.kill();
    assert!(!is_alive(&killed));
    broker.resume().await;
    // The data is still there. A broker that has just started may not know its topics yet: that is no reason to give up.
    let deadline = Instant::now() + super::PATIENCE;
    let mut reader = loop {
        match log.read(Topic::Codes, from_start(&config, Topic::Codes)).await {
            Ok(reader) => break reader,
            Err(error) => assert!(error.is_retryable() && Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(read_all(reader.as_mut(), 50).await.len(), 50);

    let java = broker.pid().to_string();
    let stat = std::fs::read_to_string(format!("/proc/{java}/stat")).unwrap();
    let script = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap();
    assert_ne!(script, "1", "the script is Java's parent");
    assert!(Command::new("kill").args(["-TERM", script]).status().unwrap().success());
    wait_until("Java ends with its script", || !is_alive(&java));
}
