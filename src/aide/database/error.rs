//! Errors of the state directory.

use std::io;
use std::path::PathBuf;

use crate::file_error::FileError;

/// An operation in the state directory failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another daemon holds the lock.
    #[error(
        "{} is locked by another fio daemon on this node, or by an AIDE process that it left behind; two \
         FileIntegrity objects must not select the same node",
        path.display()
    )]
    Locked {
        /// The path of the lock file.
        path: PathBuf,
    },
    /// A directory that is not empty has the name of one of fio's files.
    #[error("{} is a directory, but fio needs a file there; move or remove the directory", path.display())]
    BlockedByDirectory {
        /// The path of the directory.
        path: PathBuf,
        /// Why it cannot be removed.
        source: io::Error,
    },
    /// The path leads to another directory than the one that was opened.
    #[error(
        "the state directory {} was replaced after the daemon locked it: it {reason}; restore the directory, \
         or restart the daemon's pod to use the new one",
        path.display()
    )]
    Replaced {
        /// The path of the state directory.
        path: PathBuf,
        /// What is there now.
        reason: String,
    },
    /// No directory is suitable.
    #[error(
        "{reason}; set spec.config.stateDir to a directory on a disk that only root can write to, such as \
         /var/lib/file-integrity, or leave it unset"
    )]
    NoStateDir {
        /// The directories and why they are not suitable.
        reason: String,
    },
    /// The directory that contains the baseline cannot be used now.
    #[error(
        "the state directory {dir} contains the baseline, but it {reason}; fix this, or set \
         spec.config.stateDir to another directory, which gets a new baseline"
    )]
    Unusable {
        /// Its path on the node.
        dir: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// Since the directory was opened, users other than root got write access.
    #[error("the state directory {} {reason}", path.display())]
    Unsafe {
        /// The path of the state directory.
        path: PathBuf,
        /// Which directory, and how to fix it.
        reason: String,
    },
}
