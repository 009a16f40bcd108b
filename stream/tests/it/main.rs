//! What every log promises, held against both; what only one of them does; and views over them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod broker;
mod contract;
mod file;
mod kafka;
mod takeover;
mod view;

use std::sync::Arc;
use std::time::{Duration, Instant};

use suikang_stream::{Access, GroupEvent, GroupReader, Log, LogConfig, NewRecord, NextOffsets, Reader, Record, open};

/// Long enough for a busy machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

async fn write(config: &LogConfig) -> Arc<dyn Log> {
    open(config, Access::Write).await.unwrap_or_else(|error| panic!("{error}"))
}

fn record(record_key: impl Into<Vec<u8>>, payload: impl Into<Vec<u8>>) -> NewRecord {
    NewRecord { record_key: record_key.into(), payload: payload.into() }
}

/// `count` records under `keys` keys; the payload is the key and the record's number.
fn numbered(count: u32, keys: u32) -> Vec<NewRecord> {
    (0..count).map(|n| record((n % keys).to_be_bytes(), [(n % keys).to_be_bytes(), n.to_be_bytes()].concat())).collect()
}

fn from_start(config: &LogConfig, topic: suikang_schemas::Topic) -> NextOffsets {
    (0..config.partitions_of(topic)).map(|kafka_partition| (kafka_partition, 0)).collect()
}

/// Reads until there are `count`.
async fn read_all(reader: &mut dyn Reader, count: usize) -> Vec<Record> {
    let deadline = Instant::now() + PATIENCE;
    let mut records = Vec::new();
    while records.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} records", records.len());
        records.extend(reader.next(500, Duration::from_millis(200)).await.unwrap());
    }
    records
}

/// The next event that is not an empty run of records.
async fn event(reader: &mut dyn GroupReader) -> GroupEvent {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "nothing happened in the group");
        match reader.next(500, Duration::from_millis(200)).await.unwrap() {
            GroupEvent::Records(records) if records.is_empty() => {}
            event => return event,
        }
    }
}
