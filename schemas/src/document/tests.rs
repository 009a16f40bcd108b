use chrono::NaiveDate;
use proptest::prelude::*;

use super::DocumentError::{NoSuchArea, NoSuchDate, WrongCharacter, WrongCheckDigit, WrongLength};
use super::DocumentType::{
    ForeignPermanentResidentId, HongKongMacauPermit, Passport, ResidencePermit, ResidentId, TaiwanPermit,
};
use super::*;

fn parse(document_type: DocumentType, text: &str) -> Result<IdentityDocument, DocumentError> {
    IdentityDocument::parse(document_type, text, NaiveDate::from_ymd_opt(2020, 3, 1).unwrap())
}

/// 17 digits and the character that completes them.
fn completed(digits: &str) -> String {
    format!("{digits}{}", gb11643::check_character(digits.as_bytes().first_chunk().unwrap()))
}

#[test]
fn the_standards_own_examples_check() {
    // GB 11643-1999, appendix A.
    assert_eq!(completed("11010519491231002"), "11010519491231002X");
    assert_eq!(completed("44052418800101001"), "440524188001010014");
}

#[test]
fn documents_that_can_exist_keep_their_number() {
    for (document_type, text, number) in [
        (ResidentId, "11010519491231002X", "11010519491231002X"),
        (ResidentId, "11010519491231002x", "11010519491231002X"),
        (ResidentId, &completed("44010620000229001"), &completed("44010620000229001")),
        (ResidentId, &completed("44010620200301001"), &completed("44010620200301001")),
        (ResidencePermit, &completed("81000019900101001"), &completed("81000019900101001")),
        (ResidencePermit, &completed("82000019900101001"), &completed("82000019900101001")),
        (ResidencePermit, &completed("83000019900101001"), &completed("83000019900101001")),
        (HongKongMacauPermit, "H12345678", "H12345678"),
        (HongKongMacauPermit, "m1234567802", "M12345678"),
        (TaiwanPermit, "12345678", "12345678"),
        (TaiwanPermit, "1234567801b", "12345678"),
        (ForeignPermanentResidentId, &completed("94484019850505001"), &completed("94484019850505001")),
        (ForeignPermanentResidentId, "usa440185050512", "USA440185050512"),
        (Passport, "E12345678", "E12345678"),
        (Passport, "ea1234567", "EA1234567"),
        (Passport, "12345", "12345"),
    ] {
        let document = parse(document_type, text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(document.expose(), number);
        assert_eq!(document.canonical().as_slice(), format!("{document_type}:{number}").as_bytes());
        assert_eq!(document.document_type(), document_type);
    }
}

#[test]
fn documents_that_can_not_exist_say_why() {
    for (document_type, text, error) in [
        (ResidentId, "", WrongLength),
        (ResidentId, "110105491231002", WrongLength),
        (ResidentId, "11010519491231002X0", WrongLength),
        (ResidentId, &"1".repeat(1_000_000), WrongLength),
        (ResidentId, "11010519491231002Y", WrongCharacter),
        (ResidentId, "1101051949123100X2", WrongCharacter),
        (ResidentId, "１１０１０５１９４９１２３１００２Ｘ", WrongCharacter),
        (ResidentId, "11010519491231002\0", WrongCharacter),
        (ResidentId, "110105 19491231002", WrongCharacter),
        (ResidentId, "110105194912310021", WrongCheckDigit),
        (ResidentId, &completed("44010620190229001"), NoSuchDate),
        (ResidentId, &completed("44010619901301001"), NoSuchDate),
        (ResidentId, &completed("44010619900100001"), NoSuchDate),
        (ResidentId, &completed("44010618991231001"), NoSuchDate),
        (ResidentId, &completed("44010620200302001"), NoSuchDate),
        (ResidentId, &completed("99010619900101001"), NoSuchArea),
        (ResidentId, &completed("81000019900101001"), NoSuchArea),
        (ResidencePermit, "11010519491231002X", NoSuchArea),
        (ResidencePermit, &completed("84000019900101001"), NoSuchArea),
        (HongKongMacauPermit, "A12345678", WrongCharacter),
        (HongKongMacauPermit, "H1234567X", WrongCharacter),
        (HongKongMacauPermit, "H123456789", WrongLength),
        (HongKongMacauPermit, "", WrongLength),
        (TaiwanPermit, "1234567", WrongLength),
        (TaiwanPermit, "1234567801", WrongLength),
        (TaiwanPermit, "12345678012", WrongCharacter),
        (TaiwanPermit, "A2345678", WrongCharacter),
        (ForeignPermanentResidentId, "USA4401850505", WrongLength),
        (ForeignPermanentResidentId, "USA440185130512", NoSuchDate),
        (ForeignPermanentResidentId, "U1A440185050512", WrongCharacter),
        (ForeignPermanentResidentId, "USA990185050512", NoSuchArea),
        (ForeignPermanentResidentId, &completed("44010619900101001"), NoSuchArea),
        (Passport, "1234", WrongLength),
        (Passport, "E123456789", WrongLength),
        (Passport, "PASSPORT", WrongCharacter),
        (Passport, "E1234-567", WrongCharacter),
    ] {
        assert_eq!(parse(document_type, text), Err(error), "{document_type} {text:.20}");
    }
}

#[test]
fn eighteen_characters_tell_the_year_of_birth() {
    assert_eq!(parse(ResidentId, "11010519491231002X").unwrap().birth_year(), Some(1949));
    assert_eq!(parse(ForeignPermanentResidentId, &completed("94484019850505001")).unwrap().birth_year(), Some(1985));
    assert_eq!(parse(ForeignPermanentResidentId, "USA440185050512").unwrap().birth_year(), None);
    assert_eq!(parse(Passport, "E12345678").unwrap().birth_year(), None);
}

#[test]
fn a_document_is_shown_masked() {
    let document = parse(ResidentId, "11010519491231002X").unwrap();
    assert_eq!(document.to_string(), "1****************X");
    assert_eq!(format!("{document:?}"), "IdentityDocument(resident_id, 1****************X)");
}

#[test]
fn a_type_has_one_text() {
    for document_type in DocumentType::ALL {
        assert_eq!(document_type.as_str().parse(), Ok(document_type));
        assert_eq!(serde_json::to_value(document_type).unwrap(), document_type.as_str());
    }
    assert!("id_card".parse::<DocumentType>().is_err());
}

proptest! {
    /// What MOD 11-2 is for: one wrong digit, or two neighbours in the wrong order, never pass as right.
    #[test]
    fn a_mistyped_number_is_refused(day in 1u32..=28, order in 0u32..1000, at in 0usize..17, other in 0u8..10) {
        let number = completed(&format!("440106199003{day:02}{order:03}"));
        prop_assert!(parse(ResidentId, &number).is_ok());

        let mut wrong = number.clone().into_bytes();
        wrong[at] = b'0' + other;
        if wrong != number.as_bytes() {
            prop_assert!(parse(ResidentId, std::str::from_utf8(&wrong).unwrap()).is_err());
        }
        let mut swapped = number.clone().into_bytes();
        swapped.swap(at, at + 1);
        if swapped != number.as_bytes() {
            prop_assert!(parse(ResidentId, std::str::from_utf8(&swapped).unwrap()).is_err());
        }
    }

    #[test]
    fn any_text_is_a_document_or_an_error(at in 0usize..6, text in any::<String>()) {
        let _ = parse(DocumentType::ALL[at], &text);
    }

    #[test]
    fn what_was_parsed_parses_to_itself(at in 0usize..6, text in "[0-9A-Za-z]{5,18}") {
        if let Ok(document) = parse(DocumentType::ALL[at], &text) {
            prop_assert_eq!(parse(DocumentType::ALL[at], document.expose()), Ok(document));
        }
    }
}
