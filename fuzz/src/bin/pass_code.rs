//! Fuzzes the target of this name, with changes that get past the outermost layer.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use suikang_fuzz::targets::pass_code::{self, bytes_of};
use suikang_schemas::pass_code::to_text;

/// Tag, header and key id; no unprotected header; what comes next is the payload's length.
const BEFORE_PAYLOAD: usize = 17;
/// Its length and 64 bytes.
const SIGNATURE: usize = 66;

fuzz_target!(|data: &[u8]| pass_code::check(data));

// Changed letters of Base45 change nearly every bit behind them, and nearly nothing gets past the outermost layer. So changes are made
// to the bytes as well, and to the payload alone with its length put right.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let bytes = std::str::from_utf8(&data[..size]).ok().and_then(bytes_of);
    let changed = bytes.and_then(|bytes| match seed % 4 {
        0 => None,
        1 => Some(mutated(bytes, max_size)),
        _ => with_other_payload(&bytes, max_size),
    });
    match changed.map(|bytes| to_text(&bytes)).filter(|text| text.len() <= max_size) {
        Some(text) => {
            data[..text.len()].copy_from_slice(text.as_bytes());
            text.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});

fn mutated(mut bytes: Vec<u8>, max_size: usize) -> Vec<u8> {
    let size = bytes.len();
    bytes.resize(max_size.max(size), 0);
    let new_size = fuzzer_mutate(&mut bytes, size, max_size.max(size));
    bytes.truncate(new_size);
    bytes
}

fn with_other_payload(bytes: &[u8], max_size: usize) -> Option<Vec<u8>> {
    let (rest, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE)?)?;
    let (before, payload) = rest.split_at_checked(BEFORE_PAYLOAD)?;
    let payload = match payload {
        [0x40..=0x57, payload @ ..] | [0x58, _, payload @ ..] | [0x59, _, _, payload @ ..] => payload,
        _ => return None,
    };
    let payload = mutated(payload.to_vec(), max_size);
    let length = match u16::try_from(payload.len()).ok()?.to_be_bytes() {
        [0, length @ 0..24] => vec![0x40 | length],
        [0, length] => vec![0x58, length],
        [high, low] => vec![0x59, high, low],
    };
    Some([before, &length, &payload, signature].concat())
}
