//! A city in this process: the routes of `ingest` as the server has them, with the real registry, keys and rules, on a log in memory.
//!
//! A request comes in, the answer and what was appended go out. One thread does all but the registry's writing, so that an input takes the
//! same way each time.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use futures::stream;
use http_body_util::BodyExt as _;
use suikang_ingest::{Doors, Settings};
use suikang_registry::keys::{self, VaultKeystore};
use suikang_registry::secrets::Unlock;
use suikang_registry::tokens::TokenKey;
use suikang_registry::{Caller, Codes, Command, NodeSecrets, Registry, Role, seed};
use suikang_schemas::declaration::Declaration;
use suikang_schemas::registry_event::{Actor, Change, RegistryEvent};
use suikang_schemas::{CommandId, Topic, avro};
use suikang_stream::Log;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::scratch_log::ScratchLog;

/// Longer rows are refused. Small, so that a fuzzer's inputs get there.
pub const BATCH_ROW_BYTES: usize = 1024;
/// Batches of more rows are cut short.
pub const BATCH_ROWS: usize = 16;

thread_local! {
    static CITY: City = City::new();
}

/// Does something with this thread's city, which is built when it is first asked for.
pub fn with<R>(something: impl FnOnce(&City) -> R) -> R {
    CITY.with(something)
}

/// The city.
pub struct City {
    runtime: Runtime,
    router: Router,
    log: ScratchLog,
    /// What is in force.
    pub registry: Registry,
    /// Opens what was sealed.
    pub vault: VaultKeystore,
    resident: String,
    staff: String,
    _folder: TempDir,
}

/// An answer, and what the request has left on the log.
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body.
    pub text: String,
    /// Declarations appended.
    pub declarations: Vec<Declaration>,
    /// Registry events appended.
    pub registry_events: Vec<RegistryEvent>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A resident, for themselves and theirs.
    Resident,
    /// Staff, for those who live in a street.
    Staff,
}

impl City {
    /// A city in which all is set for a declaration: the first streets of two districts, the default rules, real keys.
    fn new() -> City {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let keys_dir = folder.path().join("keys");
        let unlock = Unlock::of(&keys_dir, None);
        keys::init(&keys_dir, &unlock, now_ms()).expect("keys");
        let log = ScratchLog::default();
        let (router, registry) = runtime.block_on(serve(log.clone(), folder.path().join("state"), &keys_dir, &unlock));
        log.take(Topic::Registry);
        let token_key = TokenKey::load(&keys_dir, &unlock).expect("the token key");
        let token = |role, area: &str, login: &str| {
            let caller = Caller { role, area: area.parse().expect("an area"), login: login.to_owned() };
            // Seal keys last forty days; a run is shorter.
            token_key.mint(&caller, now_ms(), Duration::from_secs(30 * 24 * 60 * 60))
        };
        City {
            vault: VaultKeystore::load(&keys_dir, &unlock).expect("the vault's keys"),
            resident: token(Role::Resident, "4401", "demo-resident"),
            staff: token(Role::Proxy, "440106001", "demo-proxy"),
            runtime,
            router,
            log,
            registry,
            _folder: folder,
        }
    }

    /// Sends a body in pieces of so many bytes, and reads the answer to its end.
    ///
    /// # Panics
    /// If the answer or a record is not what it should be in the first place: an answer of the server's own failure, say.
    pub fn post(&self, path: &str, who: Who, content_type: &str, body: &[u8], piece_bytes: usize) -> Answer {
        let token = if who == Who::Staff { &self.staff } else { &self.resident };
        let pieces: Vec<_> =
            body.chunks(piece_bytes.max(1)).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece))).collect();
        let request = Request::post(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", content_type)
            .body(Body::from_stream(stream::iter(pieces)))
            .expect("a request");
        let (status, bytes) = self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = response.status();
            (status, response.into_body().collect().await.expect("a body").to_bytes())
        });
        let text = String::from_utf8(bytes.to_vec()).expect("answers are UTF-8");
        assert!(!status.is_server_error(), "{status}: {text}");
        Answer {
            status,
            text,
            declarations: decoded(&self.log.take(Topic::Declarations)),
            registry_events: decoded(&self.log.take(Topic::Registry)),
        }
    }
}

async fn serve(log: ScratchLog, state_dir: PathBuf, keys_dir: &std::path::Path, unlock: &Unlock) -> (Router, Registry) {
    let log: Arc<dyn Log> = Arc::new(log);
    let secrets = NodeSecrets::load(keys_dir, unlock).expect("secrets");
    let registry = Registry::open(Arc::clone(&log), &state_dir, secrets).await.expect("the registry's view");
    let codes = Codes::open(Arc::clone(&log), &state_dir).await.expect("the view of codes");
    let (following, shutdown) = (registry.clone(), CancellationToken::new());
    tokio::spawn(async move { following.run(shutdown).await.expect("the registry's view") });
    keys::publish(&registry, keys_dir, unlock, actor()).await.expect("keys are published");
    let wanted = |change: &Change| match change {
        Change::PlaceSet(place) => {
            let code = place.area.as_str();
            code.len() < 12 || code.starts_with("440106001") || code.starts_with("440104001")
        }
        _ => true,
    };
    let missing = seed::missing(&registry.snapshot(), now_ms()).into_iter().filter(wanted);
    for outcome in registry.submit_all(missing.map(command).collect()).await {
        outcome.expect("the city's rules");
    }
    while registry.age().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Between two requests nothing runs, and the view looks at no clock: its age says nothing here.
    let settings = Settings {
        batch_row_bytes: BATCH_ROW_BYTES,
        batch_rows: BATCH_ROWS,
        registry_age_s: u64::from(u32::MAX),
        ..Settings::default()
    };
    (suikang_ingest::router(Doors::new(settings, log, registry.clone(), codes)), registry)
}

fn decoded<E: avro::Event>(payloads: &[Vec<u8>]) -> Vec<E> {
    payloads.iter().map(|payload| avro::decode(payload).expect("what is appended can be read")).collect()
}

fn command(change: Change) -> Command {
    Command { command_id: CommandId::now(), actor: actor(), expected_version: None, change }
}

fn actor() -> Actor {
    Actor { role: "operator".to_owned(), area: "4401".to_owned(), login: "demo-operator".to_owned() }
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
