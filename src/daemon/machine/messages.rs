//! Events and errors that the state machine publishes. Pure.

use super::baseline::{BaselineReason, ExecutedAcceptance};
use crate::api::object_name::visible;
use crate::api::{ErrorClass, EventReason, names};
use crate::scan::event::{EventMessage, Severity};
use crate::scan::outcome::ScanError;

/// The event of a baseline that was created for this reason, if it needs one.
pub(super) fn of_new_baseline(
    reason: &BaselineReason,
    old: Option<&str>,
    new: &str,
    open_failure: Option<&str>,
) -> Option<EventMessage> {
    match reason {
        BaselineReason::Foreign { open_failure } => Some(replaced(new, open_failure.as_deref())),
        BaselineReason::Outdated {
            made_by,
            open_failure,
        } => Some(outdated(made_by, new, open_failure.as_deref())),
        BaselineReason::Moved(from) => Some(moved(from, new)),
        _ if !reason.requested() => Some(unrequested(old, new, open_failure)),
        _ => None,
    }
}

/// The event of a baseline that nobody requested.
pub(super) fn unrequested(
    old: Option<&str>,
    new: &str,
    open_failure: Option<&str>,
) -> EventMessage {
    let old = old.unwrap_or("unknown");
    baseline_event(
        EventReason::UnrequestedReinit,
        Severity::Warning,
        &format!(
            "a new baseline was created without a request: old digest {old}, new digest {new}; \
             compare the node with a trusted one, then re-initialize it"
        ),
        open_failure,
    )
}

/// The event of a baseline that was created for an acceptance which is not requested any more.
pub(super) fn withdrawn(executed: &ExecutedAcceptance, new: &str) -> EventMessage {
    let ExecutedAcceptance {
        name,
        uid,
        old_digest,
    } = executed;
    EventMessage {
        severity: Severity::Warning,
        reason: EventReason::UnrequestedReinit,
        message: format!(
            "according to its record, a new baseline was created for the acceptance {} ({}), which was withdrawn or over \
             before the daemon could report it: old digest {old_digest}, new digest {new}; compare its evidence with \
             the reviewed changes, then re-initialize the node",
            visible(name),
            visible(uid),
        ),
    }
}

/// The event of a baseline that replaces the database of another program or FileIntegrity.
fn replaced(new: &str, open_failure: Option<&str>) -> EventMessage {
    baseline_event(
        EventReason::BaselineReplaced,
        Severity::Normal,
        &format!(
            "the database on the node was not created by this FileIntegrity's daemon; it was kept as \
             a backup, and a new baseline was created, digest {new}"
        ),
        open_failure,
    )
}

/// The event of a baseline that replaces the database of another version of AIDE.
fn outdated(made_by: &str, new: &str, open_failure: Option<&str>) -> EventMessage {
    baseline_event(
        EventReason::BaselineReplaced,
        Severity::Normal,
        &format!(
            "the database on the node was created by AIDE {made_by}, and this version cannot read it; \
             it was kept as a backup, and a new baseline was created, digest {new}"
        ),
        open_failure,
    )
}

/// The event of a baseline in another state directory.
fn moved(from: &str, new: &str) -> EventMessage {
    EventMessage {
        severity: Severity::Normal,
        reason: EventReason::BaselineReplaced,
        message: format!(
            "the spec has another state directory; the files in {from} stay there, and a new \
             baseline was created, digest {new}"
        ),
    }
}

/// The event of a baseline that was created without a request. It is the record of an open failure: the
/// new baseline accepts the changes, and the next result is Succeeded.
fn baseline_event(
    reason: EventReason,
    severity: Severity,
    message: &str,
    open_failure: Option<&str>,
) -> EventMessage {
    match open_failure {
        Some(failure) => EventMessage {
            severity: Severity::Warning,
            reason,
            message: format!(
                "{message}. The new baseline accepts the open failure, which nobody requested: \
                 Failed {failure}"
            ),
        },
        None => EventMessage {
            severity,
            reason,
            message: message.to_owned(),
        },
    }
}

/// The event of a baseline that becomes untrusted.
pub(super) fn untrusted(error: &ScanError) -> EventMessage {
    EventMessage {
        severity: Severity::Warning,
        reason: match error.class {
            ErrorClass::Lost => EventReason::BaselineLost,
            ErrorClass::Unaccepted => EventReason::AcceptanceRequired,
            _ => EventReason::BaselineTampered,
        },
        message: error.message.clone(),
    }
}

pub(super) fn tampered(recorded: &str, found: &str) -> ScanError {
    ScanError::new(
        ErrorClass::Tampered,
        format!(
            "{}: the database on the node is not the one that was recorded (recorded {recorded}, found {found}); \
             investigate the node, then re-initialize it",
            EventReason::BaselineTampered
        ),
    )
}

/// Why a lost baseline is not created again, and how to proceed.
pub(super) const ERROR_ON_LOSS: &str =
    "spec.config.onBaselineLoss is error; investigate the node, then re-initialize it";
pub(super) const REQUIRES_ACCEPTANCE: &str = "spec.config.requireAcceptance is true; investigate the node, then set it \
                                              to false, which requires the verb accept, and re-initialize the node";

pub(super) fn lost(why: &str) -> ScanError {
    ScanError::new(
        ErrorClass::Lost,
        format!(
            "{}: the database on the node is missing and {why}",
            EventReason::BaselineLost
        ),
    )
}

/// The error of a database in whose place only an acceptance could put another one, which is not possible.
pub(super) fn unaccepted(what: &str) -> ScanError {
    ScanError::new(
        ErrorClass::Unaccepted,
        format!(
            "{}: {what}, and {REQUIRES_ACCEPTANCE}",
            EventReason::AcceptanceRequired
        ),
    )
}

/// The event of a signal file that has no effect.
pub(super) fn signal_refused() -> EventMessage {
    EventMessage {
        severity: Severity::Warning,
        reason: EventReason::AcceptanceRequired,
        message: format!(
            "the signal file {} was removed without a new baseline, because spec.config.requireAcceptance is true; to \
             accept reviewed changes, use kubectl create with a FileIntegrityAcceptance",
            names::SIGNAL_FILE
        ),
    }
}

pub(super) fn interrupted(times: u32) -> ScanError {
    ScanError::new(
        ErrorClass::Interrupted,
        format!(
            "ScanInterrupted: AIDE and the daemon were killed during a scan, {times} time(s) in a row; \
             the usual reason is the memory limit, see spec.resources"
        ),
    )
}
