//! A fleet for tests: objects as the API returns them, 47 of 50 nodes changed.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::fleet::{Fleet, Integrity, Node, OpenAcceptance};
use super::screen::Screen;
use crate::api::names::sha256_hex;

/// The time at which the tests look at the fleet.
pub(crate) const NOW: &str = "2026-12-01T12:00:00Z";
/// Control characters of terminals: colors, the title, a bell, C1 control characters, and right-to-left text.
pub(crate) const HOSTILE: &str = "\u{1b}[31m\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\r\n";

pub(crate) fn screen(width: Option<usize>, color: bool) -> Screen {
    Screen {
        width,
        color,
        headers: true,
        program: "kubectl file-integrity".to_owned(),
        cluster: None,
        namespace: None,
        now: NOW.parse::<Timestamp>().unwrap(),
    }
}

/// An ID of a set.
pub(crate) fn set(name: &str) -> String {
    sha256_hex(name)
}

pub(crate) fn integrity(name: &str, status: &Value) -> Integrity {
    let object = json!({
        "metadata": {"name": name, "namespace": "openshift-file-integrity"},
        "spec": {"config": {"gracePeriod": 900, "profile": "generic"}},
        "status": status,
    });
    Integrity::of(&serde_json::from_value(object).unwrap())
}

/// A node status with this result.
pub(crate) fn node(integrity: &str, name: &str, result: &Value) -> Node {
    Node::of(&serde_json::from_value(status(integrity, name, result)).unwrap()).unwrap()
}

fn status(integrity: &str, name: &str, result: &Value) -> Value {
    json!({
        "metadata": {
            "name": format!("{integrity}-{name}"), "namespace": "openshift-file-integrity",
            "ownerReferences": [{"apiVersion": "fileintegrity.openshift.io/v1alpha1",
                "kind": "FileIntegrity", "name": integrity, "uid": "u", "controller": true}],
        },
        "nodeName": name,
        "lastResult": result,
        "lastFullScan": "2026-12-01T11:50:00Z",
        "realtime": {"state": "Active", "since": "2026-11-01T00:00:00Z"},
        "baseline": {"createdAt": "2026-10-01T00:00:00Z", "configHash": "c", "digest": "d", "entries": 29446,
            "requested": true},
    })
}

pub(crate) fn succeeded() -> Value {
    json!({"condition": "Succeeded", "lastProbeTime": "2026-12-01T11:50:00Z"})
}

/// A result with this set of changes.
pub(crate) fn failed(content: &str, paths: &str, path: &str) -> Value {
    let id = set(content);
    json!({
        "condition": "Failed", "lastProbeTime": "2026-12-01T11:50:00Z",
        "filesAdded": 1, "filesChanged": 2,
        "changes": [{"path": path, "kind": "changed"}],
        "changesHash": id, "changesHashVersion": 2, "changeSet": &id[..12],
        "pathsHash": sha256_hex(paths),
    })
}

pub(crate) fn errored(class: &str, message: &str) -> Value {
    json!({
        "condition": "Errored", "lastProbeTime": "2026-12-01T11:30:00Z",
        "errorClass": class, "errorMessage": message,
    })
}

/// A FileIntegrity as it should be, in the status of the operator.
pub(crate) fn well() -> Value {
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-11-01T00:00:00Z"})
    };
    json!({
        "phase": "Active",
        "conditions": [
            condition("Ready", "True", "Active"), condition("ConfigValid", "True", "Valid"),
            condition("Degraded", "False", "AsExpected"),
        ],
    })
}

/// 50 nodes: 46 have the same changes, one has other values in the same files, and three have none.
pub(crate) fn patched() -> Fleet {
    let mut of_operator = well();
    of_operator["changeSets"] = json!([
        {"id": set("openssl"), "nodes": 46, "firstSeen": "2026-12-01T03:00:00Z", "exampleNode": "node01"},
        {"id": set("other"), "nodes": 1, "firstSeen": "2026-12-01T11:40:00Z", "exampleNode": "node47"},
    ]);
    let path = "/usr/lib/x86_64-linux-gnu/libcrypto.so.3";
    let nodes = (1..=50).map(|number| {
        let result = match number {
            1..47 => failed("openssl", "paths", path),
            47 => failed("other", "paths", path),
            _ => succeeded(),
        };
        node(
            "example-fileintegrity",
            &format!("node{number:02}"),
            &result,
        )
    });
    let mut fleet = Fleet {
        integrities: vec![integrity("example-fileintegrity", &of_operator)],
        nodes: nodes.collect(),
        acceptances: Some(Vec::new()),
        unread: Vec::new(),
    };
    fleet.sort();
    fleet
}

/// Everything that can be wrong, with names and texts that attack the terminal.
pub(crate) fn troubled() -> Fleet {
    let mut of_operator = well();
    of_operator["phase"] = json!("Error");
    of_operator["nodes"] = json!({
        "selected": 5, "initialized": 4, "failed": 2, "errored": 2, "held": 1, "stale": 1, "notSelected": 2,
    });
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-11-01T00:00:00Z"})
    };
    of_operator["conditions"] = json!([
        condition(
            "Ready",
            "False",
            "Error",
            &format!("the last scan ended with an error on {HOSTILE}")
        ),
        condition(
            "ConfigValid",
            "False",
            "Refused",
            "line 3: @@include is not allowed"
        ),
        condition(
            "Degraded",
            "True",
            "NodesSilent",
            "nodes have not reported for too long: node5"
        ),
        condition(
            "NodesExcluded",
            "True",
            "UntoleratedTaints",
            "node-role.kubernetes.io/control-plane:NoSchedule (cp1, cp2)"
        ),
    ]);
    let hostile = format!("/etc/{HOSTILE}");
    let long = format!("/opt/{}/end", "x".repeat(300));
    let name = "example-fileintegrity";
    let mut held = status(
        name,
        "node4",
        &errored("io", &format!("AIDE error: 18 IO error{HOSTILE}")),
    );
    held["metadata"]["annotations"] = json!({"file-integrity.openshift.io/holdoff": ""});
    held["baseline"]["requested"] = json!(false);
    held["baseline"]["createdAt"] = json!("2025-10-01T00:00:00Z");
    let mut truncated = failed("truncated", "paths", "/etc/a");
    truncated.as_object_mut().unwrap().remove("changeSet");
    let acceptance = json!({
        "metadata": {"name": "openssl-rhsa-2026-4711", "namespace": "openshift-file-integrity"},
        "spec": {"fileIntegrity": name, "changeSet": set("openssl"), "reason": format!("openssl {HOSTILE}"),
            "approvedBy": {"username": "alice"}, "until": "2026-12-02T00:00:00Z"},
        "status": {"counts": {"matched": 46, "accepted": 40, "refused": 1, "waiting": 5}},
    });
    let mut pending = status(name, "node6", &Value::Null);
    for field in ["lastFullScan", "realtime", "baseline"] {
        pending.as_object_mut().unwrap().remove(field);
    }
    let of = |value: Value| Node::of(&serde_json::from_value(value).unwrap()).unwrap();
    let mut fleet = Fleet {
        integrities: vec![
            integrity(name, &of_operator),
            integrity("unused", &json!({"phase": "Pending"})),
        ],
        nodes: vec![
            node(name, "node1", &failed("hostile", "hostile", &hostile)),
            node(
                name,
                &format!("ip-10-0-129-13.us-east-2.compute.internal{HOSTILE}"),
                &failed("long", "long", &long),
            ),
            node(name, "node3", &truncated),
            of(held),
            node(
                name,
                "node5",
                &errored(
                    "tampered",
                    "BaselineTampered: the database on the node is not the one that was recorded",
                ),
            ),
            of(pending),
        ],
        acceptances: Some(vec![
            OpenAcceptance::of(&serde_json::from_value(acceptance).unwrap()).unwrap(),
        ]),
        unread: vec![format!(
            "FileIntegrityNodeStatus x cannot be read: {HOSTILE}"
        )],
    };
    fleet.sort();
    fleet
}

/// The fields of an answer that docs/plugin.md does not name.
pub(crate) fn undocumented(answer: &Value) -> Vec<String> {
    let page = include_str!("../../docs/plugin.md");
    let is_named = |name: &String| {
        let as_list = format!("`{name}[]`");
        let as_field = format!("].{name}`");
        let as_list_field = format!("].{name}[]`");
        let all = [format!("`{name}`"), as_list, as_field, as_list_field];
        all.iter().any(|text| page.contains(text))
    };
    let names = field_names(answer).into_iter();
    names.filter(|name| !is_named(name)).collect()
}

/// The names of attributes and the fields of a process are those of other pages.
fn field_names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(fields) => {
            let below = fields
                .iter()
                .filter(|(name, _)| !["attributes", "actor"].contains(&name.as_str()))
                .flat_map(|(_, value)| field_names(value));
            fields.keys().cloned().chain(below).collect()
        }
        Value::Array(values) => values.iter().flat_map(field_names).collect(),
        _ => BTreeSet::new(),
    }
}
