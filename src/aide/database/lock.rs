//! The lock of the state directory. I/O.

use std::fs::{File, OpenOptions};

use rustix::fs::FlockOperation;
use rustix::io::FdFlags;

use super::error::DatabaseError;
use super::safe_fs::{open_no_follow, remove_empty_dir};
use super::state_dir::StateDir;
use crate::file_error::FileError;

const LOCK: &str = "aide.lock";

impl StateDir {
    /// Locks the directory until the returned file is closed, also in all programs that are started
    /// meanwhile: an AIDE process that outlives its daemon keeps the next daemon out.
    pub(crate) fn lock(&self) -> Result<File, DatabaseError> {
        let path = self.path().join(LOCK);
        remove_empty_dir(&path)?;
        let file = open_no_follow(&path, OpenOptions::new().write(true).create(true))
            .map_err(FileError::on("open the lock", &path))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                rustix::io::fcntl_setfd(&file, FdFlags::empty())
                    .map_err(|errno| FileError::on("share the lock", &path)(errno.into()))?;
                Ok(file)
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DatabaseError::Locked { path }),
            Err(errno) => Err(FileError::on("lock", &path)(errno.into()).into()),
        }
    }
}
