//! What was counted before, so that only changes are counted. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::daemon_sets::DaemonSets;
use crate::api::NodeCounts;
use crate::operator::cache::node_status::{CachedNodeStatus, NodeReport};

#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) reports: NodeReports,
    /// By the name of the status.
    pub(super) desired: HashMap<Arc<str>, CountedDesiredState>,
    pub(super) file_integrities: FileIntegrities,
    pub(super) daemon_sets: DaemonSets,
    /// Fingerprint of the configuration that was last written to the nodes of each FileIntegrity.
    pub(super) configs: HashMap<Arc<str>, u64>,
    /// UIDs of acceptances that are not Complete or Failed.
    pub(super) open_acceptances: HashSet<String>,
    /// The result of the last reconcile of each FileIntegrity.
    pub(super) reconciles: HashMap<String, ReconcileResult>,
}

/// What is counted of the desired state of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CountedDesiredState {
    pub(super) is_held_for_update: bool,
    /// Fingerprint of the configuration's hash.
    pub(super) config: Option<u64>,
}

/// The gauges of a FileIntegrity.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ReconcileResult {
    pub(super) counts: NodeCounts,
    pub(super) degraded: bool,
    pub(super) stale_nodes: BTreeSet<String>,
    /// Number of nodes by the label of the change set.
    pub(super) change_sets: BTreeMap<String, i64>,
}

/// The reports of a node, by the names of the statuses.
type ReportsOfNode = Vec<(Arc<str>, Arc<NodeReport>)>;

/// The last report in each node status.
#[derive(Debug, Default)]
pub(super) struct NodeReports {
    /// Most nodes have one report.
    by_node: HashMap<Arc<str>, ReportsOfNode>,
    /// While the watch lists all statuses again: those that the list has not shown yet, as node and name.
    unlisted: HashSet<(Arc<str>, Arc<str>)>,
    /// All statuses have been listed once.
    pub(super) is_listed: bool,
}

impl NodeReports {
    /// The reports of a node, and its name as it is shared.
    pub(super) fn of(&self, node: &str) -> Option<(&Arc<str>, Vec<&NodeReport>)> {
        let (node, reports) = self.by_node.get_key_value(node)?;
        Some((node, reports.iter().map(|(_, report)| &**report).collect()))
    }

    /// Stores the report of a status. Returns the one before.
    pub(super) fn insert(&mut self, status: &CachedNodeStatus) -> Option<Arc<NodeReport>> {
        let new = Arc::clone(&status.report);
        let known = self.by_node.entry(Arc::clone(&status.node_name));
        let known = known.or_insert_with(|| Vec::with_capacity(1));
        let before = known.iter_mut().find(|(name, _)| *name == status.name);
        if let Some((_, before)) = before {
            return Some(std::mem::replace(before, new));
        }
        known.push((Arc::clone(&status.name), new));
        None
    }

    /// Removes the report of a status.
    pub(super) fn remove(&mut self, node: &str, name: &str) {
        let Some(known) = self.by_node.get_mut(node) else {
            return;
        };
        known.retain(|(other, _)| **other != *name);
        if known.is_empty() {
            self.by_node.remove(node);
        }
    }

    pub(super) fn start_list(&mut self) {
        self.unlisted = self.names().collect();
    }

    pub(super) fn mark_listed(&mut self, status: &CachedNodeStatus) {
        if !self.unlisted.is_empty() {
            let key = (Arc::clone(&status.node_name), Arc::clone(&status.name));
            self.unlisted.remove(&key);
        }
    }

    /// Ends a list. Returns node and name of the statuses that were not in it.
    pub(super) fn end_list(&mut self) -> HashSet<(Arc<str>, Arc<str>)> {
        self.is_listed = true;
        std::mem::take(&mut self.unlisted)
    }

    /// Node and name of all statuses.
    fn names(&self) -> impl Iterator<Item = (Arc<str>, Arc<str>)> {
        self.by_node.iter().flat_map(|(node, known)| {
            let names = known.iter().map(|(name, _)| Arc::clone(name));
            names.map(|name| (Arc::clone(node), name))
        })
    }
}

/// The FileIntegrities that the watch has shown.
#[derive(Debug, Default)]
pub(super) struct FileIntegrities {
    pub(super) known: HashMap<String, CountedFileIntegrity>,
    /// While the watch lists all of them again: those that the list has shown.
    pub(super) listed: HashSet<String>,
    /// They have been listed once.
    pub(super) is_listed: bool,
}

/// What is counted of a FileIntegrity.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CountedFileIntegrity {
    pub(super) uid: Option<String>,
    pub(super) phase_transitions: Option<i64>,
    pub(super) record: Option<String>,
}
