//! Reports of new baselines that are not published yet. I/O.
//!
//! A report is written before its baseline replaces the old one, and gets its name afterwards. After a crash
//! between both, the record of the baseline shows whether the replacement took place.

use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::DatabaseError;
use super::safe_fs::{open_no_follow, remove_best_effort, remove_if_exists, rename, write_synced};
use super::state_dir::{ACCEPTED, ACCEPTED_WITH_OLD_CONFIG, StateDir};
use crate::file_error::FileError;

/// Maximum number of reports that wait. Each has less than 2 MiB.
pub(super) const MAX_WAITING: usize = 16;
/// Maximum bytes of a report.
const MAX_REPORT: u64 = 4 * 1024 * 1024;
/// Number of digits of the digest in a name.
const DIGITS: usize = 16;

/// The reports of a new baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptedReport {
    /// That of the run that has written its database.
    Update,
    /// That of the check with the old configuration before.
    OldConfig,
}

impl AcceptedReport {
    const ALL: [Self; 2] = [Self::Update, Self::OldConfig];

    /// The digits of the digest of the baseline in the name of its file.
    fn digits(self, digest: &str) -> &str {
        let digits = match self {
            Self::Update => digest.get(..DIGITS),
            Self::OldConfig => digest.get(DIGITS..2 * DIGITS),
        };
        digits.unwrap_or(digest)
    }
}

impl StateDir {
    /// The file with this report of the baseline that is being installed.
    pub(super) fn staged_report(&self, report: AcceptedReport) -> PathBuf {
        self.new_of(match report {
            AcceptedReport::Update => ACCEPTED,
            AcceptedReport::OldConfig => ACCEPTED_WITH_OLD_CONFIG,
        })
    }

    /// Writes a report of the baseline that is being installed. Without it the baseline can be used, so a failure is
    /// only logged, and so is a report that would be one too many.
    pub(crate) fn stage_accepted_report(&self, report: AcceptedReport, bytes: &[u8]) {
        let waiting = self.accepted_reports().len();
        if waiting >= MAX_WAITING {
            tracing::warn!(
                waiting,
                "the report of a new baseline is not kept: too many wait"
            );
            return;
        }
        let staged = self.staged_report(report);
        let written = remove_if_exists(&staged).and_then(|()| write_synced(&staged, bytes));
        log_failure(written.map_err(DatabaseError::from));
    }

    /// Gives the staged reports their names, if there are any: their baseline, with this digest, is in place.
    pub(super) fn install_accepted_reports(&self, digest: &str) {
        for report in AcceptedReport::ALL {
            let staged = self.staged_report(report);
            if fs::symlink_metadata(&staged).is_ok() {
                let digits = report.digits(digest);
                let name = self.path().join(format!("{ACCEPTED}.{digits}"));
                log_failure(rename(&staged, &name).map_err(DatabaseError::from));
            }
        }
    }

    /// Removes the reports of a baseline that is not installed.
    pub(super) fn remove_staged_reports(&self) {
        remove_best_effort(&AcceptedReport::ALL.map(|report| self.staged_report(report)));
    }

    /// The reports that are not published yet, oldest first.
    pub(crate) fn accepted_reports(&self) -> Vec<PathBuf> {
        let prefix = format!("{ACCEPTED}.");
        let is_digest =
            |rest: &str| rest.len() == DIGITS && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let entries = fs::read_dir(self.path()).into_iter().flatten();
        let mut found: Vec<(SystemTime, PathBuf)> = entries
            .filter_map(Result::ok)
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_str().and_then(|name| name.strip_prefix(&prefix));
                name.is_some_and(is_digest)
            })
            .filter_map(|entry| {
                let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((meta.modified().ok()?, entry.path()))
            })
            .collect();
        found.sort();
        found.into_iter().map(|(_, path)| path).collect()
    }

    /// Reads a report. Does not follow links.
    pub(crate) fn read_accepted_report(path: &Path) -> Result<Vec<u8>, DatabaseError> {
        let mut bytes = Vec::new();
        open_no_follow(path, OpenOptions::new().read(true))
            .and_then(|file| file.take(MAX_REPORT).read_to_end(&mut bytes))
            .map_err(FileError::on("read", path))?;
        Ok(bytes)
    }

    /// Removes a report that was published.
    pub(crate) fn remove_accepted_report(path: &Path) -> Result<(), DatabaseError> {
        Ok(remove_if_exists(path)?)
    }
}

fn log_failure(result: Result<(), DatabaseError>) {
    if let Err(error) = result {
        let error = crate::error_chain(&error);
        tracing::warn!(error, "failed to keep the report of a new baseline");
    }
}
