//! The long-running parts of a process: started under a name, stopped together, named when late. A part that ends by itself takes the process
//! down: a system that limps in silence is worse than one that is restarted.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Running parts, in the order in which they stop: what makes records first, what reads them last.
pub(crate) struct Services {
    makers: Phase,
    readers: Phase,
}

#[derive(Default)]
struct Phase {
    running: JoinSet<(&'static str, anyhow::Result<()>)>,
    names: Vec<&'static str>,
    stop: CancellationToken,
}

impl Services {
    pub(crate) fn new() -> Self {
        Self { makers: Phase::default(), readers: Phase::default() }
    }

    /// Starts a part that appends to the log; it is to end when its token is cancelled.
    pub(crate) fn start_maker<F, E>(&mut self, name: &'static str, part: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        self.makers.start(name, part);
    }

    /// Starts a part that reads the log; it is to end when its token is cancelled.
    pub(crate) fn start_reader<F, E>(&mut self, name: &'static str, part: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        self.readers.start(name, part);
    }

    /// Returns when a part has ended although nothing was stopped: with its error.
    pub(crate) async fn first_to_end(&mut self) -> anyhow::Error {
        tokio::select! {
            error = self.makers.first_to_end() => error,
            error = self.readers.first_to_end() => error,
        }
    }

    /// Asks the makers to end, then the readers, and waits for what they have in hand; the grace is for each.
    pub(crate) async fn stop(self, grace: Duration) -> anyhow::Result<()> {
        let makers = self.makers.stop(grace).await;
        self.readers.stop(grace).await.and(makers)
    }
}

impl Phase {
    fn start<F, E>(&mut self, name: &'static str, part: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        let part = part(self.stop.clone());
        self.names.push(name);
        self.running.spawn(async move { (name, part.await.map_err(Into::into)) });
    }

    async fn first_to_end(&mut self) -> anyhow::Error {
        match self.running.join_next().await {
            None => std::future::pending().await,
            Some(Ok((name, ended))) => {
                self.names.retain(|running| *running != name);
                match ended {
                    Ok(()) => anyhow::anyhow!("{name} has ended by itself"),
                    Err(error) => error.context(format!("{name} has failed")),
                }
            }
            Some(Err(error)) => anyhow::anyhow!("a part broke: {error}"),
        }
    }

    async fn stop(mut self, grace: Duration) -> anyhow::Result<()> {
        self.stop.cancel();
        let deadline = tokio::time::Instant::now() + grace;
        let mut failed = Ok(());
        loop {
            match tokio::time::timeout_at(deadline, self.running.join_next()).await {
                Ok(None) => return failed,
                Ok(Some(Ok((name, ended)))) => {
                    self.names.retain(|running| *running != name);
                    if let Err(error) = ended {
                        failed = Err(error.context(format!("{name} failed while stopping")));
                    }
                }
                Ok(Some(Err(error))) => failed = Err(anyhow::anyhow!("a part broke while stopping: {error}")),
                Err(_) => {
                    tracing::warn!(late = ?self.names, grace_s = grace.as_secs(), "parts were late and are dropped");
                    return failed;
                }
            }
        }
    }
}
