//! What the watcher of the kernel's events has achieved. Pure.

use crate::api::{RealtimeBackend, RealtimeReason};

use super::marks::Unmarked;

/// The state of the watcher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WatchState {
    /// What watches; none before the directories are watched for the first time.
    pub(crate) backend: Option<RealtimeBackend>,
    /// Why fanotify is not used.
    pub(crate) fallback: Option<String>,
    /// Number of watched directories.
    pub(crate) directories: u64,
    /// The directories that are not watched.
    pub(crate) unmarked: Unmarked,
    /// Those that were not watched before and are now, until a scan of all files has ended: what has changed there
    /// earlier is not known.
    pub(crate) marked_late: Unmarked,
    /// Watched file systems whose changes are not all reported.
    pub(crate) remote: Remote,
    /// Number of times that the kernel has dropped events.
    pub(crate) overflows: u64,
    /// Why nothing is watched.
    pub(crate) error: Option<WatchError>,
}

impl WatchState {
    /// The directories whose changes are not all known: they are not watched, or only since the last scan.
    pub(crate) fn not_covered(&self) -> &Unmarked {
        if self.unmarked == Unmarked::default() {
            &self.marked_late
        } else {
            &self.unmarked
        }
    }

    /// A scan of all files has ended.
    pub(crate) fn all_compared(&mut self) {
        self.marked_late = Unmarked::default();
    }
}

/// Mounted file systems that other machines write to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) count: u64,
    /// The path and the kind of the first one.
    pub(crate) first: Option<String>,
}

/// Why nothing is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchError {
    pub(crate) reason: RealtimeReason,
    pub(crate) message: String,
}
