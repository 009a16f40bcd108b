//! Reading partitions that the caller chose.

use std::time::Duration;

use async_trait::async_trait;
use rdkafka::ClientConfig;
use suikang_schemas::Topic;
use tokio::time::Instant;

use super::consumer::Polling;
use super::handover::Item;
use crate::config::LogConfig;
use crate::log::{Batch, NextOffsets, ReadError, Reader, Record};

pub(super) struct KafkaReader {
    polling: Polling,
    failed: Option<ReadError>,
}

impl KafkaReader {
    pub(super) fn start(
        client: &ClientConfig,
        config: &LogConfig,
        topic: Topic,
        from: NextOffsets,
    ) -> Result<Self, ReadError> {
        let polling = Polling::start(client, topic, &config.physical_name(topic), None, from)?;
        Ok(Self { polling, failed: None })
    }
}

#[async_trait]
impl Reader for KafkaReader {
    async fn next(&mut self, max_records: usize, wait: Duration) -> Result<Vec<Record>, ReadError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let deadline = Instant::now() + wait;
        let first = match tokio::time::timeout_at(deadline, self.polling.items.take()).await {
            Err(_) => return Ok(Vec::new()),
            Ok(first) => first,
        };
        let mut batch = Batch::of(max_records);
        let mut item = first;
        loop {
            match item {
                Some(Item::Record(record)) => batch.push(record),
                Some(Item::Gained(..) | Item::Lost(_)) => {}
                // What came before a failure is delivered first.
                Some(Item::Failed(error)) if batch.records.is_empty() => return Err(error),
                Some(Item::Failed(error)) => {
                    self.failed = Some(error);
                    return Ok(batch.records);
                }
                None => return Err(ReadError::Fatal("the reading thread has ended".to_owned())),
            }
            if batch.is_full() {
                return Ok(batch.records);
            }
            match self.polling.items.try_take() {
                Some(next) => item = Some(next),
                None => return Ok(batch.records),
            }
        }
    }
}
