//! A code's status: a colour that always comes with a word and a sign, for those who can't tell colours.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a policy makes of a declaration, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing to be seen to.
    Green,
    /// Someone should have a look.
    Amber,
    /// Someone must have a look.
    Red,
}

/// The text is not a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a status: green, amber or red")]
pub struct ParseStatusError;

impl Status {
    /// Every status, from best to worst.
    pub const ALL: [Status; 3] = [Status::Green, Status::Amber, Status::Red];

    /// The word that the log, the API and the lake use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Green => "green",
            Status::Amber => "amber",
            Status::Red => "red",
        }
    }

    /// The sign beside the colour.
    pub const fn sign(self) -> &'static str {
        match self {
            Status::Green => "●",
            Status::Amber => "▲",
            Status::Red => "■",
        }
    }

    /// The word that people read, in Chinese and English.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Status::Green => ("绿码", "green"),
            Status::Amber => ("黄码", "amber"),
            Status::Red => ("红码", "red"),
        }
    }
}

impl FromStr for Status {
    type Err = ParseStatusError;
    fn from_str(text: &str) -> Result<Self, ParseStatusError> {
        Status::ALL.into_iter().find(|status| status.as_str() == text).ok_or(ParseStatusError)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
