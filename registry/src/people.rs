//! People: a random subject, what issuing needs to know of it, and the claim by which a document number leads to it.
//!
//! Neither name nor number is here: the claim is a keyed hash that can be erased, basic information is sealed to the vault.

use std::fmt;

use suikang_schemas::declaration::{IssuingFacts, Sealed};
use suikang_schemas::status::Status;
use suikang_schemas::{AreaCode, Subject};

/// HMAC of document type and number under the deployment's pepper.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim(pub [u8; 32]);

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A claim leads to a person: enough of it to tell two apart, too little to look one up.
        write!(f, "Claim({}…)", hex::encode(&self.0[..2]))
    }
}

/// What the registry knows of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The person's identity here.
    pub subject: Subject,
    /// The account that holds the person.
    pub holder: String,
    /// Year of birth.
    pub birth_year: Option<i32>,
    /// A value of the set `person_kind`.
    pub person_kind: String,
    /// Such as 张**.
    pub masked_name: Option<String>,
    /// Where the person lives.
    pub committee: AreaCode,
    /// The compound or village, where known.
    pub community: Option<AreaCode>,
    /// Since when, in days since 1970.
    pub since_day: Option<i32>,
    /// A value of the set `capacity`.
    pub capacity: String,
    /// Basic information, for the vault to open; absent if none is on file.
    pub sealed: Option<Sealed>,
    /// The communities that have approved the person.
    pub communities: Vec<AreaCode>,
    /// A standing hold: the status is at least this, whatever is declared.
    pub hold: Option<Status>,
    /// Counts the changes in force; a command that changes the person expects it.
    pub version: i64,
}

impl Person {
    /// Whether basic information is on file, so that health alone renews a code.
    pub fn has_basic_information(&self) -> bool {
        self.sealed.is_some()
    }

    /// What a declaration is stamped with; the masked name only where the order puts it on codes.
    pub fn issuing_facts(&self, masked_name_on_code: bool) -> IssuingFacts {
        IssuingFacts {
            birth_year: self.birth_year,
            person_kind: self.person_kind.clone(),
            communities: self.communities.clone(),
            masked_name: self.masked_name.clone().filter(|_| masked_name_on_code),
            hold: self.hold,
        }
    }
}

/// The view could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the view could not be read: {0}")]
pub struct LookupError(#[from] rusqlite::Error);
