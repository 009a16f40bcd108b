//! Declarations become a row each; retries none.

use arrow::array::{Date32Array, RecordBatch};
use suikang_schemas::avro::DecodeError;
use suikang_schemas::declaration::{Declaration, DeclaredBy};
use suikang_stream::Record;

use super::columns::{Columns, Possible, decoded, is_moment, is_residence};
use crate::pseudonym::LakeSecret;
use crate::seen::SeenDeclarations;
use crate::tables::Table;

impl Possible for Declaration {
    fn is_possible(&self) -> bool {
        let residence = &self.residence;
        is_moment(self.accepted_at_ms) && is_residence(&residence.committee, residence.community.as_ref())
    }
}

pub(super) fn rows(
    records: &[Record],
    seen: &mut SeenDeclarations,
    secret: &LakeSecret,
    poison: &mut Vec<(usize, DecodeError)>,
) -> RecordBatch {
    let mut rows = decoded::<Declaration>(records, poison);
    rows.retain(|(record, declaration)| seen.insert(declaration.declaration_id, record.time_ms));
    Columns::default()
        .when_and_where(
            rows.iter()
                .map(|(_, d)| (d.accepted_at_ms, d.residence.community.as_ref().unwrap_or(&d.residence.committee))),
        )
        .owned_texts(rows.iter().map(|(_, d)| d.declaration_id.to_string()))
        .numbers(rows.iter().map(|(_, d)| secret.subject_ref(&d.subject)))
        .texts(rows.iter().map(|(_, d)| Some(declared_by(d))))
        .texts(rows.iter().map(|(_, d)| d.inadmissible.map(|rejection| rejection.as_str())))
        .integers(rows.iter().map(|(_, d)| Some(d.policy_version)))
        .integers(rows.iter().map(|(_, d)| d.facts.birth_year))
        .texts(rows.iter().map(|(_, d)| Some(d.facts.person_kind.as_str())))
        .texts(rows.iter().map(|(_, d)| Some(d.residence.capacity.as_str())))
        .words(rows.iter().map(|(_, d)| Some(&d.health.symptoms)))
        .texts(rows.iter().map(|(_, d)| Some(d.health.hubei_stay.as_str())))
        .push(rows.iter().map(|(_, d)| d.health.hubei_return_day).collect::<Date32Array>())
        .texts(rows.iter().map(|(_, d)| Some(d.health.contact.as_str())))
        .texts(rows.iter().map(|(_, d)| d.facts.hold.map(|hold| hold.as_str())))
        .positions(rows.iter().map(|(record, _)| *record))
        .batch(Table::Declarations.schema())
}

fn declared_by(declaration: &Declaration) -> &'static str {
    match declaration.declared_by {
        DeclaredBy::Oneself => "self",
        DeclaredBy::Relative => "relative",
        DeclaredBy::Staff => "staff",
    }
}
