//! Which nodes a FileIntegrity watches. Pure.

use std::collections::HashSet;
use std::sync::Arc;

use super::daemon_pod::DaemonPod;
use super::excluded::Excluded;
use crate::api::FileIntegritySpec;
use crate::operator::cache::node::CachedNode;

/// The nodes of a cluster, as a FileIntegrity sees them.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    /// The nodes on which a daemon runs, or should run.
    pub(crate) selected: Vec<&'a CachedNode>,
    /// Names of the selected nodes on which no new daemon's pod can start.
    pub(crate) shut_out: HashSet<&'a str>,
    /// The nodes that are not selected because of their taints.
    pub(crate) excluded: Excluded,
}

impl<'a> Selection<'a> {
    /// Sorts the nodes.
    ///
    /// A node where no new pod can start stays selected if its daemon has reported before, because the
    /// pod may still run. Deleting the node status deselects the node. A status without a report does not
    /// count: the taint may have been added before the first pod started.
    pub(crate) fn new(
        spec: &FileIntegritySpec,
        nodes: &'a [Arc<CachedNode>],
        has_reported: impl Fn(&str) -> bool,
    ) -> Self {
        let selector = spec.selector();
        let mut selection = Self {
            selected: Vec::new(),
            shut_out: HashSet::new(),
            excluded: Excluded::default(),
        };
        for node in nodes.iter().map(AsRef::as_ref) {
            match node.daemon_pod(&selector, &spec.tolerations) {
                DaemonPod::Runs => selection.selected.push(node),
                DaemonPod::KeepsRunning if has_reported(&node.name) => {
                    selection.selected.push(node);
                    selection.shut_out.insert(&*node.name);
                }
                DaemonPod::KeepsRunning | DaemonPod::Absent if node.matches(&selector) => {
                    let taints = node.untolerated_taints(&spec.tolerations);
                    selection.excluded.add(node, taints);
                }
                DaemonPod::KeepsRunning | DaemonPod::Absent => {}
            }
        }
        selection
    }
}
