//! The keys of the vectors, and COSE_Sign1 whose every part can be another than the right one. These private keys are known to
//! everybody.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer as _, SigningKey};
use suikang_schemas::KeyId;
use suikang_schemas::key_list::{KeyEntry, KeyList, Purpose, key_id};

use crate::cbor::{array, bytes, int, map, tagged, text};

/// 27 February 2020, 15:53:20 in Guangzhou.
pub(crate) const NOW_S: i64 = 1_582_790_000;
pub(crate) const DAY_S: i64 = 86_400;

/// Point of small order, the neutral one: with it as a key, or as the first half of a signature, lenient verifiers let anything pass.
pub(crate) const NEUTRAL: [u8; 32] = first_byte(1, 0);
/// The same point, written with a y that is not reduced.
pub(crate) const NEUTRAL_UNREDUCED: [u8; 32] = {
    let mut point = [0xff; 32];
    point[0] = 0xee;
    point[31] = 0x7f;
    point
};

const fn first_byte(first: u8, others: u8) -> [u8; 32] {
    let mut bytes = [others; 32];
    bytes[0] = first;
    bytes
}

/// Whose key it is. The number is each byte of the private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Key {
    City = 1,
    District = 2,
    Revoked = 3,
    Retired = 4,
    Coming = 5,
    SessionToken = 6,
    Bundle = 7,
    Unlisted = 8,
    Root = 9,
    OtherRoot = 10,
}

impl Key {
    pub(crate) fn signing_key(self) -> SigningKey {
        SigningKey::from_bytes(&[self as u8; 32])
    }

    pub(crate) fn public_key(self) -> [u8; 32] {
        self.signing_key().verifying_key().to_bytes()
    }

    pub(crate) fn id(self) -> KeyId {
        key_id(&self.public_key())
    }

    pub(crate) fn sign(self, message: &[u8]) -> [u8; 64] {
        self.signing_key().sign(message).to_bytes()
    }
}

pub(crate) fn entry(public_key: [u8; 32], purpose: Purpose, scope: &str, not_before_s: i64) -> KeyEntry {
    KeyEntry {
        key_id: key_id(&public_key),
        purpose,
        public_key,
        scope: scope.parse().unwrap(),
        not_before_s,
        sign_until_s: not_before_s + 30 * DAY_S,
        not_after_s: not_before_s + 38 * DAY_S,
        revoked_at_s: None,
    }
}

fn list(sequence: i64, entries: Vec<KeyEntry>) -> KeyList {
    KeyList { sequence, issued_at_s: NOW_S - DAY_S, next_update_s: NOW_S + 6 * DAY_S, entries }
}

/// The key lists that vectors are verified with, by name.
pub(crate) fn key_lists() -> BTreeMap<&'static str, KeyList> {
    let of = |key: Key, purpose, scope, not_before_s| entry(key.public_key(), purpose, scope, not_before_s);
    let mut revoked = of(Key::Revoked, Purpose::PassCode, "4401", NOW_S - 10 * DAY_S);
    revoked.revoked_at_s = Some(NOW_S - 3600);
    let city = vec![
        of(Key::City, Purpose::PassCode, "4401", NOW_S - 10 * DAY_S),
        of(Key::District, Purpose::PassCode, "440106", NOW_S - 10 * DAY_S),
        revoked,
        of(Key::Retired, Purpose::PassCode, "4401", NOW_S - 39 * DAY_S),
        of(Key::Coming, Purpose::PassCode, "4401", NOW_S + 2 * DAY_S),
        of(Key::SessionToken, Purpose::SessionToken, "4401", NOW_S - 10 * DAY_S),
        of(Key::Bundle, Purpose::Bundle, "4401", NOW_S - 10 * DAY_S),
    ];
    let weak = [NEUTRAL, NEUTRAL_UNREDUCED]
        .map(|public_key| entry(public_key, Purpose::PassCode, "4401", NOW_S - 10 * DAY_S))
        .to_vec();
    BTreeMap::from([("city", list(4, city)), ("weak", list(5, weak)), ("empty", list(6, Vec::new()))])
}

/// `{1: -8, 4: kid}`.
pub(crate) fn protected(key_id: KeyId) -> Vec<u8> {
    map(&[(int(1), int(-8)), (int(4), bytes(&key_id.0))])
}

/// What is signed.
pub(crate) fn sig_structure(protected: &[u8], aad: &[u8], payload: &[u8]) -> Vec<u8> {
    array(&[text("Signature1"), bytes(protected), bytes(aad), bytes(payload)])
}

/// The four items of a COSE_Sign1, rightly signed, whatever the two contents are.
pub(crate) fn items(key: Key, protected: &[u8], payload: &[u8]) -> [Vec<u8>; 4] {
    items_for(key, protected, b"", payload)
}

/// The same for a purpose that has an `aad`.
pub(crate) fn items_for(key: Key, protected: &[u8], aad: &[u8], payload: &[u8]) -> [Vec<u8>; 4] {
    let signature = key.sign(&sig_structure(protected, aad, payload));
    [bytes(protected), map(&[]), bytes(payload), bytes(&signature)]
}

/// The items, tagged.
pub(crate) fn sign1(items: &[Vec<u8>]) -> Vec<u8> {
    tagged(18, &array(items))
}
