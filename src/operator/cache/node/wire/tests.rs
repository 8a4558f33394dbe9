//! Tests of what is read from a Node.

use super::*;

fn no_schedule(key: &str) -> CachedTaint {
    CachedTaint {
        key: key.to_owned(),
        value: String::new(),
        effect: "NoSchedule".to_owned(),
    }
}

#[test]
fn invalid_times_do_not_matter() {
    let node = serde_json::json!({
        "metadata": {"name": "n"},
        "spec": {"taints": [{"key": "k", "effect": "NoSchedule", "timeAdded": "9999-12-31T23:59:59Z"}]},
        "status": {"conditions": [{
            "type": "Ready", "status": "True",
            "lastHeartbeatTime": "9999-12-31T23:59:59Z", "lastTransitionTime": "?",
        }]},
    });
    let received: ReceivedNode = serde_json::from_value(node).unwrap();
    assert!(received.node.ready);
    assert_eq!(received.node.taints, [no_schedule("k")]);
}

#[test]
fn two_of_the_three_annotations_are_ignored() {
    let received: ReceivedNode =
        serde_json::from_value(serde_json::json!({"metadata": {"annotations": {
            "machineconfiguration.openshift.io/currentConfig": "a",
            "machineconfiguration.openshift.io/state": "Working",
        }}}))
        .unwrap();
    assert_eq!(received.node.machine_config, None);
}

#[test]
fn only_used_fields_are_kept() {
    let received: ReceivedNode = serde_json::from_value(serde_json::json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": "n", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"},
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:metadata": {}}}],
        },
        "spec": {"podCIDR": "10.0.0.0/24", "taints": [{"key": "k", "effect": "NoSchedule"}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "message": "m"}],
            "images": [{"names": ["i"], "sizeBytes": 1}],
        },
    }))
    .unwrap();
    let expected = CachedNode {
        name: "n".into(),
        labels: [("a".to_owned(), "b".to_owned())].into_iter().collect(),
        taints: vec![no_schedule("k")],
        ready: true,
        ..CachedNode::default()
    };
    assert_eq!(received.node, expected);
    let metadata = ObjectMeta {
        name: Some("n".to_owned()),
        resource_version: Some("7".to_owned()),
        ..ObjectMeta::default()
    };
    assert_eq!(received.metadata, metadata);
}
