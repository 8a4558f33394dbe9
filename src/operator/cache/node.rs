//! What the operator keeps of a Node. Pure.
//!
//! A whole Node is some 20 kB, mostly names of images, and its kubelet writes it every five minutes.

pub(crate) mod wire;

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use kube::runtime::reflector::Lookup;

use super::delegate_kind::delegate_kind;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct CachedNode {
    pub(crate) name: Arc<str>,
    pub(crate) labels: Labels,
    pub(crate) taints: Vec<CachedTaint>,
    /// The node is Ready.
    pub(crate) ready: bool,
    /// No new pods are scheduled to it (spec.unschedulable).
    pub(crate) cordoned: bool,
    /// The annotations of the Machine Config Operator, where there is one.
    pub(crate) machine_config: Option<MachineConfig>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct CachedTaint {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) effect: String,
}

/// The Machine Config Operator's annotations of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct MachineConfig {
    pub(crate) current: String,
    pub(crate) desired: String,
    pub(crate) state: String,
}

/// Labels, as lines `key=value` in one allocation: a map of a node's dozen takes three times as much
/// memory. Neither keys nor values contain `=` or a line break.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Labels(Box<str>);

impl Labels {
    /// The value of this label.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
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

/// Nobody reads resource version and uid from a store's keys.
impl Lookup for CachedNode {
    delegate_kind!(Node);

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

#[cfg(test)]
mod tests;
