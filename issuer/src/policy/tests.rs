//! What a policy may say, what it says of declarations, and what is refused with which words.

use suikang_schemas::declaration::*;
use suikang_schemas::{DeclarationId, KeyId, Subject};

use super::*;

fn declaration() -> Declaration {
    Declaration {
        declaration_id: DeclarationId([1; 16]),
        subject: Subject([2; 16]),
        accepted_at_ms: 1_582_781_445_123,
        declared_by: DeclaredBy::Oneself,
        inadmissible: None,
        policy_version: 1,
        signing_key: KeyId([3; 8]),
        validity_s: 604_800,
        registry_offset: 0,
        facts: IssuingFacts {
            birth_year: Some(1949),
            person_kind: "resident".into(),
            communities: Vec::new(),
            masked_name: None,
            hold: None,
        },
        residence: Residence {
            committee: "440106001003".parse().unwrap(),
            community: None,
            since_day: None,
            capacity: "owner".into(),
        },
        health: Health {
            symptoms: Vec::new(),
            hubei_stay: "none".into(),
            hubei_return_day: None,
            contact: "none".into(),
        },
        sealed: None,
    }
}

fn rule(sql: &str, declaration: &Declaration) -> Ruling {
    let batch = columns::batch(&[declaration, declaration]);
    let rulings = Policy::compile(sql).unwrap().evaluate(&batch).unwrap();
    assert_eq!(rulings[0], rulings[1]);
    rulings[0].clone()
}

fn shipped() -> String {
    let snapshot = suikang_registry::Snapshot::default();
    suikang_registry::seed::missing(&snapshot, 0)
        .into_iter()
        .find_map(|change| match change {
            suikang_schemas::registry_event::Change::PolicySet(policy) => Some(policy.expression),
            _ => None,
        })
        .expect("a policy is shipped")
}

#[test]
fn the_shipped_policy_rules() {
    let sql = shipped();
    assert_eq!(rule(&sql, &declaration()).status, Status::Green);

    let mut ill = declaration();
    ill.health.symptoms = vec!["fever".into()];
    let ruling = rule(&sql, &ill);
    assert_eq!(ruling.status, Status::Amber);
    assert!(!ruling.reasons.is_empty());

    let mut returned = declaration();
    returned.health.hubei_stay = "travelled".into();
    returned.health.hubei_return_day = Some(18_319 - 13);
    assert_eq!(rule(&sql, &returned).status, Status::Amber);
    returned.health.hubei_return_day = Some(18_319 - 40);
    assert_eq!(rule(&sql, &returned).status, Status::Green);

    let mut contact = ill;
    contact.health.contact = "confirmed".into();
    assert_eq!(rule(&sql, &contact).status, Status::Red);
}

#[test]
fn a_policy_may_ask_about_every_column() {
    let sql = "named_struct('status', CASE WHEN age = 71 AND hubei_return_days IS NULL AND hold IS NULL THEN 'amber' ELSE 'green' END,
        'reasons', make_array(person_kind, hubei_stay, contact, declared_by, capacity, committee, district,
            CASE WHEN cardinality(symptoms) > 0 THEN 'symptoms' END))";
    let ruling = rule(sql, &declaration());
    assert_eq!(ruling.status, Status::Amber);
    assert_eq!(ruling.reasons, ["resident", "none", "none", "self", "owner", "440106001003", "440106"]);
}

#[test]
fn what_is_no_policy_is_refused_with_words() {
    let with = |status: &str| format!("named_struct('status', {status}, 'reasons', make_array('x'))");
    for (sql, words) in [
        ("SELECT 1".to_owned(), "not a valid expression"),
        (with("'green'") + "; DROP TABLE x", "not a valid expression"),
        (with("nickname"), "not a valid expression"),
        ("'green'".to_owned(), "named_struct"),
        ("named_struct('status', 1, 'reasons', make_array('x'))".to_owned(), "named_struct"),
        ("named_struct('colour', 'green', 'reasons', make_array('x'))".to_owned(), "named_struct"),
        (with("CASE WHEN now() > now() THEN 'green' ELSE 'red' END"), "may answer otherwise"),
        (with("CASE WHEN random() > 0.5 THEN 'green' ELSE 'red' END"), "may answer otherwise"),
        (with("CASE WHEN uuid() > 'a' THEN 'green' ELSE 'red' END"), "may answer otherwise"),
        (with("max(contact)"), "no aggregate functions"),
        (with("first_value(contact) OVER ()"), "no window functions"),
    ] {
        let refused = Policy::compile(&sql).err().unwrap_or_else(|| panic!("accepted: {sql}")).to_string();
        assert!(refused.contains(words), "{sql}: {refused}");
    }
    assert!(Policy::compile(&with("(SELECT 'green')")).is_err());
}

#[test]
fn a_word_that_is_no_status_breaks_the_policy_not_the_declaration() {
    let policy = Policy::compile("named_struct('status', contact, 'reasons', make_array('x'))").unwrap();
    let refused = policy.evaluate(&columns::batch(&[&declaration()])).unwrap_err();
    assert_eq!(refused, PolicyError::Broke("\"none\" is no status".to_owned()));
}
