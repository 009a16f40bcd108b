//! Outcomes become a row per declaration.
//!
//! An issuer appends the outcomes of a partition in the order of its declarations, and one that takes over begins at or before the first that
//! is missing: so the first outcome of a declaration id is the one of its smallest position. What is issued again, whenever, has a declaration's
//! offset that was seen.

use arrow::array::RecordBatch;
use suikang_schemas::avro::DecodeError;
use suikang_schemas::outcome::Outcome;
use suikang_stream::Record;

use super::columns::{Columns, Possible, decoded, is_moment, is_residence};
use crate::pseudonym::LakeSecret;
use crate::seen::{SeenDeclarations, SeenNumbers};
use crate::tables::Table;

impl Possible for Outcome {
    fn is_possible(&self) -> bool {
        is_moment(self.accepted_at_ms)
            && is_residence(&self.committee, self.community.as_ref())
            && self.issued.as_ref().is_none_or(|issued| is_moment(issued.expires_at_ms))
    }
}

pub(super) fn rows(
    records: &[Record],
    positions: &mut SeenNumbers,
    declarations: &mut SeenDeclarations,
    secret: &LakeSecret,
    poison: &mut Vec<(usize, DecodeError)>,
) -> RecordBatch {
    let mut rows = decoded::<Outcome>(records, poison);
    rows.retain(|(record, outcome)| {
        let position = outcome.declaration_position;
        // A retry's position is noted too, so that it stays known after its id is forgotten.
        let new_position = positions.insert(i64::from(position.kafka_partition), position.offset);
        let new_id = declarations.insert(outcome.declaration_id, record.time_ms);
        new_position && new_id
    });
    let issued = || rows.iter().map(|(_, outcome)| outcome.issued.as_ref());
    Columns::default()
        .when_and_where(rows.iter().map(|(_, o)| (o.accepted_at_ms, o.community.as_ref().unwrap_or(&o.committee))))
        .owned_texts(rows.iter().map(|(_, o)| o.declaration_id.to_string()))
        .numbers(rows.iter().map(|(_, o)| secret.subject_ref(&o.subject)))
        .texts(issued().map(|issued| Some(if issued.is_some() { "issued" } else { "rejected" })))
        .texts(rows.iter().map(|(_, o)| o.rejected.map(|rejection| rejection.as_str())))
        .texts(issued().map(|issued| issued.map(|issued| issued.status.as_str())))
        .words(issued().map(|issued| issued.map(|issued| &issued.reasons)))
        .integers(issued().map(|issued| issued.map(|issued| issued.policy_version)))
        .optional_numbers(issued().map(|issued| issued.map(|issued| secret.code_ref(&issued.code_id))))
        .times(issued().map(|issued| issued.map(|issued| issued.expires_at_ms)))
        .integers(rows.iter().map(|(_, o)| Some(o.declaration_position.kafka_partition)))
        .numbers(rows.iter().map(|(_, o)| o.declaration_position.offset))
        .positions(rows.iter().map(|(record, _)| *record))
        .batch(Table::Outcomes.schema())
}
