//! Gates: an inspector's device at each, which decides on the spot and uploads what it saw.

use std::collections::HashMap;

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use suikang_schemas::{AreaCode, DeviceEpoch};

/// What somebody who has declared carries.
#[derive(Debug, Clone)]
pub struct Pass {
    /// The code's text.
    pub text: String,
    /// The code's identity.
    pub code_id: String,
    /// `green`, `amber` or `red`.
    pub status: String,
    /// Where the holder lives.
    pub committee: AreaCode,
}

/// One passage of one person, as a device saw and decided it.
#[derive(Debug)]
pub struct Passage {
    /// The scan as `POST /v1/scans` takes it.
    pub scan: Value,
    /// What was decided.
    pub verdict: &'static str,
}

/// The devices that have been switched on, one for each checkpoint.
#[derive(Debug, Default)]
pub struct Devices {
    by_checkpoint: HashMap<AreaCode, Device>,
}

#[derive(Debug)]
struct Device {
    epoch: DeviceEpoch,
    next_seq: i64,
}

impl Devices {
    /// Takes the next `count` numbers of the checkpoint's device. The epoch is random, not from the run's seed: a second run is another
    /// installation.
    pub fn number(&mut self, checkpoint: &AreaCode, count: usize) -> (DeviceEpoch, i64) {
        let device = self
            .by_checkpoint
            .entry(checkpoint.clone())
            .or_insert_with(|| Device { epoch: DeviceEpoch(rand::random()), next_seq: 1 });
        let first_seq = device.next_seq;
        device.next_seq += i64::try_from(count).expect("an upload is small");
        (device.epoch, first_seq)
    }
}

/// One of the two gates of the community where the holder lives.
pub fn checkpoint(rng: &mut StdRng, pass: &Pass) -> AreaCode {
    let gate = if rng.random_bool(0.7) { "01" } else { "02" };
    format!("{}-001-{gate}", pass.committee).parse().expect("a committee's first community has two gates")
}

/// Someone passes: most show a code on their own screen, some on paper or through a companion, a few none at all; a few have a fever.
pub fn passage(rng: &mut StdRng, pass: &Pass, scanned_at_ms: i64) -> Passage {
    let temperature: i32 = 362 + rng.random_range(0..6) + if rng.random_bool(0.003) { 12 } else { 0 };
    let fever = temperature >= 373;
    let direction = if rng.random_bool(0.55) { "entry" } else { "exit" };
    let shown = match rng.random_range(0..100) {
        0..2 => "none",
        2..7 => "companion",
        7..15 => "paper",
        _ => "screen",
    };
    let mut reasons = Vec::new();
    let mut verdict = "admit";
    let mut decide = |becomes: &'static str, reason: &'static str| {
        reasons.push(reason);
        if becomes == "refuse" || verdict == "admit" {
            verdict = becomes;
        }
    };
    // A device writes what it could read: nothing of a forged code, the identity of an expired one.
    let drawn = rng.random_range(0..1_000);
    let (code_id, status) = match (shown, drawn) {
        ("none", _) => {
            decide("refer", "no_code");
            (None, None)
        }
        (_, 0..2) => {
            decide("refuse", "forged");
            (None, None)
        }
        (_, 2..6) => {
            decide("refuse", "expired");
            (Some(&pass.code_id), Some(&pass.status))
        }
        _ => {
            match pass.status.as_str() {
                "red" => decide("refuse", "health"),
                "amber" => decide("refer", "health"),
                _ => {}
            }
            (Some(&pass.code_id), Some(&pass.status))
        }
    };
    if fever {
        decide("refer", "fever");
    }
    let scan = json!({
        "scanned_at_ms": scanned_at_ms, "direction": direction, "shown": shown, "verdict": verdict, "reasons": reasons,
        "code_id": code_id, "status": status, "temperature_tenths_celsius": temperature, "offline": rng.random_bool(0.1),
    });
    Passage { scan, verdict }
}
