//! An upload's Avro body, written field by field in the order of `scan_upload.v1.avsc`: scans are nearly all that is ever written, and the
//! library looks up by name what is known here. A test holds both ways equal to the byte.
//!
//! ```text
//! long      zigzag, then 7 bits a byte, the lowest first, all but the last with the top bit set
//! string    its bytes as a long, then these
//! array     how many as a long, then each of them; 0 ends it
//! union     0 for null, or 1 and the value
//! ```

use super::{Scan, ScanUpload, Vehicle};

/// A scan's bytes where nothing is unusual, and those before the first.
const SCAN_BYTES: usize = 40;
const HEAD_BYTES: usize = 64;

/// Appends the upload.
pub(super) fn put_upload(bytes: &mut Vec<u8>, upload: &ScanUpload) {
    bytes.reserve(HEAD_BYTES + SCAN_BYTES * upload.scans.len());
    put_long(bytes, upload.device_epoch);
    put_long(bytes, upload.first_seq);
    put_long(bytes, upload.received_at_ms);
    put_text(bytes, upload.checkpoint.as_str());
    put_array(bytes, &upload.scans, put_scan);
}

fn put_scan(bytes: &mut Vec<u8>, scan: &Scan) {
    put_long(bytes, scan.scanned_at_ms);
    // The variants stand in the order of the schema's symbols.
    put_long(bytes, scan.direction as i64);
    put_long(bytes, scan.shown as i64);
    put_long(bytes, scan.verdict as i64);
    put_array(bytes, &scan.reasons, |bytes, reason| put_text(bytes, reason));
    put_option(bytes, scan.code_id, |bytes, code_id| bytes.extend_from_slice(&code_id.0));
    put_option(bytes, scan.status, |bytes, status| put_long(bytes, status as i64));
    put_option(bytes, scan.temperature_tenths_celsius, |bytes, tenths| put_long(bytes, tenths.into()));
    put_option(bytes, scan.vehicle, |bytes, Vehicle { group, plate_hash, heads }| {
        put_long(bytes, group);
        put_long(bytes, plate_hash);
        put_long(bytes, heads.into());
    });
    bytes.push(scan.offline.into());
}

fn put_long(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest > 0x7f {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_count(bytes, text.len());
    bytes.extend_from_slice(text.as_bytes());
}

fn put_array<T>(bytes: &mut Vec<u8>, items: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    if !items.is_empty() {
        put_count(bytes, items.len());
        items.iter().for_each(|item| put(bytes, item));
    }
    bytes.push(0);
}

fn put_option<T>(bytes: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    // The second branch of the union, as a long.
    bytes.push(if value.is_some() { 2 } else { 0 });
    if let Some(value) = value {
        put(bytes, value);
    }
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    put_long(bytes, i64::try_from(count).expect("memory holds no more bytes than an i64 counts"));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::avro;
    use crate::decide::Verdict;
    use crate::ids::CodeId;
    use crate::scan::{Direction, Shown};
    use crate::status::Status;

    prop_compose! {
        fn vehicle()(group in any::<i64>(), plate_hash in any::<i64>(), heads in any::<i32>()) -> Vehicle {
            Vehicle { group, plate_hash, heads }
        }
    }

    prop_compose! {
        fn scan()(
            scanned_at_ms in any::<i64>(),
            direction in prop::sample::select(vec![Direction::Entry, Direction::Exit]),
            shown in prop::sample::select(vec![Shown::Screen, Shown::Paper, Shown::Companion, Shown::None]),
            verdict in prop::sample::select(Verdict::ALL.to_vec()),
            reasons in prop::collection::vec(".{0,70}", 0..3),
            code_id in any::<Option<[u8; 16]>>(),
            status in prop::option::of(prop::sample::select(Status::ALL.to_vec())),
            temperature_tenths_celsius in any::<Option<i32>>(),
            vehicle in prop::option::of(vehicle()),
            offline in any::<bool>(),
        ) -> Scan {
            let code_id = code_id.map(CodeId);
            Scan { scanned_at_ms, direction, shown, verdict, reasons, code_id, status, temperature_tenths_celsius, vehicle, offline }
        }
    }

    proptest! {
        #[test]
        fn by_hand_and_by_the_library_it_is_the_same(
            device_epoch in any::<i64>(),
            first_seq in any::<i64>(),
            received_at_ms in any::<i64>(),
            scans in prop::collection::vec(scan(), 0..4),
        ) {
            let checkpoint = "440106001003-001-01".parse().unwrap();
            let upload = ScanUpload { device_epoch, first_seq, received_at_ms, checkpoint, scans };
            let (mut by_hand, mut by_library) = (Vec::new(), Vec::new());
            put_upload(&mut by_hand, &upload);
            avro::put_by_schema(&mut by_library, &upload);
            prop_assert_eq!(by_hand, by_library);
            prop_assert_eq!(avro::decode(&avro::encode(&upload)), Ok(upload));
        }
    }
}
