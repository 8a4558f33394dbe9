//! The re-init DaemonSet: its pods write the signal file on nodes. Pure.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::object::{metadata, name, with_hash};
use super::pod::{self, Environment, HostDir};
use crate::api::{FileIntegrity, names};

/// The directory of the signal file. /run is a separate file system on nodes, so the read-only mount of the root
/// does not make it read-only. It is mounted below the host root and not at /run, which is the container's own.
const RUN: HostDir = HostDir {
    volume: "run",
    path: Cow::Borrowed(names::RUN_DIR),
    kind: "Directory",
};

/// A signal, and the nodes that get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signal {
    /// Names of the nodes. If empty, all nodes get the signal.
    pub(crate) nodes: Vec<String>,
    /// The content of the signal file.
    pub(crate) id: String,
}

/// Name of the re-init DaemonSet for this signal.
pub(crate) fn reinit_daemon_set_name(fi: &FileIntegrity, signal: &Signal) -> String {
    match signal.nodes.as_slice() {
        [node] => names::reinit_daemon_set(&name(fi), Some(node)),
        _ => names::reinit_daemon_set(&name(fi), None),
    }
}

/// The re-init DaemonSet for this signal.
pub(crate) fn reinit_daemon_set(
    fi: &FileIntegrity,
    environment: &Environment,
    signal: &Signal,
) -> Value {
    let ds_name = reinit_daemon_set_name(fi, signal);
    let labels = json!({ names::Label::REINIT_OWNER: names::label_value(&name(fi)) });
    with_hash(json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(fi, &ds_name, &labels),
        "spec": {
            "selector": {"matchLabels": {"app": ds_name}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            "template": {
                "metadata": {"labels": {"app": ds_name}},
                "spec": pod_spec(fi, environment, signal),
            },
        },
    }))
}

fn pod_spec(fi: &FileIntegrity, environment: &Environment, signal: &Signal) -> Value {
    let mut pod = pod::pod_spec(fi, environment);
    pod["serviceAccountName"] = json!(names::DAEMON_SERVICE_ACCOUNT);
    // It does not use the API.
    pod["automountServiceAccountToken"] = json!(false);
    pod["terminationGracePeriodSeconds"] = json!(1);
    pod["containers"] = json!([container(fi, environment, signal)]);
    pod["volumes"] = if fi.spec.is_restricted() {
        json!([RUN.volume()])
    } else {
        json!([pod::host_root_volume()])
    };
    if !signal.nodes.is_empty() {
        pod["affinity"] = node_affinity(&signal.nodes);
    }
    pod
}

/// Restricts the pods to these nodes. Nodes are matched by name: a hostname label may differ from it.
fn node_affinity(nodes: &[String]) -> Value {
    let term = |node: &String| json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
    let terms: Vec<Value> = nodes.iter().map(term).collect();
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": terms
    }}})
}

fn container(fi: &FileIntegrity, environment: &Environment, signal: &Signal) -> Value {
    let signal_file = format!("{}{}", names::HOST_ROOT, names::SIGNAL_FILE);
    let args = [
        "reinit-signal".to_owned(),
        format!("--signal-file={signal_file}"),
        format!("--request={}", signal.id),
    ];
    let mut container = pod::container(environment, "reinit-signal", &args);
    container["securityContext"] = pod::security_context(fi, &[]);
    container["resources"] = pod::small_resources();
    let mount = if fi.spec.is_restricted() {
        RUN.mount()
    } else {
        pod::host_root_mount()
    };
    container["volumeMounts"] = json!([mount]);
    container["readinessProbe"] = pod::readiness_probe();
    container["readinessProbe"]["periodSeconds"] = json!(2);
    container
}
