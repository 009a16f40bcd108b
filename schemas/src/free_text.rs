//! Free descriptions and addresses: text comes in, text that can be shown and stored goes out. It is never printed by accident.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::characters;

/// The most characters that a free text has.
pub const MAX_FREE_TEXT_CHARACTERS: usize = 1000;

/// What a person writes in their own words: up to [`MAX_FREE_TEXT_CHARACTERS`] characters in any number of lines. It may be empty.
/// Lines end with a line feed; what a form sends as `\r\n` becomes one.
///
/// Wiped from memory when dropped; `Debug` shows nothing of it, and there is no `Display` and no `Serialize`.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct FreeText(Zeroizing<String>);

/// Why a text can't be kept. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FreeTextError {
    /// More than [`MAX_FREE_TEXT_CHARACTERS`].
    #[error("a text has more than {MAX_FREE_TEXT_CHARACTERS} characters")]
    TooLong,
    /// A control character, a direction override, or something else that nobody sees.
    #[error("a text holds a character that can't be shown")]
    ForbiddenCharacter,
}

impl FreeText {
    /// The text itself: to seal it, or to show it to whom it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<String> for FreeText {
    type Error = FreeTextError;

    fn try_from(text: String) -> Result<Self, FreeTextError> {
        let mut text = Zeroizing::new(text);
        // Five bytes a character: four of it and one of a `\r`. A text of megabytes is not counted.
        if text.len() > 5 * MAX_FREE_TEXT_CHARACTERS {
            return Err(FreeTextError::TooLong);
        }
        if text.contains("\r\n") {
            text = Zeroizing::new(text.replace("\r\n", "\n"));
        }
        if text.chars().count() > MAX_FREE_TEXT_CHARACTERS {
            return Err(FreeTextError::TooLong);
        }
        if !text.chars().all(|character| character == '\n' || characters::is_permitted(character)) {
            return Err(FreeTextError::ForbiddenCharacter);
        }
        Ok(Self(text))
    }
}

impl std::str::FromStr for FreeText {
    type Err = FreeTextError;
    fn from_str(text: &str) -> Result<Self, FreeTextError> {
        text.to_owned().try_into()
    }
}

impl fmt::Debug for FreeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FreeText(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Result<FreeText, FreeTextError> {
        text.parse()
    }

    #[test]
    fn lines_and_emoji_stay_as_they_are() {
        let longest = "𠮷".repeat(MAX_FREE_TEXT_CHARACTERS);
        for written in ["", "昨天开始咳嗽\n没有发热 😷", "👨‍👩‍👧", &longest] {
            assert_eq!(text(written).map(|text| text.expose().to_owned()), Ok(written.to_owned()));
        }
        assert_eq!(text("一\r\n二").unwrap().expose(), "一\n二");
    }

    #[test]
    fn what_can_not_be_kept_says_why() {
        assert_eq!(text(&"张".repeat(1001)), Err(FreeTextError::TooLong));
        assert_eq!(text(&"a".repeat(10_000_000)), Err(FreeTextError::TooLong));
        for written in ["a\0b", "a\rb", "a\tb", "a\u{202e}b", "a\u{2069}b", "a\u{fffe}b", "a\u{1b}[2Jb"] {
            assert_eq!(text(written), Err(FreeTextError::ForbiddenCharacter), "{written:?}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", text("咳嗽").unwrap()), "FreeText(…)");
    }
}
