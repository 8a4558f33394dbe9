//! A finished run and what is published of it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use super::error::RunnerError;
use crate::aide::command::{RunError, StuckProcess};
use crate::aide::report::Report;
use crate::api::{AnnouncedResult, Baseline, ErrorClass, RefusalReason, time};
use crate::daemon::configuration::ConfigurationError;
use crate::daemon::machine::Finished;
use crate::daemon::node_config::NodeConfigError;
use crate::scan::acceptance::Refusal;
use crate::scan::outcome::{Finding, Outcome, ScanError};

/// A run that has finished, and what is published of it.
#[derive(Debug)]
pub(crate) struct Completed {
    /// How the run ended, for the state machine.
    pub finished: Finished,
    /// The result of a scan.
    pub finding: Option<Finding>,
    /// What the baseline has of announced changes, if that is known anew.
    pub announced: Option<Vec<AnnouncedResult>>,
    /// The new baseline, as it is published.
    pub baseline: Option<Baseline>,
    /// The failure log of a failed scan.
    pub log: Option<Value>,
    /// The id of a scan, or of a result of checks.
    pub scan: String,
    /// What AIDE has compared in a scan; also of a scan without changes, but not after an error.
    pub report: Option<Box<Report>>,
    /// The configuration for this node that the scan used.
    pub node_config: Option<Arc<str>>,
    /// When the run began.
    pub started_at: Time,
    /// An AIDE that could not be terminated.
    pub stuck_process: Option<StuckProcess>,
}

impl Completed {
    pub(super) fn new(finished: Finished, started_at: Time) -> Self {
        Self {
            finished,
            finding: None,
            announced: None,
            baseline: None,
            log: None,
            scan: String::new(),
            report: None,
            node_config: None,
            started_at,
            stuck_process: None,
        }
    }

    /// A comparison that has ended with this outcome.
    pub(super) fn of_outcome(finished: Finished, outcome: Outcome) -> Self {
        Self {
            finding: Some(Finding::new(&outcome, time::now(), Duration::ZERO)),
            report: match outcome {
                Outcome::Changed(report) => Some(report),
                Outcome::Clean { .. } | Outcome::Errored(_) => compared_by(&outcome),
            },
            ..Self::new(finished, time::now())
        }
    }

    /// The known state of the node, which checks of parts have shown.
    pub(crate) fn of_known_state(
        finding: Finding,
        report: Option<Box<Report>>,
        log: Option<Value>,
        id: String,
    ) -> Self {
        Self {
            scan: id,
            finding: Some(finding),
            report,
            log,
            ..Self::new(Finished::Scanned { digest: None }, time::now())
        }
    }

    /// An acceptance was refused, without a result of the node.
    pub(super) fn refused(refusal: Refusal) -> Self {
        let finished = Finished::Refused {
            refusal,
            has_scanned: false,
        };
        Self::new(finished, time::now())
    }

    /// An acceptance was refused: the configuration could not be loaded.
    pub(crate) fn not_accepted(error: &ConfigurationError) -> Self {
        let message = not_loaded(error).message;
        Self::refused(Refusal::new(RefusalReason::Error, message))
    }

    /// No baseline was created: the configuration could not be loaded.
    pub(crate) fn not_initialized(error: &ConfigurationError) -> Self {
        Self::new(Finished::InitFailed(not_loaded(error)), time::now())
    }

    /// Nothing was scanned: the configuration could not be loaded.
    pub(crate) fn not_scanned(error: &ConfigurationError) -> Self {
        Self {
            finding: Some(Finding::not_scanned(not_loaded(error), time::now())),
            ..Self::new(Finished::Scanned { digest: None }, time::now())
        }
    }

    /// The run of an AIDE that was terminated as the daemon exits, or could not be terminated. Any other
    /// error is returned.
    pub(super) fn unfinished(error: RunnerError, started_at: Time) -> Result<Self, RunnerError> {
        match error {
            RunnerError::Run(RunError::Cancelled)
            | RunnerError::NodeConfig(NodeConfigError::Run(RunError::Cancelled)) => {
                Ok(Self::new(Finished::Stopped, started_at))
            }
            RunnerError::Run(error @ RunError::Stuck { .. }) => {
                let stuck = ScanError::new(ErrorClass::Hung, error.to_string());
                let mut completed = Self::new(Finished::Stuck(stuck), started_at);
                if let RunError::Stuck { stuck_process, .. } = error {
                    completed.stuck_process = Some(stuck_process);
                }
                Ok(completed)
            }
            error => Err(error),
        }
    }
}

/// The report of a comparison without changes.
pub(super) fn compared_by(outcome: &Outcome) -> Option<Box<Report>> {
    match outcome {
        Outcome::Clean { files } => Some(Box::new(Report {
            total: *files,
            ..Report::default()
        })),
        Outcome::Changed(_) | Outcome::Errored(_) => None,
    }
}

fn not_loaded(error: &ConfigurationError) -> ScanError {
    ScanError::new(ErrorClass::Configuration, crate::error_chain(error))
}
