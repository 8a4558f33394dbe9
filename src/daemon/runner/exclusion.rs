//! Takes the entries of excluded paths out of the baseline, and puts them back when the exclusion ends. I/O.
//!
//! Nothing is accepted: the new database consists of entries of the old one, and of those that were taken out of it before.
//! Other changes of the node are reported as before. AIDE compares both databases before the new one becomes the baseline.
//! If that is not possible, the baseline stays, and the daemon tries again.

use std::fs;

use tokio_util::sync::CancellationToken;

use super::aide_run::{AideRun, Compared};
use super::completed::Completed;
use super::context::Runner;
use super::error::RunnerError;
use super::known;
use super::new_baseline::NewBaseline;
use super::recorded_baseline::RecordedBaseline;
use crate::aide::config::ExcludedPaths;
use crate::aide::database::{self, ExcludedEntries, Record};
use crate::aide::database_entries::{self, EntriesError};
use crate::aide::report::{ChangeKind, display_path};
use crate::api::{Accepted, AcceptedReason, ErrorClass, time};
use crate::daemon::machine::{BaselineReason, Finished, OldBaseline};
use crate::file_error::FileError;
use crate::scan::accepted;
use crate::scan::outcome::ScanError;

/// Name of the directory with the reports of a comparison of databases, in the container's own directory.
const REPORTS: &str = "compared";
/// Maximum number of paths in the explanation of what is not known.
const MAX_SHOWN: usize = 5;

/// A change of the configuration by which only excluded paths change.
#[derive(Clone, Debug)]
pub(super) struct ChangeOfExclusions {
    /// The paths that the old configuration excludes.
    before: ExcludedPaths,
    /// The paths that the new one excludes.
    after: ExcludedPaths,
    /// The new configuration.
    config: String,
    old: OldBaseline,
}

/// A database without the paths that are excluded now, and with those that are not excluded any more.
#[derive(Clone, Debug)]
struct Divided {
    digest: String,
    entries: u64,
    /// Number of entries that the old database has, and this one does not.
    removed: u64,
    /// Number of entries that only this one has.
    restored: u64,
    /// The entries of excluded paths.
    excluded: Option<ExcludedEntries>,
    /// The paths whose exclusion has ended, and whose entries from before it do not exist.
    unknown: Vec<String>,
}

impl Runner {
    /// Whether only excluded paths change with this baseline.
    pub(super) fn change_of_exclusions(&self, new: NewBaseline<'_>) -> Option<ChangeOfExclusions> {
        if *new.reason != BaselineReason::Config {
            return None;
        }
        let old = new.old?;
        let before = self.state.config_of_baseline(&old.config_hash)?;
        let config = fs::read_to_string(new.config).ok()?;
        let (rules_before, before) = ExcludedPaths::split(&before, &self.host_root);
        let (rules, after) = ExcludedPaths::split(&config, &self.host_root);
        (rules == rules_before && before != after).then(|| ChangeOfExclusions {
            before,
            after,
            config,
            old: old.clone(),
        })
    }

    /// Changes the excluded paths of the baseline. After a failure the old baseline is unchanged.
    pub(super) async fn change_exclusions(
        &self,
        new: NewBaseline<'_>,
        change: ChangeOfExclusions,
        cancel: &CancellationToken,
    ) -> Completed {
        let started_at = time::now();
        let result = self.try_change_exclusions(new, change, cancel).await;
        self.marker().remove();
        let result = result.or_else(|error| {
            self.remove_unfinished();
            Completed::unfinished(error, started_at.clone())
        });
        let completed = result.unwrap_or_else(|error| {
            let error = error.of_initialization();
            Completed::new(Finished::InitFailed(error), started_at.clone())
        });
        Completed {
            started_at,
            ..completed
        }
    }

    async fn try_change_exclusions(
        &self,
        new: NewBaseline<'_>,
        change: ChangeOfExclusions,
        cancel: &CancellationToken,
    ) -> Result<Completed, RunnerError> {
        self.state.verify()?;
        let record = match self.recorded_baseline(&change.old).await? {
            RecordedBaseline::Usable(record) => record,
            RecordedBaseline::Unusable(finished) => {
                return Ok(Completed::new(finished, time::now()));
            }
        };
        self.marker().create()?;
        let run = AideRun::prepare(self, new.config, cancel).await?;
        let (runner, divided) = (self.clone(), change.clone());
        let excluded = record.as_ref().and_then(|record| record.excluded.clone());
        let divide = move || runner.divide(&divided, excluded);
        let divided = tokio::task::spawn_blocking(divide).await??;
        if divided.entries == 0 {
            return Err(RunnerError::Scan(ScanError::new(
                ErrorClass::Empty,
                "spec.exclude excludes everything that is watched on this node",
            )));
        }
        let (old, new_database) = (self.state.database(), self.state.new_database());
        let compared = run
            .compare(&old, &new_database, &self.work_dir.join(REPORTS))
            .await?;
        verify(&compared, &divided, &change)?;
        let record = self.record_of_change(new.config_hash, &change, &divided, record);
        let runner = self.clone();
        let install = move || runner.install_change(record, &change.config);
        let record = tokio::task::spawn_blocking(install).await??;
        Ok(Completed {
            baseline: Some(self.published(&record)),
            ..Completed::new(Finished::ExclusionsChanged(known(record)), time::now())
        })
    }

    /// Writes the new database, and the file with the excluded entries.
    fn divide(
        &self,
        change: &ChangeOfExclusions,
        excluded: Option<ExcludedEntries>,
    ) -> Result<Divided, RunnerError> {
        let kept = excluded.filter(|excluded| {
            let path = self.state.excluded_entries(&excluded.digest);
            database::digest_of_gzip(&path).is_ok_and(|digest| digest == excluded.digest)
        });
        if let Some(kept) = kept {
            match self.divide_with(change, &kept) {
                // They are of other rules.
                Err(RunnerError::Entries(EntriesError::Columns { .. })) => {}
                divided => return divided,
            }
        }
        let state = &self.state;
        let divided = database_entries::without(
            &state.database(),
            &state.new_database(),
            &state.new_excluded_entries(),
            &|path| self.is_excluded(&change.after, path),
        )?;
        Ok(Divided {
            digest: divided.rest.digest,
            entries: divided.rest.entries,
            removed: divided.removed.entries,
            restored: 0,
            excluded: self.keep(change, &[], divided.removed.digest)?,
            unknown: change.unknown(&[]),
        })
    }

    /// The same with entries that were taken out before.
    fn divide_with(
        &self,
        change: &ChangeOfExclusions,
        kept: &ExcludedEntries,
    ) -> Result<Divided, RunnerError> {
        let state = &self.state;
        let is_excluded = |path: &[u8]| self.is_excluded(&change.after, path);
        let kept_entries = state.excluded_entries(&kept.digest);
        let divided = database_entries::without(
            &state.database(),
            &state.merged_database(),
            &state.newly_excluded_entries(),
            &is_excluded,
        )?;
        let database = database_entries::merge(
            &state.merged_database(),
            &kept_entries,
            &state.new_database(),
            &|_| true,
            &|path| !is_excluded(path),
        )?;
        let all = database_entries::merge(
            &kept_entries,
            &state.newly_excluded_entries(),
            &state.new_excluded_entries(),
            &is_excluded,
            &|_| true,
        )?;
        Ok(Divided {
            digest: database.database.digest,
            entries: database.database.entries,
            removed: divided.removed.entries,
            restored: database.taken,
            excluded: self.keep(change, &kept.paths, all.database.digest)?,
            unknown: change.unknown(&kept.paths),
        })
    }

    fn is_excluded(&self, paths: &ExcludedPaths, path: &[u8]) -> bool {
        let path = path.strip_prefix(self.host_root.as_bytes());
        path.is_some_and(|path| paths.excludes(path))
    }

    /// Keeps the new file with excluded entries, unless nothing is excluded. `kept` are the paths of the file before.
    fn keep(
        &self,
        change: &ChangeOfExclusions,
        kept: &[String],
        digest: String,
    ) -> Result<Option<ExcludedEntries>, RunnerError> {
        if change.after.is_empty() {
            return Ok(None);
        }
        self.state.keep_excluded_entries(&digest)?;
        Ok(Some(ExcludedEntries {
            digest,
            paths: change.complete(kept),
        }))
    }

    fn record_of_change(
        &self,
        config_hash: &str,
        change: &ChangeOfExclusions,
        divided: &Divided,
        old: Option<Box<Record>>,
    ) -> Record {
        Record {
            owner: self.identity.file_integrity.clone(),
            config_hash: config_hash.to_owned(),
            digest: divided.digest.clone(),
            entries: i64::try_from(divided.entries).unwrap_or(i64::MAX),
            created_at: time::now(),
            aide_version: match &old {
                Some(old) => old.aide_version.clone(),
                None => self.aide_version.clone(),
            },
            requested: old.as_ref().is_none_or(|old| old.requested),
            request: None,
            unread: old.and_then(|old| old.unread),
            excluded: divided.excluded.clone(),
            accepted: divided.accepted(&change.old),
        }
    }

    fn install_change(&self, record: Record, config: &str) -> Result<Record, RunnerError> {
        let new = self.state.new_database();
        let digest = database::digest_of_gzip(&new).map_err(FileError::on("read", &new))?;
        if digest != record.digest {
            return Err(RunnerError::Scan(ScanError::new(
                ErrorClass::Contradiction,
                "the new database was changed while it was compared with the old one",
            )));
        }
        if record.accepted.is_some() {
            self.stage_report(&record, None);
        }
        let now = record.created_at.0;
        self.state.commit(&record, config, now, self.max_backups)?;
        // The parts of the new files.
        self.remove_unfinished();
        Ok(record)
    }
}

impl ChangeOfExclusions {
    /// The paths that are excluded now and of which all entries are kept. `kept` are those of which all were kept before:
    /// what another path has excluded before must have been kept, too.
    fn complete(&self, kept: &[String]) -> Vec<String> {
        let is_kept = |path: &str| {
            kept.iter()
                .any(|kept| *kept == display_path(path.as_bytes()))
        };
        let lost: ExcludedPaths = {
            let mut lost = ExcludedPaths::default();
            for path in self.before.iter().filter(|path| !is_kept(path)) {
                // It was valid before.
                lost.add(&display_path(path.as_bytes())).ok();
            }
            lost
        };
        let complete = self.after.iter().filter(|path| !lost.overlaps(path));
        complete.map(|path| display_path(path.as_bytes())).collect()
    }

    /// The paths that are not excluded any more, and of which not all entries were kept.
    fn unknown(&self, kept: &[String]) -> Vec<String> {
        let ended = self
            .before
            .iter()
            .filter(|path| !self.after.excludes(path.as_bytes()));
        let shown = ended.map(|path| display_path(path.as_bytes()));
        shown.filter(|path| !kept.contains(path)).collect()
    }
}

impl Divided {
    /// What is not known, for the record of the baseline.
    fn accepted(&self, old: &OldBaseline) -> Option<Accepted> {
        let shown = self.unknown.iter().take(MAX_SHOWN).cloned();
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = match self.unknown.len().saturating_sub(MAX_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let why = format!(
            "the exclusion of {shown}{more} has ended, and its entries from before do not exist; what was changed there \
             meanwhile cannot be known, and all of it is reported as added"
        );
        (!self.unknown.is_empty()).then(|| Accepted {
            reason: AcceptedReason::Exclusion.to_string(),
            old_digest: Some(old.digest.clone()),
            old_config_hash: Some(old.config_hash.clone()),
            differences: accepted::unknown(&why),
            ..Accepted::default()
        })
    }
}

/// Fails unless AIDE has found exactly the intended difference between the databases.
fn verify(
    compared: &Compared,
    divided: &Divided,
    change: &ChangeOfExclusions,
) -> Result<(), RunnerError> {
    let report = &compared.report;
    let is_intended = |kind: ChangeKind, path: &[u8]| match kind {
        ChangeKind::Removed => change.after.excludes(path),
        ChangeKind::Added => change.before.excludes(path) && !change.after.excludes(path),
        ChangeKind::Changed => false,
    };
    let found = (report.added, report.changed, report.removed);
    let is_exact = found == (divided.restored, 0, divided.removed)
        && report.incomparable.is_none()
        && (report.changes.iter()).all(|change| is_intended(change.kind, &change.path));
    if is_exact {
        return Ok(());
    }
    Err(RunnerError::Scan(ScanError::new(
        ErrorClass::Contradiction,
        format!(
            "the database without the excluded paths differs from the old one otherwise than it should (a:{},c:{},r:{} \
             instead of a:{},c:0,r:{})",
            found.0, found.1, found.2, divided.restored, divided.removed
        ),
    )))
}
