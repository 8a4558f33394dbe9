//! Accepts a reviewed set of changes: one run of AIDE compares the node with the baseline, and writes a new database. It
//! replaces the old one only if that very run has found exactly the reviewed changes. I/O.
//!
//! Unlike other new baselines, this one is never created without a complete comparison. What AIDE could not compare, or
//! not read while it was written, would be accepted without a review, and would never be found afterwards.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::aide_run::{Update, UpdateEnd, require_entries};
use super::completed::Completed;
use super::context::Runner;
use super::error::RunnerError;
use super::known;
use super::report_files::ReportFiles;
use super::whole_run::WholeRun;
use crate::aide::database::{Found, Record};
use crate::aide::exit::AideError;
use crate::aide::report::{self, Incomparable};
use crate::api::{AcceptanceRequest, Accepted, AcceptedReason, ErrorClass, RefusalReason, time};
use crate::daemon::machine::{Finished, OldBaseline};
use crate::file_error::FileError;
use crate::scan::acceptance::Refusal;
use crate::scan::accepted;
use crate::scan::change_set::ChangeSet;
use crate::scan::outcome::{Outcome, ScanError, evaluate};
use crate::scan::output;

/// Why nothing can be accepted.
const NO_BASELINE: &str = "the node has no recorded baseline";

/// Whether the request is still the desired one, as far as the watch of the node status shows.
pub(crate) type IsDesired = Arc<dyn Fn() -> bool + Send + Sync>;

/// An acceptance that is to be executed.
#[derive(Clone)]
pub(crate) struct Acceptance {
    pub request: AcceptanceRequest,
    /// sha256 of the configuration of the run.
    pub config_hash: String,
    /// The recorded baseline.
    pub old: Option<OldBaseline>,
    pub is_desired: IsDesired,
}

impl Acceptance {
    /// Why the baseline must not be replaced now, whatever the run has found.
    fn withdrawn(&self) -> Option<Refusal> {
        let until = self.request.until;
        if jiff::Timestamp::now() >= until {
            let message = format!("the acceptance was valid until {until}");
            return Some(Refusal::new(RefusalReason::Expired, message));
        }
        let message = "the acceptance was withdrawn";
        (!(self.is_desired)()).then(|| Refusal::new(RefusalReason::Revoked, message))
    }

    /// Why the run has not shown exactly the accepted changes, if that is so.
    fn difference(&self, outcome: &Outcome) -> Option<Refusal> {
        let report = match outcome {
            Outcome::Changed(report) if report.lists_all() => report,
            Outcome::Changed(_) => {
                let message = "AIDE's report does not have all changes";
                return Some(Refusal::new(RefusalReason::Unstable, message));
            }
            Outcome::Clean { .. } => {
                let message = "the node is as its baseline";
                return Some(Refusal::new(RefusalReason::ChangesDiffer, message));
            }
            Outcome::Errored(error) => return Some(of_error(error)),
        };
        let set = ChangeSet::new(report);
        (set.hash() != self.request.change_set).then(|| {
            let message = format!(
                "the node has the changes {} (a:{},c:{},r:{}), not {}",
                set.hash(),
                report.added,
                report.changed,
                report.removed,
                self.request.change_set
            );
            Refusal::new(RefusalReason::ChangesDiffer, message)
        })
    }

    /// What the record of the new baseline has.
    fn accepted(&self, outcome: &Outcome) -> Accepted {
        let old = self.old.as_ref();
        Accepted {
            reason: AcceptedReason::Acceptance.to_string(),
            request: Some(self.request.uid.clone()),
            acceptance: Some(self.request.name.clone()),
            holds: Vec::new(),
            old_digest: old.map(|old| old.digest.clone()),
            old_config_hash: old.map(|old| old.config_hash.clone()),
            differences: accepted::differences(outcome, &HashSet::new()),
            with_old_config: None,
        }
    }
}

impl Runner {
    /// Executes an acceptance. Unless it is accepted, the old baseline is unchanged.
    pub(crate) async fn accept(
        &self,
        config: &Path,
        acceptance: Acceptance,
        cancel: &CancellationToken,
    ) -> Completed {
        let started_at = time::now();
        let scan = output::scan_id(&self.identity, &jiff::Timestamp::now());
        let result = self.try_accept(config, acceptance, cancel).await;
        self.marker().remove();
        let completed = result.or_else(|error| Completed::unfinished(error, started_at.clone()));
        let completed =
            completed.unwrap_or_else(|error| Completed::refused(of_error(&error.scan_error())));
        if !matches!(completed.finished, Finished::Accepted(_)) {
            self.remove_unfinished();
        }
        Completed {
            scan,
            started_at,
            ..completed
        }
    }

    async fn try_accept(
        &self,
        config: &Path,
        acceptance: Acceptance,
        cancel: &CancellationToken,
    ) -> Result<Completed, RunnerError> {
        let started = Instant::now();
        if let Some(refusal) = self.obstacle_to_acceptance(&acceptance) {
            return Ok(Completed::refused(refusal));
        }
        let run = WholeRun::start(self, config, started, cancel).await?;
        let update = match run.update().await? {
            UpdateEnd::Written(update) => update,
            UpdateEnd::TooLarge { limit } => {
                let message = format!("one of AIDE's files is longer than {limit} bytes");
                let refusal = Refusal::new(RefusalReason::Unstable, message);
                return Ok(Completed::refused(refusal));
            }
            UpdateEnd::Failed(error) => return Ok(Completed::refused(of_error(&error))),
        };
        let text = fs::read_to_string(config).map_err(FileError::on("read", config))?;
        let runner = self.clone();
        run.evaluate(move || runner.conclude(&acceptance, &update, &text))
            .await
    }

    /// Why no run of AIDE could execute the acceptance.
    fn obstacle_to_acceptance(&self, acceptance: &Acceptance) -> Option<Refusal> {
        if let Some(refusal) = acceptance.withdrawn() {
            return Some(refusal);
        }
        let untrusted = |why: String| Some(Refusal::new(RefusalReason::BaselineUntrusted, why));
        let Some(old) = &acceptance.old else {
            return untrusted(NO_BASELINE.to_owned());
        };
        let reviewed = &acceptance.request.config_hash;
        let hashes = [&acceptance.config_hash, &old.config_hash];
        if let Some(found) = hashes.into_iter().find(|hash| *hash != reviewed) {
            let message = format!("the node has the configuration {found}, not {reviewed}");
            return Some(Refusal::new(RefusalReason::ConfigurationDiffers, message));
        }
        if let Some(why) = self.unusable_database() {
            return untrusted(why);
        }
        let unread = self.state.unread(&old.digest)?;
        untrusted(format!("the old baseline lacks content: {unread}"))
    }

    /// Replaces the baseline if the run has shown exactly the accepted changes, and nothing else prevents it.
    fn conclude(
        &self,
        acceptance: &Acceptance,
        update: &Update,
        config: &str,
    ) -> Result<Completed, RunnerError> {
        let report = ReportFiles::of(self).read_json()?;
        let (unread, incomparable) = (update.unread.as_deref(), report.incomparable.as_deref());
        if let Some(refusal) = incomplete(unread, incomparable) {
            return Ok(Completed::refused(refusal));
        }
        let (files, found) = (report.total, report.database_digest.clone());
        let other = match &acceptance.old {
            Some(old) => old.differs_from(found.as_deref()),
            None => Some(NO_BASELINE.to_owned()),
        };
        if let Some(why) = other {
            let refusal = Refusal::new(RefusalReason::BaselineUntrusted, why);
            return Ok(Completed::refused(refusal));
        }
        require_entries(&report)?;
        let outcome = evaluate(update.status, report);
        let refusal = acceptance
            .difference(&outcome)
            .or_else(|| acceptance.withdrawn());
        if let Some(refusal) = refusal {
            return self.refused(refusal, outcome);
        }
        let record = Record {
            owner: self.identity.file_integrity.clone(),
            config_hash: acceptance.config_hash.clone(),
            digest: String::new(),
            entries: i64::try_from(files).unwrap_or(i64::MAX),
            created_at: time::now(),
            aide_version: self.aide_version.clone(),
            requested: true,
            request: Some(acceptance.request.uid.clone()),
            unread: None,
            excluded: None,
            accepted: Some(acceptance.accepted(&outcome)),
        };
        let log = match &outcome {
            Outcome::Changed(report) if acceptance.request.publish_report => {
                Some(ReportFiles::of(self).log_of_update(report)?)
            }
            _ => None,
        };
        let record = self.with_digest(record)?;
        if let Some(refusal) = self.replace_baseline(acceptance, &record, config, log)? {
            return self.refused(refusal, outcome);
        }
        // The baseline is in place: from here on, no failure must look like a refusal.
        self.keep_log();
        if let Err(error) = ReportFiles::of(self).remove_json() {
            let error = crate::error_chain(&error);
            tracing::debug!(
                error,
                "failed to remove AIDE's report; the next run removes it"
            );
        }
        let baseline = Some(self.published(&record));
        let finished = Finished::Accepted(known(record));
        // The run has compared all files, and the new database is what it has found.
        Ok(Completed {
            baseline,
            ..Completed::of_outcome(finished, Outcome::Clean { files })
        })
    }

    /// Replaces the baseline unless the acceptance was withdrawn meanwhile. Then the reason is returned.
    fn replace_baseline(
        &self,
        acceptance: &Acceptance,
        record: &Record,
        config: &str,
        log: Option<Value>,
    ) -> Result<Option<Refusal>, RunnerError> {
        if acceptance.request.publish_report {
            self.stage_report(record, log);
        }
        let staged = self.state.stage(record, config, record.created_at.0);
        // Immediately before the replacement: what precedes it may take seconds.
        let refusal = staged.map(|()| acceptance.withdrawn());
        if !matches!(refusal, Ok(None)) {
            self.state.unstage();
            return Ok(refusal?);
        }
        if let Err(error) = self.state.replace(&record.digest, self.max_backups) {
            if !self.has_baseline(&record.digest) {
                self.state.unstage();
                return Err(error.into());
            }
            let error = crate::error_chain(&error);
            tracing::warn!(error, "failed to finish the replacement of a baseline");
        }
        Ok(None)
    }

    fn has_baseline(&self, digest: &str) -> bool {
        let found = self.state.load();
        matches!(found, Ok(Found::Database { digest: found, .. }) if found == digest)
    }

    /// A refusal, with the result of the run, which is that of a scan.
    fn refused(&self, refusal: Refusal, outcome: Outcome) -> Result<Completed, RunnerError> {
        if let Outcome::Errored(_) = outcome {
            return Ok(Completed::refused(refusal));
        }
        let finished = Finished::Refused {
            refusal,
            has_scanned: true,
        };
        self.completed(finished, outcome, true)
    }
}

/// Why the new database would hide something. AIDE drops the digests of a file that changes while it is read, and does
/// not report that as a difference: neither a digest that the new database lacks, nor one that the old one lacks.
fn incomplete(unread: Option<&str>, incomparable: Option<&Incomparable>) -> Option<Refusal> {
    if let Some(files) = unread {
        let message = format!("files were written while AIDE read them: {files}");
        return Some(Refusal::new(RefusalReason::Unstable, message));
    }
    let Incomparable { first, entries } = incomparable?;
    let message = format!(
        "the old and the new database have different attributes, so not everything was compared: {} ({entries} in all)",
        report::display_path(first)
    );
    Some(Refusal::new(RefusalReason::BaselineUntrusted, message))
}

/// The refusal after a run that failed.
fn of_error(error: &ScanError) -> Refusal {
    let reason = match error.class {
        ErrorClass::Incomplete => RefusalReason::Unstable,
        class if class == AideError::Database.class() => RefusalReason::BaselineUntrusted,
        _ => RefusalReason::Error,
    };
    Refusal::new(reason, error.message.clone())
}
