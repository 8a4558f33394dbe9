//! Which nodes a FileIntegrity selects. Pure.
//!
//! The same question that the DaemonSet controller answers for the daemon's pods: the node's
//! labels match, and its taints are tolerated. Answered here as well, because a node's status
//! object must be there before its daemon starts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Toleration};
use kube::Resource;
use kube::core::ObjectMeta;
use kube::runtime::reflector::Lookup;
use serde::{Deserialize, Deserializer};

use super::kinds::same_kind_as;
use super::pool::Texts;

/// A Node as the operator's watch reads it: a whole one is some 20 kB, mostly names of images, and
/// its kubelet writes it every five minutes. What is not used is passed over while the JSON is read,
/// and takes no memory.
#[derive(Clone, Debug, Default)]
pub struct ReadNode {
    /// Its name and resource version, nothing else.
    metadata: ObjectMeta,
    /// What of it matters.
    pub facts: NodeFacts,
}

/// What is read of a Node's JSON.
#[derive(Deserialize)]
struct Wire {
    metadata: WireMeta,
    #[serde(default)]
    spec: WireSpec,
    #[serde(default)]
    status: WireStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMeta {
    name: Option<String>,
    resource_version: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct WireSpec {
    #[serde(default)]
    taints: Vec<WireTaint>,
    #[serde(default)]
    unschedulable: bool,
}

/// What is read of a taint. Its time is not: one that cannot be read would be the end of the watch.
#[derive(Deserialize)]
struct WireTaint {
    key: String,
    value: Option<String>,
    effect: String,
}

#[derive(Default, Deserialize)]
struct WireStatus {
    #[serde(default)]
    conditions: Vec<WireCondition>,
}

/// What is read of a condition. A node's kubelet writes them, and its times may be any.
#[derive(Deserialize)]
struct WireCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl<'de> Deserialize<'de> for ReadNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire {
            metadata,
            spec,
            status,
        } = Wire::deserialize(deserializer)?;
        let facts = NodeFacts {
            name: metadata.name.as_deref().unwrap_or_default().into(),
            labels: metadata.labels.into_iter().collect(),
            taints: spec.taints.into_iter().map(taint).collect(),
            ready: is_ready(&status.conditions),
            cordoned: spec.unschedulable,
            machine_config: machine_config(&metadata.annotations),
        };
        Ok(Self {
            metadata: ObjectMeta {
                name: metadata.name,
                resource_version: metadata.resource_version,
                ..ObjectMeta::default()
            },
            facts,
        })
    }
}

impl ReadNode {
    /// What is kept of it; its name is one that others keep too.
    pub fn kept(self, texts: &Texts) -> NodeFacts {
        NodeFacts {
            name: texts.shared(&*self.facts.name),
            ..self.facts
        }
    }
}

/// Nobody asks a store for what else keys may hold.
impl Lookup for NodeFacts {
    same_kind_as!(Node);

    fn name(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.name))
    }
    fn namespace(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn resource_version(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn uid(&self) -> Option<Cow<'_, str>> {
        None
    }
}

impl Resource for ReadNode {
    type Scope = kube::core::ClusterResourceScope;

    same_kind_as!(Node);

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Labels in one piece of memory, as `key=value` lines in the order of the keys: a map of a node's
/// dozen takes three times as much. Neither keys nor values have a `=` or an end of line in them.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Labels(Box<str>);

impl Labels {
    /// The value of this label.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }
}

impl std::fmt::Debug for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.lines()).finish()
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(labels: I) -> Self {
        let mut lines: Vec<String> = labels
            .into_iter()
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect();
        lines.sort();
        Self(lines.concat().into_boxed_str())
    }
}

/// What of a node matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeFacts {
    /// Its name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Labels,
    /// Its taints.
    pub taints: Vec<(String, String, String)>,
    /// Its kubelet reports that it is ready.
    pub ready: bool,
    /// No new pods are scheduled to it.
    pub cordoned: bool,
    /// What the Machine Config Operator is doing to it, where there is one.
    pub machine_config: Option<MachineConfig>,
}

/// The Machine Config Operator's annotations of a node, all three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MachineConfig {
    current: String,
    desired: String,
    state: String,
}

/// Where a node is in an update of its operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Its files are being changed.
    Under,
    /// It has begun or ended, and not reported so; what was held stays held.
    Between,
    /// None is under way.
    Over,
}

/// What becomes of a daemon's pod on a node: the DaemonSet controller's decision (Kubernetes'
/// `NodeShouldRunDaemonPod`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonPod {
    /// One runs, and is made anew where it ends.
    Runs,
    /// One that is there runs on, and no new one is made: a taint has come that is not tolerated, and
    /// ends nothing.
    RunsOn,
    /// None runs.
    Absent,
}

/// What the annotations of the Machine Config Operator begin with.
const MACHINE_CONFIG_PREFIX: &str = "machineconfiguration.openshift.io/";

/// Taints that the DaemonSet controller tolerates for every pod it makes (Kubernetes
/// documentation, DaemonSet, taints and tolerations).
const TOLERATED_BY_DAEMON_SETS: [&str; 6] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
];

impl NodeFacts {
    /// Where the node is in an update; a cordon counts as one where `by_cordon` says so.
    pub fn update(&self, by_cordon: bool) -> Update {
        let by_machine_config = self
            .machine_config
            .as_ref()
            .map_or(Update::Over, MachineConfig::update);
        match by_machine_config {
            Update::Over if by_cordon && self.cordoned => Update::Under,
            update => update,
        }
    }

    /// Whether it is a Linux node with these labels.
    pub fn is_matched(&self, selector: &BTreeMap<String, String>) -> bool {
        let os = self.labels.get("kubernetes.io/os").unwrap_or("linux");
        let matches = |(key, value): (&String, &String)| self.labels.get(key) == Some(value);
        os == "linux" && selector.iter().all(matches)
    }

    /// Its taints that keep a daemon's pod with these tolerations out, as key, value and effect.
    pub fn untolerated(
        &self,
        tolerations: &[Toleration],
    ) -> impl Iterator<Item = &(String, String, String)> {
        let untolerated = |taint: &&(String, String, String)| !is_tolerated(taint, tolerations);
        self.taints.iter().filter(untolerated)
    }

    /// What becomes of a daemon's pod with this selector and these tolerations here.
    pub fn daemon_pod(
        &self,
        selector: &BTreeMap<String, String>,
        tolerations: &[Toleration],
    ) -> DaemonPod {
        if !self.is_matched(selector) {
            return DaemonPod::Absent;
        }
        let mut untolerated = self.untolerated(tolerations).peekable();
        if untolerated.peek().is_none() {
            DaemonPod::Runs
        } else if untolerated.any(|(_, _, effect)| effect == "NoExecute") {
            DaemonPod::Absent
        } else {
            DaemonPod::RunsOn
        }
    }
}

impl MachineConfig {
    fn update(&self) -> Update {
        let same = self.current == self.desired;
        match self.state.as_str() {
            "Working" if !same => Update::Under,
            "Done" if same => Update::Over,
            "Degraded" => Update::Over,
            _ => Update::Between,
        }
    }
}

fn machine_config(annotations: &BTreeMap<String, String>) -> Option<MachineConfig> {
    let of = |key: &str| {
        annotations
            .get(&format!("{MACHINE_CONFIG_PREFIX}{key}"))
            .cloned()
    };
    Some(MachineConfig {
        current: of("currentConfig")?,
        desired: of("desiredConfig")?,
        state: of("state")?,
    })
}

fn taint(taint: WireTaint) -> (String, String, String) {
    (taint.key, taint.value.unwrap_or_default(), taint.effect)
}

fn is_ready(conditions: &[WireCondition]) -> bool {
    conditions
        .iter()
        .any(|c| c.kind == "Ready" && c.status == "True")
}

fn is_tolerated((key, value, effect): &(String, String, String), all: &[Toleration]) -> bool {
    effect == "PreferNoSchedule"
        || TOLERATED_BY_DAEMON_SETS.contains(&key.as_str())
        || all.iter().any(|t| tolerates(t, key, value, effect))
}

fn tolerates(toleration: &Toleration, key: &str, value: &str, effect: &str) -> bool {
    let any_effect = toleration.effect.as_deref().unwrap_or_default();
    let wanted_key = toleration.key.as_deref().unwrap_or_default();
    let exists = toleration.operator.as_deref() == Some("Exists");
    (any_effect.is_empty() || any_effect == effect)
        && (wanted_key == key || (wanted_key.is_empty() && exists))
        && (exists || toleration.value.as_deref().unwrap_or_default() == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(labels: &[(&str, &str)], taints: &[(&str, &str, &str)]) -> NodeFacts {
        let own = |text: &str| text.to_owned();
        NodeFacts {
            name: "n".into(),
            labels: labels.iter().map(|(k, v)| (own(k), own(v))).collect(),
            taints: taints
                .iter()
                .map(|(k, v, e)| (own(k), own(v), own(e)))
                .collect(),
            ready: true,
            ..NodeFacts::default()
        }
    }

    #[test]
    fn updates_are_read_from_annotations_and_cordons() {
        let with = |current: &str, desired: &str, state: &str| NodeFacts {
            machine_config: Some(MachineConfig {
                current: current.to_owned(),
                desired: desired.to_owned(),
                state: state.to_owned(),
            }),
            ..NodeFacts::default()
        };
        let cordoned = NodeFacts {
            cordoned: true,
            ..NodeFacts::default()
        };
        let table = [
            (NodeFacts::default(), false, Update::Over),
            (with("a", "a", "Done"), false, Update::Over),
            (with("a", "b", "Done"), false, Update::Between),
            (with("a", "b", "Working"), false, Update::Under),
            (with("b", "b", "Working"), false, Update::Between),
            (with("b", "b", "Done"), false, Update::Over),
            (with("a", "b", "Degraded"), false, Update::Over),
            (cordoned.clone(), false, Update::Over),
            (cordoned, true, Update::Under),
        ];
        for (node, by_cordon, expected) in table {
            assert_eq!(node.update(by_cordon), expected, "{node:?}");
        }
    }

    #[test]
    fn times_that_cannot_be_read_are_not_read() {
        let node = serde_json::json!({
            "metadata": {"name": "n"},
            "spec": {"taints": [{"key": "k", "effect": "NoExecute", "timeAdded": "9999-12-31T23:59:59Z"}]},
            "status": {"conditions": [{
                "type": "Ready", "status": "True",
                "lastHeartbeatTime": "9999-12-31T23:59:59Z", "lastTransitionTime": "?",
            }]},
        });
        let node: ReadNode = serde_json::from_value(node).unwrap();
        assert!(node.facts.ready);
        let taint = ["k", "", "NoExecute"].map(str::to_owned).into();
        assert_eq!(node.facts.taints, [taint]);
    }

    #[test]
    fn two_of_the_three_annotations_say_nothing() {
        let node: ReadNode =
            serde_json::from_value(serde_json::json!({"metadata": {"annotations": {
                "machineconfiguration.openshift.io/currentConfig": "a",
                "machineconfiguration.openshift.io/state": "Working",
            }}}))
            .unwrap();
        assert_eq!(node.facts.machine_config, None);
    }

    fn toleration(json: serde_json::Value) -> Toleration {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn labels_must_match() {
        let selector = BTreeMap::from([("role".to_owned(), "worker".to_owned())]);
        let table = [
            (node(&[("role", "worker")], &[]), DaemonPod::Runs),
            (node(&[("role", "infra")], &[]), DaemonPod::Absent),
            (node(&[], &[]), DaemonPod::Absent),
            (
                node(&[("role", "worker"), ("kubernetes.io/os", "windows")], &[]),
                DaemonPod::Absent,
            ),
        ];
        for (node, expected) in table {
            assert_eq!(node.daemon_pod(&selector, &[]), expected, "{node:?}");
        }
    }

    #[test]
    fn taints_must_be_tolerated() {
        let exists = toleration(serde_json::json!({"key": "a", "operator": "Exists"}));
        let equal =
            toleration(serde_json::json!({"key": "a", "value": "1", "effect": "NoSchedule"}));
        let everything = toleration(serde_json::json!({"operator": "Exists"}));
        let no_schedule = ("a", "1", "NoSchedule");
        let no_execute = ("a", "1", "NoExecute");
        let cordoned = ("node.kubernetes.io/unschedulable", "", "NoSchedule");
        let not_ready = ("node.kubernetes.io/not-ready", "", "NoExecute");
        let table = [
            (vec![no_schedule], vec![], DaemonPod::RunsOn),
            (vec![no_schedule], vec![exists.clone()], DaemonPod::Runs),
            (vec![no_execute], vec![], DaemonPod::Absent),
            (vec![no_execute], vec![exists], DaemonPod::Runs),
            (vec![no_schedule], vec![equal.clone()], DaemonPod::Runs),
            (
                vec![("a", "2", "NoSchedule")],
                vec![equal.clone()],
                DaemonPod::RunsOn,
            ),
            (vec![no_execute], vec![equal.clone()], DaemonPod::Absent),
            // One of each effect: the tolerated one does not help the other.
            (
                vec![no_schedule, no_execute],
                vec![equal],
                DaemonPod::Absent,
            ),
            (vec![no_schedule, no_execute], vec![], DaemonPod::Absent),
            (
                vec![("b", "1", "NoExecute")],
                vec![everything],
                DaemonPod::Runs,
            ),
            (
                vec![("a", "1", "PreferNoSchedule")],
                vec![],
                DaemonPod::Runs,
            ),
            (vec![cordoned], vec![], DaemonPod::Runs),
            (vec![not_ready], vec![], DaemonPod::Runs),
        ];
        for (taints, tolerations, expected) in table {
            let node = node(&[], &taints);
            assert_eq!(
                node.daemon_pod(&BTreeMap::new(), &tolerations),
                expected,
                "{taints:?}, {tolerations:?}"
            );
        }
    }

    #[test]
    fn facts_are_taken_from_a_node_and_the_rest_is_passed_over() {
        let watched: ReadNode = serde_json::from_value(serde_json::json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {
                "name": "n", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"},
                "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:metadata": {}}}],
            },
            "spec": {"podCIDR": "10.0.0.0/24", "taints": [{"key": "k", "effect": "NoSchedule"}]},
            "status": {
                "conditions": [{"type": "Ready", "status": "True", "message": "m"}],
                "images": [{"names": ["i"], "sizeBytes": 1}],
            },
        }))
        .unwrap();
        let expected = node(&[("a", "b")], &[("k", "", "NoSchedule")]);
        assert_eq!(watched.facts, expected);
        let metadata = ObjectMeta {
            name: Some("n".to_owned()),
            resource_version: Some("7".to_owned()),
            ..ObjectMeta::default()
        };
        assert_eq!(watched.metadata, metadata);
    }

    #[test]
    fn labels_are_found_by_the_whole_key() {
        let labels = node(&[("b", "2"), ("a", "1"), ("a/b", "")], &[]).labels;
        let table = [
            ("a", Some("1")),
            ("b", Some("2")),
            ("a/b", Some("")),
            ("", None),
            ("a/", None),
        ];
        for (key, expected) in table {
            assert_eq!(labels.get(key), expected, "{key}");
        }
    }
}
