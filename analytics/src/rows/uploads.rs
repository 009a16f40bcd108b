//! Uploads, decoded from the log's bytes to columns: the scans of all of them lie one after the other.

use std::ops::Range;

use arrow::array::{ArrayRef, AsArray as _, PrimitiveArray, StructArray};
use arrow::datatypes::{ArrowPrimitiveType, Int64Type, TimestampMillisecondType};
use suikang_schemas::AreaCode;
use suikang_schemas::area::Level;
use suikang_schemas::avro::DecodeError;
use suikang_schemas::columns::Decoder;
use suikang_schemas::scan::ScanUpload;
use suikang_stream::Record;

use super::columns::{Possible, is_moment};

/// Uploads that can be true.
pub(crate) struct Uploads<'r> {
    pub(crate) uploads: Vec<Upload<'r>>,
    /// All scans, also those of uploads that can't be true.
    pub(crate) scans: StructArray,
}

/// An upload but for its scans.
pub(crate) struct Upload<'r> {
    pub(crate) record: &'r Record,
    pub(crate) device_epoch: i64,
    pub(crate) first_seq: i64,
    pub(crate) received_at_ms: i64,
    pub(crate) checkpoint: AreaCode,
    /// Where its scans lie among all.
    pub(crate) scans: Range<usize>,
}

impl Upload<'_> {
    /// The number of its last scan.
    pub(crate) fn last_seq(&self) -> i64 {
        self.first_seq - 1 + i64::try_from(self.scans.len()).unwrap_or_default()
    }

    fn is_possible(&self, scanned_at_ms: impl Iterator<Item = i64>) -> bool {
        can_be_true((self.first_seq, self.scans.len()), self.received_at_ms, &self.checkpoint, scanned_at_ms)
    }
}

impl<'r> Uploads<'r> {
    /// Of these records; what is no upload, or can't be true, is told by its index.
    pub(crate) fn decode(
        decoder: &mut Decoder<ScanUpload>,
        records: &'r [Record],
        poison: &mut Vec<(usize, DecodeError)>,
    ) -> Self {
        let payloads: Vec<_> = records.iter().map(|record| record.payload.as_slice()).collect();
        let decoded = decoder.decode(&payloads).expect("what was read at once fits into arrays");
        let mut good: Vec<_> = (0..records.len()).collect();
        good.retain(|index| decoded.poison.binary_search_by_key(index, |(poison, _)| *poison).is_err());
        poison.extend(decoded.poison);

        let column = |name| decoded.batch.column_by_name(name).expect("a field of an upload");
        let epochs = column("device_epoch").as_primitive::<Int64Type>();
        let first_seqs = column("first_seq").as_primitive::<Int64Type>();
        let received = column("received_at").as_primitive::<TimestampMillisecondType>();
        let checkpoints = column("checkpoint").as_string::<i32>();
        let lists = column("scans").as_list::<i32>();
        let scans = lists.values().as_struct().clone();
        let at = |row: usize| usize::try_from(lists.value_offsets()[row]).expect("offsets are not negative");
        let moments = primitive::<TimestampMillisecondType>(&scans, "scanned_at").values();

        let mut uploads = Vec::with_capacity(good.len());
        for (row, index) in good.into_iter().enumerate() {
            let upload = checkpoints.value(row).parse().ok().map(|checkpoint| Upload {
                record: &records[index],
                device_epoch: epochs.value(row),
                first_seq: first_seqs.value(row),
                received_at_ms: received.value(row),
                checkpoint,
                scans: at(row)..at(row + 1),
            });
            let scanned_at_ms = |upload: &Upload<'_>| moments[upload.scans.clone()].iter().copied();
            match upload {
                Some(upload) if upload.is_possible(scanned_at_ms(&upload)) => uploads.push(upload),
                _ => poison.push((index, DecodeError::Malformed)),
            }
        }
        poison.sort_unstable_by_key(|(index, _)| *index);
        Self { uploads, scans }
    }
}

/// Whether an upload's numbers, times and place can be true. One where they can't is nobody's scans.
fn can_be_true(
    numbers: (i64, usize),
    received_at_ms: i64,
    checkpoint: &AreaCode,
    mut scanned_at_ms: impl Iterator<Item = i64>,
) -> bool {
    let (first_seq, count) = numbers;
    first_seq >= 1
        && i64::try_from(count).is_ok_and(|count| first_seq.checked_add(count).is_some())
        && checkpoint.level() == Level::Checkpoint
        && is_moment(received_at_ms)
        && scanned_at_ms.all(is_moment)
}

impl Possible for ScanUpload {
    fn is_possible(&self) -> bool {
        let scanned_at_ms = self.scans.iter().map(|scan| scan.scanned_at_ms);
        can_be_true((self.first_seq, self.scans.len()), self.received_at_ms, &self.checkpoint, scanned_at_ms)
    }
}

/// A field of scans.
pub(crate) fn field<'s>(scans: &'s StructArray, name: &str) -> &'s ArrayRef {
    scans.column_by_name(name).expect("a field of a scan")
}

/// A field of scans that is a number.
pub(crate) fn primitive<'s, T: ArrowPrimitiveType>(scans: &'s StructArray, name: &str) -> &'s PrimitiveArray<T> {
    field(scans, name).as_primitive()
}
