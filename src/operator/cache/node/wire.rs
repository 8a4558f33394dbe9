//! Reads from a Node's JSON what the cache keeps. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::{Deserialize, Deserializer};

use super::super::delegate_kind::delegate_kind;
use super::super::interner::TextInterner;
use super::{CachedNode, CachedTaint, MachineConfig};
use crate::api::condition::{ConditionStatus, ConditionType};

/// Prefix of the annotations of the Machine Config Operator.
const MACHINE_CONFIG_PREFIX: &str = "machineconfiguration.openshift.io/";

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

/// The condition of a Node has the same type as that of a FileIntegrity.
fn is_ready(conditions: &[WireCondition]) -> bool {
    conditions
        .iter()
        .filter(|condition| condition.kind == ConditionType::Ready.as_str())
        .any(|condition| condition.status == ConditionStatus::True.as_str())
}

#[cfg(test)]
mod tests;
