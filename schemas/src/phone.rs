//! Phone numbers: what people type comes in, E.164 goes out. Mainland mobiles, Hong Kong, Macau and Taiwan.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use zeroize::Zeroizing;

/// A phone number in E.164 (`+8613800138000`): two texts of one number are equal.
///
/// Wiped from memory when dropped; `Debug` and `Display` show the country and the last two digits.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Phone(Zeroizing<String>);

/// Why a text is not a phone number that the city can reach. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Something other than digits, spaces, hyphens and a leading +.
    #[error("a phone number holds something other than digits")]
    WrongCharacter,
    /// Too few or too many digits for its country.
    #[error("a phone number has too few or too many digits")]
    WrongLength,
    /// The right length, but no network has such numbers.
    #[error("no such phone number")]
    NoSuchNumber,
    /// Not +86, +852, +853 or +886.
    #[error("a phone number is not of +86, +852, +853 or +886")]
    OtherCountry,
}

/// Country code, digits after it, and whether a network has numbers that begin like this.
type Plan = (&'static str, usize, fn(&[u8]) -> bool);

const PLANS: [Plan; 4] = [
    ("86", 11, |number| matches!(number, [b'1', b'3'..=b'9', ..])),
    ("852", 8, |number| matches!(number, [b'2'..=b'9', ..])),
    ("853", 8, |number| matches!(number, [b'2' | b'6' | b'8', ..])),
    // Mobiles, without the 0 that they have at home.
    ("886", 9, |number| matches!(number, [b'9', ..])),
];

impl Phone {
    /// The number itself, in E.164: to send to it, or to seal it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Country and last two digits: `+86*********00`.
    pub fn masked(&self) -> String {
        let country = PLANS.iter().find(|(code, ..)| self.0[1..].starts_with(code)).map_or(0, |(code, ..)| code.len());
        let hidden = self.0.len() - 1 - country - 2;
        format!("{}{}{}", &self.0[..=country], "*".repeat(hidden), &self.0[self.0.len() - 2..])
    }
}

impl FromStr for Phone {
    type Err = PhoneError;

    fn from_str(text: &str) -> Result<Self, PhoneError> {
        let (international, rest) = match text.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut digits = Zeroizing::new(String::with_capacity(16));
        for byte in rest.bytes() {
            match byte {
                b'0'..=b'9' if digits.len() < 15 => digits.push(char::from(byte)),
                b'0'..=b'9' => return Err(PhoneError::WrongLength),
                b' ' | b'-' => {}
                _ => return Err(PhoneError::WrongCharacter),
            }
        }
        // Without a + it is a number of the mainland.
        let (country, length, exists) = match international {
            true => *PLANS.iter().find(|(country, ..)| digits.starts_with(country)).ok_or(PhoneError::OtherCountry)?,
            false => PLANS[0],
        };
        let number = if international { &digits[country.len()..] } else { &digits };
        if number.len() != length {
            return Err(PhoneError::WrongLength);
        }
        if !exists(number.as_bytes()) {
            return Err(PhoneError::NoSuchNumber);
        }
        Ok(Self(Zeroizing::new(format!("+{country}{number}"))))
    }
}

impl TryFrom<String> for Phone {
    type Error = PhoneError;
    fn try_from(text: String) -> Result<Self, PhoneError> {
        Zeroizing::new(text).parse()
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn phone(text: &str) -> Result<Phone, PhoneError> {
        text.parse()
    }

    #[test]
    fn one_number_has_one_form() {
        for (text, e164) in [
            ("13800138000", "+8613800138000"),
            ("138 0013 8000", "+8613800138000"),
            ("+86 138-0013-8000", "+8613800138000"),
            ("+852 9123 4567", "+85291234567"),
            ("+85366123456", "+85366123456"),
            ("+886 912 345 678", "+886912345678"),
        ] {
            assert_eq!(phone(text).unwrap().expose(), e164);
        }
    }

    #[test]
    fn what_is_not_a_number_says_why() {
        for (text, error) in [
            ("", PhoneError::WrongLength),
            ("1380013800", PhoneError::WrongLength),
            ("138001380000", PhoneError::WrongLength),
            ("8613800138000", PhoneError::WrongLength),
            (&"1".repeat(1_000_000), PhoneError::WrongLength),
            ("12800138000", PhoneError::NoSuchNumber),
            ("+85211234567", PhoneError::NoSuchNumber),
            ("+85312345678", PhoneError::NoSuchNumber),
            ("+886212345678", PhoneError::NoSuchNumber),
            ("+85191234567", PhoneError::OtherCountry),
            ("+", PhoneError::OtherCountry),
            ("1380013800a", PhoneError::WrongCharacter),
            ("１３８００１３８０００", PhoneError::WrongCharacter),
            ("++8613800138000", PhoneError::WrongCharacter),
            ("13800138000\0", PhoneError::WrongCharacter),
        ] {
            assert_eq!(phone(text), Err(error), "{text:.20}");
        }
    }

    #[test]
    fn a_number_is_shown_masked() {
        let mainland = phone("13800138000").unwrap();
        assert_eq!(mainland.to_string(), "+86*********00");
        assert_eq!(format!("{mainland:?}"), "Phone(+86*********00)");
        assert_eq!(phone("+85291234567").unwrap().to_string(), "+852******67");
    }

    proptest! {
        #[test]
        fn what_was_parsed_parses_to_itself(text in "1[3-9][0-9]{9}") {
            let first = phone(&text).unwrap();
            prop_assert_eq!(phone(first.expose()), Ok(first));
        }

        #[test]
        fn any_text_is_a_number_or_an_error(text in any::<String>()) {
            let _ = phone(&text).map(|phone| phone.masked());
        }
    }
}
