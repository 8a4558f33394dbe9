//! Reports acceptances: their events, statuses and log lines. I/O.

use std::time::Duration;

use kube::ResourceExt as _;
use tokio::time::Instant;

use super::apply::error::ApplyError;
use super::context::Context;
use super::observed::Observed;
use super::plan::acceptances::AcceptanceUpdate;
use crate::api::{AcceptanceReason, FileIntegrityAcceptance};
use crate::text::shorten_middle;

/// Minimum interval between writes of the status of an acceptance that does not end.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);
/// Pause after somebody else has changed an acceptance.
const CONFLICT_RETRY: Duration = Duration::from_secs(1);
/// Maximum size in bytes of a text of a user in a log line.
const MAX_TEXT: usize = 256;

impl Context {
    /// Writes the statuses. If it is too soon for one of them, returns how long to wait. `are_requests_written`: all
    /// requests of the plan are in the API. What fails for one acceptance does not stop the others.
    pub(super) async fn report_acceptances(
        &self,
        observed: &Observed,
        updates: &[AcceptanceUpdate],
        are_requests_written: bool,
    ) -> Result<Option<Duration>, ApplyError> {
        let (mut wait, mut reported) = (None, Ok(()));
        for update in updates {
            // The status shows that all nodes have the request.
            if update.reason == AcceptanceReason::WaitingForNodes && !are_requests_written {
                continue;
            }
            match self.report_acceptance(observed, update).await {
                Ok(left) => wait = [wait, left].into_iter().flatten().min(),
                Err(error) => reported = reported.and(Err(error)),
            }
        }
        reported.map(|()| wait)
    }

    async fn report_acceptance(
        &self,
        observed: &Observed,
        update: &AcceptanceUpdate,
    ) -> Result<Option<Duration>, ApplyError> {
        let acceptance = &update.acceptance;
        let uid = acceptance.uid().unwrap_or_default();
        let written = self.memory.acceptance_written(&uid);
        // The watch shows the operator's own last write soon.
        if let Some(written) = &written
            && written.version > version_of(acceptance)
        {
            return Ok(Some(CONFLICT_RETRY));
        }
        if update.ends_with.is_none()
            && let Some(written) = written
            && let Some(left) = STATUS_INTERVAL.checked_sub(written.at.elapsed())
        {
            return Ok(Some(left));
        }
        if let Some(event) = &update.ends_with {
            let fi = &observed.file_integrity;
            self.create_event(fi, event, &uid).await?;
        }
        let written = self
            .applier
            .write_acceptance_status(acceptance, &update.status);
        let version = match written.await {
            Ok(metadata) => metadata.resource_version,
            // Somebody has changed or deleted it.
            Err(ApplyError::Request(error)) if matches!(error.code(), Some(404 | 409)) => {
                return Ok(Some(CONFLICT_RETRY));
            }
            Err(error) => return Err(error),
        };
        if reason_before(acceptance) != Some(update.reason.as_str()) {
            log(update);
        }
        let written = WrittenAcceptance {
            at: Instant::now(),
            version: parse_version(version.as_deref()),
        };
        self.memory.set_acceptance_written(uid, written);
        Ok(None)
    }
}

/// The last write of the status of an acceptance.
#[derive(Clone, Debug)]
pub(super) struct WrittenAcceptance {
    pub(super) at: Instant,
    /// The resource version afterwards. Those of an object can be compared as numbers.
    version: Option<u128>,
}

fn version_of(acceptance: &FileIntegrityAcceptance) -> Option<u128> {
    parse_version(acceptance.metadata.resource_version.as_deref())
}

fn parse_version(version: Option<&str>) -> Option<u128> {
    version?.parse().ok()
}

fn reason_before(acceptance: &FileIntegrityAcceptance) -> Option<&str> {
    let conditions = &acceptance.status.as_ref()?.conditions;
    let complete = crate::api::AcceptanceConditionType::Complete.find(conditions)?;
    Some(&complete.reason)
}

/// Who accepted what, why, and what became of it.
fn log(update: &AcceptanceUpdate) {
    let AcceptanceUpdate {
        acceptance,
        status,
        reason,
        ..
    } = update;
    let spec = &acceptance.spec;
    let counts = status.counts.unwrap_or_default();
    tracing::info!(
        acceptance = shown(&acceptance.name_any()),
        uid = acceptance.uid(),
        file_integrity = shown(&spec.file_integrity),
        change_set = spec.change_set.as_deref().map(shown),
        changes = spec.changes.as_ref().map(Vec::len),
        approved_by = shown(&spec.approved_by.username),
        why = shown(&spec.reason),
        ticket = spec.ticket.as_deref().map(shown),
        reason = %reason,
        matched = counts.matched,
        accepted = counts.accepted,
        refused = counts.refused,
        waiting = counts.waiting,
        evidence = status.evidence,
        "acceptance"
    );
}

/// A text of a user without control characters, and shortened.
pub(super) fn shown(text: &str) -> String {
    let mut text = text.escape_debug().to_string();
    shorten_middle(&mut text, MAX_TEXT);
    text
}
