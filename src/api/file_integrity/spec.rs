//! The spec of a FileIntegrity. Its doc comments are the descriptions in the API.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Toleration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::defaults::{DEFAULT_GRACE_PERIOD, DEFAULT_MAX_BACKUPS};
use super::quantities::quantities;
use super::status::FileIntegrityStatus;
use crate::api::hold::Hold;
use crate::api::realtime::Realtime;

/// Specification of the watched nodes and files.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "fileintegrity.openshift.io",
    version = "v1alpha1",
    kind = "FileIntegrity",
    plural = "fileintegrities",
    singular = "fileintegrity",
    namespaced,
    status = "FileIntegrityStatus",
    doc = "FileIntegrity watches the integrity of files on nodes with AIDE. Each selected node is scanned periodically and compared with its own baseline. The results are in one FileIntegrityNodeStatus per node.",
    printcolumn = r#"{"name": "Phase", "type": "string", "jsonPath": ".status.phase"}"#,
    printcolumn = r#"{"name": "Nodes", "type": "integer", "jsonPath": ".status.nodes.selected"}"#,
    printcolumn = r#"{"name": "Failed", "type": "integer", "jsonPath": ".status.nodes.failed"}"#,
    printcolumn = r#"{"name": "Sets", "type": "integer", "jsonPath": ".status.changeSetCount"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    derive = "Default",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.realtime) || !has(self.realtime.actors) || self.realtime.actors != 'Process' || !has(self.config.securityProfile) || self.config.securityProfile != 'restricted'",
    "message": "realtime.actors Process requires securityProfile privileged: the daemons have to see all processes of their nodes"
}]))]
pub struct FileIntegritySpec {
    /// AIDE configuration and scan settings. `{}` selects all defaults.
    pub config: AideConfig,
    /// Labels of the nodes to watch. If empty, all Linux nodes whose taints are tolerated are selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Tolerations of the daemon pods. If unset, the taints node-role.kubernetes.io/master and
    /// node-role.kubernetes.io/infra are tolerated, but not node-role.kubernetes.io/control-plane.
    #[serde(default = "default_tolerations")]
    pub tolerations: Vec<Toleration>,
    /// Enables debug messages in the log of the daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// PriorityClass of the daemon pods. If it does not exist, the pods run without it, and an event
    /// and the condition Degraded report this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Resource requests and limits of the daemon container. Defaults: requests of 40m CPU and 40Mi
    /// memory, limits of 300m CPU and 600Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// JSON lines that the daemons write for log shippers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// Realtime detection: the kernel reports changes, and AIDE checks the changed files at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime: Option<Realtime>,
    /// How long evidence of accepted changes is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Paths that are not watched, although the configuration selects them. To exclude a path accepts nothing: when
    /// the exclusion ends, its files are compared with the baseline from before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "exclusions")]
    pub exclude: Vec<Exclusion>,
    /// Times during which the scans of nodes are held, such as maintenance windows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub holds: Vec<Hold>,
}

/// AIDE configuration and scan settings.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.securityProfile) || self.securityProfile != 'restricted' || has(self.stateDir)",
    "message": "securityProfile restricted requires stateDir, the only directory that the daemon can write to; use the directory of existing baselines, such as /etc/kubernetes or /var/lib/file-integrity"
}]))]
pub struct AideConfig {
    /// Name of the ConfigMap with the AIDE configuration. If empty, the default configuration of the
    /// profile is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace of the ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Key in the data of the ConfigMap. Default: aide.conf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Seconds between the end of a scan and the start of the next one. The minimum is 10; lower values
    /// are treated as 10.
    #[serde(default = "default_grace_period")]
    pub grace_period: i64,
    /// Maximum number of backups of the database, and of the log, that are kept on a node when it is
    /// re-initialized.
    #[serde(default = "default_max_backups")]
    pub max_backups: i64,
    /// Seconds between the creation of this object and the deployment of the daemons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<i64>,
    /// Default configuration to use if no ConfigMap is specified. If unset, openshift on clusters that
    /// serve the API group machineconfiguration.openshift.io, otherwise generic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileName>,
    /// Directory on the nodes for database, log and backups. If unset, /etc/kubernetes, or
    /// /var/lib/file-integrity on nodes where /etc/kubernetes is missing, read-only or in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "self.matches('^(/[A-Za-z0-9._-]+)+$') && !self.contains('/../') && !self.endsWith('/..')",
        "message": "stateDir must be an absolute path of letters, digits, '.', '_', '-' and '/', without '..', such as /var/lib/file-integrity"
    }]))]
    pub state_dir: Option<String>,
    /// Action when the baseline of a node is lost. reinit: create a new baseline and report it with a
    /// warning. error: report the node as Errored until a re-initialization is requested. Default:
    /// reinit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_baseline_loss: Option<BaselineLoss>,
    /// If true, only a FileIntegrityAcceptance accepts changes: re-init annotations and signals are
    /// refused, the end of a node update creates no baseline, a new configuration waits on nodes that
    /// are Failed, and a baseline that is lost or cannot be used is an error. To set it back requires
    /// the verb accept. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_acceptance: Option<bool>,
    /// Maximum duration in seconds of a scan or initialization. Longer runs are terminated and reported
    /// as Errored. Runs without progress are terminated after 600 seconds, or after this time if it is
    /// shorter. Default: 21600 (six hours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 604_800))]
    pub scan_timeout: Option<i64>,
    /// Holds off scans of a node while it is cordoned and re-initializes it afterwards, as on OpenShift
    /// during updates by the Machine Config Operator. For clusters that cordon nodes to update them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdoff_when_cordoned: Option<bool>,
    /// Security profile of the pods on the nodes. Default: privileged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_profile: Option<SecurityProfile>,
}

/// Default configuration to use if no ConfigMap is specified. If unset, openshift on clusters that serve the
/// API group machineconfiguration.openshift.io, otherwise generic.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ProfileName {
    /// For any Linux node.
    Generic,
    /// For OpenShift nodes, as the default of the original operator.
    Openshift,
}

/// Action when the baseline of a node is lost. reinit: create a new baseline and report it with a warning.
/// error: report the node as Errored until a re-initialization is requested. Default: reinit.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum BaselineLoss {
    /// Create a new baseline and report it with a warning.
    Reinit,
    /// Report the node as Errored until a re-initialization is requested.
    Error,
}

/// Security profile of the pods on the nodes. privileged: the pods have all privileges. restricted: the pods
/// can read all files of the node, by one capability, and write only to the state directory; stateDir
/// is required, because the daemon cannot use another directory, and AIDE cannot read trusted.*
/// attributes. A change restarts the daemons and does not create new baselines. Default: privileged.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SecurityProfile {
    /// All privileges, as in the original operator.
    Privileged,
    /// Only the privileges to read all files and to write to the state directory.
    Restricted,
}

/// JSON lines that the daemons write to their standard output, for log shippers.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Format of the lines. Default: fio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<OutputFormat>,
    /// If true, a scan writes only the changes that the scan before did not find. If false, it writes all
    /// its changes when they differ from those of the scan before. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_only: Option<bool>,
    /// Name of the cluster in each line, to distinguish clusters that send to the same receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "self.matches('^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$')",
        "message": "clusterName must consist of at most 253 letters, digits, '.', '_' and '-', and begin and end with a letter or digit, such as prod-1"
    }]))]
    #[schemars(length(max = 253))]
    pub cluster_name: Option<String>,
}

/// Format of the JSON lines for log shippers. fio: the fields that fio's documentation describes. ecs: the
/// Elastic Common Schema. ocsf: the Open Cybersecurity Schema Framework. Default: fio.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// The fields that fio's documentation describes.
    #[default]
    Fio,
    /// The Elastic Common Schema.
    Ecs,
    /// The Open Cybersecurity Schema Framework.
    Ocsf,
}

/// A path that is not watched.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Exclusion {
    /// Absolute path of a file, or of a directory with everything below it. A backslash, and bytes that are not
    /// printable, are written as \ooo, as in results.
    #[schemars(length(max = 4096), extend("x-kubernetes-validations" = [{
        "rule": "self.startsWith('/') && size(self) > 1 && !self.endsWith('/') && !self.contains('//') && !self.contains('/./') && !self.contains('/../') && !self.endsWith('/.') && !self.endsWith('/..')",
        "message": "path must be absolute, without empty components, . and .., and not /, such as /etc/motd"
    }]))]
    pub path: String,
    /// Reason for the exclusion.
    #[schemars(length(max = 1024), extend("x-kubernetes-validations" = [{
        "rule": r"self.matches('[\\p{L}\\p{N}]') && !self.matches('[\\p{Cc}\\p{Zl}\\p{Zp}\\x{200E}\\x{200F}\\x{202A}-\\x{202E}\\x{2066}-\\x{2069}]')",
        "message": "reason must state in 1 to 1024 characters why the path is excluded: with a letter or digit, on one line, and without control characters"
    }]))]
    pub reason: String,
    /// The exclusion ends at this time. If unset, it ends when it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// A list whose items are identified by their paths: the API server refuses a path that is listed twice.
fn exclusions(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": Exclusion::json_schema(generator),
        "maxItems": 256,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["path"],
    })
}

/// How long evidence of accepted changes is kept.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Days for which evidence of accepted changes is kept, and a FileIntegrityAcceptance after its
    /// completion. A change does not apply to what is already stored. Default: 400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3650))]
    pub retention_days: Option<i64>,
}

/// Resource requests and limits of a container.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Maximum resources of the container, for example cpu: 300m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantities")]
    pub limits: Option<BTreeMap<String, Quantity>>,
    /// Resources reserved for the container, for example memory: 40Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantities")]
    pub requests: Option<BTreeMap<String, Quantity>>,
}

fn default_grace_period() -> i64 {
    DEFAULT_GRACE_PERIOD
}

fn default_max_backups() -> i64 {
    DEFAULT_MAX_BACKUPS
}

fn default_tolerations() -> Vec<Toleration> {
    [
        "node-role.kubernetes.io/master",
        "node-role.kubernetes.io/infra",
    ]
    .map(|key| Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some("NoSchedule".to_owned()),
        ..Toleration::default()
    })
    .to_vec()
}
