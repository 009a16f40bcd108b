//! Outcomes come in any order, more than once; what the view says depends on neither.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use suikang_registry::Codes;
use suikang_schemas::declaration::Rejection;
use suikang_schemas::outcome::{DeclarationPosition, Issued, Outcome};
use suikang_schemas::status::Status;
use suikang_schemas::{CodeId, DeclarationId, KeyId, Subject, Topic, avro};
use suikang_stream::{Log, NewRecord};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::nodes::Deployment;

const SUBJECT: Subject = Subject([1; 16]);

struct Following {
    codes: Codes,
    log: Arc<dyn Log>,
    _shutdown: DropGuard,
}

async fn follow(deployment: &Deployment, folder: &Path) -> Following {
    let codes = Codes::open(Arc::clone(&deployment.log), folder).await.unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn({
        let (codes, shutdown) = (codes.clone(), shutdown.clone());
        async move { codes.run(shutdown).await.unwrap() }
    });
    Following { codes, log: Arc::clone(&deployment.log), _shutdown: shutdown.drop_guard() }
}

impl Following {
    async fn append(&self, outcomes: &[Outcome]) {
        let record = |outcome: &Outcome| NewRecord { record_key: SUBJECT.0.to_vec(), payload: avro::encode(outcome) };
        let positions = self.log.append(Topic::Codes, outcomes.iter().map(record).collect()).await.unwrap();
        let last = positions.last().unwrap();
        let begun = Instant::now();
        while self.codes.next_offsets().get(&last.kafka_partition).is_none_or(|&next| next <= last.offset) {
            assert!(begun.elapsed() < Duration::from_secs(20), "the view stands still");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// An issued outcome; the code is told apart by the position, as a code id is by its record.
fn issued(declaration: u8, offset: i64) -> Outcome {
    let code = u8::try_from(offset).unwrap();
    Outcome {
        declaration_id: DeclarationId([declaration; 16]),
        subject: SUBJECT,
        declaration_position: DeclarationPosition { kafka_partition: 2, offset },
        accepted_at_ms: offset,
        committee: "440106001003".parse().unwrap(),
        community: None,
        issued: Some(Issued {
            code_id: CodeId([code; 16]),
            status: Status::Green,
            reasons: Vec::new(),
            expires_at_ms: 1_000,
            policy_version: 1,
            signing_key: KeyId([5; 8]),
            pass_code: vec![code],
        }),
        rejected: None,
    }
}

fn rejected(declaration: u8, offset: i64) -> Outcome {
    Outcome { issued: None, rejected: Some(Rejection::NotTheHolder), ..issued(declaration, offset) }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_declarations_outcomes_the_smallest_position_counts() {
    let deployment = Deployment::new().await;
    let following = follow(&deployment, &deployment.folder.path().join("codes")).await;
    let codes = &following.codes;
    for (arrivals, state) in [([10, 20], "first"), ([20, 10], "last")] {
        let declaration = if state == "first" { 1 } else { 2 };
        for offset in arrivals {
            following.append(&[issued(declaration, offset)]).await;
        }
        let outcome = codes.outcome(&DeclarationId([declaration; 16])).await.unwrap().unwrap();
        assert_eq!(outcome.declaration_position.offset, 10, "the smallest arrives {state}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_outcome_of_an_older_declaration_reverts_nothing() {
    let deployment = Deployment::new().await;
    let following = follow(&deployment, &deployment.folder.path().join("codes")).await;
    let codes = &following.codes;
    following.append(&[issued(2, 30), rejected(3, 40)]).await;
    following.append(&[issued(1, 10)]).await;

    assert_eq!(
        codes.current(&SUBJECT).await.unwrap(),
        Some(issued(2, 30)),
        "neither the late one nor the rejected one"
    );
    assert_eq!(codes.history(&SUBJECT).await.unwrap(), [rejected(3, 40), issued(2, 30), issued(1, 10)]);
    assert!(codes.is_superseded(&CodeId([10; 16])).await.unwrap());
    assert!(!codes.is_superseded(&CodeId([30; 16])).await.unwrap());
    assert!(!codes.is_superseded(&CodeId([99; 16])).await.unwrap(), "an unknown code");
    assert_eq!(codes.current(&Subject([9; 16])).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicates_code_is_superseded_when_its_declaration_is() {
    let deployment = Deployment::new().await;
    let following = follow(&deployment, &deployment.folder.path().join("codes")).await;
    let codes = &following.codes;
    // Declaration 1 at 10, its retry through another node at 20.
    following.append(&[issued(1, 20), issued(1, 10)]).await;
    for code in [10, 20] {
        assert!(!codes.is_superseded(&CodeId([code; 16])).await.unwrap(), "one declaration supersedes nothing");
    }
    // Declaration 2 lies between the two: it is newer than the record that counts.
    following.append(&[issued(2, 15)]).await;
    assert_eq!(codes.current(&SUBJECT).await.unwrap(), Some(issued(2, 15)));
    for code in [10, 20] {
        assert!(codes.is_superseded(&CodeId([code; 16])).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_told_at_once_or_not_at_all() {
    let deployment = Deployment::new().await;
    let following = follow(&deployment, &deployment.folder.path().join("codes")).await;
    let codes = following.codes.clone();
    let waiting =
        tokio::spawn(
            async move { codes.wait_for_outcome(&DeclarationId([1; 16]), Duration::from_secs(20)).await.unwrap() },
        );
    tokio::time::sleep(Duration::from_millis(50)).await;
    following.append(&[issued(1, 10)]).await;
    assert_eq!(waiting.await.unwrap(), Some(issued(1, 10)));

    let codes = &following.codes;
    let known = codes.wait_for_outcome(&DeclarationId([1; 16]), Duration::ZERO).await.unwrap();
    assert_eq!(known, Some(issued(1, 10)), "what is there needs no time");
    let never = codes.wait_for_outcome(&DeclarationId([2; 16]), Duration::from_millis(50)).await.unwrap();
    assert_eq!(never, None);
}
