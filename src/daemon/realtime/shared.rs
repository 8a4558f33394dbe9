//! What the threads of realtime detection share with the event loop.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::actors::announced::AnnouncedActors;
use super::dirty_paths::DirtyPaths;
use super::watch_state::WatchState;
use crate::aide::coverage::Extent;
use crate::locks::lock;

/// Something that the event loop has to know at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Paths were announced, after there were none.
    Announced,
    /// The kernel has dropped events.
    Overflow,
}

/// What was announced, and the state of the watcher.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dirty: Mutex<DirtyPaths>,
    pub(crate) state: Mutex<WatchState>,
    pub(crate) actors: Mutex<AnnouncedActors>,
    /// The start of the daemon's clock.
    start: Instant,
    notices: mpsc::UnboundedSender<Notice>,
}

impl Shared {
    pub(crate) fn new(
        dirty: DirtyPaths,
        start: Instant,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> Self {
        Self {
            dirty: Mutex::new(dirty),
            state: Mutex::default(),
            actors: Mutex::default(),
            start,
            notices,
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// A path may have changed.
    pub(crate) fn announce(&self, path: &[u8], extent: Extent) {
        let now = self.now();
        let mut dirty = lock(&self.dirty);
        let was_empty = dirty.due().is_none();
        dirty.announce(path, extent, now);
        drop(dirty);
        if was_empty {
            self.notices.send(Notice::Announced).ok();
        }
    }

    /// The kernel has dropped events: any path may have changed.
    pub(crate) fn overflowed(&self) {
        lock(&self.state).overflows += 1;
        let now = self.now();
        lock(&self.dirty).announce_everything(now);
        self.notices.send(Notice::Overflow).ok();
    }
}
