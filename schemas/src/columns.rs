//! Events as columns: single-object Avro decoded straight to an Arrow batch, with no value tree in between.
//!
//! The batch has the newest schema of its event, whichever versions wrote the records: a row per record, identifiers as
//! `FixedSizeBinary`, enums as dictionaries, the scans of an upload as a list of structs. A record that doesn't decode is named by its
//! index and left out; the others are unharmed.

use std::marker::PhantomData;

use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow_avro::reader::ReaderBuilder;
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
    decoder(E::NAME).schema()
}

/// Decodes payloads of one event, and keeps what it made of the schemas.
#[derive(Debug)]
pub struct Decoder<E> {
    decoder: arrow_avro::reader::Decoder,
    event: PhantomData<E>,
}

impl<E: Event> Default for Decoder<E> {
    fn default() -> Self {
        Self { decoder: decoder(E::NAME), event: PhantomData }
    }
}

impl<E: Event> Decoder<E> {
    /// Decodes these payloads.
    ///
    /// # Errors
    /// Only if rows that decoded don't fit into one batch, such as an array past its size limit.
    pub fn decode(&mut self, payloads: &[&[u8]]) -> Result<Columns, ArrowError> {
        let (mut batches, mut poison) = (Vec::new(), Vec::new());
        // The first payload that the decoder holds.
        let mut held = 0;
        for (index, payload) in payloads.iter().enumerate() {
            if self.takes(payload) {
                continue;
            }
            // It may hold half a row now; those before it decoded, and do so again.
            self.decoder = decoder(E::NAME);
            if held < index && payloads[held..index].iter().all(|payload| self.takes(payload)) {
                self.flush(held, &payloads[held..index], &mut batches, &mut poison);
            }
            held = index;
            // Perhaps it only follows another schema than those before it.
            if !self.takes(payload) {
                poison.push((index, reason::<E>(payload)));
                self.decoder = decoder(E::NAME);
                held = index + 1;
            }
        }
        self.flush(held, &payloads[held..], &mut batches, &mut poison);
        let batch = match batches.as_slice() {
            [batch] => batch.clone(),
            batches => concat_batches(&self.decoder.schema(), batches)?,
        };
        Ok(Columns { batch, poison })
    }

    /// The rows of these payloads, which the decoder holds. That an enum has no such symbol is found only now, without saying whose: then each
    /// is decoded by itself.
    fn flush(
        &mut self,
        first: usize,
        payloads: &[&[u8]],
        batches: &mut Vec<RecordBatch>,
        poison: &mut Vec<(usize, DecodeError)>,
    ) {
        if let Ok(rows) = self.decoder.flush() {
            batches.extend(rows);
            return;
        }
        for (index, payload) in (first..).zip(payloads) {
            self.decoder = decoder(E::NAME);
            match self.takes(payload).then(|| self.decoder.flush()) {
                Some(Ok(Some(row))) => batches.push(row),
                _ => poison.push((index, reason::<E>(payload))),
            }
        }
        self.decoder = decoder(E::NAME);
    }

    /// Whether the payload is one row more.
    fn takes(&mut self, payload: &[u8]) -> bool {
        let room = self.decoder.capacity();
        let decoded = self.decoder.decode(payload);
        matches!(decoded, Ok(consumed) if consumed == payload.len()) && room - self.decoder.capacity() == 1
    }
}

fn reason<E: Event>(payload: &[u8]) -> DecodeError {
    match avro::event_name(payload) {
        Ok(event) if event == E::NAME => DecodeError::Malformed,
        Ok(_) => DecodeError::OtherEvent,
        Err(error) => error,
    }
}

/// Decodes these payloads of one event, once.
///
/// # Errors
/// Those of [`Decoder::decode`].
pub fn decode<E: Event>(payloads: &[&[u8]]) -> Result<Columns, ArrowError> {
    Decoder::<E>::default().decode(payloads)
}

fn decoder(event: &'static str) -> arrow_avro::reader::Decoder {
    let mut store = SchemaStore::new();
    let mut newest = None;
    for (_, _, text) in SCHEMAS.iter().filter(|(name, _, _)| *name == event) {
        let schema = AvroSchema::new((*text).to_owned());
        let fingerprint = store.register(schema.clone()).expect("schemas are compiled in and tested");
        newest = Some((schema, fingerprint));
    }
    let (schema, fingerprint) = newest.expect("every event has a schema");
    ReaderBuilder::new()
        .with_batch_size(usize::MAX)
        .with_reader_schema(schema)
        .with_writer_schema_store(store)
        .with_active_fingerprint(fingerprint)
        .build_decoder()
        .expect("schemas are compiled in and tested")
}
