//! Events as bytes: Avro in single-object encoding.
//!
//! ```text
//! C3 01 | fingerprint of the writer's schema, 8 bytes, CRC-64-AVRO, little endian | body
//! ```
//! Every schema that was ever used is in [`SCHEMAS`] and stays there: a reader finds the writer's schema by the fingerprint, reads
//! the fields that its struct has by name, and fills those that an older writer did not know from their defaults.

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::LazyLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_avro_fast::Schema;
use serde_avro_fast::de::DeserializerState;
use serde_avro_fast::ser::SerializerConfig;

pub mod raw;
#[cfg(test)]
mod tests;

/// Bytes before the body: the marker and the fingerprint.
const HEADER_BYTES: usize = 10;
const MARKER: [u8; 2] = [0xC3, 0x01];

/// Event name, version, and schema text; among one event's versions the last is the one written.
pub const SCHEMAS: &[(&str, u32, &str)] = &[
    ("Declaration", 1, include_str!("../../avro/declaration.v1.avsc")),
    ("Outcome", 1, include_str!("../../avro/outcome.v1.avsc")),
    ("ScanUpload", 1, include_str!("../../avro/scan_upload.v1.avsc")),
    ("RegistryEvent", 1, include_str!("../../avro/registry_event.v1.avsc")),
    ("AuditEntry", 1, include_str!("../../avro/audit_entry.v1.avsc")),
    ("DeadLetter", 1, include_str!("../../avro/dead_letter.v1.avsc")),
];

/// A record of the log.
pub trait Event: Serialize + DeserializeOwned {
    /// Its name in [`SCHEMAS`].
    const NAME: &'static str;

    /// Appends its body under its newest schema.
    fn put_body(&self, bytes: &mut Vec<u8>) {
        put_by_schema(bytes, self);
    }
}

/// Why bytes from the log are not the event that was expected. Says nothing about their content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No single-object header.
    #[error("not an avro single object")]
    NotAvro,
    /// The fingerprint is of a schema this build does not have: the writer is newer, or the record is foreign.
    #[error("unknown schema")]
    UnknownSchema,
    /// The fingerprint is of another event.
    #[error("another event's schema")]
    OtherEvent,
    /// The body does not follow its schema, or goes on after it.
    #[error("body does not follow its schema")]
    Malformed,
}

struct Known {
    event: &'static str,
    schema: Schema,
}

static KNOWN: LazyLock<HashMap<[u8; 8], Known>> =
    LazyLock::new(|| SCHEMAS.iter().map(|&(event, _, text)| (parse(text), event)).map(index).collect());

static WRITTEN: LazyLock<HashMap<&'static str, Schema>> =
    LazyLock::new(|| SCHEMAS.iter().map(|&(event, _, text)| (event, parse(text))).collect());

fn index((schema, event): (Schema, &'static str)) -> ([u8; 8], Known) {
    (*schema.rabin_fingerprint(), Known { event, schema })
}

fn parse(text: &str) -> Schema {
    text.parse().expect("schemas are compiled in and tested")
}

/// The event as bytes under its newest schema.
pub fn encode<E: Event>(event: &E) -> Vec<u8> {
    let mut bytes = MARKER.to_vec();
    bytes.extend_from_slice(WRITTEN[E::NAME].rabin_fingerprint());
    event.put_body(&mut bytes);
    bytes
}

pub(crate) fn put_by_schema<E: Event>(bytes: &mut Vec<u8>, event: &E) {
    let mut config = SerializerConfig::new(&WRITTEN[E::NAME]);
    serde_avro_fast::to_datum(event, bytes, &mut config).expect("an event's struct follows its schema, by test");
}

/// The event in these bytes, whichever version wrote them.
pub fn decode<E: Event>(bytes: &[u8]) -> Result<E, DecodeError> {
    let known = known(bytes)?;
    if known.event != E::NAME {
        return Err(DecodeError::OtherEvent);
    }
    // From a slice: from a reader, room is made for as many bytes as a string claims to have, before they are there.
    let mut body = DeserializerState::from_slice(&bytes[HEADER_BYTES..], &known.schema);
    let event = E::deserialize(body.deserializer()).map_err(|_| DecodeError::Malformed)?;
    let whole = body.into_reader().fill_buf().is_ok_and(<[u8]>::is_empty);
    if whole { Ok(event) } else { Err(DecodeError::Malformed) }
}

/// The name of the event in these bytes, by their header alone.
pub fn event_name(bytes: &[u8]) -> Result<&'static str, DecodeError> {
    known(bytes).map(|known| known.event)
}

fn known(bytes: &[u8]) -> Result<&'static Known, DecodeError> {
    let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(DecodeError::NotAvro)?;
    let fingerprint = header.strip_prefix(&MARKER).ok_or(DecodeError::NotAvro)?;
    KNOWN.get(fingerprint).ok_or(DecodeError::UnknownSchema)
}
