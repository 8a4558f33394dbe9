//! Whether the DaemonSet controller runs the daemon's pod on a node. Pure.
//!
//! The controller decides this from the node's labels and taints. The operator has to know the answer
//! as well, because a node's status object must exist before its daemon starts.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Toleration;

use crate::operator::cache::node::{CachedNode, CachedTaint};

/// What the DaemonSet controller does about a pod on a node (Kubernetes' `NodeShouldRunDaemonPod`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DaemonPod {
    /// It runs a pod, and replaces it when it ends.
    Runs,
    /// It leaves a running pod alone and creates no new one: a taint that is not tolerated was added,
    /// and it does not evict pods.
    KeepsRunning,
    /// It runs no pod.
    Absent,
}

/// Taints that the DaemonSet controller tolerates for every pod that it creates (Kubernetes
/// documentation, DaemonSet, taints and tolerations).
const TOLERATED_BY_DAEMON_SETS: [&str; 6] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
];

impl CachedNode {
    /// Whether it is a Linux node with these labels.
    pub(crate) fn matches(&self, selector: &BTreeMap<String, String>) -> bool {
        let os = self.labels.get("kubernetes.io/os").unwrap_or("linux");
        let has = |(key, value): (&String, &String)| self.labels.get(key) == Some(value);
        os == "linux" && selector.iter().all(has)
    }

    /// Its taints that keep out a daemon's pod with these tolerations.
    pub(crate) fn untolerated_taints(
        &self,
        tolerations: &[Toleration],
    ) -> impl Iterator<Item = &CachedTaint> {
        self.taints
            .iter()
            .filter(|taint| !is_tolerated(taint, tolerations))
    }

    /// What becomes of a daemon's pod with this selector and these tolerations.
    pub(crate) fn daemon_pod(
        &self,
        selector: &BTreeMap<String, String>,
        tolerations: &[Toleration],
    ) -> DaemonPod {
        if !self.matches(selector) {
            return DaemonPod::Absent;
        }
        let mut untolerated = self.untolerated_taints(tolerations).peekable();
        if untolerated.peek().is_none() {
            DaemonPod::Runs
        } else if untolerated.any(|taint| taint.effect == "NoExecute") {
            DaemonPod::Absent
        } else {
            DaemonPod::KeepsRunning
        }
    }
}

fn is_tolerated(taint: &CachedTaint, tolerations: &[Toleration]) -> bool {
    taint.effect == "PreferNoSchedule"
        || TOLERATED_BY_DAEMON_SETS.contains(&taint.key.as_str())
        || tolerations
            .iter()
            .any(|toleration| tolerates(toleration, taint))
}

fn tolerates(toleration: &Toleration, taint: &CachedTaint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    let exists = toleration.operator.as_deref() == Some("Exists");
    (effect.is_empty() || effect == taint.effect)
        && (key == taint.key || (key.is_empty() && exists))
        && (exists || toleration.value.as_deref().unwrap_or_default() == taint.value)
}

#[cfg(test)]
mod tests;
