//! Uploads become a row per scan.

use arrow::array::{BooleanArray, RecordBatch};
use suikang_schemas::area::Level;
use suikang_schemas::avro::DecodeError;
use suikang_schemas::scan::{Direction, Scan, ScanUpload, Shown};
use suikang_stream::Record;

use super::columns::{Columns, Possible, decoded, is_moment};
use crate::pseudonym::LakeSecret;
use crate::seen::SeenNumbers;
use crate::tables::Table;

impl Possible for ScanUpload {
    /// One whose numbers, times or place can't be true is nobody's scans, and set aside.
    fn is_possible(&self) -> bool {
        let count = i64::try_from(self.scans.len()).unwrap_or(i64::MAX);
        self.first_seq >= 1
            && self.first_seq.checked_add(count).is_some()
            && self.checkpoint.level() == Level::Checkpoint
            && is_moment(self.received_at_ms)
            && self.scans.iter().all(|scan| is_moment(scan.scanned_at_ms))
    }
}

pub(super) fn rows(
    records: &[Record],
    seen: &mut SeenNumbers,
    secret: &LakeSecret,
    poison: &mut Vec<(usize, DecodeError)>,
) -> RecordBatch {
    let uploads = decoded::<ScanUpload>(records, poison);
    let mut rows = Vec::new();
    for (record, upload) in &uploads {
        for (seq, scan) in new_scans(upload, seen) {
            rows.push((*record, upload, seq, scan));
        }
    }
    Columns::default()
        .when_and_where(rows.iter().map(|(_, upload, _, scan)| (scan.scanned_at_ms, &upload.checkpoint)))
        .numbers(rows.iter().map(|(_, upload, ..)| upload.device_epoch))
        .numbers(rows.iter().map(|(_, _, seq, _)| *seq))
        .times(rows.iter().map(|(_, upload, ..)| Some(upload.received_at_ms)))
        .texts(rows.iter().map(|(_, upload, ..)| Some(upload.checkpoint.as_str())))
        .texts(rows.iter().map(|(.., scan)| Some(direction(scan))))
        .texts(rows.iter().map(|(.., scan)| Some(shown(scan))))
        .texts(rows.iter().map(|(.., scan)| Some(scan.verdict.as_str())))
        .words(rows.iter().map(|(.., scan)| Some(&scan.reasons)))
        .optional_numbers(rows.iter().map(|(.., scan)| scan.code_id.map(|code_id| secret.code_ref(&code_id))))
        .texts(rows.iter().map(|(.., scan)| scan.status.map(|status| status.as_str())))
        .integers(rows.iter().map(|(.., scan)| scan.temperature_tenths_celsius))
        .optional_numbers(rows.iter().map(|(.., scan)| scan.vehicle.map(|vehicle| vehicle.group)))
        .optional_numbers(rows.iter().map(|(.., scan)| scan.vehicle.map(|v| secret.plate_ref(v.plate_hash))))
        .integers(rows.iter().map(|(.., scan)| scan.vehicle.map(|vehicle| vehicle.heads)))
        .push(BooleanArray::from_iter(rows.iter().map(|(.., scan)| Some(scan.offline))))
        .positions(rows.iter().map(|(record, ..)| *record))
        .batch(Table::Scans)
}

/// The scans of an upload that were not seen before, with their numbers; they are now.
fn new_scans<'u>(upload: &'u ScanUpload, seen: &mut SeenNumbers) -> impl Iterator<Item = (i64, &'u Scan)> {
    let last = upload.first_seq - 1 + i64::try_from(upload.scans.len()).unwrap_or_default();
    let new = seen.insert_all(upload.device_epoch, upload.first_seq, last);
    new.into_iter().flat_map(|(first, last)| first..=last).filter_map(|seq| {
        let index = usize::try_from(seq - upload.first_seq).ok()?;
        Some((seq, upload.scans.get(index)?))
    })
}

fn direction(scan: &Scan) -> &'static str {
    match scan.direction {
        Direction::Entry => "entry",
        Direction::Exit => "exit",
    }
}

fn shown(scan: &Scan) -> &'static str {
    match scan.shown {
        Shown::Screen => "screen",
        Shown::Paper => "paper",
        Shown::Companion => "companion",
        Shown::None => "none",
    }
}
