//! What an area asks of those who enter: data, not source.

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::registry_event::AreaRuleSet;
use crate::status::Status;

/// The rule of an area. What it doesn't say is as in [`AreaRule::default`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AreaRule {
    /// Whether anything is checked at all.
    pub checking: bool,
    /// Who enters unasked.
    pub who_may_enter: WhoMayEnter,
    /// What follows for others with a valid code.
    pub stranger_verdict: Verdict,
    /// What follows where no code is shown.
    pub no_code_verdict: Verdict,
    /// What follows from amber.
    pub amber_verdict: Verdict,
    /// What follows from red, unless amber has a worse verdict: red is never better off.
    pub red_verdict: Verdict,
    /// From which temperature on it is a fever.
    pub fever_tenths_celsius: i32,
    /// What follows from a fever.
    pub fever_verdict: Verdict,
}

/// Who enters unasked, given a valid code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhoMayEnter {
    /// Whoever has one.
    Anyone,
    /// Those who live in the checkpoint's district.
    District,
    /// Members of the checkpoint's community.
    Members,
}

impl Default for AreaRule {
    /// Codes are checked and anyone with a good one enters. Nobody is locked out of home for want of a code, for amber or for a
    /// fever of 37.3 °C: a person looks.
    fn default() -> Self {
        Self {
            checking: true,
            who_may_enter: WhoMayEnter::Anyone,
            stranger_verdict: Verdict::Refer,
            no_code_verdict: Verdict::Refer,
            amber_verdict: Verdict::Refer,
            red_verdict: Verdict::Refuse,
            fever_tenths_celsius: 373,
            fever_verdict: Verdict::Refer,
        }
    }
}

impl AreaRule {
    /// What follows from a code's status.
    pub fn status_verdict(&self, status: Status) -> Verdict {
        match status {
            Status::Green => Verdict::Admit,
            Status::Amber => self.amber_verdict,
            Status::Red => self.red_verdict.max(self.amber_verdict),
        }
    }
}

impl From<&AreaRuleSet> for AreaRule {
    fn from(set: &AreaRuleSet) -> Self {
        Self {
            checking: set.checking,
            who_may_enter: if set.members_only { WhoMayEnter::Members } else { WhoMayEnter::Anyone },
            amber_verdict: set.amber_verdict,
            red_verdict: set.red_verdict,
            fever_tenths_celsius: set.fever_tenths_celsius,
            fever_verdict: set.fever_verdict,
            ..Self::default()
        }
    }
}
