//! Reads from a Node's JSON what the cache keeps. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::{Deserialize, Deserializer};

use super::super::delegate_kind::delegate_kind;
use super::super::interner::TextInterner;
use super::{CachedNode, CachedTaint, MachineConfig};

/// Prefix of the annotations of the Machine Config Operator.
const MACHINE_CONFIG_PREFIX: &str = "machineconfiguration.openshift.io/";
/// Type of a node's condition.
const NODE_READY: &str = "Ready";

/// A Node as the watch receives it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReceivedNode {
    /// Name and resource version only.
    metadata: ObjectMeta,
    pub(crate) node: CachedNode,
}

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

/// Without `timeAdded`: an invalid time must not make the Node unreadable.
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

/// Without the times: a kubelet may write any.
#[derive(Deserialize)]
struct WireCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl<'de> Deserialize<'de> for ReceivedNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire {
            metadata,
            spec,
            status,
        } = Wire::deserialize(deserializer)?;
        let node = CachedNode {
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
            node,
        })
    }
}

impl ReceivedNode {
    /// The node, with a name that is shared with other users.
    pub(crate) fn into_cached(self, texts: &TextInterner) -> CachedNode {
        CachedNode {
            name: texts.intern(&*self.node.name),
            ..self.node
        }
    }
}

impl Resource for ReceivedNode {
    type Scope = kube::core::ClusterResourceScope;

    delegate_kind!(Node);

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// The annotations count only if all three are there.
fn machine_config(annotations: &BTreeMap<String, String>) -> Option<MachineConfig> {
    let get = |key: &str| {
        annotations
            .get(&format!("{MACHINE_CONFIG_PREFIX}{key}"))
            .cloned()
    };
    Some(MachineConfig {
        current: get("currentConfig")?,
        desired: get("desiredConfig")?,
        state: get("state")?,
    })
}

fn taint(taint: WireTaint) -> CachedTaint {
    CachedTaint {
        key: taint.key,
        value: taint.value.unwrap_or_default(),
        effect: taint.effect,
    }
}

fn is_ready(conditions: &[WireCondition]) -> bool {
    conditions
        .iter()
        .any(|condition| condition.kind == NODE_READY && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_schedule(key: &str) -> CachedTaint {
        CachedTaint {
            key: key.to_owned(),
            value: String::new(),
            effect: "NoSchedule".to_owned(),
        }
    }

    #[test]
    fn invalid_times_do_not_matter() {
        let node = serde_json::json!({
            "metadata": {"name": "n"},
            "spec": {"taints": [{"key": "k", "effect": "NoSchedule", "timeAdded": "9999-12-31T23:59:59Z"}]},
            "status": {"conditions": [{
                "type": "Ready", "status": "True",
                "lastHeartbeatTime": "9999-12-31T23:59:59Z", "lastTransitionTime": "?",
            }]},
        });
        let received: ReceivedNode = serde_json::from_value(node).unwrap();
        assert!(received.node.ready);
        assert_eq!(received.node.taints, [no_schedule("k")]);
    }

    #[test]
    fn two_of_the_three_annotations_are_ignored() {
        let received: ReceivedNode =
            serde_json::from_value(serde_json::json!({"metadata": {"annotations": {
                "machineconfiguration.openshift.io/currentConfig": "a",
                "machineconfiguration.openshift.io/state": "Working",
            }}}))
            .unwrap();
        assert_eq!(received.node.machine_config, None);
    }

    #[test]
    fn only_used_fields_are_kept() {
        let received: ReceivedNode = serde_json::from_value(serde_json::json!({
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
        let expected = CachedNode {
            name: "n".into(),
            labels: [("a".to_owned(), "b".to_owned())].into_iter().collect(),
            taints: vec![no_schedule("k")],
            ready: true,
            ..CachedNode::default()
        };
        assert_eq!(received.node, expected);
        let metadata = ObjectMeta {
            name: Some("n".to_owned()),
            resource_version: Some("7".to_owned()),
            ..ObjectMeta::default()
        };
        assert_eq!(received.metadata, metadata);
    }
}
