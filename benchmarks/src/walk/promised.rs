//! What clients were promised, looked for on the log itself: every acknowledged id is there, no two outcomes of one record differ, and every
//! code is genuine by the key list that the root signed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use suikang_schemas::declaration::Declaration;
use suikang_schemas::key_list::KeyList;
use suikang_schemas::outcome::Outcome;
use suikang_schemas::pass_code;
use suikang_schemas::registry_event::{Change, RegistryEvent};
use suikang_schemas::scan::ScanUpload;
use suikang_schemas::{Topic, avro};
use suikang_stream::{Access, Extent, Log, LogConfig, NextOffsets, Record};

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
    /// Codes, all of them signed by a key of the key list.
    pub codes: usize,
}

/// Looks for all of them.
///
/// # Errors
/// If one is missing, two outcomes of one record differ, a code is not genuine, or the log can't be read.
pub(super) async fn find(config: &LogConfig, root_public_key: &[u8; 32], promises: &Promises) -> anyhow::Result<Found> {
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

    let key_list = key_list(log.as_ref(), root_public_key).await?;
    let mut outcomes: HashMap<(i32, i64), Vec<u8>> = HashMap::new();
    let (mut outcomes_again, mut codes) = (0, 0);
    each(log.as_ref(), Topic::Codes, |record| {
        if let Ok(outcome) = avro::decode::<Outcome>(&record.payload) {
            let position = outcome.declaration_position;
            let place = (position.kafka_partition, position.offset);
            match outcomes.get(&place) {
                None => {
                    outcomes.insert(place, record.payload.clone());
                    if let Some(issued) = &outcome.issued {
                        let verified = pass_code::verify(
                            &pass_code::to_text(&issued.pass_code),
                            &key_list,
                            outcome.accepted_at_ms,
                        );
                        let code =
                            verified.map_err(|why| anyhow!("the code of the declaration at {place:?}: {why:?}"))?;
                        ensure!(
                            code.claims.code_id == issued.code_id,
                            "the code of the declaration at {place:?} is another"
                        );
                        codes += 1;
                    }
                }
                Some(first) => {
                    ensure!(*first == record.payload, "two outcomes of the declaration at {place:?} differ");
                    outcomes_again += 1;
                }
            }
        }
        Ok(())
    })
    .await?;
    Ok(Found { declarations: promises.declarations.len(), scans, outcomes_again, codes })
}

/// The newest that the root has signed.
async fn key_list(log: &dyn Log, root_public_key: &[u8; 32]) -> anyhow::Result<KeyList> {
    let mut newest: Option<KeyList> = None;
    each(log, Topic::Registry, |record| {
        if let Change::KeyListPublished(published) = avro::decode::<RegistryEvent>(&record.payload)?.change
            && let Ok(list) = KeyList::verify(&published.key_list, root_public_key)
            && newest.as_ref().is_none_or(|newest| list.sequence > newest.sequence)
        {
            newest = Some(list);
        }
        Ok(())
    })
    .await?;
    newest.context("no key list on the log is signed by the root")
}

/// Takes every record of a topic, up to where it ends now.
///
/// # Errors
/// If the log can't be read, or with what `take` says.
pub async fn each(log: &dyn Log, topic: Topic, take: impl FnMut(&Record) -> anyhow::Result<()>) -> anyhow::Result<()> {
    each_within(log, topic, &log.extents(topic).await?, take).await
}

/// The last records of a topic, so many if its partitions are alike and fewer if not; each partition's in their order.
///
/// # Errors
/// If the log can't be read.
pub async fn last(log: &dyn Log, topic: Topic, count: u64) -> anyhow::Result<Vec<Record>> {
    let mut extents = log.extents(topic).await?;
    let of_each = i64::try_from(count.div_ceil(u64::try_from(extents.len())?.max(1)))?;
    extents.values_mut().for_each(|extent| extent.start = extent.start.max(extent.next - of_each));
    let mut records = Vec::new();
    let keep = |record: &Record| {
        records.push(record.clone());
        Ok(())
    };
    each_within(log, topic, &extents, keep).await?;
    Ok(records)
}

async fn each_within(
    log: &dyn Log,
    topic: Topic,
    extents: &BTreeMap<i32, Extent>,
    mut take: impl FnMut(&Record) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
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
