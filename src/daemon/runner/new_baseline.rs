//! Creates baselines. One that replaces another comes from a run that also compares the node with the old one, and
//! its record has what that run found: what the new baseline accepts. I/O.
//!
//! The record never prevents a baseline. If AIDE cannot compare, the baseline is created without a comparison,
//! and the record has the reason. Only at the end of holds the old database must be the recorded one.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::aide_run::{AideRun, CheckEnd, NewDatabase, UpdateEnd, require_entries};
use super::completed::Completed;
use super::context::Runner;
use super::error::RunnerError;
use super::known;
use super::recorded_baseline::RecordedBaseline;
use super::report_files::ReportFiles;
use crate::aide::command::RunError;
use crate::aide::database::{self, AcceptedReport, Record};
use crate::aide::report::{ChangeKind, Report, ReportError};
use crate::api::{Accepted, AcceptedDifferences, Condition, ErrorClass, ReportedErrorClass, time};
use crate::daemon::configuration::write_atomically;
use crate::daemon::machine::{BaselineReason, Finished, MAX_KILLS, OldBaseline};
use crate::daemon::node_config::{self, NodeConfigError};
use crate::file_error::FileError;
use crate::scan::accepted;
use crate::scan::evidence::{self, EvidenceRecord};
use crate::scan::outcome::{Outcome, ScanError, evaluate, evaluate_truncated};

/// Name of the file with the configuration of the old baseline, in the container's own directory.
const OLD_CONFIG: &str = "aide.old.conf";

/// A baseline that is to be created.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewBaseline<'a> {
    /// The file with its configuration.
    pub config: &'a Path,
    /// sha256 of that configuration.
    pub config_hash: &'a str,
    pub reason: &'a BaselineReason,
    /// The baseline that it replaces, if one was recorded.
    pub old: Option<&'a OldBaseline>,
    /// Only an acceptance may accept changes. So a new configuration must wait for them.
    pub require_acceptance: bool,
}

impl NewBaseline<'_> {
    /// Whether it is created only if nothing has changed since the old one.
    fn requires_clean_node(&self) -> bool {
        self.require_acceptance && *self.reason == BaselineReason::Config
    }

    /// Whether it accepts what has changed during holds.
    fn is_of_hold(&self) -> bool {
        matches!(self.reason, BaselineReason::HoldEnded(_))
    }
}

/// The database of a new baseline, and what it accepts.
struct Written {
    database: NewDatabase,
    /// None if there was nothing to compare with.
    comparison: Option<Comparison>,
}

/// The comparison of the node with the old baseline.
#[derive(Default)]
struct Comparison {
    differences: AcceptedDifferences,
    with_old_config: Option<AcceptedDifferences>,
    logs: Logs,
}

/// The reports of comparisons, as failure logs.
#[derive(Default)]
struct Logs {
    /// That of the update.
    update: Option<Value>,
    /// That of the check with the old configuration.
    with_old_config: Option<Value>,
}

impl Comparison {
    /// Why there is none, or not all of it.
    fn failed(self, why: &str) -> Self {
        let unknown = accepted::unknown(&format!(
            "{why}; the new baseline was created without a comparison"
        ));
        Self {
            differences: AcceptedDifferences {
                incomplete: unknown.incomplete,
                ..self.differences
            },
            ..self
        }
    }
}

impl Runner {
    /// Creates a baseline, and installs it. After a failure the old baseline is unchanged.
    pub(crate) async fn initialize(
        &self,
        new: NewBaseline<'_>,
        cancel: &CancellationToken,
    ) -> Completed {
        let started_at = time::now();
        if let Some(change) = self.change_of_exclusions(new) {
            return self.change_exclusions(new, change, cancel).await;
        }
        if new.requires_clean_node()
            && let Some(completed) = self.unaccepted(new, cancel).await
        {
            return completed;
        }
        let result = match self.replaced_baseline(new).await {
            Ok(Some(finished)) => return Completed::new(finished, started_at),
            Ok(None) => self.try_initialize(new, cancel).await,
            Err(error) => Err(error),
        };
        self.marker().remove();
        let error = match result {
            Ok(record) => {
                return Completed {
                    baseline: Some(self.published(&record)),
                    ..Completed::new(Finished::Initialized(known(record)), started_at)
                };
            }
            Err(error) => error,
        };
        self.remove_unfinished();
        Completed::unfinished(error, started_at.clone()).unwrap_or_else(|error| {
            Completed::new(Finished::InitFailed(error.of_initialization()), started_at)
        })
    }

    /// The end of the run, if it must not accept anything because somebody has replaced or deleted the database during a
    /// hold: no scan has shown that.
    async fn replaced_baseline(
        &self,
        new: NewBaseline<'_>,
    ) -> Result<Option<Finished>, RunnerError> {
        let Some(recorded) = new.old.filter(|_| new.is_of_hold()) else {
            return Ok(None);
        };
        self.state.verify()?;
        Ok(match self.recorded_baseline(recorded).await? {
            RecordedBaseline::Usable(_) => None,
            RecordedBaseline::Unusable(finished) => Some(finished),
        })
    }

    async fn try_initialize(
        &self,
        new: NewBaseline<'_>,
        cancel: &CancellationToken,
    ) -> Result<Record, RunnerError> {
        let obstacle = self.obstacle_to_comparison();
        self.marker().create()?;
        let written = match (new.reason.accepts(), obstacle) {
            (Some(_), None) => self.compare_and_write(new, cancel).await?,
            (reason, obstacle) => {
                let run = AideRun::prepare(self, new.config, cancel).await?;
                // Without a recorded baseline, nothing was accepted that could be known.
                let obstacle = obstacle.filter(|_| reason.is_some() && new.old.is_some());
                Written {
                    database: run.init().await?,
                    comparison: obstacle.map(|why| Comparison::default().failed(&why)),
                }
            }
        };
        let config = new.config;
        let config = fs::read_to_string(config).map_err(FileError::on("read", config))?;
        let record = Record {
            owner: self.identity.file_integrity.clone(),
            config_hash: new.config_hash.to_owned(),
            digest: String::new(),
            entries: i64::try_from(written.database.entries).unwrap_or(i64::MAX),
            created_at: time::now(),
            aide_version: self.aide_version.clone(),
            requested: new.reason.requested(),
            request: new.reason.recorded_request().map(str::to_owned),
            excluded: None,
            accepted: written.comparison.as_ref().and_then(|it| accepted(new, it)),
            unread: written.database.unread,
        };
        let logs = written.comparison.map(|comparison| comparison.logs);
        let logs = logs.unwrap_or_default();
        let runner = self.clone();
        tokio::task::spawn_blocking(move || runner.install(record, &config, logs)).await?
    }

    /// Why the node is not compared with the old database, if that is so.
    fn obstacle_to_comparison(&self) -> Option<String> {
        let kills = self.interruptions();
        if kills >= MAX_KILLS {
            let why = "AIDE and the daemon were killed before, so the node was not compared with";
            return Some(format!("{why} the old baseline ({kills} times in a row)"));
        }
        self.unusable_database()
    }

    /// Why the node cannot be compared with the old database, if that is so. A link in its place is not
    /// followed, and AIDE would wait for ever for the content of a pipe.
    pub(super) fn unusable_database(&self) -> Option<String> {
        match fs::symlink_metadata(self.state.database()) {
            Ok(found) if !found.is_file() => Some("the old database is not a file".to_owned()),
            Ok(found) if found.len() == 0 => Some("the old database is empty".to_owned()),
            // AIDE reads any text, and skips what is no entry.
            Ok(_) if !is_gzip(&self.state.database()) => {
                Some("the old database is not a gzip file".to_owned())
            }
            Ok(_) => None,
            Err(error) => Some(format!("the old database cannot be read: {error}")),
        }
    }

    /// Compares the node with the old baseline in the run that writes the new database. If the configuration has
    /// changed, it is compared with the old configuration before.
    async fn compare_and_write(
        &self,
        new: NewBaseline<'_>,
        cancel: &CancellationToken,
    ) -> Result<Written, RunnerError> {
        let mut comparison = Comparison::default();
        match new.old {
            // A scan has just shown that nothing has changed.
            Some(_) if new.requires_clean_node() => {
                comparison.with_old_config = Some(AcceptedDifferences::default());
            }
            Some(old) if old.config_hash != new.config_hash => {
                let (differences, log) = self.check_with_old_config(old, cancel).await?;
                comparison.with_old_config = Some(differences);
                comparison.logs.with_old_config = log;
            }
            _ => {}
        }
        // The rules of another program or of the old configuration may watch more than the new ones.
        let has_other_rules = new.old.is_none() || comparison.with_old_config.is_some();
        let run = AideRun::prepare(self, new.config, cancel).await?;
        let (end, unread) = match run.update().await? {
            UpdateEnd::Written(update) => (CheckEnd::Complete(update.status), update.unread),
            UpdateEnd::TooLarge { limit } => {
                let why = format!("one of AIDE's files is longer than {limit} bytes");
                let end = CheckEnd::ReportTooLarge { limit };
                let Ok(compared) = self.compared(end).await else {
                    return self.write_only(&run, comparison, &why).await;
                };
                // The beginning of the report has at least the counts.
                comparison.differences = self.differences(&compared, new.old, false).await;
                comparison.logs.update = compared.log;
                return self.write_only(&run, comparison, &why).await;
            }
            UpdateEnd::Failed(error) => {
                return self.write_only(&run, comparison, &error.message).await;
            }
        };
        let compared = match self.compared(end).await {
            Ok(compared) => compared,
            // There is no database for this configuration.
            Err(RunnerError::Scan(error)) => return Err(RunnerError::Scan(error)),
            Err(error) => {
                let why = error.scan_error().message;
                return self.write_only(&run, comparison, &why).await;
            }
        };
        if let (true, Some(old), Some(found)) = (new.is_of_hold(), new.old, &compared.digest)
            && *found != old.digest
        {
            let why = "the database was replaced while AIDE was running";
            return Err(RunnerError::Scan(ScanError::new(ErrorClass::Tampered, why)));
        }
        let mut differences = self.differences(&compared, new.old, has_other_rules).await;
        let old_unread = new.old.and_then(|old| self.state.unread(&old.digest));
        accepted::add_unread(&mut differences, old_unread, unread.as_deref());
        ReportFiles::of(self).remove_json()?;
        comparison.differences = differences;
        comparison.logs.update = compared.log;
        Ok(Written {
            database: NewDatabase {
                entries: compared.entries,
                unread,
            },
            comparison: Some(comparison),
        })
    }

    /// Creates the database without a comparison, after one that failed for this reason.
    async fn write_only(
        &self,
        run: &AideRun<'_>,
        comparison: Comparison,
        why: &str,
    ) -> Result<Written, RunnerError> {
        tracing::warn!(why, "failed to compare the node with the old baseline");
        self.state.clear_unfinished()?;
        Ok(Written {
            database: run.init().await?,
            comparison: Some(comparison.failed(why)),
        })
    }

    /// What the configuration of the old baseline shows for the last time, with the report. Only the end of the daemon, or
    /// an AIDE that cannot be terminated, is an error.
    async fn check_with_old_config(
        &self,
        old: &OldBaseline,
        cancel: &CancellationToken,
    ) -> Result<(AcceptedDifferences, Option<Value>), RunnerError> {
        let unknown = |why: &str| Ok((accepted::unknown(why), None));
        let Some(text) = self.state.config_of_baseline(&old.config_hash) else {
            return unknown("the node does not have the old configuration");
        };
        match self.try_check_with_old_config(&text, old, cancel).await {
            Err(error) if is_final(&error) => Err(error),
            Err(error) => unknown(&error.scan_error().message),
            checked => checked,
        }
    }

    async fn try_check_with_old_config(
        &self,
        text: &str,
        old: &OldBaseline,
        cancel: &CancellationToken,
    ) -> Result<(AcceptedDifferences, Option<Value>), RunnerError> {
        let config = self.write_old_config(text)?;
        let run = AideRun::prepare(self, &config, cancel).await?;
        let compared = self.compared(run.check().await?).await?;
        let differences = self.differences(&compared, Some(old), false).await;
        Ok((differences, compared.log))
    }

    /// Writes the configuration of the old baseline to a file for AIDE.
    fn write_old_config(&self, text: &str) -> Result<PathBuf, RunnerError> {
        let config = self.work_dir.join(OLD_CONFIG);
        write_atomically(&config, text).map_err(FileError::on("write", &config))?;
        Ok(config)
    }

    /// Scans the node with the configuration of the old baseline. Returns what to do instead of creating a baseline,
    /// unless nothing has changed.
    async fn unaccepted(
        &self,
        new: NewBaseline<'_>,
        cancel: &CancellationToken,
    ) -> Option<Completed> {
        let digest = new.old.map(|old| old.digest.as_str());
        let config = match self.config_of_old_baseline(new.old) {
            Ok(config) => config,
            Err(error) => {
                let failed = Finished::InitFailed(error.of_initialization());
                return Some(Completed::new(failed, time::now()));
            }
        };
        let mut completed = self.scan(&config, cancel).await;
        let Finished::Scanned { digest: found } = &completed.finished else {
            return Some(completed);
        };
        if found.is_some() && found.as_deref() != digest {
            // The state machine decides about the database.
            return Some(completed);
        }
        let result = completed.finding.as_ref().map(|finding| &finding.result)?;
        match (result.condition, &result.error_message) {
            (Condition::Succeeded, _) if found.is_some() => None,
            (Condition::Succeeded | Condition::Failed, _) => {
                completed.finished = Finished::Unaccepted {
                    digest: found.clone(),
                };
                Some(completed)
            }
            (Condition::Errored, message) => {
                let class = match ReportedErrorClass::parse(result.error_class.as_deref()) {
                    ReportedErrorClass::Known(class) => class,
                    ReportedErrorClass::Other => ErrorClass::Internal,
                };
                let error = ScanError::new(class, message.clone().unwrap_or_default());
                let failed = Finished::InitFailed(RunnerError::Scan(error).of_initialization());
                Some(Completed::new(failed, completed.started_at))
            }
        }
    }

    fn config_of_old_baseline(&self, old: Option<&OldBaseline>) -> Result<PathBuf, RunnerError> {
        let text = old.and_then(|old| self.state.config_of_baseline(&old.config_hash));
        let Some(text) = text else {
            return Err(RunnerError::Scan(ScanError::new(
                ErrorClass::Unaccepted,
                "the node does not have the configuration of its baseline, so its changes are not known, and \
                 spec.config.requireAcceptance is true",
            )));
        };
        self.write_old_config(&text)
    }

    /// Reads the report of a comparison.
    async fn compared(&self, end: CheckEnd) -> Result<Compared, RunnerError> {
        let runner = self.clone();
        let read = move || {
            let mut compared = Compared::read(&runner, end)?;
            if let Outcome::Changed(report) = &compared.outcome {
                compared.log = Some(ReportFiles::of(&runner).log_of_update(report)?);
            }
            Ok(compared)
        };
        tokio::task::spawn_blocking(read).await?
    }

    /// What a comparison has found, if it was one with the recorded baseline.
    async fn differences(
        &self,
        compared: &Compared,
        old: Option<&OldBaseline>,
        has_other_rules: bool,
    ) -> AcceptedDifferences {
        let found = compared.digest.as_deref();
        if let Some(why) = old.and_then(|old| old.differs_from(found)) {
            return accepted::unknown(&why);
        }
        let existing = match &compared.outcome {
            Outcome::Changed(report) if has_other_rules => self.existing(report).await,
            _ => HashSet::new(),
        };
        accepted::differences(&compared.outcome, &existing)
    }

    /// The paths of a report that are removed from the database, but not from the node. If the node does not
    /// answer, because of a file system that hangs, there are none.
    async fn existing(&self, report: &Report) -> HashSet<Vec<u8>> {
        let removed = report.changes.iter();
        let removed = removed.filter(|change| change.kind == ChangeKind::Removed);
        let removed: Vec<Vec<u8>> = removed.map(|change| change.path.clone()).collect();
        let host_root = self.host_root.clone();
        let existing = tokio::task::spawn_blocking(move || {
            let exists = |path: &Vec<u8>| {
                let path = [host_root.as_bytes(), path].concat();
                fs::symlink_metadata(OsStr::from_bytes(&path)).is_ok()
            };
            removed.into_iter().filter(exists).collect()
        });
        match tokio::time::timeout(node_config::TIMEOUT, existing).await {
            Ok(Ok(existing)) => existing,
            _ => HashSet::new(),
        }
    }

    /// Installs the database that AIDE has written.
    fn install(&self, record: Record, config: &str, logs: Logs) -> Result<Record, RunnerError> {
        let record = self.with_digest(record)?;
        if record.accepted.is_some() {
            self.stage_report(&record, logs.update);
            self.stage_report_with_old_config(&record, logs.with_old_config);
        }
        let now = record.created_at.0;
        self.state.commit(&record, config, now, self.max_backups)?;
        self.keep_log();
        Ok(record)
    }

    /// The record of the database that AIDE has written.
    pub(super) fn with_digest(&self, mut record: Record) -> Result<Record, RunnerError> {
        let new = self.state.new_database();
        record.digest = database::digest_of_gzip(&new).map_err(FileError::on("read", &new))?;
        record.created_at = time::now();
        if record.excluded.is_none() {
            record.excluded = self.state.inherited_entries(&record);
        }
        Ok(record)
    }

    /// Writes the report of a new baseline that is being installed. The failure log is that of its run.
    pub(super) fn stage_report(&self, record: &Record, log: Option<Value>) {
        let evidence = self.evidence(record, false);
        self.stage_evidence(AcceptedReport::Update, &evidence, log);
    }

    /// The same for the check with the old configuration, if that has shown any changes.
    fn stage_report_with_old_config(&self, record: &Record, log: Option<Value>) {
        let evidence = self.evidence(record, true);
        if evidence.has_differences() {
            self.stage_evidence(AcceptedReport::OldConfig, &evidence, log);
        }
    }

    fn stage_evidence(
        &self,
        report: AcceptedReport,
        evidence: &EvidenceRecord,
        log: Option<Value>,
    ) {
        // The report of a comparison with another database than the recorded one shows nothing.
        let log = log.filter(|_| evidence.has_differences());
        let object = evidence::node_report(&self.identity, log, evidence).to_string();
        self.state.stage_accepted_report(report, object.as_bytes());
    }

    fn evidence(&self, record: &Record, with_old_config: bool) -> EvidenceRecord {
        EvidenceRecord {
            with_old_config,
            file_integrity: self.identity.file_integrity.clone(),
            node: self.identity.node.clone(),
            host_root: self.host_root.clone(),
            baseline: self.published(record),
        }
    }

    /// Keeps the log of a new baseline, which is in place and can be used without it.
    pub(super) fn keep_log(&self) {
        let kept = self.state.take_log();
        if let Err(error) = kept.and_then(|()| self.state.bound_log(true)) {
            let error = crate::error_chain(&error);
            tracing::warn!(error, "failed to keep the log of the new baseline");
        }
    }
}

/// What the record of the new baseline has, if it accepts anything.
fn accepted(new: NewBaseline<'_>, comparison: &Comparison) -> Option<Accepted> {
    let accepted = Accepted {
        reason: new.reason.accepts()?.to_string(),
        request: new.reason.accepted_request().map(str::to_owned),
        acceptance: None,
        holds: new.reason.holds().to_vec(),
        old_digest: new.old.map(|old| old.digest.clone()),
        old_config_hash: new.old.map(|old| old.config_hash.clone()),
        differences: comparison.differences.clone(),
        with_old_config: comparison.with_old_config.clone(),
    };
    (!accepted.is_empty()).then_some(accepted)
}

/// What a run of AIDE has compared.
#[derive(Debug)]
struct Compared {
    outcome: Outcome,
    /// The reports, as a failure log.
    log: Option<Value>,
    /// sha256 of the database that AIDE has read, if it is known.
    digest: Option<String>,
    /// Number of files on the node.
    entries: u64,
}

impl Compared {
    fn read(runner: &Runner, end: CheckEnd) -> Result<Self, RunnerError> {
        let reports = ReportFiles::of(runner);
        let (digest, entries, outcome) = match end {
            CheckEnd::Complete(status) => {
                let report = reports.read_json()?;
                let (digest, entries) = (report.database_digest.clone(), report.total);
                if entries == 0 && report.truncated {
                    return Err(ReportError::Empty.into());
                }
                require_entries(&report)?;
                (digest, entries, evaluate(status, report))
            }
            CheckEnd::ReportTooLarge { limit } => {
                let outcome = evaluate_truncated(reports.read_json().ok(), limit);
                (None, 0, outcome)
            }
        };
        Ok(Self {
            digest: digest.or_else(|| runner.digest_on_disk()),
            outcome,
            log: None,
            entries,
        })
    }
}

/// Whether a file begins as a gzip file does (RFC 1952).
fn is_gzip(path: &Path) -> bool {
    let mut start = [0; 2];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == [0x1f, 0x8b]
}

/// Whether a run ended because the daemon exits, or with an AIDE that cannot be terminated.
fn is_final(error: &RunnerError) -> bool {
    matches!(
        error,
        RunnerError::Run(RunError::Cancelled | RunError::Stuck { .. })
            | RunnerError::NodeConfig(NodeConfigError::Run(
                RunError::Cancelled | RunError::Stuck { .. }
            ))
    )
}
