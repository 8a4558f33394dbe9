//! Accepts the changes that acceptances list, and leaves all others open. I/O.
//!
//! One run of AIDE compares the node with the baseline, and writes a new database. The new baseline consists of the
//! entries of the old one, and of the new entries of the accepted paths. AIDE compares it with both databases before it
//! is put in place: the differences must be the accepted changes on one side, and all others on the other side. The
//! latter are the result of the run.
//!
//! Nothing is refused: what is not accepted is reported as by any other scan.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::aide_run::{Compared, Update, UpdateEnd, require_entries};
use super::completed::Completed;
use super::context::Runner;
use super::error::RunnerError;
use super::known;
use super::report_files::ReportFiles;
use super::whole_run::WholeRun;
use crate::aide::database::{Found, Record};
use crate::aide::database_entries::{self, EntriesError};
use crate::aide::report::{ChangeKind, Report};
use crate::api::{Accepted, AcceptedReason, AnnouncedResult, ErrorClass, time};
use crate::daemon::machine::{Finished, OldBaseline};
use crate::file_error::FileError;
use crate::scan::accepted;
use crate::scan::approved_changes::{ApprovedChanges, Decision, Entries, decide};
use crate::scan::outcome::{Outcome, ScanError, evaluate, require_complete_baseline};
use crate::scan::output;

/// Whether the acceptance with this UID is still announced, as far as the watch of the node status shows.
pub(crate) type IsAnnounced = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// An acceptance that lists its changes.
#[derive(Clone, Debug)]
pub(crate) struct AnnouncedAcceptance {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) until: Timestamp,
    /// Hash of the configuration for which the changes were announced.
    pub(crate) config_hash: String,
    pub(crate) changes: Arc<ApprovedChanges>,
}

/// The acceptances whose changes may be accepted now.
#[derive(Clone)]
pub(crate) struct Announced {
    /// The oldest first.
    pub(crate) acceptances: Vec<AnnouncedAcceptance>,
    /// sha256 of the configuration of the run.
    pub(crate) config_hash: String,
    /// The recorded baseline.
    pub(crate) old: Option<OldBaseline>,
    pub(crate) is_current: IsAnnounced,
}

impl Announced {
    /// The acceptances for this configuration whose time is not over.
    fn in_force(&self) -> Vec<&AnnouncedAcceptance> {
        let now = Timestamp::now();
        let is_in_force = |it: &&AnnouncedAcceptance| {
            it.until > now && it.config_hash == self.config_hash && (self.is_current)(&it.uid)
        };
        self.acceptances.iter().filter(is_in_force).collect()
    }

    /// Whether some of the changes of a report may be approved.
    pub(crate) fn may_approve(&self, report: &Report) -> bool {
        let mut acceptances = self.in_force().into_iter();
        acceptances.any(|acceptance| acceptance.changes.may_approve(report))
    }

    /// Whether all of these acceptances are still in force.
    fn are_in_force(&self, uids: &[String]) -> bool {
        let in_force: HashSet<&str> = self.in_force().iter().map(|it| it.uid.as_str()).collect();
        uids.iter().all(|uid| in_force.contains(uid.as_str()))
    }
}

/// The run cannot accept anything, and another scan decides.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAccepted {
    #[error(transparent)]
    Runner(#[from] RunnerError),
    #[error("write the new baseline")]
    Merge(#[from] EntriesError),
    #[error("{0}")]
    Other(String),
}

/// What a run has found, and which of it is approved.
struct Plan {
    report: Report,
    update: Update,
    old: Entries,
    new: Entries,
    decision: Decision,
}

/// The new baseline, and the comparisons that verify it.
struct Merge {
    plan: Plan,
    digest: String,
    entries: u64,
    accepted: Report,
    accepted_log: Value,
    rest: Outcome,
    rest_log: Option<Value>,
}

impl Runner {
    /// Compares the node with the baseline, and accepts the approved changes. None if this run decides nothing: then
    /// the baseline is as before, and the node has to be scanned.
    pub(crate) async fn accept_announced(
        &self,
        config: &Path,
        announced: &Announced,
        cancel: &CancellationToken,
    ) -> Option<Completed> {
        let started_at = time::now();
        let scan = output::scan_id(&self.identity, &Timestamp::now());
        let result = self.try_accept_announced(config, announced, cancel).await;
        self.marker().remove();
        self.remove_unfinished();
        self.remove_comparison();
        let result = match result {
            Err(NotAccepted::Runner(error)) => {
                Completed::unfinished(error, started_at.clone()).map_err(NotAccepted::Runner)
            }
            result => result,
        };
        match result {
            Ok(completed) => Some(Completed {
                scan,
                started_at,
                ..completed
            }),
            Err(error) => {
                let error = crate::error_chain(&error);
                tracing::warn!(error, "announced changes were not accepted");
                None
            }
        }
    }

    async fn try_accept_announced(
        &self,
        config: &Path,
        announced: &Announced,
        cancel: &CancellationToken,
    ) -> Result<Completed, NotAccepted> {
        let started = Instant::now();
        if announced.in_force().is_empty() {
            return Err(NotAccepted::Other("no acceptance is in force".to_owned()));
        }
        let Some(old) = announced.old.clone() else {
            return Err(NotAccepted::Other(
                "there is no recorded baseline".to_owned(),
            ));
        };
        if old.config_hash != announced.config_hash {
            let message = "the baseline has another configuration";
            return Err(NotAccepted::Other(message.to_owned()));
        }
        if let Some(why) = self.unusable_database() {
            return Err(NotAccepted::Other(why));
        }
        let run = WholeRun::start(self, config, started, cancel).await?;
        let update = match run.update().await? {
            UpdateEnd::Written(update) => update,
            UpdateEnd::TooLarge { limit } => {
                let message = format!("one of AIDE's files is longer than {limit} bytes");
                return Err(NotAccepted::Other(message));
            }
            UpdateEnd::Failed(error) => return Err(NotAccepted::Other(error.message)),
        };
        let plan = self.plan(announced, &old, update).await?;
        let completed = if plan.decision.approved.is_empty() {
            self.nothing_approved(announced, &old, plan).await?
        } else {
            let merge = self.merge(&run, &old, plan).await?;
            self.install_merge(config, announced, &old, merge).await?
        };
        Ok(run.completed(completed))
    }

    /// Decides which changes of the run are approved.
    async fn plan(
        &self,
        announced: &Announced,
        old: &OldBaseline,
        update: Update,
    ) -> Result<Plan, NotAccepted> {
        let (runner, announced, old) = (self.clone(), announced.clone(), old.clone());
        let plan = move || {
            let report = ReportFiles::of(&runner).read_json()?;
            if let Some(why) = old.differs_from(report.database_digest.as_deref()) {
                return Err(NotAccepted::Other(why));
            }
            require_entries(&report)?;
            if !report.lists_all() || report.omitted.is_some() {
                let message = "AIDE's report does not have all changes";
                return Err(NotAccepted::Other(message.to_owned()));
            }
            let in_force = announced.in_force();
            let concerns = |path: &[u8]| in_force.iter().any(|it| it.changes.concerns(path));
            let old = runner.entries(&runner.state.database(), &concerns)?;
            let new = runner.entries(&runner.state.new_database(), &concerns)?;
            let changes: Vec<&ApprovedChanges> =
                in_force.iter().map(|it| it.changes.as_ref()).collect();
            let mut decision = decide(&report, &old, &new, &changes);
            // The positions are those of all acceptances.
            let position = |of: usize| {
                let mut all = announced.acceptances.iter();
                all.position(|it| it.uid == in_force[of].uid).unwrap_or(of)
            };
            decision.approving = decision.approving.into_iter().map(position).collect();
            let mismatches = decision.mismatches.into_iter();
            decision.mismatches = mismatches.map(|(at, why)| (position(at), why)).collect();
            Ok(Plan {
                report,
                update,
                old,
                new,
                decision,
            })
        };
        blocking(plan).await
    }

    /// The entries of a database with these paths of the node.
    fn entries(
        &self,
        database: &Path,
        is_selected: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Entries, EntriesError> {
        let on_node = |path: &[u8]| {
            self.path_on_node(path)
                .is_some_and(|path| is_selected(&path))
        };
        let found = database_entries::find(database, &on_node)?;
        let entries = found.into_iter();
        Ok(entries
            .filter_map(|(path, entry)| Some((self.path_on_node(&path)?, entry)))
            .collect())
    }

    /// The path on the node of one in a database.
    fn path_on_node(&self, path: &[u8]) -> Option<Vec<u8>> {
        match path.strip_prefix(self.host_root.as_bytes())? {
            [] => Some(b"/".to_vec()),
            rest @ [b'/', ..] => Some(rest.to_vec()),
            _ => None,
        }
    }

    /// The run is a scan.
    async fn nothing_approved(
        &self,
        announced: &Announced,
        old: &OldBaseline,
        plan: Plan,
    ) -> Result<Completed, NotAccepted> {
        let progress = results(announced, &plan, &plan.old);
        let (runner, old) = (self.clone(), old.clone());
        let conclude = move || {
            let outcome = evaluate(plan.update.status, plan.report);
            let outcome = runner.complete(outcome, &old, plan.update.unread);
            let digest = Some(old.digest);
            Ok(runner.completed(Finished::Scanned { digest }, outcome, true)?)
        };
        let completed = blocking(conclude).await?;
        Ok(Completed {
            announced: Some(progress),
            ..completed
        })
    }

    /// A run without changes is no success if the content of a file was not compared.
    fn complete(&self, outcome: Outcome, old: &OldBaseline, unread: Option<String>) -> Outcome {
        match (outcome, unread) {
            (Outcome::Clean { .. }, Some(files)) => Outcome::Errored(ScanError::new(
                ErrorClass::Incomplete,
                format!("AIDE error: it could not read everything: {files}"),
            )),
            (outcome, _) => require_complete_baseline(outcome, self.state.unread(&old.digest)),
        }
    }

    /// Writes the new database, and compares it with both others.
    async fn merge(
        &self,
        run: &WholeRun<'_>,
        old: &OldBaseline,
        plan: Plan,
    ) -> Result<Merge, NotAccepted> {
        let (runner, approved) = (self.clone(), plan.decision.approved.clone());
        let write = move || Ok(runner.write_merged(&approved)?);
        let merged = blocking(write).await?;
        verify_counts(&plan.decision.approved, &merged)?;
        let digest = merged.database.digest;
        let paths = (
            self.state.database(),
            self.state.merged_database(),
            self.state.new_database(),
        );
        let dir = self.comparison_dir();
        let first = run.compare(&paths.0, &paths.1, &dir).await?;
        require_digest(&first, &old.digest)?;
        let (accepted, accepted_log) = self.accepted_by(first, &plan).await?;
        let second = run.compare(&paths.1, &paths.2, &dir).await?;
        require_digest(&second, &digest)?;
        let (rest, rest_log) = self.rest_of(second, &plan).await?;
        let rest = self.complete(rest, old, plan.update.unread.clone());
        Ok(Merge {
            plan,
            digest,
            entries: merged.database.entries,
            accepted,
            accepted_log,
            rest,
            rest_log,
        })
    }

    fn write_merged(
        &self,
        approved: &BTreeMap<Vec<u8>, ChangeKind>,
    ) -> Result<database_entries::Merged, EntriesError> {
        let kind = |path: &[u8]| approved.get(&self.path_on_node(path)?);
        let keeps = |path: &[u8]| kind(path).is_none();
        let takes = |path: &[u8]| kind(path).is_some_and(|kind| *kind != ChangeKind::Removed);
        database_entries::merge(
            &self.state.database(),
            &self.state.new_database(),
            &self.state.merged_database(),
            &keeps,
            &takes,
        )
    }

    /// The comparison of the old and the new baseline: exactly the approved changes.
    async fn accepted_by(
        &self,
        compared: Compared,
        plan: &Plan,
    ) -> Result<(Report, Value), NotAccepted> {
        let (accepted, log) = self.report_of(compared).await?;
        let Outcome::Changed(report) = accepted else {
            return Err(contradiction("shows no changes"));
        };
        if kinds(&report) != plan.decision.approved {
            return Err(contradiction("shows other changes than the approved ones"));
        }
        let log = log.ok_or_else(|| contradiction("has no report"))?;
        Ok((*report, log))
    }

    /// The comparison of the new baseline and the node: exactly the changes that are not approved. AIDE cannot decide in
    /// such a comparison whether a growing file has only grown, so it may show more digests.
    async fn rest_of(
        &self,
        compared: Compared,
        plan: &Plan,
    ) -> Result<(Outcome, Option<Value>), NotAccepted> {
        let (rest, log) = self.report_of(compared).await?;
        let approved = &plan.decision.approved;
        let mut expected = kinds(&plan.report);
        expected.retain(|path, _| !approved.contains_key(path));
        let files = plan.report.total;
        match rest {
            Outcome::Clean { .. } if expected.is_empty() => Ok((Outcome::Clean { files }, None)),
            Outcome::Changed(mut report) if kinds(&report) == expected => {
                report.total = files;
                Ok((Outcome::Changed(report), log))
            }
            _ => Err(contradiction(
                "does not leave the changes that are not approved",
            )),
        }
    }

    /// The outcome of a comparison, and its report as a failure log.
    async fn report_of(&self, compared: Compared) -> Result<(Outcome, Option<Value>), NotAccepted> {
        let runner = self.clone();
        let read = move || {
            let Compared { status, report } = compared;
            if report.omitted.is_some() {
                return Err(contradiction("is not complete"));
            }
            let outcome = evaluate(status, report);
            let log = match &outcome {
                Outcome::Changed(report) => {
                    let files = ReportFiles::in_dir(&runner, &runner.comparison_dir());
                    Some(files.log_of(report, &files.plain())?)
                }
                Outcome::Clean { .. } => None,
                Outcome::Errored(error) => return Err(NotAccepted::Other(error.message.clone())),
            };
            Ok((outcome, log))
        };
        blocking(read).await
    }

    fn comparison_dir(&self) -> PathBuf {
        self.work_dir.join("compare")
    }

    fn remove_comparison(&self) {
        let dir = self.comparison_dir();
        if let Err(error) = fs::remove_dir_all(&dir)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::debug!(%error, "failed to remove the reports of a comparison");
        }
    }

    /// Puts the new baseline in place, unless an acceptance was withdrawn meanwhile.
    async fn install_merge(
        &self,
        config: &Path,
        announced: &Announced,
        old: &OldBaseline,
        merge: Merge,
    ) -> Result<Completed, NotAccepted> {
        let text = fs::read_to_string(config).map_err(FileError::on("read", config));
        let text = text.map_err(RunnerError::from)?;
        let (runner, announced, old) = (self.clone(), announced.clone(), old.clone());
        blocking(move || runner.put_in_place(&announced, &old, &text, merge)).await
    }

    fn put_in_place(
        &self,
        announced: &Announced,
        old: &OldBaseline,
        config: &str,
        merge: Merge,
    ) -> Result<Completed, NotAccepted> {
        let approving = merge.plan.decision.approving.iter();
        let approving: Vec<_> = approving.map(|at| &announced.acceptances[*at]).collect();
        let uids: Vec<String> = approving.iter().map(|it| it.uid.clone()).collect();
        let names: Vec<&str> = approving.iter().map(|it| it.name.as_str()).collect();
        let accepted = Outcome::Changed(Box::new(merge.accepted));
        let mut record = Record {
            owner: self.identity.file_integrity.clone(),
            config_hash: announced.config_hash.clone(),
            digest: merge.digest,
            entries: i64::try_from(merge.entries).unwrap_or(i64::MAX),
            created_at: time::now(),
            aide_version: self.aide_version.clone(),
            requested: true,
            request: Some(uids.join(",")),
            // The entries of all other files are the old ones.
            unread: self.state.unread(&old.digest),
            excluded: None,
            accepted: Some(Accepted {
                reason: AcceptedReason::AnnouncedChanges.to_string(),
                request: Some(uids.join(",")),
                acceptance: Some(names.join(",")),
                holds: Vec::new(),
                old_digest: Some(old.digest.clone()),
                old_config_hash: Some(old.config_hash.clone()),
                differences: accepted::differences(&accepted, &HashSet::new()),
                with_old_config: None,
            }),
        };
        record.excluded = self.state.inherited_entries(&record);
        self.stage_report(&record, Some(merge.accepted_log));
        let staged = self.state.take_merged_database();
        let staged = staged.and_then(|()| self.state.stage(&record, config, record.created_at.0));
        // Immediately before the replacement: what precedes it may take seconds.
        let is_in_force = staged.is_ok() && announced.are_in_force(&uids);
        if !is_in_force {
            self.state.unstage();
            staged.map_err(RunnerError::from)?;
            let message = "an acceptance was withdrawn, or its time is over";
            return Err(NotAccepted::Other(message.to_owned()));
        }
        if let Err(error) = self.state.replace(&record.digest, self.max_backups) {
            if !self.has_database(&record.digest) {
                self.state.unstage();
                return Err(RunnerError::from(error).into());
            }
            let error = crate::error_chain(&error);
            tracing::warn!(error, "failed to finish the replacement of a baseline");
        }
        // The baseline is in place: from here on, no failure must look as if it were not.
        self.keep_comparison_log();
        let progress = accepted_results(announced, &merge.plan, &record, &uids);
        let baseline = Some(self.published(&record));
        let finished = Finished::AcceptedPart(known(record));
        Ok(Completed {
            baseline,
            log: merge.rest_log,
            announced: Some(progress),
            ..Completed::of_outcome(finished, merge.rest)
        })
    }

    fn has_database(&self, digest: &str) -> bool {
        let found = self.state.load();
        matches!(found, Ok(Found::Database { digest: found, .. }) if found == digest)
    }

    /// The latest plain report is that of what is left.
    fn keep_comparison_log(&self) {
        let files = ReportFiles::in_dir(self, &self.comparison_dir());
        if let Err(error) = fs::copy(files.plain(), self.state.new_log()) {
            tracing::debug!(%error, "failed to keep the report of a comparison");
        }
        self.keep_log();
    }

    /// What the baseline has of the announced changes.
    pub(crate) async fn progress(&self, announced: &Announced) -> Option<Vec<AnnouncedResult>> {
        let (runner, announced) = (self.clone(), announced.clone());
        let read = move || {
            let mut all = announced.acceptances.iter();
            let has = |path: &[u8]| all.clone().any(|it| it.changes.has(path));
            let baseline = runner.entries(&runner.state.database(), &has)?;
            let results = all.by_ref().map(|it| result(it, &baseline));
            Ok(results.collect())
        };
        let result: Result<_, NotAccepted> = blocking(read).await;
        result
            .inspect_err(|error| {
                let error = crate::error_chain(error);
                tracing::debug!(error, "failed to read the baseline");
            })
            .ok()
    }
}

/// What the baseline with these entries has of an acceptance.
fn result(acceptance: &AnnouncedAcceptance, baseline: &Entries) -> AnnouncedResult {
    let (accepted, remaining) = acceptance.changes.progress(baseline);
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    AnnouncedResult {
        name: acceptance.name.clone(),
        uid: acceptance.uid.clone(),
        accepted: count(accepted),
        remaining: count(remaining),
        message: None,
        accepted_at: None,
        old_digest: None,
        new_digest: None,
    }
}

/// What the baseline with these entries has of all acceptances, and why the others of their changes were not accepted.
fn results(announced: &Announced, plan: &Plan, baseline: &Entries) -> Vec<AnnouncedResult> {
    let acceptances = announced.acceptances.iter().enumerate();
    acceptances
        .map(|(at, acceptance)| AnnouncedResult {
            message: plan.decision.mismatches.get(&at).cloned(),
            ..result(acceptance, baseline)
        })
        .collect()
}

fn accepted_results(
    announced: &Announced,
    plan: &Plan,
    record: &Record,
    uids: &[String],
) -> Vec<AnnouncedResult> {
    let mut baseline = plan.old.clone();
    for path in plan.decision.approved.keys() {
        match plan.new.get(path) {
            Some(entry) => baseline.insert(path.clone(), entry.clone()),
            None => baseline.remove(path),
        };
    }
    let mut results = results(announced, plan, &baseline);
    for result in results.iter_mut().filter(|it| uids.contains(&it.uid)) {
        result.accepted_at = Some(record.created_at.clone());
        let accepted = record.accepted.as_ref();
        result.old_digest = accepted.and_then(|it| it.old_digest.clone());
        result.new_digest = Some(record.digest.clone());
    }
    results
}

fn kinds(report: &Report) -> BTreeMap<Vec<u8>, ChangeKind> {
    let changes = report.changes.iter();
    changes
        .map(|change| (change.path.clone(), change.kind))
        .collect()
}

/// Whether each approved change was in the databases.
fn verify_counts(
    approved: &BTreeMap<Vec<u8>, ChangeKind>,
    merged: &database_entries::Merged,
) -> Result<(), NotAccepted> {
    let count = |kinds: [ChangeKind; 2]| {
        let of_kinds = approved.values().filter(|kind| kinds.contains(kind));
        of_kinds.count() as u64
    };
    let left_out = count([ChangeKind::Changed, ChangeKind::Removed]);
    let taken = count([ChangeKind::Changed, ChangeKind::Added]);
    if (merged.left_out, merged.taken) == (left_out, taken) {
        return Ok(());
    }
    Err(contradiction("does not have the approved entries"))
}

fn require_digest(compared: &Compared, digest: &str) -> Result<(), NotAccepted> {
    if compared.report.database_digest.as_deref() == Some(digest) {
        return Ok(());
    }
    Err(contradiction("was compared with another database"))
}

fn contradiction(what: &str) -> NotAccepted {
    NotAccepted::Other(format!("the merged database {what}"))
}

/// Runs what takes long.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NotAccepted> + Send + 'static,
) -> Result<T, NotAccepted> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(RunnerError::from)?
}
