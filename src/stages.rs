//! One way to start and stop every process: configuration → telemetry → port → log → keys → views → stages → HTTP; then until a signal.
//!
//! On SIGTERM or Ctrl-C readiness goes red, the doors close once what is in hand is answered, the stages finish their batch, and the process
//! ends within its grace periods, naming what was late.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use suikang_analytics::counts::Counts;
use suikang_analytics::cut::Cuts;
use suikang_analytics::pseudonym::LakeSecret;
use suikang_analytics::sql::SqlEngine;
use suikang_analytics::writer::Writer;
use suikang_api::{ApiState, Vault, audit::Auditor};
use suikang_ingest::Doors;
use suikang_registry::{Codes, NodeSecrets, Registry, keys};
use suikang_stream::{Access, Log};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::operations::{self, Ask, Operations};
use crate::services::Services;
use crate::{commands, demo, room, serve, telemetry};

/// How long stages may take to finish what they have in hand.
const GRACE: Duration = Duration::from_secs(15);

/// Which stages a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stages {
    ingest: bool,
    issuer: bool,
    analytics: bool,
    api: bool,
}

impl Stages {
    const NONE: Stages = Stages { ingest: false, issuer: false, analytics: false, api: false };
    pub(crate) const INGEST: Stages = Stages { ingest: true, ..Stages::NONE };
    pub(crate) const ISSUER: Stages = Stages { issuer: true, ..Stages::NONE };
    pub(crate) const ANALYTICS: Stages = Stages { analytics: true, ..Stages::NONE };
    pub(crate) const API: Stages = Stages { api: true, ..Stages::NONE };
    const ALL: Stages = Stages { ingest: true, issuer: true, analytics: true, api: true };
}

/// Runs all stages; with `demo`, a city lives in them.
pub(crate) async fn up(config: &Config, demo: bool) -> anyhow::Result<()> {
    let metrics = telemetry::start(&config.telemetry)?;
    let listener = serve::bind(&config.http).await?;
    let log = suikang_stream::open(&config.log, Access::Write).await?;
    if demo {
        demo::found(config, &log).await?;
    }
    let process = Process::start(config, Stages::ALL, log, metrics).await?;
    let address = listener.local_addr()?;
    let city = demo.then(|| demo::live(config, address)).transpose()?;
    process.until_signal(config, listener, city).await
}

/// Runs some stages.
pub(crate) async fn run(config: &Config, stages: Stages) -> anyhow::Result<()> {
    let metrics = telemetry::start(&config.telemetry)?;
    let listener = serve::bind(&config.http).await?;
    let log = suikang_stream::open(&config.log, Access::Write).await?;
    Process::start(config, stages, log, metrics).await?.until_signal(config, listener, None).await
}

/// Everything that runs.
struct Process {
    services: Services,
    router: Router,
    operations: Operations,
}

impl Process {
    async fn start(
        config: &Config,
        stages: Stages,
        log: Arc<dyn Log>,
        metrics: metrics_exporter_prometheus::PrometheusHandle,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            keys::exist(&config.keys_dir),
            "there are no keys in {}; `suikang keys init` makes them, or copy those of this city here",
            config.keys_dir.display()
        );
        let unlock = commands::unlock(config);
        let secrets = NodeSecrets::load(&config.keys_dir, &unlock)?;
        let mut services = Services::new();
        let mut parts: Vec<Ask> = Vec::new();
        let mut router = Router::new();

        let mut written = vec![config.state_dir.clone()];
        written.extend(stages.analytics.then(|| config.analytics.lake.clone()));
        written.extend(config.log.url.strip_prefix("file:").map(Into::into));
        parts.push(room::ask(written, config.least_free_mib));

        let registry = if stages.ingest || stages.api {
            Registry::open(Arc::clone(&log), &config.state_dir, secrets).await?
        } else {
            Registry::open_rules(Arc::clone(&log), &config.state_dir, secrets).await?
        };
        services.start_reader("the registry's view", |stop| {
            let registry = registry.clone();
            async move { registry.run(stop).await }
        });
        parts.push(Box::new({
            let registry = registry.clone();
            move || registry.readiness()
        }));

        let codes = Codes::open(Arc::clone(&log), &config.state_dir).await?;
        if stages.ingest || stages.api {
            services.start_reader("the codes' view", |stop| {
                let codes = codes.clone();
                async move { codes.run(stop).await }
            });
            parts.push(Box::new({
                let codes = codes.clone();
                move || codes.readiness()
            }));
        }
        if stages.ingest {
            let doors = Doors::new(config.ingest.clone(), Arc::clone(&log), registry.clone(), codes.clone());
            router = router.merge(suikang_ingest::router(doors.clone()));
            services.start_maker("ingest", |stop| suikang_ingest::run(doors.clone(), stop));
            parts.push(Box::new(move || doors.readiness()));
        }
        if stages.issuer {
            let keystore = suikang_issuer::Keystore::load(&config.keys_dir, &unlock)?;
            let issuer =
                suikang_issuer::Issuer::new(config.issuer.clone(), Arc::clone(&log), registry.clone(), keystore);
            services.start_maker("the issuer", |stop| {
                let issuer = issuer.clone();
                async move { issuer.run(stop).await }
            });
            parts.push(Box::new(move || issuer.readiness()));
        }
        if stages.analytics || stages.api {
            let secret = LakeSecret::new(keys::lake_secret(&config.keys_dir, &unlock)?);
            if stages.analytics {
                let writer = Writer::new(config.analytics.clone(), Arc::clone(&log), registry.clone(), secret.clone());
                services.start_reader("the lake's writer", |stop| {
                    let writer = writer.clone();
                    async move { writer.run(stop).await }
                });
                parts.push(Box::new(move || writer.readiness()));
            }
            if stages.api {
                let counts = Counts::open(Arc::clone(&log), &config.state_dir)?;
                services.start_reader("the counts", |stop| {
                    let counts = counts.clone();
                    async move { counts.run(stop).await }
                });
                parts.push(Box::new({
                    let counts = counts.clone();
                    move || counts.readiness()
                }));
                let cuts = Cuts::new(config.analytics.clone(), Arc::clone(&log), secret);
                services.start_reader("lake and tail", |stop| {
                    let cuts = cuts.clone();
                    async move { cuts.run(stop).await }
                });
                parts.push(Box::new({
                    let cuts = cuts.clone();
                    move || cuts.readiness()
                }));
                let audit = Auditor::new(Arc::clone(&log), &config.node);
                let vault = Vault::open(registry.clone(), &config.keys_dir, unlock, audit.clone(), &config.node);
                if let Some(vault) = vault {
                    services.start_maker("the vault", |stop| {
                        let vault = vault.clone();
                        async move {
                            vault.run(stop).await;
                            anyhow::Ok(())
                        }
                    });
                    parts.push(Box::new(move || vault.readiness()));
                }
                router = router.merge(suikang_api::router(ApiState {
                    registry: registry.clone(),
                    codes: codes.clone(),
                    counts,
                    sql: SqlEngine::new(config.analytics.clone(), cuts),
                    audit,
                    settings: Arc::new(config.api.clone()),
                }));
            }
        }
        services.start_reader("the upkeep of metrics", |stop| telemetry::keep(metrics.clone(), stop));
        let operations = Operations::new(metrics, parts);
        router = operations::with_refusals(router.merge(operations::router(operations.clone())));
        Ok(Self { services, router, operations })
    }

    /// Serves until SIGTERM, Ctrl-C, or until a part ends by itself.
    async fn until_signal(
        mut self,
        config: &Config,
        listener: TcpListener,
        city: Option<demo::City>,
    ) -> anyhow::Result<()> {
        let close = CancellationToken::new();
        tracing::info!(node = config.node, address = %listener.local_addr()?, "serving");
        let http = tokio::spawn({
            let (router, settings, close) = (self.router.clone(), config.http.clone(), close.clone());
            async move { serve::serve(listener, router, &settings, close).await }
        });
        let city = city.map(|city| tokio::spawn(city.live(self.operations.clone(), close.clone())));
        let failed = tokio::select! {
            signal = signalled() => { tracing::info!(signal = signal?, "stopping"); None }
            error = self.services.first_to_end() => Some(error),
        };
        self.operations.stop();
        close.cancel();
        if let Some(city) = city {
            // Its people would go on knocking for two minutes.
            city.abort();
        }
        http.await.context("the HTTP server broke")?;
        let stopped = self.services.stop(GRACE).await;
        match failed {
            Some(error) => Err(error),
            None => stopped,
        }
    }
}

/// Waits for SIGTERM or Ctrl-C.
async fn signalled() -> anyhow::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
