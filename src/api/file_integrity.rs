//! `FileIntegrity`: the object in which users say what to watch, and the operator says how it is.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Toleration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition as StatusCondition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::object_name::{DataKey, InvalidName, NamespaceName, ObjectName};
use super::state_dir;

/// Seconds of pause between the end of a scan and the next one, unless the user says otherwise.
pub const DEFAULT_GRACE_PERIOD: i64 = 900;
/// The shortest pause in seconds; lower values are read as this one, as the original did.
pub const MIN_GRACE_PERIOD: i64 = 10;
/// Backups of the database and of the log that stay on a node.
pub const DEFAULT_MAX_BACKUPS: i64 = 5;
/// The data key that is read from a user's ConfigMap when `spec.config.key` is empty.
pub const DEFAULT_CONFIG_KEY: &str = "aide.conf";
/// Where the database, the log and their backups live on a node.
pub const DEFAULT_STATE_DIR: &str = "/etc/kubernetes";

/// What to watch on which nodes, and how.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "fileintegrity.openshift.io",
    version = "v1alpha1",
    kind = "FileIntegrity",
    plural = "fileintegrities",
    singular = "fileintegrity",
    namespaced,
    status = "FileIntegrityStatus",
    doc = "Watches the integrity of files on the cluster's nodes with AIDE: each selected node is compared with a baseline of its own after every pause, and differences are reported in a FileIntegrityNodeStatus per node.",
    printcolumn = r#"{"name": "Phase", "type": "string", "jsonPath": ".status.phase"}"#,
    printcolumn = r#"{"name": "Nodes", "type": "integer", "jsonPath": ".status.nodes.selected"}"#,
    printcolumn = r#"{"name": "Failed", "type": "integer", "jsonPath": ".status.nodes.failed"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    derive = "Default",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct FileIntegritySpec {
    /// Which AIDE configuration to use and how often to scan. `{}` takes every default.
    pub config: AideConfig,
    /// Labels that a node must carry to be watched. Empty: every Linux node whose taints are
    /// tolerated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Tolerations of the daemon's pods. Unset: the taints node-role.kubernetes.io/master and
    /// node-role.kubernetes.io/infra are tolerated; node-role.kubernetes.io/control-plane is not.
    #[serde(default = "default_tolerations")]
    pub tolerations: Vec<Toleration>,
    /// More detail in the daemon's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// PriorityClass of the daemon's pods. One that does not exist is reported by an event and in
    /// the condition Degraded, and the pods run without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Requests and limits of the daemon's container. Unset: 40m CPU and 40Mi memory requested,
    /// at most 300m and 600Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// Which AIDE configuration to use and how often to scan.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.securityProfile) || self.securityProfile != 'restricted' || has(self.stateDir)",
    "message": "securityProfile restricted needs stateDir, the one directory that the daemon may write: the one in which the baselines are, if there are some, such as /etc/kubernetes or /var/lib/file-integrity"
}]))]
pub struct AideConfig {
    /// Name of a ConfigMap with an AIDE configuration. Empty: the profile's default configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace of that ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Data key in that ConfigMap. Empty: aide.conf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Seconds of pause between the end of a scan and the next. Values below 10 count as 10.
    #[serde(default = "default_grace_period")]
    pub grace_period: i64,
    /// How many backups of the database and of the log, each, a re-initialisation leaves on a
    /// node.
    #[serde(default = "default_max_backups")]
    pub max_backups: i64,
    /// Seconds after the creation of this object before anything is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<i64>,
    /// Which default configuration to use when none is named. Unset: openshift where the cluster
    /// serves machineconfiguration.openshift.io, generic elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileName>,
    /// Directory on the nodes for database, log and backups. Unset: /etc/kubernetes, or
    /// /var/lib/file-integrity where that is missing, read-only or in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "self.matches('^(/[A-Za-z0-9._-]+)+$') && !self.contains('/../') && !self.endsWith('/..')",
        "message": "stateDir must be an absolute path of letters, digits, '.', '_', '-' and '/', without '..', such as /var/lib/file-integrity"
    }]))]
    pub state_dir: Option<String>,
    /// What a daemon does when a node's baseline is gone without anybody having asked for it:
    /// reinit makes a new one and warns, error reports the node as Errored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_baseline_loss: Option<BaselineLoss>,
    /// Seconds after which a scan, or the making of a baseline, that is not over is ended and
    /// reported as Errored. One that makes no progress at all is ended after 600 seconds, or this
    /// where it is less. Unset: 21600, six hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 604_800))]
    pub scan_timeout: Option<i64>,
    /// Hold the scans of a node while it is cordoned, and re-initialise it afterwards, as is done
    /// on OpenShift while the Machine Config Operator updates a node. For clusters on which nodes
    /// are cordoned for updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdoff_when_cordoned: Option<bool>,
    /// What the pods on the nodes may do. Unset: privileged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_profile: Option<SecurityProfile>,
}

/// A key of a ConfigMap in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMapKey {
    /// Namespace of the ConfigMap.
    pub namespace: NamespaceName,
    /// Its name.
    pub name: ObjectName,
    /// The key in its data.
    pub key: DataKey,
}

/// Why the spec names no ConfigMap that could exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidReference {
    field: &'static str,
    reason: InvalidName,
}

/// The built-in AIDE configuration to use when none is named. Unset: openshift where the cluster
/// serves machineconfiguration.openshift.io, generic elsewhere.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ProfileName {
    /// Any Linux node.
    Generic,
    /// An OpenShift node, as the original's default covers it.
    Openshift,
}

/// What a daemon does when a node's baseline is gone without anybody having asked for it: reinit
/// makes a new one and warns, error reports the node as Errored. Unset: reinit.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum BaselineLoss {
    /// Make a new baseline at once, and say so.
    Reinit,
    /// Report the node as Errored until a re-initialisation is requested.
    Error,
}

/// What the pods on the nodes may do. privileged, the default: everything. restricted: read all
/// files of the node, by one capability, and write the state directory, but not the
/// rest of the root file system; stateDir must be given then, as there is no falling back to another
/// directory, and trusted.* attributes are not seen. A change restarts the daemons, and makes no new
/// baseline. Unset: privileged.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SecurityProfile {
    /// Everything, as the original's.
    Privileged,
    /// What reading every file and writing the state directory takes.
    Restricted,
}

/// Requests and limits of a container.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// The most it may use, for example cpu: 300m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantities")]
    pub limits: Option<BTreeMap<String, Quantity>>,
    /// What is set aside for it, for example memory: 40Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantities")]
    pub requests: Option<BTreeMap<String, Quantity>>,
}

/// How the watch is going.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FileIntegrityStatus {
    /// Pending, Initializing, Active or Error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// How often the phase has changed. It tells one transition from another of the same phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase_transitions: Option<i64>,
    /// Counts of nodes by what is known of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeCounts>,
    /// Ready, `ConfigValid`, Degraded and `NodesExcluded`, in the standard form.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "readable"
    )]
    pub conditions: Vec<StatusCondition>,
    /// metadata.generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Reads the elements that can be read. A hand may have written a condition's time, which the API takes
/// and nobody can count with (see [`super::time`]): such a condition is made anew, and must not keep
/// all FileIntegrities from being read.
fn readable<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let elements = Vec::<Value>::deserialize(deserializer)?;
    let read = |element| serde_json::from_value(element).ok();
    Ok(elements.into_iter().filter_map(read).collect())
}

/// The running state of a FileIntegrity.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing is deployed, or no node is selected.
    Pending,
    /// Some reachable node has no baseline of the current configuration yet.
    Initializing,
    /// Every reachable node has a baseline and is scanned.
    Active,
    /// The configuration was refused, or a node could not be scanned.
    Error,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pending => "Pending",
            Self::Initializing => "Initializing",
            Self::Active => "Active",
            Self::Error => "Error",
        })
    }
}

/// Counts of nodes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeCounts {
    /// Nodes that nodeSelector and tolerations select.
    pub selected: i64,
    /// Of these, those with a baseline of the current configuration.
    pub initialized: i64,
    /// Of these, those whose last scan found changes.
    pub failed: i64,
    /// Of these, those whose last scan could not be done.
    pub errored: i64,
    /// Of these, those whose scans are held.
    pub held: i64,
    /// Of these, those that are not ready or have stopped reporting.
    pub stale: i64,
    /// Linux nodes that nodeSelector matches and that are not selected, because tolerations does not
    /// tolerate their taints. See the condition `NodesExcluded`.
    #[serde(default)]
    pub not_selected: i64,
}

impl FileIntegritySpec {
    /// Seconds of pause between scans, never below [`MIN_GRACE_PERIOD`].
    pub fn grace_period(&self) -> i64 {
        self.config.grace_period.max(MIN_GRACE_PERIOD)
    }

    /// Backups to keep; a negative number is read as none, as the original's pruning did.
    pub fn max_backups(&self) -> i64 {
        self.config.max_backups.max(0)
    }

    /// Seconds to wait from the object's creation; negative numbers are read as none.
    pub fn initial_delay(&self) -> i64 {
        self.config.initial_delay.unwrap_or(0).max(0)
    }

    /// The user's ConfigMap, where both name and namespace are given; otherwise the default
    /// configuration is meant, as in the original.
    pub fn user_config(&self) -> Result<Option<ConfigMapKey>, InvalidReference> {
        let config = &self.config;
        let name = non_empty(config.name.as_deref());
        let namespace = non_empty(config.namespace.as_deref());
        let (Some(name), Some(namespace)) = (name, namespace) else {
            return Ok(None);
        };
        let key = non_empty(config.key.as_deref()).unwrap_or(DEFAULT_CONFIG_KEY);
        let invalid = |field| move |reason| InvalidReference { field, reason };
        Ok(Some(ConfigMapKey {
            namespace: NamespaceName::parse(namespace).map_err(invalid("spec.config.namespace"))?,
            name: ObjectName::parse(name).map_err(invalid("spec.config.name"))?,
            key: DataKey::parse(key).map_err(invalid("spec.config.key"))?,
        }))
    }

    /// Where only one of name and namespace is given: the name of the one that is missing.
    fn half_named_config(&self) -> Option<&'static str> {
        let name = non_empty(self.config.name.as_deref());
        let namespace = non_empty(self.config.namespace.as_deref());
        match (name, namespace) {
            (Some(_), None) => Some("namespace"),
            (None, Some(_)) => Some("name"),
            _ => None,
        }
    }

    /// What is accepted because the original accepted it, and how it is read: one sentence each.
    pub fn odd_values(&self) -> Vec<String> {
        let config = &self.config;
        let mut odd = Vec::new();
        if let Some(missing) = self.half_named_config() {
            odd.push(format!(
                "spec.config.{missing} is empty, so the default configuration is used"
            ));
        } else if non_empty(config.name.as_deref()).is_none()
            && non_empty(config.key.as_deref()).is_some()
        {
            odd.push(
                "spec.config.key is given without a name, so the default configuration is used"
                    .to_owned(),
            );
        }
        for (field, value, read) in [
            ("gracePeriod", config.grace_period, self.grace_period()),
            ("maxBackups", config.max_backups, self.max_backups()),
            (
                "initialDelay",
                config.initial_delay.unwrap_or(0),
                self.initial_delay(),
            ),
        ] {
            if value < 0 {
                odd.push(format!(
                    "spec.config.{field} is {value}, which counts as {read}"
                ));
            }
        }
        odd
    }

    /// The nodes' labels that select; none when unset.
    pub fn selector(&self) -> BTreeMap<String, String> {
        self.node_selector.clone().unwrap_or_default()
    }

    /// The directory on the nodes that the user asked for, or the default one.
    pub fn state_dir(&self) -> String {
        let asked = non_empty(self.config.state_dir.as_deref());
        state_dir::normalized(asked.unwrap_or(DEFAULT_STATE_DIR))
    }

    /// The pods on the nodes get no more rights than their work takes.
    pub fn is_restricted(&self) -> bool {
        self.config.security_profile == Some(SecurityProfile::Restricted)
    }

    /// The PriorityClass asked for, if any.
    pub fn priority_class(&self) -> Option<&str> {
        non_empty(self.priority_class_name.as_deref())
    }
}

/// A map of quantities as the API's own types declare it: each a number or a string of the form that
/// the Kubernetes documentation on resource quantities gives. A rule and not a pattern, which would
/// be all that the API says to a value that does not match. The API weighs the rule by how often it
/// may have to be looked at, so the map has an end.
fn quantities(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "nullable": true,
        "maxProperties": 8,
        "additionalProperties": {
            "x-kubernetes-int-or-string": true,
            "x-kubernetes-validations": [{
                "rule": "isQuantity(string(self))",
                "message": "must be a quantity: a number with or without a unit, such as 300m or 1 for cpu, 600Mi or 1Gi for memory"
            }]
        }
    })
}

fn non_empty(value: Option<&str>) -> Option<&str> {
    value.filter(|v| !v.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: Value) -> FileIntegritySpec {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn odd_old_values_are_named_with_how_they_are_read() {
        let odd = |config: Value| spec(serde_json::json!({"config": config})).odd_values();
        assert_eq!(odd(serde_json::json!({"gracePeriod": 5})), [""; 0]);
        assert_eq!(
            odd(
                serde_json::json!({"gracePeriod": -1, "maxBackups": -2, "initialDelay": -3, "key": "k"})
            ),
            [
                "spec.config.key is given without a name, so the default configuration is used",
                "spec.config.gracePeriod is -1, which counts as 10",
                "spec.config.maxBackups is -2, which counts as 0",
                "spec.config.initialDelay is -3, which counts as 0",
            ]
        );
        assert_eq!(
            odd(serde_json::json!({"name": "n", "key": "k"})),
            ["spec.config.namespace is empty, so the default configuration is used"]
        );
    }

    #[test]
    fn a_condition_that_cannot_be_read_is_left_out() {
        let condition = |kind: &str, time: &str| {
            serde_json::json!({
                "type": kind, "status": "True", "reason": "R", "message": "m", "lastTransitionTime": time,
            })
        };
        let status: FileIntegrityStatus = serde_json::from_value(serde_json::json!({
            "phase": "Active",
            "conditions": [
                condition("Degraded", "9999-12-31T23:59:59Z"),
                condition("Ready", "2026-01-02T03:04:05Z"),
            ],
        }))
        .unwrap();
        assert_eq!(status.phase, Some(Phase::Active));
        let [ready] = status.conditions.as_slice() else {
            panic!("{:?}", status.conditions);
        };
        assert_eq!(ready.type_, "Ready");
    }

    #[test]
    fn an_empty_config_takes_every_default() {
        let spec = spec(serde_json::json!({"config": {}}));
        assert_eq!(spec.grace_period(), 900);
        assert_eq!(spec.max_backups(), 5);
        assert_eq!(spec.initial_delay(), 0);
        assert_eq!(spec.user_config(), Ok(None));
        assert_eq!(spec.state_dir(), "/etc/kubernetes");
        let odd = self::spec(serde_json::json!({"config": {"stateDir": "/srv/./fio/."}}));
        assert_eq!(odd.state_dir(), "/srv/fio");
        assert_eq!(spec.tolerations.len(), 2);
    }

    #[test]
    fn odd_old_values_are_read_as_the_original_read_them() {
        let spec = spec(serde_json::json!({"config": {
            "gracePeriod": -5, "maxBackups": -1, "initialDelay": -3, "key": "k"
        }}));
        assert_eq!(spec.grace_period(), 10);
        assert_eq!(spec.max_backups(), 0);
        assert_eq!(spec.initial_delay(), 0);
        assert_eq!(spec.user_config(), Ok(None));
    }

    #[test]
    fn a_user_config_that_could_lead_a_request_elsewhere_is_refused_by_its_field() {
        let table = [
            ("namespace", "ns/secrets?x="),
            ("name", "n?watch=1"),
            ("key", "../tls.key"),
        ];
        for (field, value) in table {
            let mut config = serde_json::json!({"name": "n", "namespace": "ns", "key": "k"});
            config[field] = serde_json::json!(value);
            let error = spec(serde_json::json!({"config": config}))
                .user_config()
                .unwrap_err();
            let expected = format!("spec.config.{field}: {value:?} is not ");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn a_user_config_needs_name_and_namespace() {
        let both = spec(serde_json::json!({"config": {"name": "n", "namespace": "ns"}}));
        let named = both.user_config().unwrap().unwrap();
        assert_eq!(named.namespace.as_str(), "ns");
        assert_eq!(named.name.as_str(), "n");
        assert_eq!(named.key.as_str(), "aide.conf");
        let only_name = spec(serde_json::json!({"config": {"name": "n"}}));
        assert_eq!(only_name.user_config(), Ok(None));
        assert_eq!(only_name.half_named_config(), Some("namespace"));
        let only_namespace = spec(serde_json::json!({"config": {"name": "", "namespace": "n"}}));
        assert_eq!(only_namespace.half_named_config(), Some("name"));
    }
}
