//! A run of AIDE that compares the whole node with the baseline, while its changes are announced. I/O.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::aide_run::{AideRun, CheckEnd, UpdateEnd};
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
        let mut completed = tokio::task::spawn_blocking(evaluate).await??;
        if let Some(finding) = &mut completed.finding {
            let milliseconds = self.started.elapsed().as_millis();
            finding.result.unwatched_rules = self.run.unwatched_rules();
            finding.result.duration_milliseconds = i64::try_from(milliseconds).ok();
        }
        completed.node_config = Some(self.node_config);
        Ok(completed)
    }
}
