//! Tests of holds.

use serde_json::json;

use super::*;

fn hold(until: &str) -> Hold {
    let json = json!({"name": "a", "from": "2026-12-01T00:00:00Z", "until": until});
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_hold_includes_its_start_and_not_its_end() {
    let timed = TimedHold::from(&hold("2026-12-02T00:00:00Z"));
    assert_eq!(timed.then, HoldEnd::Report);
    let is_active = |at: &str| timed.is_active(at.parse().unwrap());
    assert!(!is_active("2026-11-30T23:59:59Z") && is_active("2026-12-01T00:00:00Z"));
    assert!(is_active("2026-12-01T23:59:59.9Z") && !is_active("2026-12-02T00:00:00Z"));
}

#[test]
fn an_end_that_cannot_be_represented_never_comes() {
    let timed = TimedHold::from(&hold("9999-12-31T23:59:59Z"));
    assert_eq!(timed.until, Timestamp::MAX);
    let text = serde_json::to_string(&[&timed]).unwrap();
    let read: Vec<TimedHold> = serde_json::from_str(&text).unwrap();
    assert_eq!(read, [timed]);
}

#[test]
fn the_id_distinguishes_periods_and_holds() {
    let id = |since: &str, holds: &[&str]| {
        NodeHold {
            since: Time(since.parse().unwrap()),
            until: Time(Timestamp::MAX),
            then: HoldEnd::Accept,
            holds: holds.iter().map(|name| (*name).to_owned()).collect(),
        }
        .id()
    };
    let first = id("2026-12-01T00:00:00Z", &["a"]);
    assert_eq!(first, id("2026-12-01T00:00:00Z", &["a"]));
    assert_ne!(first, id("2026-12-01T00:00:01Z", &["a"]));
    assert_ne!(first, id("2026-12-01T00:00:00Z", &["a", "b"]));
}
