//! Single fields of checks and scans: each gives its value, or adds what is wrong with it to the errors.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use suikang_registry::http::FieldError;
use suikang_registry::snapshot::Snapshot;
use suikang_schemas::AreaCode;
use suikang_schemas::area::Level;

use crate::wrong::Wrong;

/// 25 to 45 °C: what a living person and a working thermometer can show.
pub(crate) const TEMPERATURES_TENTHS_CELSIUS: RangeInclusive<i32> = 250..=450;
/// Numbers that JSON carries exactly everywhere.
pub(crate) const SEQUENCE: RangeInclusive<i64> = 1..=(1 << 53);

/// A value that must be there.
pub(crate) fn need<T>(errors: &mut Vec<FieldError>, pointer: &str, value: Option<T>) -> Option<T> {
    if value.is_none() {
        errors.push(Wrong::Required.at(pointer));
    }
    value
}

/// A value, or what is wrong with it.
pub(crate) fn keep<T>(errors: &mut Vec<FieldError>, pointer: &str, value: Result<T, Wrong>) -> Option<T> {
    value.map_err(|wrong| errors.push(wrong.at(pointer))).ok()
}

/// A number of a range.
pub(crate) fn within<T: PartialOrd>(
    errors: &mut Vec<FieldError>,
    pointer: &str,
    number: T,
    range: &RangeInclusive<T>,
) -> Option<T> {
    keep(errors, pointer, if range.contains(&number) { Ok(number) } else { Err(Wrong::OutOfRange) })
}

/// A word of a fixed set, such as a direction; it must be there.
pub(crate) fn word<T: DeserializeOwned>(
    errors: &mut Vec<FieldError>,
    pointer: &str,
    text: Option<String>,
) -> Option<T> {
    let text = need(errors, pointer, text)?;
    let text: StrDeserializer<'_, serde::de::value::Error> = text.as_str().into_deserializer();
    keep(errors, pointer, T::deserialize(text).map_err(|_| Wrong::NotAChoice))
}

/// A word of a fixed set, as JSON text: serde would also take `{"entry": null}` for `"entry"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Text<T> {
            type Value = Word<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Word<T>, E> {
                T::deserialize(IntoDeserializer::<E>::into_deserializer(text)).map(Word)
            }
        }
        deserializer.deserialize_str(Text(PhantomData))
    }
}

/// The temperature, if one was taken; `at` is the place of what it belongs to.
pub(crate) fn temperature(errors: &mut Vec<FieldError>, at: &str, tenths_celsius: Option<i32>) -> Option<i32> {
    let pointer = format!("{at}/temperature_tenths_celsius");
    tenths_celsius.and_then(|tenths| within(errors, &pointer, tenths, &TEMPERATURES_TENTHS_CELSIUS))
}

/// The checkpoint of this code, if the city has it.
pub(crate) fn checkpoint(code: &str, registry: &Snapshot) -> Result<AreaCode, Wrong> {
    let area = code.parse::<AreaCode>().ok().filter(|area| area.level() == Level::Checkpoint);
    let area = area.ok_or(Wrong::NotACheckpoint)?;
    if registry.place(&area).is_some() { Ok(area) } else { Err(Wrong::UnknownPlace) }
}
