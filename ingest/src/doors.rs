//! What all doors share: the log, the views, the limits, and what this node remembers.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use suikang_registry::http::Problem;
use suikang_registry::{Codes, Registry};
use suikang_schemas::Topic;
use suikang_stream::{AppendError, Log, NewRecord, Position, Readiness};

use crate::Settings;
use crate::checks::Recorder;
use crate::declarations::Flights;
use crate::health::LogHealth;
use crate::limits::Limits;
use crate::plates::PlateHasher;
use crate::scans::Devices;
use crate::{clock, metrics, readiness, refusals};

/// The doors of this process. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Doors(Arc<Parts>);

/// What the doors consist of.
pub struct Parts {
    pub(crate) settings: Settings,
    pub(crate) log_health: LogHealth,
    pub(crate) limits: Limits,
    pub(crate) flights: Flights,
    pub(crate) devices: Devices,
    pub(crate) recorder: Recorder,
    log: Arc<dyn Log>,
    registry: Registry,
    codes: Codes,
}

impl Doors {
    /// Doors onto this log, with this process's views. Scans are remembered and readiness is known once [`crate::run`] runs.
    pub fn new(settings: Settings, log: Arc<dyn Log>, registry: Registry, codes: Codes) -> Doors {
        Doors(Arc::new(Parts {
            log_health: LogHealth::default(),
            limits: Limits::new(&settings),
            flights: Flights::new(settings.declarations_remembered),
            devices: Devices::new(settings.scans_remembered),
            recorder: Recorder::default(),
            settings,
            log,
            registry,
            codes,
        }))
    }

    /// Whether declarations, checks and scans can be taken now.
    pub fn readiness(&self) -> Vec<Readiness> {
        readiness::readiness(self)
    }
}

impl Parts {
    pub(crate) fn log(&self) -> &dyn Log {
        self.log.as_ref()
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn codes(&self) -> &Codes {
        &self.codes
    }

    /// The key of declaration ids.
    pub(crate) fn id_key(&self) -> &[u8; 32] {
        self.registry.secrets().declaration_id_key()
    }

    pub(crate) fn plates(&self) -> PlateHasher<'_> {
        PlateHasher::new(self.registry.secrets().plate_key())
    }

    /// Appends; when this returns without a problem, the records are durable.
    pub(crate) async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, Problem> {
        self.noted(topic, self.log.append(topic, records)).await
    }

    /// The same for records that have waited for company.
    pub(crate) async fn append_gathered(
        &self,
        topic: Topic,
        records: Vec<NewRecord>,
    ) -> Result<Vec<Position>, Problem> {
        self.noted(topic, self.log.append_gathered(topic, records)).await
    }

    async fn noted(
        &self,
        topic: Topic,
        append: impl Future<Output = Result<Vec<Position>, AppendError>>,
    ) -> Result<Vec<Position>, Problem> {
        let begun = std::time::Instant::now();
        let appended = append.await;
        let took = begun.elapsed();
        self.log_health.note(appended.is_ok());
        if appended.is_ok() {
            self.limits.acknowledged(took);
        }
        metrics::appended(topic, took, appended.is_ok());
        appended.map_err(|error| refusals::append(&error))
    }

    /// Refuses while this node has not heard of the registry for too long: it may not know of a policy, a rule, a killed key.
    pub(crate) fn require_fresh_registry(&self) -> Result<(), Problem> {
        self.require_fresh(self.registry.age())
    }

    /// Refuses while this node has not heard of issued codes for too long: it may take a superseded one for good.
    pub(crate) fn require_fresh_codes(&self) -> Result<(), Problem> {
        self.require_fresh(self.codes.age())
    }

    fn require_fresh(&self, age: Option<Duration>) -> Result<(), Problem> {
        let most = Duration::from_secs(self.settings.registry_age_s);
        if age.is_some_and(|age| age <= most) { Ok(()) } else { Err(refusals::stale()) }
    }

    /// The wall clock.
    pub(crate) fn now_ms(&self) -> i64 {
        clock::now_ms()
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.settings.body_timeout_ms)
    }
}

impl Deref for Doors {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<Doors> for Registry {
    fn from_ref(doors: &Doors) -> Registry {
        doors.0.registry.clone()
    }
}
