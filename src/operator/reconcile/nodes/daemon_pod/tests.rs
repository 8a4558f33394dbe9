//! Tables of nodes, and whether a daemon runs there.

use super::*;

fn node(labels: &[(&str, &str)], taints: &[(&str, &str, &str)]) -> CachedNode {
    let own = |text: &str| text.to_owned();
    CachedNode {
        name: "n".into(),
        labels: labels.iter().map(|(k, v)| (own(k), own(v))).collect(),
        taints: taints
            .iter()
            .map(|(key, value, effect)| CachedTaint {
                key: own(key),
                value: own(value),
                effect: own(effect),
            })
            .collect(),
        ready: true,
        ..CachedNode::default()
    }
}

fn toleration(json: serde_json::Value) -> Toleration {
    serde_json::from_value(json).unwrap()
}

#[test]
fn labels_must_match() {
    let selector = BTreeMap::from([("role".to_owned(), "worker".to_owned())]);
    let table = [
        (node(&[("role", "worker")], &[]), DaemonPod::Runs),
        (node(&[("role", "infra")], &[]), DaemonPod::Absent),
        (node(&[], &[]), DaemonPod::Absent),
        (
            node(&[("role", "worker"), ("kubernetes.io/os", "windows")], &[]),
            DaemonPod::Absent,
        ),
    ];
    for (node, expected) in table {
        assert_eq!(node.daemon_pod(&selector, &[]), expected, "{node:?}");
    }
}

#[test]
fn taints_must_be_tolerated() {
    let exists = toleration(serde_json::json!({"key": "a", "operator": "Exists"}));
    let equal = toleration(serde_json::json!({"key": "a", "value": "1", "effect": "NoSchedule"}));
    let everything = toleration(serde_json::json!({"operator": "Exists"}));
    let no_schedule = ("a", "1", "NoSchedule");
    let no_execute = ("a", "1", "NoExecute");
    let cordoned = ("node.kubernetes.io/unschedulable", "", "NoSchedule");
    let not_ready = ("node.kubernetes.io/not-ready", "", "NoExecute");
    let table = [
        (vec![no_schedule], vec![], DaemonPod::KeepsRunning),
        (vec![no_schedule], vec![exists.clone()], DaemonPod::Runs),
        (vec![no_execute], vec![], DaemonPod::Absent),
        (vec![no_execute], vec![exists], DaemonPod::Runs),
        (vec![no_schedule], vec![equal.clone()], DaemonPod::Runs),
        (
            vec![("a", "2", "NoSchedule")],
            vec![equal.clone()],
            DaemonPod::KeepsRunning,
        ),
        (vec![no_execute], vec![equal.clone()], DaemonPod::Absent),
        // One of each effect: the tolerated one does not help the other.
        (
            vec![no_schedule, no_execute],
            vec![equal],
            DaemonPod::Absent,
        ),
        (vec![no_schedule, no_execute], vec![], DaemonPod::Absent),
        (
            vec![("b", "1", "NoExecute")],
            vec![everything],
            DaemonPod::Runs,
        ),
        (
            vec![("a", "1", "PreferNoSchedule")],
            vec![],
            DaemonPod::Runs,
        ),
        (vec![cordoned], vec![], DaemonPod::Runs),
        (vec![not_ready], vec![], DaemonPod::Runs),
    ];
    for (taints, tolerations, expected) in table {
        let node = node(&[], &taints);
        assert_eq!(
            node.daemon_pod(&BTreeMap::new(), &tolerations),
            expected,
            "{taints:?}, {tolerations:?}"
        );
    }
}
