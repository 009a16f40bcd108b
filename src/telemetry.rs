//! Logs and metrics of a process: `tracing` to standard error, Prometheus text for `/metrics`.
//!
//! What never appears in either: names, document numbers, phone numbers, addresses, plates, free text, tokens, code texts, request and
//! answer bodies. Identifiers (subjects, declarations, devices, offsets) and areas may.

use std::io::IsTerminal;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// How a process tells what it does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TelemetrySettings {
    /// `tracing` filter, such as `info,suikang_issuer=debug`.
    pub(crate) log: String,
    /// `text` or `json`.
    pub(crate) format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        // delta-rs and the Parquet reader tell much at info that only their developers need.
        Self {
            log: "info,deltalake=warn,deltalake_core=warn,delta_kernel=warn,buoyant_kernel=warn,datafusion=warn"
                .to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// Latencies from a tenth of a millisecond to ten seconds.
const SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0];

/// How often what was observed is put into its buckets: until then each latency is kept.
const UPKEEP: Duration = Duration::from_secs(5);

/// Keeps the metrics small, whether or not somebody reads them.
pub(crate) async fn keep(metrics: PrometheusHandle, stop: CancellationToken) -> anyhow::Result<()> {
    while tokio::time::timeout(UPKEEP, stop.cancelled()).await.is_err() {
        metrics.run_upkeep();
    }
    Ok(())
}

/// Starts logging and metrics; the handle renders the metrics.
pub(crate) fn start(settings: &TelemetrySettings) -> anyhow::Result<PrometheusHandle> {
    let filter = EnvFilter::try_new(&settings.log).map_err(|error| {
        anyhow::anyhow!("telemetry.log is not a filter such as \"info,suikang_issuer=debug\": {error}")
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that can't be written, as when standard error is a file on a full disk, ends nothing.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    match settings.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?)
}
