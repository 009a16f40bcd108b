//! The lake and its readers on a real log: each scan once, whoever writes; lake and tail equal to a recount; queries that are refused or stopped.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crashes;
mod joined;
mod queries;
mod writers;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use suikang_analytics::Settings;
use suikang_analytics::cut::Cuts;
use suikang_analytics::pseudonym::LakeSecret;
use suikang_analytics::writer::Writer;
use suikang_registry::{NodeSecrets, Registry};
use suikang_schemas::decide::Verdict;
use suikang_schemas::scan::{Direction, Scan, ScanUpload, Shown};
use suikang_schemas::{CodeId, Topic, avro};
use suikang_stream::{Access, Log, LogConfig, NewRecord, NextOffsets};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

struct House {
    log: Arc<dyn Log>,
    registry: Registry,
    settings: Settings,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new(log: Option<LogConfig>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file:{}", folder.path().join("log.db").display());
        let config = log.unwrap_or(LogConfig { url, partitions: 4, ..LogConfig::default() });
        let log = suikang_stream::open(&config, Access::Write).await.unwrap();
        let secrets = NodeSecrets::new(&[1; 32], [2; 32]);
        let registry = Registry::open_rules(Arc::clone(&log), &folder.path().join("state"), secrets).await.unwrap();
        let settings = Settings {
            lake: folder.path().join("lake"),
            commit_interval_s: 1,
            compact_every_commits: 3,
            ..Settings::default()
        };
        Self { log, registry, settings, _folder: folder }
    }

    fn lake(&self) -> &Path {
        &self.settings.lake
    }

    /// Runs a writer until its token is cancelled.
    fn write(&self) -> (CancellationToken, tokio::task::JoinHandle<()>) {
        let writer =
            Writer::new(self.settings.clone(), Arc::clone(&self.log), self.registry.clone(), LakeSecret::new([3; 32]));
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { writer.run(stop).await.unwrap() }
        });
        (stop, running)
    }

    /// Follows lake and tail until the token is cancelled.
    fn follow(&self) -> (Cuts, CancellationToken) {
        let cuts = Cuts::new(self.settings.clone(), Arc::clone(&self.log), LakeSecret::new([3; 32]));
        let stop = CancellationToken::new();
        tokio::spawn({
            let (cuts, stop) = (cuts.clone(), stop.clone());
            async move { cuts.run(stop).await.unwrap() }
        });
        (cuts, stop)
    }

    async fn upload(&self, epoch: i64, first_seq: i64, count: u32) {
        let record = NewRecord {
            record_key: epoch.to_be_bytes().to_vec(),
            payload: avro::encode(&upload(epoch, first_seq, count)),
        };
        self.log.append(Topic::Scans, vec![record]).await.unwrap();
    }

    /// Waits until the sums agree with nothing left to write.
    async fn drained(&self) -> suikang_analytics::reconcile::Reconciliation {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let sums = suikang_analytics::reconcile::reconcile(self.log.as_ref(), self.lake()).await.unwrap();
            let differences = sums.differences(true);
            if differences.is_empty() {
                return sums;
            }
            assert!(Instant::now() < deadline, "{differences:?}\n{sums}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn upload(epoch: i64, first_seq: i64, count: u32) -> ScanUpload {
    let scan = |n: i64| Scan {
        scanned_at_ms: 1_582_781_445_123 + n * 1_000,
        direction: if n % 2 == 0 { Direction::Entry } else { Direction::Exit },
        shown: Shown::Screen,
        verdict: if n % 9 == 0 { Verdict::Refer } else { Verdict::Admit },
        reasons: if n % 9 == 0 { vec!["fever".to_owned()] } else { Vec::new() },
        code_id: Some(CodeId([7; 16])),
        status: None,
        temperature_tenths_celsius: Some(365),
        vehicle: None,
        offline: false,
    };
    ScanUpload {
        device_epoch: epoch,
        first_seq,
        received_at_ms: 1_582_781_500_000,
        checkpoint: "440106001003-001-01".parse().unwrap(),
        scans: (first_seq..first_seq + i64::from(count)).map(scan).collect(),
    }
}

/// Distinct scans in the raw log before these offsets, by code that shares nothing with the readers: a set of pairs.
async fn recount(log: &dyn Log, next_offsets: &NextOffsets) -> i64 {
    let extents: BTreeMap<_, _> = log.extents(Topic::Scans).await.unwrap();
    let from = extents.iter().map(|(&kafka_partition, extent)| (kafka_partition, extent.start)).collect();
    let mut left: i64 = next_offsets.iter().map(|(kafka_partition, next)| next - extents[kafka_partition].start).sum();
    let mut reader = log.read(Topic::Scans, from).await.unwrap();
    let mut distinct = HashSet::new();
    while left > 0 {
        for record in reader.next(1_000, Duration::from_secs(1)).await.unwrap() {
            if record.offset < next_offsets[&record.kafka_partition] {
                left -= 1;
                if let Ok(upload) = avro::decode::<ScanUpload>(&record.payload) {
                    distinct.extend((upload.first_seq..).zip(&upload.scans).map(|(seq, _)| (upload.device_epoch, seq)));
                }
            }
        }
    }
    i64::try_from(distinct.len()).unwrap()
}
