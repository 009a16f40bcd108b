//! What clients were promised, looked for on the log itself: every acknowledged id is there, and no two outcomes of one record differ.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::ensure;
use suikang_schemas::declaration::Declaration;
use suikang_schemas::outcome::Outcome;
use suikang_schemas::scan::ScanUpload;
use suikang_schemas::{Topic, avro};
use suikang_stream::{Access, Log, LogConfig, NextOffsets, Record};

use crate::simulate::Promises;

/// What was looked at.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Found {
    /// Acknowledged declarations, all of them on the log.
    pub declarations: usize,
    /// Acknowledged scans, all of them on the log.
    pub scans: usize,
    /// Outcomes that an issuer made a second time, all of them byte for byte the same.
    pub outcomes_again: usize,
}

/// Looks for all of them.
///
/// # Errors
/// If one is missing, two outcomes of one record differ, or the log can't be read.
pub(super) async fn find(config: &LogConfig, promises: &Promises) -> anyhow::Result<Found> {
    let log = suikang_stream::open(config, Access::ReadOnly).await?;
    let mut declared = HashSet::new();
    each(log.as_ref(), Topic::Declarations, |record| {
        declared.extend(avro::decode::<Declaration>(&record.payload).map(|found| found.declaration_id.to_string()));
        Ok(())
    })
    .await?;
    for id in &promises.declarations {
        ensure!(declared.contains(id), "declaration {id} was acknowledged and is not on the log");
    }

    let mut scanned = HashSet::new();
    each(log.as_ref(), Topic::Scans, |record| {
        if let Ok(upload) = avro::decode::<ScanUpload>(&record.payload) {
            scanned.extend((upload.first_seq..).zip(&upload.scans).map(|(seq, _)| (upload.device_epoch, seq)));
        }
        Ok(())
    })
    .await?;
    let mut scans = 0;
    for &(epoch, first_seq, count) in &promises.scans {
        for seq in first_seq..first_seq + count {
            ensure!(
                scanned.contains(&(epoch, seq)),
                "scan {seq} of device {epoch} was acknowledged and is not on the log"
            );
            scans += 1;
        }
    }

    let mut outcomes: HashMap<(i32, i64), Vec<u8>> = HashMap::new();
    let mut outcomes_again = 0;
    each(log.as_ref(), Topic::Codes, |record| {
        if let Ok(outcome) = avro::decode::<Outcome>(&record.payload) {
            let position = outcome.declaration_position;
            let place = (position.kafka_partition, position.offset);
            match outcomes.get(&place) {
                None => _ = outcomes.insert(place, record.payload.clone()),
                Some(first) => {
                    ensure!(*first == record.payload, "two outcomes of the declaration at {place:?} differ");
                    outcomes_again += 1;
                }
            }
        }
        Ok(())
    })
    .await?;
    Ok(Found { declarations: promises.declarations.len(), scans, outcomes_again })
}

/// Takes every record of a topic, up to where it ends now.
///
/// # Errors
/// If the log can't be read, or with what `take` says.
pub async fn each(
    log: &dyn Log,
    topic: Topic,
    mut take: impl FnMut(&Record) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let extents = log.extents(topic).await?;
    let from: NextOffsets = extents.iter().map(|(&kafka_partition, extent)| (kafka_partition, extent.start)).collect();
    let mut left: i64 = extents.values().map(|extent| extent.next - extent.start).sum();
    let mut reader = log.read(topic, from).await?;
    while left > 0 {
        for record in reader.next(5_000, Duration::from_secs(1)).await? {
            if record.offset < extents[&record.kafka_partition].next {
                left -= 1;
                take(&record)?;
            }
        }
    }
    Ok(())
}
