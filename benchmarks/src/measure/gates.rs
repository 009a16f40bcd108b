//! Gates that upload and check without end: made once, numbered as they leave, so that making them costs little of the machine.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use suikang_schemas::{AreaCode, CodeId, DeviceEpoch};

use super::load::post;
use crate::simulate::Mint;
use crate::simulate::city::City;
use crate::simulate::gate::{Pass, checkpoint, passage};

/// Devices in the field.
const DEVICES: usize = 2_000;
/// Different uploads; more would only fill the memory.
const TEMPLATES: usize = 256;

/// Devices, and what they hand in.
pub struct Gates {
    devices: Vec<(DeviceEpoch, AreaCode, String)>,
    templates: Vec<String>,
    scans: usize,
}

impl Gates {
    /// Devices whose uploads have so many scans, all of them within the last hour.
    pub fn new(seed: u64, scans: usize, mint: &Mint) -> Self {
        let (mut rng, city) = (StdRng::seed_from_u64(seed), City::guangzhou());
        let now_ms = chrono::Utc::now().timestamp_millis();
        let templates = (0..TEMPLATES).map(|_| {
            let scans = (0..scans).map(|at| {
                let holder = somebody(&mut rng, &city);
                passage(&mut rng, &holder, now_ms - 3_600_000 + i64::try_from(at).unwrap_or(0) * 3_000).scan
            });
            serde_json::to_string(&scans.collect::<Vec<_>>()).expect("JSON")
        });
        let templates = templates.collect();
        let devices = (0..DEVICES).map(|_| {
            let holder = somebody(&mut rng, &city);
            let gate = checkpoint(&mut rng, &holder);
            let token = mint("inspector", &gate, "bench");
            (DeviceEpoch(rng.random()), gate, token)
        });
        Self { devices: devices.collect(), templates, scans }
    }

    /// The upload of a number: each device's in the order of its numbers.
    pub fn upload(&self, number: u64) -> Request<Full<Bytes>> {
        let number = usize::try_from(number).unwrap_or(0);
        let (epoch, ..) = self.devices[number % DEVICES];
        self.upload_of(epoch, number / DEVICES * self.scans + 1, number)
    }

    /// A check of this code, at the gate of this number.
    pub fn check(&self, number: u64, pass_code: &str) -> Request<Full<Bytes>> {
        let (_, gate, token) = &self.devices[usize::try_from(number).unwrap_or(0) % DEVICES];
        let check = json!({
            "code": pass_code, "checkpoint": gate, "direction": "entry", "shown": "screen", "temperature_tenths_celsius": 365,
        });
        post("/v1/checks", token, None, check.to_string())
    }

    /// An upload of this device.
    pub fn upload_of(&self, epoch: DeviceEpoch, first_seq: usize, number: usize) -> Request<Full<Bytes>> {
        let (_, gate, token) = &self.devices[number % DEVICES];
        let scans = &self.templates[number % TEMPLATES];
        let body = format!(
            "{{\"device_epoch\":\"{epoch}\",\"first_seq\":{first_seq},\"checkpoint\":\"{gate}\",\"scans\":{scans}}}"
        );
        post("/v1/scans", token, None, body)
    }
}

/// A holder of a code.
pub fn somebody(rng: &mut StdRng, city: &City) -> Pass {
    let status = match rng.random_range(0..1_000) {
        0..5 => "red",
        5..30 => "amber",
        _ => "green",
    };
    let code_id = CodeId(rng.random()).to_string();
    Pass { text: String::new(), code_id, status: status.to_owned(), committee: city.draw(rng).clone() }
}
