//! Commands: the log decides, on every node alike.

use suikang_registry::{CommandError, Committed, Refusal};
use suikang_schemas::registry_event::{Change, HaltSet, PolicySet, RegistryEvent, SealKeySet, Value, ValueSetSet};
use suikang_schemas::{Topic, avro};
use suikang_stream::NewRecord;

use crate::nodes::{Deployment, actor, command};

fn halt(reason: &str) -> Change {
    Change::HaltSet(HaltSet { halted: true, reason: reason.to_owned() })
}

fn policy(version: i32, approved_by: &[&str]) -> Change {
    Change::PolicySet(PolicySet {
        version,
        expression: "1".to_owned(),
        effective_from_ms: 1_000 * i64::from(version),
        note: String::new(),
        approved_by: approved_by.iter().map(|&login| login.to_owned()).collect(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_that_race_one_wins_and_both_views_are_equal() {
    race(&Deployment::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_that_race_on_kafka_one_wins_and_both_views_are_equal() {
    race(&Deployment::on_kafka().await).await;
}

async fn race(deployment: &Deployment) {
    let (one, two) = (deployment.node("one").await, deployment.node("two").await);
    for round in 0..20 {
        let (first, second) = tokio::join!(
            one.registry.submit(command(Some(round), halt("one"))),
            two.registry.submit(command(Some(round), halt("two"))),
        );
        let (winner, loser) = if first.is_ok() { ("one", second) } else { ("two", first) };
        assert_eq!(loser, Err(CommandError::Conflict { entity: "halt".to_owned(), version: round + 1 }));
        for node in [&one, &two] {
            node.catch_up(deployment).await;
            assert_eq!(node.registry.snapshot().halt().unwrap().reason, winner);
        }
        assert_eq!(one.dump(), two.dump());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reads_ones_own_writes() {
    let deployment = Deployment::new().await;
    let node = deployment.node("one").await;
    for version in 1..=20 {
        let reason = version.to_string();
        let committed = node.registry.submit(command(None, halt(&reason))).await.unwrap();
        assert_eq!(committed.version, version);
        assert_eq!(node.registry.snapshot().halt().unwrap().reason, reason);
        assert!(node.registry.next_offset() > committed.offset);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_submitted_again_succeeds_and_changes_nothing() {
    let deployment = Deployment::new().await;
    let (one, two) = (deployment.node("one").await, deployment.node("two").await);
    let first = command(Some(0), halt("first"));
    let committed = one.registry.submit(first.clone()).await.unwrap();
    one.registry.submit(command(Some(1), halt("second"))).await.unwrap();
    let events = deployment.events().await;

    two.catch_up(&deployment).await;
    for node in [&one, &two] {
        assert_eq!(node.registry.submit(first.clone()).await, Ok(committed));
        assert_eq!(node.registry.snapshot().halt().unwrap().reason, "second");
    }
    assert_eq!(deployment.events().await, events, "nothing was appended");

    // A node that didn't know appends it all the same, with the version of its day: the log passes it over.
    let Committed { version, .. } = committed;
    let event = RegistryEvent {
        command_id: first.command_id.0.into_bytes(),
        at_ms: 0,
        actor: actor(),
        expected_version: version + 1,
        change: first.change,
    };
    let record = NewRecord { record_key: b"halt".to_vec(), payload: avro::encode(&event) };
    deployment.log.append(Topic::Registry, vec![record]).await.unwrap();
    for node in [&one, &two] {
        node.catch_up(&deployment).await;
        assert_eq!(node.registry.snapshot().halt().unwrap().reason, "second");
    }
    assert_eq!(one.dump(), two.dump());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_keep_their_order() {
    let deployment = Deployment::new().await;
    let node = deployment.node("one").await;
    let commands = (0..100).map(|at| command(None, halt(&at.to_string()))).collect();
    let outcomes = node.registry.submit_all(commands).await;
    let versions: Vec<i64> = outcomes.into_iter().map(|outcome| outcome.unwrap().version).collect();
    assert_eq!(versions, (1..=100).collect::<Vec<_>>());
    assert_eq!(node.registry.snapshot().halt().unwrap().reason, "99");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_in_force_says_why() {
    let deployment = Deployment::new().await;
    let node = deployment.node("one").await;
    let submit = |change| node.registry.submit(command(None, change));
    let refused = |refusal| Err(CommandError::Refused(refusal));

    assert_eq!(submit(policy(1, &["a"])).await, refused(Refusal::TwoApprovers));
    assert_eq!(submit(policy(1, &["a", " a", ""])).await, refused(Refusal::TwoApprovers));
    submit(policy(1, &["a", "b"])).await.unwrap();
    assert_eq!(submit(policy(1, &["c", "d"])).await, refused(Refusal::PolicyImmutable));

    let seal_key = |byte| Change::SealKeySet(SealKeySet { seal_day: 18_320, public_key: [byte; 32] });
    submit(seal_key(1)).await.unwrap();
    assert_eq!(submit(seal_key(2)).await, refused(Refusal::SealKeyImmutable));
    assert_eq!(node.registry.snapshot().seal_key(18_320), Some([1; 32]));

    let value = |word: &str| Value { value: word.to_owned(), label_zh: String::new(), label_en: String::new() };
    let twice = ValueSetSet { name: "symptom".to_owned(), values: vec![value("fever"), value("fever")] };
    assert_eq!(submit(Change::ValueSetSet(twice)).await, refused(Refusal::DuplicateValue));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_refuses_what_a_node_should_not_have_appended() {
    let deployment = Deployment::new().await;
    let node = deployment.node("one").await;
    let event =
        |change: Change| RegistryEvent { command_id: [9; 16], at_ms: 0, actor: actor(), expected_version: 0, change };
    let records = [
        avro::encode(&event(policy(1, &["a", "a"]))),
        b"garbage".to_vec(),
        avro::encode(&event(policy(2, &["a", "b"]))),
    ];
    let records = records.into_iter().map(|payload| NewRecord { record_key: b"policy".to_vec(), payload });
    deployment.log.append(Topic::Registry, records.collect()).await.unwrap();
    node.catch_up(&deployment).await;
    let snapshot = node.registry.snapshot();
    assert_eq!(snapshot.policies().map(|policy| policy.version).collect::<Vec<_>>(), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_in_force_is_the_one_effective_last() {
    let deployment = Deployment::new().await;
    let node = deployment.node("one").await;
    for version in [1, 2] {
        node.registry.submit(command(Some(0), policy(version, &["a", "b"]))).await.unwrap();
    }
    let snapshot = node.registry.snapshot();
    let at = |now_ms| snapshot.policy_at(now_ms).map(|policy| policy.version);
    assert_eq!((at(999), at(1_000), at(1_999), at(2_000)), (None, Some(1), Some(1), Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_knows_what_it_knew() {
    let deployment = Deployment::new().await;
    let node = deployment.node("one").await;
    node.registry.submit(command(None, halt("before"))).await.unwrap();
    node.stop().await;
    let node = deployment.node("one").await;
    assert_eq!(node.registry.snapshot().halt().unwrap().reason, "before");
    assert_eq!(node.registry.next_offset(), deployment.events().await);
    let committed = node.registry.submit(command(Some(1), halt("after"))).await.unwrap();
    assert_eq!(committed.version, 2);
}
