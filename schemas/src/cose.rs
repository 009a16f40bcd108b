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

use ciborium::Value;
use coset::{CborSerializable as _, CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable as _, iana};
use ed25519_dalek::{Signature, VerifyingKey};

use crate::ids::KeyId;

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
    sign1: CoseSign1,
}

/// Signs a payload. `sign` gets the bytes to be signed and may hold the private key wherever it likes.
pub fn sign1(key_id: KeyId, payload: &Value, aad: &[u8], sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Vec<u8> {
    let protected = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(key_id.0.to_vec()).build();
    CoseSign1Builder::new()
        .protected(protected)
        .payload(to_cbor(payload))
        .create_signature(aad, |to_be_signed| sign(to_be_signed).to_vec())
        .build()
        .to_tagged_vec()
        .expect("values of our own making encode")
}

/// Reads bytes that [`sign1`] could have made.
///
/// # Errors
/// [`Malformed`] for everything else.
pub fn open(bytes: &[u8]) -> Result<Unverified, Malformed> {
    let sign1 = CoseSign1::from_tagged_slice(bytes).map_err(|_| Malformed)?;
    let key_id = KeyId::from_slice(&sign1.protected.header.key_id).ok_or(Malformed)?;
    let payload = from_canonical(sign1.payload.as_deref().ok_or(Malformed)?)?;
    // Rebuilt from what was understood: anything that was not (headers, lengths, order) shows as a difference.
    let signature = sign1.signature.clone().try_into().map_err(|_| Malformed)?;
    let rebuilt = self::sign1(key_id, &payload, &[], |_| signature);
    if rebuilt == bytes { Ok(Unverified { key_id, payload, sign1 }) } else { Err(Malformed) }
}

impl Unverified {
    /// Checks the signature strictly: malleable signatures and weak keys count as forged.
    ///
    /// # Errors
    /// [`Forged`].
    pub fn verify(&self, public_key: &[u8; 32], aad: &[u8]) -> Result<(), Forged> {
        let public_key = VerifyingKey::from_bytes(public_key).map_err(|_| Forged)?;
        self.sign1.verify_signature(aad, |signature, signed| {
            let signature = Signature::from_slice(signature).map_err(|_| Forged)?;
            public_key.verify_strict(signed, &signature).map_err(|_| Forged)
        })
    }
}

fn to_cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("writing to memory does not fail");
    bytes
}

fn from_canonical(bytes: &[u8]) -> Result<Value, Malformed> {
    let value = Value::from_slice(bytes).map_err(|_| Malformed)?;
    if is_canonical(&value, MAX_DEPTH) && to_cbor(&value) == bytes { Ok(value) } else { Err(Malformed) }
}

/// Map keys ascend, each once; numbers are whole. Lengths and shortest forms show when the value is encoded again.
fn is_canonical(value: &Value, levels: usize) -> bool {
    match value {
        Value::Map(_) | Value::Array(_) if levels == 0 => false,
        Value::Map(entries) => {
            entries.windows(2).all(|pair| to_cbor(&pair[0].0) < to_cbor(&pair[1].0))
                && entries.iter().all(|(key, value)| is_canonical(key, levels - 1) && is_canonical(value, levels - 1))
        }
        Value::Array(items) => items.iter().all(|item| is_canonical(item, levels - 1)),
        Value::Float(_) | Value::Tag(..) => false,
        _ => true,
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
