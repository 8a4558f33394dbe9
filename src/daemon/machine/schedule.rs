//! When something is done next. Pure.

use std::time::Duration;

/// First pause after a failed initialization; it doubles up to [`MAX_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// Maximum pause after a failed initialization or an interrupted scan.
const MAX_RETRY: Duration = Duration::from_secs(600);

/// The schedule of scans.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// Pause between the end of a scan and the next.
    interval: Duration,
    /// Fraction of the interval (0 to 1) for the pause after the first scan.
    first_fraction: f64,
    is_first: bool,
}

impl Schedule {
    pub(super) fn new(interval: Duration, first_fraction: f64) -> Self {
        Self {
            interval,
            first_fraction: first_fraction.clamp(0.0, 1.0),
            is_first: true,
        }
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
