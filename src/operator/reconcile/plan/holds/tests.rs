//! Tests of the holds of a spec.

use std::sync::Arc;

use k8s_openapi::jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::tests::settled;
use super::super::{DesiredObject, Plan, plan};
use super::*;
use crate::api::{EventReason, HoldEnd};
use crate::operator::reconcile::observed::Observed;

/// A hold from so many minutes after now until then.
fn hold(name: &str, from: i64, until: i64, more: &Value) -> Value {
    let now = settled().now.0;
    let at = |minutes: i64| (now + SignedDuration::from_mins(minutes)).to_string();
    let mut hold = json!({"name": name, "from": at(from), "until": at(until)});
    let more = more.as_object().unwrap().clone();
    hold.as_object_mut().unwrap().extend(more);
    hold
}

/// The nodes n1 and n2, of which n2 has a label, of a FileIntegrity with these holds.
fn observed(holds: &[Value]) -> Observed {
    let mut observed = settled();
    let mut fi = (*observed.file_integrity).clone();
    fi.spec = serde_json::from_value(json!({"config": {}, "holds": holds})).unwrap();
    observed.file_integrity = Arc::new(fi);
    let mut labeled = (*observed.nodes[1]).clone();
    labeled.labels = [("zone".to_owned(), "a".to_owned())].into_iter().collect();
    observed.nodes[1] = Arc::new(labeled);
    observed
}

/// The names of the holds that these nodes get.
fn holds_of(plan: &Plan) -> [Vec<&str>; 2] {
    ["n1", "n2"].map(|name| {
        let desired = plan.desired.iter().find_map(|object| match object {
            DesiredObject::NodeStatus(status) if *status.node == *name => Some(&status.desired),
            _ => None,
        });
        let holds = &desired.unwrap().holds;
        holds.iter().map(|hold| hold.name.as_str()).collect()
    })
}

fn held(plan: &Plan) -> i64 {
    plan.status.nodes.unwrap().held
}

#[test]
fn the_nodes_get_the_holds_that_include_them() {
    let holds = [
        hold("all", 10, 20, &json!({})),
        hold("first", -20, -10, &json!({"nodes": ["n1", "gone"]})),
        hold(
            "zone",
            10,
            20,
            &json!({"nodeSelector": {"zone": "a"}, "then": "Accept"}),
        ),
        hold("other", 10, 20, &json!({"nodeSelector": {"zone": "b"}})),
        hold("every", 10, 20, &json!({"nodeSelector": {}})),
    ];
    let observed = observed(&holds);
    let planned = plan(&observed);
    let [first, second] = holds_of(&planned);
    assert_eq!(first, ["all", "first", "every"]);
    assert_eq!(second, ["all", "zone", "every"]);
    let timed: Vec<TimedHold> = observed
        .file_integrity
        .spec
        .holds
        .iter()
        .map(TimedHold::from)
        .collect();
    assert_eq!(
        (timed[0].then, timed[2].then),
        (HoldEnd::Report, HoldEnd::Accept)
    );
}

#[test]
fn nodes_are_counted_as_held_while_a_hold_is_active() {
    let only = |from, until| {
        let holds = [hold("a", from, until, &json!({"nodes": ["n1"]}))];
        plan(&observed(&holds))
    };
    assert_eq!(held(&only(10, 20)), 0);
    assert_eq!(held(&only(-10, 20)), 1);
    assert_eq!(held(&only(0, 20)), 1);
    assert_eq!(held(&only(-20, 0)), 0);
    // It ends before it starts.
    assert_eq!(held(&only(10, -10)), 0);
}

#[test]
fn the_next_reconcile_is_at_the_next_start_or_end() {
    let after = |holds: &[Value]| plan(&observed(holds)).requeue_after;
    assert_eq!(after(&[]), None);
    assert_eq!(after(&[hold("a", -20, -10, &json!({}))]), None);
    let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
    assert_eq!(after(&[hold("a", 10, 20, &json!({}))]), minutes(10));
    assert_eq!(after(&[hold("a", -10, 20, &json!({}))]), minutes(20));
    let both = [
        hold("a", -10, 20, &json!({})),
        hold("b", 15, 30, &json!({})),
    ];
    assert_eq!(after(&both), minutes(15));
}

#[test]
fn a_node_is_not_silent_right_after_its_hold() {
    let stale = |holds: &[Value]| {
        let mut observed = observed(holds);
        let silence = Duration::from_secs(24 * 3600);
        observed.silence = [("n1".into(), silence)].into();
        plan(&observed).stale_nodes.len()
    };
    assert_eq!(stale(&[]), 1);
    assert_eq!(stale(&[hold("a", -600, 10, &json!({}))]), 0);
    assert_eq!(stale(&[hold("a", -600, -1, &json!({}))]), 0);
    assert_eq!(stale(&[hold("a", -600, -1, &json!({"nodes": ["n2"]}))]), 1);
    assert_eq!(stale(&[hold("a", -1200, -600, &json!({}))]), 1);
    // One that has never been active changes nothing.
    assert_eq!(stale(&[hold("a", 10, -1, &json!({}))]), 1);
}

#[test]
fn holds_of_nodes_that_are_not_selected_are_reported() {
    let messages = |holds: &[Value]| -> Vec<String> {
        let events = plan(&observed(holds)).events.into_iter();
        let events = events.filter(|event| event.reason == EventReason::UnknownNodes);
        events.map(|event| event.message).collect()
    };
    let nodes = json!({"nodes": ["n1", "gone", "n9"]});
    assert_eq!(
        messages(&[hold("a", 10, 20, &nodes)]),
        ["hold a names nodes that are not selected: gone, n9"]
    );
    // The nodes of a hold that has ended may be gone.
    assert_eq!(messages(&[hold("a", -20, -10, &nodes)]), [""; 0]);
    assert_eq!(
        messages(&[hold("a", 10, 20, &json!({"nodeSelector": {"zone": "b"}}))]),
        ["hold a selects no node: no selected node has the labels of its nodeSelector"]
    );
    assert_eq!(messages(&[hold("a", 10, 20, &json!({}))]), [""; 0]);
}
