//! The HTTP server of every process: accept, read the headers in time, hand over to a router, drain on stop.
//!
//! `axum::serve` gives a client for ever to send its headers, so this loop owns the connections: a header deadline, a bound on open
//! connections (a client past it waits in the kernel's queue), and a grace period within which answers in the making are finished. It speaks
//! HTTP/1.1: whoever waits to learn which version a client speaks waits without a deadline, and what stands in front of it ends TLS and
//! HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Where a process listens, and what a connection may cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpSettings {
    /// Address and port. Port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// How long a client may take to send a request's headers, from its connection or its last answer on, in seconds.
    pub(crate) header_timeout_s: u64,
    /// Connections open at once.
    pub(crate) max_connections: usize,
    /// How long answers in the making may take after a stop was asked for, in seconds.
    pub(crate) grace_s: u64,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8020)),
            header_timeout_s: 10,
            max_connections: 8192,
            grace_s: 15,
        }
    }
}

/// Files that a process needs besides its connections: views, lake, log.
const OTHER_FILES: u64 = 1024;

/// Opens the port, so that a port in use is told before anything else starts; and lets the process have a file for every connection, as far
/// as the system allows.
pub(crate) async fn bind(settings: &HttpSettings) -> anyhow::Result<TcpListener> {
    let wanted = u64::try_from(settings.max_connections).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let allowed = rlimit::increase_nofile_limit(wanted).unwrap_or_default();
    if allowed < wanted {
        tracing::warn!(
            wanted,
            allowed,
            "fewer open files are allowed than http.max_connections needs: raise `ulimit -n`"
        );
    }
    TcpListener::bind(settings.listen).await.map_err(|error| {
        anyhow::anyhow!("cannot listen on {}: {error}; choose another with --listen or http.listen", settings.listen)
    })
}

/// Serves until `shutdown`, then finishes what is in hand.
pub(crate) async fn serve(listener: TcpListener, router: Router, settings: &HttpSettings, shutdown: CancellationToken) {
    let mut connections = Builder::new();
    connections.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(settings.header_timeout_s));
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let graceful = GracefulShutdown::new();

    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = shutdown.cancelled() => break,
        };
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: those in use come back as connections end.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(connections.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A client that goes away or sends nonsense ends its own connection only.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    let open = graceful.count();
    if tokio::time::timeout(Duration::from_secs(settings.grace_s), graceful.shutdown()).await.is_err() {
        tracing::warn!(open, grace_s = settings.grace_s, "connections were still open at the end of the grace period");
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}
