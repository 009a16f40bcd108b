//! COSE_Sign1 (RFC 9052) in its one canonical form, signed with Ed25519 (RFC 8032).
//!
//! ```text
//! 18([ << {1: -8, 4: kid} >>, {}, payload, signature ])
//!  D2 84  4D A2 01 27 04 48 ·8 bytes·  A0  58 .. ·payload·  58 40 ·64 bytes·
//! ```
//! What is signed is the Sig_structure `["Signature1", protected, aad, payload]`. The `aad` says what the bytes are for, so that a signature
//! made for one purpose proves nothing for another; pass codes have none, which is what every verifier in the world expects.
//!
//! Decoding accepts exactly the bytes that encoding makes: no other tag, header, length or order (RFC 8949, 4.2.1). Payloads hold no
//! floats, tags or undefined values, and nest [`MAX_DEPTH`] deep at most. `vectors/README.md` says all of it for other implementations.

use std::cell::Cell;

use ciborium::Value;
use ed25519_dalek::{Signature, VerifyingKey};

use crate::ids::KeyId;

/// Tag, array of four, protected header of 13 bytes: EdDSA, and a key id of 8 bytes, which follows.
const HEAD: [u8; 8] = [0xD2, 0x84, 0x4D, 0xA2, 0x01, 0x27, 0x04, 0x48];
/// No unprotected header.
const UNPROTECTED: [u8; 1] = [0xA0];
/// A byte string of 64 bytes.
const SIGNATURE: [u8; 2] = [0x58, 0x40];

/// How many lists and maps of a payload may lie in each other.
pub const MAX_DEPTH: usize = 8;

/// Bytes that are not a COSE_Sign1 in canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a canonical COSE_Sign1")]
pub struct Malformed;

/// A signature that is not the key's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not of this key")]
pub struct Forged;

/// Bytes in canonical form, whose signature has not been checked.
#[derive(Debug, Clone)]
pub struct Unverified {
    /// The key that the bytes name.
    pub key_id: KeyId,
    /// The payload, canonical CBOR.
    pub payload: Value,
    payload_bytes: Vec<u8>,
    signature: [u8; 64],
}

/// Signs a payload. `sign` gets the bytes to be signed and may hold the private key wherever it likes.
pub fn sign1(key_id: KeyId, payload: &Value, aad: &[u8], sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Vec<u8> {
    let payload = to_cbor(payload);
    let signature = sign(&to_be_signed(key_id, &payload, aad));
    let mut bytes = Vec::with_capacity(HEAD.len() + payload.len() + 80);
    bytes.extend(HEAD);
    bytes.extend(key_id.0);
    bytes.extend(UNPROTECTED);
    put_bytes(&mut bytes, &payload);
    bytes.extend(SIGNATURE);
    bytes.extend(signature);
    bytes
}

/// Reads bytes that [`sign1`] could have made.
///
/// # Errors
/// [`Malformed`] for everything else.
pub fn open(bytes: &[u8]) -> Result<Unverified, Malformed> {
    let rest = bytes.strip_prefix(&HEAD).ok_or(Malformed)?;
    let (key_id, rest) = rest.split_first_chunk().ok_or(Malformed)?;
    let (payload, rest) = take_bytes(rest.strip_prefix(&UNPROTECTED).ok_or(Malformed)?).ok_or(Malformed)?;
    let signature = rest.strip_prefix(&SIGNATURE).ok_or(Malformed)?.try_into().map_err(|_| Malformed)?;
    Ok(Unverified {
        key_id: KeyId(*key_id),
        payload: from_canonical(payload)?,
        payload_bytes: payload.to_owned(),
        signature,
    })
}

/// The Sig_structure.
fn to_be_signed(key_id: KeyId, payload: &[u8], aad: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + aad.len() + 40);
    bytes.extend(b"\x84\x6ASignature1");
    bytes.extend(&HEAD[2..]);
    bytes.extend(key_id.0);
    put_bytes(&mut bytes, aad);
    put_bytes(&mut bytes, payload);
    bytes
}

/// Writes a CBOR byte string in its shortest form.
fn put_bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    let length = bytes.len();
    match (u8::try_from(length), u16::try_from(length), u32::try_from(length)) {
        (Ok(length @ 0..24), ..) => into.push(0x40 | length),
        (Ok(length), ..) => into.extend([0x58, length]),
        (_, Ok(length), _) => {
            into.push(0x59);
            into.extend(length.to_be_bytes());
        }
        (.., length) => {
            into.push(0x5A);
            into.extend(length.expect("less than 4 GiB").to_be_bytes());
        }
    }
    into.extend(bytes);
}

/// Takes a CBOR byte string in its shortest form off the front.
fn take_bytes(from: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&head, rest) = from.split_first()?;
    let (least, length, rest) = match head {
        0x40..=0x57 => (0, usize::from(head - 0x40), rest),
        0x58 => rest.split_first().map(|(&length, rest)| (24, usize::from(length), rest))?,
        0x59 => {
            rest.split_first_chunk().map(|(length, rest)| (1 << 8, usize::from(u16::from_be_bytes(*length)), rest))?
        }
        0x5A => {
            let (length, rest) = rest.split_first_chunk()?;
            (1 << 16, usize::try_from(u32::from_be_bytes(*length)).ok()?, rest)
        }
        _ => return None,
    };
    if length < least { None } else { rest.split_at_checked(length) }
}

impl Unverified {
    /// Checks the signature strictly: malleable signatures and weak keys count as forged.
    ///
    /// # Errors
    /// [`Forged`].
    pub fn verify(&self, public_key: &[u8; 32], aad: &[u8]) -> Result<(), Forged> {
        let public_key = decompressed(public_key).ok_or(Forged)?;
        let signature = Signature::from_bytes(&self.signature);
        let signed = to_be_signed(self.key_id, &self.payload_bytes, aad);
        public_key.verify_strict(&signed, &signature).map_err(|_| Forged)
    }
}

/// The key as a point. Nearly all codes of a city have one key, and finding its point takes a tenth of verifying: each thread keeps the last.
fn decompressed(public_key: &[u8; 32]) -> Option<VerifyingKey> {
    thread_local! {
        static LAST: Cell<Option<VerifyingKey>> = const { Cell::new(None) };
    }
    if let Some(last) = LAST.get().filter(|last| last.as_bytes() == public_key) {
        return Some(last);
    }
    let key = VerifyingKey::from_bytes(public_key).ok()?;
    LAST.set(Some(key));
    Some(key)
}

fn to_cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("writing to memory does not fail");
    bytes
}

fn from_canonical(bytes: &[u8]) -> Result<Value, Malformed> {
    let value = ciborium::from_reader(bytes).map_err(|_| Malformed)?;
    if is_canonical(&value, MAX_DEPTH) && to_cbor(&value) == bytes { Ok(value) } else { Err(Malformed) }
}

/// Map keys ascend, each once; numbers are whole. Lengths and shortest forms show when the value is encoded again.
fn is_canonical(value: &Value, levels: usize) -> bool {
    match value {
        Value::Map(_) | Value::Array(_) if levels == 0 => false,
        Value::Map(entries) => {
            entries.windows(2).all(|pair| comes_before(&pair[0].0, &pair[1].0))
                && entries.iter().all(|(key, value)| is_canonical(key, levels - 1) && is_canonical(value, levels - 1))
        }
        Value::Array(items) => items.iter().all(|item| is_canonical(item, levels - 1)),
        Value::Float(_) | Value::Tag(..) => false,
        _ => true,
    }
}

/// By their bytes. Of whole numbers that is: those that aren't negative first, then the smaller from zero.
fn comes_before(a: &Value, b: &Value) -> bool {
    let order = |number: ciborium::value::Integer| {
        let number = i128::from(number);
        (number < 0, number.unsigned_abs())
    };
    match (a.as_integer(), b.as_integer()) {
        (Some(a), Some(b)) => order(a) < order(b),
        _ => to_cbor(a) < to_cbor(b),
    }
}

/// A claim set that is read by its integer keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claims<'a>(&'a [(Value, Value)]);

impl<'a> Claims<'a> {
    pub(crate) fn of(value: &'a Value) -> Result<Self, Malformed> {
        value.as_map().map(|entries| Self(entries)).ok_or(Malformed)
    }

    pub(crate) fn find(self, key: i64) -> Option<&'a Value> {
        self.0.iter().find(|(name, _)| name.as_integer() == Some(key.into())).map(|(_, value)| value)
    }

    pub(crate) fn integer(self, key: i64) -> Result<i64, Malformed> {
        let integer = self.find(key).and_then(Value::as_integer).ok_or(Malformed)?;
        integer.try_into().map_err(|_| Malformed)
    }

    pub(crate) fn text(self, key: i64) -> Result<&'a str, Malformed> {
        self.find(key).and_then(Value::as_text).ok_or(Malformed)
    }

    pub(crate) fn bytes<const N: usize>(self, key: i64) -> Result<[u8; N], Malformed> {
        let bytes = self.find(key).and_then(Value::as_bytes).ok_or(Malformed)?;
        bytes.as_slice().try_into().map_err(|_| Malformed)
    }
}

/// A CBOR map with integer keys, in the order given, which must be canonical.
pub(crate) fn map(entries: impl IntoIterator<Item = (i64, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;

    use super::*;

    fn signed(aad: &[u8]) -> (Vec<u8>, [u8; 32]) {
        let key = SigningKey::from_bytes(&[5; 32]);
        let payload = map([(4, 1.into()), (6, Value::Text("x".into()))]);
        let bytes = sign1(KeyId([9; 8]), &payload, aad, |bytes| key.sign(bytes).to_bytes());
        (bytes, key.verifying_key().to_bytes())
    }

    #[test]
    fn what_is_signed_verifies_for_its_purpose_alone() {
        let (bytes, public_key) = signed(b"tokens");
        let opened = open(&bytes).unwrap();
        assert_eq!(opened.key_id, KeyId([9; 8]));
        assert_eq!(opened.verify(&public_key, b"tokens"), Ok(()));
        assert_eq!(opened.verify(&public_key, b""), Err(Forged));
        assert_eq!(opened.verify(&[0; 32], b"tokens"), Err(Forged));
    }

    #[test]
    fn another_library_reads_what_is_signed() {
        use coset::{CoseSign1, TaggedCborSerializable as _};
        for length in [0, 1, 23, 24, 200, 255, 256, 70_000] {
            let key = SigningKey::from_bytes(&[5; 32]);
            let payload = Value::Bytes(vec![3; length]);
            let bytes = sign1(KeyId([9; 8]), &payload, b"for", |bytes| key.sign(bytes).to_bytes());
            assert_eq!(open(&bytes).unwrap().payload, payload);
            let read = CoseSign1::from_tagged_slice(&bytes).unwrap();
            assert_eq!(read.protected.header.key_id, [9; 8]);
            read.verify_signature(b"for", |signature, signed| {
                key.verifying_key().verify_strict(signed, &Signature::from_slice(signature).unwrap())
            })
            .unwrap();
            assert_eq!(read.to_tagged_vec().unwrap(), bytes);
        }
    }

    #[test]
    fn no_single_bit_may_change() {
        let (bytes, public_key) = signed(b"");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let accepted = open(&changed)
                .is_ok_and(|opened| opened.key_id == KeyId([9; 8]) && opened.verify(&public_key, b"").is_ok());
            assert!(!accepted, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_none_are_read_in_two_ways(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = open(&bytes);
            let (signed, _) = signed(b"");
            prop_assert!(open(&[signed.as_slice(), &bytes].concat()).is_err() || bytes.is_empty());
        }
    }
}
