//! The paths that were announced as changed and are not checked yet, and when to check them. Pure; times
//! are since the daemon's start.
//!
//! A check waits until nothing was announced for the delay, but not for longer than a burst may last. The
//! pause after a check is four times as long as the check, so that checks use at most a fifth of the time.

use std::time::Duration;

use crate::aide::coverage::{Coverage, Extent};
use crate::aide::limit;

/// Maximum time from the first announced path to its check, in delays.
const MAX_DELAYS: u32 = 4;
/// Pause after a check, in durations of the check.
const PAUSE: u32 = 4;
/// Maximum number of paths that are remembered. Beyond it, their directories are.
const MAX_REMEMBERED: usize = 2000;
/// Maximum number of paths of a check.
const MAX_CHECKED: usize = 300;

/// What to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A part of the node.
    Part(Coverage),
    /// The whole node: too much was announced.
    Everything,
}

/// Paths that were announced as changed.
#[derive(Clone, Debug)]
pub(crate) struct DirtyPaths {
    /// For how long nothing must be announced before a check.
    delay: Duration,
    host_root: String,
    scope: Scope,
    /// When the first and the last path was announced.
    announced: Option<(Duration, Duration)>,
    /// The end of the pause after the last check.
    paused_until: Duration,
}

impl DirtyPaths {
    /// No paths. `host_root` is the mount of the node's root, which AIDE's paths begin with.
    pub(crate) fn new(delay: Duration, host_root: String) -> Self {
        Self {
            delay,
            host_root,
            scope: Scope::Part(Coverage::default()),
            announced: None,
            paused_until: Duration::ZERO,
        }
    }

    /// Remembers a path that may have changed.
    pub(crate) fn announce(&mut self, path: &[u8], extent: Extent, now: Duration) {
        let (first, _) = self.announced.unwrap_or((now, now));
        self.announced = Some((first, now));
        let Scope::Part(coverage) = &mut self.scope else {
            return;
        };
        coverage.add(path, extent);
        if coverage.len() <= MAX_REMEMBERED {
            return;
        }
        let directories = coverage.by_directory();
        self.scope = if directories.len() <= MAX_REMEMBERED / 2 {
            Scope::Part(directories)
        } else {
            Scope::Everything
        };
    }

    /// Remembers that any path may have changed, such as after an overflow of the kernel's queue.
    pub(crate) fn announce_everything(&mut self, now: Duration) {
        let (first, _) = self.announced.unwrap_or((now, now));
        self.announced = Some((first, now));
        self.scope = Scope::Everything;
    }

    /// Whether an entry with this path waits for a check.
    pub(crate) fn contains(&self, path: &[u8]) -> bool {
        self.announced.is_some()
            && match &self.scope {
                Scope::Part(coverage) => coverage.contains(path),
                Scope::Everything => true,
            }
    }

    /// When the next check is due; none if nothing was announced.
    pub(crate) fn due(&self) -> Option<Duration> {
        let (first, last) = self.announced?;
        let quiet = (last + self.delay).min(first + self.delay * MAX_DELAYS);
        Some(quiet.max(self.paused_until))
    }

    /// What to check now. Nothing is dirty afterwards.
    pub(crate) fn take(&mut self) -> Option<Scope> {
        self.announced.take()?;
        let scope = std::mem::replace(&mut self.scope, Scope::Part(Coverage::default()));
        let Scope::Part(coverage) = scope else {
            return Some(Scope::Everything);
        };
        let fits = |coverage: &Coverage| {
            coverage.len() <= MAX_CHECKED && limit::expression(coverage, &self.host_root).is_some()
        };
        let by_directory = || Some(coverage.by_directory()).filter(|it| fits(it));
        let part = Some(&coverage).filter(|it| fits(it)).cloned();
        Some(
            part.or_else(by_directory)
                .map_or(Scope::Everything, Scope::Part),
        )
    }

    /// A check has ended.
    pub(crate) fn checked(&mut self, started: Duration, ended: Duration) {
        let took = ended.saturating_sub(started);
        self.paused_until = ended + took * PAUSE;
    }
}

#[cfg(test)]
mod tests;
