//! Any bytes as a record of the log: reading never panics and takes no more memory than the bytes allow for; what is read is written and read
//! again as the same; and what the structs take, the columns take.

#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;
use suikang_fuzz::records::GOLDEN;
use suikang_schemas::audit::AuditEntry;
use suikang_schemas::avro::{self, Event};
use suikang_schemas::columns;
use suikang_schemas::dead_letter::DeadLetter;
use suikang_schemas::declaration::Declaration;
use suikang_schemas::outcome::Outcome;
use suikang_schemas::registry_event::RegistryEvent;
use suikang_schemas::scan::ScanUpload;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// A scan of ten bytes becomes a struct of some 150, in a list that doubles as it grows.
const MOST_BYTES_PER_BYTE: usize = 64;
/// For what any record takes: columns make room for a few rows, whatever is in them.
const MOST_BYTES: usize = 1024 * 1024;

fuzz_target!(
    init: {
        // Schemas are parsed once; that is no record's doing.
        GOLDEN.into_iter().for_each(read);
    },
    |payload: &[u8]| {
        ALLOCATOR.reset_peak_usage();
        let before_bytes = ALLOCATOR.current_usage();
        read(payload);
        let held_bytes = ALLOCATOR.peak_usage().saturating_sub(before_bytes);
        let allowed_bytes = MOST_BYTES + MOST_BYTES_PER_BYTE * payload.len();
        assert!(held_bytes <= allowed_bytes, "{held_bytes} bytes of memory for a record of {}", payload.len());
    }
);

fn read(payload: &[u8]) {
    match avro::event_name(payload) {
        Ok(AuditEntry::NAME) => decode::<AuditEntry>(payload, true),
        Ok(DeadLetter::NAME) => decode::<DeadLetter>(payload, true),
        Ok(Declaration::NAME) => decode::<Declaration>(payload, true),
        Ok(Outcome::NAME) => decode::<Outcome>(payload, true),
        Ok(ScanUpload::NAME) => decode::<ScanUpload>(payload, true),
        // Nothing reads the registry as columns.
        Ok(RegistryEvent::NAME) => decode::<RegistryEvent>(payload, false),
        Ok(name) => panic!("{name} is an event that nothing here reads"),
        Err(error) => assert_eq!(avro::decode::<ScanUpload>(payload), Err(error)),
    }
}

fn decode<E: Event + PartialEq + Debug>(payload: &[u8], as_columns: bool) {
    let decoded = avro::decode::<E>(payload);
    if let Ok(event) = &decoded {
        let again = avro::decode::<E>(&avro::encode(event));
        assert_eq!(again.as_ref(), Ok(event), "written and read again");
    }
    if as_columns {
        let columns = columns::decode::<E>(&[payload]).expect("one row is within every limit of Arrow");
        assert!(decoded.is_err() || columns.poison.is_empty(), "the structs take it, the columns don't");
        assert_eq!(columns.batch.num_rows() + columns.poison.len(), 1);
    }
}
