//! The order of rows in the table's files: by day, place and time, so that a reader of one place or hour passes over most of them.
//!
//! Rows come in runs, as a device hands in its scans: of one day and place, each no earlier than the one before. Only runs are put in order, by
//! their first row's time, and then copied whole. Where two devices stand at one gate, or files overlap that are merged, a place's rows are
//! nearly in order: nobody relies on more.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayData, ArrayRef, AsArray as _, MutableArrayData, RecordBatch, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{Date32Type, Int32Type, SchemaRef, TimestampMicrosecondType};
use deltalake::DeltaResult;

use crate::rows::packed;
use crate::tables::{PARTITION_COLUMN, Table};

/// Rows that are copied into order, and encoded, at once: of what may be hundreds of megabytes there is never a second copy.
const CHUNK: usize = 32 * 1024;

/// Neighbouring rows that are in order as they are.
struct Run {
    day: i32,
    place: usize,
    /// The first row's.
    at_us: i64,
    batch: usize,
    rows: Range<usize>,
}

/// Batches of one table, and the order of their rows.
pub(super) struct Ordered {
    batches: Vec<ArrayData>,
    runs: Vec<Run>,
}

/// Runs of one day that follow each other.
pub(super) struct Chunk<'o> {
    runs: &'o [Run],
    ordered: &'o Ordered,
}

impl Ordered {
    pub(super) fn new(table: Table, batches: &[RecordBatch]) -> DeltaResult<Self> {
        let mut runs = Vec::new();
        let [place, time] = table.sort_columns();
        let places = batches.iter().map(|batch| cast(column(batch, place), &packed::texts()));
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let ranks = ranks(&places);
        for (batch, rows) in batches.iter().enumerate() {
            let places = places[batch].as_dictionary::<Int32Type>().keys().values();
            let days = column(rows, PARTITION_COLUMN).as_primitive::<Date32Type>().values();
            let times = column(rows, time).as_primitive::<TimestampMicrosecondType>().values();
            let mut first = 0;
            for next in 1..=rows.num_rows() {
                let goes_on = next < rows.num_rows()
                    && next - first < CHUNK
                    && places[next] == places[first]
                    && days[next] == days[first]
                    && times[next] >= times[next - 1];
                if !goes_on {
                    let place = ranks[batch][places[first] as usize];
                    runs.push(Run { day: days[first], place, at_us: times[first], batch, rows: first..next });
                    first = next;
                }
            }
        }
        runs.sort_by_key(|run| (run.day, run.place, run.at_us));
        Ok(Self { batches: batches.iter().cloned().map(|batch| StructArray::from(batch).into_data()).collect(), runs })
    }

    /// The chunks of each day.
    pub(super) fn days(&self) -> impl Iterator<Item = (i32, impl Iterator<Item = Chunk<'_>>)> {
        self.runs.chunk_by(|a, b| a.day == b.day).map(move |day| {
            let mut left = day;
            let chunks = std::iter::from_fn(move || {
                let mut rows = 0;
                let full = left.iter().position(|run| {
                    rows += run.rows.len();
                    rows >= CHUNK
                });
                let (runs, rest) = left.split_at(full.map_or(left.len(), |last| last + 1));
                left = rest;
                (!runs.is_empty()).then_some(Chunk { runs, ordered: self })
            });
            (day[0].day, chunks)
        })
    }
}

impl Chunk<'_> {
    /// Its rows, with columns of these types.
    pub(super) fn rows(&self, schema: &SchemaRef) -> DeltaResult<RecordBatch> {
        let count = self.runs.iter().map(|run| run.rows.len()).sum();
        let mut rows = MutableArrayData::new(self.ordered.batches.iter().collect(), false, count);
        for run in self.runs {
            rows.try_extend(run.batch, run.rows.start, run.rows.end)?;
        }
        let rows = RecordBatch::from(StructArray::from(rows.freeze()));
        Ok(packed::with_schema(&rows, schema)?)
    }
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> &'b ArrayRef {
    batch.column_by_name(name).expect("a column of the table")
}

/// Of each batch's different places, by their keys: their ranks among those of all.
fn ranks(places: &[ArrayRef]) -> Vec<Vec<usize>> {
    let texts = |places: &ArrayRef| Arc::clone(places.as_dictionary::<Int32Type>().values());
    let texts: Vec<_> = places.iter().map(texts).collect();
    let mut ranks = BTreeMap::new();
    ranks.extend(texts.iter().flat_map(|texts| texts.as_string::<i32>()).map(|text| (text, 0)));
    ranks.values_mut().enumerate().for_each(|(rank, at)| *at = rank);
    texts.iter().map(|texts| texts.as_string::<i32>().iter().map(|text| ranks[&text]).collect()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;
    use suikang_schemas::decide::Verdict;
    use suikang_schemas::scan::{Direction, Scan, ScanUpload, Shown};
    use suikang_schemas::{CodeId, Topic, avro};
    use suikang_stream::Record;

    use super::*;
    use crate::pseudonym::LakeSecret;
    use crate::rows::RowMaker;

    /// Scans of a device at its gate, a second apart.
    fn upload(device: u8, first_seq: i64, count: u8, begins_s: i64) -> Record {
        let scan = |n: u8| Scan {
            scanned_at_ms: (begins_s + i64::from(n)) * 1_000,
            direction: if n.is_multiple_of(2) { Direction::Entry } else { Direction::Exit },
            shown: Shown::Paper,
            verdict: Verdict::Admit,
            reasons: (0..n % 3).map(|reason| format!("reason {reason}")).collect(),
            code_id: (!n.is_multiple_of(5)).then_some(CodeId([n; 16])),
            status: None,
            temperature_tenths_celsius: (n > 3).then_some(365),
            vehicle: None,
            offline: n.is_multiple_of(7),
        };
        let upload = ScanUpload {
            device_epoch: i64::from(device),
            first_seq,
            received_at_ms: 1_582_781_500_000,
            checkpoint: format!("440106001003-001-0{}", device % 4 + 1).parse().unwrap(),
            scans: (0..count).map(scan).collect(),
        };
        let payload = avro::encode(&upload);
        Record { topic: Topic::Scans, kafka_partition: 0, offset: first_seq, record_key: vec![], payload, time_ms: 0 }
    }

    fn identities(rows: &RecordBatch) -> Vec<(i64, i64)> {
        let of = |name| column(rows, name).as_primitive::<Int64Type>().values().to_vec();
        of("device_epoch").into_iter().zip(of("seq")).collect()
    }

    proptest! {
        #[test]
        fn every_row_stays_itself_and_days_and_places_lie_together(
            uploads in proptest::collection::vec((0u8..6, 1u8..40, 0i64..200_000), 1..30), together in 1usize..9,
        ) {
            let mut maker = RowMaker::new(Table::Scans, LakeSecret::new([3; 32]));
            let mut next_seq = [1; 6];
            let records: Vec<_> = uploads.into_iter().map(|(device, count, begins_s)| {
                let first_seq = next_seq[usize::from(device)];
                next_seq[usize::from(device)] += i64::from(count);
                upload(device, first_seq, count, 1_582_700_000 + begins_s)
            }).collect();
            let batches: Vec<_> = records.chunks(together).map(|records| maker.packed(records).batch).collect();
            let schema = Table::Scans.schema();
            let mut came = HashMap::new();
            for batch in &batches {
                let rows = packed::with_schema(batch, &schema).unwrap();
                came.extend(identities(&rows).into_iter().enumerate().map(|(at, identity)| (identity, rows.slice(at, 1))));
            }
            let ordered = Ordered::new(Table::Scans, &batches).unwrap();
            let mut keys = Vec::new();
            for (day, chunks) in ordered.days() {
                for chunk in chunks {
                    let rows = chunk.rows(&schema).unwrap();
                    for (at, identity) in identities(&rows).into_iter().enumerate() {
                        prop_assert_eq!(Some(rows.slice(at, 1)), came.remove(&identity));
                    }
                    let days = column(&rows, PARTITION_COLUMN).as_primitive::<Date32Type>();
                    prop_assert!(days.values().iter().all(|of| *of == day));
                    keys.extend(column(&rows, "checkpoint").as_string::<i32>().iter().map(|place| (day, place.map(str::to_owned))));
                }
            }
            prop_assert!(came.is_empty());
            prop_assert!(keys.is_sorted());
        }
    }
}
