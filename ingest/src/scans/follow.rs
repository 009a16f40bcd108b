//! Follows the scans topic, from a day back on start: what other nodes append, and this one did before, counts as seen here. It comes in
//! batches: a device that goes to another door takes longer than the pause between them, and waking for each record costs more than it.

use std::time::Duration;

use suikang_schemas::scan::ScanUpload;
use suikang_schemas::{Topic, avro};
use suikang_stream::{NextOffsets, Position, ReadError, Record};
use tokio_util::sync::CancellationToken;

use super::Devices;
use super::since::since;
use crate::doors::Doors;
use crate::metrics;

const RECORDS_AT_ONCE: usize = 500;
const WAIT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);
const AWAY: Duration = Duration::from_secs(2);

/// Follows until `shutdown`; an error won't go away by itself.
pub(crate) async fn follow(doors: &Doors, shutdown: &CancellationToken) -> Result<(), ReadError> {
    let mut next_offsets = None;
    loop {
        let followed = tokio::select! {
            followed = follow_from(doors, &mut next_offsets) => followed,
            () = shutdown.cancelled() => return Ok(()),
        };
        match followed {
            Err(error) if error.is_retryable() => {
                tracing::debug!(%error, "cannot follow scans now");
                tokio::select! {
                    () = tokio::time::sleep(AWAY) => {}
                    () = shutdown.cancelled() => return Ok(()),
                }
            }
            // What is gone was older than anybody asks for.
            Err(ReadError::BeforeStart { .. }) => next_offsets = None,
            ended => return ended.map(|never| match never {}),
        }
    }
}

enum Never {}

async fn follow_from(doors: &Doors, next_offsets: &mut Option<NextOffsets>) -> Result<Never, ReadError> {
    let from = match next_offsets.take() {
        Some(from) => from,
        None => {
            let remembered_ms = i64::from(doors.settings.scans_remembered_h) * 60 * 60 * 1000;
            since(doors.log(), Topic::Scans, doors.now_ms() - remembered_ms).await?
        }
    };
    let position = next_offsets.insert(from);
    let mut reader = doors.log().read(Topic::Scans, position.clone()).await?;
    loop {
        let records = reader.next(RECORDS_AT_ONCE, WAIT).await?;
        for record in &records {
            note(&doors.devices, record);
            position.insert(record.kafka_partition, record.offset + 1);
        }
        if records.len() < RECORDS_AT_ONCE {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn note(devices: &Devices, record: &Record) {
    if devices.own.meet(Position { kafka_partition: record.kafka_partition, offset: record.offset }) {
        return;
    }
    match avro::decode::<ScanUpload>(&record.payload) {
        Ok(upload) => devices.seen.note(&upload),
        // The lake's writer sends it to the dead letters; here it only isn't remembered.
        Err(_) => metrics::unreadable_upload(),
    }
}
