//! Detects a path that is announced all the time. Pure; times are since the daemon's start.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::aide::coverage::Coverage;

/// After this time of checks without a break, a path counts as busy.
const LONG: Duration = Duration::from_secs(60);
/// Maximum time between two checks without a break, besides the pause after a check.
const BREAK: Duration = Duration::from_secs(5);
/// Maximum number of paths that are compared.
const MAX_PATHS: usize = 100;

/// The paths that all checks of a series had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy {
    since: Duration,
    /// When the next check has to start to be one of the series.
    until: Duration,
    common: BTreeSet<Vec<u8>>,
}

impl Busy {
    /// A check of this part has ended.
    pub(crate) fn checked(&mut self, part: &Coverage, started: Duration, pause_until: Duration) {
        let is_continued = started <= self.until;
        self.common
            .retain(|path| is_continued && part.contains(path));
        if self.common.is_empty() {
            self.since = started;
            let paths = part.iter().take(MAX_PATHS);
            self.common = paths.map(|(path, _)| path.to_vec()).collect();
        }
        self.until = pause_until + BREAK;
    }

    /// A path that was in all checks for a long time.
    pub(crate) fn path(&self, now: Duration) -> Option<&[u8]> {
        let is_long = now <= self.until && now >= self.since + LONG;
        self.common.first().filter(|_| is_long).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests;
