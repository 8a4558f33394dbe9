use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::*;
use crate::api::FileIntegrity;

const NEVER: &str = "9999-12-31T23:59:59Z";

fn fi() -> Value {
    json!({
        "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrity",
        "metadata": {"name": "fi", "creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": {"config": {}},
    })
}

fn daemon_set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "ds", "ownerReferences": [
            {"apiVersion": "v1", "kind": "FileIntegrity", "name": "fi", "uid": "u"},
        ]},
        "spec": {"selector": {}, "template": {"metadata": {}}},
    })
}

#[test]
fn an_invalid_time_is_removed() {
    let mut json = fi();
    json["metadata"]["managedFields"] = json!([
        {"manager": "a", "time": NEVER}, {"manager": "b", "time": "2026-01-02T03:04:05Z"},
    ]);
    let read = object::<FileIntegrity>(&json.to_string()).unwrap();
    assert!(read.metadata.creation_timestamp.is_some());
    let entries = read.metadata.managed_fields.unwrap();
    assert_eq!(entries[0].time, None);
    assert!(entries[1].time.is_some());
    assert!(metadata::<FileIntegrity>(&json.to_string()).is_ok());

    let mut json = json!({
        "metadata": {"name": "c", "managedFields": [{"time": NEVER}]},
        "data": {"time": "noon", "Time": NEVER},
    });
    json["metadata"]["labels"] = json!({"time": "noon"});
    let read = object::<ConfigMap>(&json.to_string()).unwrap();
    assert_eq!(read.data.unwrap().len(), 2);
    assert_eq!(read.metadata.labels.unwrap().len(), 1);

    let mut json = daemon_set();
    json["spec"]["template"]["metadata"]["creationTimestamp"] = json!(NEVER);
    let read = object::<DaemonSet>(&json.to_string()).unwrap();
    assert_eq!(read.metadata.name.as_deref(), Some("ds"));
}

#[test]
fn an_undecodable_object_is_named_but_not_quoted() {
    let mut json = daemon_set();
    json["spec"]["minReadySeconds"] = json!("a secret");
    let error = object::<DaemonSet>(&json.to_string()).unwrap_err();
    assert_eq!((&*error.kind, &*error.name), ("DaemonSet", "ds"));
    assert_eq!(error.owners, ["fi"]);
    let message = error.to_string();
    assert!(
        message.starts_with("DaemonSet ds cannot be read: invalid type"),
        "{message}"
    );
    assert!(!message.contains("secret"), "{message}");
    let mut json = fi();
    json["spec"]["config"]["profile"] = json!("a secret");
    let message = object::<FileIntegrity>(&json.to_string())
        .unwrap_err()
        .to_string();
    assert!(!message.contains("secret"), "{message}");
    json["spec"] = json!({});
    let message = object::<FileIntegrity>(&json.to_string())
        .unwrap_err()
        .to_string();
    assert!(message.contains("missing field `config`"), "{message}");
}

#[test]
fn another_kind_than_requested_is_rejected() {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "djE="},
    })
    .to_string();
    let message = object::<ConfigMap>(&secret).unwrap_err().to_string();
    assert!(
        message.contains(r#""Secret" instead of "ConfigMap""#),
        "{message}"
    );
    let mut other = fi();
    other["apiVersion"] = json!("fileintegrity.openshift.io/v2");
    assert!(object::<FileIntegrity>(&other.to_string()).is_err());
    let list = r#"{"apiVersion": "v1", "kind": "SecretList", "items": []}"#;
    assert!(verify_types::<ConfigMap>(list, "ConfigMapList").is_err());
    assert!(verify_types::<ConfigMap>(list, "SecretList").is_ok());
}
