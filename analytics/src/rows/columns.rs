//! Columns in the order of a table's schema, built from rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, Date32Array, DictionaryArray, Int32Array, Int64Array, ListBuilder,
    RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Int64Type, SchemaRef};
use suikang_schemas::AreaCode;
use suikang_schemas::area::Level;
use suikang_schemas::avro::{self, DecodeError};
use suikang_stream::{NextOffsets, Record};

/// The city's offset from UTC, in milliseconds.
const OFFSET_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// The end of the year 9999: later times are mistakes, and would overflow.
const TIME_ENDS_MS: i64 = 253_402_300_800_000;

/// Events that may be well-formed and yet say what no row can hold.
pub(crate) trait Possible {
    /// Whether a row can be made of it.
    fn is_possible(&self) -> bool;
}

/// The records that are this event and can be true, decoded.
pub(super) fn decoded<'r, E: avro::Event + Possible>(
    records: &'r [Record],
    poison: &mut Vec<(usize, DecodeError)>,
) -> Vec<(&'r Record, E)> {
    let mut events = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        match avro::decode::<E>(&record.payload) {
            Ok(event) if event.is_possible() => events.push((record, event)),
            Ok(_) => poison.push((index, DecodeError::Malformed)),
            Err(error) => poison.push((index, error)),
        }
    }
    events
}

/// Whether a moment is one that the lake can hold.
pub(super) fn is_moment(at_ms: i64) -> bool {
    (0..TIME_ENDS_MS).contains(&at_ms)
}

/// Whether these are a committee, and a community in it.
pub(super) fn is_residence(committee: &AreaCode, community: Option<&AreaCode>) -> bool {
    committee.level() == Level::Committee
        && community.is_none_or(|community| community.level() == Level::Community && committee.contains(community))
}

/// The city's day (in days since 1970) and hour of a moment.
pub(crate) fn local_day_and_hour(at_ms: i64) -> (i32, i32) {
    let local_ms = at_ms.saturating_add(OFFSET_MS);
    let day = i32::try_from(local_ms.div_euclid(DAY_MS)).unwrap_or(i32::MAX);
    let hour = i32::try_from(local_ms.rem_euclid(DAY_MS) / 3_600_000).expect("an hour of a day");
    (day, hour)
}

/// The rows of a batch whose records lie at or after these positions; all of a partition without one.
pub(crate) fn rows_between(batch: &RecordBatch, from: &NextOffsets) -> Option<RecordBatch> {
    let columns = batch.num_columns();
    let partitions = batch.column(columns - 2).as_primitive::<Int32Type>();
    let offsets = batch.column(columns - 1).as_primitive::<Int64Type>();
    let keep: BooleanArray = partitions
        .values()
        .iter()
        .zip(offsets.values())
        .map(|(kafka_partition, offset)| Some(from.get(kafka_partition).is_none_or(|position| offset >= position)))
        .collect();
    match keep.true_count() {
        0 => None,
        all if all == batch.num_rows() => Some(batch.clone()),
        _ => Some(filter_record_batch(batch, &keep).expect("the filter has the batch's length")),
    }
}

/// Columns so far.
#[derive(Default)]
pub(super) struct Columns(Vec<ArrayRef>);

impl Columns {
    pub(super) fn push(mut self, column: impl Array + 'static) -> Self {
        self.0.push(Arc::new(column));
        self
    }

    pub(super) fn push_array(mut self, column: &ArrayRef) -> Self {
        self.0.push(Arc::clone(column));
        self
    }

    pub(super) fn when_and_where<'a>(self, rows: impl Iterator<Item = (i64, &'a AreaCode)> + Clone) -> Self {
        let at_ms: Vec<_> = rows.clone().map(|(at_ms, _)| at_ms).collect();
        PLACES
            .into_iter()
            .fold(self.when(&at_ms), |columns, level| columns.texts(rows.clone().map(|(_, place)| part(place, level))))
    }

    pub(super) fn when(self, at_ms: &[i64]) -> Self {
        let (days, hours): (Vec<_>, Vec<_>) = at_ms.iter().map(|at_ms| local_day_and_hour(*at_ms)).unzip();
        self.moments(at_ms).push(Date32Array::from(days)).push(Int32Array::from(hours))
    }

    /// Where, of each of these keys.
    pub(super) fn places(self, places: &[&AreaCode], keys: &Int32Array) -> Self {
        PLACES.into_iter().fold(self, |columns, level| columns.packed(places, keys, |place| part(place, level)))
    }

    /// A text of each of these keys' place.
    pub(super) fn packed<'a>(
        self,
        places: &[&'a AreaCode],
        keys: &Int32Array,
        text: impl Fn(&'a AreaCode) -> Option<&'a str>,
    ) -> Self {
        let texts: StringArray = places.iter().map(|place| text(place)).collect();
        self.push(DictionaryArray::new(keys.clone(), Arc::new(texts)))
    }

    pub(super) fn moments(self, at_ms: &[i64]) -> Self {
        let at_us = at_ms.iter().map(|at_ms| at_ms * 1000);
        self.push(TimestampMicrosecondArray::from_iter_values(at_us).with_timezone("UTC"))
    }

    pub(super) fn times(self, times_ms: impl Iterator<Item = Option<i64>>) -> Self {
        self.push(
            times_ms
                .map(|at_ms| at_ms.map(|at_ms| at_ms * 1000))
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        )
    }

    pub(super) fn texts<'a>(self, texts: impl Iterator<Item = Option<&'a str>>) -> Self {
        self.push(texts.collect::<StringArray>())
    }

    pub(super) fn owned_texts(self, texts: impl Iterator<Item = String>) -> Self {
        self.push(StringArray::from_iter_values(texts))
    }

    pub(super) fn numbers(self, numbers: impl Iterator<Item = i64>) -> Self {
        self.push(Int64Array::from_iter_values(numbers))
    }

    pub(super) fn optional_numbers(self, numbers: impl Iterator<Item = Option<i64>>) -> Self {
        self.push(numbers.collect::<Int64Array>())
    }

    pub(super) fn integers(self, integers: impl Iterator<Item = Option<i32>>) -> Self {
        self.push(integers.collect::<Int32Array>())
    }

    pub(super) fn words<'a>(self, rows: impl Iterator<Item = Option<&'a Vec<String>>>) -> Self {
        let mut words = ListBuilder::new(StringBuilder::new());
        for row in rows {
            words.append_option(row.map(|row| row.iter().map(Some)));
        }
        self.push(words.finish())
    }

    pub(super) fn positions<'a>(self, records: impl Iterator<Item = &'a Record> + Clone) -> Self {
        self.push(Int32Array::from_iter_values(records.clone().map(|record| record.kafka_partition)))
            .numbers(records.map(|record| record.offset))
    }

    pub(super) fn batch(self, schema: SchemaRef) -> RecordBatch {
        RecordBatch::try_new(schema, self.0).expect("the columns are the table's")
    }
}

/// What the columns of a place tell.
const PLACES: [Level; 4] = [Level::District, Level::Street, Level::Committee, Level::Community];

/// The part of a place's code that names what it lies in; nothing if the place is larger.
fn part(place: &AreaCode, level: Level) -> Option<&str> {
    place.as_str().get(..length(level)).filter(|_| place.level() >= level)
}

fn length(level: Level) -> usize {
    match level {
        Level::City => 4,
        Level::District => 6,
        Level::Street => 9,
        Level::Committee => 12,
        Level::Community => 16,
        Level::Checkpoint => 19,
    }
}
