//! SQL over lake ∪ tail: read-only, bounded, cancelled in earnest, each answer naming its cut.
//!
//! A query gets a context of its own with three tables and nothing else. It runs on threads of its own, so that one that never ends starves no
//! other request; when its time is over or nobody waits for it any more, its tasks are dropped, and with them its memory.

pub mod format;
mod guard;
mod stopping;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::sqlparser::parser::ParserError;
use futures::StreamExt as _;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::cut::{CutName, Cuts};
use crate::tables::Table;
use crate::{Settings, metrics};

/// Queries run on this many threads: fewer than a machine has, so that the doors stay open.
const THREADS: usize = 2;
/// What the deepest statement takes that may be asked, and more: no more of it is memory than was used.
const STACK_BYTES: usize = 128 * 1024 * 1024;
/// Bytes of an answer's rows in memory; as JSON they are several times that.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Asks questions. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct SqlEngine {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    cuts: Cuts,
    /// What queries share: the memory they may use together, and what the files say of themselves at their ends.
    runtime: Arc<RuntimeEnv>,
    threads: Option<Runtime>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows, no more than `row_limit`.
    pub batches: Vec<RecordBatch>,
    /// How many rows an answer may hold.
    pub row_limit: usize,
    /// Whether there were more.
    pub truncated: bool,
    /// The cut of each table that the question was asked on.
    pub cut: BTreeMap<&'static str, CutName>,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// It isn't a question, or asks for what may not be asked.
    #[error("{0}")]
    Refused(String),
    /// It is wrong: no such column, a type that doesn't fit.
    #[error("{0}")]
    Invalid(String),
    /// It took too long and was stopped.
    #[error("stopped after {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// It needed more memory than queries may use together.
    #[error("more memory than queries may use together")]
    TooLarge,
    /// The tables can't be read yet.
    #[error("the tables cannot be read yet")]
    NotReady,
    /// Something broke.
    #[error("the query broke")]
    Broke,
}

impl SqlEngine {
    /// An engine over these cuts.
    ///
    /// # Panics
    /// If the system gives no threads.
    pub fn new(settings: Settings, cuts: Cuts) -> Self {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("sql")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .expect("the system gives threads at start");
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(settings.query_memory_bytes)))
            // Nothing of a query touches the disk.
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc()
            .expect("nothing is asked of the system");
        Self { shared: Arc::new(Shared { settings, cuts, runtime, threads: Some(threads) }) }
    }

    /// Answers a question.
    ///
    /// # Errors
    /// [`SqlError`]; nothing of a question that was stopped goes on.
    pub async fn query(&self, sql: &str) -> Result<Answer, SqlError> {
        // On whichever thread asks, so that a refusal waits for nobody's query; deep enough to parse whatever is asked.
        stacker::grow(STACK_BYTES, || guard::check(sql))?;
        let started = Instant::now();
        let patience = Duration::from_millis(self.shared.settings.query_timeout_ms);
        let threads = self.shared.threads.as_ref().expect("there until the engine is dropped");
        let (shared, sql) = (Arc::clone(&self.shared), sql.to_owned());
        let stop = CancellationToken::new();
        let stopped = stop.clone().drop_guard();
        let running = AbortOnDrop(threads.spawn(async move { shared.run(&sql, stop).await }));
        let answered = match tokio::time::timeout(patience, running).await {
            Ok(answered) => answered,
            Err(_) => Err(SqlError::TimedOut(patience)),
        };
        drop(stopped);
        let result = match &answered {
            Ok(_) => "answered",
            Err(SqlError::TimedOut(_)) => "timed_out",
            Err(SqlError::TooLarge) => "too_large",
            Err(_) => "refused",
        };
        metrics::queried(result, started.elapsed());
        answered
    }
}

impl Shared {
    async fn run(&self, sql: &str, stop: CancellationToken) -> Result<Answer, SqlError> {
        let (context, cut) = self.context(stop)?;
        let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let frame = context.sql_with_options(sql, options).await.map_err(|error| refusal(&error))?;
        guard::check_functions(frame.logical_plan())?;
        let schema = Arc::clone(frame.schema().inner());
        let row_limit = self.settings.query_rows;
        let mut rows = frame.execute_stream().await.map_err(|error| refusal(&error))?;
        let (mut batches, mut count, mut bytes) = (Vec::new(), 0, 0);
        while count <= row_limit
            && let Some(batch) = rows.next().await
        {
            let batch = batch.map_err(|error| refusal(&error))?;
            count += batch.num_rows();
            bytes += batch.get_array_memory_size();
            if bytes > ANSWER_BYTES {
                return Err(SqlError::TooLarge);
            }
            batches.push(batch);
        }
        let truncated = count > row_limit;
        if truncated && let Some(last) = batches.pop() {
            batches.push(last.slice(0, last.num_rows() - (count - row_limit)));
        }
        Ok(Answer { schema, batches, row_limit, truncated, cut })
    }

    /// A context with the three tables, and nothing that could reach anything else.
    fn context(&self, stop: CancellationToken) -> Result<(SessionContext, BTreeMap<&'static str, CutName>), SqlError> {
        let config = SessionConfig::new()
            .with_target_partitions(THREADS)
            .with_information_schema(false)
            // The physical plan names the lake's files, with their folders.
            .set_bool("datafusion.explain.logical_plan_only", true);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.runtime))
            .with_default_features()
            .with_physical_optimizer_rule(Arc::new(stopping::Stoppable { stop }))
            .build();
        let context = SessionContext::new_with_state(state);
        // It tells what we are made of.
        context.deregister_udf("version");
        let mut cut = BTreeMap::new();
        for table in Table::ALL {
            let current = self.cuts.current(table).ok_or(SqlError::NotReady)?;
            cut.insert(table.name(), current.name());
            let whole = current.as_table(&context).map_err(|error| {
                tracing::error!(%error, table = table.name(), "a table cannot be read");
                SqlError::Broke
            })?;
            context.register_table(table.name(), whole).map_err(|error| refusal(&error))?;
        }
        Ok((context, cut))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A runtime may not be dropped where tasks run.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// What DataFusion says, in our terms. Its texts speak of the query and its columns, never of data; where they go on about DataFusion
/// itself, they are cut.
fn refusal(error: &datafusion::error::DataFusionError) -> SqlError {
    use datafusion::error::DataFusionError as E;
    match error.find_root() {
        E::ResourcesExhausted(_) => SqlError::TooLarge,
        E::SQL(why, _) => match why.as_ref() {
            ParserError::TokenizerError(why) | ParserError::ParserError(why) => SqlError::Invalid(why.clone()),
            ParserError::RecursionLimitExceeded => SqlError::Refused("nested too deeply".to_owned()),
        },
        E::Plan(why) => SqlError::Invalid(ours(why)),
        E::SchemaError(..) | E::Diagnostic(..) | E::Collection(_) => SqlError::Invalid(ours(&error.strip_backtrace())),
        // Nothing of ours broke: the question is one that it cannot plan.
        E::Internal(why) => {
            tracing::warn!(error = %why, "a query cannot be planned");
            SqlError::Invalid("the query cannot be planned".to_owned())
        }
        // What isn't implemented is shown as its syntax tree.
        E::NotImplemented(why) => {
            SqlError::Invalid(format!("not supported: {}", why.split(['{', '(']).next().unwrap_or_default().trim()))
        }
        // It has no type of its own among the errors, and whatever else comes from outside is ours.
        E::External(why) if why.to_string().starts_with("regex parse error") => {
            SqlError::Invalid("a pattern is no regular expression".to_owned())
        }
        E::ArrowError(..) | E::Execution(_) => {
            SqlError::Invalid("the query fails on some row: a cast, a division, an overflow".to_owned())
        }
        other => {
            tracing::error!(error = %other, "a query broke");
            SqlError::Broke
        }
    }
}

/// A text of DataFusion without its name and that of the rule which it comes from.
fn ours(text: &str) -> String {
    let text = text.split("\nThis issue was likely caused by").next().unwrap_or_default();
    let text = text.rsplit("\ncaused by\n").next().unwrap_or_default();
    text.replace("datafusion.public.", "")
        .replace("datafusion.", "")
        .replace("Internal error: ", "")
        .replace("Error during planning: ", "")
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(tokio::task::JoinHandle<Result<T, SqlError>>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, SqlError>;
    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context).map(|joined| {
            joined.unwrap_or_else(|_| {
                // Without the panic's text, which may hold what was asked.
                tracing::error!("a query panicked");
                // It is the question that brings this about, and nobody else's answer is touched.
                Err(SqlError::Invalid("the query cannot be carried out".to_owned()))
            })
        })
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
