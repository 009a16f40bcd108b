//! Every case of who declares for whom.

use chrono::NaiveDate;
use suikang_registry::Role;
use suikang_schemas::declaration::{DeclaredBy, Health, Sealed};
use suikang_schemas::document::{DocumentType, IdentityDocument};
use suikang_schemas::{AreaCode, KeyId};

use super::super::form::BasicInformation;
use super::*;

const NEW: Subject = Subject([9; 16]);
const KNOWN: Subject = Subject([1; 16]);
const UNREGISTERED: Subject = Subject([7; 16]);
const HOME: &str = "440106001003";
const AWAY: &str = "440104001001";

fn caller(role: Role, area: &str, login: &str) -> Caller {
    Caller { role, area: area.parse().unwrap(), login: login.to_owned() }
}

fn resident(login: &str) -> Caller {
    caller(Role::Resident, "4401", login)
}

fn residence(committee: &str) -> Residence {
    let committee: AreaCode = committee.parse().unwrap();
    Residence { committee, community: None, since_day: Some(18_000), capacity: "owner".to_owned() }
}

fn person(holder: &str) -> Person {
    let Residence { committee, community, since_day, capacity } = residence(HOME);
    Person {
        subject: KNOWN,
        holder: holder.to_owned(),
        birth_year: Some(1980),
        person_kind: "resident".to_owned(),
        masked_name: None,
        committee,
        community,
        since_day,
        capacity,
        sealed: Some(Sealed { seal_day: 1, bytes: vec![1] }),
        communities: Vec::new(),
        hold: None,
        version: 1,
    }
}

fn form(who: WhoIsDeclared, residence: Option<Residence>) -> Form {
    let health = Health {
        symptoms: Vec::new(),
        hubei_stay: "none".to_owned(),
        hubei_return_day: None,
        contact: "none".to_owned(),
    };
    Form { person: who, declared_by: DeclaredBy::Oneself, residence, health, description: None }
}

fn full(committee: &str) -> Form {
    let today = NaiveDate::from_ymd_opt(2020, 2, 28).unwrap();
    let basic = BasicInformation {
        name: "张三".parse().unwrap(),
        document: IdentityDocument::parse(DocumentType::ResidentId, "11010519491231002X", today).unwrap(),
        phone: "13800138000".parse().unwrap(),
        address: "体育东路 1 号".parse().unwrap(),
        kind: "resident".to_owned(),
    };
    form(WhoIsDeclared::Full(Box::new(basic)), Some(residence(committee)))
}

fn renewal(moved_to: Option<&str>) -> Form {
    form(WhoIsDeclared::Known(KNOWN), moved_to.map(residence))
}

fn in_force(order_ended: bool) -> InForce {
    InForce {
        accepted_at_ms: 0,
        policy_version: 1,
        signing_key: KeyId([0; 8]),
        validity_s: 604_800,
        masked_name_on_code: false,
        order_ended,
    }
}

fn plan_of(caller: &Caller, form: &Form, person: Option<Person>, order_ended: bool) -> Result<Plan, Problem> {
    let claim = matches!(form.person, WhoIsDeclared::Full(_)).then_some(Claim([5; 32]));
    plan(caller, form, &Found { claim, person }, &in_force(order_ended), NEW, |_| UNREGISTERED)
}

fn planned(caller: &Caller, form: &Form, person: Option<Person>) -> Plan {
    plan_of(caller, form, person, false).unwrap()
}

fn refused(caller: &Caller, form: &Form, person: Option<Person>) -> String {
    plan_of(caller, form, person, false).unwrap_err().error_code().to_owned()
}

#[test]
fn a_new_document_adds_a_person_whom_the_caller_holds() {
    let plan = planned(&resident("me"), &full(HOME), None);
    let change = plan.change.unwrap();
    assert_eq!((plan.subject, plan.inadmissible), (NEW, None));
    assert_eq!((change.subject, change.claim, change.holder.as_str()), (NEW, Some([5; 32]), "me"));
    assert_eq!((change.birth_year, change.masked_name), (Some(1949), None));
}

#[test]
fn the_masked_name_is_kept_only_where_the_order_puts_it_on_codes() {
    let found = Found { claim: Some(Claim([5; 32])), person: None };
    let on = InForce { masked_name_on_code: true, ..in_force(false) };
    let plan = plan(&resident("me"), &full(HOME), &found, &on, NEW, |_| UNREGISTERED).unwrap();
    assert_eq!(plan.change.unwrap().masked_name.as_deref(), Some("张*"));
}

#[test]
fn full_information_again_replaces_what_is_on_file_and_moves_no_claim() {
    let plan = planned(&resident("me"), &full(AWAY), Some(person("me")));
    let change = plan.change.unwrap();
    assert_eq!((plan.subject, change.subject, change.claim), (KNOWN, KNOWN, None));
    assert_eq!(change.committee.as_str(), AWAY);
}

#[test]
fn a_document_number_alone_takes_nobody_over() {
    for form in [full(AWAY), renewal(None), renewal(Some(AWAY))] {
        let plan = planned(&resident("stranger"), &form, Some(person("me")));
        assert_eq!(plan, Plan { subject: KNOWN, change: None, inadmissible: Some(Rejection::NotTheHolder) });
    }
}

#[test]
fn staff_helps_those_of_its_area_and_leaves_them_to_their_holder() {
    let staff = caller(Role::Proxy, "440106001", "proxy");
    let change = planned(&staff, &full(HOME), Some(person("me"))).change.unwrap();
    assert_eq!(change.holder, "me");
    assert_eq!(planned(&staff, &full(HOME), None).change.unwrap().holder, "proxy");
    assert_eq!(planned(&staff, &renewal(None), Some(person("me"))).inadmissible, None);
}

#[test]
fn staff_of_another_area_learns_nothing() {
    let staff = caller(Role::Proxy, "440104", "proxy");
    assert_eq!(refused(&staff, &full(HOME), None), "forbidden");
    assert_eq!(refused(&staff, &renewal(None), None), "unknown_person");
    assert_eq!(refused(&staff, &renewal(None), Some(person("me"))), "unknown_person", "as if there were nobody");
    assert_eq!(refused(&staff, &renewal(Some(AWAY)), Some(person("me"))), "unknown_person");
}

#[test]
fn a_renewal_needs_somebody_with_basic_information() {
    assert_eq!(refused(&resident("me"), &renewal(None), None), "unknown_person");
    let bare = Person { sealed: None, ..person("me") };
    assert_eq!(refused(&resident("me"), &renewal(None), Some(bare.clone())), "no_basic_information");
    let stranger = planned(&resident("stranger"), &renewal(None), Some(bare));
    assert_eq!(stranger.inadmissible, Some(Rejection::NotTheHolder), "a stranger doesn't learn what is on file");
}

#[test]
fn a_renewal_with_another_residence_is_a_move() {
    assert_eq!(planned(&resident("me"), &renewal(None), Some(person("me"))).change, None);
    assert_eq!(planned(&resident("me"), &renewal(Some(HOME)), Some(person("me"))).change, None, "the same residence");
    let change = planned(&resident("me"), &renewal(Some(AWAY)), Some(person("me"))).change.unwrap();
    assert_eq!((change.committee.as_str(), change.sealed, change.birth_year), (AWAY, None, Some(1980)));
}

#[test]
fn after_the_order_nobody_is_added_or_changed() {
    for (form, person, subject) in [
        (full(HOME), None, UNREGISTERED),
        (full(AWAY), Some(person("me")), KNOWN),
        (renewal(Some(AWAY)), Some(person("me")), KNOWN),
    ] {
        let plan = plan_of(&resident("me"), &form, person, true).unwrap();
        assert_eq!(plan, Plan { subject, change: None, inadmissible: Some(Rejection::OrderEnded) });
    }
}
