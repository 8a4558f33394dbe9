use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::api::{CompletedRequest, RealtimeStatus, ScanResult};
use crate::scan::outcome::Finding;

pub(in crate::daemon) fn result(condition: Condition, second: i64) -> Item {
    let at = Time(Timestamp::from_second(second).unwrap());
    let finding = Finding {
        result: ScanResult::new(condition, at),
        changes: None,
    };
    Item {
        update: NodeUpdate {
            finding: Some(finding),
            ..NodeUpdate::default()
        },
        log: None,
    }
}

fn reinit(second: i64) -> Item {
    let at = Time(Timestamp::from_second(second).unwrap());
    let reinit = CompletedRequest {
        id: second.to_string(),
        started_at: at.clone(),
        finished_at: at,
    };
    Item {
        update: NodeUpdate {
            reinit: Some(reinit),
            ..NodeUpdate::default()
        },
        log: None,
    }
}

fn drain(mut outbox: Outbox) -> Vec<Item> {
    let mut items = Vec::new();
    while let Some(item) = outbox.front().cloned() {
        outbox.pop();
        items.push(item);
    }
    items
}

#[test]
fn the_newest_of_each_condition_is_kept_in_order_of_time() {
    let mut outbox = Outbox::default();
    for item in [
        result(Condition::Succeeded, 1),
        result(Condition::Failed, 2),
        result(Condition::Succeeded, 3),
        result(Condition::Failed, 4),
        result(Condition::Failed, 5),
    ] {
        outbox.push(item);
    }
    let expected = [
        result(Condition::Succeeded, 3),
        result(Condition::Failed, 5),
    ];
    assert_eq!(drain(outbox), expected);
}

#[test]
fn a_finished_request_is_never_dropped() {
    let mut outbox = Outbox::default();
    let items = [reinit(1), result(Condition::Succeeded, 2), reinit(3)];
    for item in items.clone() {
        outbox.push(item);
    }
    assert_eq!(drain(outbox), items);
}

#[test]
fn a_replaced_failure_log_of_the_same_changes_is_kept() {
    let failed = |second, hash: &str, log: Option<&str>| {
        let mut item = result(Condition::Failed, second);
        if let Some(finding) = &mut item.update.finding {
            finding.result.changes_hash = Some(hash.to_owned());
        }
        item.log = log.map(|log| Value::String(log.to_owned()));
        item
    };
    for (hash, log, expected) in [
        ("same", None, Some("old")),
        ("same", Some("new"), Some("new")),
        ("other", None, None),
    ] {
        let mut outbox = Outbox::default();
        outbox.push(failed(1, "same", Some("old")));
        outbox.push(failed(2, hash, log));
        assert_eq!(drain(outbox), [failed(2, hash, expected)]);
    }
}

#[test]
fn only_the_newest_state_of_realtime_detection_is_kept() {
    let state = |overflows| {
        let mut item = reinit(0);
        item.update.reinit = None;
        item.update.realtime = Some(RealtimeStatus {
            overflows,
            ..crate::daemon::realtime::condition::off()
        });
        item
    };
    let mut outbox = Outbox::default();
    for item in [state(1), reinit(1), state(2), state(3)] {
        outbox.push(item);
    }
    assert_eq!(drain(outbox), [reinit(1), state(3)]);
}
