//! The latest plain report. I/O.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};

use super::error::DatabaseError;
use super::safe_fs::{open_no_follow, remove_empty_dir};
use super::state_dir::StateDir;
use crate::file_error::FileError;

/// Maximum size of a plain report, in bytes. Its lists of paths come first: they fit for about 600,000
/// files.
pub(super) const MAX_LOG: u64 = 64 * 1024 * 1024;
/// Bytes of these that are reserved for the note that the report was truncated.
const NOTE_SIZE: u64 = 128;

impl StateDir {
    /// Makes the report that AIDE has finished the latest one.
    pub(crate) fn take_log(&self) -> Result<(), DatabaseError> {
        remove_empty_dir(&self.log())?;
        let new = self.new_log();
        match fs::rename(&new, self.log()) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(FileError::on("rename", &new)(e).into())
            }
            _ => Ok(()),
        }
    }

    /// Truncates the latest report if it is longer than the maximum. Adds a note if it is truncated or
    /// not complete because AIDE was terminated.
    pub(crate) fn bound_log(&self, is_complete: bool) -> Result<(), DatabaseError> {
        let path = self.log();
        let file = open_no_follow(&path, OpenOptions::new().append(true));
        let truncated = file.and_then(|mut file| {
            let size = file.metadata()?.len();
            if is_complete && size <= MAX_LOG {
                return Ok(());
            }
            let length = size.min(MAX_LOG - NOTE_SIZE);
            file.set_len(length)?;
            let more = if is_complete { "" } else { "more than " };
            writeln!(
                file,
                "\n[truncated: the report had {more}{size} bytes, these are the first {length}]"
            )
        });
        match truncated {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::on("truncate", &path)(error).into())
            }
            _ => Ok(()),
        }
    }
}
