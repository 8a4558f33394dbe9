//! Evaluates a run of AIDE by its exit status and its report. Pure.
//!
//! Both must agree. If they do not, the scan is Errored and not Succeeded: a configuration can make
//! AIDE suppress changes in its report.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::change_set::ChangeSet;
use crate::aide::exit::CheckStatus;
use crate::aide::report::Report;
use crate::api::{ChangeSetId, Condition, ErrorClass, ScanResult, Trigger};
use crate::text::shorten_middle;

/// Maximum bytes of an error message in a node status.
const MAX_ERROR_MESSAGE: usize = 1024;

/// Why a scan or an initialization failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanError {
    /// The class under which it is counted.
    pub class: ErrorClass,
    /// The message for the user.
    pub message: String,
}

impl ScanError {
    /// If the message is too long for a node status, its middle is omitted.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        let mut message = message.into();
        shorten_middle(&mut message, MAX_ERROR_MESSAGE);
        Self { class, message }
    }
}

/// The outcome of a scan.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The node is as its baseline.
    Clean {
        /// Number of files scanned.
        files: u64,
    },
    /// There are changes since the baseline.
    Changed(Box<Report>),
    /// The scan could not be completed.
    Errored(ScanError),
}

/// A result for the node status, and the changes that decide whether there is an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The result for the node status. The name of the failure log is added when it is reported.
    pub result: ScanResult,
    /// The changes of a failed scan.
    pub changes: Option<Box<ChangeSet>>,
}

/// The outcome of a check of the whole node that has ended.
pub(crate) fn evaluate(status: CheckStatus, report: Report) -> Outcome {
    match agreed(status, report) {
        Err(error) => Outcome::Errored(error),
        Ok(report) if has_changes(&report) => Outcome::Changed(Box::new(report)),
        Ok(report) if report.total == 0 => Outcome::Errored(ScanError::new(
            ErrorClass::Empty,
            "AIDE error: the configuration watches no file on this node",
        )),
        Ok(report) => Outcome::Clean {
            files: report.total,
        },
    }
}

/// The report of a check of a part of the node. The part may have no files.
pub(crate) fn evaluate_part(status: CheckStatus, report: Report) -> Result<Report, ScanError> {
    match agreed(status, report) {
        Ok(report) if report.truncated => Err(truncated()),
        agreed => agreed,
    }
}

/// The report, if it and the exit status agree. A truncated one has at least its counts.
fn agreed(status: CheckStatus, report: Report) -> Result<Report, ScanError> {
    let contradiction = |exit_status: &str| {
        ScanError::new(
            ErrorClass::Contradiction,
            format!(
                "AIDE error: its exit status means {exit_status}, its report contains added {}, removed {}, changed {}; \
                 the configuration may hide changes, see the report options of aide.conf(5)",
                report.added, report.removed, report.changed
            ),
        )
    };
    match status {
        CheckStatus::Error(error) => Err(ScanError::new(error.class(), error.message())),
        CheckStatus::Clean if has_changes(&report) => Err(contradiction("no changes")),
        // The changes and the digest of the database are missing.
        CheckStatus::Clean if report.truncated => Err(truncated()),
        CheckStatus::Clean => Ok(report),
        CheckStatus::Changes {
            added,
            removed,
            changed,
        } => {
            let same = (added, removed, changed)
                == (report.added > 0, report.removed > 0, report.changed > 0);
            if same && (counts_match(&report) || report.truncated) {
                Ok(report)
            } else if report.truncated && !has_changes(&report) {
                Err(truncated())
            } else {
                Err(contradiction("changes"))
            }
        }
    }
}

fn truncated() -> ScanError {
    ScanError::new(ErrorClass::Report, "AIDE error: the report ends early")
}

/// The outcome of a check that was terminated since its report has more than `limit` bytes. The part that
/// was written begins with the counts, so they are known although the list is incomplete.
pub(crate) fn evaluate_truncated(report: Option<Report>, limit: u64) -> Outcome {
    match report {
        Some(report) if has_changes(&report) => Outcome::Changed(Box::new(report)),
        _ => Outcome::Errored(ScanError::new(
            ErrorClass::Report,
            format!(
                "AIDE error: its report is longer than {limit} bytes, the limit for the free disk space: there are more changes on \
                 this node than can be reported. Re-initialize the node, or exclude files that change often from the \
                 configuration"
            ),
        )),
    }
}

/// A scan without changes is no success if the baseline lacks the content of files that were written
/// while it was created.
pub(crate) fn require_complete_baseline(outcome: Outcome, unread: Option<String>) -> Outcome {
    match (outcome, unread) {
        (Outcome::Clean { .. }, Some(unread)) => Outcome::Errored(ScanError::new(
            ErrorClass::Incomplete,
            format!(
                "AIDE error: a file was written while the baseline was created, so the baseline lacks its content; \
                 re-initialize the node when the file is no longer written: {unread}"
            ),
        )),
        (outcome, _) => outcome,
    }
}

fn has_changes(report: &Report) -> bool {
    report.counted() > 0
}

/// Whether the lists contain as many changes as the report counts.
fn counts_match(report: &Report) -> bool {
    report.counted() == report.listed()
}

impl Finding {
    /// The outcome of a scan that ended at `at` and took `duration`.
    pub fn new(outcome: &Outcome, at: Time, duration: Duration) -> Self {
        let mut finding = match outcome {
            Outcome::Clean { files } => {
                let mut result = ScanResult::new(Condition::Succeeded, at);
                result.files_scanned = Some(count(*files));
                Self {
                    result,
                    changes: None,
                }
            }
            Outcome::Changed(report) => Self::changed(report, at),
            Outcome::Errored(error) => {
                let mut result = ScanResult::new(Condition::Errored, at);
                result.error_message = Some(error.message.clone());
                result.error_class = Some(error.class.to_string());
                Self {
                    result,
                    changes: None,
                }
            }
        };
        finding.result.trigger = Some(Trigger::Scan);
        finding.result.duration_milliseconds = i64::try_from(duration.as_millis()).ok();
        finding
    }

    /// A scan that did not begin.
    pub(crate) fn not_scanned(error: ScanError, at: Time) -> Self {
        Self::new(&Outcome::Errored(error), at, Duration::ZERO)
    }

    fn changed(report: &Report, at: Time) -> Self {
        let mut result = ScanResult::new(Condition::Failed, at);
        result.files_added = count(report.added);
        result.files_changed = count(report.changed);
        result.files_removed = count(report.removed);
        result.files_scanned = Some(count(report.total));
        let changes = ChangeSet::new(report);
        result.changes = changes.first().to_vec();
        result.changes_hash = Some(changes.hash().to_owned());
        result.changes_hash_version = Some(ChangeSet::HASH_VERSION);
        if changes.is_complete() {
            result.change_set = Some(ChangeSetId::shown(changes.hash()));
            result.paths_hash = Some(changes.paths_hash().to_owned());
        }
        Self {
            result,
            changes: Some(Box::new(changes)),
        }
    }
}

/// A number of files for the API. No node has 2^63 files.
pub(super) fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
