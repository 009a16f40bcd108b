//! Why a checkpoint decided as it did. A reason tells what was wrong, never of what somebody fell ill.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why somebody was not simply admitted, in the order in which reasons are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing is checked here at present, and nothing was.
    CheckingOff,
    /// Nobody showed a code for this head.
    NoCode,
    /// What was shown is not a pass code, or can't be read.
    Malformed,
    /// The signature is not of the key that the code names.
    Forged,
    /// The key list has no such key.
    UnknownKey,
    /// The code, or the key that signed it, was withdrawn.
    Revoked,
    /// A newer code of the same person replaces it.
    Superseded,
    /// The code, or the key that signed it, has run out.
    Expired,
    /// The code was issued, or its key takes effect, later than now.
    NotYetValid,
    /// The code is not for this area.
    OutOfArea,
    /// Only members of the community enter here unasked.
    NotAMember,
    /// The code's status.
    Health,
    /// The temperature just taken.
    Fever,
}

/// The text is not a reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a reason of a check")]
pub struct ParseReasonError;

impl Reason {
    /// Every reason, in order.
    pub const ALL: [Reason; 13] = [
        Reason::CheckingOff,
        Reason::NoCode,
        Reason::Malformed,
        Reason::Forged,
        Reason::UnknownKey,
        Reason::Revoked,
        Reason::Superseded,
        Reason::Expired,
        Reason::NotYetValid,
        Reason::OutOfArea,
        Reason::NotAMember,
        Reason::Health,
        Reason::Fever,
    ];

    /// The word that the log, the API and the lake use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::CheckingOff => "checking_off",
            Reason::NoCode => "no_code",
            Reason::Malformed => "malformed",
            Reason::Forged => "forged",
            Reason::UnknownKey => "unknown_key",
            Reason::Revoked => "revoked",
            Reason::Superseded => "superseded",
            Reason::Expired => "expired",
            Reason::NotYetValid => "not_yet_valid",
            Reason::OutOfArea => "out_of_area",
            Reason::NotAMember => "not_a_member",
            Reason::Health => "health",
            Reason::Fever => "fever",
        }
    }

    /// What the inspector reads, in Chinese and English.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Reason::CheckingOff => ("此处目前不查验", "no checks here at present"),
            Reason::NoCode => ("未出示穗康码", "no pass code shown"),
            Reason::Malformed => ("不是穗康码，或无法识读", "not a pass code, or unreadable"),
            Reason::Forged => ("签名不符，疑似伪造", "the signature does not match: possibly forged"),
            Reason::UnknownKey => ("签发密钥不在名单中", "signed with a key that is not on the list"),
            Reason::Revoked => ("此码已撤销", "this code was withdrawn"),
            Reason::Superseded => ("已有更新的码，请出示新码", "a newer code exists: please show that one"),
            Reason::Expired => ("此码已过期，请重新申报", "this code has expired: please declare again"),
            Reason::NotYetValid => ("此码尚未生效", "this code is not valid yet"),
            Reason::OutOfArea => ("此码不适用于本区域", "this code is not for this area"),
            Reason::NotAMember => ("不是本小区（村）已登记人员", "not a member of this community"),
            Reason::Health => ("健康状态需核实", "health status needs a look"),
            Reason::Fever => ("体温偏高", "temperature is high"),
        }
    }
}

impl FromStr for Reason {
    type Err = ParseReasonError;
    fn from_str(text: &str) -> Result<Self, ParseReasonError> {
        Reason::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(ParseReasonError)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_words() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            assert!(!reason.words().0.is_empty() && !reason.words().1.is_empty());
        }
        assert!(Reason::ALL.is_sorted_by(|a, b| a < b));
        assert_eq!("".parse::<Reason>(), Err(ParseReasonError));
    }
}
