//! What the pods of both DaemonSets have in common. Pure.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::api::{FileIntegrity, names};

/// Port of the health checks.
const HEALTH_PORT: u16 = 8081;
/// Seconds for which a readiness probe waits for the pod to become ready.
const READY_WAIT: u32 = 590;

/// What the pods need besides the FileIntegrity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// The operator's own image.
    pub(crate) image: String,
    /// Names of the Secrets to pull the image with.
    pub(crate) pull_secrets: Vec<String>,
    /// The image pull policy. If empty, the API sets its default.
    pub(crate) pull_policy: String,
    /// The cluster is OpenShift.
    pub(crate) openshift: bool,
    /// The PriorityClass of the spec exists.
    pub(crate) priority_class_exists: bool,
}

pub(super) fn pod_spec(fi: &FileIntegrity, environment: &Environment) -> Value {
    let spec = &fi.spec;
    let mut selector = spec.selector();
    selector
        .entry("kubernetes.io/os".to_owned())
        .or_insert_with(|| "linux".to_owned());
    let mut pod = json!({
        "nodeSelector": selector,
        "tolerations": spec.tolerations,
    });
    if !environment.pull_secrets.is_empty() {
        let secrets: Vec<Value> = environment
            .pull_secrets
            .iter()
            .map(|name| json!({"name": name}))
            .collect();
        pod["imagePullSecrets"] = json!(secrets);
    }
    if let Some(class) = spec
        .priority_class()
        .filter(|_| environment.priority_class_exists)
    {
        pod["priorityClassName"] = json!(class);
    }
    pod
}

pub(super) fn container(environment: &Environment, name: &str, args: &[String]) -> Value {
    let mut container = json!({
        "name": name,
        "image": environment.image,
        "args": args,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    if !environment.pull_policy.is_empty() {
        container["imagePullPolicy"] = json!(environment.pull_policy);
    }
    container
}

/// Probes start when the container has had time to listen, because each failure is a Warning event.
pub(super) fn probe(path: &str) -> Value {
    json!({
        "httpGet": {"path": path, "port": HEALTH_PORT},
        "initialDelaySeconds": 5, "periodSeconds": 10, "timeoutSeconds": 5,
    })
}

/// The answer waits until the pod is ready. That takes as long as an initialization.
pub(super) fn readiness_probe() -> Value {
    let mut probe = probe(&format!("/readyz?wait={READY_WAIT}"));
    probe["initialDelaySeconds"] = json!(2);
    // Leaves time for the answer to arrive.
    probe["timeoutSeconds"] = json!(READY_WAIT + 10);
    probe
}

pub(super) fn small_resources() -> Value {
    json!({
        "requests": {"cpu": "10m", "memory": "10Mi"},
        "limits": {"cpu": "50m", "memory": "50Mi"},
    })
}

pub(super) fn security_context(fi: &FileIntegrity, capabilities: &[&str]) -> Value {
    if fi.spec.is_restricted() {
        restricted(capabilities)
    } else {
        json!({"privileged": true, "runAsUser": 0})
    }
}

/// User 0, because it owns most files and no other user can be given capabilities. The `SELinux` type
/// may read the node's files. Nodes without `SELinux` ignore it.
pub(super) fn restricted(capabilities: &[&str]) -> Value {
    let mut allowed = json!({"drop": ["ALL"]});
    if !capabilities.is_empty() {
        allowed["add"] = json!(capabilities);
    }
    json!({
        "runAsUser": 0,
        "capabilities": allowed,
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "seccompProfile": {"type": "RuntimeDefault"},
        "seLinuxOptions": {"type": "spc_t"},
    })
}

pub(super) fn host_root_volume() -> Value {
    json!({"name": "hostroot", "hostPath": {"path": "/"}})
}

pub(super) fn host_root_mount() -> Value {
    json!({"name": "hostroot", "mountPath": names::HOST_ROOT, "mountPropagation": "HostToContainer"})
}

/// A directory of the node that a restricted container may write to, mounted below the host root.
pub(super) struct HostDir {
    pub(super) volume: &'static str,
    pub(super) path: Cow<'static, str>,
    pub(super) kind: &'static str,
}

impl HostDir {
    pub(super) fn volume(&self) -> Value {
        json!({"name": self.volume, "hostPath": {"path": self.path, "type": self.kind}})
    }

    /// With propagation, so that the container follows what the node mounts and unmounts there.
    pub(super) fn mount(&self) -> Value {
        let path = format!("{}{}", names::HOST_ROOT, self.path);
        json!({"name": self.volume, "mountPath": path, "mountPropagation": "HostToContainer"})
    }
}
