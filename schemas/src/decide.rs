//! What a checkpoint decides, online and offline alike: what was presented, the time and what holds here come in; a verdict and
//! every reason for it go out.
//!
//! The worst verdict wins. Reasons stand in the order of [`Reason`], each once, and whoever is admitted where codes are checked
//! has none. A code is valid while `now < expires_at`, to the millisecond; it may have been issued [`CLOCK_TOLERANCE_MS`] ahead
//! of this clock. `vectors/decide.json` holds every other implementation equal to this one.

use crate::area::AreaCode;

mod code_prefixes;
mod membership;
mod presented;
#[cfg(test)]
mod properties;
mod reason;
mod rule;
#[cfg(test)]
mod vectors;
mod verdict;

pub use code_prefixes::{CodePrefixes, PREFIX_BYTES};
pub use membership::{COMMUNITY_TAG_BYTES, community_tag};
pub use presented::{Credential, Facts, Failure, Presented};
pub use reason::{ParseReasonError, Reason};
pub use rule::{AreaRule, WhoMayEnter};
pub use verdict::{ParseVerdictError, Verdict};

/// How far ahead of the checkpoint's clock a code's time of issue may be.
pub const CLOCK_TOLERANCE_MS: i64 = 2 * 60 * 1000;

/// What holds at a checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The checkpoint.
    pub checkpoint: &'a AreaCode,
    /// The rule of the nearest area around it that has one.
    pub rule: &'a AreaRule,
    /// Codes that were withdrawn.
    pub revoked: &'a CodePrefixes,
    /// Codes that a newer one replaces.
    pub superseded: &'a CodePrefixes,
    /// Codes of those whom the community approved after the code was issued: it has no tag of theirs.
    pub approved: &'a CodePrefixes,
    /// The community's secret; without it, only those in `approved` are known to be members.
    pub community_secret: Option<&'a [u8; 32]>,
}

/// What happens, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The worst verdict that any reason asks for.
    pub verdict: Verdict,
    /// In the order of [`Reason`], each once.
    pub reasons: Vec<Reason>,
}

/// Decides. `now_ms` is in milliseconds since 1970.
pub fn decide(presented: &Presented, now_ms: i64, context: &Context<'_>) -> Decision {
    let rule = context.rule;
    if !rule.checking {
        return Decision { verdict: Verdict::Admit, reasons: vec![Reason::CheckingOff] };
    }
    let mut decision = Decision { verdict: Verdict::Admit, reasons: Vec::new() };
    match &presented.credential {
        Credential::NoCode => decision.add(Reason::NoCode, rule.no_code_verdict),
        Credential::Failed(failure) => decision.add(failure.reason(), Verdict::Refuse),
        Credential::Verified(facts) => decision.add_code(facts, now_ms, context),
    }
    if presented.temperature_tenths_celsius.is_some_and(|temperature| temperature >= rule.fever_tenths_celsius) {
        decision.add(Reason::Fever, rule.fever_verdict);
    }
    decision.reasons.sort_unstable();
    decision.reasons.dedup();
    decision
}

impl Decision {
    /// What a rule admits is no reason.
    fn add(&mut self, reason: Reason, verdict: Verdict) {
        if verdict != Verdict::Admit {
            self.verdict = self.verdict.max(verdict);
            self.reasons.push(reason);
        }
    }

    fn add_code(&mut self, facts: &Facts, now_ms: i64, context: &Context<'_>) {
        let rule = context.rule;
        if context.revoked.contains(facts.code_id) {
            self.add(Reason::Revoked, Verdict::Refuse);
        }
        if context.superseded.contains(facts.code_id) {
            self.add(Reason::Superseded, Verdict::Refuse);
        }
        if now_ms >= facts.expires_at_ms {
            self.add(Reason::Expired, Verdict::Refuse);
        }
        if facts.issued_at_ms > now_ms.saturating_add(CLOCK_TOLERANCE_MS) {
            self.add(Reason::NotYetValid, Verdict::Refuse);
        }
        if !facts.scope.contains(context.checkpoint) {
            self.add(Reason::OutOfArea, Verdict::Refuse);
        }
        match rule.who_may_enter {
            WhoMayEnter::District if !facts.district.contains(context.checkpoint) => {
                self.add(Reason::OutOfArea, rule.stranger_verdict);
            }
            WhoMayEnter::Members if !membership::is_member(facts, context) => {
                self.add(Reason::NotAMember, rule.stranger_verdict);
            }
            _ => {}
        }
        self.add(Reason::Health, rule.status_verdict(facts.status));
    }
}
