//! What operators and load balancers ask every process: is it alive, is it ready, what does it observe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use suikang_registry::http::Problem;
use suikang_stream::Readiness;

/// Asks the parts of this process.
pub(crate) type Ask = Box<dyn Fn() -> Vec<Readiness> + Send + Sync>;

/// What the three routes stand on.
#[derive(Clone)]
pub(crate) struct Operations {
    inner: Arc<Inner>,
}

struct Inner {
    metrics: PrometheusHandle,
    parts: Vec<Ask>,
    stopping: AtomicBool,
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    parts: Vec<Readiness>,
}

impl Operations {
    pub(crate) fn new(metrics: PrometheusHandle, parts: Vec<Ask>) -> Self {
        Self { inner: Arc::new(Inner { metrics, parts, stopping: AtomicBool::new(false) }) }
    }

    /// From now on this process asks not to be sent anything.
    pub(crate) fn stop(&self) {
        self.inner.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether every part is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.report().ready
    }

    fn report(&self) -> Report {
        let mut parts: Vec<_> = self.inner.parts.iter().flat_map(|ask| ask()).collect();
        if self.inner.stopping.load(Ordering::Relaxed) {
            parts.push(Readiness::not_ready("process", "stopping"));
        }
        Report { ready: parts.iter().all(|part| part.ready), parts }
    }
}

/// What is said where nothing is: in the form of every other refusal.
pub(crate) fn with_refusals(router: Router) -> Router {
    router.fallback(async || Problem::not_found()).method_not_allowed_fallback(async || {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "不支持此方法 Not by this method")
    })
}

/// `/healthz`, `/readyz`, `/metrics`.
pub(crate) fn router(operations: Operations) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(operations)
}

async fn readyz(State(operations): State<Operations>) -> (StatusCode, Json<Report>) {
    let report = operations.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

async fn metrics(State(operations): State<Operations>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], operations.inner.metrics.render()).into_response()
}
