//! The vehicle that somebody sat in: its plate leaves this process only as a keyed hash.

use std::ops::RangeInclusive;

use serde::Deserialize;
use suikang_registry::http::FieldError;
use suikang_schemas::plate::Plate;
use suikang_schemas::scan::Vehicle;

use crate::fields::{SEQUENCE, keep, need, within};
use crate::plates::PlateHasher;
use crate::wrong::Wrong;

/// People in one vehicle.
const HEADS: RangeInclusive<i32> = 1..=200;

/// A vehicle as it was sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypedVehicle {
    group: Option<i64>,
    plate: Option<String>,
    heads: Option<i32>,
}

impl TypedVehicle {
    /// The vehicle; `at` is the place of what it belongs to.
    pub(crate) fn check(&self, at: &str, plates: PlateHasher<'_>, errors: &mut Vec<FieldError>) -> Option<Vehicle> {
        let place = |field: &str| format!("{at}/vehicle/{field}");
        let group = need(errors, &place("group"), self.group);
        let group = group.and_then(|group| within(errors, &place("group"), group, &SEQUENCE));
        let plate = need(errors, &place("plate"), self.plate.as_deref());
        let plate =
            plate.and_then(|text| keep(errors, &place("plate"), text.parse::<Plate>().map_err(|_| Wrong::NotAPlate)));
        let heads = need(errors, &place("heads"), self.heads);
        let heads = heads.and_then(|heads| within(errors, &place("heads"), heads, &HEADS));
        Some(Vehicle { group: group?, plate_hash: plates.hash(&plate?), heads: heads? })
    }
}
