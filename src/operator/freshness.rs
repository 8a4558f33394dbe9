//! Since when nothing was heard of a node: how long its status has not changed. Pure, but for the
//! clock.
//!
//! Silence is measured from the moment at which this operator saw the last change, on its monotonic
//! clock, so clocks of nodes that differ do no harm. Only what had not changed since before it began
//! to watch is dated by the API server's own times.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::Event;
use tokio::time::Instant;

use super::statuses::WatchedStatus;

/// A scan may be late by three periods, and this much.
const SLACK: Duration = Duration::from_secs(60);
/// A baseline that is being made may take this long, and a daemon that cannot start (its image is
/// not to be had, its node refuses the pod) is given no longer.
const BASELINE: Duration = Duration::from_secs(900);

/// How long a node may be silent: three times the longer of the period in seconds and its last scan,
/// and a minute; while a baseline is to be made, whatever the period is, a quarter of an hour, or
/// longer where its scans are long.
pub fn patience(period: i64, last_scan: Option<Duration>, initialized: bool) -> Duration {
    let last_scan = last_scan.unwrap_or_default();
    let scans = |longest: Duration| longest.saturating_mul(3).saturating_add(SLACK);
    if initialized {
        let period = Duration::from_secs(u64::try_from(period).unwrap_or(0));
        scans(period.max(last_scan))
    } else {
        scans(last_scan).max(BASELINE)
    }
}

/// When each node status changed last.
#[derive(Debug, Default)]
pub struct Freshness(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    heard: HashMap<Arc<str>, Heard>,
    /// While the watch lists them anew: those that it has not shown yet.
    missing: HashSet<Arc<str>>,
}

#[derive(Debug)]
struct Heard {
    version: Arc<str>,
    seen: Instant,
    /// How old the change was when it was seen.
    age: Duration,
}

impl Freshness {
    /// What the watch of node statuses shows.
    pub fn saw(&self, event: &Event<WatchedStatus>) {
        self.with(|memory| match event {
            Event::Init => memory.missing = memory.heard.keys().cloned().collect(),
            Event::InitApply(status) => memory.shown(status, age(status, Timestamp::now())),
            Event::Apply(status) => memory.shown(status, Duration::ZERO),
            Event::InitDone => {
                for name in std::mem::take(&mut memory.missing) {
                    memory.heard.remove(&name);
                }
            }
            Event::Delete(status) => {
                memory.heard.remove(&status.name);
            }
        });
    }

    /// How long this node status has not changed.
    pub fn silence(&self, status: &WatchedStatus) -> Duration {
        self.with(|memory| {
            let heard = memory.heard.get(&status.name);
            heard.map_or(Duration::ZERO, |heard| heard.seen.elapsed() + heard.age)
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Memory {
    fn shown(&mut self, status: &WatchedStatus, age: Duration) {
        self.missing.remove(&status.name);
        let known = self.heard.get(&status.name);
        if known.is_none_or(|heard| heard.version != status.version) {
            // A change that was missed while the watch was away is as fresh as one that was seen.
            let age = if known.is_some() { Duration::ZERO } else { age };
            let (version, seen) = (Arc::clone(&status.version), Instant::now());
            let heard = Heard { version, seen, age };
            self.heard.insert(Arc::clone(&status.name), heard);
        }
    }
}

/// How long ago the API server took in the last change.
fn age(status: &WatchedStatus, now: Timestamp) -> Duration {
    let last = status.written_at;
    last.and_then(|last| now.duration_since(last).try_into().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::statuses::kept;

    fn status(version: &str, second: i64) -> WatchedStatus {
        let at = Timestamp::now() - jiff::SignedDuration::from_secs(second);
        kept(serde_json::json!({
            "metadata": {
                "name": "fi-n1", "resourceVersion": version,
                "managedFields": [{"manager": "daemon", "time": at.to_string()}],
            },
        }))
    }

    fn seconds(freshness: &Freshness, status: &WatchedStatus) -> u64 {
        freshness.silence(status).as_secs()
    }

    #[test]
    fn patience_grows_with_period_and_scan() {
        let s = Duration::from_secs;
        let table = [
            (900, None, true, 2760),
            (10, Some(s(5)), true, 90),
            (10, Some(s(600)), true, 1860),
            (10, None, false, 900),
            (900, None, false, 900),
            (10, Some(s(600)), false, 1860),
        ];
        for (period, last, initialized, expected) in table {
            assert_eq!(patience(period, last, initialized), s(expected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_begins_with_the_last_change() {
        let freshness = Freshness::default();
        let first = status("1", 1000);
        freshness.saw(&Event::Init);
        freshness.saw(&Event::InitApply(first.clone()));
        freshness.saw(&Event::InitDone);
        assert!((1000..1005).contains(&seconds(&freshness, &first)));
        tokio::time::advance(Duration::from_secs(100)).await;
        // Listed anew, and nothing has changed.
        freshness.saw(&Event::Init);
        freshness.saw(&Event::InitApply(first.clone()));
        freshness.saw(&Event::InitDone);
        assert!(seconds(&freshness, &first) >= 1100);
        // The node's clock is not looked at.
        freshness.saw(&Event::Apply(status("2", -5000)));
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(seconds(&freshness, &first), 7);
        freshness.saw(&Event::Init);
        freshness.saw(&Event::InitDone);
        assert_eq!(seconds(&freshness, &first), 0, "it is forgotten");
    }
}
