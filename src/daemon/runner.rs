//! Creates baselines, accepts changes and scans the node: composes runs of AIDE with the state directory. I/O.

mod acceptance;
mod aide_run;
mod announced;
mod completed;
mod context;
mod disk_space;
mod error;
mod exclusion;
mod marker;
mod new_baseline;
mod part_check;
mod recorded_baseline;
mod report_files;
mod whole_run;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio_util::sync::CancellationToken;

pub(crate) use self::acceptance::{Acceptance, IsDesired};
pub(crate) use self::announced::{Announced, AnnouncedAcceptance};
pub(crate) use self::completed::Completed;
pub(crate) use self::context::{MAX_REPORT, Runner};
pub(crate) use self::new_baseline::NewBaseline;
pub(crate) use self::part_check::PartEnd;

use self::aide_run::CheckEnd;
use self::error::RunnerError;
use self::marker::Marker;
use self::report_files::ReportFiles;
use self::whole_run::WholeRun;
use super::machine::{Disk, ExecutedAcceptance, Finished, KnownBaseline, NO_DATABASE};
use crate::aide::command::RunError;
use crate::aide::database::{DatabaseError, Found, Record};
use crate::aide::exit::AideError;
use crate::api::{Accepted, AcceptedReason, Baseline, time};
use crate::scan::outcome::{
    Finding, Outcome, evaluate, evaluate_truncated, require_complete_baseline,
};
use crate::scan::output;

impl Runner {
    /// Reads the state directory. Takes a second per 100,000 files.
    pub(crate) fn read_disk(&self) -> Result<Disk, DatabaseError> {
        let is_own = |record: &Record| record.owner == self.identity.file_integrity;
        Ok(match self.state.load()? {
            Found::Nothing { record } => record
                .filter(is_own)
                .map_or(Disk::Nothing, |record| Disk::Missing(known(record))),
            Found::Unreadable { reason } => {
                tracing::warn!(reason, "failed to read the database");
                Disk::Unreadable
            }
            // The record has the digest of the database.
            Found::Database {
                record: Some(record),
                ..
            } if is_own(&record) => Disk::Baseline(known(record)),
            Found::Database { digest, .. } => Disk::Foreign { digest },
        })
    }

    /// The baseline on the disk, as it is published.
    pub(crate) fn baseline_on_disk(&self) -> Result<Option<Baseline>, DatabaseError> {
        Ok(match self.state.load()? {
            Found::Database {
                record: Some(record),
                ..
            } => Some(self.published(&record)),
            _ => None,
        })
    }

    /// The baseline on the disk, which nobody has requested although its record says so. Returns it as it is published.
    pub(crate) fn mark_unrequested(&self) -> Result<Option<Baseline>, DatabaseError> {
        let Found::Database {
            record: Some(mut record),
            ..
        } = self.state.load()?
        else {
            return Ok(None);
        };
        record.requested = false;
        if let Err(error) = self.state.rewrite_record(&record) {
            let error = crate::error_chain(&error);
            tracing::warn!(error, "failed to write the record of the baseline");
        }
        Ok(Some(self.published(&record)))
    }

    /// Number of runs in a row that were killed together with the container; 0 if the last one was not.
    pub(crate) fn interruptions(&self) -> u32 {
        self.marker().interruptions()
    }

    fn marker(&self) -> Marker {
        Marker::in_dir(&self.work_dir)
    }

    /// Compares the node with the baseline.
    pub(crate) async fn scan(&self, config: &Path, cancel: &CancellationToken) -> Completed {
        let started_at = time::now();
        let start = Instant::now();
        if let Err(error) = self.state.verify() {
            // Checked before the baseline: a database in another directory is not that of this node.
            return self.not_scanned(&error.into(), start.elapsed(), started_at);
        }
        if fs::metadata(self.state.database()).map_or(true, |meta| meta.len() == 0) {
            tracing::warn!("there is no database to compare with");
            return Completed::new(Finished::BaselineMissing, started_at);
        }
        let scan = output::scan_id(&self.identity, &jiff::Timestamp::now());
        let result = self.try_scan(config, start, cancel).await;
        self.marker().remove();
        if matches!(&result, Err(RunnerError::Run(RunError::Cancelled))) {
            self.remove_unfinished();
        }
        let result = result.or_else(|error| Completed::unfinished(error, started_at.clone()));
        let completed = result
            .unwrap_or_else(|error| self.not_scanned(&error, start.elapsed(), started_at.clone()));
        Completed {
            scan,
            started_at,
            ..completed
        }
    }

    async fn try_scan(
        &self,
        config: &Path,
        start: Instant,
        cancel: &CancellationToken,
    ) -> Result<Completed, RunnerError> {
        let run = WholeRun::start(self, config, start, cancel).await?;
        let end = run.check().await?;
        let runner = self.clone();
        run.evaluate(move || runner.evaluate(end)).await
    }

    /// Evaluates a check, and keeps its reports.
    fn evaluate(&self, end: CheckEnd) -> Result<Completed, RunnerError> {
        let reports = ReportFiles::of(self);
        let is_complete = matches!(end, CheckEnd::Complete(_));
        let mut compared = None;
        let (digest, outcome) = match end {
            CheckEnd::Complete(status) => {
                let report = reports.read_json()?;
                let digest = report.database_digest.clone();
                let digest = digest.or_else(|| self.digest_on_disk());
                let unread = digest.as_deref().and_then(|it| self.state.unread(it));
                let evaluated = evaluate(status, report);
                compared = completed::compared_by(&evaluated);
                (digest, require_complete_baseline(evaluated, unread))
            }
            CheckEnd::ReportTooLarge { limit } => {
                let outcome = evaluate_truncated(reports.read_json().ok(), limit);
                (self.digest_on_disk(), outcome)
            }
        };
        let finished = Finished::Scanned { digest };
        let completed = self.completed(finished, outcome, is_complete)?;
        Ok(Completed {
            report: completed.report.or(compared),
            ..completed
        })
    }

    /// A comparison that has ended with this outcome. Keeps its reports.
    fn completed(
        &self,
        finished: Finished,
        outcome: Outcome,
        is_complete: bool,
    ) -> Result<Completed, RunnerError> {
        let reports = ReportFiles::of(self);
        self.state.take_log()?;
        self.state.bound_log(is_complete)?;
        let log = match &outcome {
            Outcome::Changed(report) => Some(reports.failure_log(report)?),
            Outcome::Clean { .. } | Outcome::Errored(_) => None,
        };
        reports.remove_json()?;
        Ok(Completed {
            log,
            ..Completed::of_outcome(finished, outcome)
        })
    }

    /// The digest of the database, if the report ends before it.
    fn digest_on_disk(&self) -> Option<String> {
        match self.state.load().ok()? {
            Found::Database { digest, .. } => Some(digest),
            Found::Unreadable { .. } => Some(NO_DATABASE.to_owned()),
            Found::Nothing { .. } => None,
        }
    }

    fn not_scanned(&self, error: &RunnerError, took: Duration, started_at: Time) -> Completed {
        let digest = match self.database_after(error) {
            // The database was deleted during the scan.
            Some(Found::Nothing { .. }) => {
                return Completed::new(Finished::BaselineMissing, started_at);
            }
            Some(Found::Unreadable { .. }) => Some(NO_DATABASE.to_owned()),
            Some(Found::Database { digest, record }) => match self.outdated_by(error, record) {
                Some(made_by) => {
                    let outdated = Finished::BaselineOutdated { made_by, digest };
                    return Completed::new(outdated, started_at);
                }
                None => Some(digest),
            },
            None => None,
        };
        let outcome = Outcome::Errored(error.scan_error());
        Completed {
            finding: Some(Finding::new(&outcome, time::now(), took)),
            ..Completed::new(Finished::Scanned { digest }, started_at)
        }
    }

    /// The database after an error of AIDE. It may be the reason: somebody has deleted, truncated or
    /// replaced it.
    fn database_after(&self, error: &RunnerError) -> Option<Found> {
        match error {
            RunnerError::Scan(_) => self.state.load().ok(),
            _ => None,
        }
    }

    /// The version of AIDE that created the database, if this one cannot read it for that reason.
    fn outdated_by(&self, error: &RunnerError, record: Option<Record>) -> Option<String> {
        match error {
            RunnerError::Scan(error) if error.class == AideError::Database.class() => {}
            _ => return None,
        }
        let made_by = record?.aide_version;
        (made_by != self.aide_version).then_some(made_by)
    }

    /// Removes the files of an unfinished run, which take space that the node may need.
    fn remove_unfinished(&self) {
        if let Err(error) = self.state.clear_unfinished() {
            let error = crate::error_chain(&error);
            tracing::warn!(error, "failed to remove the files of an unfinished run");
        }
    }

    fn published(&self, record: &Record) -> Baseline {
        Baseline {
            created_at: record.created_at.clone(),
            config_hash: record.config_hash.clone(),
            digest: record.digest.clone(),
            entries: record.entries,
            aide_version: record.aide_version.clone(),
            state_dir: Some(self.state_dir_on_node.clone()),
            requested: record.requested,
            accepted: record.accepted.clone(),
        }
    }
}

fn known(record: Record) -> KnownBaseline {
    KnownBaseline {
        acceptance: record.accepted.as_ref().and_then(executed),
        config_hash: record.config_hash,
        digest: record.digest,
        request: record.request,
        requested: record.requested,
    }
}

/// The acceptance that a record has.
fn executed(accepted: &Accepted) -> Option<ExecutedAcceptance> {
    if accepted.reason != AcceptedReason::Acceptance.as_str() {
        return None;
    }
    Some(ExecutedAcceptance {
        name: accepted.acceptance.clone()?,
        uid: accepted.request.clone()?,
        old_digest: accepted.old_digest.clone()?,
    })
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod acceptance_race_tests;
#[cfg(test)]
mod acceptance_tests;
#[cfg(test)]
mod announced_tests;
#[cfg(test)]
mod exclusion_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod new_baseline_tests;
#[cfg(test)]
mod part_check_tests;
