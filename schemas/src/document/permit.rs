//! Numbers without a check digit: travel permits and passports. Upper-case letters and digits come in.
//!
//! A travel permit's first nine or eight characters are its holder's for life; the two digits that older cards have after them
//! count renewals. Each check says how many characters identify the document.

use super::DocumentError;

/// `H12345678`, or as on cards before 2013 `H1234567801`.
pub(super) fn check_hong_kong_macau(number: &str) -> Result<usize, DocumentError> {
    let [place, digits @ ..] = number.as_bytes() else { return Err(DocumentError::WrongLength) };
    if !matches!(digits.len(), 8 | 10) {
        return Err(DocumentError::WrongLength);
    }
    let fits = matches!(place, b'H' | b'M') && digits.iter().all(u8::is_ascii_digit);
    if fits { Ok(9) } else { Err(DocumentError::WrongCharacter) }
}

/// `12345678`, or as in booklets before 2015 `1234567801B`; the letter says which office issued it.
pub(super) fn check_taiwan(number: &str) -> Result<usize, DocumentError> {
    let (digits, office) = match number.as_bytes() {
        digits if digits.len() == 8 => (digits, None),
        [digits @ .., office] if digits.len() == 10 => (digits, Some(office)),
        _ => return Err(DocumentError::WrongLength),
    };
    let fits = digits.iter().all(u8::is_ascii_digit) && office.is_none_or(u8::is_ascii_uppercase);
    if fits { Ok(8) } else { Err(DocumentError::WrongCharacter) }
}

/// Letters and digits, at least one of these a digit: nobody's passport number is a word.
pub(super) fn check_passport(number: &str) -> Result<usize, DocumentError> {
    if !(5..=9).contains(&number.len()) {
        return Err(DocumentError::WrongLength);
    }
    let fits = number.bytes().any(|byte| byte.is_ascii_digit());
    if fits { Ok(number.len()) } else { Err(DocumentError::WrongCharacter) }
}
