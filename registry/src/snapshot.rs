//! The registry's small things, in memory: what a request looks up without touching SQLite.
//!
//! A snapshot is immutable and agrees with one offset of the topic. After every commit of the view a new one takes its place by one
//! pointer swap, so a request that holds one sees one state of the registry, however long it takes.

use std::collections::BTreeMap;

use suikang_schemas::area::Level;
use suikang_schemas::key_list::{KeyList, Purpose};

use suikang_schemas::registry_event::{AreaRuleSet, Change, HaltSet, OrderSet, PlaceSet, PolicySet, ValueSetSet};
use suikang_schemas::{AreaCode, KeyId};

use crate::key_lists;

/// Everything but people, as of one offset.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub(crate) value_sets: BTreeMap<String, ValueSetSet>,
    pub(crate) policies: BTreeMap<i32, PolicySet>,
    pub(crate) order: Option<OrderSet>,
    pub(crate) area_rules: BTreeMap<AreaCode, AreaRuleSet>,
    pub(crate) key_list: Option<PublishedKeyList>,
    pub(crate) seal_keys: BTreeMap<i32, [u8; 32]>,
    pub(crate) halt: Option<HaltSet>,
    pub(crate) places: BTreeMap<AreaCode, PlaceSet>,
}

/// The accepted key list: what it says, and the signed bytes to hand on.
#[derive(Debug, Clone)]
pub struct PublishedKeyList {
    /// What it says.
    pub list: KeyList,
    /// COSE_Sign1 under the root key, as it was published.
    pub signed: Vec<u8>,
}

impl Snapshot {
    /// Takes a change that is in force.
    pub(crate) fn put(&mut self, root_public_key: &[u8; 32], change: Change) {
        match change {
            Change::ValueSetSet(set) => drop(self.value_sets.insert(set.name.clone(), set)),
            Change::PolicySet(policy) => drop(self.policies.insert(policy.version, policy)),
            Change::OrderSet(order) => self.order = Some(order),
            Change::AreaRuleSet(rule) => drop(self.area_rules.insert(rule.area.clone(), rule)),
            Change::KeyListPublished(published) => self.key_list = key_lists::read(root_public_key, published),
            Change::SealKeySet(seal_key) => drop(self.seal_keys.insert(seal_key.seal_day, seal_key.public_key)),
            Change::HaltSet(halt) => self.halt = Some(halt),
            Change::PlaceSet(place) => drop(self.places.insert(place.area.clone(), place)),
            // People are too many for memory; the view has them.
            Change::PersonSet(_) | Change::ClaimErased(_) => {}
        }
    }

    /// The choices of a field of the form.
    pub fn value_set(&self, name: &str) -> Option<&ValueSetSet> {
        self.value_sets.get(name)
    }

    /// Every set of choices.
    pub fn value_sets(&self) -> impl Iterator<Item = &ValueSetSet> {
        self.value_sets.values()
    }

    /// Whether a set has this value; a set that doesn't exist has none.
    pub fn has_value(&self, set: &str, value: &str) -> bool {
        self.value_set(set).is_some_and(|set| set.values.iter().any(|choice| choice.value == value))
    }

    /// The policy of this version.
    pub fn policy(&self, version: i32) -> Option<&PolicySet> {
        self.policies.get(&version)
    }

    /// Every policy, oldest version first.
    pub fn policies(&self) -> impl Iterator<Item = &PolicySet> {
        self.policies.values()
    }

    /// The policy in force at a time: of those already effective the one that became so last; of equals the greater version.
    pub fn policy_at(&self, now_ms: i64) -> Option<&PolicySet> {
        self.policies
            .values()
            .filter(|policy| policy.effective_from_ms <= now_ms)
            .max_by_key(|policy| (policy.effective_from_ms, policy.version))
    }

    /// The order behind it all.
    pub fn order(&self) -> Option<&OrderSet> {
        self.order.as_ref()
    }

    /// Whether the order has ended by this time. Without an order nothing has ended.
    pub fn order_has_ended(&self, now_ms: i64) -> bool {
        self.order.as_ref().and_then(|order| order.ends_at_ms).is_some_and(|end_ms| end_ms <= now_ms)
    }

    /// The rule that holds in an area: its own or that of the nearest area around it.
    pub fn area_rule(&self, area: &AreaCode) -> Option<&AreaRuleSet> {
        std::iter::successors(Some(area.clone()), AreaCode::parent).find_map(|area| self.area_rules.get(&area))
    }

    /// Every rule, by area.
    pub fn area_rules(&self) -> impl Iterator<Item = &AreaRuleSet> {
        self.area_rules.values()
    }

    /// The accepted key list, if one was ever published.
    pub fn key_list(&self) -> Option<&PublishedKeyList> {
        self.key_list.as_ref()
    }

    /// The pass-code key that declarations accepted at this time are stamped with: of those whose window to sign is open, the newest.
    pub fn signing_key_at(&self, now_ms: i64) -> Option<KeyId> {
        self.key_list.as_ref()?.list.signing_key_at(Purpose::PassCode, now_ms)
    }

    /// The public half of a day's seal key.
    pub fn seal_key(&self, seal_day: i32) -> Option<[u8; 32]> {
        self.seal_keys.get(&seal_day).copied()
    }

    /// Every day that has a seal key, with it.
    pub fn seal_keys(&self) -> impl Iterator<Item = (i32, [u8; 32])> + '_ {
        self.seal_keys.iter().map(|(&day, &public_key)| (day, public_key))
    }

    /// Whether issuers wait.
    pub fn is_halted(&self) -> bool {
        self.halt.as_ref().is_some_and(|halt| halt.halted)
    }

    /// The last word on whether issuers wait, with its reason.
    pub fn halt(&self) -> Option<&HaltSet> {
        self.halt.as_ref()
    }

    /// A place by its code.
    pub fn place(&self, area: &AreaCode) -> Option<&PlaceSet> {
        self.places.get(area)
    }

    /// Every place, by code: a place comes right before those inside it.
    pub fn places(&self) -> impl Iterator<Item = &PlaceSet> {
        self.places.values()
    }

    /// The places directly inside an area, by code.
    pub fn children(&self, area: &AreaCode) -> impl Iterator<Item = &PlaceSet> {
        self.inside(area).filter(move |place| place.area.parent().as_ref() == Some(area))
    }

    /// Every place of one level inside an area, by code.
    pub fn places_of_level(&self, area: &AreaCode, level: Level) -> impl Iterator<Item = &PlaceSet> {
        self.inside(area).filter(move |place| place.area.level() == level)
    }

    fn inside(&self, area: &AreaCode) -> impl Iterator<Item = &PlaceSet> {
        // Codes begin with their parent's, so what lies inside follows it without a gap.
        self.places.range(area.clone()..).map(|(_, place)| place).take_while(move |place| area.contains(&place.area))
    }
}

#[cfg(test)]
mod tests {
    use suikang_schemas::decide::Verdict;

    use super::*;

    fn area(text: &str) -> AreaCode {
        text.parse().unwrap()
    }

    fn rule(text: &str) -> Change {
        Change::AreaRuleSet(AreaRuleSet {
            area: area(text),
            checking: true,
            members_only: false,
            fever_tenths_celsius: 373,
            fever_verdict: Verdict::Refer,
            amber_verdict: Verdict::Refer,
            red_verdict: Verdict::Refuse,
        })
    }

    #[test]
    fn the_nearest_rule_around_a_place_holds() {
        let mut snapshot = Snapshot::default();
        for text in ["4401", "440106", "440106001003-001"] {
            snapshot.put(&[0; 32], rule(text));
        }
        let holds = |text: &str| snapshot.area_rule(&area(text)).map(|rule| rule.area.to_string());
        assert_eq!(holds("440106001003-001-01").as_deref(), Some("440106001003-001"));
        assert_eq!(holds("440106001003-002-01").as_deref(), Some("440106"));
        assert_eq!(holds("440104001003-001-01").as_deref(), Some("4401"));
        assert_eq!(holds("4401").as_deref(), Some("4401"));
        assert_eq!(holds("4403"), None, "another city");
    }

    #[test]
    fn an_order_without_an_end_has_not_ended() {
        let mut snapshot = Snapshot::default();
        assert!(!snapshot.order_has_ended(i64::MAX));
        let order = |ends_at_ms| {
            Change::OrderSet(OrderSet {
                starts_at_ms: 0,
                coverage_days: 5,
                ends_at_ms,
                validity_s: 1,
                masked_name_on_code: false,
            })
        };
        snapshot.put(&[0; 32], order(None));
        assert!(!snapshot.order_has_ended(i64::MAX));
        snapshot.put(&[0; 32], order(Some(1_000)));
        assert!(!snapshot.order_has_ended(999) && snapshot.order_has_ended(1_000));
    }
}
