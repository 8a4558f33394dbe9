//! When each node status changed last. Pure, but for the clock.
//!
//! Changes that only concern realtime detection do not count: they must not hide scans that never finish.
//!
//! The time since a change is measured on this operator's monotonic clock, from the moment at which
//! its watch showed the change. So the clocks of nodes do not matter. Changes from before this
//! operator began to watch are dated by the API server.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::Event;
use tokio::time::Instant;

use super::node_status::CachedNodeStatus;
use crate::locks::lock;

/// A scan may be late by three periods and this long.
const MAX_DELAY: Duration = Duration::from_secs(60);
/// How long an initialization may take without a report. A daemon that cannot start, for example
/// because its image cannot be pulled, gets no more time.
const INITIALIZATION: Duration = Duration::from_secs(900);

/// How long a node may go without a report.
///
/// With a baseline: three times the period in seconds or the last scan's duration, whichever is longer,
/// and a minute. Without one: 15 minutes, or longer where scans take long.
pub(crate) fn max_silence(period: i64, last_scan: Option<Duration>, initialized: bool) -> Duration {
    let last_scan = last_scan.unwrap_or_default();
    let scans = |longest: Duration| longest.saturating_mul(3).saturating_add(MAX_DELAY);
    if initialized {
        let period = Duration::from_secs(u64::try_from(period).unwrap_or(0));
        scans(period.max(last_scan))
    } else {
        scans(last_scan).max(INITIALIZATION)
    }
}

/// When each node status changed last.
#[derive(Debug, Default)]
pub(crate) struct Freshness(Mutex<Changes>);

#[derive(Debug, Default)]
struct Changes {
    last: HashMap<Arc<str>, LastChange>,
    /// While the watch lists all objects again: those that the list has not shown yet.
    unlisted: HashSet<Arc<str>>,
}

#[derive(Debug)]
struct LastChange {
    version: Arc<str>,
    /// The hash that only other reports than those of realtime detection change.
    scan: u64,
    seen: Instant,
    /// How old the change was when it was seen.
    age: Duration,
}

impl Freshness {
    /// Records an event of the watch of node statuses.
    pub(crate) fn record(&self, event: &Event<CachedNodeStatus>) {
        self.with(|changes| match event {
            Event::Init => changes.unlisted = changes.last.keys().cloned().collect(),
            Event::InitApply(status) => changes.record(status, age(status, Timestamp::now())),
            Event::Apply(status) => changes.record(status, Duration::ZERO),
            Event::InitDone => {
                for name in std::mem::take(&mut changes.unlisted) {
                    changes.last.remove(&name);
                }
            }
            Event::Delete(status) => {
                changes.last.remove(&status.name);
            }
        });
    }

    /// The time since the last change of this node status.
    pub(crate) fn since_last_change(&self, status: &CachedNodeStatus) -> Duration {
        self.with(|changes| {
            let last = changes.last.get(&status.name);
            last.map_or(Duration::ZERO, |last| last.seen.elapsed() + last.age)
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Changes) -> T) -> T {
        act(&mut lock(&self.0))
    }
}

impl Changes {
    fn record(&mut self, status: &CachedNodeStatus, age: Duration) {
        self.unlisted.remove(&status.name);
        let known = self.last.get(&status.name);
        if known.is_none_or(|last| is_change(last, status)) {
            // A change during an interruption of the watch counts as seen now.
            let age = if known.is_some() { Duration::ZERO } else { age };
            let last = LastChange {
                version: Arc::clone(&status.resource_version),
                scan: status.scan_fingerprint(),
                seen: Instant::now(),
                age,
            };
            self.last.insert(Arc::clone(&status.name), last);
        }
    }
}

fn is_change(last: &LastChange, status: &CachedNodeStatus) -> bool {
    let is_other_version = last.version != status.resource_version;
    let has_realtime = status.report.realtime.is_some();
    is_other_version && (!has_realtime || last.scan != status.scan_fingerprint())
}

/// The time since the API server stored the last change.
fn age(status: &CachedNodeStatus, now: Timestamp) -> Duration {
    let last = status.written_at;
    last.and_then(|last| now.duration_since(last).try_into().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
