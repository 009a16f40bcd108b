//! What became of a declaration's record.
//!
//! A record has one outcome, however often and by whomever it is issued: equal records give equal bytes. Every reader applies two
//! rules and needs no more: among outcomes of one `declaration_id` the smallest [`DeclarationPosition`] counts, and among the
//! declarations of one subject the greatest.

use serde::{Deserialize, Serialize};

use crate::area::AreaCode;
use crate::avro::{Event, raw};
use crate::declaration::Rejection;
use crate::ids::{CodeId, DeclarationId, KeyId, Subject};
use crate::status::Status;

/// The end of one declaration's record: exactly one of `issued` and `rejected` is present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The declaration's.
    #[serde(with = "raw")]
    pub declaration_id: DeclarationId,
    /// Whom it is about.
    #[serde(with = "raw")]
    pub subject: Subject,
    /// Where the declaration's record lies.
    pub declaration_position: DeclarationPosition,
    /// The declaration's, in milliseconds since 1970.
    #[serde(rename = "accepted_at")]
    pub accepted_at_ms: i64,
    /// The residence's committee, for counting by area.
    pub committee: AreaCode,
    /// The residence's community, where known.
    pub community: Option<AreaCode>,
    /// The code, if one was issued.
    pub issued: Option<Issued>,
    /// Why none was.
    pub rejected: Option<Rejection>,
}

impl Event for Outcome {
    const NAME: &'static str = "Outcome";
}

/// The place of a declaration's record in its topic. The order is that of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeclarationPosition {
    /// The topic's partition; a subject stays in one.
    pub kafka_partition: i32,
    /// The record's offset.
    pub offset: i64,
}

/// A code and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The code's `cti`.
    #[serde(with = "raw")]
    pub code_id: CodeId,
    /// What the policy made of the declaration.
    pub status: Status,
    /// The policy's reasons; the holder and the committee see them, a gate never does.
    pub reasons: Vec<String>,
    /// The code's `exp`, in milliseconds since 1970 (whole seconds).
    #[serde(rename = "expires_at")]
    pub expires_at_ms: i64,
    /// Which policy said so.
    pub policy_version: i32,
    /// Which key signed.
    #[serde(with = "raw")]
    pub signing_key: KeyId,
    /// COSE_Sign1 bytes.
    #[serde(with = "raw")]
    pub pass_code: Vec<u8>,
}
