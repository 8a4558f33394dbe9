//! Evaluates a run of AIDE that another program has started, by its report and, if it is known, its
//! exit status. Pure.
//!
//! The daemon controls version and report options of its own runs. An external run may be of any AIDE
//! since 0.15 with any report options: some write no report if there are no changes, and old ones do
//! not report the number of files.

use super::outcome::{Outcome, ScanError, evaluate};
use crate::aide::exit::{self, CheckStatus};
use crate::aide::report::{Report, ReportError};
use crate::api::ErrorClass;

/// The outcome of such a run.
pub(crate) fn outcome(exit_status: Option<i32>, report: Result<Report, ReportError>) -> Outcome {
    let status = exit_status.map(|status| exit::decode(Some(status), None));
    match (status, report) {
        (Some(CheckStatus::Error(error)), _) => {
            Outcome::Errored(ScanError::new(error.class(), error.message()))
        }
        (Some(CheckStatus::Clean), Err(ReportError::Empty)) => Outcome::Clean { files: 0 },
        (_, Err(error)) => Outcome::Errored(ScanError::new(
            ErrorClass::Report,
            format!("AIDE error: {error}"),
        )),
        (_, Ok(report)) if report.truncated => Outcome::Errored(ScanError::new(
            ErrorClass::Report,
            "AIDE error: the report ends early, or lists less than it counts; set \
             report_level=changed_attributes (before AIDE 0.17: verbose=5)",
        )),
        (_, Ok(report)) if report.differs && is_quiet(&report) => Outcome::Errored(ScanError::new(
            ErrorClass::Report,
            "AIDE error: the report neither counts nor lists what differs; set \
             report_level=changed_attributes (before AIDE 0.17: verbose=5)",
        )),
        (
            Some(CheckStatus::Changes {
                added,
                removed,
                changed,
            }),
            Ok(report),
        ) if report.listed() == 0
            && (added, removed, changed)
                == (report.added > 0, report.removed > 0, report.changed > 0) =>
        {
            Outcome::Changed(Box::new(report))
        }
        (Some(CheckStatus::Clean) | None, Ok(report)) if is_quiet(&report) => Outcome::Clean {
            files: report.total,
        },
        (Some(status), Ok(report)) => evaluate(status, report),
        (None, Ok(report)) => Outcome::Changed(Box::new(report)),
    }
}

fn is_quiet(report: &Report) -> bool {
    report.counted() == 0 && report.changes.is_empty()
}

#[cfg(test)]
mod tests;
