//! A run of AIDE that compares the whole node with the baseline, while its changes are announced. I/O.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::aide_run::{AideRun, CheckEnd, Compared, UpdateEnd};
use super::completed::Completed;
use super::context::Runner;
use super::error::RunnerError;

#[derive(Debug)]
pub(super) struct WholeRun<'a> {
    runner: &'a Runner,
    run: AideRun<'a>,
    node_config: Arc<str>,
    started: Instant,
}

impl<'a> WholeRun<'a> {
    /// Prepares the run. From then on, changes are announced, so that none is between both.
    pub(super) async fn start(
        runner: &'a Runner,
        config: &Path,
        started: Instant,
        cancel: &'a CancellationToken,
    ) -> Result<Self, RunnerError> {
        runner.marker().create()?;
        let run = AideRun::prepare(runner, config, cancel).await?;
        let node_config = run.configuration()?;
        if let Some(watcher) = &runner.watcher {
            watcher.watch(Arc::clone(&node_config)).await;
        }
        Ok(Self {
            runner,
            run,
            node_config,
            started,
        })
    }

    /// Compares the node with the database.
    pub(super) async fn check(&self) -> Result<CheckEnd, RunnerError> {
        let end = self.run.check().await?;
        self.drain().await;
        Ok(end)
    }

    /// Compares the node with the database, and writes a new one.
    pub(super) async fn update(&self) -> Result<UpdateEnd, RunnerError> {
        let end = self.run.update().await?;
        self.drain().await;
        Ok(end)
    }

    /// Compares two databases. The reports are in `dir`.
    pub(super) async fn compare(
        &self,
        old: &Path,
        new: &Path,
        dir: &Path,
    ) -> Result<Compared, RunnerError> {
        self.run.compare(old, new, dir).await
    }

    /// Waits until all changes until now are announced.
    async fn drain(&self) {
        if let Some(watcher) = &self.runner.watcher {
            watcher.drain().await;
        }
    }

    /// What the run has shown. `evaluate` may take long.
    pub(super) async fn evaluate(
        self,
        evaluate: impl FnOnce() -> Result<Completed, RunnerError> + Send + 'static,
    ) -> Result<Completed, RunnerError> {
        let completed = tokio::task::spawn_blocking(evaluate).await??;
        Ok(self.completed(completed))
    }

    /// Adds what is known of the run to its result.
    pub(super) fn completed(self, mut completed: Completed) -> Completed {
        if let Some(finding) = &mut completed.finding {
            let milliseconds = self.started.elapsed().as_millis();
            finding.result.unwatched_rules = self.run.unwatched_rules();
            finding.result.duration_milliseconds = i64::try_from(milliseconds).ok();
        }
        completed.node_config = Some(self.node_config);
        completed
    }
}
