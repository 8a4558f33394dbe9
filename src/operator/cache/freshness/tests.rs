//! Tests of the time since the last change.

use super::*;
use crate::operator::cache::node_status::from_json;

fn status(version: &str, second: i64) -> CachedNodeStatus {
    let at = Timestamp::now() - jiff::SignedDuration::from_secs(second);
    from_json(serde_json::json!({
        "metadata": {
            "name": "fi-n1", "resourceVersion": version,
            "managedFields": [{"manager": "daemon", "time": at.to_string()}],
        },
    }))
}

fn seconds(freshness: &Freshness, status: &CachedNodeStatus) -> u64 {
    freshness.since_last_change(status).as_secs()
}

#[test]
fn max_silence_grows_with_period_and_scan() {
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
        assert_eq!(max_silence(period, last, initialized), s(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_measured_from_the_last_change() {
    let freshness = Freshness::default();
    let first = status("1", 1000);
    freshness.record(&Event::Init);
    freshness.record(&Event::InitApply(first.clone()));
    freshness.record(&Event::InitDone);
    assert!((1000..1005).contains(&seconds(&freshness, &first)));
    tokio::time::advance(Duration::from_secs(100)).await;
    // The watch lists all again, and nothing has changed.
    freshness.record(&Event::Init);
    freshness.record(&Event::InitApply(first.clone()));
    freshness.record(&Event::InitDone);
    assert!(seconds(&freshness, &first) >= 1100);
    // The node's clock does not matter.
    freshness.record(&Event::Apply(status("2", -5000)));
    tokio::time::advance(Duration::from_secs(7)).await;
    assert_eq!(seconds(&freshness, &first), 7);
    freshness.record(&Event::Init);
    freshness.record(&Event::InitDone);
    assert_eq!(seconds(&freshness, &first), 0, "it was removed");
}

#[tokio::test(start_paused = true)]
async fn results_of_events_do_not_hide_a_scan_that_never_finishes() {
    let status = |version: &str, trigger: &str, at: &str, full: &str, state: &str| {
        from_json(serde_json::json!({
            "metadata": {"name": "fi-n1", "resourceVersion": version},
            "lastResult": {"condition": "Succeeded", "lastProbeTime": at, "trigger": trigger},
            "lastFullScan": full,
            "realtime": {"state": state, "since": at},
        }))
    };
    let [first, second, third] = [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:15:00Z",
        "2026-01-01T00:30:00Z",
    ];
    let freshness = Freshness::default();
    for (what, new, expected) in [
        ("a scan", status("1", "Scan", first, first, "Active"), 0),
        (
            "an event",
            status("2", "Event", second, first, "Active"),
            10,
        ),
        (
            "a state",
            status("3", "Event", second, first, "Degraded"),
            20,
        ),
        ("a scan", status("4", "Scan", third, third, "Active"), 0),
        (
            "a scan without a time of its own",
            status("5", "Scan", third, third, "Active"),
            10,
        ),
    ] {
        freshness.record(&Event::Apply(new.clone()));
        assert_eq!(seconds(&freshness, &new), expected, "{what}");
        tokio::time::advance(Duration::from_secs(10)).await;
    }
}
