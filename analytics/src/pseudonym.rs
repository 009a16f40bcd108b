//! Pseudonyms: keyed hashes in place of subjects, codes and plates. Whoever has the lake and not its secret can count, join, and name nobody.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use suikang_schemas::{CodeId, Subject};

/// The key of the lake's pseudonyms, and the hash that has taken it already: each pseudonym begins with a copy.
#[derive(Clone)]
pub struct LakeSecret(Hmac<Sha256>);

impl LakeSecret {
    /// The secret in these bytes.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(Hmac::new_from_slice(&secret).expect("an HMAC key may have any length"))
    }

    /// Of a person.
    pub fn subject_ref(&self, subject: &Subject) -> i64 {
        self.reference(b"subject", &subject.0)
    }

    /// Of a code.
    pub fn code_ref(&self, code_id: &CodeId) -> i64 {
        self.reference(b"code", &code_id.0)
    }

    /// Of a plate, from the hash that the door made.
    pub fn plate_ref(&self, plate_hash: i64) -> i64 {
        self.reference(b"plate", &plate_hash.to_be_bytes())
    }

    /// The first 8 bytes of HMAC-SHA-256(secret, purpose ‖ id).
    fn reference(&self, purpose: &[u8], id: &[u8]) -> i64 {
        let mut mac = self.0.clone();
        mac.update(purpose);
        mac.update(id);
        let hash = mac.finalize().into_bytes();
        i64::from_be_bytes(std::array::from_fn(|at| hash[at]))
    }
}

impl fmt::Debug for LakeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LakeSecret(…)")
    }
}
