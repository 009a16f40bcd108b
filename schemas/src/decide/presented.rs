//! What the person at the gate presents, reduced to what the decision needs.

use crate::area::AreaCode;
use crate::decide::{COMMUNITY_TAG_BYTES, Reason};
use crate::ids::CodeId;
use crate::status::Status;

/// One person at the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// What became of the code.
    pub credential: Credential,
    /// Tenths of a degree Celsius, if taken.
    pub temperature_tenths_celsius: Option<i32>,
}

/// What became of the code that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// None was shown.
    NoCode,
    /// It can't be trusted, so nothing it says is known.
    Failed(Failure),
    /// Its signature is good; whether it is valid here and now is still to be decided.
    Verified(Facts),
}

/// Why a code can't be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It is not a pass code in its one canonical form, or can't be read.
    Malformed,
    /// Its signature is not of the key it names.
    Forged,
    /// The key list has no such key for pass codes.
    UnknownKey,
    /// The key list says that its key was withdrawn.
    KeyRevoked,
    /// Its key is past its time.
    KeyExpired,
    /// Its key's time has not come.
    KeyNotYetValid,
}

impl Failure {
    /// Every failure.
    pub const ALL: [Failure; 6] = [
        Failure::Malformed,
        Failure::Forged,
        Failure::UnknownKey,
        Failure::KeyRevoked,
        Failure::KeyExpired,
        Failure::KeyNotYetValid,
    ];

    /// The reason it gives.
    pub const fn reason(self) -> Reason {
        match self {
            Failure::Malformed => Reason::Malformed,
            Failure::Forged => Reason::Forged,
            Failure::UnknownKey => Reason::UnknownKey,
            Failure::KeyRevoked => Reason::Revoked,
            Failure::KeyExpired => Reason::Expired,
            Failure::KeyNotYetValid => Reason::NotYetValid,
        }
    }
}

/// What a verified code says, and where its key may speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The code.
    pub code_id: CodeId,
    /// Its holder's status.
    pub status: Status,
    /// The district its holder lives in.
    pub district: AreaCode,
    /// Where codes of its key are valid, as the key list says.
    pub scope: AreaCode,
    /// In milliseconds since 1970.
    pub issued_at_ms: i64,
    /// In milliseconds since 1970; the code is valid before.
    pub expires_at_ms: i64,
    /// One for each community that its holder was a member of when it was issued.
    pub community_tags: Vec<[u8; COMMUNITY_TAG_BYTES]>,
}
