//! The pass code: a CWT (RFC 8392) in COSE_Sign1, as Base45 (RFC 9285) behind `GZ1:`.
//!
//! ```text
//! {4: exp, 6: iat, 7: cti (16 bytes), -65537: {1: status, 2: district, 3: kind, ? 4: masked name, ? 5: [tag (4 bytes), …]}}
//! status 0 green, 1 amber, 2 red · district 440106 · kind 0 screen, 1 paper · times in whole seconds since 1970
//! ```
//! It holds no name, number, phone or symptom; at most a masked name. A tag is recognised by one community's checkpoints alone
//! ([`crate::decide::community_tag`]). Whether a genuine code is valid here and now is [`crate::decide::decide`]'s to say.

use ciborium::Value;

use crate::area::{AreaCode, Level};
use crate::cose::{self, Claims, Malformed, map};
use crate::decide::{COMMUNITY_TAG_BYTES, Facts, Failure};
use crate::ids::{CodeId, KeyId};
use crate::key_list::{KeyList, KeyRefusal, Purpose};
use crate::status::Status;

/// What stands before the Base45.
pub const PREFIX: &str = "GZ1:";
/// Longer texts are not looked at: a code has about 220 characters, with twenty tags 300.
pub const MAX_TEXT_BYTES: usize = 800;

const EXP: i64 = 4;
const IAT: i64 = 6;
const CTI: i64 = 7;
const PRIVATE: i64 = -65_537;

/// What a code says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassCode {
    /// Its identity.
    pub code_id: CodeId,
    /// Seconds since 1970.
    pub issued_at_s: i64,
    /// Seconds since 1970; the code is valid before, not at, this moment.
    pub expires_at_s: i64,
    /// What the policy made of the declaration.
    pub status: Status,
    /// The holder's district.
    pub district: AreaCode,
    /// What it was made to be shown on.
    pub kind: Kind,
    /// Such as 张**, where the order wants it.
    pub masked_name: Option<String>,
    /// One for each community that the holder belongs to.
    pub community_tags: Vec<[u8; COMMUNITY_TAG_BYTES]>,
}

/// What a code was made to be shown on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A screen.
    Screen,
    /// Paper.
    Paper,
}

/// A genuine code, and where what its key signs is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub claims: PassCode,
    /// The key's scope.
    pub scope: AreaCode,
}

impl PassCode {
    /// In milliseconds since 1970.
    pub const fn issued_at_ms(&self) -> i64 {
        self.issued_at_s * 1000
    }

    /// In milliseconds since 1970.
    pub const fn expires_at_ms(&self) -> i64 {
        self.expires_at_s * 1000
    }

    fn to_value(&self) -> Value {
        assert_eq!(self.district.level(), Level::District, "a holder lives in a district");
        let district = self.district.as_str().parse::<u32>().expect("a district's code is six digits");
        let tags = || Value::Array(self.community_tags.iter().map(|tag| Value::Bytes(tag.to_vec())).collect());
        let private = [(1, (self.status as u8).into()), (2, district.into()), (3, (self.kind as u8).into())]
            .into_iter()
            .chain(self.masked_name.as_deref().map(|name| (4, name.into())))
            .chain((!self.community_tags.is_empty()).then(|| (5, tags())));
        map([
            (EXP, self.expires_at_s.into()),
            (IAT, self.issued_at_s.into()),
            (CTI, Value::Bytes(self.code_id.0.to_vec())),
            (PRIVATE, map(private)),
        ])
    }

    fn from_value(value: &Value) -> Result<Self, Malformed> {
        let claims = Claims::of(value)?;
        let private = Claims::of(claims.find(PRIVATE).ok_or(Malformed)?)?;
        let district: AreaCode = private.integer(2)?.to_string().parse().map_err(|_| Malformed)?;
        if district.level() != Level::District {
            return Err(Malformed);
        }
        let tag = |value: &Value| value.as_bytes().and_then(|bytes| bytes.as_slice().try_into().ok()).ok_or(Malformed);
        let tags = private.find(5).map(|tags| tags.as_array().ok_or(Malformed)).transpose()?;
        let code = Self {
            code_id: CodeId(claims.bytes(CTI)?),
            issued_at_s: seconds(claims.integer(IAT)?)?,
            expires_at_s: seconds(claims.integer(EXP)?)?,
            status: usize::try_from(private.integer(1)?)
                .ok()
                .and_then(|at| Status::ALL.get(at))
                .copied()
                .ok_or(Malformed)?,
            district,
            kind: match private.integer(3)? {
                0 => Kind::Screen,
                1 => Kind::Paper,
                _ => return Err(Malformed),
            },
            masked_name: private.find(4).map(|_| private.text(4).map(str::to_owned)).transpose()?,
            community_tags: tags.into_iter().flatten().map(tag).collect::<Result<_, _>>()?,
        };
        Ok(code)
    }
}

/// Times that milliseconds can hold, from 1970 to the year 9999.
fn seconds(seconds: i64) -> Result<i64, Malformed> {
    if (0..=253_402_300_799).contains(&seconds) { Ok(seconds) } else { Err(Malformed) }
}

/// The code's bytes: equal for equal claims and key, since Ed25519 is deterministic.
pub fn encode(code: &PassCode, key_id: KeyId, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Vec<u8> {
    cose::sign1(key_id, &code.to_value(), &[], sign)
}

/// The text that a QR code shows.
pub fn to_text(bytes: &[u8]) -> String {
    format!("{PREFIX}{}", base45::encode(bytes))
}

/// A code that was read and not verified: it proves nothing.
#[derive(Debug, Clone)]
pub struct Unverified {
    claims: PassCode,
    opened: cose::Unverified,
}

impl Unverified {
    /// The identity that it claims.
    pub fn code_id(&self) -> CodeId {
        self.claims.code_id
    }

    /// The key that it names.
    pub fn key_id(&self) -> KeyId {
        self.opened.key_id
    }
}

/// Reads a text in its one canonical form.
///
/// # Errors
/// [`Malformed`] for everything else.
pub fn from_text(text: &str) -> Result<Unverified, Malformed> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Malformed);
    }
    let base45 = text.strip_prefix(PREFIX).ok_or(Malformed)?;
    let bytes = base45::decode(base45).map_err(|_| Malformed)?;
    // Base45 has other spellings of the same bytes; one counts.
    if base45::encode(&bytes) != base45 {
        return Err(Malformed);
    }
    from_bytes(&bytes)
}

fn from_bytes(bytes: &[u8]) -> Result<Unverified, Malformed> {
    let opened = cose::open(bytes)?;
    Ok(Unverified { claims: PassCode::from_value(&opened.payload)?, opened })
}

/// Verifies a text against a key list. The key must be one for pass codes, in its time and not revoked.
///
/// # Errors
/// Why nothing that the code says can be trusted.
pub fn verify(text: &str, key_list: &KeyList, now_ms: i64) -> Result<Verified, Failure> {
    let read = from_text(text).map_err(|Malformed| Failure::Malformed)?;
    let entry = key_list.verifying_key(read.key_id(), Purpose::PassCode, now_ms).map_err(|refusal| match refusal {
        KeyRefusal::Unknown => Failure::UnknownKey,
        KeyRefusal::Revoked => Failure::KeyRevoked,
        KeyRefusal::NotYetValid => Failure::KeyNotYetValid,
        KeyRefusal::Expired => Failure::KeyExpired,
    })?;
    read.opened.verify(&entry.public_key, &[]).map_err(|_| Failure::Forged)?;
    Ok(Verified { claims: read.claims, scope: entry.scope.clone() })
}

impl From<Verified> for Facts {
    fn from(verified: Verified) -> Facts {
        let Verified { claims, scope } = verified;
        Facts {
            issued_at_ms: claims.issued_at_ms(),
            expires_at_ms: claims.expires_at_ms(),
            code_id: claims.code_id,
            status: claims.status,
            district: claims.district,
            scope,
            community_tags: claims.community_tags,
        }
    }
}

#[cfg(test)]
mod tests;
