//! Servers that nobody can beat: one answers without looking, the other once the broker has acknowledged what came.

use std::convert::Infallible;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::net::TcpListener;

use super::floors::client_and_topic;

/// What such a server does with a request before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before<'u> {
    /// Reads it to its end.
    Nothing,
    /// Waits until a broker has acknowledged its body.
    Acknowledged {
        /// Which.
        url: &'u str,
        /// How long a record waits for company.
        linger_ms: &'u str,
    },
}

/// A running server that answers every request alike, in a process of its own.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Host and port.
    pub address: String,
}

impl Server {
    /// Starts it: this program again, as `serve-alike`.
    ///
    /// # Errors
    /// If it can't be started.
    pub async fn start(before: Before<'_>) -> anyhow::Result<Self> {
        let address = format!("127.0.0.1:{}", suikang_stream::testing::free_port());
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve-alike", &address]).stdin(Stdio::null());
        if let Before::Acknowledged { url, linger_ms } = before {
            command.args(["--broker", url, "--linger-ms", linger_ms]);
        }
        let mut server = Self { child: command.spawn()?, address };
        let deadline = Instant::now() + Duration::from_secs(10);
        while tokio::net::TcpStream::connect(&server.address).await.is_err() {
            ensure!(server.child.try_wait()?.is_none(), "the server that answers alike has ended");
            ensure!(Instant::now() < deadline, "the server that answers alike doesn't answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves for ever, and answers 202.
///
/// # Errors
/// If the address can't be had, or the broker.
pub async fn serve_alike(address: &str, before: Before<'_>) -> anyhow::Result<()> {
    let appends = match before {
        Before::Nothing => None,
        Before::Acknowledged { url, linger_ms } => {
            let (client, topic) = client_and_topic(url, linger_ms).await?;
            Some(Arc::new((client.create::<FutureProducer>()?, topic)))
        }
    };
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let appends = appends.clone();
        let service = service_fn(move |request| answer(request, appends.clone()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    appends: Option<Arc<(FutureProducer, String)>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let acknowledged = match appends.as_deref() {
        None => true,
        Some((producer, topic)) => {
            let record = FutureRecord::<(), _>::to(topic).payload(body.as_ref());
            producer.send(record, Duration::from_secs(1)).await.is_ok()
        }
    };
    let status = if acknowledged { StatusCode::ACCEPTED } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Full::new(Bytes::from_static(b"{\"declaration_id\":\"00000000000000000000000000000000\"}"));
    Ok(Response::builder().status(status).header("content-type", "application/json").body(body).expect("plain text"))
}
