//! The signal file on the node. I/O.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::OFlags;

/// How often the file is polled, with a single system call. The node status is the faster way to request
/// a re-initialization.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(3);
/// Maximum bytes of the file's text; an id is much shorter.
const MAX_TEXT: u64 = 1024;

/// A file on the node that requests a re-initialization.
#[derive(Clone, Debug)]
pub(crate) struct SignalFile {
    path: PathBuf,
}

impl SignalFile {
    /// The signal file at this path.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The text of the file, if it exists. A link or a directory counts as a file without text.
    pub(crate) fn read(&self) -> Option<String> {
        fs::symlink_metadata(&self.path).ok()?;
        let mut text = Vec::new();
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        #[expect(
            clippy::cast_possible_wrap,
            reason = "the flags are small positive numbers"
        )]
        let flags = flags.bits() as i32;
        if let Ok(file) = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&self.path)
        {
            file.take(MAX_TEXT).read_to_end(&mut text).ok();
        }
        Some(String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// Removes the file, or an empty directory. One that does not exist is no error.
    pub(crate) fn clear(&self) -> io::Result<()> {
        let removed = match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::remove_dir(&self.path),
            removed => removed,
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes the file. If that fails, returns its text: it was handled, and is ignored as long as it does
    /// not change.
    pub(crate) fn clear_or_remember(&self) -> Option<String> {
        let error = self.clear().err()?;
        tracing::warn!(
            error = crate::error_chain(&error),
            path = %self.path.display(),
            "failed to remove the signal file; after a restart it requests another baseline"
        );
        self.read()
    }

    /// Writes the file atomically.
    pub(crate) fn put(&self, text: &str) -> io::Result<()> {
        let new = self.path.with_extension("reinit.new");
        fs::write(&new, text)?;
        fs::rename(new, &self.path)
    }

    /// Whether the file exists.
    pub(crate) fn exists(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok()
    }
}

#[cfg(test)]
mod tests;
