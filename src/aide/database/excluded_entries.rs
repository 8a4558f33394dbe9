//! The entries of excluded paths, which are put back when the exclusion ends. I/O.
//!
//! The file is named after the digest of its content, and the record of the baseline has that digest. So a new file is
//! written before the baseline is replaced, and counts from then on.

use std::fs;
use std::path::PathBuf;

use super::error::DatabaseError;
use super::record::{ExcludedEntries, Record};
use super::safe_fs::{remove_best_effort, rename, sync_dir};
use super::state_dir::{DATABASE, StateDir};

impl StateDir {
    /// The file with the entries that have this digest.
    pub(crate) fn excluded_entries(&self, digest: &str) -> PathBuf {
        self.excluded(digest)
    }

    /// The file with all entries that is being written.
    pub(crate) fn new_excluded_entries(&self) -> PathBuf {
        self.excluded("new")
    }

    /// The file with the entries that were not excluded before, while it is written.
    pub(crate) fn newly_excluded_entries(&self) -> PathBuf {
        self.excluded("part")
    }

    /// Gives the new file its name. The baseline does not refer to it yet.
    pub(crate) fn keep_excluded_entries(&self, digest: &str) -> Result<(), DatabaseError> {
        rename(&self.new_excluded_entries(), &self.excluded(digest))?;
        Ok(sync_dir(self.path())?)
    }

    /// The excluded entries of the baseline in place, for one that replaces it and has the same owner and configuration:
    /// entries of other rules could not be compared.
    pub(crate) fn inherited_entries(&self, new: &Record) -> Option<ExcludedEntries> {
        let old = Record::read(&self.record())?;
        let is_same = old.owner == new.owner && old.config_hash == new.config_hash;
        old.excluded.filter(|_| is_same)
    }

    /// Removes the files to which the baseline does not refer.
    pub(super) fn prune_excluded_entries(&self) {
        let Some(record) = Record::read(&self.record()) else {
            return;
        };
        let used = record
            .excluded
            .map(|excluded| self.excluded(&excluded.digest));
        let entries = fs::read_dir(self.path()).into_iter().flatten().flatten();
        let prefix = format!("{DATABASE}.excluded.");
        let unused = entries.map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(&prefix)) && Some(path) != used.as_ref()
        });
        remove_best_effort(&unused.collect::<Vec<_>>());
    }

    fn excluded(&self, suffix: &str) -> PathBuf {
        self.path().join(format!("{DATABASE}.excluded.{suffix}"))
    }
}
