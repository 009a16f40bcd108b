//! Configuration: a TOML file, then `SUIKANG_*` variables, then flags; the later wins. An unknown key is an error, not a typo in silence.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde::{Deserialize, Serialize};
use suikang_stream::LogConfig;

use crate::serve::HttpSettings;
use crate::telemetry::TelemetrySettings;

/// Variables of this prefix are configuration: `SUIKANG_HTTP__LISTEN` is `http.listen`.
const PREFIX: &str = "SUIKANG_";
/// Variables that are not keys of the file: where it is, and what must not stand in it.
const NOT_KEYS: [&str; 3] = ["config", "passphrase", "token"];

/// The name of a process that was given none.
const NAMELESS: &str = "suikang";

/// Everything a process can be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// A name for this process in logs, audit entries and consumer groups; no other process has it.
    pub(crate) node: String,
    /// Where views keep their files; all of it can be deleted and is rebuilt.
    pub(crate) state_dir: PathBuf,
    /// Where keys lie; each process needs only its own.
    pub(crate) keys_dir: PathBuf,
    /// A process isn't ready while less than this is free where it writes, in MiB.
    pub(crate) least_free_mib: u64,
    /// The log.
    pub(crate) log: LogConfig,
    /// The HTTP server.
    pub(crate) http: HttpSettings,
    /// The doors.
    pub(crate) ingest: suikang_ingest::Settings,
    /// The issuer.
    pub(crate) issuer: suikang_issuer::Settings,
    /// The lake and its readers.
    pub(crate) analytics: suikang_analytics::Settings,
    /// Pages and answers.
    pub(crate) api: suikang_api::Settings,
    /// Logs and metrics.
    pub(crate) telemetry: TelemetrySettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: NAMELESS.to_owned(),
            state_dir: "data/state".into(),
            keys_dir: "data/keys".into(),
            least_free_mib: 64,
            log: LogConfig::default(),
            http: HttpSettings::default(),
            ingest: suikang_ingest::Settings::default(),
            issuer: suikang_issuer::Settings::default(),
            analytics: suikang_analytics::Settings::default(),
            api: suikang_api::Settings::default(),
            telemetry: TelemetrySettings::default(),
        }
    }
}

impl Config {
    /// The name by which its groups know this process: of several without one, each would take the others' place.
    pub(crate) fn join_by_name(&mut self) {
        if self.node != NAMELESS && self.log.instance.is_none() {
            self.log.instance = Some(self.node.clone());
        }
    }
}

/// The configuration in force: defaults, the file (if named, it must be there), the environment.
pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Config> {
    let mut layers = Figment::from(Serialized::defaults(Config::default()));
    if let Some(file) = file {
        anyhow::ensure!(file.is_file(), "no configuration file at {}", file.display());
        layers = layers.merge(Toml::file(file));
    }
    let environment = Env::prefixed(PREFIX).filter(|key| !NOT_KEYS.iter().any(|other| key == other)).split("__");
    layers
        .merge(environment)
        .extract()
        .context("the configuration is not valid; `suikang config show` prints every key with its default")
}
