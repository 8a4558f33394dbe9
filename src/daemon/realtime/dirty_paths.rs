//! The paths that were announced as changed and are not checked yet, and when to check them. Pure; times
//! are since the daemon's start.
//!
//! A check waits until nothing was announced for the delay, but not for longer than a burst may last. The
//! pause after a check is four times as long as the check, so that checks use at most a fifth of the time.
//! If more was announced than one check can compare, the first check compares few paths, so that the
//! first difference is known soon. The others follow by directory, in several checks or in a scan.

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
/// Number of paths of the first check, if there are too many for one.
const MAX_FIRST: usize = 50;
/// Maximum number of directories that are checked one part after another. A scan takes less time for more.
const MAX_DIRECTORIES: usize = 1000;

/// A part of the node, or all of it if too much was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Part(Coverage),
    Everything,
}

impl Default for Scope {
    fn default() -> Self {
        Self::Part(Coverage::default())
    }
}

impl Scope {
    pub(crate) fn add(&mut self, path: &[u8], extent: Extent) {
        if let Self::Part(coverage) = self {
            coverage.add(path, extent);
            self.bound();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Part(coverage) if coverage.is_empty())
    }

    fn extend(&mut self, other: &Coverage) {
        if let Self::Part(coverage) = self {
            coverage.extend(other);
            self.bound();
        }
    }

    /// Replaces too many paths by their directories, or too many directories by everything.
    fn bound(&mut self) {
        let Self::Part(coverage) = self else { return };
        if coverage.len() <= MAX_REMEMBERED {
            return;
        }
        let directories = coverage.by_directory();
        *self = if directories.len() <= MAX_DIRECTORIES {
            Self::Part(directories)
        } else {
            Self::Everything
        };
    }
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
    /// The first of these paths. None if they were checked already.
    first: Option<Coverage>,
    /// Directories of earlier announced paths, which did not fit in a check.
    rest: Coverage,
    /// A part of the rest is being checked.
    is_checking_rest: bool,
    /// What was announced since the scan of the whole node that runs now started, or was not checked then.
    since_scan: Option<Scope>,
    /// The end of the pause after the last check.
    paused_until: Duration,
}

impl DirtyPaths {
    /// No paths. `host_root` is the mount of the node's root, which AIDE's paths begin with.
    pub(crate) fn new(delay: Duration, host_root: String) -> Self {
        Self {
            delay,
            host_root,
            scope: Scope::default(),
            announced: None,
            first: Some(Coverage::default()),
            rest: Coverage::default(),
            is_checking_rest: false,
            since_scan: None,
            paused_until: Duration::ZERO,
        }
    }

    /// Remembers a path that may have changed.
    pub(crate) fn announce(&mut self, path: &[u8], extent: Extent, now: Duration) {
        self.touch(now);
        self.scope.add(path, extent);
        if let Some(first) = &mut self.first
            && first.len() < MAX_FIRST
        {
            first.add(path, extent);
        }
        if let Some(scope) = &mut self.since_scan {
            scope.add(path, extent);
        }
    }

    /// Remembers that any path may have changed, such as after an overflow of the kernel's queue.
    pub(crate) fn announce_everything(&mut self, now: Duration) {
        self.touch(now);
        self.scope = Scope::Everything;
        self.first = None;
        if let Some(scope) = &mut self.since_scan {
            *scope = Scope::Everything;
        }
    }

    /// Remembers a part whose check has not shown its state.
    pub(crate) fn announce_part(&mut self, part: &Coverage, now: Duration) {
        self.touch(now);
        self.scope.extend(part);
        if let Some(scope) = &mut self.since_scan {
            scope.extend(part);
        }
    }

    fn touch(&mut self, now: Duration) {
        let (first, _) = self.announced.unwrap_or((now, now));
        self.announced = Some((first, now));
    }

    /// A scan of the whole node starts, which checks what was announced before. `checking` is the part that is
    /// being checked.
    pub(crate) fn scan_started(&mut self, checking: Option<&Coverage>) {
        if self.is_everything() {
            // This is the scan that checks everything.
            self.clear();
        }
        // The paths stay announced: the scan may take long.
        let mut since = self.scope.clone();
        since.extend(&self.rest);
        if let Some(part) = checking {
            since.extend(part);
        }
        self.since_scan = Some(since);
    }

    /// The scan has ended. Returns where the scan may not have seen the newest state.
    pub(crate) fn scan_ended(&mut self) -> Scope {
        self.since_scan.take().unwrap_or_default()
    }

    /// Nothing is announced: there is no baseline to compare with.
    pub(crate) fn clear(&mut self) {
        self.rest = Coverage::default();
        self.take_scope();
    }

    /// When the next check is due; none if nothing was announced.
    pub(crate) fn due(&self) -> Option<Duration> {
        if !self.rest.is_empty() {
            return Some(self.paused_until);
        }
        let (first, last) = self.announced?;
        let quiet = (last + self.delay).min(first + self.delay * MAX_DELAYS);
        Some(quiet.max(self.paused_until))
    }

    /// What to check now. Paths that do not fit stay dirty.
    pub(crate) fn take(&mut self) -> Option<Scope> {
        if self.rest.is_empty() {
            self.announced?;
            if let Scope::Part(coverage) = &self.scope
                && self.fits(coverage)
            {
                return Some(self.take_scope());
            }
            let first = self.first.take();
            if let Some(first) = first.filter(|it| !it.is_empty() && self.fits(it)) {
                return Some(Scope::Part(first));
            }
            let Scope::Part(coverage) = self.take_scope() else {
                return Some(Scope::Everything);
            };
            self.rest = coverage.by_directory();
        }
        let part = self.take_rest();
        self.is_checking_rest = part.is_some();
        Some(part.map_or(Scope::Everything, Scope::Part))
    }

    /// Whether only a part of what was announced together has been checked.
    pub(crate) fn is_burst(&self) -> bool {
        let waits = !self.rest.is_empty() || (self.first.is_none() && self.announced.is_some());
        waits || self.is_checking_rest
    }

    /// As much of the rest as fits; none if a scan takes less time.
    fn take_rest(&mut self) -> Option<Coverage> {
        let rest = std::mem::take(&mut self.rest);
        if rest.len() > MAX_DIRECTORIES {
            return None;
        }
        let mut size = rest.len().min(MAX_CHECKED);
        while size > 0 {
            let (part, rest) = rest.split_at(size);
            if self.fits(&part) {
                self.rest = rest;
                return Some(part);
            }
            size /= 2;
        }
        None
    }

    fn take_scope(&mut self) -> Scope {
        self.announced = None;
        self.first = Some(Coverage::default());
        std::mem::take(&mut self.scope)
    }

    /// Whether one check can compare this.
    fn fits(&self, coverage: &Coverage) -> bool {
        coverage.len() <= MAX_CHECKED && limit::expression(coverage, &self.host_root).is_some()
    }

    /// Whether a path was announced and is not checked yet.
    pub(crate) fn contains(&self, path: &[u8]) -> bool {
        let is_in_scope = match &self.scope {
            Scope::Part(part) => part.contains(path),
            Scope::Everything => true,
        };
        is_in_scope || self.rest.contains(path)
    }

    /// Whether too much was announced for checks.
    pub(crate) fn is_everything(&self) -> bool {
        self.scope == Scope::Everything
    }

    /// Whether some paths are to be checked before all others.
    pub(crate) fn has_first(&self) -> bool {
        self.first.as_ref().is_some_and(|first| !first.is_empty())
    }

    /// A check has ended. Returns the end of the pause after it.
    pub(crate) fn checked(&mut self, started: Duration, ended: Duration) -> Duration {
        self.is_checking_rest = false;
        let took = ended.saturating_sub(started);
        self.paused_until = ended + took * PAUSE;
        self.paused_until
    }
}

#[cfg(test)]
mod tests;
