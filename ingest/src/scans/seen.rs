//! What this node has seen of each device: uploads come in; for each scan, whether it is new, a repetition, or contradicts the first.
//!
//! This is an answer for the device, not the guarantee: every reader of the log drops repetitions by `(device_epoch, seq)` for ever.
//! So memory may be bounded: a device that fell silent is forgotten, and so is the content of older scans, whose numbers then count
//! as repetitions whatever they hold.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hash, Hasher as _};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::quality::FixedState;
use suikang_schemas::AreaCode;
use suikang_schemas::scan::{Scan, ScanUpload};

use super::intervals::Intervals;
use crate::generations::Generations;

/// Devices that are remembered, at least.
const DEVICES: usize = 100_000;

/// What a scan is to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// Its number was never seen.
    New,
    /// The same scan, or one whose content is forgotten, is on the log.
    Repeated,
    /// Another scan is on the log under its number. The first counts.
    Contradicts,
}

impl Sighting {
    /// What the device is told.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Sighting::New => "accepted",
            Sighting::Repeated => "duplicate",
            Sighting::Contradicts => "conflict",
        }
    }
}

/// Enough of a scan to tell it from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Digest {
    /// All of it.
    whole: u32,
    /// What was presented, without the server's part of a check (its time, the verdict): a gate that repeats a check presents the same.
    presented: u32,
}

/// The devices' numbers, and the content of the latest scans.
pub(crate) struct Seen(Mutex<Devices>);

struct Devices {
    by_epoch: Generations<i64, Device>,
    /// Of which device each run of digests is, oldest first, and how many it has.
    runs: VecDeque<(i64, usize)>,
    digests: usize,
    most_digests: usize,
}

#[derive(Default)]
struct Device {
    numbers: Intervals,
    /// By the number of the first scan, oldest first.
    runs: VecDeque<(i64, Box<[Digest]>)>,
}

impl Seen {
    /// Remembers the content of at least the last `most_digests` scans.
    pub(crate) fn new(most_digests: usize) -> Self {
        let devices = Devices { by_epoch: Generations::new(DEVICES), runs: VecDeque::new(), digests: 0, most_digests };
        Self(Mutex::new(devices))
    }

    /// What each scan of an upload is to this node.
    pub(crate) fn judge(&self, upload: &ScanUpload) -> Vec<Sighting> {
        self.compare(upload, |digest| digest.whole)
    }

    /// What a check is to this node, by what was presented.
    pub(crate) fn judge_check(&self, upload: &ScanUpload) -> Sighting {
        self.compare(upload, |digest| digest.presented).first().copied().unwrap_or(Sighting::New)
    }

    /// These scans are on the log. What was there before them stays.
    pub(crate) fn note(&self, upload: &ScanUpload) {
        self.lock().note(upload);
    }

    fn compare(&self, upload: &ScanUpload, part: impl Fn(&Digest) -> u32) -> Vec<Sighting> {
        let mut devices = self.lock();
        let Some(device) = devices.by_epoch.peek_mut(&upload.device_epoch) else {
            return vec![Sighting::New; upload.scans.len()];
        };
        if !device.numbers.meets(&numbers(upload)) {
            return vec![Sighting::New; upload.scans.len()];
        }
        let judge = |(seq, scan)| match device.digest(seq) {
            _ if !device.numbers.contains(seq) => Sighting::New,
            Some(first) if part(&first) != part(&Digest::of(&upload.checkpoint, scan)) => Sighting::Contradicts,
            _ => Sighting::Repeated,
        };
        numbers(upload).zip(&upload.scans).map(judge).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Devices> {
        // Whatever a panic left half done costs a wrong word to a device, never a scan.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Devices {
    fn note(&mut self, upload: &ScanUpload) {
        let epoch = upload.device_epoch;
        if self.by_epoch.touch(&epoch).is_none() {
            self.by_epoch.insert(epoch, Device::default());
        }
        let Some(device) = self.by_epoch.touch(&epoch) else { return };
        let range = numbers(upload);
        if !device.numbers.meets(&range) {
            let run: Box<[Digest]> = upload.scans.iter().map(|scan| Digest::of(&upload.checkpoint, scan)).collect();
            self.runs.push_back((epoch, run.len()));
            self.digests += run.len();
            device.runs.push_back((range.start, run));
        }
        // Where some numbers were seen, their content stays and that of the others isn't remembered.
        device.numbers.insert(range);
        self.forget();
    }

    fn forget(&mut self) {
        while self.digests > self.most_digests
            && let Some((epoch, length)) = self.runs.pop_front()
        {
            self.digests -= length;
            if let Some(device) = self.by_epoch.peek_mut(&epoch) {
                device.runs.pop_front();
            }
        }
    }
}

impl Device {
    fn digest(&self, seq: i64) -> Option<Digest> {
        // Newest first: a repetition usually is of the last upload.
        self.runs.iter().rev().find_map(|(first, run)| {
            let index = usize::try_from(seq.checked_sub(*first)?).ok()?;
            run.get(index).copied()
        })
    }
}

impl Digest {
    fn of(checkpoint: &AreaCode, scan: &Scan) -> Self {
        let mut hash = FixedState::default().build_hasher();
        checkpoint.hash(&mut hash);
        (scan.direction, scan.shown, scan.code_id, scan.temperature_tenths_celsius, scan.vehicle).hash(&mut hash);
        let presented = hash.finish();
        (scan.scanned_at_ms, scan.verdict, &scan.reasons, scan.status, scan.offline).hash(&mut hash);
        // The lower halves: 32 bits miss one contradiction in four billion.
        Self { whole: hash.finish() as u32, presented: presented as u32 }
    }
}

/// The numbers of an upload's scans.
pub(crate) fn numbers(upload: &ScanUpload) -> Range<i64> {
    upload.first_seq..upload.first_seq + i64::try_from(upload.scans.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use suikang_schemas::decide::Verdict;
    use suikang_schemas::scan::{Direction, Shown};

    use super::*;

    fn upload(device_epoch: i64, first_seq: i64, times: &[i64]) -> ScanUpload {
        let scan = |&scanned_at_ms| Scan {
            scanned_at_ms,
            direction: Direction::Entry,
            shown: Shown::Screen,
            verdict: Verdict::Admit,
            reasons: Vec::new(),
            code_id: None,
            status: None,
            temperature_tenths_celsius: Some(365),
            vehicle: None,
            offline: false,
        };
        let checkpoint = "440106001003-001-01".parse().unwrap();
        ScanUpload { device_epoch, first_seq, received_at_ms: 0, checkpoint, scans: times.iter().map(scan).collect() }
    }

    use Sighting::{Contradicts, New, Repeated};

    #[test]
    fn a_number_is_new_once() {
        let seen = Seen::new(100);
        assert_eq!(seen.judge(&upload(1, 1, &[10, 20])), [New, New]);
        seen.note(&upload(1, 1, &[10, 20]));
        assert_eq!(seen.judge(&upload(1, 1, &[10, 20, 30])), [Repeated, Repeated, New]);
        assert_eq!(seen.judge(&upload(1, 1, &[10, 21])), [Repeated, Contradicts]);
        assert_eq!(seen.judge(&upload(2, 1, &[10])), [New], "another device");
    }

    #[test]
    fn order_does_not_matter() {
        let seen = Seen::new(100);
        seen.note(&upload(1, 11, &[110, 120]));
        seen.note(&upload(1, 1, &[10]));
        assert_eq!(seen.judge(&upload(1, 10, &[100, 110, 121, 130])), [New, Repeated, Contradicts, New]);
        assert_eq!(seen.judge(&upload(1, 1, &[11])), [Contradicts]);
    }

    #[test]
    fn a_repeated_check_presents_the_same_at_another_time() {
        let seen = Seen::new(100);
        seen.note(&upload(1, 1, &[10]));
        let mut again = upload(1, 1, &[99]);
        assert_eq!(seen.judge_check(&again), Repeated);
        again.scans[0].temperature_tenths_celsius = Some(390);
        assert_eq!(seen.judge_check(&again), Contradicts);
    }

    #[test]
    fn what_is_noted_twice_is_held_once() {
        let seen = Seen::new(100);
        for _ in 0..10 {
            seen.note(&upload(1, 1, &[10, 20]));
        }
        assert_eq!(seen.lock().digests, 2);
    }

    #[test]
    fn forgotten_content_counts_as_repetition() {
        let seen = Seen::new(5);
        for epoch in 0..10 {
            seen.note(&upload(epoch, 1, &[1, 2]));
            assert!(seen.lock().digests <= 5);
        }
        assert_eq!(seen.judge(&upload(0, 1, &[99, 99])), [Repeated, Repeated]);
        assert_eq!(seen.judge(&upload(9, 1, &[99, 2])), [Contradicts, Repeated]);
    }
}
