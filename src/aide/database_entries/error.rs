//! Errors of reading and writing databases.

use std::path::PathBuf;

use crate::file_error::FileError;

/// A database could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntriesError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line is not what AIDE writes there.
    #[error("line {number} of {} is no line of a database: {problem}", path.display())]
    Line {
        path: PathBuf,
        /// Number of the line, beginning with 1.
        number: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// The databases are of different configurations or versions of AIDE.
    #[error("the databases have different attributes: {old}, and {new}")]
    Columns {
        /// The columns of the old database.
        old: String,
        /// The columns of the new database.
        new: String,
    },
    /// The selected entries would take too much memory.
    #[error("the selected entries of {} have more than {limit} bytes", path.display())]
    TooManyFound {
        path: PathBuf,
        /// Maximum number of bytes.
        limit: usize,
    },
}
