//! Builds the objects that a FileIntegrity needs. Pure: the same input gives the same object.
//!
//! Objects are JSON values, as server-side apply takes them: what is not said here is left to the
//! API's defaults and to other writers. Each carries a hash of what it should be, so that a field
//! that is no longer wanted is noticed although the API's object still has all that is wanted.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::statuses::WatchedStatus;
use crate::api::{
    BaselineLoss, DesiredNodeState, FILE_INTEGRITY_KIND, FileIntegrity, GROUP, VERSION, names,
};

/// Port of the daemon's health checks.
const HEALTH_PORT: u16 = 8081;
/// How many seconds a readiness probe waits for a pod to be ready before it fails.
const READY_WITHIN: u32 = 590;
/// Where the host's root is mounted in the container that checks folders.
const CHECK_ROOT: &str = "/host";
/// On an OpenShift node this directory is made late in its first start; a baseline from before it
/// would differ from all that follows.
const OPENSHIFT_FOLDER: &str = "/etc/kubernetes/static-pod-resources";

/// What the pods need besides the FileIntegrity itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The image of the pods: the operator's own.
    pub image: String,
    /// Names of the secrets with which it can be pulled.
    pub pull_secrets: Vec<String>,
    /// How often it is pulled; empty leaves that to the API.
    pub pull_policy: String,
    /// The cluster is OpenShift.
    pub openshift: bool,
    /// The PriorityClass that is asked for exists.
    pub priority_class_exists: bool,
}

/// The active configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveConfig {
    /// As the user knows it, relocated.
    pub conf: String,
    /// As AIDE gets it.
    pub effective: String,
}

/// The ConfigMap with the active configuration.
pub fn config_map(fi: &FileIntegrity, config: &ActiveConfig) -> Value {
    finished(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(fi, &name(fi), &json!({
            names::LABEL_AIDE_CONF: "",
            names::LABEL_OWNER: names::label_value(&name(fi)),
        })),
        "data": {
            names::KEY_AIDE_CONF: config.conf,
            names::KEY_EFFECTIVE_CONF: config.effective,
        },
    }))
}

/// The part of a node's status object that the operator writes.
pub fn node_status(fi: &FileIntegrity, node: &str, desired: &DesiredNodeState) -> Value {
    let fi_name = name(fi);
    let labels = json!({
        names::LABEL_OWNER: names::label_value(&fi_name),
        names::LABEL_NODE: names::label_value(node),
    });
    let mut metadata = metadata(fi, &names::node_status(&fi_name, node), &labels);
    merge(
        &mut metadata["annotations"],
        json!(desired.to_annotations()),
    );
    finished(json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "FileIntegrityNodeStatus",
        "metadata": metadata,
        "nodeName": node,
    }))
}

/// Whether a status object is what [`node_status`] would make, found without making it. What others
/// wrote besides does not count.
pub fn is_node_status(
    status: &WatchedStatus,
    fi: &FileIntegrity,
    node: &str,
    desired: &DesiredNodeState,
) -> bool {
    let fi_name = name(fi);
    let whole_owner = names::label_is_shortened(&fi_name).then_some(fi_name.as_str());
    *status.node_name == *node
        && status.owners().iter().any(|owner| {
            Some(&owner.uid) == fi.metadata.uid.as_ref()
                && *owner.name == *fi_name
                && owner.kind == FILE_INTEGRITY_KIND
                && owner.api_version == format!("{GROUP}/{VERSION}")
                && owner.controller == Some(true)
                && owner.block_owner_deletion == Some(true)
        })
        && status.label(names::LABEL_OWNER) == Some(&*names::label_value(&fi_name))
        && status.label(names::LABEL_NODE) == Some(&*names::label_value(node))
        && *status.desired == *desired
        && (whole_owner.is_none() || status.whole_owner() == whole_owner)
        && status.is_applied()
}

/// The DaemonSet that scans.
pub fn daemon_set(fi: &FileIntegrity, environment: &Environment) -> Value {
    let fi_name = name(fi);
    let ds_name = names::daemon_set(&fi_name);
    let owner = names::label_value(&fi_name);
    let labels = json!({
        "app": ds_name,
        names::LABEL_POD: "",
        names::LABEL_OWNER: owner,
    });
    let mut pod = pod_spec(fi, environment);
    pod["serviceAccountName"] = json!(names::DAEMON_SERVICE_ACCOUNT);
    // AIDE gets five seconds of SIGTERM, what is to be published five more.
    pod["terminationGracePeriodSeconds"] = json!(20);
    pod["initContainers"] = json!([check_folder(fi, environment)]);
    pod["containers"] = json!([daemon_container(fi, environment, &ds_name)]);
    let mut volumes = vec![
        host_root_volume(),
        json!({"name": "config", "configMap": {"name": fi_name}}),
        json!({"name": "tmp", "emptyDir": {}}),
    ];
    volumes.extend(writable(fi).as_ref().map(HostDir::volume));
    pod["volumes"] = json!(volumes);
    finished(json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(fi, &ds_name, &json!({ names::LABEL_OWNER: owner })),
        "spec": {
            "selector": {"matchLabels": {"app": ds_name}},
            // Daemons serve nobody, and one stuck node must not hold back the others.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }))
}

/// A signaller: which nodes, and what it signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The nodes; empty: all.
    pub nodes: Vec<String>,
    /// The text of the signal.
    pub id: String,
}

/// Name of the DaemonSet of this signal.
pub fn signaller_name(fi: &FileIntegrity, signal: &Signal) -> String {
    match signal.nodes.as_slice() {
        [node] => names::reinit_daemon_set(&name(fi), Some(node)),
        _ => names::reinit_daemon_set(&name(fi), None),
    }
}

/// The DaemonSet that drops the signal file on nodes.
pub fn signaller(fi: &FileIntegrity, environment: &Environment, signal: &Signal) -> Value {
    let ds_name = signaller_name(fi, signal);
    let mut pod = pod_spec(fi, environment);
    pod["serviceAccountName"] = json!(names::DAEMON_SERVICE_ACCOUNT);
    // It needs nothing from the API.
    pod["automountServiceAccountToken"] = json!(false);
    pod["terminationGracePeriodSeconds"] = json!(1);
    pod["containers"] = json!([signaller_container(fi, environment, signal)]);
    pod["volumes"] = if fi.spec.is_restricted() {
        json!([RUN.volume()])
    } else {
        json!([host_root_volume()])
    };
    if !signal.nodes.is_empty() {
        pod["affinity"] = on_nodes(&signal.nodes);
    }
    let labels = json!({ names::LABEL_REINIT_OWNER: names::label_value(&name(fi)) });
    finished(json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(fi, &ds_name, &labels),
        "spec": {
            "selector": {"matchLabels": {"app": ds_name}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            "template": {"metadata": {"labels": {"app": ds_name}}, "spec": pod},
        },
    }))
}

fn pod_spec(fi: &FileIntegrity, environment: &Environment) -> Value {
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

/// Keeps the pods off other nodes than these; field selectors reach nodes by name, whatever their
/// hostname label says.
fn on_nodes(nodes: &[String]) -> Value {
    let term = |node: &String| json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
    let terms: Vec<Value> = nodes.iter().map(term).collect();
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": terms
    }}})
}

fn container(environment: &Environment, name: &str, args: &[String]) -> Value {
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

fn check_folder(fi: &FileIntegrity, environment: &Environment) -> Value {
    let mut args = vec!["check-folder".to_owned()];
    if environment.openshift {
        args.push(format!("--wait-for={CHECK_ROOT}{OPENSHIFT_FOLDER}"));
    }
    let mut container = container(environment, "check-folder", &args);
    container["securityContext"] = if fi.spec.is_restricted() {
        restricted(&[])
    } else {
        json!({"runAsUser": 0})
    };
    container["resources"] = small_resources();
    container["volumeMounts"] = json!([{"name": "hostroot", "mountPath": CHECK_ROOT, "mountPropagation": "HostToContainer", "readOnly": true}]);
    container
}

fn daemon_container(fi: &FileIntegrity, environment: &Environment, ds_name: &str) -> Value {
    let mut container = container(environment, "daemon", &daemon_args(fi, ds_name));
    container["securityContext"] = security_context(fi, &["DAC_READ_SEARCH"]);
    container["env"] = json!([
        {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        // A share of the CPU limit, rounded up to whole CPUs: as many files are hashed at once.
        {"name": "FIO_WORKERS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1"}}},
    ]);
    container["resources"] = daemon_resources(fi);
    let mut host_root = host_root_mount();
    if fi.spec.is_restricted() {
        host_root["readOnly"] = json!(true);
    }
    let mut mounts = vec![
        host_root,
        json!({"name": "config", "mountPath": names::CONFIG_DIR}),
        json!({"name": "tmp", "mountPath": "/tmp"}),
    ];
    mounts.extend(writable(fi).as_ref().map(HostDir::mount));
    container["volumeMounts"] = json!(mounts);
    container["readinessProbe"] = readiness_probe();
    container["livenessProbe"] = probe("/healthz");
    container["livenessProbe"]["failureThreshold"] = json!(6);
    container
}

/// Probes begin when the container has had the time to listen: each that fails is a Warning event.
fn probe(path: &str) -> Value {
    json!({
        "httpGet": {"path": path, "port": HEALTH_PORT},
        "initialDelaySeconds": 5, "periodSeconds": 10, "timeoutSeconds": 5,
    })
}

/// The answer waits until the pod is ready, which takes as long as its work: making a baseline, or
/// waiting for one.
fn readiness_probe() -> Value {
    let mut probe = probe(&format!("/readyz?wait={READY_WITHIN}"));
    probe["initialDelaySeconds"] = json!(2);
    // Long enough for the answer to come back.
    probe["timeoutSeconds"] = json!(READY_WITHIN + 10);
    probe
}

/// The original's arguments in its order, then ours.
fn daemon_args(fi: &FileIntegrity, ds_name: &str) -> Vec<String> {
    let spec = &fi.spec;
    let namespace = fi.metadata.namespace.as_deref().unwrap_or_default();
    let mut args = vec![
        "daemon".to_owned(),
        format!(
            "--lc-file={}{}/aide.log",
            names::HOST_ROOT,
            spec.state_dir()
        ),
        format!("--lc-config-map-prefix={ds_name}"),
        format!("--owner={}", name(fi)),
        format!("--namespace={namespace}"),
        format!("--interval={}", spec.grace_period()),
        format!("--debug={}", spec.debug.unwrap_or(false)),
        format!("--maxbackups={}", spec.max_backups()),
        format!("--aideconfigdir={}", names::CONFIG_DIR),
    ];
    if spec.config.state_dir.is_some() {
        args.push(format!("--state-dir={}", spec.state_dir()));
    }
    if let Some(seconds) = spec.config.scan_timeout {
        args.push(format!("--scan-timeout={seconds}"));
    }
    if spec.config.on_baseline_loss == Some(BaselineLoss::Error) {
        args.push("--on-baseline-loss=error".to_owned());
    }
    args
}

fn daemon_resources(fi: &FileIntegrity) -> Value {
    let given = fi.spec.resources.clone().unwrap_or_default();
    json!({
        "requests": given.requests.map_or_else(|| json!({"cpu": "40m", "memory": "40Mi"}), |r| json!(r)),
        "limits": given.limits.map_or_else(|| json!({"cpu": "300m", "memory": "600Mi"}), |l| json!(l)),
    })
}

fn small_resources() -> Value {
    json!({
        "requests": {"cpu": "10m", "memory": "10Mi"},
        "limits": {"cpu": "50m", "memory": "50Mi"},
    })
}

fn signaller_container(fi: &FileIntegrity, environment: &Environment, signal: &Signal) -> Value {
    let signal_file = format!("{}{}", names::HOST_ROOT, names::SIGNAL_FILE);
    let args = [
        "reinit-signal".to_owned(),
        format!("--signal-file={signal_file}"),
        format!("--request={}", signal.id),
    ];
    let mut container = container(environment, "reinit-signal", &args);
    container["securityContext"] = security_context(fi, &[]);
    container["resources"] = small_resources();
    let mount = if fi.spec.is_restricted() {
        RUN.mount()
    } else {
        host_root_mount()
    };
    container["volumeMounts"] = json!([mount]);
    container["readinessProbe"] = readiness_probe();
    container["readinessProbe"]["periodSeconds"] = json!(2);
    container
}

fn host_root_volume() -> Value {
    json!({"name": "hostroot", "hostPath": {"path": "/"}})
}

fn host_root_mount() -> Value {
    json!({"name": "hostroot", "mountPath": names::HOST_ROOT, "mountPropagation": "HostToContainer"})
}

/// A directory of the node that a restricted container may write, at its place below the node's
/// root.
struct HostDir {
    volume: &'static str,
    path: Cow<'static, str>,
    kind: &'static str,
}

/// Where the signal file lies. Daemons have it by the node's root: it is a file system of its own
/// on nodes, to which the read-only mount of the root does not extend. A second mount of it would
/// show the container's own files, and in them the node's once more.
const RUN: HostDir = HostDir {
    volume: "run",
    path: Cow::Borrowed(names::RUN_DIR),
    kind: "Directory",
};

impl HostDir {
    fn volume(&self) -> Value {
        json!({"name": self.volume, "hostPath": {"path": self.path, "type": self.kind}})
    }

    /// What the node mounts there later is seen, and what it unmounts is let go.
    fn mount(&self) -> Value {
        let path = format!("{}{}", names::HOST_ROOT, self.path);
        json!({"name": self.volume, "mountPath": path, "mountPropagation": "HostToContainer"})
    }
}

/// What a restricted daemon has mounted writable; a privileged one has all of the node so.
fn writable(fi: &FileIntegrity) -> Option<HostDir> {
    fi.spec.is_restricted().then(|| HostDir {
        volume: "state",
        path: fi.spec.state_dir().into(),
        kind: "DirectoryOrCreate",
    })
}

fn security_context(fi: &FileIntegrity, capabilities: &[&str]) -> Value {
    if fi.spec.is_restricted() {
        restricted(capabilities)
    } else {
        json!({"privileged": true, "runAsUser": 0})
    }
}

/// User 0 owns most files, and capabilities are given to no other user. The `SELinux` type is the one
/// that may read the node's files; nodes without `SELinux` pass it by.
fn restricted(capabilities: &[&str]) -> Value {
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

fn name(fi: &FileIntegrity) -> String {
    fi.metadata.name.clone().unwrap_or_default()
}

/// Name, namespace, labels and the controlling owner; the whole of a shortened label goes into an
/// annotation.
fn metadata(fi: &FileIntegrity, object: &str, labels: &Value) -> Value {
    let mut annotations = json!({});
    let fi_name = name(fi);
    if names::label_is_shortened(&fi_name) {
        for key in [names::LABEL_OWNER, names::LABEL_REINIT_OWNER] {
            if labels.get(key).is_some() {
                annotations[key] = json!(fi_name);
            }
        }
    }
    json!({
        "name": object,
        "namespace": fi.metadata.namespace,
        "labels": labels,
        "annotations": annotations,
        "ownerReferences": [{
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": FILE_INTEGRITY_KIND,
            "name": fi_name,
            "uid": fi.metadata.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        }],
    })
}

/// Adds the hash of the whole.
fn finished(mut object: Value) -> Value {
    let hash = names::sha256_hex(object.to_string());
    object["metadata"]["annotations"][names::ANNOTATION_APPLIED_HASH] = json!(hash);
    object
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::HoldReason;
    use crate::operator::statuses::{ReadStatus, kept};

    fn fi(spec: &Value) -> FileIntegrity {
        serde_json::from_value(json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1",
            "kind": "FileIntegrity",
            "metadata": {"name": "example", "namespace": "ns", "uid": "u"},
            "spec": spec,
        }))
        .unwrap()
    }

    fn environment() -> Environment {
        Environment {
            image: "registry/fio:1".to_owned(),
            ..Environment::default()
        }
    }

    #[test]
    fn the_default_daemon_set() {
        insta::assert_yaml_snapshot!(daemon_set(&fi(&json!({"config": {}})), &environment()));
    }

    #[test]
    fn every_field_of_the_spec_reaches_the_pods() {
        let fi = fi(&json!({
            "config": {"gracePeriod": 20, "maxBackups": 3, "stateDir": "/var/lib/fi", "onBaselineLoss": "error"},
            "nodeSelector": {"role": "worker"},
            "tolerations": [{"key": "k", "operator": "Exists"}],
            "debug": true,
            "priorityClassName": "high",
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        }));
        let environment = Environment {
            pull_secrets: vec!["pull".to_owned()],
            pull_policy: "IfNotPresent".to_owned(),
            openshift: true,
            priority_class_exists: true,
            ..environment()
        };
        insta::assert_yaml_snapshot!(daemon_set(&fi, &environment));
    }

    #[test]
    fn restricted_pods_have_what_they_need_and_nothing_else() {
        let fi = fi(&json!({"config": {
            "securityProfile": "restricted", "stateDir": "/var/lib/fi",
        }}));
        let daemon = &daemon_set(&fi, &environment())["spec"]["template"]["spec"];
        let signal = Signal {
            nodes: Vec::new(),
            id: "r1".to_owned(),
        };
        let signaller = &signaller(&fi, &environment(), &signal)["spec"]["template"]["spec"];
        insta::assert_yaml_snapshot!([daemon, signaller]);
    }

    #[test]
    fn privileged_is_what_comes_without_a_security_profile() {
        let pods = |config: Value| {
            daemon_set(&fi(&json!({"config": config})), &environment())["spec"].clone()
        };
        assert_eq!(
            pods(json!({})),
            pods(json!({"securityProfile": "privileged"}))
        );
    }

    #[test]
    fn a_priority_class_that_does_not_exist_is_left_out() {
        let fi = fi(&json!({"config": {}, "priorityClassName": "high"}));
        let pod = &daemon_set(&fi, &environment())["spec"]["template"]["spec"];
        assert_eq!(pod.get("priorityClassName"), None);
    }

    /// A probe that fails is a Warning event: none may come before the process listens, nor end before
    /// the answer to one that waits.
    #[test]
    fn no_probe_fails_while_a_pod_starts() {
        let fi = fi(&json!({"config": {}}));
        let signal = Signal {
            nodes: Vec::new(),
            id: "r1".to_owned(),
        };
        let daemon = daemon_set(&fi, &environment());
        let signaller = signaller(&fi, &environment(), &signal);
        let mut probes = Vec::new();
        for daemon_set in [&daemon, &signaller] {
            let container = &daemon_set["spec"]["template"]["spec"]["containers"][0];
            for kind in ["livenessProbe", "readinessProbe"] {
                let probe = &container[kind];
                if !probe.is_null() {
                    let number = |key: &str| probe[key].as_u64().unwrap_or_default();
                    let path = probe["httpGet"]["path"].as_str().unwrap().to_owned();
                    probes.push((
                        path,
                        number("initialDelaySeconds"),
                        number("timeoutSeconds"),
                    ));
                }
            }
        }
        probes.push(operators_readiness_probe());
        assert_eq!(probes.len(), 4);
        for (path, delay, timeout) in probes {
            assert!(delay >= 2, "{path}");
            if let Some(wait) = path.strip_prefix("/readyz?wait=") {
                let wait: u64 = wait.parse().unwrap();
                assert!((20..=600).contains(&wait), "{path}");
                assert!(timeout >= wait + 5, "{path} {timeout}");
            } else {
                assert_eq!(path, "/healthz");
            }
        }
    }

    /// Path, delay and timeout, as the manifest has them.
    fn operators_readiness_probe() -> (String, u64, u64) {
        let manifest = include_str!("../../manifests/operator/deployment.yaml");
        let (_, probe) = manifest.split_once("readinessProbe:\n").unwrap();
        let (probe, _) = probe.split_once("resources:\n").unwrap();
        let value = |key: &str| {
            let line = |line: &str| {
                Some(
                    line.trim()
                        .strip_prefix(key)?
                        .strip_prefix(": ")?
                        .to_owned(),
                )
            };
            probe.lines().find_map(line).unwrap()
        };
        let number = |key: &str| value(key).parse().unwrap();
        (
            value("path"),
            number("initialDelaySeconds"),
            number("timeoutSeconds"),
        )
    }

    #[test]
    fn signallers_for_all_for_one_and_for_some() {
        let fi = fi(&json!({"config": {}}));
        let signal = |nodes: &[&str]| Signal {
            nodes: nodes.iter().map(|n| (*n).to_owned()).collect(),
            id: "r1".to_owned(),
        };
        let all = signaller(&fi, &environment(), &signal(&[]));
        insta::assert_yaml_snapshot!(all);
        let one = signaller(&fi, &environment(), &signal(&["n1"]));
        assert_eq!(one["metadata"]["name"], "aide-ini-example-n1");
        let some = signaller(&fi, &environment(), &signal(&["n1", "n2"]));
        assert_eq!(some["metadata"]["name"], "aide-ini-example");
        insta::assert_yaml_snapshot!(some["spec"]["template"]["spec"]["affinity"]);
    }

    #[test]
    fn the_config_map_and_a_node_status() {
        let fi = fi(&json!({"config": {}}));
        let config = ActiveConfig {
            conf: "a".to_owned(),
            effective: "b".to_owned(),
        };
        insta::assert_yaml_snapshot!(config_map(&fi, &config));
        let desired = DesiredNodeState {
            config_hash: Some("hash".to_owned()),
            reinit_request: Some("r1".to_owned()),
            hold: Some(HoldReason::User),
        };
        insta::assert_yaml_snapshot!(node_status(&fi, "n1", &desired));
    }

    /// The object with each of its values left out in turn: how the value is called, and the rest.
    fn without_one(object: &Value) -> Vec<(String, Value)> {
        let keys: Vec<Value> = match object {
            Value::Object(map) => map.keys().map(|key| json!(key)).collect(),
            Value::Array(list) => (0..list.len()).map(|index| json!(index)).collect(),
            _ => Vec::new(),
        };
        let mut all = Vec::new();
        for key in keys {
            let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            let inner = object.pointer(&pointer).unwrap();
            for (rest, changed) in without_one(inner) {
                let mut whole = object.clone();
                *whole.pointer_mut(&pointer).unwrap() = changed;
                all.push((format!("{pointer}{rest}"), whole));
            }
            let mut whole = object.clone();
            if let (Value::Object(map), Some(key)) = (&mut whole, key.as_str()) {
                map.remove(key);
                all.push((pointer, whole));
            }
        }
        all
    }

    #[test]
    fn a_node_status_is_as_it_should_be_with_all_that_was_built_and_with_no_less() {
        let long = "f".repeat(70);
        for name in ["example", long.as_str()] {
            let mut fi = fi(&json!({"config": {}}));
            fi.metadata.name = Some(name.to_owned());
            let desired = |config: &str, request: Option<&str>, hold| DesiredNodeState {
                config_hash: Some(config.to_owned()),
                reinit_request: request.map(str::to_owned),
                hold,
            };
            let all = [
                desired("c1", None, None),
                desired("c2", None, None),
                desired("c1", Some("r1"), None),
                desired("c1", Some("r2"), Some(HoldReason::User)),
                desired("c1", Some("r2"), Some(HoldReason::NodeUpdate)),
            ];
            for made in &all {
                let object = node_status(&fi, "n1", made);
                let status = kept(object.clone());
                for asked in &all {
                    let is_same = is_node_status(&status, &fi, "n1", asked);
                    assert_eq!(is_same, made == asked, "{made:?} {asked:?}");
                }
                for (what, less) in without_one(&object) {
                    // The API keeps the first four; and these need a value to be read at all.
                    let is_kept = [
                        "/apiVersion",
                        "/kind",
                        "/metadata/name",
                        "/metadata/namespace",
                    ]
                    .contains(&what.as_str());
                    if is_kept || serde_json::from_value::<ReadStatus>(less.clone()).is_err() {
                        continue;
                    }
                    assert!(
                        !is_node_status(&kept(less), &fi, "n1", made),
                        "without {what}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_hash_differs_when_anything_does() {
        let (one, two) = (
            fi(&json!({"config": {}})),
            fi(&json!({"config": {}, "debug": true})),
        );
        let hash = |fi| {
            daemon_set(fi, &environment())["metadata"]["annotations"]
                [names::ANNOTATION_APPLIED_HASH]
                .clone()
        };
        assert_ne!(hash(&one), hash(&two));
    }
}
