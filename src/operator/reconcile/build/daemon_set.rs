//! The DaemonSet of the daemons. Pure.

use serde_json::{Value, json};

use super::object::{metadata, name, with_hash};
use super::pod::{self, Environment, HostDir};
use crate::api::realtime::{DEFAULT_DELAY_MILLISECONDS, RealtimeActors};
use crate::api::{
    BaselineLoss, FileIntegrity, FileIntegritySpec, Output, OutputFormat, RealtimeMode, names,
};

/// Where the host's root is mounted in the init container.
const CHECK_ROOT: &str = "/host";
/// On an OpenShift node, this directory is created late in the first boot. A baseline from before it
/// exists would differ from all later scans.
const OPENSHIFT_FOLDER: &str = "/etc/kubernetes/static-pod-resources";

/// The DaemonSet of the daemons.
pub(crate) fn daemon_set(fi: &FileIntegrity, environment: &Environment) -> Value {
    let fi_name = name(fi);
    let ds_name = names::daemon_set(&fi_name);
    let owner = names::label_value(&fi_name);
    let labels = json!({
        "app": ds_name,
        names::Label::POD: "",
        names::Label::OWNER: owner,
    });
    with_hash(json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(fi, &ds_name, &json!({ names::Label::OWNER: owner })),
        "spec": {
            "selector": {"matchLabels": {"app": ds_name}},
            // Daemons serve no requests, and one stuck node must not delay the others.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(fi, environment, &ds_name)},
        },
    }))
}

fn pod_spec(fi: &FileIntegrity, environment: &Environment, ds_name: &str) -> Value {
    let mut pod = pod::pod_spec(fi, environment);
    pod["serviceAccountName"] = json!(names::DAEMON_SERVICE_ACCOUNT);
    // AIDE gets SIGTERM and has five seconds to end; publishing has five more.
    pod["terminationGracePeriodSeconds"] = json!(20);
    pod["initContainers"] = json!([check_folder(fi, environment)]);
    pod["containers"] = json!([container(fi, environment, ds_name)]);
    let mut volumes = vec![
        pod::host_root_volume(),
        json!({"name": "config", "configMap": {"name": name(fi)}}),
        json!({"name": "tmp", "emptyDir": {}}),
    ];
    volumes.extend(state_dir(fi).as_ref().map(HostDir::volume));
    pod["volumes"] = json!(volumes);
    if fi.spec.realtime_actors() == RealtimeActors::Process {
        // The kernel reports the processes of other namespaces without their ids.
        pod["hostPID"] = json!(true);
    }
    pod
}

fn check_folder(fi: &FileIntegrity, environment: &Environment) -> Value {
    let mut args = vec!["check-folder".to_owned()];
    if environment.openshift {
        args.push(format!("--wait-for={CHECK_ROOT}{OPENSHIFT_FOLDER}"));
    }
    let mut container = pod::container(environment, "check-folder", &args);
    container["securityContext"] = if fi.spec.is_restricted() {
        pod::restricted(&[])
    } else {
        json!({"runAsUser": 0})
    };
    container["resources"] = pod::small_resources();
    container["volumeMounts"] = json!([{"name": "hostroot", "mountPath": CHECK_ROOT, "mountPropagation": "HostToContainer", "readOnly": true}]);
    container
}

fn container(fi: &FileIntegrity, environment: &Environment, ds_name: &str) -> Value {
    let mut container = pod::container(environment, "daemon", &args(fi, ds_name));
    container["securityContext"] = pod::security_context(fi, &["DAC_READ_SEARCH"]);
    container["env"] = json!([
        {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        // The number of files that are hashed at once is the CPU limit, rounded up.
        {"name": "FIO_WORKERS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1"}}},
    ]);
    container["resources"] = resources(fi);
    let mut host_root = pod::host_root_mount();
    if fi.spec.is_restricted() {
        host_root["readOnly"] = json!(true);
    }
    let mut mounts = vec![
        host_root,
        json!({"name": "config", "mountPath": names::CONFIG_DIR}),
        json!({"name": "tmp", "mountPath": "/tmp"}),
    ];
    mounts.extend(state_dir(fi).as_ref().map(HostDir::mount));
    container["volumeMounts"] = json!(mounts);
    container["readinessProbe"] = pod::readiness_probe();
    container["livenessProbe"] = pod::probe("/healthz");
    container["livenessProbe"]["failureThreshold"] = json!(6);
    container
}

/// The original's arguments in its order, then fio's own.
fn args(fi: &FileIntegrity, ds_name: &str) -> Vec<String> {
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
    args.extend(output_args(spec.output.as_ref()));
    args.extend(realtime_args(spec));
    args
}

/// Empty for the defaults, so that an upgrade of fio does not restart the daemons for them.
fn output_args(output: Option<&Output>) -> Vec<String> {
    let mut args = Vec::new();
    let Some(output) = output else {
        return args;
    };
    match output.format.unwrap_or_default() {
        OutputFormat::Fio => {}
        OutputFormat::Ecs => args.push("--output-format=ecs".to_owned()),
        OutputFormat::Ocsf => args.push("--output-format=ocsf".to_owned()),
    }
    if output.changes_only == Some(true) {
        args.push("--output-changes-only".to_owned());
    }
    if let Some(name) = output.cluster_name.as_deref().filter(|it| !it.is_empty()) {
        args.push(format!("--output-cluster={name}"));
    }
    args
}

/// Empty for the defaults, as [`output_args`].
fn realtime_args(spec: &FileIntegritySpec) -> Vec<String> {
    let mut args = Vec::new();
    match spec.realtime_mode() {
        RealtimeMode::Auto => {}
        RealtimeMode::Off => args.push("--realtime=off".to_owned()),
    }
    let delay = spec.realtime_delay();
    if delay != DEFAULT_DELAY_MILLISECONDS {
        args.push(format!("--realtime-delay={delay}"));
    }
    if spec.realtime_actors() == RealtimeActors::Process {
        args.push("--realtime-actors=process".to_owned());
    }
    args
}

fn resources(fi: &FileIntegrity) -> Value {
    let given = fi.spec.resources.clone().unwrap_or_default();
    json!({
        "requests": given.requests.map_or_else(|| json!({"cpu": "40m", "memory": "40Mi"}), |r| json!(r)),
        "limits": given.limits.map_or_else(|| json!({"cpu": "300m", "memory": "600Mi"}), |l| json!(l)),
    })
}

/// The directory that a restricted daemon may write to. A privileged one may write anywhere.
fn state_dir(fi: &FileIntegrity) -> Option<HostDir> {
    fi.spec.is_restricted().then(|| HostDir {
        volume: "state",
        path: fi.spec.state_dir().into(),
        kind: "DirectoryOrCreate",
    })
}
