//! The limits of a run, and how it exceeded them. Pure.

use std::fmt;
use std::time::Duration;

/// Default maximum duration of a run.
pub(crate) const TOTAL: Duration = Duration::from_secs(6 * 60 * 60);
/// Maximum time without progress. Slow disks respond earlier.
const STALL: Duration = Duration::from_secs(600);

/// The limits of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Maximum duration of a run.
    pub total: Duration,
    /// Maximum time without progress.
    pub stall: Duration,
}

impl Limits {
    /// Limits with this maximum duration. The maximum time without progress is ten minutes or less.
    pub(crate) fn of_total(total: Duration) -> Self {
        Self {
            total,
            stall: STALL.min(total),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of_total(TOTAL)
    }
}

/// A run that exceeded a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hang {
    /// Whether it made no progress. Otherwise it took too long.
    pub stalled: bool,
    /// The time without progress, or the duration.
    pub duration: Duration,
    /// The path of the file on the node, if it is known.
    pub path: Option<String>,
    /// The file system of the file, unless it is the root: type, source and mount point.
    pub mount: Option<String>,
}

impl fmt::Display for Hang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.duration.as_secs();
        if self.stalled {
            write!(f, "no progress for {seconds} seconds")?;
        } else {
            write!(f, "not finished after {seconds} seconds")?;
        }
        if let Some(path) = &self.path {
            write!(f, " at {path}")?;
        }
        if let Some(mount) = &self.mount {
            write!(f, " ({mount})")?;
        }
        Ok(())
    }
}
