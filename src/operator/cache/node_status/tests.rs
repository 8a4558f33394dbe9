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
        "realtime": {
            "state": "Degraded", "since": "2026-01-02T03:04:08Z", "reason": "WatchLimit",
            "message": "too many", "overflows": 1, "missed": 2, "checks": 3, "directories": 4,
        },
        "lastFullScan": "2026-01-02T03:04:08Z",
        "hold": {
            "since": "2026-01-02T03:04:00Z", "until": "2026-01-02T04:04:00Z", "then": "Accept", "holds": ["a"],
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
        ..DesiredNodeState::default()
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
    assert_eq!(report.held_since, Some(1_767_323_040));
    let expected = CachedRealtime {
        state: RealtimeState::Degraded,
        explanation: Some("WatchLimit: too many".into()),
        overflows: 1,
        missed: 2,
    };
    assert_eq!(report.realtime, Some(expected));
}

#[test]
fn an_explanation_of_realtime_detection_is_safe_to_show() {
    let explanation = |pointer: &str, value: Value| {
        let status = with(pointer, value);
        let realtime = status.report.realtime.clone();
        realtime.and_then(|realtime| realtime.explanation)
    };
    let text = explanation("/realtime/message", json!("a\u{202e}\nb")).unwrap();
    assert_eq!(&*text, r"WatchLimit: a\342\200\256\012b");
    let text = explanation("/realtime/message", json!("x".repeat(30_000))).unwrap();
    assert_eq!(text.len(), 256);
    assert_eq!(explanation("/realtime/state", json!("Active")), None);
}

#[test]
fn the_time_of_the_last_scan_is_that_of_a_scan_of_all_files() {
    let [full, later] = ["2026-01-02T03:04:08Z", "2026-01-02T05:00:00Z"];
    let result = |at, trigger: Value| json!({"condition": "Failed", "lastProbeTime": at, "trigger": trigger});
    for (last, full, expected) in [
        (result(later, json!("Scan")), json!(full), Some(later)),
        (result(later, json!("Event")), json!(full), Some(full)),
        (result(later, json!("Event")), Value::Null, None),
        // A daemon without realtime detection.
        (result(later, Value::Null), Value::Null, Some(later)),
        (Value::Null, Value::Null, None),
    ] {
        let status = from_json(json!({"lastResult": last, "lastFullScan": full}));
        let expected: Option<Timestamp> = expected.map(|at| at.parse().unwrap());
        let expected = expected.map(Timestamp::as_second);
        assert_eq!(status.report.last_scan, expected, "{last}");
    }
}

#[test]
fn the_status_of_a_deleted_file_integrity_does_not_belong_to_a_new_one() {
    let status = from_json(status("n1"));
    assert!(status.is_controlled_by("fi", Some("u")));
    for (name, uid) in [("fi", Some("new")), ("other", Some("u")), ("fi", None)] {
        assert!(!status.is_controlled_by(name, uid), "{name} {uid:?}");
    }
}

/// The status with a change set; `edit` changes its last result.
fn with_set(edit: impl FnOnce(&mut Value)) -> Option<Arc<ReportedChangeSet>> {
    let mut json = status("n1");
    let hash = names::sha256_hex("set");
    let last = &mut json["lastResult"];
    last["changesHash"] = json!(hash);
    last["changeSet"] = json!(hash[..12]);
    last["pathsHash"] = json!(names::sha256_hex("paths"));
    edit(last);
    let report = Arc::clone(&from_json(json).report);
    report.last_result.as_ref()?.change_set.clone()
}

#[test]
fn the_change_set_of_a_failed_result_is_kept() {
    let set = with_set(|_| {}).unwrap();
    assert_eq!(set.id.to_string(), names::sha256_hex("set"));
    assert_eq!(
        set.paths.map(|it| names::hex(&it)),
        Some(names::sha256_hex("paths"))
    );
    assert_eq!(set.first_path.as_deref(), Some("/etc/a"));
    assert_eq!(set.counts, [1, 0, 0]);
    let field = |field: &'static str, value: Value| with_set(move |last| last[field] = value);
    let none = [
        field("changeSet", Value::Null),
        field("changesHash", Value::Null),
        field("changesHash", json!(names::sha256_hex("other"))),
        field("changesHash", json!("short")),
        field("condition", json!("Succeeded")),
    ];
    assert_eq!(none, [None, None, None, None, None]);
    let odd = field("pathsHash", json!("odd")).unwrap();
    assert_eq!((odd.id, odd.paths), (set.id, None));
    let path = |path: &str| {
        let changes = json!([{"path": path, "kind": "added"}, {"path": "/b", "kind": "odd"}]);
        let set = field("changes", changes).unwrap();
        set.first_path.as_deref().map(str::to_owned)
    };
    // Escapes of the daemon stay as they are, and a hostile one gets no others through.
    assert_eq!(path("/a\\012b").as_deref(), Some("/a\\012b"));
    assert_eq!(
        path("/a\n\u{202e}b").as_deref(),
        Some("/a\\012\\342\\200\\256b")
    );
    assert_eq!(path(&"/x".repeat(4_000)).map(|path| path.len()), Some(256));
    assert_eq!(field("changes", json!([])).unwrap().first_path, None);
}

#[test]
fn statuses_share_equal_values() {
    let converter = NodeStatusConverter::new(Arc::default());
    let convert = |node| converter.convert(serde_json::from_value(status(node)).unwrap());
    let (one, two, again) = (convert("n1"), convert("n2"), convert("n1"));
    assert!(Arc::ptr_eq(&one.shared, &two.shared));
    assert!(Arc::ptr_eq(&one.desired, &again.desired));
    assert!(Arc::ptr_eq(&one.name, &again.name));
    let set = |node: &str| {
        let mut json = status(node);
        json["lastResult"]["changesHash"] = json!(names::sha256_hex("set"));
        json["lastResult"]["changeSet"] = json!(names::sha256_hex("set")[..12]);
        let status = converter.convert(serde_json::from_value(json).unwrap());
        let last = status.report.last_result.as_ref().unwrap();
        last.change_set.clone().unwrap()
    };
    assert!(Arc::ptr_eq(&set("n1"), &set("n2")));
    assert_ne!(one.name, two.name);
}

#[test]
fn the_fingerprint_ignores_times_and_counts_of_realtime_detection() {
    let before = from_json(status("n1")).fingerprint();
    let mut json = status("n1");
    let hash = names::sha256_hex("set");
    json["lastResult"]["changesHash"] = json!(hash);
    assert_eq!(from_json(json.clone()).fingerprint(), before);
    json["lastResult"]["changeSet"] = json!(hash[..12]);
    assert_ne!(from_json(json).fingerprint(), before);
    let table = [
        ("/metadata/resourceVersion", json!("8"), false),
        ("/metadata/labels/team", json!("x"), false),
        (
            "/lastResult/lastProbeTime",
            json!("2026-02-02T00:00:00Z"),
            false,
        ),
        ("/lastResult/durationMilliseconds", json!(7), false),
        ("/lastFullScan", json!("2026-02-02T00:00:00Z"), false),
        ("/realtime/since", json!("2026-02-02T00:00:00Z"), false),
        ("/realtime/overflows", json!(7), false),
        ("/realtime/missed", json!(7), false),
        ("/realtime/checks", json!(7), false),
        ("/realtime/directories", json!(7), false),
        ("/realtime/state", json!("Active"), true),
        ("/realtime/reason", json!("Busy"), true),
        ("/realtime/message", json!("some"), true),
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
        "/realtime/since",
        "/lastFullScan",
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
        "/realtime",
        "/lastFullScan",
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

fn with_answer(changes: &Value) -> CachedNodeStatus {
    let mut json = status("n1");
    json["acceptance"] = json!({
        "name": "a", "uid": "uid", "attempt": 2, "state": "Refused", "reason": "ChangesDiffer",
        "message": "other changes", "finishedAt": "2026-01-02T03:04:08Z",
        "oldDigest": "a".repeat(64), "newDigest": "b".repeat(64),
    });
    for (key, value) in changes.as_object().unwrap() {
        *json.pointer_mut(key).unwrap() = value.clone();
    }
    from_json(json)
}

#[test]
fn the_answer_to_an_acceptance_is_kept_and_a_change() {
    let kept = with_answer(&json!({}));
    let expected = CachedAnswer {
        uid: "uid".into(),
        attempt: 2,
        state: AcceptanceState::Refused,
        reason: Some("ChangesDiffer".into()),
        message: Some("other changes".into()),
        finished_at: "2026-01-02T03:04:08Z".parse().unwrap(),
        old_digest: Some([0xaa; 32]),
        new_digest: Some([0xbb; 32]),
        is_older_than_result: false,
    };
    assert_eq!(kept.report.acceptance.as_deref(), Some(&expected));
    assert_ne!(kept.fingerprint(), from_json(status("n1")).fingerprint());
    for change in [
        json!({"/acceptance/attempt": 3}),
        json!({"/acceptance/state": "Accepted"}),
        json!({"/lastResult/lastProbeTime": "2026-01-02T03:04:09Z"}),
    ] {
        let changed = with_answer(&change);
        assert_ne!(changed.fingerprint(), kept.fingerprint(), "{change}");
    }
    // A later result makes no further change.
    let later = |at: &str| with_answer(&json!({"/lastResult/lastProbeTime": at})).fingerprint();
    assert_eq!(later("2026-01-02T03:04:09Z"), later("2026-01-02T03:05:00Z"));
}

#[test]
fn an_odd_answer_is_bounded_and_readable() {
    let odd = with_answer(&json!({
        "/acceptance/attempt": i64::MAX, "/acceptance/message": format!("a\nb{}", "x".repeat(5000)),
        "/acceptance/reason": "y".repeat(5000), "/acceptance/oldDigest": "not a hash",
        "/acceptance/finishedAt": "9999-12-31T23:59:59Z",
    }));
    let answer = odd.report.acceptance.as_deref().unwrap();
    assert_eq!((answer.attempt, answer.old_digest), (0, None));
    assert_eq!(answer.finished_at, Timestamp::UNIX_EPOCH);
    let message = answer.message.as_deref().unwrap();
    assert!(
        message.starts_with("a\\012b") && message.len() <= 256,
        "{message}"
    );
    assert!(answer.reason.as_deref().unwrap().len() <= 64);
}
