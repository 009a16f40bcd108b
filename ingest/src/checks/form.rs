//! A check as a gate asks for it: a body comes in; what was presented where goes out, or every wrong field by its place.

use serde::Deserialize;
use suikang_registry::http::{FieldError, Problem};
use suikang_registry::snapshot::Snapshot;
use suikang_registry::{Action, Caller};
use suikang_schemas::scan::{Direction, Shown, Vehicle};
use suikang_schemas::{AreaCode, DeviceEpoch};

use crate::fields::{self, SEQUENCE, keep, need, temperature, within, word};
use crate::plates::PlateHasher;
use crate::vehicle::TypedVehicle;
use crate::wrong::Wrong;

/// A check as it was sent. Every field may be missing: what must be there is said when it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypedCheck {
    code: Option<String>,
    checkpoint: Option<String>,
    direction: Option<String>,
    shown: Option<String>,
    temperature_tenths_celsius: Option<i32>,
    vehicle: Option<TypedVehicle>,
    device_epoch: Option<String>,
    seq: Option<i64>,
}

/// Somebody at a gate.
#[derive(Debug)]
pub(crate) struct Check {
    /// What the QR code held; none if none was shown.
    pub(crate) code: Option<String>,
    pub(crate) checkpoint: AreaCode,
    pub(crate) direction: Direction,
    pub(crate) shown: Shown,
    pub(crate) temperature_tenths_celsius: Option<i32>,
    pub(crate) vehicle: Option<Vehicle>,
    /// The gate's own number for this check, if it numbers them: that makes it safe to repeat.
    pub(crate) number: Option<(DeviceEpoch, i64)>,
}

/// Reads a check at a checkpoint where the caller may check.
pub(crate) fn read(
    typed: TypedCheck,
    registry: &Snapshot,
    plates: PlateHasher<'_>,
    caller: &Caller,
) -> Result<Check, Problem> {
    // Whoever may not be there doesn't learn which checkpoints there are.
    let area = typed.checkpoint.as_deref().and_then(|code| code.parse().ok());
    if area.is_some_and(|area| !caller.may(Action::Check, &area)) {
        return Err(Problem::forbidden());
    }
    let mut errors = Vec::new();
    typed.check(registry, plates, &mut errors).ok_or_else(|| Problem::invalid("invalid_check", errors))
}

impl TypedCheck {
    fn check(self, registry: &Snapshot, plates: PlateHasher<'_>, errors: &mut Vec<FieldError>) -> Option<Check> {
        let checkpoint = need(errors, "/checkpoint", self.checkpoint);
        let checkpoint = checkpoint.and_then(|code| keep(errors, "/checkpoint", fields::checkpoint(&code, registry)));
        let direction = word(errors, "/direction", self.direction);
        let shown = word(errors, "/shown", self.shown);
        if self.code.is_some() && shown == Some(Shown::None) {
            errors.push(Wrong::Together.at("/shown"));
        }
        let temperature_tenths_celsius = temperature(errors, "", self.temperature_tenths_celsius);
        let vehicle = self.vehicle.and_then(|vehicle| vehicle.check("", plates, errors));
        let epoch = self.device_epoch.map(|text| text.parse::<DeviceEpoch>().map_err(|_| Wrong::NotAnIdentifier));
        if epoch.is_some() != self.seq.is_some() {
            errors.push(Wrong::Together.at(if epoch.is_some() { "/seq" } else { "/device_epoch" }));
        }
        let epoch = epoch.and_then(|epoch| keep(errors, "/device_epoch", epoch));
        let seq = self.seq.and_then(|seq| within(errors, "/seq", seq, &SEQUENCE));
        if !errors.is_empty() {
            return None;
        }
        Some(Check {
            code: self.code,
            checkpoint: checkpoint?,
            direction: direction?,
            shown: shown?,
            temperature_tenths_celsius,
            vehicle,
            number: epoch.zip(seq),
        })
    }
}
