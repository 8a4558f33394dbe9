//! Tests of the ids of requests.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::operator::cache::node_status::from_json;

/// The next request of a node with this uid, resource version, request before, and request done.
fn next(uid: &str, version: &str, before: Option<&str>, done: Option<&str>) -> String {
    let annotations: Value = before.map_or_else(
        || json!({}),
        |id| json!({names::Annotation::REINIT_REQUEST: id}),
    );
    next_request(&from_json(json!({
        "metadata": {
            "name": "fi-n1", "uid": uid, "resourceVersion": version, "annotations": annotations,
        },
        "nodeName": "n1",
        "reinit": done.map(|id| json!({"id": id})),
    })))
}

#[test]
fn the_id_does_not_depend_on_what_the_daemon_writes() {
    let first = next("u", "7", None, None);
    assert_eq!(next("u", "8", None, None), first);
    let second = next("u", "9", Some(&first), None);
    // The daemon did the request before while the node was held.
    assert_eq!(next("u", "10", Some(&first), Some(&first)), second);
}

#[test]
fn each_request_has_its_own_id() {
    let mut all = BTreeSet::new();
    let mut before = None;
    for _ in 0..3 {
        let id = next("u", "7", before.as_deref(), before.as_deref());
        assert!(all.insert(id.clone()));
        before = Some(id);
    }
    // The status object was created again.
    assert!(all.insert(next("other", "7", None, None)));
    // Somebody removed the annotation, and the daemon did the request.
    let first = next("u", "7", None, None);
    let after = next("u", "7", None, Some(&first));
    assert_ne!(after, first);
    assert_eq!(next("u", "8", None, Some(&first)), after);
}
