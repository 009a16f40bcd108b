//! What happens at the gate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What happens at the gate, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Go in.
    Admit,
    /// Step aside; a person looks.
    Refer,
    /// Not in.
    Refuse,
}

/// The text is not a verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a verdict: admit, refer or refuse")]
pub struct ParseVerdictError;

impl Verdict {
    /// Every verdict, from best to worst.
    pub const ALL: [Verdict; 3] = [Verdict::Admit, Verdict::Refer, Verdict::Refuse];

    /// The word that the log, the API and the lake use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Admit => "admit",
            Verdict::Refer => "refer",
            Verdict::Refuse => "refuse",
        }
    }

    /// What the inspector reads, in Chinese and English.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Verdict::Admit => ("放行", "admit"),
            Verdict::Refer => ("请到一旁核实", "step aside"),
            Verdict::Refuse => ("不予通行", "refuse"),
        }
    }
}

impl FromStr for Verdict {
    type Err = ParseVerdictError;
    fn from_str(text: &str) -> Result<Self, ParseVerdictError> {
        Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == text).ok_or(ParseVerdictError)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_its_word() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict.as_str().parse(), Ok(verdict));
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
        }
        assert!(Verdict::ALL.is_sorted_by(|a, b| a < b));
        assert_eq!("Admit".parse::<Verdict>(), Err(ParseVerdictError));
    }
}
