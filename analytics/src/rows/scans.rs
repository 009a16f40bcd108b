//! Uploads become a row per scan.
//!
//! What is one for a whole upload is written as often as it has scans, and of places only numbers: the batch is packed (`packed.rs`).

use std::collections::HashMap;
use std::iter::{RepeatN, repeat_n};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array as _, AsArray as _, Int32Array, Int64Array, ListArray, PrimitiveArray, RecordBatch, StructArray, UInt64Array,
};
use arrow::compute::take;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Int32Type, Int64Type, TimestampMillisecondType};
use suikang_schemas::AreaCode;

use super::columns::Columns;
use super::packed;
use super::uploads::{Upload, Uploads, field, primitive};
use crate::pseudonym::LakeSecret;
use crate::seen::SeenNumbers;
use crate::tables::Table;

/// Consecutive scans of one upload that were not seen before.
struct Run<'u> {
    upload: &'u Upload<'u>,
    /// Their numbers.
    seqs: Range<i64>,
}

impl Run<'_> {
    /// Where its scans lie among those of all uploads.
    fn scans(&self) -> Range<usize> {
        let at = |seq: i64| {
            self.upload.scans.start + usize::try_from(seq - self.upload.first_seq).expect("a scan of the upload")
        };
        at(self.seqs.start)..at(self.seqs.end)
    }

    /// What is the same for all of its scans.
    fn all<T: Clone>(&self, value: T) -> RepeatN<T> {
        repeat_n(value, self.scans().len())
    }
}

pub(super) fn rows(
    Uploads { uploads, scans }: Uploads<'_>,
    seen: &mut SeenNumbers,
    secret: &LakeSecret,
) -> RecordBatch {
    let mut runs = Vec::with_capacity(uploads.len());
    for upload in &uploads {
        let new = seen.insert_all(upload.device_epoch, upload.first_seq, upload.last_seq());
        runs.extend(new.into_iter().map(|(first, last)| Run { upload, seqs: first..last + 1 }));
    }
    let scans = only(&scans, &runs);
    let (places, keys) = places(&runs);
    let codes = field(&scans, "code_id").as_fixed_size_binary();
    let vehicles = field(&scans, "vehicle").as_struct();
    let plates = of_vehicles::<Int64Type>(vehicles, "plate_hash");
    Columns::default()
        .when(primitive::<TimestampMillisecondType>(&scans, "scanned_at").values())
        .places(&places, &keys)
        .push(Int64Array::from(each(&runs, |run| run.all(run.upload.device_epoch))))
        .push(Int64Array::from(each(&runs, |run| run.seqs.clone())))
        .moments(&each(&runs, |run| run.all(run.upload.received_at_ms)))
        .packed(&places, &keys, |place| Some(place.as_str()))
        .push_array(field(&scans, "direction"))
        .push_array(field(&scans, "shown"))
        .push_array(field(&scans, "verdict"))
        .push(reasons(&scans))
        .push(secret.code_refs(codes))
        .push_array(field(&scans, "status"))
        .push_array(field(&scans, "temperature_tenths_celsius"))
        .push(of_vehicles::<Int64Type>(vehicles, "group"))
        .push(secret.plate_refs(&plates))
        .push(of_vehicles::<Int32Type>(vehicles, "heads"))
        .push_array(field(&scans, "offline"))
        .positions(each(&runs, |run| run.all(run.upload.record)).into_iter())
        .batch(packed::schema(Table::Scans))
}

/// Something of each scan.
fn each<'r, T, Of: IntoIterator<Item = T>>(runs: &'r [Run<'r>], mut of: impl FnMut(&'r Run<'r>) -> Of) -> Vec<T> {
    let mut each = Vec::with_capacity(runs.iter().map(|run| run.scans().len()).sum());
    runs.iter().for_each(|run| each.extend(of(run)));
    each
}

/// The different gates, and the number of each scan's among them.
fn places<'r>(runs: &'r [Run<'r>]) -> (Vec<&'r AreaCode>, Int32Array) {
    let (mut places, mut numbers) = (Vec::new(), HashMap::new());
    let keys = each(runs, |run| {
        let place = &run.upload.checkpoint;
        run.all(*numbers.entry(place).or_insert_with(|| {
            places.push(place);
            i32::try_from(places.len() - 1).expect("no more gates than records")
        }))
    });
    (places, keys.into())
}

/// The scans of these runs.
fn only(scans: &StructArray, runs: &[Run<'_>]) -> StructArray {
    if runs.iter().map(|run| run.scans().len()).sum::<usize>() == scans.len() {
        return scans.clone();
    }
    let kept = UInt64Array::from(each(runs, |run| run.scans().map(|scan| scan as u64)));
    take(scans, &kept, None).expect("scans of these uploads").as_struct().clone()
}

/// The lists as the table has them.
fn reasons(scans: &StructArray) -> ListArray {
    let (_, offsets, texts, nulls) = field(scans, "reasons").as_list::<i32>().clone().into_parts();
    ListArray::new(Arc::new(Field::new_list_field(DataType::Utf8, true)), offsets, texts, nulls)
}

/// A field of the vehicles; nothing where there is none.
fn of_vehicles<T: ArrowPrimitiveType>(vehicles: &StructArray, name: &str) -> PrimitiveArray<T> {
    PrimitiveArray::new(primitive::<T>(vehicles, name).values().clone(), vehicles.nulls().cloned())
}
