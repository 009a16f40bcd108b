//! What stands in a key list: pure, from the former list and the time. Times are seconds since 1970.

use ed25519_dalek::{Signer, SigningKey};
use suikang_schemas::AreaCode;
use suikang_schemas::key_list::{KeyEntry, KeyList, Purpose, key_id};

const DAY_S: i64 = 24 * 60 * 60;
/// A pass-code key signs for a month, and verifies until the last code that it signed is over, and a day more.
const PASS_CODE_SIGNS_S: i64 = 30 * DAY_S;
const PASS_CODE_LASTS_S: i64 = 8 * DAY_S;
/// The keys of tokens and bundles change once a year.
const OTHERS_SIGN_S: i64 = 365 * DAY_S;
const OTHERS_LAST_S: i64 = 8 * DAY_S;
/// A key is published so long before it signs that every device has heard of it.
const AHEAD_S: i64 = 2 * DAY_S;
/// Rotating is for once a month; who does it late has some days.
const NEXT_UPDATE_S: i64 = 30 * DAY_S;
const DUE_S: i64 = 60 * DAY_S;
/// What ended so long ago needs no entry.
const KEPT_S: i64 = 30 * DAY_S;

/// A key that is needed at once counts from a little before now: clocks differ.
pub(super) const HEAD_START_S: i64 = 300;

/// The list before the first.
pub(super) fn empty(now_s: i64) -> KeyList {
    KeyList { sequence: 1, issued_at_s: now_s, next_update_s: now_s + NEXT_UPDATE_S, entries: Vec::new() }
}

/// The list after this one, without what ended long ago.
pub(super) fn next(list: &KeyList, now_s: i64) -> KeyList {
    let entries = list.entries.iter().filter(|entry| entry.not_after_s > now_s - KEPT_S).cloned().collect();
    KeyList { sequence: list.sequence + 1, entries, ..empty(now_s) }
}

/// An entry for this key from this time on.
pub(super) fn entry(signing_key: &SigningKey, purpose: Purpose, not_before_s: i64) -> KeyEntry {
    let public_key = signing_key.verifying_key().to_bytes();
    let (signs_s, lasts_s) = match purpose {
        Purpose::PassCode => (PASS_CODE_SIGNS_S, PASS_CODE_LASTS_S),
        Purpose::SessionToken | Purpose::Bundle => (OTHERS_SIGN_S, OTHERS_LAST_S),
    };
    KeyEntry {
        key_id: key_id(&public_key),
        purpose,
        public_key,
        scope: city(),
        not_before_s,
        sign_until_s: not_before_s + signs_s,
        not_after_s: not_before_s + signs_s + lasts_s,
        revoked_at_s: None,
    }
}

/// When the next pass-code key begins to sign: two days ahead, but sooner rather than leave a time when none signs.
pub(super) fn next_start_s(list: &KeyList, now_s: i64) -> i64 {
    let covered_until_s = list
        .entries
        .iter()
        .filter(|entry| {
            entry.purpose == Purpose::PassCode && entry.revoked_at_s.is_none() && entry.not_before_s <= now_s
        })
        .map(|entry| entry.sign_until_s)
        .max();
    match covered_until_s {
        Some(until_s) if until_s > now_s => until_s.min(now_s + AHEAD_S),
        _ => now_s - HEAD_START_S,
    }
}

/// Whether the last key of a purpose ends soon.
pub(super) fn is_due(list: &KeyList, purpose: Purpose, now_s: i64) -> bool {
    !list
        .entries
        .iter()
        .any(|entry| entry.purpose == purpose && entry.revoked_at_s.is_none() && entry.sign_until_s > now_s + DUE_S)
}

/// The list as the root signs it.
pub(super) fn signed(list: &KeyList, root: &SigningKey) -> Vec<u8> {
    list.sign(root.verifying_key().as_bytes(), |bytes| root.sign(bytes).to_bytes())
}

/// Keys made here hold for the whole city.
fn city() -> AreaCode {
    "4401".parse().expect("four digits are a city")
}
