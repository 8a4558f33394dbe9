//! The signal file on the node. I/O.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::OFlags;

/// How often the file is looked for. The signal is the slow way beside the node status, and one
/// look is a single system call.
pub const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Longest text that a signal may hold; an id is far shorter.
const MAX_TEXT: u64 = 1024;

/// The signal file.
#[derive(Clone, Debug)]
pub struct SignalFile {
    path: PathBuf,
}

impl SignalFile {
    /// The signal file at this path.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Its text, if it is there. What is no file of its own (a link, a directory) counts as a
    /// signal without text.
    pub fn read(&self) -> Option<String> {
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

    /// Removes it, also where it is an empty directory. One that is gone already is fine.
    pub fn clear(&self) -> io::Result<()> {
        let removed = match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::remove_dir(&self.path),
            removed => removed,
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes it. Returns the text of one that cannot be removed: it has been seen to, and is no
    /// signal any more while it stays as it is.
    pub fn clear_or_remember(&self) -> Option<String> {
        let error = self.clear().err()?;
        tracing::warn!(
            error = crate::error_chain(&error),
            path = %self.path.display(),
            "the signal file cannot be removed; it asks for another baseline after a restart"
        );
        self.read()
    }

    /// Puts a signal with this text there, whole.
    pub fn put(&self, text: &str) -> io::Result<()> {
        let new = self.path.with_extension("reinit.new");
        fs::write(&new, text)?;
        fs::rename(new, &self.path)
    }

    /// Whether it is there.
    pub fn exists(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_put_read_and_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let signal = SignalFile::new(dir.path().join("aide.reinit"));
        assert_eq!(signal.read(), None);
        signal.put("r1\n").unwrap();
        assert_eq!(signal.read().as_deref(), Some("r1"));
        signal.clear().unwrap();
        signal.clear().unwrap();
        assert!(!signal.exists());
    }

    #[test]
    fn a_directory_is_a_signal_that_is_cleared_or_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("aide.reinit");
        let signal = SignalFile::new(path.clone());
        fs::create_dir(&path).unwrap();
        assert_eq!(signal.read().as_deref(), Some(""));
        assert_eq!(signal.clear_or_remember(), None);
        assert!(!signal.exists());
        fs::create_dir_all(path.join("full")).unwrap();
        assert_eq!(signal.clear_or_remember(), signal.read());
        assert!(signal.exists());
    }

    #[test]
    fn a_link_is_a_signal_but_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        let signal = SignalFile::new(dir.path().join("aide.reinit"));
        std::os::unix::fs::symlink(&secret, dir.path().join("aide.reinit")).unwrap();
        assert_eq!(signal.read().as_deref(), Some(""));
        signal.clear().unwrap();
        assert!(secret.exists());
    }
}
