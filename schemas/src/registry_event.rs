//! Registry events: accepted commands in their one order. The log decides which of two commands was first.

use serde::{Deserialize, Serialize};

use crate::area::AreaCode;
use crate::avro::{Event, raw};
use crate::decide::Verdict;
use crate::declaration::Sealed;
use crate::ids::Subject;

/// One accepted command. It is in force if, in log order, its entity still has the expected version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryEvent {
    /// Recognised by the command's author; a second one of the same id changes nothing.
    #[serde(with = "raw")]
    pub command_id: [u8; 16],
    /// When it was appended, in milliseconds since 1970.
    #[serde(rename = "at")]
    pub at_ms: i64,
    /// Who commanded it.
    pub actor: Actor,
    /// The version that the entity had when the command was checked; 0 before it exists.
    pub expected_version: i64,
    /// What becomes of the entity.
    pub change: Change,
}

impl Event for RegistryEvent {
    const NAME: &'static str = "RegistryEvent";
}

/// Who acted, as their token said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// A role's word.
    pub role: String,
    /// The area the role is for.
    pub area: String,
    /// The account, pseudonymous for residents.
    pub login: String,
}

/// A new state of one entity, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each variant's struct documents it")]
pub enum Change {
    PersonSet(PersonSet),
    ClaimErased(ClaimErased),
    PlaceSet(PlaceSet),
    ValueSetSet(ValueSetSet),
    PolicySet(PolicySet),
    OrderSet(OrderSet),
    AreaRuleSet(AreaRuleSet),
    KeyListPublished(KeyListPublished),
    SealKeySet(SealKeySet),
    HaltSet(HaltSet),
}

impl Change {
    /// The entity whose version guards this change.
    pub fn entity(&self) -> String {
        match self {
            Change::PersonSet(person) => format!("person/{}", person.subject),
            Change::ClaimErased(erased) => format!("claim/{}", hex::encode(erased.claim)),
            Change::PlaceSet(place) => format!("place/{}", place.area),
            Change::ValueSetSet(set) => format!("value-set/{}", set.name),
            Change::PolicySet(policy) => format!("policy/{}", policy.version),
            Change::OrderSet(_) => "order".to_owned(),
            Change::AreaRuleSet(rule) => format!("area-rule/{}", rule.area),
            Change::KeyListPublished(_) => "key-list".to_owned(),
            Change::SealKeySet(seal_key) => format!("seal-key/{}", seal_key.seal_day),
            Change::HaltSet(_) => "halt".to_owned(),
        }
    }
}

/// A person is added, moves, or is corrected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonSet {
    /// Random; the person's identity here.
    #[serde(with = "raw")]
    pub subject: Subject,
    /// HMAC of document type and number; absent leaves the claim as it is.
    #[serde(with = "raw::option")]
    pub claim: Option<[u8; 32]>,
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
    #[serde(rename = "since")]
    pub since_day: Option<i32>,
    /// A value of the set `capacity`.
    pub capacity: String,
    /// Basic information (name, document, phone, address); absent leaves it as it is.
    pub sealed: Option<Sealed>,
}

/// A document number no longer leads to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimErased {
    /// HMAC of document type and number.
    #[serde(with = "raw")]
    pub claim: [u8; 32],
}

/// A place of the city's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceSet {
    /// Its code, which says where in the tree it is.
    pub area: AreaCode,
    /// Its name.
    pub name_zh: String,
    /// Its name in English, where there is one.
    pub name_en: Option<String>,
    /// How many live there, with the source.
    pub population: Option<Population>,
}

/// A denominator, with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Population {
    /// People.
    pub count: i64,
    /// Who counted.
    pub source: String,
    /// When, in days since 1970.
    #[serde(rename = "as_of")]
    pub as_of_day: i32,
}

/// The choices of one field of the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueSetSet {
    /// `symptom`, `hubei_stay`, `contact`, `person_kind`, `capacity`.
    pub name: String,
    /// The choices, in the order they are shown.
    pub values: Vec<Value>,
}

/// One choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// The word that is stored.
    pub value: String,
    /// What a resident reads.
    pub label_zh: String,
    /// What a resident reads in English.
    pub label_en: String,
}

/// A policy: one SQL expression over a declaration's columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySet {
    /// Counts from 1; a version never changes.
    pub version: i32,
    /// SQL giving a struct of `status` and `reasons`.
    pub expression: String,
    /// From when on declarations are stamped with it, in milliseconds since 1970.
    #[serde(rename = "effective_from")]
    pub effective_from_ms: i64,
    /// What it is for.
    pub note: String,
    /// The two people who signed it off.
    pub approved_by: Vec<String>,
}

/// The order behind it all: from when to when, and how long a code lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSet {
    /// In milliseconds since 1970.
    #[serde(rename = "starts_at")]
    pub starts_at_ms: i64,
    /// Days within which every resident should have declared.
    pub coverage_days: i32,
    /// In milliseconds since 1970; absent while its end isn't known.
    #[serde(rename = "ends_at")]
    pub ends_at_ms: Option<i64>,
    /// A code's life in seconds.
    pub validity_s: i32,
    /// Whether codes carry the masked name.
    pub masked_name_on_code: bool,
}

/// What checkpoints of an area do; the rule of the nearest enclosing area holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AreaRuleSet {
    /// For which area.
    pub area: AreaCode,
    /// Whether codes are checked at all.
    pub checking: bool,
    /// Whether only members of the community enter unasked.
    pub members_only: bool,
    /// From which temperature on it is a fever.
    pub fever_tenths_celsius: i32,
    /// What follows from a fever.
    pub fever_verdict: Verdict,
    /// What follows from amber.
    pub amber_verdict: Verdict,
    /// What follows from red.
    pub red_verdict: Verdict,
}

/// A new signed list of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyListPublished {
    /// The list's own number; only a greater one replaces it.
    pub sequence: i64,
    /// COSE_Sign1 under the root key.
    #[serde(with = "raw")]
    pub key_list: Vec<u8>,
}

/// The public half of a day's seal key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealKeySet {
    /// Days since 1970.
    pub seal_day: i32,
    /// X25519.
    #[serde(with = "raw")]
    pub public_key: [u8; 32],
}

/// Issuing is stopped, or goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltSet {
    /// Whether issuers wait.
    pub halted: bool,
    /// Why.
    pub reason: String,
}
