//! What must hold whatever the input.

use proptest::prelude::*;

use super::*;
use crate::ids::CodeId;
use crate::status::Status;

const CHECKPOINTS: [&str; 3] = ["440106001003-001-01", "440103001001-002-01", "440106002001-001-03"];
const AREAS: [&str; 4] = ["4401", "440106", "440103", "440106001"];

/// A whole situation, owned, so that a test can change one thing about it.
#[derive(Debug, Clone)]
struct Situation {
    presented: Presented,
    now_ms: i64,
    checkpoint: AreaCode,
    rule: AreaRule,
    revoked: bool,
    superseded: bool,
    approved: bool,
    secret: Option<[u8; 32]>,
}

impl Situation {
    fn decide(&self) -> Decision {
        let listed = |is: bool| match &self.presented.credential {
            Credential::Verified(facts) if is => CodePrefixes::from_iter([facts.code_id]),
            _ => CodePrefixes::default(),
        };
        decide(
            &self.presented,
            self.now_ms,
            &Context {
                checkpoint: &self.checkpoint,
                rule: &self.rule,
                revoked: &listed(self.revoked),
                superseded: &listed(self.superseded),
                approved: &listed(self.approved),
                community_secret: self.secret.as_ref(),
            },
        )
    }

    fn facts(&mut self) -> Option<&mut Facts> {
        match &mut self.presented.credential {
            Credential::Verified(facts) => Some(facts),
            _ => None,
        }
    }
}

fn area(of: &'static [&'static str]) -> impl Strategy<Value = AreaCode> {
    prop::sample::select(of).prop_map(|text| text.parse().unwrap())
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop::sample::select(Verdict::ALL.to_vec())
}

/// Mostly near each other, so that every edge is met; now and then anything.
fn time_ms() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -3 * CLOCK_TOLERANCE_MS..3 * CLOCK_TOLERANCE_MS, 1 => any::<i64>()]
}

fn facts() -> impl Strategy<Value = Facts> {
    let tags = (any::<bool>(), prop::collection::vec(any::<[u8; COMMUNITY_TAG_BYTES]>(), 0..3));
    let status = prop::sample::select(Status::ALL.to_vec());
    (any::<[u8; 16]>(), status, area(&AREAS), area(&AREAS), time_ms(), time_ms(), tags).prop_map(
        |(id, status, district, scope, issued_at_ms, expires_at_ms, (member, mut community_tags))| {
            let code_id = CodeId(id);
            if member {
                community_tags.push(community_tag(&[7; 32], code_id));
            }
            Facts { code_id, status, district, scope, issued_at_ms, expires_at_ms, community_tags }
        },
    )
}

fn presented() -> impl Strategy<Value = Presented> {
    let credential = prop_oneof![
        1 => Just(Credential::NoCode),
        2 => prop::sample::select(Failure::ALL.to_vec()).prop_map(Credential::Failed),
        6 => facts().prop_map(Credential::Verified),
    ];
    (credential, prop::option::of(350..420))
        .prop_map(|(credential, temperature_tenths_celsius)| Presented { credential, temperature_tenths_celsius })
}

fn rule() -> impl Strategy<Value = AreaRule> {
    let who = prop::sample::select(vec![WhoMayEnter::Anyone, WhoMayEnter::District, WhoMayEnter::Members]);
    (who, [verdict(), verdict(), verdict(), verdict(), verdict()], 360..400).prop_map(
        |(who_may_enter, [stranger, no_code, amber, red, fever], fever_tenths_celsius)| AreaRule {
            checking: true,
            who_may_enter,
            stranger_verdict: stranger,
            no_code_verdict: no_code,
            amber_verdict: amber,
            red_verdict: red,
            fever_tenths_celsius,
            fever_verdict: fever,
        },
    )
}

fn situation() -> impl Strategy<Value = Situation> {
    let lists = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), any::<bool>());
    (presented(), time_ms(), area(&CHECKPOINTS), rule(), lists, prop::option::of(Just([7; 32]))).prop_map(
        |(presented, now_ms, checkpoint, rule, (revoked, superseded, approved), secret)| Situation {
            presented,
            now_ms,
            checkpoint,
            rule,
            revoked,
            superseded,
            approved,
            secret,
        },
    )
}

/// The same with one thing made worse, by number.
fn worsened(situation: &Situation, how: usize) -> Situation {
    let mut worse = situation.clone();
    let rule = &mut worse.rule;
    match how {
        0 => worse.revoked = true,
        1 => worse.superseded = true,
        2 => worse.approved = false,
        3 => worse.secret = None,
        4 => worse.presented.temperature_tenths_celsius = Some(rule.fever_tenths_celsius),
        5 => rule.amber_verdict = Verdict::Refuse,
        6 => rule.red_verdict = Verdict::Refuse,
        7 => rule.fever_verdict = Verdict::Refuse,
        8 => rule.stranger_verdict = Verdict::Refuse,
        9 => rule.no_code_verdict = Verdict::Refuse,
        10 => rule.fever_tenths_celsius = 0,
        11 => worse.facts().into_iter().for_each(|facts| facts.status = Status::Red),
        12 => worse.facts().into_iter().for_each(|facts| facts.expires_at_ms = i64::MIN),
        13 => worse.facts().into_iter().for_each(|facts| facts.issued_at_ms = i64::MAX),
        _ => worse.facts().into_iter().for_each(|facts| facts.community_tags.clear()),
    }
    worse
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn nothing_worse_is_decided_better(situation in situation(), how in 0usize..15) {
        let (before, after) = (situation.decide(), worsened(&situation, how).decide());
        prop_assert!(after.verdict >= before.verdict, "{:?} became {:?}", before, after);
        prop_assert!(before.reasons.iter().all(|reason| after.reasons.contains(reason)), "{:?} became {:?}", before, after);
    }

    #[test]
    fn whoever_is_not_admitted_is_told_why_in_order(situation in situation()) {
        let Decision { verdict, reasons } = situation.decide();
        prop_assert_eq!(verdict == Verdict::Admit, reasons.is_empty());
        prop_assert!(reasons.is_sorted_by(|a, b| a < b), "{:?}", reasons);
        prop_assert!(!reasons.contains(&Reason::CheckingOff));
    }

    #[test]
    fn a_code_ends_to_the_millisecond(mut situation in situation(), expires_at_ms in time_ms(), after_ms in -2i64..=2) {
        situation.now_ms = expires_at_ms.saturating_add(after_ms);
        let now_ms = situation.now_ms;
        if let Some(facts) = situation.facts() {
            facts.expires_at_ms = expires_at_ms;
            let decision = situation.decide();
            prop_assert_eq!(decision.reasons.contains(&Reason::Expired), now_ms >= expires_at_ms);
            prop_assert!(now_ms < expires_at_ms || decision.verdict == Verdict::Refuse);
        }
    }

    #[test]
    fn no_rule_admits_what_can_not_be_trusted(mut situation in situation()) {
        let is_refused_code = match &situation.presented.credential {
            Credential::Failed(_) => true,
            Credential::Verified(facts) => {
                situation.revoked || situation.superseded || !facts.scope.contains(&situation.checkpoint)
            }
            Credential::NoCode => false,
        };
        let lenient = Verdict::Admit;
        situation.rule = AreaRule {
            who_may_enter: WhoMayEnter::Anyone, stranger_verdict: lenient, no_code_verdict: lenient,
            amber_verdict: lenient, red_verdict: lenient, fever_verdict: lenient, ..situation.rule
        };
        prop_assert!(!is_refused_code || situation.decide().verdict == Verdict::Refuse);
    }

    #[test]
    fn members_are_told_by_tag_or_later_approval(mut situation in situation()) {
        situation.rule.who_may_enter = WhoMayEnter::Members;
        situation.rule.stranger_verdict = Verdict::Refer;
        let (approved, secret) = (situation.approved, situation.secret);
        if let Some(facts) = situation.facts() {
            let tagged = secret.is_some_and(|secret| facts.community_tags.contains(&community_tag(&secret, facts.code_id)));
            prop_assert_eq!(situation.decide().reasons.contains(&Reason::NotAMember), !(tagged || approved));
        }
    }

    #[test]
    fn where_nothing_is_checked_everyone_is_admitted(mut situation in situation()) {
        situation.rule.checking = false;
        let expected = Decision { verdict: Verdict::Admit, reasons: vec![Reason::CheckingOff] };
        prop_assert_eq!(situation.decide(), expected);
    }
}
