//! The embedded log alone: one writing process, any readers.

use std::process::{Command, Stdio};

use suikang_schemas::Topic;
use suikang_stream::{Access, LogConfig, OpenError, ReadError, open};

use super::{from_start, numbered, read_all, write};

fn config(folder: &std::path::Path) -> LogConfig {
    LogConfig { url: format!("file:{}", folder.join("log.db").display()), partitions: 4, ..LogConfig::default() }
}

/// Not a test of its own: what the second process of the next test does.
#[tokio::test(flavor = "multi_thread")]
async fn as_a_second_process() {
    let Some(folder) = std::env::var_os("SUIKANG_TEST_SECOND_PROCESS") else { return };
    let config = config(folder.as_ref());
    let refused = open(&config, Access::Write).await.err().expect("a refusal");
    assert!(matches!(refused, OpenError::AnotherWriter(_)), "{refused}");
    let log = open(&config, Access::ReadOnly).await.expect("readers are welcome");
    let mut reader = log.read(Topic::Scans, from_start(&config, Topic::Scans)).await.unwrap();
    assert_eq!(read_all(reader.as_mut(), 10).await.len(), 10);
    assert!(log.append(Topic::Scans, numbered(1, 1)).await.is_err());
    println!("second process done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writing_process_is_told_so_and_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = write(&config(folder.path())).await;
    log.append(Topic::Scans, numbered(10, 3)).await.unwrap();
    let second = Command::new(std::env::current_exe().unwrap())
        .args(["file::as_a_second_process", "--exact", "--nocapture"])
        .env("SUIKANG_TEST_SECOND_PROCESS", folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&second.stdout);
    assert!(second.status.success() && output.contains("second process done"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writer_gives_the_lock_back() {
    let folder = tempfile::tempdir().unwrap();
    drop(write(&config(folder.path())).await);
    write(&config(folder.path())).await.append(Topic::Scans, numbered(1, 1)).await.unwrap();
}

#[tokio::test]
async fn a_log_that_is_not_there_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let refused = open(&config(folder.path()), Access::ReadOnly).await.err();
    assert!(matches!(refused, Some(OpenError::Missing(_))));
    let refused = open(&LogConfig { url: "redis://x".to_owned(), ..LogConfig::default() }, Access::Write).await.err();
    assert!(matches!(refused, Some(OpenError::Url(_))));
}

#[tokio::test]
async fn a_reader_that_retention_overtakes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = write(&config(folder.path())).await;
    log.append(Topic::Registry, numbered(10, 1)).await.unwrap();
    let mut reader = log.read(Topic::Registry, [(0, 0)].into()).await.unwrap();
    assert_eq!(reader.next(4, super::PATIENCE).await.unwrap().len(), 4);
    log.expire(Topic::Registry, i64::MAX).await.unwrap();
    let refused = reader.next(4, super::PATIENCE).await.err();
    assert!(matches!(refused, Some(ReadError::BeforeStart { asked: 4, start: 10, .. })), "{refused:?}");
}
