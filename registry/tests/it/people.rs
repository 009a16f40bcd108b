//! People and the claims that lead to them.

use suikang_registry::{Claim, CommandError, Refusal, Registry};
use suikang_schemas::Subject;
use suikang_schemas::declaration::Sealed;
use suikang_schemas::registry_event::{Change, ClaimErased, HaltSet, PersonSet};

use crate::nodes::{Deployment, Node, command};

const CLAIM: Claim = Claim([3; 32]);

fn person(subject: u8, claim: Option<Claim>) -> PersonSet {
    PersonSet {
        subject: Subject([subject; 16]),
        claim: claim.map(|claim| claim.0),
        holder: "account".to_owned(),
        birth_year: Some(1990),
        person_kind: "resident".to_owned(),
        masked_name: Some("张**".to_owned()),
        committee: "440106001003".parse().unwrap(),
        community: Some("440106001003-001".parse().unwrap()),
        since_day: Some(18_000),
        capacity: "owner".to_owned(),
        sealed: Some(Sealed { seal_day: 18_320, bytes: vec![1, 2, 3] }),
    }
}

async fn subject_of(registry: &Registry) -> Option<Subject> {
    registry.subject_of(&CLAIM).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_two_nodes_give_to_two_people_leads_to_one() {
    let deployment = Deployment::new().await;
    let (one, two) = (deployment.node("one").await, deployment.node("two").await);
    let (first, second) = tokio::join!(
        one.registry.submit(command(Some(0), Change::PersonSet(person(1, Some(CLAIM))))),
        two.registry.submit(command(Some(0), Change::PersonSet(person(2, Some(CLAIM))))),
    );
    let (winner, loser, loses) = if first.is_ok() { (1, 2, second) } else { (2, 1, first) };
    assert_eq!(loses, Err(CommandError::Refused(Refusal::ClaimTaken)));
    for node in [&one, &two] {
        node.catch_up(&deployment).await;
        assert_eq!(subject_of(&node.registry).await, Some(Subject([winner; 16])));
        assert_eq!(node.registry.person(&Subject([loser; 16])).await.unwrap(), None, "the loser's person is not there");
    }
    assert_eq!(one.dump(), two.dump());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_erased_and_leads_elsewhere_afterwards() {
    let deployment = Deployment::new().await;
    let node = deployment.node("one").await;
    node.registry.submit(command(Some(0), Change::PersonSet(person(1, Some(CLAIM))))).await.unwrap();
    assert_eq!(subject_of(&node.registry).await, Some(Subject([1; 16])));

    let erasure = command(None, Change::ClaimErased(ClaimErased { claim: CLAIM.0 }));
    node.registry.submit(erasure.clone()).await.unwrap();
    assert_eq!(subject_of(&node.registry).await, None);
    assert!(node.registry.person(&Subject([1; 16])).await.unwrap().is_some(), "the person stays");

    node.registry.submit(command(Some(0), Change::PersonSet(person(2, Some(CLAIM))))).await.unwrap();
    assert_eq!(subject_of(&node.registry).await, Some(Subject([2; 16])));
    node.registry.submit(erasure).await.unwrap();
    assert_eq!(subject_of(&node.registry).await, Some(Subject([2; 16])), "the erasure was of its time");

    let later = command(Some(1), Change::ClaimErased(ClaimErased { claim: CLAIM.0 }));
    node.registry.submit(later).await.unwrap();
    assert_eq!(subject_of(&node.registry).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_keeps_basic_information_and_claim() {
    let deployment = Deployment::new().await;
    let node = deployment.node("one").await;
    let added = person(1, Some(CLAIM));
    node.registry.submit(command(Some(0), Change::PersonSet(added.clone()))).await.unwrap();

    let committee = "440104001001".parse().unwrap();
    let moved = PersonSet { claim: None, sealed: None, community: None, committee, ..added.clone() };
    node.registry.submit(command(None, Change::PersonSet(moved.clone()))).await.unwrap();

    let known = node.registry.person(&added.subject).await.unwrap().unwrap();
    assert_eq!((known.version, known.sealed.clone()), (2, added.sealed));
    assert_eq!((&known.committee, &known.community), (&moved.committee, &None));
    assert!(known.has_basic_information());
    assert_eq!(subject_of(&node.registry).await, Some(added.subject));

    assert_eq!(known.issuing_facts(true).masked_name.as_deref(), Some("张**"));
    assert_eq!(known.issuing_facts(false).masked_name, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_changed_elsewhere_meanwhile_is_a_conflict() {
    let deployment = Deployment::new().await;
    let node = deployment.node("one").await;
    node.registry.submit(command(Some(0), Change::PersonSet(person(1, None)))).await.unwrap();
    let stale = node.registry.submit(command(Some(0), Change::PersonSet(person(1, None)))).await;
    assert!(matches!(stale, Err(CommandError::Conflict { version: 1, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_asks_for_nobody_has_the_same_rules_and_no_people() {
    let deployment = Deployment::new().await;
    let (whole, rules) = (deployment.node("whole").await, deployment.rules_node("rules").await);
    let halted = |reason: &str| Change::HaltSet(HaltSet { halted: true, reason: reason.to_owned() });
    let again = command(None, halted("first"));
    for submitted in [
        again.clone(),
        command(Some(0), Change::PersonSet(person(1, Some(CLAIM)))),
        command(Some(1), halted("second")),
        command(None, Change::ClaimErased(ClaimErased { claim: CLAIM.0 })),
        again,
    ] {
        whole.registry.submit(submitted).await.unwrap();
    }
    for node in [&whole, &rules] {
        node.catch_up(&deployment).await;
        assert_eq!(node.registry.snapshot().halt().unwrap().reason, "second");
    }
    assert_eq!(format!("{:?}", rules.registry.snapshot()), format!("{:?}", whole.registry.snapshot()));
    assert!(rules.registry.person(&Subject([1; 16])).await.is_err(), "nobody is not the same as unknown");

    let holds_name = |node: &Node| {
        let mut files = std::fs::read_dir(&node.state_dir).unwrap();
        files.any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows("张**".len()).any(|window| window == "张**".as_bytes())
        })
    };
    assert!(holds_name(&whole) && !holds_name(&rules), "what isn't kept can't leak");
}
