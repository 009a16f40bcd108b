//! What a resident declares, stamped by the door with all that issuing needs.

use serde::{Deserialize, Serialize};

use crate::area::AreaCode;
use crate::avro::{Event, raw};
use crate::ids::{DeclarationId, KeyId, Subject};
use crate::status::Status;

/// A person's health and residence. Its outcome is a pure function of this record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// Equal for a request and its retries.
    #[serde(with = "raw")]
    pub declaration_id: DeclarationId,
    /// Whom it is about.
    #[serde(with = "raw")]
    pub subject: Subject,
    /// When the door accepted it, in milliseconds since 1970; the code's `iat`.
    #[serde(rename = "accepted_at")]
    pub accepted_at_ms: i64,
    /// Who filled in the form.
    pub declared_by: DeclaredBy,
    /// What the door already knew to bar a code.
    pub inadmissible: Option<Rejection>,
    /// The policy in force when it was accepted.
    pub policy_version: i32,
    /// The key in use when it was accepted.
    #[serde(with = "raw")]
    pub signing_key: KeyId,
    /// How long its code lives, in seconds.
    pub validity_s: i32,
    /// The registry's next offset at the door when it looked the facts up.
    pub registry_offset: i64,
    /// What the registry knew of the person.
    pub facts: IssuingFacts,
    /// Where the person lives.
    pub residence: Residence,
    /// How the person is.
    pub health: Health,
    /// The free description, sealed to the day's key.
    pub sealed: Option<Sealed>,
}

impl Event for Declaration {
    const NAME: &'static str = "Declaration";
}

/// Who filled in the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclaredBy {
    /// The person.
    #[serde(rename = "self")]
    Oneself,
    /// Somebody who holds the person's codes.
    Relative,
    /// A residents' committee or property company.
    Staff,
}

/// Why a declaration got no code. Never about health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// Nobody is known under this subject.
    UnknownPerson,
    /// A renewal where no basic information is on file.
    NoBasicInformation,
    /// Another account holds the person.
    NotTheHolder,
    /// The order has ended: nothing is issued any more.
    OrderEnded,
}

impl Rejection {
    /// The word that the log, the API and the lake use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rejection::UnknownPerson => "unknown_person",
            Rejection::NoBasicInformation => "no_basic_information",
            Rejection::NotTheHolder => "not_the_holder",
            Rejection::OrderEnded => "order_ended",
        }
    }
}

/// What the registry knew of the person when the declaration was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuingFacts {
    /// Year of birth, for policies that ask for age.
    pub birth_year: Option<i32>,
    /// A value of the set `person_kind`.
    pub person_kind: String,
    /// The communities that have approved the person.
    pub communities: Vec<AreaCode>,
    /// Such as 张**, where the order puts it on codes.
    pub masked_name: Option<String>,
    /// A standing hold: the status is at least this, whatever is declared.
    pub hold: Option<Status>,
}

/// Where one lives, without the address, which is sealed in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residence {
    /// The residents' or villagers' committee.
    pub committee: AreaCode,
    /// The compound or village, where known.
    pub community: Option<AreaCode>,
    /// Since when, in days since 1970.
    #[serde(rename = "since")]
    pub since_day: Option<i32>,
    /// A value of the set `capacity`: owner, tenant, family …
    pub capacity: String,
}

/// How one is, in values of versioned sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Values of the set `symptom`; none means none.
    pub symptoms: Vec<String>,
    /// A value of the set `hubei_stay`.
    pub hubei_stay: String,
    /// The day of return, in days since 1970.
    #[serde(rename = "hubei_return")]
    pub hubei_return_day: Option<i32>,
    /// A value of the set `contact`.
    pub contact: String,
}

/// Bytes that only the vault opens, until the day's key is destroyed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The seal key's day, in days since 1970.
    pub seal_day: i32,
    /// HPKE (RFC 9180): the encapsulated key, then the ciphertext.
    #[serde(with = "raw")]
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed(day {}, {} bytes)", self.seal_day, self.bytes.len())
    }
}
