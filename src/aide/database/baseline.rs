//! Loading the baseline, and replacing it with a new one. I/O.
//!
//! A replacement takes three renames. A crash between them leaves the new database with the old record.
//! [`StateDir::load`] finds the record with the database's digest and finishes the replacement. The record also has
//! what the new baseline accepted: it counts exactly if the new database is in place.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::error::DatabaseError;
use super::record::Record;
use super::safe_fs::{
    open_no_follow, remove_best_effort, remove_empty_dir, rename, restrict, sync_dir, write_synced,
};
use super::state_dir::{RECORD, StateDir};
use crate::api::names;
use crate::file_error::FileError;

/// A legacy signal file in the state directory. It is removed and never starts a re-initialization.
pub(super) const LEGACY_SIGNAL: &str = "aide.reinit";
/// Bytes read at a time while a digest is computed.
const CHUNK: usize = 64 * 1024;

/// The content of the state directory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// There is no database, or an empty one.
    Nothing {
        /// The record of a database that was deleted.
        record: Option<Record>,
    },
    /// There is a database.
    Database {
        /// The sha256 of the uncompressed database, hex.
        digest: String,
        /// Its record, if there is one with the same digest.
        record: Option<Record>,
    },
    /// The database is not a complete gzip file.
    Unreadable {
        /// The error of the decompression.
        reason: String,
    },
}

impl StateDir {
    /// Reads the database, and finishes a replacement that a crash interrupted. Decompresses the whole
    /// database, which takes about a second per 100,000 files.
    pub(crate) fn load(&self) -> Result<Found, DatabaseError> {
        let path = self.database();
        let size = match fs::symlink_metadata(&path) {
            Ok(meta) => meta.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => return Err(FileError::on("check", &path)(e).into()),
        };
        if size == 0 {
            let record = Record::read(&self.record());
            return Ok(Found::Nothing { record });
        }
        Ok(match digest_of_gzip(&path) {
            Ok(digest) => Found::Database {
                record: self.record_of(&digest),
                digest,
            },
            Err(error) => Found::Unreadable {
                reason: error.to_string(),
            },
        })
    }

    /// AIDE's warnings about files whose content is missing in the database with this digest.
    pub(crate) fn unread(&self, digest: &str) -> Option<String> {
        self.record_of(digest)?.unread
    }

    fn record_of(&self, digest: &str) -> Option<Record> {
        if let Some(record) = Record::read(&self.record()).filter(|r| r.digest == digest) {
            return Some(record);
        }
        let staged = self.new_of(RECORD);
        let record = Record::read(&staged).filter(|r| r.digest == digest)?;
        if let Err(error) = self.install_record(&staged, digest) {
            // The record is valid in its present place, too.
            let error = crate::error_chain(&error);
            tracing::warn!(error, "failed to finish the replacement of a baseline");
        }
        Some(record)
    }

    fn install_record(&self, staged: &Path, digest: &str) -> Result<(), DatabaseError> {
        self.install_config();
        self.install_accepted_reports(digest);
        remove_empty_dir(&self.record())?;
        rename(staged, &self.record())?;
        Ok(sync_dir(self.path())?)
    }

    /// Replaces the baseline with the new database, its record and its configuration. Keeps at most `max_backups` of
    /// earlier databases and reports.
    pub(crate) fn commit(
        &self,
        record: &Record,
        config: &str,
        now: Timestamp,
        max_backups: usize,
    ) -> Result<(), DatabaseError> {
        self.stage(record, config, now)?;
        self.replace(&record.digest, max_backups)
    }

    /// Makes the merged database the new one, instead of the one that AIDE has written.
    pub(crate) fn take_merged_database(&self) -> Result<(), DatabaseError> {
        Ok(rename(&self.merged_database(), &self.new_database())?)
    }

    /// Does everything before the replacement of the baseline, which may take long: writes the new database to the disk,
    /// its record and its configuration beside it, and a backup of the old one.
    pub(crate) fn stage(
        &self,
        record: &Record,
        config: &str,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        // Directories in the way must not interrupt the replacement later.
        for path in [self.database(), self.record(), self.new_of(RECORD)] {
            remove_empty_dir(&path)?;
        }
        self.sync_new_database()?;
        self.stage_config(config);
        write_synced(&self.new_of(RECORD), &record.to_json())?;
        self.back_up(now)
    }

    /// Replaces the baseline with the staged one, whose database has this digest. A failure to remove older backups is
    /// only logged: the new baseline is in place by then.
    pub(crate) fn replace(&self, digest: &str, max_backups: usize) -> Result<(), DatabaseError> {
        rename(&self.new_database(), &self.database())?;
        self.install_record(&self.new_of(RECORD), digest)?;
        self.prune_excluded_entries();
        self.prune_backups(max_backups);
        remove_best_effort(&[self.path().join(LEGACY_SIGNAL)]);
        Ok(())
    }

    /// Replaces the record of the database that is in place.
    pub(crate) fn rewrite_record(&self, record: &Record) -> Result<(), DatabaseError> {
        let staged = self.new_of(RECORD);
        write_synced(&staged, &record.to_json())?;
        self.install_record(&staged, &record.digest)
    }

    /// Removes a staged record: its baseline does not replace the old one.
    pub(crate) fn unstage(&self) {
        remove_best_effort(&[self.new_of(RECORD)]);
    }

    fn sync_new_database(&self) -> Result<(), FileError> {
        let new = self.new_database();
        let file = open_no_follow(&new, OpenOptions::new().read(true))
            .map_err(FileError::on("open", &new))?;
        restrict(&file, &new)?;
        file.sync_all().map_err(FileError::on("sync", &new))
    }
}

/// The sha256 of the uncompressed content of a gzip file, as lower-case hex.
pub fn digest_of_gzip(path: &Path) -> io::Result<String> {
    let mut stream =
        flate2::read::MultiGzDecoder::new(open_no_follow(path, OpenOptions::new().read(true))?);
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match stream.read(&mut chunk)? {
            0 => return Ok(names::hex(&hasher.finalize())),
            n => hasher.update(&chunk[..n]),
        }
    }
}
