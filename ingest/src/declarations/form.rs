//! The form of a declaration: what was typed comes in; what can be true goes out, or every wrong field by its place.
//!
//! The choices come from the registry's value sets, places from its tree: no choice is written here. Nothing is echoed.

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;
use suikang_registry::http::FieldError;
use suikang_registry::snapshot::Snapshot;
use suikang_schemas::area::Level;
use suikang_schemas::declaration::{DeclaredBy, Health, Residence};
use suikang_schemas::document::IdentityDocument;
use suikang_schemas::free_text::FreeText;
use suikang_schemas::name::PersonName;
use suikang_schemas::phone::Phone;
use suikang_schemas::{AreaCode, Subject};

use crate::clock::days_since_1970;
use crate::wrong::Wrong;

/// The most symptoms that a form may name.
const MOST_SYMPTOMS: usize = 64;
/// No date of the form is older than anyone alive.
const FIRST_YEAR: i32 = 1900;

/// A form as it was typed. Every field may be missing: what must be there is said when it is read.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypedForm {
    pub(crate) person: Option<TypedPerson>,
    pub(crate) declared_by: Option<String>,
    pub(crate) residence: Option<TypedResidence>,
    pub(crate) health: Option<TypedHealth>,
}

/// Full basic information, or the subject of somebody whose information is on file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypedPerson {
    pub(crate) subject: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) document: Option<TypedDocument>,
    pub(crate) phone: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) kind: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypedDocument {
    #[serde(rename = "type")]
    pub(crate) document_type: Option<String>,
    pub(crate) number: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypedResidence {
    pub(crate) committee: Option<String>,
    pub(crate) community: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) capacity: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypedHealth {
    pub(crate) symptoms: Option<Vec<String>>,
    pub(crate) hubei_stay: Option<String>,
    pub(crate) hubei_return: Option<String>,
    pub(crate) contact: Option<String>,
    pub(crate) description: Option<String>,
}

/// A form that can be true.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) person: WhoIsDeclared,
    pub(crate) declared_by: DeclaredBy,
    /// Always there with full information; in a renewal it is a move.
    pub(crate) residence: Option<Residence>,
    pub(crate) health: Health,
    /// In the declarer's own words; never empty.
    pub(crate) description: Option<FreeText>,
}

/// Whom a form is about.
#[derive(Debug)]
pub(crate) enum WhoIsDeclared {
    /// Full information: adds the person, or replaces what is on file.
    Full(Box<BasicInformation>),
    /// A renewal: what is on file stays.
    Known(Subject),
}

/// What is known of a person besides health: sealed before it leaves this process.
#[derive(Debug)]
pub(crate) struct BasicInformation {
    pub(crate) name: PersonName,
    pub(crate) document: IdentityDocument,
    pub(crate) phone: Phone,
    pub(crate) address: FreeText,
    pub(crate) kind: String,
}

/// Against what a form is read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    /// Choices and places.
    pub(crate) registry: &'a Snapshot,
    /// The date in the city.
    pub(crate) today: NaiveDate,
    /// Whether staff declares, and not a resident.
    pub(crate) by_staff: bool,
}

/// Reads a form; an error names every wrong field.
pub(crate) fn read(typed: TypedForm, reading: Reading<'_>) -> Result<Form, Vec<FieldError>> {
    let mut reader = Reader { reading, errors: Vec::new() };
    let residence_needed = typed.person.as_ref().is_none_or(|person| person.subject.is_none());
    let person = reader.person(typed.person);
    let declared_by = reader.declared_by(typed.declared_by);
    let residence = reader.residence(typed.residence, residence_needed);
    let health = reader.health(typed.health);
    match (person, declared_by, health) {
        (Some(person), Some(declared_by), Some((health, description))) if reader.errors.is_empty() => {
            Ok(Form { person, declared_by, residence, health, description })
        }
        _ => Err(reader.errors),
    }
}

/// Collects errors; a field that is wrong gives nothing.
struct Reader<'a> {
    reading: Reading<'a>,
    errors: Vec<FieldError>,
}

impl Reader<'_> {
    fn wrong<T>(&mut self, pointer: &str, wrong: Wrong) -> Option<T> {
        self.errors.push(wrong.at(pointer));
        None
    }

    fn required<T>(&mut self, pointer: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.errors.push(Wrong::Required.at(pointer));
        }
        value
    }

    /// A value, or what is wrong with it.
    fn keep<T, E: Into<Wrong>>(&mut self, pointer: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.errors.push(error.into().at(pointer))).ok()
    }

    fn person(&mut self, typed: Option<TypedPerson>) -> Option<WhoIsDeclared> {
        let TypedPerson { subject, name, document, phone, address, kind } = self.required("/person", typed)?;
        let Some(subject) = subject else {
            return self.basic_information(name, document, phone, address, kind).map(Box::new).map(WhoIsDeclared::Full);
        };
        if name.is_some() || document.is_some() || phone.is_some() || address.is_some() || kind.is_some() {
            return self.wrong("/person", Wrong::FullOrSubject);
        }
        let subject = subject.parse().map_err(|_| Wrong::NotAnIdentifier);
        self.keep("/person/subject", subject).map(WhoIsDeclared::Known)
    }

    fn basic_information(
        &mut self,
        name: Option<String>,
        document: Option<TypedDocument>,
        phone: Option<String>,
        address: Option<String>,
        kind: Option<String>,
    ) -> Option<BasicInformation> {
        let name = self.required("/person/name", name);
        let name = name.and_then(|text| self.keep("/person/name", PersonName::try_from(text)));
        let document = self.document(document);
        let phone = self.required("/person/phone", phone);
        let phone = phone.and_then(|text| self.keep("/person/phone", Phone::try_from(text)));
        let address = self.address(address);
        let kind = self.choice("/person/kind", "person_kind", kind);
        Some(BasicInformation { name: name?, document: document?, phone: phone?, address: address?, kind: kind? })
    }

    fn document(&mut self, typed: Option<TypedDocument>) -> Option<IdentityDocument> {
        let TypedDocument { document_type, number } = self.required("/person/document", typed)?;
        let document_type = self.required("/person/document/type", document_type);
        let document_type = document_type
            .and_then(|word| self.keep("/person/document/type", word.parse().map_err(|_| Wrong::NotAChoice)));
        let number = self.required("/person/document/number", number).map(zeroize::Zeroizing::new);
        let document = IdentityDocument::parse(document_type?, &number?, self.reading.today);
        self.keep("/person/document/number", document)
    }

    fn address(&mut self, typed: Option<String>) -> Option<FreeText> {
        let text = self.required("/person/address", typed)?;
        let address = self.keep("/person/address", FreeText::try_from(text))?;
        if address.expose().trim().is_empty() { self.wrong("/person/address", Wrong::Empty) } else { Some(address) }
    }

    fn choice(&mut self, pointer: &str, value_set: &str, typed: Option<String>) -> Option<String> {
        let value = self.required(pointer, typed)?;
        if self.reading.registry.has_value(value_set, &value) {
            Some(value)
        } else {
            self.wrong(pointer, Wrong::NotAChoice)
        }
    }

    /// Residents declare for themselves and those they hold, staff as staff.
    fn declared_by(&mut self, typed: Option<String>) -> Option<DeclaredBy> {
        const POINTER: &str = "/declared_by";
        let word = self.required(POINTER, typed)?;
        let declared_by = match word.as_str() {
            "self" => DeclaredBy::Oneself,
            "relative" => DeclaredBy::Relative,
            "staff" => DeclaredBy::Staff,
            _ => return self.wrong(POINTER, Wrong::NotAChoice),
        };
        if (declared_by == DeclaredBy::Staff) == self.reading.by_staff {
            Some(declared_by)
        } else {
            self.wrong(POINTER, Wrong::NotForThisRole)
        }
    }

    fn residence(&mut self, typed: Option<TypedResidence>, needed: bool) -> Option<Residence> {
        let typed = if needed { self.required("/residence", typed)? } else { typed? };
        let committee = self.required("/residence/committee", typed.committee);
        let committee = committee
            .and_then(|code| self.place("/residence/committee", &code, Level::Committee, Wrong::NotACommittee));
        let community = typed
            .community
            .and_then(|code| self.place("/residence/community", &code, Level::Community, Wrong::NotACommunity));
        if let (Some(committee), Some(community)) = (&committee, &community)
            && !committee.contains(community)
        {
            self.errors.push(Wrong::OutsideCommittee.at("/residence/community"));
        }
        let since_day = typed.since.and_then(|text| self.past_day("/residence/since", &text));
        let capacity = self.choice("/residence/capacity", "capacity", typed.capacity);
        Some(Residence { committee: committee?, community, since_day, capacity: capacity? })
    }

    fn place(&mut self, pointer: &str, code: &str, level: Level, otherwise: Wrong) -> Option<AreaCode> {
        let Some(area) = code.parse::<AreaCode>().ok().filter(|area| area.level() == level) else {
            return self.wrong(pointer, otherwise);
        };
        if self.reading.registry.place(&area).is_some() { Some(area) } else { self.wrong(pointer, Wrong::UnknownPlace) }
    }

    fn health(&mut self, typed: Option<TypedHealth>) -> Option<(Health, Option<FreeText>)> {
        let typed = self.required("/health", typed)?;
        let symptoms = self.symptoms(typed.symptoms);
        let hubei_stay = self.choice("/health/hubei_stay", "hubei_stay", typed.hubei_stay);
        let hubei_return_day = typed.hubei_return.and_then(|text| self.past_day("/health/hubei_return", &text));
        let contact = self.choice("/health/contact", "contact", typed.contact);
        let description = typed.description.and_then(|text| self.keep("/health/description", FreeText::try_from(text)));
        let health = Health { symptoms: symptoms?, hubei_stay: hubei_stay?, hubei_return_day, contact: contact? };
        Some((health, description.filter(|text| !text.is_empty())))
    }

    fn symptoms(&mut self, typed: Option<Vec<String>>) -> Option<Vec<String>> {
        let typed = self.required("/health/symptoms", typed)?;
        if typed.len() > MOST_SYMPTOMS {
            return self.wrong("/health/symptoms", Wrong::TooMany);
        }
        let mut symptoms: Vec<String> = Vec::with_capacity(typed.len());
        for (index, symptom) in typed.into_iter().enumerate() {
            let pointer = format!("/health/symptoms/{index}");
            if symptoms.contains(&symptom) {
                self.errors.push(Wrong::Repeated.at(pointer));
            } else {
                symptoms.extend(self.choice(&pointer, "symptom", Some(symptom)));
            }
        }
        Some(symptoms)
    }

    /// A date up to today, as days since 1970.
    fn past_day(&mut self, pointer: &str, text: &str) -> Option<i32> {
        let Some(date) = parse_date(text) else { return self.wrong(pointer, Wrong::NotADate) };
        if date > self.reading.today {
            return self.wrong(pointer, Wrong::InTheFuture);
        }
        if date.year() < FIRST_YEAR {
            return self.wrong(pointer, Wrong::TooLongAgo);
        }
        Some(days_since_1970(date))
    }
}

/// YYYY-MM-DD and no other form of it.
fn parse_date(text: &str) -> Option<NaiveDate> {
    let fits = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    if fits { NaiveDate::parse_from_str(text, "%Y-%m-%d").ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_one_form() {
        assert_eq!(parse_date("2020-02-29"), NaiveDate::from_ymd_opt(2020, 2, 29));
        for text in
            ["2020-2-29", "2021-02-29", "20200229", "2020-02-29 ", "+020-02-29", "２０２０-02-29", "2020/02/29", ""]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn an_empty_form_lacks_each_of_its_parts() {
        let registry = Snapshot::default();
        let today = NaiveDate::from_ymd_opt(2020, 2, 28).unwrap();
        let errors = read(TypedForm::default(), Reading { registry: &registry, today, by_staff: false }).unwrap_err();
        let places: Vec<_> = errors.iter().map(|error| (error.pointer.as_str(), &*error.error_code)).collect();
        assert_eq!(
            places,
            [
                ("/person", "required"),
                ("/declared_by", "required"),
                ("/residence", "required"),
                ("/health", "required")
            ]
        );
    }
}
