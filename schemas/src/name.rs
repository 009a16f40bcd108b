//! People's names: text comes in, a name that can be shown and stored as it is goes out. It is never printed by accident.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::characters;

/// The most characters that a name has.
pub const MAX_NAME_CHARACTERS: usize = 64;

/// A person's name as the person writes it: 1 to [`MAX_NAME_CHARACTERS`] characters of any script. Nothing is normalised.
///
/// Wiped from memory when dropped; `Debug` shows nothing of it, and there is no `Display` and no `Serialize`: whoever needs the
/// name says [`PersonName::expose`].
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PersonName(Zeroizing<String>);

/// Why a text is not a name. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is no character.
    #[error("a name is empty")]
    Empty,
    /// More than [`MAX_NAME_CHARACTERS`].
    #[error("a name has more than {MAX_NAME_CHARACTERS} characters")]
    TooLong,
    /// Space before or after it.
    #[error("a name begins or ends with a space")]
    OuterSpace,
    /// A control character, a direction override, or something else that nobody sees.
    #[error("a name holds a character that can't be shown")]
    ForbiddenCharacter,
}

impl PersonName {
    /// The name itself: to seal it, or to show it to whom it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its first character and one or two stars (张*, 张**), so that the length of a long name isn't told. A name of one
    /// character is one star.
    pub fn masked(&self) -> String {
        let mut characters = self.0.chars();
        let first = characters.next();
        match characters.count() {
            0 => "*".to_owned(),
            others => first.into_iter().chain(std::iter::repeat_n('*', others.min(2))).collect(),
        }
    }
}

impl TryFrom<String> for PersonName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let text = Zeroizing::new(text);
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        // A character has at most four bytes: a text of megabytes is not counted.
        if text.len() > 4 * MAX_NAME_CHARACTERS || text.chars().count() > MAX_NAME_CHARACTERS {
            return Err(NameError::TooLong);
        }
        if !text.chars().all(characters::is_permitted) {
            return Err(NameError::ForbiddenCharacter);
        }
        if text.trim().len() != text.len() {
            return Err(NameError::OuterSpace);
        }
        Ok(Self(text))
    }
}

impl std::str::FromStr for PersonName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        text.to_owned().try_into()
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Result<PersonName, NameError> {
        text.parse()
    }

    #[test]
    fn names_of_every_script_stay_as_they_are() {
        let longest = "𠮷".repeat(MAX_NAME_CHARACTERS);
        for text in ["张三", "𠮷野家", "买买提·艾力", "Anne-Marie O'Neill", "Nguyễn Văn A", "张　三", "张", &longest]
        {
            assert_eq!(name(text).map(|name| name.expose().to_owned()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_not_a_name_says_why() {
        assert_eq!(name(""), Err(NameError::Empty));
        assert_eq!(name(&"张".repeat(65)), Err(NameError::TooLong));
        assert_eq!(name(&"张".repeat(1_000_000)), Err(NameError::TooLong));
        for text in [" 张三", "张三 ", "　张三", " "] {
            assert_eq!(name(text), Err(NameError::OuterSpace), "{text:?}");
        }
        for text in ["张\0三", "张\u{202e}三", "张\u{2067}三", "张\n三", "张\u{ffff}三", "\u{feff}张三"] {
            assert_eq!(name(text), Err(NameError::ForbiddenCharacter), "{text:?}");
        }
    }

    #[test]
    fn a_mask_keeps_the_first_character() {
        for (text, masked) in [
            ("张", "*"),
            ("张三", "张*"),
            ("张三丰", "张**"),
            ("欧阳修远", "欧**"),
            ("John Smith", "J**"),
            ("𠮷野", "𠮷*"),
        ] {
            assert_eq!(name(text).unwrap().masked(), masked);
        }
    }

    #[test]
    fn json_is_validated_like_any_other_text() {
        assert_eq!(serde_json::from_str::<PersonName>("\"张三\"").unwrap(), name("张三").unwrap());
        let refused = serde_json::from_str::<PersonName>("\"张\\u0000三\"").unwrap_err().to_string();
        assert!(refused.contains("can't be shown") && !refused.contains('张'), "{refused}");
    }

    proptest! {
        #[test]
        fn debug_shows_nothing(text in "[\u{4e00}-\u{9fff}]{1,4}") {
            let debug = format!("{:?}", name(&text).unwrap());
            prop_assert!(!text.chars().any(|character| debug.contains(character)), "{}", debug);
        }

        #[test]
        fn any_text_is_a_name_or_an_error(text in any::<String>()) {
            if let Ok(name) = name(&text) {
                prop_assert_eq!(name.expose(), text);
            }
        }
    }
}
