//! The controller: applies the desired state of each FileIntegrity.
//!
//! It is level-triggered: a reconcile handles everything about one FileIntegrity. It is
//! [`observe`] (all reads), [`plan`] (all decisions, pure) and [`execution`] (all writes, by [`apply`]).
//! If the operator is killed during a reconcile, the next one continues: everything that it has to know
//! is in the API.

mod acceptance_reporting;
pub(crate) mod acceptances;
pub(crate) mod apply;
pub(crate) mod build;
mod conditions;
pub(crate) mod config_validator;
mod context;
mod daemon_set_refs;
mod effective_config;
mod execution;
mod memory;
mod node_list;
mod nodes;
pub(crate) mod observe;
mod observed;
mod ownership;
mod plan;
mod reinit;
mod reporting;
mod request_record;
mod scan_request;
pub(crate) mod unreadable;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::ResourceExt as _;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::apply::Applier;
use self::apply::error::ApplyError;
use self::context::Context;
use self::memory::Memory;
use self::observe::Observer;
use self::observe::error::ObserveError;
use self::observe::triggers::Trigger;
use super::fleet_metrics::FleetMetrics;
use crate::api::FileIntegrity;

/// Pause after a first failed reconcile. It doubles up to [`MAX_BACKOFF`].
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Maximum pause after a failed reconcile.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// Cool-down after a reconcile, as a multiple of its planning time. So planning takes at most a tenth of
/// a CPU when the nodes of a large fleet change one after the other. For a small fleet it takes
/// milliseconds.
const COOL_DOWN_FACTOR: u32 = 9;
/// Maximum cool-down after a reconcile.
const MAX_COOL_DOWN: Duration = Duration::from_secs(2);

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error(transparent)]
    Observe(#[from] ObserveError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl ReconcileError {
    fn step(&self) -> &'static str {
        match self {
            Self::Observe(_) => "observe",
            Self::Apply(_) => "apply",
        }
    }
}

/// Reconciles the FileIntegrities that `triggers` receives, until the watches end.
pub(crate) async fn run(
    observer: Arc<Observer>,
    applier: Applier,
    metrics: Arc<FleetMetrics>,
    triggers: mpsc::UnboundedReceiver<Trigger>,
) {
    let store = observer.file_integrities.clone();
    let context = Arc::new(Context {
        observer,
        applier,
        metrics,
        memory: Memory::default(),
    });
    let triggers = futures::stream::unfold(triggers, |mut triggers| async move {
        triggers.recv().await.map(|trigger| (trigger, triggers))
    });
    // The objects come through the observer's watch, and arrive as triggers.
    let none = futures::stream::pending::<Result<FileIntegrity, watcher::Error>>();
    Controller::for_stream(none, store)
        .reconcile_on(triggers)
        .run(reconcile, on_error, context)
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!(error = crate::error_chain(&error), "reconcile");
            }
        })
        .await;
}

async fn reconcile(
    fi: Arc<FileIntegrity>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let (started, mut planning) = (Instant::now(), Duration::ZERO);
    let result = try_reconcile(fi, &context, &mut planning).await;
    context.metrics.record_reconcile(started.elapsed());
    if let Err(error) = &result {
        context.metrics.record_reconcile_error(error.step());
    }
    // Meanwhile the controller starts no other reconcile of this FileIntegrity.
    tokio::time::sleep(cool_down(planning)).await;
    result
}

/// Sets `planning` to the time for observing and planning.
async fn try_reconcile(
    fi: Arc<FileIntegrity>,
    context: &Context,
    planning: &mut Duration,
) -> Result<Action, ReconcileError> {
    let name = fi.name_any();
    if fi.metadata.deletion_timestamp.is_some() {
        context.observer.forget(&name);
        context.observer.await_evidence(&name, false);
        return Ok(Action::await_change());
    }
    let fi = context.memory.newest(fi);
    let started = Instant::now();
    let collisions = context
        .memory
        .with(&name, |last| last.name_collisions.clone());
    let observed = match context.observer.observe(Arc::clone(&fi), collisions).await {
        Ok(observed) => observed,
        Err(error) => {
            context.report_not_observed(&fi, &error).await;
            return Err(error.into());
        }
    };
    let plan = plan::plan(&observed);
    *planning = started.elapsed();
    Ok(context.execute(&observed, &plan).await?)
}

fn cool_down(planning: Duration) -> Duration {
    planning.saturating_mul(COOL_DOWN_FACTOR).min(MAX_COOL_DOWN)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the controller's"
)]
fn on_error(fi: Arc<FileIntegrity>, error: &ReconcileError, context: Arc<Context>) -> Action {
    let name = fi.name_any();
    let (failures, due) = context.memory.with(&name, |last| {
        last.failures = last.failures.saturating_add(1);
        (last.failures, last.status_due.take())
    });
    let due = due.and_then(|due| due.checked_duration_since(Instant::now()));
    let pause = backoff(failures, due);
    tracing::warn!(
        file_integrity = name,
        error = crate::error_chain(error),
        retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
        "reconcile failed"
    );
    Action::requeue(pause)
}

/// The pause after a number of failed reconciles in a row. It is shorter if a status should be written
/// sooner.
fn backoff(failures: u32, status_due: Option<Duration>) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let pause = FIRST_BACKOFF.saturating_mul(1 << doublings);
    pause
        .min(status_due.unwrap_or(MAX_BACKOFF))
        .min(MAX_BACKOFF)
}

#[cfg(test)]
mod tests;
