//! Fuzzes the target of this name; besides what it claims, reading takes no more memory than the bytes allow for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;
use suikang_fuzz::records::GOLDEN;
use suikang_fuzz::targets::avro;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// A scan of ten bytes becomes a struct of some 150, in a list that doubles as it grows.
const MOST_BYTES_PER_BYTE: usize = 64;
/// For what any record takes: columns make room for a few rows, whatever is in them.
const MOST_BYTES: usize = 1024 * 1024;

fuzz_target!(
    init: {
        // Schemas are parsed once; that is no record's doing.
        GOLDEN.into_iter().for_each(avro::check);
    },
    |payload: &[u8]| {
        ALLOCATOR.reset_peak_usage();
        let before_bytes = ALLOCATOR.current_usage();
        avro::check(payload);
        let held_bytes = ALLOCATOR.peak_usage().saturating_sub(before_bytes);
        let allowed_bytes = MOST_BYTES + MOST_BYTES_PER_BYTE * payload.len();
        assert!(held_bytes <= allowed_bytes, "{held_bytes} bytes of memory for a record of {}", payload.len());
    }
);
