//! Number plates of vehicles, after GA 36: what an inspector types comes in, one canonical text goes out.
//!
//! ```text
//! 粤 A 12345     province, office, five letters and digits
//! 粤 A D12345    new energy, small: a letter, a letter or digit, four digits
//! 粤 A 12345D    new energy, large: five digits, a letter
//! 粤 A 1234学    driving school; 警 police, 挂 trailer, 领 consulate
//! 粤 Z 1234港    of Hong Kong; 澳 of Macau
//! ```
//! No letter is I or O. Records never hold a plate, only a keyed hash of [`Plate::canonical`].

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::mask;

/// The 31 provinces, autonomous regions and municipalities that issue plates.
const PROVINCES: &str = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新";

/// A number plate without separators, letters in upper case.
///
/// Wiped from memory when dropped; `Debug` and `Display` show its ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Plate(Zeroizing<String>);

/// Why a text is not a number plate. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlateError {
    /// It does not begin with a province.
    #[error("a number plate does not begin with a province")]
    NoSuchProvince,
    /// Neither 7 nor 8 characters.
    #[error("a number plate has neither 7 nor 8 characters")]
    WrongLength,
    /// A character that has no place where it stands.
    #[error("a number plate holds a character that it can't have there")]
    WrongCharacter,
}

impl Plate {
    /// The bytes to hash under a key: equal for all ways to write one plate.
    pub fn canonical(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn is_letter(character: char) -> bool {
    character.is_ascii_uppercase() && !matches!(character, 'I' | 'O')
}

fn is_letter_or_digit(character: char) -> bool {
    is_letter(character) || character.is_ascii_digit()
}

/// D and F in GA 36-2018; the others were allotted as those ran out. A B C D E are electric, F G H J K otherwise new energy.
fn is_new_energy(character: char) -> bool {
    matches!(character, 'A'..='H' | 'J' | 'K')
}

fn is_serial(office: char, serial: &[char]) -> bool {
    let digits = |part: &[char]| part.iter().all(char::is_ascii_digit);
    match *serial {
        [ref start @ .., last] if start.len() == 4 => {
            let fits = match last {
                '学' | '警' | '挂' | '领' => true,
                '港' | '澳' => office == 'Z',
                _ => is_letter_or_digit(last),
            };
            fits && start.iter().copied().all(is_letter_or_digit)
        }
        [first, second, ref rest @ ..] if rest.len() == 4 => {
            let small = is_new_energy(first) && is_letter_or_digit(second) && digits(rest);
            let large = is_new_energy(rest[3]) && digits(&serial[..5]);
            small || large
        }
        _ => false,
    }
}

impl FromStr for Plate {
    type Err = PlateError;

    fn from_str(text: &str) -> Result<Self, PlateError> {
        let written = text.chars().filter(|character| !matches!(character, ' ' | '·' | '•' | '-' | '.'));
        // One more than the longest shows that it is too long.
        let characters: Zeroizing<Vec<char>> =
            Zeroizing::new(written.map(|character| character.to_ascii_uppercase()).take(9).collect());
        match characters[..] {
            [province, ..] if !PROVINCES.contains(province) => Err(PlateError::NoSuchProvince),
            [_, office, ref serial @ ..] if matches!(serial.len(), 5 | 6) => {
                if is_letter(office) && is_serial(office, serial) {
                    Ok(Self(Zeroizing::new(characters.iter().collect())))
                } else {
                    Err(PlateError::WrongCharacter)
                }
            }
            _ => Err(PlateError::WrongLength),
        }
    }
}

impl fmt::Display for Plate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask::ends(&self.0))
    }
}

impl fmt::Debug for Plate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plate({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plate(text: &str) -> Result<Plate, PlateError> {
        text.parse()
    }

    #[test]
    fn all_ways_to_write_a_plate_are_one() {
        for text in ["粤A12345", "粤a12345", "粤A·12345", "粤 A 12345", "粤A-12345", "粤A.12345"] {
            assert_eq!(plate(text).unwrap().canonical(), "粤A12345".as_bytes());
        }
    }

    #[test]
    fn every_kind_of_plate_is_known() {
        for text in [
            "京AB12C3",
            "粤AD12345",
            "粤AF1234",
            "粤AFA2345",
            "粤A12345D",
            "粤A1234学",
            "粤A1234警",
            "粤A1234挂",
            "粤A1234领",
            "粤Z1234港",
            "粤ZAB12澳",
        ] {
            assert!(plate(text).is_ok(), "{text}");
        }
        assert_eq!(PROVINCES.chars().count(), 31);
    }

    #[test]
    fn what_is_not_a_plate_says_why() {
        for (text, error) in [
            ("", PlateError::WrongLength),
            ("粤A1234", PlateError::WrongLength),
            ("粤A1234567", PlateError::WrongLength),
            (&"粤".repeat(1_000_000), PlateError::WrongLength),
            ("A123456", PlateError::NoSuchProvince),
            ("港A12345", PlateError::NoSuchProvince),
            ("粤I12345", PlateError::WrongCharacter),
            ("粤O12345", PlateError::WrongCharacter),
            ("粤112345", PlateError::WrongCharacter),
            ("粤A1234O", PlateError::WrongCharacter),
            ("粤A1234I", PlateError::WrongCharacter),
            ("粤A学2345", PlateError::WrongCharacter),
            ("粤A1234港", PlateError::WrongCharacter),
            ("粤A12345学", PlateError::WrongCharacter),
            ("粤A123456", PlateError::WrongCharacter),
            ("粤AZ12345", PlateError::WrongCharacter),
            ("粤AD1234D", PlateError::WrongCharacter),
            ("粤Ａ12345", PlateError::WrongCharacter),
            ("粤A1234\0", PlateError::WrongCharacter),
        ] {
            assert_eq!(plate(text), Err(error), "{text:.20}");
        }
    }

    #[test]
    fn a_plate_is_shown_masked() {
        let plate = plate("粤A12345").unwrap();
        assert_eq!(plate.to_string(), "粤*****5");
        assert_eq!(format!("{plate:?}"), "Plate(粤*****5)");
    }

    proptest! {
        #[test]
        fn any_text_is_a_plate_or_an_error(text in any::<String>()) {
            let _ = plate(&text);
        }

        #[test]
        fn what_was_parsed_parses_to_itself(text in "[京粤新][A-HJ-NP-Z][A-HJ-NP-Z0-9]{5}") {
            let first = plate(&text).unwrap();
            let again = std::str::from_utf8(first.canonical()).unwrap();
            prop_assert_eq!(again, &text);
        }
    }
}
