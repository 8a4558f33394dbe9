//! Backups of earlier baselines and reports. I/O.
//!
//! The time in their names orders them.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::error::DatabaseError;
use super::safe_fs::{remove_best_effort, remove_if_exists};
use super::state_dir::{DATABASE, LOG, PARTIAL_BACKUP, StateDir};
use super::trusted_path;
use crate::file_error::FileError;

/// Between the name of the file and the time.
pub(super) const BACKUP: &str = ".backup-";
const TIME_FORMAT: &str = "%Y%m%dT%H_%M_%S";

impl StateDir {
    /// Backs up the current database and report.
    pub(super) fn back_up(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let stamp = self.unused_stamp(self.latest_of_backups_and(now)?);
        for name in [DATABASE, LOG] {
            let from = self.path().join(name);
            let is_file = fs::symlink_metadata(&from).is_ok_and(|meta| meta.is_file());
            if is_file && !self.is_backed_up(name)? {
                let to = self.path().join(format!("{name}{BACKUP}{stamp}"));
                if fs::hard_link(&from, &to).is_err() {
                    self.copy_backup(&from, &to)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the latest backup is a link to the current file: the daemon was killed right after it
    /// created the backup. A second backup would displace an older one.
    fn is_backed_up(&self, name: &str) -> Result<bool, DatabaseError> {
        let latest = self.backups_of(name)?.into_iter().max();
        let current = trusted_path::identity_of(&self.path().join(name));
        let (Some(latest), Ok(current)) = (latest, current) else {
            return Ok(false);
        };
        Ok(trusted_path::identity_of(&latest).is_ok_and(|backup| backup == current))
    }

    /// Copies a file on file systems without hard links. A partial copy would count as a backup and
    /// displace a complete one, so it gets its name last.
    pub(super) fn copy_backup(&self, from: &Path, to: &Path) -> Result<(), DatabaseError> {
        let partial = self.new_of(PARTIAL_BACKUP);
        remove_if_exists(&partial)?;
        let copied = fs::copy(from, &partial).and_then(|_| fs::rename(&partial, to));
        copied.map_err(|error| {
            fs::remove_file(&partial).ok();
            FileError::on("back up", from)(error).into()
        })
    }

    /// The time for the next backup: not before that of another backup, even if the clock was set back.
    /// Otherwise the newest backup would be removed first.
    fn latest_of_backups_and(&self, now: Timestamp) -> Result<Timestamp, DatabaseError> {
        // A forged name with the last possible time would leave none for later backups.
        let is_usable = |at: &Timestamp| *at < Timestamp::MAX - SignedDuration::from_hours(24);
        let mut latest = now;
        for name in [DATABASE, LOG] {
            let backups = self.backups_of(name)?;
            let times = backups.iter().filter_map(|path| time_of_backup(path));
            latest = latest.max(times.filter(is_usable).max().unwrap_or(now));
        }
        Ok(latest)
    }

    /// The first stamp at or after this time that no backup has.
    fn unused_stamp(&self, at: Timestamp) -> String {
        let mut at = at;
        loop {
            let stamp = at.strftime(TIME_FORMAT).to_string();
            // Also directories and links block a name.
            let is_used = |name: &&str| {
                let path = self.path().join(format!("{name}{BACKUP}{stamp}"));
                fs::symlink_metadata(path).is_ok()
            };
            if ![DATABASE, LOG].iter().any(is_used) {
                return stamp;
            }
            at += SignedDuration::from_secs(1);
        }
    }

    /// Removes all but the latest `keep` backups of the database, and of the report. Backups that
    /// cannot be removed, such as immutable files, are logged and skipped.
    pub(crate) fn prune_backups(&self, keep: usize) {
        for name in [DATABASE, LOG] {
            let mut backups = self.backups_of(name).unwrap_or_else(|error| {
                let error = crate::error_chain(&error);
                tracing::warn!(error, "failed to list the backups");
                Vec::new()
            });
            backups.sort();
            let surplus = backups.len().saturating_sub(keep);
            remove_best_effort(&backups[..surplus]);
        }
    }

    /// All backups of a file. Directories with such names are not backups.
    pub(super) fn backups_of(&self, name: &str) -> Result<Vec<PathBuf>, DatabaseError> {
        let prefix = format!("{name}{BACKUP}");
        let entries = fs::read_dir(self.path()).map_err(FileError::on("list", self.path()))?;
        Ok(entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .filter(|entry| !entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect())
    }
}

fn time_of_backup(path: &Path) -> Option<Timestamp> {
    let (_, stamp) = path.to_str()?.rsplit_once(BACKUP)?;
    let at = DateTime::strptime(TIME_FORMAT, stamp).ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
