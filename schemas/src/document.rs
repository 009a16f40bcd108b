//! Identity documents: a kind and what is printed on it come in, a number that can exist goes out. It is never printed by accident.
//!
//! One person's document has one number here, however it was written or renewed, because a claim is a keyed hash of
//! [`IdentityDocument::canonical`]: letters are upper case, and what permits count on renewal is left out.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::mask;

pub mod gb11643;
mod permit;
#[cfg(test)]
mod tests;

/// What kind of document a person declares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentType {
    /// 居民身份证: 18 characters of GB 11643.
    ResidentId,
    /// 港澳台居民居住证: 18 characters of GB 11643 that begin with 810000, 820000 or 830000.
    ResidencePermit,
    /// 港澳居民来往内地通行证: H or M and 8 digits; older ones have two digits more, which count renewals.
    HongKongMacauPermit,
    /// 台湾居民来往大陆通行证: 8 digits; older ones have two digits more, which count renewals, and a letter.
    TaiwanPermit,
    /// 外国人永久居留身份证: 18 characters that begin with 9, or, until 2023, three letters and 12 digits.
    ForeignPermanentResidentId,
    /// A passport of any country: 5 to 9 letters and digits (ICAO 9303-4).
    Passport,
}

/// The text is not a document type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a document type: resident_id, residence_permit, hong_kong_macau_permit, taiwan_permit, \
     foreign_permanent_resident_id or passport"
)]
pub struct ParseDocumentTypeError;

impl DocumentType {
    /// Every type, in the order a form offers them.
    pub const ALL: [DocumentType; 6] = [
        DocumentType::ResidentId,
        DocumentType::ResidencePermit,
        DocumentType::HongKongMacauPermit,
        DocumentType::TaiwanPermit,
        DocumentType::ForeignPermanentResidentId,
        DocumentType::Passport,
    ];

    /// The word that the API and claims use.
    pub const fn as_str(self) -> &'static str {
        match self {
            DocumentType::ResidentId => "resident_id",
            DocumentType::ResidencePermit => "residence_permit",
            DocumentType::HongKongMacauPermit => "hong_kong_macau_permit",
            DocumentType::TaiwanPermit => "taiwan_permit",
            DocumentType::ForeignPermanentResidentId => "foreign_permanent_resident_id",
            DocumentType::Passport => "passport",
        }
    }

    /// What people read, in Chinese and English.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            DocumentType::ResidentId => ("居民身份证", "resident identity card"),
            DocumentType::ResidencePermit => {
                ("港澳台居民居住证", "residence permit for Hong Kong, Macau and Taiwan residents")
            }
            DocumentType::HongKongMacauPermit => {
                ("港澳居民来往内地通行证", "mainland travel permit for Hong Kong and Macau residents")
            }
            DocumentType::TaiwanPermit => ("台湾居民来往大陆通行证", "mainland travel permit for Taiwan residents"),
            DocumentType::ForeignPermanentResidentId => {
                ("外国人永久居留身份证", "foreign permanent resident identity card")
            }
            DocumentType::Passport => ("护照", "passport"),
        }
    }
}

impl FromStr for DocumentType {
    type Err = ParseDocumentTypeError;
    fn from_str(text: &str) -> Result<Self, ParseDocumentTypeError> {
        DocumentType::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(ParseDocumentTypeError)
    }
}

impl fmt::Display for DocumentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A document that can exist: its type and its number, checked as far as the number itself allows.
///
/// Wiped from memory when dropped; `Debug` and `Display` show the number's ends.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityDocument {
    document_type: DocumentType,
    number: Zeroizing<String>,
}

/// Why no document has this number. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Too short or too long for its type.
    #[error("a document number has too few or too many characters")]
    WrongLength,
    /// A character that its type doesn't have there; full-width letters and digits are among them.
    #[error("a document number holds a character that it can't have there")]
    WrongCharacter,
    /// The last character does not follow from the others: somebody mistyped one.
    #[error("a document number's check digit is wrong")]
    WrongCheckDigit,
    /// The date of birth is not in the calendar, before 1900, or still to come.
    #[error("a document number's date of birth does not exist")]
    NoSuchDate,
    /// The first digits are no area that issues such documents.
    #[error("a document number's area does not exist")]
    NoSuchArea,
}

impl IdentityDocument {
    /// The document of this type with this number, written in upper or lower case. `today` is the last day anyone was born on.
    pub fn parse(document_type: DocumentType, text: &str, today: NaiveDate) -> Result<Self, DocumentError> {
        // Longer than any, and not worth a look at each character.
        if text.len() > 64 {
            return Err(DocumentError::WrongLength);
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(DocumentError::WrongCharacter);
        }
        let mut number = Zeroizing::new(text.to_ascii_uppercase());
        let kept = match document_type {
            DocumentType::ResidentId => gb11643::check_resident_id(&number, today),
            DocumentType::ResidencePermit => gb11643::check_residence_permit(&number, today),
            DocumentType::ForeignPermanentResidentId => gb11643::check_foreign_permanent_resident_id(&number, today),
            DocumentType::HongKongMacauPermit => permit::check_hong_kong_macau(&number),
            DocumentType::TaiwanPermit => permit::check_taiwan(&number),
            DocumentType::Passport => permit::check_passport(&number),
        }?;
        number.truncate(kept);
        Ok(Self { document_type, number })
    }

    /// What kind of document it is.
    pub fn document_type(&self) -> DocumentType {
        self.document_type
    }

    /// The number itself: to seal it, or to show it to whom it belongs.
    pub fn expose(&self) -> &str {
        &self.number
    }

    /// The bytes to hash under a key: `type:number`, equal for all ways to write one document.
    pub fn canonical(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(format!("{}:{}", self.document_type, *self.number).into_bytes())
    }

    /// The year of birth, where the number tells it: in those of 18 characters.
    pub fn birth_year(&self) -> Option<i32> {
        match self.document_type {
            DocumentType::ResidentId | DocumentType::ResidencePermit | DocumentType::ForeignPermanentResidentId => {
                gb11643::birth_year(&self.number)
            }
            _ => None,
        }
    }

    /// The number's ends: `4****************X`.
    pub fn masked(&self) -> String {
        mask::ends(&self.number)
    }
}

impl fmt::Display for IdentityDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for IdentityDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityDocument({}, {})", self.document_type, self.masked())
    }
}
