//! Tests of the check of a node status. Those of a FileIntegrity are with its conditions.

use serde_json::json;

use super::*;
use crate::api::FileIntegrityNodeStatus;

/// An object with exactly the fields of the API.
fn node_status(result: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "fileintegrity.openshift.io/v1alpha1",
        "kind": "FileIntegrityNodeStatus",
        "metadata": {"name": "example-node1"},
        "nodeName": "node1",
    });
    if !result.is_null() {
        object["lastResult"] = result.clone();
    }
    let read: FileIntegrityNodeStatus =
        serde_json::from_value(object.clone()).expect("a node status");
    let written = serde_json::to_value(read).expect("an object");
    for name in ["nodeName", "lastResult"] {
        assert_eq!(written[name], object[name], "{name}");
    }
    object
}

#[test]
fn the_health_of_a_node_status_is_its_last_result() {
    let time = "2026-01-02T03:04:05Z";
    for (result, status, message) in [
        (Value::Null, "Progressing", "not scanned yet"),
        (
            json!({"condition": "Succeeded", "lastProbeTime": time}),
            "Healthy",
            "no changes",
        ),
        (
            json!({"condition": "Failed", "lastProbeTime": time, "filesAdded": 1, "filesRemoved": 20}),
            "Degraded",
            "1 added, 0 changed, 20 removed",
        ),
        (
            json!({"condition": "Errored", "lastProbeTime": time, "errorMessage": "a \"quoted\"\nmessage"}),
            "Degraded",
            "a \"quoted\"\nmessage",
        ),
    ] {
        assert_eq!(
            argo_health(&node_status(&result)),
            (status.to_owned(), message.to_owned())
        );
    }
}
