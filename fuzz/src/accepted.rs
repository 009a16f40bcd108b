//! What was accepted is true as far as a form can tell: every value is one of a choice, a known place, a day that has been, or parses as
//! what it is said to be.

use chrono::{DateTime, NaiveDate, TimeDelta};
use serde_json::Value;
use suikang_registry::Snapshot;
use suikang_registry::seal::SealPurpose;
use suikang_schemas::declaration::{Declaration, Residence};
use suikang_schemas::document::{DocumentType, IdentityDocument};
use suikang_schemas::free_text::FreeText;
use suikang_schemas::name::PersonName;
use suikang_schemas::phone::Phone;
use suikang_schemas::registry_event::{Change, RegistryEvent};

use crate::city::City;

/// Basic information as only the vault reads it.
pub struct BasicInformation {
    /// The name.
    pub name: PersonName,
    /// The document.
    pub document: IdentityDocument,
    /// The number.
    pub phone: Phone,
    /// The address.
    pub address: FreeText,
}

/// Checks a declaration that is on the log.
///
/// # Panics
/// If a value of it can't be true.
pub fn assert_valid(city: &City, declaration: &Declaration) {
    let registry = city.registry.snapshot();
    let has = |set: &str, value: &str| assert!(registry.has_value(set, value), "no value of {set}");
    let health = &declaration.health;
    health.symptoms.iter().for_each(|symptom| has("symptom", symptom));
    has("hubei_stay", &health.hubei_stay);
    has("contact", &health.contact);
    has("person_kind", &declaration.facts.person_kind);
    health.hubei_return_day.into_iter().for_each(assert_was);
    assert_residence(&registry, &declaration.residence);
    if let Some(sealed) = &declaration.sealed {
        let opened = city.vault.open(SealPurpose::FreeText(declaration.declaration_id), sealed).expect("it opens");
        let text = String::from_utf8(opened.to_vec()).expect("a text");
        assert!(!text.is_empty() && FreeText::try_from(text.clone()).is_ok_and(|free| free.expose() == text));
    }
}

/// Checks what the registry was told of a person, and gives what was sealed of it.
///
/// # Panics
/// If a value of it can't be true.
pub fn assert_person_valid(city: &City, event: &RegistryEvent) -> Option<BasicInformation> {
    let Change::PersonSet(person) = &event.change else { panic!("a declaration changes nothing but people") };
    assert!(city.registry.snapshot().has_value("person_kind", &person.person_kind));
    let opened = city.vault.open(SealPurpose::BasicInformation(person.subject), person.sealed.as_ref()?);
    let value: Value = serde_json::from_slice(&opened.expect("it opens")).expect("JSON");
    let text = |name: &str| value[name].as_str().expect("a text").to_owned();
    let document_type: DocumentType = text("document_type").parse().expect("a document's type");
    let basic = BasicInformation {
        name: PersonName::try_from(text("name")).expect("a name"),
        document: IdentityDocument::parse(document_type, &text("document_number"), today()).expect("a document"),
        phone: Phone::try_from(text("phone")).expect("a phone number"),
        address: FreeText::try_from(text("address")).expect("an address"),
    };
    assert_eq!(basic.document.expose(), text("document_number"), "a number has one form");
    assert_eq!(basic.phone.expose(), text("phone"), "a number has one form");
    assert_eq!(person.birth_year, basic.document.birth_year());
    assert_eq!(person.masked_name.as_deref(), Some(basic.name.masked().as_str()));
    Some(basic)
}

fn assert_residence(registry: &Snapshot, residence: &Residence) {
    assert!(registry.place(&residence.committee).is_some(), "no such committee");
    if let Some(community) = &residence.community {
        assert!(registry.place(community).is_some() && residence.committee.contains(community), "no such community");
    }
    assert!(registry.has_value("capacity", &residence.capacity));
    residence.since_day.into_iter().for_each(assert_was);
}

/// A day from 1900 to today.
fn assert_was(day: i32) {
    let date = NaiveDate::default() + TimeDelta::days(i64::from(day));
    let first = NaiveDate::from_ymd_opt(1900, 1, 1).expect("a date");
    assert!((first..=today()).contains(&date), "a day that has not been");
}

/// The date in the city.
pub fn today() -> NaiveDate {
    let in_the_city_s = chrono::Utc::now().timestamp() + 8 * 60 * 60;
    DateTime::from_timestamp(in_the_city_s, 0).expect("a time").date_naive()
}
