//! Records that are no declarations: set aside on their topic, sealed, so that the partition goes on.

use suikang_registry::Registry;
use suikang_registry::seal::SealPurpose;
use suikang_schemas::avro::{self, DecodeError};
use suikang_schemas::dead_letter::{DeadLetter, MOST_SEALED};
use suikang_stream::{NewRecord, Record};

use crate::metrics;

/// The dead letter of a record.
pub(crate) fn dead_letter(record: &Record, error: DecodeError, registry: &Registry, now_ms: i64) -> NewRecord {
    let reason = match error {
        DecodeError::NotAvro => "not_avro",
        DecodeError::UnknownSchema => "unknown_schema",
        DecodeError::OtherEvent => "other_event",
        DecodeError::Malformed => "malformed",
    };
    metrics::dead_letter(reason);
    let letter = DeadLetter {
        topic: record.topic.short_name().to_owned(),
        kafka_partition: record.kafka_partition,
        offset: record.offset,
        reader: "issuer".to_owned(),
        reason: reason.to_owned(),
        failed_at_ms: now_ms,
        // Without a seal key, or room for it, the record itself is where the letter says, until the log lets it go.
        sealed: (record.payload.len() <= MOST_SEALED)
            .then(|| registry.seal(now_ms, SealPurpose::DeadLetter, &record.payload).ok())
            .flatten(),
    };
    NewRecord { record_key: record.record_key.clone(), payload: avro::encode(&letter) }
}
