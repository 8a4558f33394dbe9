//! Reports a reconcile: events, the status, and the FileIntegrity's own annotations. I/O.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::apply::error::ApplyError;
use super::conditions::degraded::{degrade, not_observed, request_failure};
use super::conditions::inputs::Problem;
use super::conditions::phase::{keep_phase, new_phase};
use super::context::Context;
use super::memory::WriteFailure;
use super::observe::error::ObserveError;
use super::observed::Observed;
use crate::api::condition::ConditionReason;
use crate::api::{EventReason, FileIntegrity, FileIntegrityStatus, Phase, time};
use crate::scan::event::{EventMessage, Severity};

/// Minimum interval between writes of a status whose phase has not changed.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);

impl Context {
    /// Creates the events, and one for a new phase. An event that the API refuses does not prevent the
    /// others. Returns the first error.
    pub(super) async fn create_events(
        &self,
        fi: &FileIntegrity,
        events: &[EventMessage],
        status: &mut FileIntegrityStatus,
    ) -> Result<(), ApplyError> {
        let generation = fi.metadata.generation.unwrap_or_default().to_string();
        let mut created = Ok(());
        for event in events {
            created = created.and(self.create_event(fi, event, &generation).await);
        }
        created.and(self.report_phase(fi, status).await)
    }

    /// Without its event, a new phase is not stored: the stored phase shows which events were created, also
    /// to the next operator.
    async fn report_phase(
        &self,
        fi: &FileIntegrity,
        status: &mut FileIntegrityStatus,
    ) -> Result<(), ApplyError> {
        let before = fi.status.as_ref();
        let Some(phase) = new_phase(before, status) else {
            return Ok(());
        };
        // From the stored status: a repeated attempt must create the same event.
        let transitions = before.and_then(|before| before.phase_transitions);
        let transition = transitions.unwrap_or(0).to_string();
        let created = self
            .create_event(fi, &phase_event(phase), &transition)
            .await;
        if created.is_err() {
            keep_phase(status, before);
        }
        created
    }

    pub(super) async fn create_event(
        &self,
        fi: &FileIntegrity,
        event: &EventMessage,
        transition: &str,
    ) -> Result<(), ApplyError> {
        let uid = fi.uid().unwrap_or_default();
        let key = (format!("{uid}/{transition}"), event.message.clone());
        if self.memory.has_event(&key) {
            return Ok(());
        }
        if event.severity == Severity::Warning {
            tracing::warn!(
                file_integrity = fi.name_any(),
                reason = %event.reason,
                event = event.message,
                "creating a warning event"
            );
        }
        self.applier.create_event(fi, event, transition).await?;
        self.memory.add_event(key);
        Ok(())
    }

    /// Adds to the status what prevented the plan.
    pub(super) fn degrade(
        &self,
        observed: &Observed,
        status: &mut FileIntegrityStatus,
        collisions: &[String],
        failure: Option<&WriteFailure>,
    ) {
        let fi = &observed.file_integrity;
        let failures = self.memory.with(&fi.name_any(), |last| last.failures);
        let collision = (!collisions.is_empty()).then(|| Problem {
            reason: ConditionReason::NameCollision,
            message: collisions.join("; "),
        });
        let failure = failure.and_then(|failure| {
            Some(Problem {
                reason: request_failure(failure.is_refusal, failures)?,
                message: failure.message.clone(),
            })
        });
        for problem in collision.iter().chain(&failure) {
            degrade(status, fi.status.as_ref(), problem, &observed.now);
        }
    }

    /// Reports in the status that the FileIntegrity could not be observed.
    pub(super) async fn report_not_observed(&self, fi: &FileIntegrity, error: &ObserveError) {
        let name = fi.name_any();
        let failures = self.memory.with(&name, |last| last.failures);
        let Some(reason) = reason_of(error, failures) else {
            return;
        };
        let problem = Problem {
            reason,
            message: crate::error_chain(error),
        };
        let status = not_observed(fi, problem, &time::now());
        self.metrics.record_degraded(&name);
        if let Err(error) = self.write_status(fi, status).await {
            tracing::warn!(
                file_integrity = name,
                error = crate::error_chain(&error),
                "failed to write the status"
            );
        }
    }

    /// Writes the status if it differs. If it is too soon for that, returns how long to wait.
    pub(super) async fn write_status(
        &self,
        fi: &FileIntegrity,
        status: FileIntegrityStatus,
    ) -> Result<Option<Duration>, ApplyError> {
        let before = fi.status.clone().unwrap_or_default();
        if before == status {
            return Ok(None);
        }
        let name = fi.name_any();
        let new_phase = new_phase(Some(&before), &status);
        if new_phase.is_none()
            && let Some(left) = self.memory.status_pause_left(&name, STATUS_INTERVAL)
        {
            return Ok(Some(left));
        }
        let written = self.applier.write_status(fi, &status).await?;
        if let Some(phase) = new_phase {
            tracing::info!(file_integrity = name, %phase, "phase");
        }
        self.memory.with(&name, |last| {
            last.status_written = Some(Instant::now());
            last.written = Some(Arc::new(written));
        });
        Ok(None)
    }

    /// Changes the annotations of the FileIntegrity as the status was written to it. If somebody else
    /// changed them meanwhile, the next reconcile handles that.
    pub(super) async fn write_metadata(
        &self,
        observed: &Arc<FileIntegrity>,
        patch: &Value,
    ) -> Result<(), ApplyError> {
        let fi = self.memory.newest(Arc::clone(observed));
        if fi.annotations() != observed.annotations() {
            return Ok(());
        }
        let mut patch = patch.clone();
        if let Some(version) = patch.pointer_mut("/metadata/resourceVersion") {
            *version = json!(fi.resource_version());
        }
        let metadata = self.applier.patch_metadata(&fi, &patch).await?;
        let written = FileIntegrity {
            metadata,
            ..FileIntegrity::clone(&fi)
        };
        let name = written.name_any();
        self.memory
            .with(&name, |last| last.written = Some(Arc::new(written)));
        Ok(())
    }
}

/// The reason of Degraded for a failed observation, when `failures` reconciles in a row failed before.
fn reason_of(error: &ObserveError, failures: u32) -> Option<ConditionReason> {
    match error {
        ObserveError::Request(error) => request_failure(error.is_refusal(), failures),
        ObserveError::NoImage => Some(ConditionReason::NoImage),
        ObserveError::Check(_) => Some(ConditionReason::CheckFailing),
        // The operator starts again.
        ObserveError::WatchesEnded | ObserveError::Name(_) => None,
    }
}

fn phase_event(phase: Phase) -> EventMessage {
    EventMessage {
        severity: if phase == Phase::Error {
            Severity::Warning
        } else {
            Severity::Normal
        },
        reason: EventReason::FileIntegrityStatus,
        message: phase.to_string(),
    }
}

#[cfg(test)]
mod tests;
