//! Fuzzes the target of this name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use suikang_fuzz::city;
use suikang_fuzz::targets::declaration;

fuzz_target!(
    init: {
        // The city is built before the first input, so that none is slow for it.
        city::with(|_| ());
    },
    |body: &[u8]| declaration::check(body)
);
