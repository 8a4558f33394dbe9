//! File operations as root in a directory where others may have put links or directories. I/O.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::error::DatabaseError;
use crate::file_error::FileError;

/// Only root may read a database: it lists all files and shows which of them are writable.
const FILE_MODE: u32 = 0o600;

/// Opens a file, but does not follow a link in its place.
pub(in crate::aide) fn open_no_follow(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[expect(
        clippy::cast_possible_wrap,
        reason = "the flag is a small positive number"
    )]
    let no_follow = OFlags::NOFOLLOW.bits() as i32;
    options.mode(FILE_MODE).custom_flags(no_follow).open(path)
}

/// Makes a file readable by root only.
pub(super) fn restrict(file: &File, path: &Path) -> Result<(), FileError> {
    file.set_permissions(fs::Permissions::from_mode(FILE_MODE))
        .map_err(FileError::on("set the mode of", path))
}

/// Writes and syncs a file. Removes it if that fails.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    open_no_follow(path, &mut options)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(|error| {
            fs::remove_file(path).ok();
            FileError::on("write", path)(error)
        })
}

/// Syncs the entries of a directory.
pub(super) fn sync_dir(dir: &Path) -> Result<(), FileError> {
    File::open(dir)
        .and_then(|opened| opened.sync_all())
        .map_err(FileError::on("sync", dir))
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).map_err(FileError::on("rename", from))
}

/// Removes an empty directory that has the name of a file. A directory with content is not removed: it
/// is not fio's.
pub(super) fn remove_empty_dir(path: &Path) -> Result<(), DatabaseError> {
    if !fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
        return Ok(());
    }
    match fs::remove_dir(path) {
        Ok(()) => tracing::warn!(
            path = %path.display(),
            "removed an empty directory that had the name of a file"
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => {
            let path = path.to_owned();
            return Err(DatabaseError::BlockedByDirectory { path, source });
        }
    }
    Ok(())
}

/// Removes a file if it exists.
pub(in crate::aide) fn remove_if_exists(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FileError::on("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Removes as many of these files as possible, and logs the others.
pub(super) fn remove_best_effort(paths: &[PathBuf]) {
    for path in paths {
        if let Err(error) = remove_if_exists(path) {
            let error = crate::error_chain(&error);
            tracing::warn!(error, "failed to remove a file from the state directory");
        }
    }
}
