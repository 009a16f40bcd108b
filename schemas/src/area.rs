//! Where: the city's tree as codes, each of which begins with its parent's.
//!
//! ```text
//! 4401                 city          GB/T 2260, the first four digits
//! 440106               district      GB/T 2260
//! 440106001            street, town  statistical code, nine digits
//! 440106001003         committee     statistical code, twelve digits
//! 440106001003-001     community     a residential compound or village of the committee
//! 440106001003-001-01  checkpoint    a physical entrance of the community
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A node of the city's tree. One area contains another if the other's text begins with its own.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AreaCode(Box<str>);

/// How deep an [`AreaCode`] lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The whole city.
    City,
    /// 区.
    District,
    /// 街道 or 镇.
    Street,
    /// 居/村委会.
    Committee,
    /// 小区 or 村.
    Community,
    /// 查验点.
    Checkpoint,
}

/// The text is not an area code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an area code: 4, 6, 9 or 12 digits, then for a community -NNN and for a checkpoint -NNN-NN")]
pub struct ParseAreaError;

impl AreaCode {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How deep it lies.
    pub fn level(&self) -> Level {
        match self.0.len() {
            4 => Level::City,
            6 => Level::District,
            9 => Level::Street,
            12 => Level::Committee,
            16 => Level::Community,
            _ => Level::Checkpoint,
        }
    }

    /// Whether `other` is this area or lies inside it.
    pub fn contains(&self, other: &AreaCode) -> bool {
        other.0.starts_with(&*self.0)
    }

    /// The enclosing area of this level (itself at its own), or nothing if this one is not that deep.
    pub fn ancestor(&self, level: Level) -> Option<AreaCode> {
        let length = match level {
            Level::City => 4,
            Level::District => 6,
            Level::Street => 9,
            Level::Committee => 12,
            Level::Community => 16,
            Level::Checkpoint => 19,
        };
        self.0.get(..length).map(|text| AreaCode(text.into()))
    }

    /// The area directly around this one; the city has none.
    pub fn parent(&self) -> Option<AreaCode> {
        self.ancestor(match self.level() {
            Level::City => return None,
            Level::District => Level::City,
            Level::Street => Level::District,
            Level::Committee => Level::Street,
            Level::Community => Level::Committee,
            Level::Checkpoint => Level::Community,
        })
    }
}

impl FromStr for AreaCode {
    type Err = ParseAreaError;

    fn from_str(text: &str) -> Result<Self, ParseAreaError> {
        let hyphens: &[usize] = match text.len() {
            4 | 6 | 9 | 12 => &[],
            16 => &[12],
            19 => &[12, 16],
            _ => return Err(ParseAreaError),
        };
        let fits = text.bytes().enumerate().all(|(at, byte)| match byte {
            b'-' => hyphens.contains(&at),
            _ => byte.is_ascii_digit() && !hyphens.contains(&at),
        });
        if fits { Ok(Self(text.into())) } else { Err(ParseAreaError) }
    }
}

impl TryFrom<String> for AreaCode {
    type Error = ParseAreaError;
    fn try_from(text: String) -> Result<Self, ParseAreaError> {
        text.parse()
    }
}

impl From<AreaCode> for String {
    fn from(area: AreaCode) -> String {
        area.0.into()
    }
}

impl fmt::Display for AreaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AreaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AreaCode({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(text: &str) -> AreaCode {
        text.parse().unwrap()
    }

    #[test]
    fn each_level_lies_in_its_parent() {
        let mut here = area("440106001003-001-01");
        for level in [Level::Community, Level::Committee, Level::Street, Level::District, Level::City] {
            let parent = here.parent().unwrap();
            assert_eq!(parent.level(), level);
            assert!(parent.contains(&here) && !here.contains(&parent));
            here = parent;
        }
        assert_eq!(here.parent(), None);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "44", "44010", "4401o6", "440106001003001", "440106001003-0-1", "440106001003-001-1", "４４０１"]
        {
            assert_eq!(text.parse::<AreaCode>(), Err(ParseAreaError), "{text}");
        }
    }
}
