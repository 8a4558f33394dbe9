//! Carries out the plan of one reconcile. I/O.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use tokio::time::Instant;

use super::apply::Applied;
use super::apply::error::ApplyError;
use super::context::Context;
use super::daemon_set_refs as refs;
use super::memory::WriteFailure;
use super::observed::Observed;
use super::plan::{DesiredObject, ObsoleteObject, Plan};
use crate::operator::fleet_metrics::WriteOutcome;

/// Pause before a name collision is checked again: the other object may not be watched.
const COLLISION_RETRY: Duration = Duration::from_secs(15);
/// Maximum number of node statuses that are applied concurrently. This shortens the time for a fleet of
/// thousands, and limits the load on the API server.
const MAX_CONCURRENT_WRITES: usize = 8;

/// Objects of others with names that the operator needs.
#[derive(Debug, Default)]
struct Collisions {
    messages: Vec<String>,
    /// The nodes whose status objects cannot be created.
    nodes: HashSet<Arc<str>>,
}

impl Collisions {
    fn add(&mut self, desired: &DesiredObject, message: String) {
        self.messages.push(message);
        if let DesiredObject::NodeStatus(status) = desired {
            self.nodes.insert(Arc::clone(&status.node));
        }
    }
}

impl Context {
    /// Carries out the plan. Even if something cannot be written, the metrics and the status are updated,
    /// and the status names what failed.
    pub(super) async fn execute(
        &self,
        observed: &Observed,
        plan: &Plan,
    ) -> Result<Action, ApplyError> {
        let fi = &observed.file_integrity;
        let name = fi.name_any();
        let mut status = plan.status.clone();
        let mut collisions = Collisions::default();
        // Before the writes: those of a large fleet take minutes.
        self.observer.await_evidence(&name, plan.awaits_evidence);
        let applied = self.apply_plan(observed, plan, &mut collisions).await;
        let reported = self.create_events(fi, &plan.events, &mut status).await;
        let acceptances = self.report_acceptances(observed, &plan.acceptances, applied.is_ok());
        let acceptances = acceptances.await;
        let done = applied.and(reported);
        let (done, left_of_acceptances) = match acceptances {
            Ok(left) => (done, left),
            Err(error) => (done.and(Err(error)), None),
        };
        let Collisions { messages, nodes } = collisions;
        let annotation_failure = self.memory.with(&name, |last| {
            last.name_collisions = nodes;
            if plan.metadata_patch.is_none() {
                last.annotation_failure = None;
            }
            last.annotation_failure.clone()
        });
        let failure = done.as_ref().err().map(WriteFailure::from);
        let failure = failure.or(annotation_failure);
        self.degrade(observed, &mut status, &messages, failure.as_ref());
        let (stale, sets) = (&plan.stale_nodes, &plan.change_set_nodes);
        self.metrics.record_status(&name, &status, stale, sets);
        let written = self.write_status(fi, status).await;
        let left = written.as_ref().ok().copied().flatten();
        let due = left.map(|left| Instant::now() + left);
        self.memory.with(&name, |last| last.status_due = due);
        let wait = done.and(written)?;
        // A request is recorded only after everything else has succeeded.
        self.record_request(observed, plan).await?;
        self.memory.with(&name, |last| last.failures = 0);
        self.memory.forget_deleted(&self.observer.file_integrities);
        let retry = (!messages.is_empty()).then_some(COLLISION_RETRY);
        let requeue = [plan.requeue_after, wait, left_of_acceptances, retry]
            .into_iter()
            .flatten()
            .min();
        Ok(requeue.map_or_else(Action::await_change, Action::requeue))
    }

    async fn record_request(&self, observed: &Observed, plan: &Plan) -> Result<(), ApplyError> {
        let Some(patch) = &plan.metadata_patch else {
            return Ok(());
        };
        let fi = &observed.file_integrity;
        let recorded = self.write_metadata(fi, patch).await;
        let failure = recorded.as_ref().err().map(WriteFailure::from);
        self.memory
            .with(&fi.name_any(), |last| last.annotation_failure = failure);
        recorded
    }

    /// Applies and deletes the objects of the plan. A name collision does not prevent the rest.
    async fn apply_plan(
        &self,
        observed: &Observed,
        plan: &Plan,
        collisions: &mut Collisions,
    ) -> Result<(), ApplyError> {
        self.settle_deletions(observed);
        // In the order of the plan. Only node statuses are applied concurrently: there are many, and they
        // do not depend on each other.
        let is_status = |desired: &DesiredObject| matches!(desired, DesiredObject::NodeStatus(..));
        let groups = plan.desired.chunk_by(|a, b| is_status(a) && is_status(b));
        for group in groups.flat_map(|group| group.chunks(MAX_CONCURRENT_WRITES)) {
            let writes = group
                .iter()
                .map(|desired| self.applier.apply(observed, desired));
            let results = futures::future::join_all(writes).await;
            let results = group.iter().zip(results);
            collect_results(results, collisions, |desired, result| {
                self.record_write(observed, desired, result);
            })?;
        }
        for obsolete in &plan.obsolete {
            self.delete(observed, obsolete).await?;
        }
        Ok(())
    }

    async fn delete(
        &self,
        observed: &Observed,
        obsolete: &ObsoleteObject,
    ) -> Result<(), ApplyError> {
        let deleted = self.applier.delete(obsolete).await;
        if let ObsoleteObject::DaemonSet(name) = obsolete {
            let daemon_set = refs::deleted(observed, name);
            match &deleted {
                Ok(true) => self.metrics.record_deletion(&daemon_set),
                Ok(false) => {}
                Err(_) => self.metrics.record_failed_deletion(&daemon_set),
            }
        }
        deleted.map(|_| ())
    }

    /// Node statuses are counted by their watch.
    fn record_write(
        &self,
        observed: &Observed,
        desired: &DesiredObject,
        result: Result<Option<&Applied>, &ApplyError>,
    ) {
        let DesiredObject::DaemonSet(object) = desired else {
            return;
        };
        let outcome = result.map_or_else(
            |_| WriteOutcome::Failed {
                replaces: refs::is_replaced(observed, object),
            },
            refs::outcome,
        );
        let daemon_set = refs::applied(observed, object);
        self.metrics.record_write(&daemon_set, outcome);
    }

    fn settle_deletions(&self, observed: &Observed) {
        let existing = observed.daemon_sets.iter().filter_map(|ds| ds.uid());
        let name = observed.file_integrity.name_any();
        self.metrics.settle_deletions(&name, &existing.collect());
    }
}

/// Passes each result to `record`, even if another one failed: the next reconcile finds the object up to
/// date and would not count it. Returns the first error that is not a name collision.
fn collect_results<'a>(
    results: impl Iterator<Item = (&'a DesiredObject, Result<Option<Applied>, ApplyError>)>,
    collisions: &mut Collisions,
    mut record: impl FnMut(&DesiredObject, Result<Option<&Applied>, &ApplyError>),
) -> Result<(), ApplyError> {
    let mut done = Ok(());
    for (desired, result) in results {
        match result {
            Ok(applied) => record(desired, Ok(applied.as_ref())),
            Err(error @ ApplyError::NameCollision { .. }) => {
                collisions.add(desired, error.to_string());
            }
            Err(error) => {
                record(desired, Err(&error));
                done = done.and(Err(error));
            }
        }
    }
    done
}

#[cfg(test)]
mod tests;
