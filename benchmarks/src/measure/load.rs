//! Requests at a server, over connections that stay open: as fast as it answers, or at a pace that doesn't wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::RETRY_AFTER;
use hyper::{Request, Response, StatusCode};
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
    /// Whether a request that is told to come later does, as clients do. Its latency has all of that in it.
    pub patient: bool,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Answered {
    /// Answers outside 200 to 299.
    pub refused: Vec<Refused>,
    /// Answers within 200 to 299.
    pub good: u64,
    /// Times that a request was told to come later, and did.
    pub later: u64,
    /// Request number and body of each good answer, if they were to be kept.
    pub bodies: Vec<(u64, Vec<u8>)>,
    latencies: Vec<Duration>,
}

/// An answer that isn't good.
#[derive(Debug, Clone, Copy)]
pub struct Refused {
    /// The request's number.
    pub number: u64,
    /// How it was refused.
    pub status: StatusCode,
    /// Whether it says when to come again.
    pub says_when: bool,
}

impl Answered {
    /// Of good answers: median and 99th percentile, in milliseconds, from when each was due.
    pub fn percentiles_ms(&mut self) -> [f64; 2] {
        percentiles_ms(&mut self.latencies)
    }

    /// Takes others in.
    pub fn add(&mut self, others: Self) {
        self.good += others.good;
        self.later += others.later;
        self.refused.extend(others.refused);
        self.bodies.extend(others.bodies);
        self.latencies.extend(others.latencies);
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
        all.add(answered.context("a connection broke")??);
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
        let request = (load.make)(number);
        let (status, says_when, body) = loop {
            sender.ready().await?;
            let mut answer = sender.send_request(request.clone()).await?;
            let mut body = Vec::new();
            while let Some(frame) = answer.frame().await {
                if let (true, Ok(data)) = (load.keep, frame?.into_data()) {
                    body.extend_from_slice(&data);
                }
            }
            match pause(&answer) {
                Some(pause) if load.patient => {
                    answered.later += 1;
                    tokio::time::sleep(pause).await;
                }
                pause => break (answer.status(), pause.is_some(), body),
            }
        };
        if status.is_success() {
            answered.good += 1;
            answered.latencies.push(due.elapsed());
            answered.bodies.extend(load.keep.then_some((number, body)));
        } else {
            answered.refused.push(Refused { number, status, says_when });
        }
    }
    drop(sender);
    open.abort();
    Ok(answered)
}

/// How long a server that sheds load asks to wait.
fn pause(answer: &Response<Incoming>) -> Option<Duration> {
    let sheds = matches!(answer.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    sheds.then(|| Duration::from_secs(seconds))
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
