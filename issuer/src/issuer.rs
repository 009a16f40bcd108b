//! The loop: a batch of declarations → rulings → outcomes on the log → the group's offsets.
//!
//! Offsets are stored after the outcomes are durable, so a crash between the two issues again, to the same bytes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use suikang_registry::Registry;
use suikang_schemas::declaration::Declaration;
use suikang_schemas::outcome::{DeclarationPosition, Outcome};
use suikang_schemas::{AreaCode, Topic, avro};
use suikang_stream::{AppendError, GroupEvent, GroupReader, Log, NewRecord, NextOffsets, ReadError, Readiness, Record};
use tokio_util::sync::CancellationToken;

use crate::dead_letters::dead_letter;
use crate::issue::{self, CommunitySecret, Keys};
use crate::policy::{Policy, Ruling};
use crate::{Keystore, Settings, columns, metrics};

/// How long a read waits for the next declaration.
const WAIT: Duration = Duration::from_millis(200);
/// How long to wait before something that doesn't work now is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// An issuer of this process. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Issuer {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    log: Arc<dyn Log>,
    registry: Registry,
    keystore: Keystore,
    /// Why nothing is issued now, if nothing is.
    waiting: Mutex<Option<String>>,
}

/// Why the issuer ended.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The log can't be read.
    #[error("declarations cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The log refuses outcomes.
    #[error("outcomes cannot be appended: {0}")]
    Append(AppendError),
}

#[derive(Debug)]
struct RegistrySecrets<'a>(&'a suikang_registry::NodeSecrets);

impl CommunitySecret for RegistrySecrets<'_> {
    fn of(&self, community: &AreaCode) -> [u8; 32] {
        self.0.community_secret(community)
    }
}

impl Issuer {
    /// An issuer that has not begun.
    pub fn new(settings: Settings, log: Arc<dyn Log>, registry: Registry, keystore: Keystore) -> Self {
        Self { shared: Arc::new(Shared { settings, log, registry, keystore, waiting: Mutex::default() }) }
    }

    /// Whether declarations are issued, or why not.
    pub fn readiness(&self) -> Vec<Readiness> {
        let waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        vec![match waiting.as_ref() {
            None => Readiness::ready("issuer", "issuing"),
            Some(why) => Readiness::not_ready("issuer", why.clone()),
        }]
    }

    /// Issues until `shutdown`, and finishes the batch in hand.
    ///
    /// # Errors
    /// If the log fails for good.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), StageError> {
        let shared = &self.shared;
        let mut policies = HashMap::new();
        let mut declarations = shared.log.join(&shared.settings.group, Topic::Declarations).await?;
        while !shutdown.is_cancelled() {
            let event = tokio::select! {
                event = declarations.next(shared.settings.batch, WAIT) => event,
                () = shutdown.cancelled() => break,
            };
            match event {
                Ok(GroupEvent::Gained(gained)) => shared.start(declarations.as_mut(), &gained).await?,
                Ok(GroupEvent::Lost(lost)) => tracing::info!(?lost, "partitions went to another issuer"),
                Ok(GroupEvent::Records(records)) if records.is_empty() => {}
                Ok(GroupEvent::Records(records)) => {
                    if !shared.issue_batch(&records, &mut policies, &shutdown).await? {
                        break;
                    }
                    let next_offsets: NextOffsets =
                        records.iter().map(|record| (record.kafka_partition, record.offset + 1)).collect();
                    if let Err(error) = declarations.commit(&next_offsets).await {
                        // Issued again after a restart, to the same bytes.
                        tracing::warn!(%error, "offsets were not stored");
                    }
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, "declarations cannot be read now");
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Shared {
    /// Goes on where the group has stored, else at the log's start.
    async fn start(&self, declarations: &mut dyn GroupReader, gained: &[i32]) -> Result<(), ReadError> {
        let stored = loop {
            if let Some(stored) = or_later(declarations.committed(gained).await).await? {
                break stored;
            }
        };
        let extents = loop {
            if let Some(extents) = or_later(self.log.extents(Topic::Declarations).await).await? {
                break extents;
            }
        };
        for kafka_partition in gained {
            let extent = extents.get(kafka_partition).copied();
            let start = extent.map_or(0, |extent| extent.start);
            let from = stored.get(kafka_partition).copied().unwrap_or(start);
            if from < start {
                tracing::error!(
                    kafka_partition,
                    from,
                    start,
                    "declarations were let go by the log before they were issued"
                );
            }
            declarations.start_at(*kafka_partition, from.max(start))?;
        }
        tracing::info!(?gained, "issuing");
        Ok(())
    }

    /// Issues a batch; false if the process is to end first.
    async fn issue_batch(
        &self,
        records: &[Record],
        policies: &mut HashMap<i32, Policy>,
        shutdown: &CancellationToken,
    ) -> Result<bool, StageError> {
        loop {
            match self.outcomes(records, policies).await {
                Ok((outcomes, letters)) => {
                    let appended = self.append(&outcomes, letters).await;
                    match appended {
                        Ok(()) => {
                            self.wait_because(None);
                            observe(&outcomes);
                            return Ok(true);
                        }
                        Err(error @ AppendError::Unavailable(_)) => self.wait_because(Some(error.to_string())),
                        Err(error) => return Err(StageError::Append(error)),
                    }
                }
                Err(why) => self.wait_because(Some(why)),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = shutdown.cancelled() => return Ok(false),
            }
        }
    }

    /// Outcomes of the declarations and dead letters of the rest, or why there can't be any now.
    async fn outcomes(
        &self,
        records: &[Record],
        policies: &mut HashMap<i32, Policy>,
    ) -> Result<(Vec<Outcome>, Vec<NewRecord>), String> {
        let mut letters = Vec::new();
        let mut declared = Vec::with_capacity(records.len());
        for record in records {
            match avro::decode::<Declaration>(&record.payload) {
                Ok(declaration) => declared.push((record, declaration)),
                Err(error) => letters.push(dead_letter(record, error, &self.registry, now_ms())),
            }
        }
        let needed = declared.iter().map(|(_, declaration)| declaration.registry_offset).max().unwrap_or(0);
        if !self.registry.wait_for(needed, Duration::from_secs(5)).await {
            return Err(format!("the registry's view has not reached offset {needed} yet"));
        }
        let snapshot = self.registry.snapshot();
        if let Some(halt) = snapshot.halt().filter(|halt| halt.halted) {
            return Err(format!("halted: {}", halt.reason));
        }
        let mut rulings = self.rulings(&declared, policies, &snapshot)?;
        let mut outcomes = Vec::with_capacity(declared.len());
        let secrets = RegistrySecrets(self.registry.secrets());
        for (index, (record, declaration)) in declared.iter().enumerate() {
            let position = DeclarationPosition { kafka_partition: record.kafka_partition, offset: record.offset };
            outcomes.push(match rulings.remove(&index) {
                None => issue::reject(declaration, position),
                Some(ruling) => {
                    let signing_key = self.keystore.signing_key(&declaration.signing_key).ok_or_else(|| {
                        format!(
                            "key {} is not in this issuer's keystore; copy the keystore here again",
                            declaration.signing_key
                        )
                    })?;
                    let keys =
                        Keys { signing_key, code_id_key: self.keystore.code_id_key(), community_secret: &secrets };
                    issue::issue(declaration, &record.payload, position, ruling, keys)
                }
            });
        }
        Ok((outcomes, letters))
    }

    /// A ruling for each admissible declaration, by index: one evaluation per policy version.
    fn rulings(
        &self,
        declared: &[(&Record, Declaration)],
        policies: &mut HashMap<i32, Policy>,
        snapshot: &suikang_registry::Snapshot,
    ) -> Result<HashMap<usize, Ruling>, String> {
        let mut by_version: HashMap<i32, Vec<usize>> = HashMap::new();
        for (index, (_, declaration)) in declared.iter().enumerate() {
            if declaration.inadmissible.is_none() {
                by_version.entry(declaration.policy_version).or_default().push(index);
            }
        }
        let mut rulings = HashMap::with_capacity(declared.len());
        for (version, indices) in by_version {
            let policy = match policies.entry(version) {
                Entry::Occupied(compiled) => compiled.into_mut(),
                Entry::Vacant(slot) => {
                    let text =
                        snapshot.policy(version).ok_or_else(|| format!("policy {version} is not in the registry"))?;
                    slot.insert(
                        Policy::compile(&text.expression).map_err(|error| format!("policy {version}: {error}"))?,
                    )
                }
            };
            let rows: Vec<_> = indices.iter().map(|&index| &declared[index].1).collect();
            let ruled =
                policy.evaluate(&columns::batch(&rows)).map_err(|error| format!("policy {version}: {error}"))?;
            rulings.extend(indices.into_iter().zip(ruled));
        }
        Ok(rulings)
    }

    /// In the order of the declarations, so that a subject's outcomes stand in theirs.
    async fn append(&self, outcomes: &[Outcome], letters: Vec<NewRecord>) -> Result<(), AppendError> {
        let records = outcomes
            .iter()
            .map(|outcome| NewRecord { record_key: outcome.subject.0.to_vec(), payload: avro::encode(outcome) })
            .collect();
        self.log.append(Topic::Codes, records).await?;
        if !letters.is_empty() {
            self.log.append(Topic::DeadLetters, letters).await?;
        }
        Ok(())
    }

    fn wait_because(&self, why: Option<String>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if *waiting != why {
            match &why {
                Some(why) => tracing::warn!(why, "issuing waits"),
                None => tracing::info!("issuing goes on"),
            }
            *waiting = why;
        }
    }
}

fn observe(outcomes: &[Outcome]) {
    let issued = outcomes.iter().filter(|outcome| outcome.issued.is_some()).count();
    metrics::issued(issued, outcomes.len() - issued);
    let now_ms = now_ms();
    for outcome in outcomes {
        metrics::latency(Duration::from_millis(u64::try_from(now_ms - outcome.accepted_at_ms).unwrap_or(0)));
    }
}

/// What the log answered; nothing, after a pause, if it is away.
async fn or_later<T>(answered: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match answered {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_retryable() => {
            tracing::warn!(%error, "the log cannot be asked now");
            tokio::time::sleep(RETRY).await;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
