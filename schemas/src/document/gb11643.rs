//! Numbers of 18 characters after GB 11643-1999, and the cards that borrow its shape.
//!
//! ```text
//! 440106  19900307  001  X
//! │       │         │    └ check character: ISO 7064 MOD 11-2 over the 17 digits before it
//! │       │         └ order among those born there that day; odd for men, even for women
//! │       └ date of birth
//! └ area, GB/T 2260; its first two digits are the province
//!
//! 810000 Hong Kong, 820000 Macau, 830000 Taiwan      residence permits (2018)
//! 9 44 840  (reserved, province, country)            foreign permanent residents (2023)
//! ```

use chrono::NaiveDate;

use super::DocumentError;

/// Characters of a number; each of them identifies the document, so that a check that passes says to keep this many.
const LENGTH: usize = 18;

/// The provinces, autonomous regions and municipalities of GB/T 2260 that issue resident identity cards.
const PROVINCES: [&str; 31] = [
    "11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42", "43", "44",
    "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65",
];

/// The character that completes 17 digits: `0` to `9` or `X`.
pub fn check_character(digits: &[u8; LENGTH - 1]) -> char {
    // The weight of a digit is 2 to the power of its distance from the end, modulo 11; this is Horner's rule.
    let sum = digits.iter().fold(0, |sum, digit| (sum + u32::from(digit.wrapping_sub(b'0'))) * 2 % 11);
    match (12 - sum) % 11 {
        10 => 'X',
        digit => char::from_digit(digit, 10).unwrap_or('X'),
    }
}

/// The year of birth in a number of 18 characters.
pub(super) fn birth_year(number: &str) -> Option<i32> {
    if number.len() == LENGTH { number.get(6..10)?.parse().ok() } else { None }
}

pub(super) fn check_resident_id(number: &str, today: NaiveDate) -> Result<usize, DocumentError> {
    check_characters(number)?;
    if !PROVINCES.contains(&&number[..2]) {
        return Err(DocumentError::NoSuchArea);
    }
    check_date_and_digit(number, today)
}

pub(super) fn check_residence_permit(number: &str, today: NaiveDate) -> Result<usize, DocumentError> {
    check_characters(number)?;
    if !matches!(&number[..6], "810000" | "820000" | "830000") {
        return Err(DocumentError::NoSuchArea);
    }
    check_date_and_digit(number, today)
}

pub(super) fn check_foreign_permanent_resident_id(number: &str, today: NaiveDate) -> Result<usize, DocumentError> {
    if number.len() == 15 {
        return check_older_foreign_card(number);
    }
    check_characters(number)?;
    if !number.starts_with('9') || !PROVINCES.contains(&&number[1..3]) {
        return Err(DocumentError::NoSuchArea);
    }
    check_date_and_digit(number, today)
}

/// Cards before 2023: nationality in three letters, four digits of the issuing area, a date of birth without century, two digits.
fn check_older_foreign_card(number: &str) -> Result<usize, DocumentError> {
    let (nationality, digits) = number.split_at(3);
    if !nationality.bytes().all(|byte| byte.is_ascii_uppercase()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DocumentError::WrongCharacter);
    }
    if !PROVINCES.contains(&&digits[..2]) {
        return Err(DocumentError::NoSuchArea);
    }
    // The century is unknown; leap days fall in the same years of both, but for 1900.
    let date = NaiveDate::parse_from_str(&format!("20{}", &digits[4..10]), "%Y%m%d");
    date.map(|_| number.len()).map_err(|_| DocumentError::NoSuchDate)
}

/// 18 characters: digits, and perhaps an X at the end.
fn check_characters(number: &str) -> Result<(), DocumentError> {
    let [digits @ .., last] = number.as_bytes() else { return Err(DocumentError::WrongLength) };
    if number.len() != LENGTH {
        return Err(DocumentError::WrongLength);
    }
    let fits = digits.iter().all(u8::is_ascii_digit) && (last.is_ascii_digit() || *last == b'X');
    if fits { Ok(()) } else { Err(DocumentError::WrongCharacter) }
}

/// Of a number whose characters were checked.
fn check_date_and_digit(number: &str, today: NaiveDate) -> Result<usize, DocumentError> {
    let part = |from: usize, to: usize| number[from..to].parse::<u32>().map_err(|_| DocumentError::WrongCharacter);
    let year = part(6, 10)?;
    let born =
        i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, part(10, 12).ok()?, part(12, 14).ok()?));
    if year < 1900 || born.is_none_or(|born| born > today) {
        return Err(DocumentError::NoSuchDate);
    }
    match number.as_bytes().first_chunk() {
        Some(digits) if number.ends_with(check_character(digits)) => Ok(number.len()),
        _ => Err(DocumentError::WrongCheckDigit),
    }
}
