//! Groups nodes by the changes that they show. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use k8s_openapi::jiff::Timestamp;

use super::node::{Counts, Node};
use crate::api::ChangeSetId;

/// The nodes with the same changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) id: ChangeSetId,
    /// Their names, sorted. The first one is the example.
    pub(crate) nodes: Vec<String>,
    pub(crate) counts: Counts,
    /// The first path on the example node.
    pub(crate) example_path: Option<String>,
    /// Since when the operator knows the set.
    pub(crate) first_seen: Option<Timestamp>,
    /// The largest set with the same paths, if this is another one: the new values differ.
    pub(crate) same_paths_as: Option<ChangeSetId>,
}

/// The sets of nodes that are sorted by name: those of most nodes first, and by their IDs if these are as many.
pub(crate) fn sets<'a>(
    nodes: impl Iterator<Item = &'a Node>,
    first_seen: &HashMap<String, Timestamp>,
) -> Vec<Set> {
    let mut groups: BTreeMap<ChangeSetId, Vec<&Node>> = BTreeMap::new();
    for node in nodes {
        if let Some(set) = node.set() {
            groups.entry(set).or_default().push(node);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, nodes)| Reverse(nodes.len()));
    let mut largest_with_paths: HashMap<[u8; 32], ChangeSetId> = HashMap::new();
    let all = groups.into_iter().filter_map(|(id, nodes)| {
        let example = nodes.first()?.scan.as_ref()?;
        let largest = example
            .paths
            .map(|paths| *largest_with_paths.entry(paths).or_insert(id));
        Some(Set {
            id,
            counts: example.counts,
            example_path: example.first_path.clone(),
            first_seen: first_seen.get(&id.to_string()).copied(),
            same_paths_as: largest.filter(|largest| *largest != id),
            nodes: nodes.into_iter().map(|node| node.name.clone()).collect(),
        })
    });
    all.collect()
}
