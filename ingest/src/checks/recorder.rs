//! Records checks of gates that don't number them: this process is their device. While one append is under way the checks that come
//! gather for the next, and each is answered once its record is durable: the slower the log, the more share an append.
//!
//! The process numbers scans from 1 under a random epoch. When an append fails it is not known what became of those numbers, so the
//! next ones go under a new epoch: what was never promised leaves no gap in a device's numbers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use suikang_registry::http::Problem;
use suikang_schemas::scan::{MAX_SCANS_PER_UPLOAD, Scan, ScanUpload};
use suikang_schemas::{AreaCode, DeviceEpoch, Topic};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::doors::Doors;
use crate::scans;

/// Two appends begin no closer than this: to the broker each costs more than a few checks do.
const APART: Duration = Duration::from_millis(3);

/// A scan's identity.
pub(crate) type Number = (DeviceEpoch, i64);

/// Gathers checks and records them.
#[derive(Default)]
pub(crate) struct Recorder {
    state: Mutex<State>,
}

struct State {
    epoch: DeviceEpoch,
    next_seq: i64,
    waiting: Vec<Waiting>,
    /// Whether a task records what waits.
    recording: bool,
}

/// A check that was decided and is not recorded yet.
struct Waiting {
    checkpoint: AreaCode,
    scan: Scan,
    recorded: oneshot::Sender<Result<Number, Problem>>,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Who breaks under it leaves numbers that nobody uses again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records a scan; when this returns without a problem it is durable under this number.
pub(crate) async fn record(doors: &Doors, checkpoint: AreaCode, scan: Scan) -> Result<Number, Problem> {
    let (recorded, number) = oneshot::channel();
    let was_recording = {
        let mut state = doors.recorder.lock();
        state.waiting.push(Waiting { checkpoint, scan, recorded });
        std::mem::replace(&mut state.recording, true)
    };
    if !was_recording {
        // A task of its own: whoever came first may leave before the others are answered.
        tokio::spawn(record_all(doors.clone()));
    }
    number.await.unwrap_or_else(|_| Err(Problem::internal()))
}

/// Records until nothing waits.
async fn record_all(doors: Doors) {
    let mut recording = Recording { recorder: &doors.recorder, ends: false };
    loop {
        let taken = doors.recorder.lock().take(doors.now_ms());
        let Some((epoch, uploads)) = taken else {
            recording.ends = true;
            return;
        };
        let next = Instant::now() + APART;
        let records = uploads.iter().map(|(upload, _)| scans::record(upload)).collect();
        let appended = doors.append_gathered(Topic::Scans, records).await;
        // Those who came meanwhile need not wait for the same to be found again.
        let abandoned = if appended.is_err() { doors.recorder.lock().abandon() } else { Vec::new() };
        for (upload, waiting) in uploads {
            for (seq, recorded) in (upload.first_seq..).zip(waiting) {
                // Whoever left has no answer, but the scan stands.
                let _ = recorded.send(appended.as_ref().map(|_| (epoch, seq)).map_err(Problem::clone));
            }
        }
        if let Err(problem) = appended {
            for Waiting { recorded, .. } in abandoned {
                let _ = recorded.send(Err(problem.clone()));
            }
        }
        tokio::time::sleep_until(next).await;
    }
}

/// The task that records. Where it breaks, those who wait hear of it, and the next check begins anew.
struct Recording<'r> {
    recorder: &'r Recorder,
    /// Whether it ends because nothing waits.
    ends: bool,
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        if !self.ends {
            let mut state = self.recorder.lock();
            state.recording = false;
            let abandoned = state.abandon();
            drop(state);
            // With its sender each is told that there is no answer.
            drop(abandoned);
        }
    }
}

type Answers = Vec<oneshot::Sender<Result<Number, Problem>>>;

impl Default for State {
    fn default() -> Self {
        Self { epoch: DeviceEpoch(rand::random()), next_seq: 1, waiting: Vec::new(), recording: false }
    }
}

impl State {
    /// Numbers what waits: one upload for each checkpoint, in the order in which its checks came. If nothing waits, the recording ends.
    fn take(&mut self, now_ms: i64) -> Option<(DeviceEpoch, Vec<(ScanUpload, Answers)>)> {
        let mut waiting = std::mem::take(&mut self.waiting);
        self.recording = !waiting.is_empty();
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
        self.recording.then_some((self.epoch, uploads))
    }

    /// Nothing more is numbered under this epoch. What waits is let go.
    fn abandon(&mut self) -> Vec<Waiting> {
        self.epoch = DeviceEpoch(rand::random());
        self.next_seq = 1;
        std::mem::take(&mut self.waiting)
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
        let mut state = State::default();
        state.waiting.extend([waiting(west, 1), waiting(east, 2), waiting(west, 3)]);
        state.waiting.extend((0..600).map(|at_ms| waiting(east, 10 + at_ms)));
        let (epoch, uploads) = state.take(99).unwrap();
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
        assert!(state.recording);
        assert!(state.take(100).is_none());
        assert!(!state.recording, "nothing waits");
    }

    #[test]
    fn an_abandoned_epoch_is_not_used_again() {
        let mut state = State::default();
        let epoch = state.epoch;
        state.next_seq = 5;
        state.waiting.push(waiting("440106001003-001-01", 1));
        assert_eq!(state.abandon().len(), 1, "who waits is told as well");
        assert_ne!(state.epoch, epoch);
        assert_eq!((state.next_seq, state.waiting.len()), (1, 0));
    }

    #[test]
    fn where_recording_breaks_who_waits_hears_of_it_and_the_next_begins_anew() {
        let recorder = Recorder::default();
        let (recorded, mut number) = oneshot::channel();
        let epoch = recorder.lock().epoch;
        recorder.lock().recording = true;
        recorder.lock().waiting.push(Waiting { recorded, ..waiting("440106001003-001-01", 1) });
        drop(Recording { recorder: &recorder, ends: false });
        assert!(matches!(number.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(!recorder.lock().recording && recorder.lock().epoch != epoch);
    }
}
