//! Defaults for value sets, policy, order and area rule. Examples all of them: an operator sets their own.

use suikang_schemas::AreaCode;
use suikang_schemas::decide::{AreaRule, WhoMayEnter};
use suikang_schemas::registry_event::{AreaRuleSet, Change, OrderSet, PolicySet, Value, ValueSetSet};

use crate::snapshot::Snapshot;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const SHANGHAI_OFFSET_MS: i64 = 8 * 60 * 60 * 1000;

/// The choices of the form: name, then value, Chinese and English label of each.
type Choices = (&'static str, &'static [(&'static str, &'static str, &'static str)]);

const VALUE_SETS: [Choices; 5] = [
    (
        "symptom",
        &[
            ("fever", "发热", "Fever"),
            ("cough", "咳嗽", "Cough"),
            ("fatigue", "乏力", "Fatigue"),
            ("breathlessness", "胸闷、气促", "Shortness of breath"),
            ("sore_throat", "咽痛", "Sore throat"),
            ("runny_nose", "鼻塞、流涕", "Blocked or runny nose"),
            ("diarrhoea", "腹泻", "Diarrhoea"),
        ],
    ),
    (
        "hubei_stay",
        &[
            ("none", "近期没有去过湖北", "No recent stay in Hubei"),
            ("lived", "近期在湖北居住", "Recently lived in Hubei"),
            ("travelled", "近期到过或途经湖北", "Recently travelled to or through Hubei"),
        ],
    ),
    (
        "contact",
        &[
            ("none", "没有接触", "No contact"),
            ("suspected", "接触过疑似病例", "With a suspected case"),
            ("confirmed", "接触过确诊病例", "With a confirmed case"),
        ],
    ),
    (
        "person_kind",
        &[
            ("resident", "本市居民", "Resident"),
            ("migrant", "来穗人员", "From elsewhere, living here"),
            ("returning", "返穗人员", "Returning to Guangzhou"),
            ("hong_kong_macau_taiwan", "港澳台居民", "From Hong Kong, Macau or Taiwan"),
            ("foreigner", "外籍人员", "Foreigner"),
            ("visitor", "短期来访", "Visitor"),
        ],
    ),
    (
        "capacity",
        &[
            ("owner", "业主", "Owner"),
            ("tenant", "租户", "Tenant"),
            ("family", "同住家属", "Family"),
            ("staff", "工作人员", "Staff"),
            ("other", "其他", "Other"),
        ],
    ),
];

/// Red for contact with a confirmed case; amber for a symptom, a stay in Hubei that ended less than 14 days ago (or has no end), or
/// contact with a suspected case; green for everybody else.
const POLICY: &str = "named_struct(
    'status', CASE
        WHEN contact = 'confirmed' THEN 'red'
        WHEN cardinality(symptoms) > 0 THEN 'amber'
        WHEN hubei_stay <> 'none' AND coalesce(hubei_return_days, 0) < 14 THEN 'amber'
        WHEN contact = 'suspected' THEN 'amber'
        ELSE 'green' END,
    'reasons', make_array(
        CASE WHEN contact = 'confirmed' THEN 'contact_confirmed' END,
        CASE WHEN contact = 'suspected' THEN 'contact_suspected' END,
        CASE WHEN cardinality(symptoms) > 0 THEN 'symptoms' END,
        CASE WHEN hubei_stay <> 'none' AND coalesce(hubei_return_days, 0) < 14 THEN 'hubei_14_days' END))";

/// What the registry has no rule for yet.
pub(super) fn missing(snapshot: &Snapshot, now_ms: i64) -> Vec<Change> {
    let began_ms = (now_ms + SHANGHAI_OFFSET_MS).div_euclid(DAY_MS) * DAY_MS - SHANGHAI_OFFSET_MS;
    let mut changes: Vec<Change> = VALUE_SETS
        .iter()
        .filter(|(name, _)| snapshot.value_set(name).is_none())
        .map(|choices| Change::ValueSetSet(value_set(choices)))
        .collect();
    if snapshot.policies().next().is_none() {
        changes.push(Change::PolicySet(policy(began_ms)));
    }
    if snapshot.order().is_none() {
        changes.push(Change::OrderSet(order(began_ms)));
    }
    if snapshot.area_rule(&city()).is_none() {
        changes.push(Change::AreaRuleSet(area_rule()));
    }
    changes
}

fn value_set((name, choices): &Choices) -> ValueSetSet {
    let values = choices.iter().map(|(value, label_zh, label_en)| Value {
        value: (*value).to_owned(),
        label_zh: (*label_zh).to_owned(),
        label_en: (*label_en).to_owned(),
    });
    ValueSetSet { name: (*name).to_owned(), values: values.collect() }
}

fn policy(effective_from_ms: i64) -> PolicySet {
    PolicySet {
        version: 1,
        expression: POLICY.to_owned(),
        effective_from_ms,
        note: "示例规则，并非命令所定 An example; the order names no colours".to_owned(),
        approved_by: vec!["demonstration-1".to_owned(), "demonstration-2".to_owned()],
    }
}

fn order(starts_at_ms: i64) -> OrderSet {
    OrderSet {
        starts_at_ms,
        coverage_days: 5,
        ends_at_ms: None,
        validity_s: 7 * 24 * 60 * 60,
        masked_name_on_code: true,
    }
}

fn area_rule() -> AreaRuleSet {
    let rule = AreaRule::default();
    AreaRuleSet {
        area: city(),
        checking: rule.checking,
        members_only: rule.who_may_enter == WhoMayEnter::Members,
        fever_tenths_celsius: rule.fever_tenths_celsius,
        fever_verdict: rule.fever_verdict,
        amber_verdict: rule.amber_verdict,
        red_verdict: rule.red_verdict,
    }
}

fn city() -> AreaCode {
    "4401".parse().expect("four digits are a city")
}
