//! Tests of what is kept of a node status.

use serde_json::{Value, json};

use super::wire::NodeStatusConverter;
use super::*;

fn status(node: &str) -> Value {
    json!({
        "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrityNodeStatus",
        "metadata": {
            "name": format!("fi-{node}"), "namespace": "ns", "uid": node, "resourceVersion": "7",
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "labels": {names::Label::OWNER: "fi", names::Label::NODE: node, "team": node},
            "annotations": {
                names::Annotation::DESIRED_CONFIG: "c", names::Annotation::REINIT_REQUEST: node,
                names::Annotation::APPLIED_HASH: node,
            },
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "FileIntegrity", "name": "fi", "uid": "u",
                "controller": true,
            }],
            "managedFields": [{"manager": "m", "time": "2026-01-02T03:04:09Z", "fieldsV1": {}}],
        },
        "nodeName": node,
        "lastResult": {
            "condition": "Failed", "lastProbeTime": "2026-01-02T03:04:08Z", "filesAdded": 1,
            "changes": [{"path": "/etc/a", "kind": "added"}], "durationMilliseconds": 1500,
        },
        "baseline": {
            "createdAt": "2026-01-02T03:04:07Z", "configHash": "c", "digest": "d",
            "entries": 1, "requested": true,
        },
        "reinit": {
            "id": node, "startedAt": "2026-01-02T03:04:06Z", "finishedAt": "2026-01-02T03:04:07Z",
        },
    })
}

fn with(pointer: &str, value: Value) -> CachedNodeStatus {
    let mut json = status("n1");
    *json.pointer_mut(pointer).unwrap() = value;
    from_json(json)
}

#[test]
fn used_fields_are_kept() {
    let status = from_json(status("n1"));
    assert_eq!((&*status.name, &*status.resource_version), ("fi-n1", "7"));
    assert_eq!(&*status.node_name, "n1");
    assert_eq!(status.owner().map(|owner| &**owner), Some("fi"));
    assert_eq!(status.label(names::Label::NODE), Some("n1"));
    assert_eq!(status.label(names::Label::OWNER), Some("fi"));
    let desired = DesiredNodeState {
        config_hash: Some("c".to_owned()),
        reinit_request: Some("n1".to_owned()),
        hold: None,
    };
    assert_eq!(*status.desired, desired);
    assert!(status.is_applied());
    let written = status.written_at.unwrap().to_string();
    assert_eq!(written, "2026-01-02T03:04:09Z");
    let report = &status.report;
    let last = report.last_result.as_ref().unwrap();
    assert_eq!(
        (last.condition, last.counts),
        (Condition::Failed, [1, 0, 0])
    );
    assert_eq!(last.duration, Some(Duration::from_millis(1500)));
    assert_eq!(report.failed, Some(true));
    assert_eq!(&*report.baseline.as_ref().unwrap().config_hash, "c");
    assert_eq!(report.reinit.as_deref(), Some("n1"));
}

#[test]
fn the_status_of_a_deleted_file_integrity_does_not_belong_to_a_new_one() {
    let status = from_json(status("n1"));
    assert!(status.is_controlled_by("fi", Some("u")));
    for (name, uid) in [("fi", Some("new")), ("other", Some("u")), ("fi", None)] {
        assert!(!status.is_controlled_by(name, uid), "{name} {uid:?}");
    }
}

#[test]
fn statuses_share_equal_values() {
    let converter = NodeStatusConverter::new(Arc::default());
    let convert = |node| converter.convert(serde_json::from_value(status(node)).unwrap());
    let (one, two, again) = (convert("n1"), convert("n2"), convert("n1"));
    assert!(Arc::ptr_eq(&one.shared, &two.shared));
    assert!(Arc::ptr_eq(&one.desired, &again.desired));
    assert!(Arc::ptr_eq(&one.name, &again.name));
    assert_ne!(one.name, two.name);
}

#[test]
fn the_fingerprint_ignores_times() {
    let before = from_json(status("n1")).fingerprint();
    let table = [
        ("/metadata/resourceVersion", json!("8"), false),
        ("/metadata/labels/team", json!("x"), false),
        (
            "/lastResult/lastProbeTime",
            json!("2026-02-02T00:00:00Z"),
            false,
        ),
        ("/lastResult/durationMilliseconds", json!(7), false),
        ("/lastResult/condition", json!("Errored"), true),
        ("/lastResult/filesAdded", json!(2), true),
        ("/baseline/digest", json!("e"), true),
        ("/baseline/configHash", json!("e"), true),
        ("/reinit/id", json!("r"), true),
        ("/nodeName", json!("n2"), true),
        ("/metadata/ownerReferences", json!([]), true),
        ("/metadata/annotations", json!({}), true),
        ("/metadata/labels", json!({}), true),
    ];
    for (pointer, value, expected) in table {
        let after = with(pointer, value).fingerprint();
        assert_eq!(after != before, expected, "{pointer}");
    }
}

#[test]
fn without_an_owner_the_label_names_the_file_integrity() {
    let file_integrity = |pointer, value| with(pointer, value).file_integrity();
    let owners = "/metadata/ownerReferences";
    assert_eq!(file_integrity(owners, json!([])).as_deref(), Some("fi"));
    let labels = "/metadata/labels";
    assert_eq!(file_integrity(labels, json!({})).as_deref(), Some("fi"));
    let mut neither = status("n1");
    neither["metadata"]["labels"] = json!({});
    neither["metadata"]["ownerReferences"] = json!([]);
    assert_eq!(from_json(neither).file_integrity(), None);
}

/// Whatever somebody has written, the other statuses are still read.
#[test]
fn an_odd_object_is_read() {
    let never = json!("9999-12-31T23:59:59Z");
    for pointer in [
        "/metadata/creationTimestamp",
        "/metadata/managedFields/0/time",
        "/lastResult/lastProbeTime",
        "/baseline/createdAt",
        "/reinit/startedAt",
    ] {
        let status = with(pointer, never.clone());
        assert_eq!(&*status.node_name, "n1", "{pointer}");
    }
    assert_eq!(
        with("/baseline/createdAt", never)
            .report
            .baseline
            .as_ref()
            .map(|b| b.at),
        Some(0)
    );
    let empty = [
        "/lastResult",
        "/baseline",
        "/reinit",
        "/metadata/labels",
        "/metadata/annotations",
        "/metadata/ownerReferences",
        "/metadata/managedFields",
    ];
    for pointer in empty {
        assert_eq!(&*with(pointer, Value::Null).node_name, "n1", "{pointer}");
    }
    let nothing = from_json(json!({"metadata": {"name": "x"}, "unknown": 1}));
    assert_eq!((&*nothing.name, &*nothing.node_name), ("x", ""));
    assert_eq!(*nothing.report, NodeReport::default());
}

#[test]
fn the_last_result_counts_unless_it_is_an_error() {
    let result = |condition, at| json!({"condition": condition, "lastProbeTime": at});
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z");
    let table = [
        (
            result("Succeeded", early),
            json!([result("Failed", late)]),
            Some(false),
        ),
        (
            result("Errored", late),
            json!([result("Succeeded", early), result("Failed", late)]),
            Some(true),
        ),
        (result("Errored", late), json!([]), None),
        (
            Value::Null,
            json!([result("Succeeded", early)]),
            Some(false),
        ),
    ];
    for (last, results, expected) in table {
        let json = json!({"lastResult": last, "results": results});
        assert_eq!(from_json(json.clone()).report.failed, expected, "{json}");
    }
}
