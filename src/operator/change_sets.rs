//! Groups the nodes by the changes that they show. Pure.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{ChangeSetId, ChangeSetSummary, FileIntegrityStatus};
use crate::operator::cache::node_status::ReportedChangeSet;

/// Maximum number of sets in a status.
const MAX_IN_STATUS: usize = 20;
/// Maximum number of sets with a metric of their own.
const MAX_IN_METRICS: usize = 50;

/// The change sets of the selected nodes: those of most nodes first, and by their IDs if these are as many.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ChangeSets(Vec<Group>);

/// The nodes with the same changes.
#[derive(Clone, Debug, PartialEq)]
struct Group {
    nodes: usize,
    /// The first one by name, so that it stays the same as long as that node shows the set.
    example: Arc<str>,
    /// What the example reports. Others may report another path with the same ID, if they are compromised.
    set: Arc<ReportedChangeSet>,
}

/// Number of nodes by change set, for the metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangeSetNodes {
    /// The sets of most nodes.
    pub(crate) largest: Vec<(ChangeSetId, usize)>,
    /// Number of nodes that show other sets.
    pub(crate) others: usize,
}

impl ChangeSets {
    /// Groups nodes, each with its name and what it shows.
    pub(crate) fn new<'a>(
        nodes: impl Iterator<Item = (&'a Arc<str>, &'a Arc<ReportedChangeSet>)>,
    ) -> Self {
        let mut groups: HashMap<ChangeSetId, Group> = HashMap::new();
        for (node, set) in nodes {
            let group = groups.entry(set.id).or_insert_with(|| Group {
                nodes: 0,
                example: Arc::clone(node),
                set: Arc::clone(set),
            });
            if *node < group.example {
                group.example = Arc::clone(node);
                group.set = Arc::clone(set);
            }
            group.nodes += 1;
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_unstable_by_key(|group| (Reverse(group.nodes), group.set.id));
        Self(groups)
    }

    pub(crate) fn count(&self) -> i64 {
        number(self.0.len())
    }

    /// The largest sets, as in a status. `before` is the stored status, which has the times.
    pub(crate) fn listed(
        &self,
        before: Option<&FileIntegrityStatus>,
        now: &Time,
    ) -> Vec<ChangeSetSummary> {
        let before = before.map(|status| status.change_sets.as_slice());
        let before = before.unwrap_or_default();
        let mut largest_with_paths: HashMap<[u8; 32], ChangeSetId> = HashMap::new();
        let listed = self.0.iter().take(MAX_IN_STATUS).map(|group| {
            let id = group.set.id;
            let paths = group.set.paths;
            let largest = paths.map(|paths| *largest_with_paths.entry(paths).or_insert(id));
            group.summary(largest, before, now)
        });
        listed.collect()
    }

    /// The numbers of nodes, for the metrics.
    pub(crate) fn nodes(&self) -> ChangeSetNodes {
        let (largest, others) = self.0.split_at(self.0.len().min(MAX_IN_METRICS));
        let largest = largest.iter().map(|group| (group.set.id, group.nodes));
        ChangeSetNodes {
            largest: largest.collect(),
            others: others.iter().map(|group| group.nodes).sum(),
        }
    }
}

impl Group {
    /// `largest` is the largest set with the same paths.
    fn summary(
        &self,
        largest: Option<ChangeSetId>,
        before: &[ChangeSetSummary],
        now: &Time,
    ) -> ChangeSetSummary {
        let id = self.set.id.to_string();
        let known = before.iter().find(|known| known.id == id);
        let first_seen = known.map_or(now, |known| &known.first_seen).clone();
        let [added, changed, removed] = self.set.counts;
        ChangeSetSummary {
            id,
            nodes: number(self.nodes),
            added,
            changed,
            removed,
            first_seen,
            example_node: self.example.to_string(),
            example_path: self.set.first_path.as_ref().map(ToString::to_string),
            same_paths_as: largest
                .filter(|id| *id != self.set.id)
                .map(|id| id.to_string()),
        }
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
