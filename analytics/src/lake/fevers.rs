//! For tests: uploads of ten scans each, all with a fever.

use suikang_schemas::decide::Verdict;
use suikang_schemas::scan::{Direction, Scan, ScanUpload, Shown};
use suikang_schemas::{Topic, avro};
use suikang_stream::Record;

/// The upload at this offset, so many days after 27 February 2020; every other scan is an entry.
pub(super) fn upload(offset: i64, day: i64) -> Record {
    let scan = |n: i64| Scan {
        scanned_at_ms: 1_582_781_445_123 + day * 86_400_000 + n * 1_000,
        direction: if n % 2 == 0 { Direction::Entry } else { Direction::Exit },
        shown: Shown::Screen,
        verdict: Verdict::Refer,
        reasons: vec!["fever".to_owned()],
        code_id: None,
        status: None,
        temperature_tenths_celsius: Some(380),
        vehicle: None,
        offline: false,
    };
    let upload = ScanUpload {
        device_epoch: 7,
        first_seq: offset * 10 + 1,
        received_at_ms: 1_583_000_000_000,
        checkpoint: "440106001003-001-01".parse().unwrap(),
        scans: (0..10).map(scan).collect(),
    };
    let payload = avro::encode(&upload);
    Record { topic: Topic::Scans, kafka_partition: 0, offset, record_key: Vec::new(), payload, time_ms: 0 }
}
