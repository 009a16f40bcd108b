//! A record as JSON, for people who look into the log: identifiers as hex, sealed bytes as `"sealed"`.

use serde_json::Value;

use crate::audit::AuditEntry;
use crate::avro::{self, DecodeError, Event};
use crate::columns;
use crate::dead_letter::DeadLetter;
use crate::declaration::Declaration;
use crate::outcome::Outcome;
use crate::registry_event::RegistryEvent;
use crate::scan::ScanUpload;

/// The event's name and its fields.
///
/// # Errors
/// If the bytes are no event that this build knows.
pub fn to_json(payload: &[u8]) -> Result<(&'static str, Value), DecodeError> {
    let event = avro::event_name(payload)?;
    let value = match event {
        Declaration::NAME => row::<Declaration>(payload),
        Outcome::NAME => row::<Outcome>(payload),
        ScanUpload::NAME => row::<ScanUpload>(payload),
        AuditEntry::NAME => row::<AuditEntry>(payload),
        DeadLetter::NAME => row::<DeadLetter>(payload),
        // Its union of changes has no column form that a person would want to read.
        _ => registry_event(&avro::decode(payload)?),
    };
    Ok((event, value.ok_or(DecodeError::Malformed)?))
}

/// Through columns, which know each field's type.
fn row<E: Event>(payload: &[u8]) -> Option<Value> {
    let columns = columns::decode::<E>(&[payload]).ok().filter(|columns| columns.poison.is_empty())?;
    let mut line = Vec::new();
    let mut writer = arrow::json::LineDelimitedWriter::new(&mut line);
    writer.write(&columns.batch).ok()?;
    writer.finish().ok()?;
    let mut value = serde_json::from_slice(&line).ok()?;
    hide_sealed(&mut value);
    Some(value)
}

fn registry_event(event: &RegistryEvent) -> Option<Value> {
    let mut value = serde_json::to_value(event).ok()?;
    hex_bytes(&mut value);
    hide_sealed(&mut value);
    Some(value)
}

/// Whatever lies under the name `sealed` is shown as such.
fn hide_sealed(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "sealed" && !value.is_null() {
                    *value = "sealed".into();
                } else {
                    hide_sealed(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_sealed),
        _ => {}
    }
}

/// Arrays of bytes, which serde makes of identifiers, as hex.
fn hex_bytes(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(hex_bytes),
        Value::Array(items) => {
            let bytes: Option<Vec<u8>> =
                items.iter().map(|item| item.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect();
            match bytes {
                Some(bytes) if !bytes.is_empty() => *value = hex::encode(bytes).into(),
                _ => items.iter_mut().for_each(hex_bytes),
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declaration::Sealed;
    use crate::registry_event::{Actor, Change, ClaimErased};

    #[test]
    fn bytes_are_hex_and_what_is_sealed_stays_so() {
        let event = RegistryEvent {
            command_id: [1; 16],
            at_ms: 5,
            actor: Actor { role: "operator".into(), area: "4401".into(), login: "x".into() },
            expected_version: 0,
            change: Change::ClaimErased(ClaimErased { claim: [0xab; 32] }),
        };
        let (name, value) = to_json(&avro::encode(&event)).unwrap();
        assert_eq!((name, &value["change"]["ClaimErased"]["claim"]), ("RegistryEvent", &"ab".repeat(32).into()));

        let letter = DeadLetter {
            topic: "scans".into(),
            kafka_partition: 0,
            offset: 1,
            reader: "lake".into(),
            reason: "unknown schema".into(),
            failed_at_ms: 0,
            sealed: Some(Sealed { seal_day: 1, bytes: vec![1, 2] }),
        };
        let (_, value) = to_json(&avro::encode(&letter)).unwrap();
        assert_eq!(value["sealed"], "sealed");
        assert_eq!(to_json(b"x"), Err(DecodeError::NotAvro));
    }
}
