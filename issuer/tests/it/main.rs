//! Issuing on real logs: one declaration, one code, however often it was appended and by whomever it was issued.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use suikang_issuer::{Issuer, Keystore, Settings};
use suikang_registry::secrets::Unlock;
use suikang_registry::{Codes, Command, NodeSecrets, Registry, keys, seed};
use suikang_schemas::dead_letter::DeadLetter;
use suikang_schemas::declaration::*;
use suikang_schemas::outcome::Outcome;
use suikang_schemas::registry_event::{Actor, Change, HaltSet};
use suikang_schemas::{CommandId, DeclarationId, Subject, Topic, avro};
use suikang_stream::testing::Broker;
use suikang_stream::{Access, Log, LogConfig, NewRecord, Record};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

struct House {
    log: Arc<dyn Log>,
    registry: Registry,
    folder: tempfile::TempDir,
    stop: CancellationToken,
}

impl House {
    async fn new(log: Option<LogConfig>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file:{}", folder.path().join("log.db").display());
        let config = log.unwrap_or(LogConfig { url, partitions: 4, ..LogConfig::default() });
        let log = suikang_stream::open(&config, Access::Write).await.unwrap();
        let (keys_dir, now_ms) = (folder.path().join("keys"), chrono::Utc::now().timestamp_millis());
        let unlock = Unlock::of(&keys_dir, None);
        keys::init(&keys_dir, &unlock, now_ms).unwrap();
        let secrets = NodeSecrets::load(&keys_dir, &unlock).unwrap();
        let registry = Registry::open_rules(Arc::clone(&log), &folder.path().join("state"), secrets).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn({
            let (registry, stop) = (registry.clone(), stop.clone());
            async move { registry.run(stop).await }
        });
        keys::publish(&registry, &keys_dir, &unlock, actor()).await.unwrap();
        seed::city(&registry, actor(), now_ms).await.unwrap();
        Self { log, registry, folder, stop }
    }

    fn issuer(&self) -> Issuer {
        let keys_dir = self.folder.path().join("keys");
        let keystore = Keystore::load(&keys_dir, &Unlock::of(&keys_dir, None)).unwrap();
        Issuer::new(Settings::default(), Arc::clone(&self.log), self.registry.clone(), keystore)
    }

    fn issue(&self) -> tokio::task::JoinHandle<()> {
        let (issuer, stop) = (self.issuer(), self.stop.child_token());
        tokio::spawn(async move { issuer.run(stop).await.unwrap() })
    }

    fn declaration(&self, n: u8, later_ms: i64) -> Declaration {
        let now_ms = chrono::Utc::now().timestamp_millis();
        let snapshot = self.registry.snapshot();
        let mut id = [n; 16];
        id[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
        id[5] = n;
        Declaration {
            declaration_id: DeclarationId(id),
            subject: Subject([n; 16]),
            accepted_at_ms: now_ms + later_ms,
            declared_by: DeclaredBy::Oneself,
            inadmissible: (n % 10 == 9).then_some(Rejection::NotTheHolder),
            policy_version: 1,
            signing_key: snapshot.signing_key_at(now_ms).unwrap(),
            validity_s: 604_800,
            registry_offset: self.registry.next_offset(),
            facts: IssuingFacts {
                birth_year: Some(1980),
                person_kind: "resident".into(),
                communities: vec!["440106001003-001".parse().unwrap()],
                masked_name: Some("张*".into()),
                hold: None,
            },
            residence: Residence {
                committee: "440106001003".parse().unwrap(),
                community: None,
                since_day: None,
                capacity: "owner".into(),
            },
            health: Health {
                symptoms: if n.is_multiple_of(7) { vec!["fever".into()] } else { Vec::new() },
                hubei_stay: "none".into(),
                hubei_return_day: None,
                contact: "none".into(),
            },
            sealed: None,
        }
    }

    async fn declare(&self, declaration: &Declaration) {
        let record = NewRecord { record_key: declaration.subject.0.to_vec(), payload: avro::encode(declaration) };
        self.log.append(Topic::Declarations, vec![record]).await.unwrap();
    }

    /// Everything on a topic, once there are `count` records.
    async fn records(&self, topic: Topic, count: usize) -> Vec<Record> {
        let from = self.log.extents(topic).await.unwrap().keys().map(|&kafka_partition| (kafka_partition, 0)).collect();
        let mut reader = self.log.read(topic, from).await.unwrap();
        let (mut records, deadline) = (Vec::new(), Instant::now() + PATIENCE);
        while records.len() < count {
            assert!(Instant::now() < deadline, "{} of {count} records on {topic}", records.len());
            records.extend(reader.next(500, Duration::from_millis(200)).await.unwrap());
        }
        records
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn actor() -> Actor {
    Actor { role: "operator".into(), area: "4401".into(), login: "test".into() }
}

/// Twice appended under one id at different seconds, as through two doors, and issued by two issuers.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_a_duplicate() {
    let house = House::new(Some(Broker::shared().await.config())).await;
    let issuers = [house.issue(), house.issue()];
    let declared: Vec<_> = (0..40).map(|n| house.declaration(n, 0)).collect();
    for declaration in &declared {
        house.declare(declaration).await;
        let retry = Declaration { accepted_at_ms: declaration.accepted_at_ms + 1_500, ..declaration.clone() };
        house.declare(&retry).await;
        if declaration.subject.0[0] == 20 {
            // One of the two is gone without a word.
            issuers[0].abort();
        }
    }
    // Records issued twice, by whomever, have one outcome to the byte.
    let mut by_position: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for count in 80.. {
        by_position.clear();
        for record in house.records(Topic::Codes, count).await {
            let outcome: Outcome = avro::decode(&record.payload).unwrap();
            by_position.entry(outcome.declaration_position).or_default().push(outcome);
        }
        if by_position.len() == 80 {
            break;
        }
    }
    assert_eq!(by_position.len(), 80);
    assert!(by_position.values().all(|same| same.iter().all(|outcome| outcome == &same[0])));

    let codes = Codes::open(Arc::clone(&house.log), &house.folder.path().join("codes")).await.unwrap();
    tokio::spawn({
        let (codes, stop) = (codes.clone(), house.stop.child_token());
        async move { codes.run(stop).await.unwrap_or_else(|error| panic!("the view: {error}")) }
    });
    for declaration in &declared {
        let counts = codes.wait_for_outcome(&declaration.declaration_id, PATIENCE).await.unwrap().unwrap();
        let first =
            by_position.values().map(|same| &same[0]).find(|o| o.declaration_id == declaration.declaration_id).unwrap();
        assert_eq!(&counts, first, "the one of the smallest position");
        assert_eq!(counts.accepted_at_ms, declaration.accepted_at_ms);
        assert_eq!(counts.rejected, declaration.inadmissible);
        assert_eq!(counts.issued.is_some(), declaration.inadmissible.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_set_aside_once_and_the_rest_is_issued() {
    let house = House::new(None).await;
    house.declare(&house.declaration(1, 0)).await;
    let poison = NewRecord { record_key: vec![1; 16], payload: b"\xC3\x01poisonous".to_vec() };
    house.log.append(Topic::Declarations, vec![poison]).await.unwrap();
    house.declare(&house.declaration(1, 5)).await;
    let issuing = house.issue();
    house.records(Topic::Codes, 2).await;
    let letters = house.records(Topic::DeadLetters, 1).await;
    let letter: DeadLetter = avro::decode(&letters[0].payload).unwrap();
    assert_eq!((letter.topic.as_str(), letter.offset, letter.reason.as_str()), ("declarations", 1, "unknown_schema"));
    assert!(letter.sealed.is_some(), "what failed is sealed");
    issuing.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_issued_while_halted() {
    let house = House::new(None).await;
    let halt = async |halted| {
        let change = Change::HaltSet(HaltSet { halted, reason: "drill".into() });
        let command = Command { command_id: CommandId::now(), actor: actor(), expected_version: None, change };
        house.registry.submit(command).await.unwrap();
    };
    halt(true).await;
    let issuer = house.issuer();
    let issuing = tokio::spawn({
        let (issuer, stop) = (issuer.clone(), house.stop.child_token());
        async move { issuer.run(stop).await.unwrap() }
    });
    house.declare(&house.declaration(3, 0)).await;
    let deadline = Instant::now() + PATIENCE;
    while !issuer.readiness().iter().any(|part| !part.ready && part.detail.contains("drill")) {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(house.log.extents(Topic::Codes).await.unwrap().values().all(|extent| extent.next == 0));
    halt(false).await;
    house.records(Topic::Codes, 1).await;
    issuing.abort();
}
