//! Uploads become a row per scan.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, ListArray, PrimitiveArray, RecordBatch, StructArray, UInt64Array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Int32Type, Int64Type, TimestampMillisecondType};
use suikang_schemas::CodeId;
use suikang_schemas::avro::DecodeError;
use suikang_schemas::columns::Decoder;
use suikang_stream::Record;

use super::columns::Columns;
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
}

pub(super) fn rows(
    records: &[Record],
    seen: &mut SeenNumbers,
    secret: &LakeSecret,
    poison: &mut Vec<(usize, DecodeError)>,
) -> RecordBatch {
    let Uploads { uploads, scans } = Uploads::decode(&mut Decoder::default(), records, poison);
    let mut runs = Vec::with_capacity(uploads.len());
    for upload in &uploads {
        let new = seen.insert_all(upload.device_epoch, upload.first_seq, upload.last_seq());
        runs.extend(new.into_iter().map(|(first, last)| Run { upload, seqs: first..last + 1 }));
    }
    let scans = only(&scans, &runs);
    let uploads = || runs.iter().flat_map(|run| run.seqs.clone().map(|_| run.upload));
    let at_ms = primitive::<TimestampMillisecondType>(&scans, "scanned_at").values().iter().copied();
    let codes = field(&scans, "code_id").as_fixed_size_binary();
    let vehicles = field(&scans, "vehicle").as_struct();
    let plates = of_vehicles::<Int64Type>(vehicles, "plate_hash");
    Columns::default()
        .when_and_where(at_ms.zip(uploads().map(|upload| &upload.checkpoint)))
        .numbers(uploads().map(|upload| upload.device_epoch))
        .numbers(runs.iter().flat_map(|run| run.seqs.clone()))
        .times(uploads().map(|upload| Some(upload.received_at_ms)))
        .texts(uploads().map(|upload| Some(upload.checkpoint.as_str())))
        .push(words(&scans, "direction"))
        .push(words(&scans, "shown"))
        .push(words(&scans, "verdict"))
        .push(reasons(&scans))
        .optional_numbers(codes.iter().map(|code| Some(secret.code_ref(&CodeId(code?.try_into().ok()?)))))
        .push(words(&scans, "status"))
        .push(primitive::<Int32Type>(&scans, "temperature_tenths_celsius").clone())
        .push(of_vehicles::<Int64Type>(vehicles, "group"))
        .optional_numbers(plates.iter().map(|plate| Some(secret.plate_ref(plate?))))
        .push(of_vehicles::<Int32Type>(vehicles, "heads"))
        .push(field(&scans, "offline").as_boolean().clone())
        .positions(uploads().map(|upload| upload.record))
        .batch(Table::Scans)
}

/// The scans of these runs.
fn only(scans: &StructArray, runs: &[Run<'_>]) -> StructArray {
    if runs.iter().map(|run| run.scans().len()).sum::<usize>() == scans.len() {
        return scans.clone();
    }
    let kept: UInt64Array = runs.iter().flat_map(Run::scans).map(|scan| scan as u64).collect();
    take(scans, &kept, None).expect("scans of these uploads").as_struct().clone()
}

/// One of few words each.
fn words(scans: &StructArray, name: &str) -> ArrayRef {
    cast(field(scans, name), &DataType::Utf8).expect("words are text")
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
