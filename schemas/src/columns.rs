//! Events as columns: single-object Avro decoded straight to an Arrow batch, with no value tree in between.
//!
//! The batch has the newest schema of its event, whichever versions wrote the records: a row per record, identifiers as
//! `FixedSizeBinary`, enums as dictionaries, the scans of an upload as a list of structs. A record that doesn't decode is named by its
//! index and left out; the others are unharmed.

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, SchemaStore};

use crate::avro::{self, DecodeError, Event, SCHEMAS};

/// What became of a run of payloads.
#[derive(Debug)]
pub struct Columns {
    /// A row for each payload that decoded, in their order.
    pub batch: RecordBatch,
    /// The payloads that did not, by index, in their order.
    pub poison: Vec<(usize, DecodeError)>,
}

/// The Arrow schema of an event's batches.
pub fn schema<E: Event>() -> SchemaRef {
    decoder(E::NAME, 1).schema()
}

/// Decodes these payloads of one event.
///
/// # Errors
/// Only if Arrow itself fails on rows that decoded, such as an array past its size limit.
pub fn decode<E: Event>(payloads: &[&[u8]]) -> Result<Columns, ArrowError> {
    if let Some(batch) = decode_all(E::NAME, payloads)? {
        return Ok(Columns { batch, poison: Vec::new() });
    }
    // Something is poison. A decoder that has failed within a row holds half of it, so each payload gets a decoder of its own.
    let mut good = Vec::with_capacity(payloads.len());
    let mut poison = Vec::new();
    for (index, payload) in payloads.iter().enumerate() {
        match probe(E::NAME, payload) {
            Ok(()) => good.push(*payload),
            Err(error) => poison.push((index, error)),
        }
    }
    let batch = decode_all(E::NAME, &good)?
        .ok_or_else(|| ArrowError::ParseError("rows that decode alone do not decode together".to_owned()))?;
    Ok(Columns { batch, poison })
}

/// The batch of these payloads, or nothing if one of them doesn't decode.
fn decode_all(event: &'static str, payloads: &[&[u8]]) -> Result<Option<RecordBatch>, ArrowError> {
    let mut decoder = decoder(event, payloads.len() + 1);
    for payload in payloads {
        if !decodes(&mut decoder, payload) {
            return Ok(None);
        }
    }
    match decoder.flush()? {
        // Rows of one fingerprint fill one batch; the reader schema makes all fingerprints alike, but a change of writer in
        // mid-batch ends it early.
        Some(batch) if batch.num_rows() == payloads.len() => Ok(Some(batch)),
        Some(_) => Ok(None),
        None => Ok(Some(RecordBatch::new_empty(decoder.schema()))),
    }
}

fn decodes(decoder: &mut Decoder, payload: &[u8]) -> bool {
    matches!(decoder.decode(payload), Ok(consumed) if consumed == payload.len())
}

fn probe(event: &'static str, payload: &[u8]) -> Result<(), DecodeError> {
    if avro::event_name(payload)? != event {
        return Err(DecodeError::OtherEvent);
    }
    let mut decoder = decoder(event, 2);
    if !decodes(&mut decoder, payload) {
        return Err(DecodeError::Malformed);
    }
    match decoder.flush() {
        Ok(Some(batch)) if batch.num_rows() == 1 => Ok(()),
        _ => Err(DecodeError::Malformed),
    }
}

fn decoder(event: &'static str, batch_size: usize) -> Decoder {
    let mut store = SchemaStore::new();
    let mut newest = None;
    for (_, _, text) in SCHEMAS.iter().filter(|(name, _, _)| *name == event) {
        let schema = AvroSchema::new((*text).to_owned());
        let fingerprint = store.register(schema.clone()).expect("schemas are compiled in and tested");
        newest = Some((schema, fingerprint));
    }
    let (schema, fingerprint) = newest.expect("every event has a schema");
    ReaderBuilder::new()
        .with_batch_size(batch_size)
        .with_reader_schema(schema)
        .with_writer_schema_store(store)
        .with_active_fingerprint(fingerprint)
        .build_decoder()
        .expect("schemas are compiled in and tested")
}
