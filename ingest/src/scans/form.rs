//! An upload of scans: a body comes in; a record goes out, or every wrong field by its place.
//!
//! Uploads are most of what the city sends, so a good one is read once, straight into its types. Only one that this refuses is read
//! again, slowly, to say what is wrong; the slow way accepts exactly what the fast one does.

use std::borrow::Cow;

use serde::Deserialize;
use suikang_registry::http::{FieldError, Problem, json};
use suikang_registry::snapshot::Snapshot;
use suikang_registry::{Action, Caller};
use suikang_schemas::decide::{Reason, Verdict};
use suikang_schemas::scan::{Direction, MAX_SCANS_PER_UPLOAD, Scan, ScanUpload, Shown};
use suikang_schemas::status::Status;
use suikang_schemas::{AreaCode, CodeId, DeviceEpoch};

use crate::fields::{self, SEQUENCE, TEMPERATURES_TENTHS_CELSIUS, Word, keep, need, temperature, within, word};
use crate::plates::PlateHasher;
use crate::vehicle::TypedVehicle;
use crate::wrong::Wrong;

/// How far a device's clock may be ahead of ours.
const AHEAD_MS: i64 = 24 * 60 * 60 * 1000;
/// How long a device may have kept a scan.
const OLDEST_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Against what an upload is read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) registry: &'a Snapshot,
    pub(crate) now_ms: i64,
    pub(crate) plates: PlateHasher<'a>,
    pub(crate) caller: &'a Caller,
}

/// Reads an upload for a checkpoint where the caller may hand in scans.
pub(crate) fn read(body: &[u8], reading: Reading<'_>) -> Result<ScanUpload, Problem> {
    // Text as a whole is told from other bytes faster than each of its strings.
    let good = std::str::from_utf8(body).ok().and_then(|text| serde_json::from_str::<GoodUpload<'_>>(text).ok());
    if let Some(upload) = good.and_then(|upload| upload.check(reading)) {
        return Ok(upload);
    }
    let typed: TypedUpload = json::parse(body)?;
    // Whoever may not be there doesn't learn which checkpoints there are.
    let area = typed.checkpoint.as_deref().and_then(|code| code.parse().ok());
    if area.is_some_and(|area| !reading.permits(&area)) {
        return Err(Problem::forbidden());
    }
    let mut errors = Vec::new();
    typed.check(reading, &mut errors).ok_or_else(|| Problem::invalid("invalid_scans", errors))
}

impl Reading<'_> {
    fn permits(&self, area: &AreaCode) -> bool {
        self.caller.may(Action::UploadScans, area)
    }

    fn is_timely(&self, scanned_at_ms: i64) -> bool {
        (self.now_ms - OLDEST_MS..=self.now_ms + AHEAD_MS).contains(&scanned_at_ms)
    }
}

/// What a good upload is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoodUpload<'a> {
    device_epoch: DeviceEpoch,
    first_seq: i64,
    #[serde(borrow)]
    checkpoint: Cow<'a, str>,
    scans: Vec<GoodScan>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoodScan {
    scanned_at_ms: i64,
    direction: Word<Direction>,
    shown: Word<Shown>,
    verdict: Word<Verdict>,
    reasons: Vec<Word<Reason>>,
    code_id: Option<CodeId>,
    status: Option<Word<Status>>,
    temperature_tenths_celsius: Option<i32>,
    vehicle: Option<TypedVehicle>,
    offline: Option<bool>,
}

impl GoodUpload<'_> {
    fn check(self, reading: Reading<'_>) -> Option<ScanUpload> {
        let checkpoint = fields::checkpoint(&self.checkpoint, reading.registry).ok()?;
        let good = SEQUENCE.contains(&self.first_seq)
            && (1..=MAX_SCANS_PER_UPLOAD).contains(&self.scans.len())
            && reading.permits(&checkpoint);
        let scans = self.scans.into_iter().map(|scan| scan.check(reading)).collect::<Option<Vec<Scan>>>()?;
        good.then_some(ScanUpload {
            device_epoch: self.device_epoch.to_i64(),
            first_seq: self.first_seq,
            received_at_ms: reading.now_ms,
            checkpoint,
            scans,
        })
    }
}

impl GoodScan {
    fn check(self, reading: Reading<'_>) -> Option<Scan> {
        let good = reading.is_timely(self.scanned_at_ms)
            && self.temperature_tenths_celsius.is_none_or(|tenths| TEMPERATURES_TENTHS_CELSIUS.contains(&tenths))
            && self.reasons.iter().enumerate().all(|(at, reason)| !self.reasons[..at].contains(reason));
        let vehicle = match self.vehicle {
            Some(vehicle) => Some(vehicle.check("", reading.plates, &mut Vec::new())?),
            None => None,
        };
        good.then(|| Scan {
            scanned_at_ms: self.scanned_at_ms,
            direction: self.direction.0,
            shown: self.shown.0,
            verdict: self.verdict.0,
            reasons: self.reasons.iter().map(|reason| reason.0.as_str().to_owned()).collect(),
            code_id: self.code_id,
            status: self.status.map(|status| status.0),
            temperature_tenths_celsius: self.temperature_tenths_celsius,
            vehicle,
            offline: self.offline.unwrap_or(false),
        })
    }
}

/// An upload as it was sent: JSON of the right types, where anything may be missing or wrong.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedUpload {
    device_epoch: Option<String>,
    first_seq: Option<i64>,
    checkpoint: Option<String>,
    scans: Option<Vec<TypedScan>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedScan {
    scanned_at_ms: Option<i64>,
    direction: Option<String>,
    shown: Option<String>,
    verdict: Option<String>,
    reasons: Option<Vec<String>>,
    code_id: Option<String>,
    status: Option<String>,
    temperature_tenths_celsius: Option<i32>,
    vehicle: Option<TypedVehicle>,
    offline: Option<bool>,
}

impl TypedUpload {
    fn check(self, reading: Reading<'_>, errors: &mut Vec<FieldError>) -> Option<ScanUpload> {
        let device_epoch = need(errors, "/device_epoch", self.device_epoch);
        let device_epoch = device_epoch.and_then(|text| {
            keep(errors, "/device_epoch", text.parse::<DeviceEpoch>().map_err(|_| Wrong::NotAnIdentifier))
        });
        let first_seq = need(errors, "/first_seq", self.first_seq);
        let first_seq = first_seq.and_then(|seq| within(errors, "/first_seq", seq, &SEQUENCE));
        let checkpoint = need(errors, "/checkpoint", self.checkpoint);
        let checkpoint =
            checkpoint.and_then(|code| keep(errors, "/checkpoint", fields::checkpoint(&code, reading.registry)));
        let scans = need(errors, "/scans", self.scans)?;
        let count = match scans.len() {
            0 => Err(Wrong::Empty),
            1..=MAX_SCANS_PER_UPLOAD => Ok(()),
            _ => Err(Wrong::TooMany),
        };
        keep(errors, "/scans", count)?;
        let scans: Vec<Option<Scan>> = (scans.into_iter().enumerate())
            .map(|(index, scan)| scan.check(&format!("/scans/{index}"), reading, errors))
            .collect();
        if !errors.is_empty() {
            return None;
        }
        Some(ScanUpload {
            device_epoch: device_epoch?.to_i64(),
            first_seq: first_seq?,
            received_at_ms: reading.now_ms,
            checkpoint: checkpoint?,
            scans: scans.into_iter().collect::<Option<_>>()?,
        })
    }
}

impl TypedScan {
    fn check(self, at: &str, reading: Reading<'_>, errors: &mut Vec<FieldError>) -> Option<Scan> {
        let place = |field: &str| format!("{at}/{field}");
        let before = errors.len();
        let scanned_at_ms = need(errors, &place("scanned_at_ms"), self.scanned_at_ms);
        if scanned_at_ms.is_some_and(|time_ms| !reading.is_timely(time_ms)) {
            errors.push(Wrong::OutOfRange.at(place("scanned_at_ms")));
        }
        let direction = word(errors, &place("direction"), self.direction);
        let shown = word(errors, &place("shown"), self.shown);
        let verdict = word(errors, &place("verdict"), self.verdict);
        let reasons = need(errors, &place("reasons"), self.reasons).unwrap_or_default();
        for (index, text) in reasons.iter().enumerate() {
            let pointer = format!("{at}/reasons/{index}");
            if text.parse::<Reason>().is_err() {
                errors.push(Wrong::NotAChoice.at(pointer));
            } else if reasons[..index].contains(text) {
                errors.push(Wrong::Repeated.at(pointer));
            }
        }
        let code_id = self.code_id.map(|text| text.parse::<CodeId>().map_err(|_| Wrong::NotAnIdentifier));
        let code_id = code_id.and_then(|code_id| keep(errors, &place("code_id"), code_id));
        let status = self.status.and_then(|text| word(errors, &place("status"), Some(text)));
        let temperature_tenths_celsius = temperature(errors, at, self.temperature_tenths_celsius);
        let vehicle = self.vehicle.and_then(|vehicle| vehicle.check(at, reading.plates, errors));
        if errors.len() > before {
            return None;
        }
        Some(Scan {
            scanned_at_ms: scanned_at_ms?,
            direction: direction?,
            shown: shown?,
            verdict: verdict?,
            reasons,
            code_id,
            status,
            temperature_tenths_celsius,
            vehicle,
            offline: self.offline.unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests;
