//! The event of a scan's result, if the result needs one. Pure.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::last_reported::LastReported;
use crate::api::{Condition, EventReason, ScanResult};
use crate::scan::Identity;
use crate::scan::event::{EventMessage, Severity};
use crate::scan::outcome::Finding;

/// Minimum time between events about the same set of paths.
const SAME_PATHS_INTERVAL: SignedDuration = SignedDuration::from_mins(10);

/// Precedes the name of the failure log in an event.
const LOG: &str = " log:";
/// Is added to an event if the failure log could not be written.
pub(super) const LOG_NOT_WRITTEN: &str = " (which could not be written: see the daemon's log)";

/// Whether the event refers to the failure log.
pub(super) fn names_log(event: &EventMessage) -> bool {
    event.message.contains(LOG)
}

/// The event of `result`, unless it reports what the last result has reported already.
pub(super) fn of(
    identity: &Identity,
    last: Option<&ScanResult>,
    finding: &Finding,
    result: &ScanResult,
    reported: &mut LastReported,
) -> Option<EventMessage> {
    let last = last.filter(|last| last.condition == result.condition);
    let node = &identity.node;
    match result.condition {
        Condition::Succeeded => last
            .is_none()
            .then(|| message(Severity::Normal, format!("no changes to node {node}"))),
        Condition::Errored => {
            let is_same = last.is_some_and(|last| last.error_message == result.error_message);
            let error = result.error_message.as_deref().unwrap_or_default();
            (!is_same).then(|| {
                message(
                    Severity::Warning,
                    format!("node {node} has an error! {error}"),
                )
            })
        }
        Condition::Failed => {
            let is_same = last.is_some_and(|last| last.changes_hash == result.changes_hash);
            (!is_same)
                .then(|| of_changes(identity, last.is_some(), finding, result, reported))
                .flatten()
        }
    }
}

fn message(severity: Severity, message: String) -> EventMessage {
    EventMessage {
        severity,
        reason: EventReason::NodeIntegrityStatus,
        message,
    }
}

/// The event of changes that were not reported yet. If only the content of files that were reported
/// before changes again, there is one event in ten minutes: a log file would cause one at every scan.
fn of_changes(
    identity: &Identity,
    failed_before: bool,
    finding: &Finding,
    result: &ScanResult,
    reported: &mut LastReported,
) -> Option<EventMessage> {
    // The clock, not the time of the result, which advances only by seconds if the clock was set back.
    let now = finding.result.last_probe_time.0;
    let same_paths = failed_before && has_same_paths(reported, finding);
    if same_paths && is_too_soon(reported, now) {
        reported.suppressed += 1;
        return None;
    }
    let suppressed = match std::mem::take(&mut reported.suppressed) {
        0 => String::new(),
        n => format!(" ({n} earlier changes to the same files were not reported one by one)"),
    };
    reported.changes.clone_from(&finding.changes);
    reported.repeated_at = same_paths.then_some(now);
    Some(message(
        Severity::Warning,
        format!(
            "node {} has changed! a:{},c:{},r:{}{LOG}{}/{}{suppressed}",
            identity.node,
            result.files_added,
            result.files_changed,
            result.files_removed,
            identity.namespace,
            identity.failure_log(),
        ),
    ))
}

fn has_same_paths(reported: &LastReported, finding: &Finding) -> bool {
    match (&reported.changes, &finding.changes) {
        (Some(before), Some(now)) => now.has_paths_of(before),
        (before, now) => before.is_none() && now.is_none(),
    }
}

fn is_too_soon(reported: &LastReported, now: Timestamp) -> bool {
    reported
        .repeated_at
        .is_some_and(|at| at <= now && now.duration_since(at) < SAME_PATHS_INTERVAL)
}
