//! The nodes that match a FileIntegrity's nodeSelector and have taints that it does not tolerate. Pure.
//!
//! The default tolerations leave out nodes with the taint `node-role.kubernetes.io/control-plane`, and
//! a user may not notice that the control plane is not watched. So these nodes are counted, and a
//! condition names their taints.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::operator::cache::node::{CachedNode, CachedTaint};

/// Maximum number of taints in the condition's message.
const MAX_TAINTS: usize = 5;

/// Nodes that are not watched because of their taints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Excluded {
    nodes: BTreeSet<Arc<str>>,
    /// The nodes with each taint. The key is `key:effect`, as kubectl shows it.
    by_taint: BTreeMap<String, Vec<Arc<str>>>,
}

impl Excluded {
    /// Adds a node with its taints that are not tolerated.
    pub(crate) fn add<'a>(
        &mut self,
        node: &CachedNode,
        taints: impl Iterator<Item = &'a CachedTaint>,
    ) {
        self.nodes.insert(Arc::clone(&node.name));
        for CachedTaint { key, effect, .. } in taints {
            let with_taint = self.by_taint.entry(format!("{key}:{effect}")).or_default();
            // Two taints may differ only in their values.
            if with_taint.last() != Some(&node.name) {
                with_taint.push(Arc::clone(&node.name));
            }
        }
    }

    /// The number of nodes.
    pub(crate) fn count(&self) -> i64 {
        i64::try_from(self.nodes.len()).unwrap_or(i64::MAX)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The taints, each with its nodes as `list` formats them. Taints of many nodes come first.
    pub(crate) fn describe(&self, list: impl Fn(&[&str]) -> String) -> String {
        let mut taints: Vec<_> = self.by_taint.iter().collect();
        // The sort is stable: taints with the same number of nodes stay in order.
        taints.sort_by_key(|(_, nodes)| std::cmp::Reverse(nodes.len()));
        let more = taints.len().saturating_sub(MAX_TAINTS);
        let mut parts: Vec<String> = taints
            .iter()
            .take(MAX_TAINTS)
            .map(|(taint, nodes)| {
                let mut names: Vec<&str> = nodes.iter().map(|name| &**name).collect();
                names.sort_unstable();
                format!("{taint} ({})", list(&names))
            })
            .collect();
        if more > 0 {
            parts.push(format!("and {more} more taints"));
        }
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests;
