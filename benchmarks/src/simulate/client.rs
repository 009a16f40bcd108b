//! HTTP as an app would speak it: a token, an Idempotency-Key, and the same request again when the answer is lost or says "later".

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use reqwest::header::{AUTHORIZATION, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use suikang_schemas::AreaCode;

/// Makes a bearer token for a role in an area under a login.
pub type Mint = Arc<dyn Fn(&str, &AreaCode, &str) -> String + Send + Sync>;

/// How long one request is sent again before it is given up: longer than any restart that a run provokes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client of one or more doors.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    doors: Arc<[String]>,
    mint: Mint,
    tokens: Arc<Mutex<HashMap<(String, String), String>>>,
    turn: Arc<AtomicUsize>,
    retried: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("doors", &self.doors).finish_non_exhaustive()
    }
}

/// The request was given up.
#[derive(Debug, thiserror::Error)]
pub enum GivenUp {
    /// No usable answer within the patience of a client.
    #[error("no usable answer from {0} for two minutes")]
    NoAnswer(String),
    /// An answer that is not what the API promises.
    #[error("an answer that the API does not promise: {0}")]
    BadAnswer(#[from] reqwest::Error),
}

impl Client {
    /// A client of these doors, such as `http://127.0.0.1:8020`.
    ///
    /// # Errors
    /// If the system gives no sockets or TLS.
    pub fn new(doors: Vec<String>, mint: Mint) -> Result<Self, reqwest::Error> {
        assert!(!doors.is_empty(), "a client needs a door");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(40)).no_proxy().build()?;
        Ok(Self {
            http,
            doors: doors.into(),
            mint,
            tokens: Arc::default(),
            turn: Arc::default(),
            retried: Arc::default(),
            answered: Arc::default(),
        })
    }

    /// Requests that were sent again so far.
    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }

    /// Requests that were answered so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Posts once, to the next door.
    ///
    /// # Errors
    /// If the connection fails.
    pub async fn send(
        &self,
        path: &str,
        (role, area, login): (&str, &AreaCode, &str),
        body: &serde_json::Value,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, reqwest::Error> {
        let token = self.token(role, area, login);
        let door = &self.doors[self.turn.fetch_add(1, Ordering::Relaxed) % self.doors.len()];
        let request = self.http.post(format!("{door}{path}")).header(AUTHORIZATION, format!("Bearer {token}"));
        with(request.json(body)).send().await
    }

    /// Posts until a door answers something else than "later": through the next door each time, since any of them must do.
    ///
    /// # Errors
    /// [`GivenUp`] after two minutes.
    pub async fn post(
        &self,
        path: &str,
        who: (&str, &AreaCode, &str),
        body: &serde_json::Value,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, GivenUp> {
        let started = tokio::time::Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            if let Ok(answer) = self.send(path, who, body, &with).await {
                let later = matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
                if !later {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    return Ok(answer);
                }
                let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                pause = asked.map_or(pause, Duration::from_secs).min(Duration::from_secs(2));
            }
            if started.elapsed() > PATIENCE {
                return Err(GivenUp::NoAnswer(path.to_owned()));
            }
            self.retried.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Gets once.
    ///
    /// # Errors
    /// If the connection fails.
    pub async fn get(
        &self,
        path: &str,
        (role, area, login): (&str, &AreaCode, &str),
    ) -> Result<Response, reqwest::Error> {
        let token = self.token(role, area, login);
        self.http.get(format!("{}{path}", self.doors[0])).header(AUTHORIZATION, format!("Bearer {token}")).send().await
    }

    /// Asks in SQL, as a headquarters' investigator; rows and cut.
    ///
    /// # Errors
    /// With the problem, if it isn't answered.
    pub async fn sql(&self, sql: &str) -> anyhow::Result<Value> {
        let whole = "4401".parse()?;
        let who = ("headquarters_investigator", &whole, "investigator");
        let answer = self.post("/v1/sql", who, &json!({"sql": sql}), |request| request).await?;
        let (status, answer) = (answer.status(), answer.json().await?);
        ensure!(status.is_success(), "{sql}: {answer}");
        Ok(answer)
    }

    fn token(&self, role: &str, area: &AreaCode, login: &str) -> String {
        let who = (format!("{role} {area}"), login.to_owned());
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.entry(who).or_insert_with(|| (self.mint)(role, area, login)).clone()
    }
}
