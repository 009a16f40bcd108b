//! Records checks of gates that don't number them: this process is their device. Checks that come within a few milliseconds share a
//! record, and each is answered once its record is durable.
//!
//! The process numbers scans from 1 under a random epoch. When an append fails it is not known what became of those numbers, so the
//! next ones go under a new epoch: what was never promised leaves no gap in a device's numbers, unless two appends overlap.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use suikang_registry::http::Problem;
use suikang_schemas::scan::{MAX_SCANS_PER_UPLOAD, Scan, ScanUpload};
use suikang_schemas::{AreaCode, DeviceEpoch, Topic};
use tokio::sync::oneshot;

use crate::doors::Doors;
use crate::scans;

/// A scan's identity.
pub(crate) type Number = (DeviceEpoch, i64);

/// Gathers checks and records them.
pub(crate) struct Recorder {
    linger: Duration,
    state: Mutex<State>,
}

struct State {
    epoch: DeviceEpoch,
    next_seq: i64,
    waiting: Vec<Waiting>,
}

/// A check that was decided and is not recorded yet.
struct Waiting {
    checkpoint: AreaCode,
    scan: Scan,
    recorded: oneshot::Sender<Result<Number, Problem>>,
}

impl Recorder {
    /// Lets checks wait this long for each other.
    pub(crate) fn new(linger: Duration) -> Self {
        Self { linger, state: Mutex::new(State::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records a scan; when this returns without a problem it is durable under this number.
pub(crate) async fn record(doors: &Doors, checkpoint: AreaCode, scan: Scan) -> Result<Number, Problem> {
    let (recorded, number) = oneshot::channel();
    let first = {
        let mut state = doors.recorder.lock();
        state.waiting.push(Waiting { checkpoint, scan, recorded });
        state.waiting.len() == 1
    };
    if first {
        // A task of its own: whoever came first may leave before the others are answered.
        tokio::spawn(flush(doors.clone()));
    }
    number.await.unwrap_or_else(|_| Err(Problem::internal()))
}

async fn flush(doors: Doors) {
    tokio::time::sleep(doors.recorder.linger).await;
    let (epoch, uploads) = doors.recorder.lock().take(doors.now_ms());
    let records = uploads.iter().map(|(upload, _)| scans::record(upload)).collect();
    let appended = doors.append_gathered(Topic::Scans, records).await;
    if appended.is_err() {
        doors.recorder.lock().abandon(epoch);
    }
    for (upload, waiting) in uploads {
        for (seq, recorded) in (upload.first_seq..).zip(waiting) {
            // Whoever left has no answer, but the scan stands.
            let _ = recorded.send(appended.as_ref().map(|_| (epoch, seq)).map_err(Problem::clone));
        }
    }
}

type Answers = Vec<oneshot::Sender<Result<Number, Problem>>>;

impl State {
    fn new() -> Self {
        Self { epoch: DeviceEpoch(rand::random()), next_seq: 1, waiting: Vec::new() }
    }

    /// Numbers what waits: one upload for each checkpoint, in the order in which its checks came.
    fn take(&mut self, now_ms: i64) -> (DeviceEpoch, Vec<(ScanUpload, Answers)>) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by(|one, other| one.checkpoint.cmp(&other.checkpoint));
        let mut uploads: Vec<(ScanUpload, Answers)> = Vec::new();
        for Waiting { checkpoint, scan, recorded } in waiting {
            match uploads.last_mut() {
                Some((upload, answers))
                    if upload.checkpoint == checkpoint && upload.scans.len() < MAX_SCANS_PER_UPLOAD =>
                {
                    upload.scans.push(scan);
                    answers.push(recorded);
                }
                _ => {
                    let upload = ScanUpload {
                        device_epoch: self.epoch.to_i64(),
                        first_seq: self.next_seq,
                        received_at_ms: now_ms,
                        checkpoint,
                        scans: vec![scan],
                    };
                    uploads.push((upload, vec![recorded]));
                }
            }
            self.next_seq += 1;
        }
        (self.epoch, uploads)
    }

    /// Nothing more is numbered under this epoch.
    fn abandon(&mut self, epoch: DeviceEpoch) {
        if self.epoch == epoch {
            self.epoch = DeviceEpoch(rand::random());
            self.next_seq = 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use suikang_schemas::decide::Verdict;
    use suikang_schemas::scan::{Direction, Shown};

    use super::*;

    fn waiting(checkpoint: &str, at_ms: i64) -> Waiting {
        let scan = Scan {
            scanned_at_ms: at_ms,
            direction: Direction::Entry,
            shown: Shown::Screen,
            verdict: Verdict::Admit,
            reasons: Vec::new(),
            code_id: None,
            status: None,
            temperature_tenths_celsius: None,
            vehicle: None,
            offline: false,
        };
        Waiting { checkpoint: checkpoint.parse().unwrap(), scan, recorded: oneshot::channel().0 }
    }

    #[test]
    fn a_checkpoints_checks_share_an_upload_and_numbers_have_no_gap() {
        let (east, west) = ("440106001003-001-01", "440106001003-001-02");
        let mut state = State::new();
        state.waiting.extend([waiting(west, 1), waiting(east, 2), waiting(west, 3)]);
        state.waiting.extend((0..600).map(|at_ms| waiting(east, 10 + at_ms)));
        let (epoch, uploads) = state.take(99);
        let shape: Vec<_> = uploads
            .iter()
            .map(|(upload, _)| (upload.checkpoint.as_str(), upload.first_seq, upload.scans.len()))
            .collect();
        assert_eq!(shape, [(east, 1, 500), (east, 501, 101), (west, 602, 2)]);
        assert!(uploads.iter().all(|(upload, answers)| {
            upload.device_epoch == epoch.to_i64()
                && answers.len() == upload.scans.len()
                && upload.scans.is_sorted_by_key(|scan| scan.scanned_at_ms)
        }));
        assert_eq!(state.next_seq, 604);
    }

    #[test]
    fn an_abandoned_epoch_is_not_used_again() {
        let mut state = State::new();
        let epoch = state.epoch;
        state.next_seq = 5;
        state.abandon(epoch);
        assert_ne!(state.epoch, epoch);
        assert_eq!(state.next_seq, 1);
        state.next_seq = 3;
        state.abandon(epoch);
        assert_eq!(state.next_seq, 3, "a late failure of the former epoch leaves the new one alone");
    }
}
