//! When a state that checks have shown is published. Pure; times are since the daemon's start.
//!
//! The first difference is published at once. More differences, and the end of all, wait until the state is
//! quiet: a package upgrade is a few results and not hundreds, and a file that toggles is one failure. A
//! failure stays for a while, so that each scrape of the metrics sees it.

use std::time::Duration;

/// For how long the state must not change before it is published.
const QUIET: Duration = Duration::from_secs(10);
/// Maximum time until further differences are published.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// For how long a failure stays published, unless a scan of all files ends it.
const HOLD: Duration = Duration::from_secs(60);
/// The same for a failure that soon follows the end of another one, and what "soon" is.
const REPEATED_HOLD: Duration = Duration::from_secs(600);
/// Minimum time between two failure logs while the state is not quiet.
const LOG_INTERVAL: Duration = Duration::from_secs(300);

/// The state of the node: clean, or the hash of its differences.
pub(crate) type StateHash = Option<String>;

/// What was published last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Published {
    /// Nothing, no success, or an error.
    #[default]
    Other,
    Clean,
    Failed(String),
}

/// A result to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    /// Whether the failure log is written, too.
    pub(crate) with_log: bool,
}

/// What was published when, and what is known since.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pacing {
    /// The time from the first difference to its result.
    first_delay: Duration,
    published: Published,
    known: StateHash,
    /// When another state became known last.
    changed_at: Option<Duration>,
    /// Since when the known state is not the published one.
    differs_since: Option<Duration>,
    failed_at: Duration,
    recovered_at: Option<Duration>,
    hold: Duration,
    logged_at: Option<Duration>,
    is_log_outdated: bool,
}

impl Pacing {
    /// Nothing is published. The first difference is published after `first_delay`.
    pub(crate) fn new(first_delay: Duration) -> Self {
        Self {
            first_delay,
            ..Self::default()
        }
    }

    /// There is a new baseline: what was published is over.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.first_delay);
    }

    /// A check has shown this state, which is another one than before.
    pub(crate) fn known(&mut self, state: StateHash, now: Duration) {
        self.changed_at = Some(now);
        self.known = state;
        let since = self.differs_since.or(Some(now));
        self.differs_since = since.filter(|_| !self.is_published());
    }

    /// Whether the known state is the published one. An error stands for all states without differences.
    fn is_published(&self) -> bool {
        match (&self.published, &self.known) {
            (Published::Failed(published), Some(known)) => published == known,
            (Published::Other | Published::Clean, None) => true,
            _ => false,
        }
    }

    /// When the known state is published; none if it is. `is_burst`: more paths of a burst wait for their
    /// check, so the state is not quiet before their end.
    pub(crate) fn due(&self, is_burst: bool) -> Option<Duration> {
        let quiet = self.quiet_at();
        let Some(since) = self.differs_since else {
            return (self.is_log_outdated && !is_burst).then_some(quiet);
        };
        Some(match (&self.published, &self.known) {
            (Published::Failed(_), Some(_)) if is_burst => since + MAX_WAIT,
            (Published::Failed(_), Some(_)) => quiet.min(since + MAX_WAIT),
            (Published::Failed(_), None) => quiet.max(self.failed_at + self.hold),
            (Published::Other | Published::Clean, _) => since + self.first_delay,
        })
    }

    /// What to publish now, if it is due.
    pub(crate) fn publication(&self, now: Duration, is_burst: bool) -> Option<Publication> {
        self.due(is_burst).filter(|due| *due <= now)?;
        let is_first = !matches!(self.published, Published::Failed(_));
        let may_log = is_first
            || (!is_burst && self.quiet_at() <= now)
            || self.logged_at.is_none_or(|at| at + LOG_INTERVAL <= now);
        Some(Publication { with_log: may_log })
    }

    /// Whether the end of all differences may be published. A state that was another one a moment ago may
    /// be so again.
    pub(crate) fn may_recover(&self, now: Duration) -> bool {
        !matches!(self.published, Published::Failed(_)) || self.quiet_at() <= now
    }

    /// The known state was published as failed or clean.
    pub(crate) fn published(&mut self, state: StateHash, with_log: bool, now: Duration) {
        let had_failed = matches!(self.published, Published::Failed(_));
        self.differs_since = None;
        self.known.clone_from(&state);
        self.is_log_outdated = state.is_some() && !with_log;
        if state.is_some() && with_log {
            self.logged_at = Some(now);
        }
        match (&state, had_failed) {
            (Some(_), false) => self.failed(now),
            (None, true) => self.recovered_at = Some(now),
            _ => {}
        }
        self.published = state.map_or(Published::Clean, Published::Failed);
    }

    fn failed(&mut self, now: Duration) {
        let recovered = self.recovered_at;
        let is_repeated = recovered.is_some_and(|at| now < at + REPEATED_HOLD);
        self.hold = if is_repeated { REPEATED_HOLD } else { HOLD };
        self.failed_at = now;
    }

    /// An error was published.
    pub(crate) fn published_error(&mut self) {
        self.published = Published::Other;
        self.differs_since = None;
        self.is_log_outdated = false;
    }

    fn quiet_at(&self) -> Duration {
        self.changed_at.map_or(Duration::ZERO, |at| at + QUIET)
    }
}

#[cfg(test)]
mod tests;
