//! When something is done next. Pure.

use std::time::Duration;

/// First pause after a failed initialization; it doubles up to [`MAX_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// Maximum pause after a failed initialization or an interrupted scan.
const MAX_RETRY: Duration = Duration::from_secs(600);

/// Pause before a scan that events of the kernel cause, in durations of the scan before: many events must not
/// load the node all the time.
const PAUSE: u32 = 4;

/// The schedule of scans.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// Pause between the end of a scan and the next.
    interval: Duration,
    /// Fraction of the interval (0 to 1) for the pause after the first scan.
    first_fraction: f64,
    is_first: bool,
    /// Start of the newest scan.
    started: Duration,
    /// The end of the pause after it.
    paused_until: Duration,
}

impl Schedule {
    pub(super) fn new(interval: Duration, first_fraction: f64) -> Self {
        Self {
            interval,
            first_fraction: first_fraction.clamp(0.0, 1.0),
            is_first: true,
            started: Duration::ZERO,
            paused_until: Duration::ZERO,
        }
    }

    pub(super) fn scan_started(&mut self, now: Duration) {
        self.started = now;
    }

    pub(super) fn scan_ended(&mut self, now: Duration) {
        self.paused_until = now + now.saturating_sub(self.started) * PAUSE;
    }

    /// When a scan starts that cannot wait for the end of the interval.
    pub(super) fn soon(&self, now: Duration) -> Duration {
        self.paused_until.max(now)
    }

    /// When the scan after one that ends now starts.
    pub(super) fn after_scan(&mut self, now: Duration) -> Duration {
        if std::mem::take(&mut self.is_first) {
            now + self.interval.mul_f64(self.first_fraction)
        } else {
            now + self.interval
        }
    }

    /// Errors are reported again after one interval, so that the node does not become stale.
    pub(super) fn report_again(&self, now: Duration) -> Duration {
        now + self.interval
    }
}

/// Pause after this many failed attempts.
pub(super) fn retry_after(attempts: u32) -> Duration {
    FIRST_RETRY
        .saturating_mul(1 << attempts.saturating_sub(1).min(16))
        .min(MAX_RETRY)
}
