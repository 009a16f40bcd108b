//! The key list: which public keys a verifier trusts, for what, where and when. Signed by an offline root.
//!
//! ```text
//! COSE_Sign1, aad "suikang key list", payload
//! {1: sequence, 2: issued at, 3: next update, 4: [entry, …]}
//! entry = {1: key id, 2: algorithm (-8), 3: purpose, 4: public key, 5: scope, 6: not before, 7: sign until, 8: not after, ? 9: revoked at}
//! ```
//! Times are whole seconds since 1970. A verifier keeps the list with the greatest sequence number it has seen, and refuses one that drops a
//! key in use without saying that it is revoked: a list that forgets can't take keys away in silence.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use sha2::{Digest as _, Sha256};

use crate::area::AreaCode;
use crate::cose::{self, Claims, Malformed, map};
use crate::ids::KeyId;

/// What the root's signature is over, besides the list.
const AAD: &[u8] = b"suikang key list";
/// EdDSA, in COSE's registry. The only algorithm.
const EDDSA: i64 = -8;

/// Keys that may be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyList {
    /// Greater than that of every list before.
    pub sequence: i64,
    /// Seconds since 1970.
    pub issued_at_s: i64,
    /// When a newer list is due, in seconds since 1970.
    pub next_update_s: i64,
    /// The keys.
    pub entries: Vec<KeyEntry>,
}

/// One key, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// The first 8 bytes of the SHA-256 of the public key.
    pub key_id: KeyId,
    /// The one thing it is for.
    pub purpose: Purpose,
    /// Ed25519.
    pub public_key: [u8; 32],
    /// Where what it signs is valid.
    pub scope: AreaCode,
    /// From when on it signs and verifies, in seconds since 1970.
    pub not_before_s: i64,
    /// Until when it signs, in seconds since 1970.
    pub sign_until_s: i64,
    /// Until when it verifies, in seconds since 1970.
    pub not_after_s: i64,
    /// Since when it counts for nothing, in seconds since 1970.
    pub revoked_at_s: Option<i64>,
}

/// What a key is for; it is for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Signs pass codes.
    PassCode,
    /// Signs session tokens.
    SessionToken,
    /// Signs bundles for checkpoints.
    Bundle,
}

/// Why a list does not replace the one in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyListError {
    /// Not a key list in canonical form.
    #[error("not a key list")]
    Malformed,
    /// Not signed by the root.
    #[error("not signed by the root key")]
    Forged,
    /// The one in force is as new or newer.
    #[error("the list in force is as new or newer")]
    Older,
    /// A key that still verifies is missing, or no longer revoked, or has become another.
    #[error("a key in use is dropped or changed without being revoked")]
    DropsKeyInUse,
}

/// Why a key may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRefusal {
    /// Not in the list, or for another purpose.
    Unknown,
    /// Taken out of use.
    Revoked,
    /// Its time has not come.
    NotYetValid,
    /// Its time is over.
    Expired,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Purpose; 3] = [Purpose::PassCode, Purpose::SessionToken, Purpose::Bundle];

    /// The word in the list.
    pub const fn as_str(self) -> &'static str {
        match self {
            Purpose::PassCode => "pass-code",
            Purpose::SessionToken => "session-token",
            Purpose::Bundle => "bundle",
        }
    }
}

/// The id of a public key.
pub fn key_id(public_key: &[u8; 32]) -> KeyId {
    let hash = Sha256::digest(public_key);
    KeyId(std::array::from_fn(|at| hash[at]))
}

impl KeyList {
    /// The list as signed bytes.
    pub fn sign(&self, root_public_key: &[u8; 32], sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Vec<u8> {
        let entries = self.entries.iter().map(KeyEntry::to_value).collect();
        let payload = map([
            (1, self.sequence.into()),
            (2, self.issued_at_s.into()),
            (3, self.next_update_s.into()),
            (4, Value::Array(entries)),
        ]);
        cose::sign1(key_id(root_public_key), &payload, AAD, sign)
    }

    /// The list in these bytes, if the root signed them.
    ///
    /// # Errors
    /// [`KeyListError::Malformed`] and [`KeyListError::Forged`].
    pub fn verify(bytes: &[u8], root_public_key: &[u8; 32]) -> Result<Self, KeyListError> {
        let opened = cose::open(bytes).map_err(|_| KeyListError::Malformed)?;
        if opened.key_id != key_id(root_public_key) {
            return Err(KeyListError::Forged);
        }
        opened.verify(root_public_key, AAD).map_err(|_| KeyListError::Forged)?;
        Self::from_value(&opened.payload).map_err(|_| KeyListError::Malformed)
    }

    fn from_value(value: &Value) -> Result<Self, Malformed> {
        let claims = Claims::of(value)?;
        let entries = claims.find(4).and_then(Value::as_array).ok_or(Malformed)?;
        let entries: Vec<_> = entries.iter().map(KeyEntry::from_value).collect::<Result<_, _>>()?;
        // Twice in the list, a key could be revoked in one place and not in the other.
        let key_ids: BTreeSet<_> = entries.iter().map(|entry| entry.key_id).collect();
        if key_ids.len() != entries.len() {
            return Err(Malformed);
        }
        Ok(Self {
            sequence: claims.integer(1)?,
            issued_at_s: claims.integer(2)?,
            next_update_s: claims.integer(3)?,
            entries,
        })
    }

    /// Whether `self` may replace `current` at this time (in seconds since 1970).
    ///
    /// # Errors
    /// [`KeyListError::Older`] and [`KeyListError::DropsKeyInUse`].
    pub fn may_follow(&self, current: &KeyList, now_s: i64) -> Result<(), KeyListError> {
        if self.sequence <= current.sequence {
            return Err(KeyListError::Older);
        }
        let in_use = |former: &&KeyEntry| former.not_after_s > now_s;
        let kept = |former: &KeyEntry| self.entries.iter().any(|entry| entry.keeps(former));
        if current.entries.iter().filter(in_use).all(kept) { Ok(()) } else { Err(KeyListError::DropsKeyInUse) }
    }

    /// The key that verifies under this id for this purpose now.
    ///
    /// # Errors
    /// Why there is none.
    pub fn verifying_key(&self, key_id: KeyId, purpose: Purpose, now_ms: i64) -> Result<&KeyEntry, KeyRefusal> {
        let now_s = now_ms.div_euclid(1000);
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.key_id == key_id && entry.purpose == purpose)
            .ok_or(KeyRefusal::Unknown)?;
        if entry.revoked_at_s.is_some_and(|revoked_at_s| revoked_at_s <= now_s) {
            Err(KeyRefusal::Revoked)
        } else if now_s < entry.not_before_s {
            Err(KeyRefusal::NotYetValid)
        } else if now_s >= entry.not_after_s {
            Err(KeyRefusal::Expired)
        } else {
            Ok(entry)
        }
    }

    /// The key to sign with now: of those whose window to sign is open, the newest.
    pub fn signing_key_at(&self, purpose: Purpose, now_ms: i64) -> Option<KeyId> {
        let now_s = now_ms.div_euclid(1000);
        self.entries
            .iter()
            .filter(|entry| entry.purpose == purpose && entry.revoked_at_s.is_none())
            .filter(|entry| (entry.not_before_s..entry.sign_until_s).contains(&now_s))
            .max_by_key(|entry| (entry.not_before_s, entry.key_id))
            .map(|entry| entry.key_id)
    }

    /// The pass-code keys that aren't revoked, as a JSON Web Key Set (RFC 7517, RFC 8037). `nbf` and `exp` are ours.
    pub fn jwks(&self) -> serde_json::Value {
        let keys: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| entry.purpose == Purpose::PassCode && entry.revoked_at_s.is_none())
            .map(|entry| {
                serde_json::json!({
                    "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": entry.key_id,
                    "x": URL_SAFE_NO_PAD.encode(entry.public_key), "nbf": entry.not_before_s, "exp": entry.not_after_s,
                })
            })
            .collect();
        serde_json::json!({ "keys": keys })
    }
}

impl KeyEntry {
    /// Whether this entry leaves the key all that the former gave it, or says since when it is revoked: not later than it already was.
    fn keeps(&self, former: &KeyEntry) -> bool {
        let grants = || {
            self.scope.contains(&former.scope)
                && self.not_before_s <= former.not_before_s
                && self.not_after_s >= former.not_after_s
        };
        let same_key = self.key_id == former.key_id && self.public_key == former.public_key;
        same_key
            && self.purpose == former.purpose
            && match (former.revoked_at_s, self.revoked_at_s) {
                (None, None) => grants(),
                (None, Some(_)) => true,
                (Some(former_s), Some(now_s)) => now_s <= former_s,
                (Some(_), None) => false,
            }
    }

    fn to_value(&self) -> Value {
        let required = [
            (1, Value::Bytes(self.key_id.0.to_vec())),
            (2, EDDSA.into()),
            (3, self.purpose.as_str().into()),
            (4, Value::Bytes(self.public_key.to_vec())),
            (5, self.scope.as_str().into()),
            (6, self.not_before_s.into()),
            (7, self.sign_until_s.into()),
            (8, self.not_after_s.into()),
        ];
        map(required.into_iter().chain(self.revoked_at_s.map(|at| (9, at.into()))))
    }

    fn from_value(value: &Value) -> Result<Self, Malformed> {
        let claims = Claims::of(value)?;
        let public_key = claims.bytes(4)?;
        let purpose = claims.text(3)?;
        let entry = Self {
            key_id: KeyId(claims.bytes(1)?),
            purpose: Purpose::ALL.into_iter().find(|known| known.as_str() == purpose).ok_or(Malformed)?,
            public_key,
            scope: claims.text(5)?.parse().map_err(|_| Malformed)?,
            not_before_s: claims.integer(6)?,
            sign_until_s: claims.integer(7)?,
            not_after_s: claims.integer(8)?,
            revoked_at_s: claims.find(9).map(|_| claims.integer(9)).transpose()?,
        };
        if claims.integer(2)? == EDDSA && entry.key_id == key_id(&public_key) { Ok(entry) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests;
