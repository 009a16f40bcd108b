//! Any bytes as the body of `POST /v1/declarations`, through the server's own routes: they never panic, a refusal names fields and repeats no
//! value, and what is accepted is on the log as it was typed, and can be true.

use serde_json::Value;
use suikang_schemas::declaration::DeclaredBy;
use suikang_schemas::document::{DocumentType, IdentityDocument};
use suikang_schemas::free_text::FreeText;
use suikang_schemas::phone::Phone;

use crate::accepted::{self, assert_person_valid, assert_valid};
use crate::city::{self, Answer, City, Who};
use crate::refused::assert_own_words;

/// Puts it to the target.
///
/// # Panics
/// If what must hold doesn't.
pub fn check(body: &[u8]) {
    city::with(|city| {
        let says_staff = body.windows(7).any(|bytes| bytes == b"\"staff\"");
        let who = if says_staff { Who::Staff } else { Who::Resident };
        let answer = city.post("/v1/declarations", who, "application/json", body, body.len());
        let document: Value = serde_json::from_str(&answer.text).expect("an answer is JSON");
        match answer.status.as_u16() {
            202 => check_accepted(city, who, body, &answer, &document),
            400 | 403 | 404 | 409 | 413 | 422 => {
                assert!(answer.declarations.is_empty(), "refused, and on the log");
                assert_own_words(&document);
            }
            status => panic!("{status} is no answer to a declaration"),
        }
    });
}

fn check_accepted(city: &City, who: Who, body: &[u8], answer: &Answer, document: &Value) {
    let [declaration] = answer.declarations.as_slice() else { panic!("accepted, and not once on the log") };
    assert_eq!(document["declaration_id"], declaration.declaration_id.to_string());
    assert_valid(city, declaration);
    assert_eq!(declaration.declared_by == DeclaredBy::Staff, who == Who::Staff);
    let typed: Value = serde_json::from_slice(body).expect("what was accepted is JSON");
    assert_eq!(typed["health"]["symptoms"], Value::from(declaration.health.symptoms.clone()));
    assert_eq!(typed["health"]["hubei_stay"], declaration.health.hubei_stay);
    assert_eq!(typed["health"]["contact"], declaration.health.contact);
    if !typed["residence"].is_null() {
        assert_eq!(typed["residence"]["committee"], declaration.residence.committee.as_str());
    }
    for event in &answer.registry_events {
        let Some(basic) = assert_person_valid(city, event) else { continue };
        let text = |pointer: &str| typed.pointer(pointer).and_then(Value::as_str).expect("a text").to_owned();
        assert_eq!(basic.name.expose(), text("/person/name"));
        assert_eq!(Ok(basic.phone), Phone::try_from(text("/person/phone")));
        assert_eq!(Ok(basic.address), FreeText::try_from(text("/person/address")));
        let document_type: DocumentType = text("/person/document/type").parse().expect("a document's type");
        let number = text("/person/document/number");
        assert_eq!(Ok(basic.document), IdentityDocument::parse(document_type, &number, accepted::today()));
    }
}
