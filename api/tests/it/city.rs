//! A small city on a log of its own, with all its districts, real keys, and a process that reads. What ingest and the issuer would have
//! appended, tests append themselves.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use ed25519_dalek::Signer as _;
use suikang_analytics::counts::Counts;
use suikang_analytics::cut::Cuts;
use suikang_analytics::pseudonym::LakeSecret;
use suikang_analytics::sql::SqlEngine;
use suikang_analytics::tables::Table;
use suikang_api::audit::Auditor;
use suikang_api::{ApiState, Settings};
use suikang_registry::keys::{self, IssuerKeystore};
use suikang_registry::secrets::Unlock;
use suikang_registry::tokens::TokenKey;
use suikang_registry::{Caller, Codes, Command, NodeSecrets, Registry, Role, seed};
use suikang_schemas::audit::AuditEntry;
use suikang_schemas::avro::{self, Event};
use suikang_schemas::declaration::{Rejection, Sealed};
use suikang_schemas::outcome::{DeclarationPosition, Issued, Outcome};
use suikang_schemas::pass_code::{self, Kind, PassCode};
use suikang_schemas::registry_event::{Actor, Change, PersonSet};
use suikang_schemas::scan::{Scan, ScanUpload};
use suikang_schemas::status::Status;
use suikang_schemas::{CodeId, CommandId, DeclarationId, Subject, Topic};
use suikang_stream::{Access, Log, LogConfig, NewRecord, NextOffsets};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::exchange::{Answer, Ask};
use crate::mute_log::MuteLog;

pub(crate) const HOME: &str = "440106001001";
pub(crate) const GATE: &str = "440106001001-001-01";
pub(crate) const AWAY: &str = "440104001007";
pub(crate) const AWAY_GATE: &str = "440104001007-001-01";
pub(crate) const WEEK_MS: i64 = 7 * 24 * 3_600_000;

/// A log, its keys, and a process that reads; all of it is gone when dropped.
pub(crate) struct City {
    folder: TempDir,
    log: Arc<MuteLog>,
    pub(crate) unlock: Unlock,
    pub(crate) registry: Registry,
    pub(crate) audit: Auditor,
    pub(crate) router: Router,
    token_key: TokenKey,
    keystore: IssuerKeystore,
    counts: Counts,
    codes: Codes,
    cuts: Cuts,
    declared: AtomicI64,
    _shutdown: DropGuard,
}

/// Somebody's declaration with its code.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) declaration_id: DeclarationId,
    pub(crate) text: String,
}

impl City {
    pub(crate) async fn new() -> City {
        Self::with(|_| {}, now_ms()).await
    }

    /// A city with other settings, whose keys were made at another time.
    pub(crate) async fn with(
        change: impl FnOnce(&mut (Settings, suikang_analytics::Settings)),
        keys_made_ms: i64,
    ) -> City {
        let folder = tempfile::tempdir().unwrap();
        let (keys_dir, state_dir) = (folder.path().join("keys"), folder.path().join("state"));
        let unlock = Unlock::of(&keys_dir, None);
        unlock.prepare().unwrap();
        keys::init(&keys_dir, &unlock, keys_made_ms).unwrap();
        let mut settings = (Settings::default(), suikang_analytics::Settings::default());
        settings.1.lake = folder.path().join("lake");
        change(&mut settings);

        let url = format!("file:{}", folder.path().join("log.db").display());
        let log = suikang_stream::open(&LogConfig { url, ..LogConfig::default() }, Access::Write).await.unwrap();
        let log = Arc::new(MuteLog { log, mute: AtomicBool::new(false) });
        let shared: Arc<dyn Log> = Arc::<MuteLog>::clone(&log);
        let secrets = NodeSecrets::load(&keys_dir, &unlock).unwrap();
        let registry = Registry::open(Arc::clone(&shared), &state_dir, secrets).await.unwrap();
        let codes = Codes::open(Arc::clone(&shared), &state_dir).await.unwrap();
        let counts = Counts::open(Arc::clone(&shared), &state_dir).unwrap();
        let secret = LakeSecret::new(keys::lake_secret(&keys_dir, &unlock).unwrap());
        let cuts = Cuts::new(settings.1.clone(), Arc::clone(&shared), secret);
        let audit = Auditor::new(shared, "test");
        let router = suikang_api::router(ApiState {
            registry: registry.clone(),
            codes: codes.clone(),
            counts: counts.clone(),
            sql: SqlEngine::new(settings.1, cuts.clone()),
            audit: audit.clone(),
            settings: Arc::new(settings.0),
        });
        let shutdown = follow(&registry, &codes, &counts, &cuts);
        let city = City {
            token_key: TokenKey::load(&keys_dir, &unlock).unwrap(),
            keystore: IssuerKeystore::load(&keys_dir, &unlock).unwrap(),
            declared: AtomicI64::new(0),
            _shutdown: shutdown.drop_guard(),
            folder,
            log,
            unlock,
            registry,
            audit,
            router,
            counts,
            codes,
            cuts,
        };
        city.found().await;
        city
    }

    /// Keys, rules, districts and streets, and two streets' committees.
    async fn found(&self) {
        keys::publish(&self.registry, &self.keys_dir(), &self.unlock, actor()).await.unwrap();
        let small = |change: &Change| match change {
            Change::PlaceSet(place) => {
                let code = place.area.as_str();
                code.len() < 12 || code.starts_with("440106001") || code.starts_with("440104001")
            }
            _ => true,
        };
        let missing = seed::missing(&self.registry.snapshot(), now_ms()).into_iter();
        for outcome in self.registry.submit_all(missing.filter(small).map(command).collect()).await {
            outcome.unwrap();
        }
    }

    pub(crate) fn keys_dir(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    pub(crate) fn token(&self, role: Role, area: &str, login: &str) -> String {
        let caller = caller(role, area, login);
        self.token_key.mint(&caller, now_ms(), Duration::from_secs(600))
    }

    pub(crate) fn resident(&self, login: &str) -> String {
        self.token(Role::Resident, "4401", login)
    }

    pub(crate) fn investigator(&self) -> String {
        self.token(Role::HeadquartersInvestigator, "4401", "investigator")
    }

    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        ask.send(&self.router).await
    }

    /// Adds a person whom an account holds.
    pub(crate) async fn person(&self, holder: &str, committee: &str, sealed: Option<Sealed>) -> Subject {
        let subject = Subject(rand::random());
        let person = PersonSet {
            subject,
            claim: Some(rand::random()),
            holder: holder.to_owned(),
            birth_year: Some(1980),
            person_kind: "resident".to_owned(),
            masked_name: Some("张**".to_owned()),
            committee: committee.parse().unwrap(),
            community: None,
            since_day: None,
            capacity: "owner".to_owned(),
            sealed,
        };
        self.registry.submit(command(Change::PersonSet(person))).await.unwrap();
        subject
    }

    /// Issues a code, as of now, that lives a week.
    pub(crate) async fn issue(&self, subject: Subject, committee: &str, status: Status) -> Code {
        self.issue_at(subject, committee, status, now_ms()).await
    }

    /// Issues a code at some time.
    pub(crate) async fn issue_at(&self, subject: Subject, committee: &str, status: Status, at_ms: i64) -> Code {
        let signing_key_id = self.registry.snapshot().signing_key_at(now_ms()).unwrap();
        let signing_key = self.keystore.signing_key(&signing_key_id).unwrap();
        let code = PassCode {
            code_id: CodeId(rand::random()),
            issued_at_s: at_ms / 1000,
            expires_at_s: (at_ms + WEEK_MS) / 1000,
            status,
            district: committee[..6].parse().unwrap(),
            kind: Kind::Screen,
            masked_name: Some("张**".to_owned()),
            community_tags: Vec::new(),
        };
        let bytes = pass_code::encode(&code, signing_key_id, |bytes| signing_key.sign(bytes).to_bytes());
        let text = pass_code::to_text(&bytes);
        let issued = Issued {
            code_id: code.code_id,
            status,
            reasons: Vec::new(),
            expires_at_ms: code.expires_at_ms(),
            policy_version: 1,
            signing_key: signing_key_id,
            pass_code: bytes,
        };
        let outcome = Outcome { issued: Some(issued), ..self.outcome(subject, committee, at_ms) };
        let declaration_id = outcome.declaration_id;
        self.append(Topic::Codes, &subject.0, &outcome).await;
        Code { declaration_id, text }
    }

    /// Rejects a declaration.
    pub(crate) async fn reject(&self, subject: Subject, committee: &str, why: Rejection) -> DeclarationId {
        let outcome = Outcome { rejected: Some(why), ..self.outcome(subject, committee, now_ms()) };
        self.append(Topic::Codes, &subject.0, &outcome).await;
        outcome.declaration_id
    }

    fn outcome(&self, subject: Subject, committee: &str, at_ms: i64) -> Outcome {
        Outcome {
            declaration_id: declaration_id(at_ms),
            subject,
            declaration_position: DeclarationPosition {
                kafka_partition: 0,
                offset: self.declared.fetch_add(1, Ordering::SeqCst),
            },
            accepted_at_ms: at_ms,
            committee: committee.parse().unwrap(),
            community: None,
            issued: None,
            rejected: None,
        }
    }

    /// Hands in scans of a device.
    pub(crate) async fn scan(&self, device_epoch: i64, first_seq: i64, checkpoint: &str, scans: Vec<Scan>) {
        let upload = ScanUpload {
            device_epoch,
            first_seq,
            received_at_ms: now_ms(),
            checkpoint: checkpoint.parse().unwrap(),
            scans,
        };
        self.append(Topic::Scans, &device_epoch.to_be_bytes(), &upload).await;
    }

    async fn append<E: Event>(&self, topic: Topic, record_key: &[u8], event: &E) {
        let record = NewRecord { record_key: record_key.to_vec(), payload: avro::encode(event) };
        self.log.append(topic, vec![record]).await.unwrap();
    }

    /// Waits until everything appended so far can be read.
    pub(crate) async fn settle(&self) {
        let began_ms = now_ms();
        let (scans, codes) = (self.next(Topic::Scans).await, self.next(Topic::Codes).await);
        for _ in 0..600 {
            let cut = |table| self.cuts.current(table).map(|cut| cut.next_offsets.clone()).unwrap_or_default();
            let has = |read: NextOffsets, next: &NextOffsets| next.iter().all(|(at, next)| read.get(at) >= Some(next));
            if has(self.codes.next_offsets(), &codes)
                && has(self.counts.next_offsets(Topic::Scans), &scans)
                && has(self.counts.next_offsets(Topic::Codes), &codes)
                && has(cut(Table::Scans), &scans)
                && has(cut(Table::Outcomes), &codes)
                && self.cuts.current(Table::Declarations).is_some()
                && self.counts.as_of_ms() >= Some(began_ms)
                && self.codes.age().is_some()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the views don't come to the log's end");
    }

    async fn next(&self, topic: Topic) -> NextOffsets {
        let extents = self.log.extents(topic).await.unwrap();
        extents.into_iter().filter(|(_, extent)| extent.next > 0).map(|(at, extent)| (at, extent.next)).collect()
    }

    /// What was written down so far, with the bytes that the chain is made of.
    pub(crate) async fn audited(&self) -> Vec<(AuditEntry, Vec<u8>)> {
        let extents = self.log.extents(Topic::Audit).await.unwrap();
        let count: i64 = extents.values().map(|extent| extent.next - extent.start).sum();
        let from: NextOffsets = extents.iter().map(|(&partition, extent)| (partition, extent.start)).collect();
        let mut reader = self.log.read(Topic::Audit, from).await.unwrap();
        let mut entries = Vec::new();
        while entries.len() < usize::try_from(count).unwrap() {
            let records = reader.next(1_000, Duration::from_secs(10)).await.unwrap();
            assert!(!records.is_empty(), "the log has {count} entries and gave {}", entries.len());
            entries.extend(records.into_iter().map(|record| (avro::decode(&record.payload).unwrap(), record.payload)));
        }
        entries
    }

    /// Makes the audit unwritable, or writable again.
    pub(crate) fn mute(&self, mute: bool) {
        self.log.mute.store(mute, Ordering::SeqCst);
    }
}

fn follow(registry: &Registry, codes: &Codes, counts: &Counts, cuts: &Cuts) -> CancellationToken {
    let stop = CancellationToken::new();
    let (registry, codes, counts, cuts) = (registry.clone(), codes.clone(), counts.clone(), cuts.clone());
    let [a, b, c, d] = [stop.clone(), stop.clone(), stop.clone(), stop.clone()];
    tokio::spawn(async move { registry.run(a).await.unwrap() });
    tokio::spawn(async move { codes.run(b).await.unwrap() });
    tokio::spawn(async move { counts.run(c).await.unwrap() });
    tokio::spawn(async move { cuts.run(d).await.unwrap() });
    stop
}

/// An id whose Idempotency-Key was made at that time.
pub(crate) fn declaration_id(at_ms: i64) -> DeclarationId {
    let mut id: [u8; 16] = rand::random();
    id[..6].copy_from_slice(&at_ms.to_be_bytes()[2..]);
    DeclarationId(id)
}

pub(crate) fn caller(role: Role, area: &str, login: &str) -> Caller {
    Caller { role, area: area.parse().unwrap(), login: login.to_owned() }
}

pub(crate) fn command(change: Change) -> Command {
    Command { command_id: CommandId::now(), actor: actor(), expected_version: None, change }
}

fn actor() -> Actor {
    Actor { role: "operator".to_owned(), area: "4401".to_owned(), login: "test".to_owned() }
}

pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
