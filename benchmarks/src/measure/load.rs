//! Requests at a server, over connections that stay open: as fast as it answers, or at a pace that doesn't wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::simulate::account::percentiles_ms;

/// Makes the request of a number.
pub type Make = Arc<dyn Fn(u64) -> Request<Full<Bytes>> + Send + Sync>;

/// What to send.
#[derive(Clone)]
pub struct Load {
    /// Host and port.
    pub address: String,
    /// Open connections, each with one request at a time.
    pub connections: usize,
    /// Requests.
    pub requests: u64,
    /// Requests a second, whatever becomes of them; as fast as they are answered if there is none.
    pub pace: Option<f64>,
    /// Each of them.
    pub make: Make,
    /// Whether to keep the bodies of good answers.
    pub keep: bool,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Answered {
    /// Status and request number of each answer outside 200 to 299.
    pub refused: Vec<(u64, StatusCode)>,
    /// Answers within 200 to 299.
    pub good: u64,
    /// Request number and body of each good answer, if they were to be kept.
    pub bodies: Vec<(u64, Vec<u8>)>,
    latencies: Vec<Duration>,
}

impl Answered {
    /// Median and 99th percentile, in milliseconds, from when each was due.
    pub fn percentiles_ms(&mut self) -> [f64; 2] {
        percentiles_ms(&mut self.latencies)
    }
}

/// Sends it all, and reads every answer.
///
/// # Errors
/// If a connection breaks.
pub async fn send(load: Load) -> anyhow::Result<Answered> {
    let (next, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut connections = JoinSet::new();
    for _ in 0..load.connections {
        connections.spawn(connection(load.clone(), Arc::clone(&next), started));
    }
    let mut all = Answered::default();
    while let Some(answered) = connections.join_next().await {
        let answered = answered.context("a connection broke")??;
        all.good += answered.good;
        all.refused.extend(answered.refused);
        all.bodies.extend(answered.bodies);
        all.latencies.extend(answered.latencies);
    }
    Ok(all)
}

/// The same, where every answer must be good.
///
/// # Errors
/// With the first that isn't.
pub async fn send_well(load: Load) -> anyhow::Result<Answered> {
    let answered = send(load).await?;
    let refused = answered.refused.first();
    ensure!(refused.is_none(), "{} requests were refused, such as {refused:?}", answered.refused.len());
    Ok(answered)
}

async fn connection(load: Load, next: Arc<AtomicU64>, started: Instant) -> anyhow::Result<Answered> {
    let stream = TcpStream::connect(&load.address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let open = tokio::spawn(connection);
    let mut answered = Answered::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= load.requests {
            break;
        }
        let due = match load.pace {
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 requests")]
            Some(per_second) => started + Duration::from_secs_f64(number as f64 / per_second),
            None => Instant::now(),
        };
        tokio::time::sleep_until(due).await;
        sender.ready().await?;
        let mut answer = sender.send_request((load.make)(number)).await?;
        let mut body = Vec::new();
        while let Some(frame) = answer.frame().await {
            if let (true, Ok(data)) = (load.keep, frame?.into_data()) {
                body.extend_from_slice(&data);
            }
        }
        answered.latencies.push(due.elapsed());
        match answer.status() {
            status if status.is_success() => {
                answered.good += 1;
                answered.bodies.extend(load.keep.then_some((number, body)));
            }
            status => answered.refused.push((number, status)),
        }
    }
    drop(sender);
    open.abort();
    Ok(answered)
}

/// A POST of JSON, with one more header if there is one.
pub fn post(path: &str, token: &str, header: Option<(&str, &str)>, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::post(path)
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    request.body(Full::new(body.into())).expect("the parts of a request are plain text")
}
