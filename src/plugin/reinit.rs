//! `reinit`: what a new baseline would accept, and which nodes have it. Pure.

pub(crate) mod text;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use super::annotation::Target;
use super::fleet::{Fleet, Node, NodeState, Set, sets};

/// What new baselines of these nodes would accept, as far as it is known.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) target: &'a Target,
    pub(crate) nodes: Vec<&'a Node>,
    pub(crate) sets: Vec<Set>,
    /// Nodes without known changes: none, an error, no result, or a report without all changes.
    pub(crate) ok: usize,
    pub(crate) errored: Vec<&'a str>,
    pub(crate) pending: Vec<&'a str>,
    pub(crate) without_set: Vec<&'a str>,
    /// Nodes that get the new baseline when their scans are no longer held.
    pub(crate) held: Vec<&'a str>,
}

impl<'a> Scope<'a> {
    pub(crate) fn of(fleet: &'a Fleet, target: &'a Target) -> Self {
        let is_meant = |node: &&Node| target.nodes.is_empty() || target.nodes.contains(&node.name);
        let nodes: Vec<&Node> = fleet.nodes_of(&target.owner).filter(is_meant).collect();
        let names = |is_meant: fn(&Node) -> bool| {
            let nodes = nodes.iter().filter(|node| is_meant(node));
            nodes.map(|node| node.name.as_str()).collect()
        };
        Self {
            target,
            sets: sets(nodes.iter().copied(), &HashMap::new()),
            ok: nodes
                .iter()
                .filter(|node| node.state() == NodeState::Ok)
                .count(),
            errored: names(|node| node.state() == NodeState::Errored),
            pending: names(|node| node.state() == NodeState::Pending),
            without_set: names(|node| node.state() == NodeState::Changed && node.set().is_none()),
            held: names(|node| node.hold.is_some()),
            nodes,
        }
    }

    /// The nodes of a set.
    pub(crate) fn nodes_of(&self, set: &Set) -> Vec<&'a Node> {
        let nodes = self.nodes.iter().copied();
        nodes.filter(|node| node.set() == Some(set.id)).collect()
    }
}

/// How many of these nodes have executed a request that is newer than the one before, and how many there are.
pub(crate) fn done(before: &[Scope<'_>], now: &Fleet) -> (usize, usize) {
    let mut done = 0;
    let mut all = 0;
    for scope in before {
        let names: HashSet<&str> = scope.nodes.iter().map(|node| node.name.as_str()).collect();
        let known: HashMap<&str, &Node> = now
            .nodes_of(&scope.target.owner)
            .filter(|node| names.contains(node.name.as_str()))
            .map(|node| (node.name.as_str(), node))
            .collect();
        for node in &scope.nodes {
            // A node that is not watched any more gets no baseline.
            let Some(now) = known.get(node.name.as_str()) else {
                continue;
            };
            all += 1;
            let is_new = now.reinit_requested != node.reinit_requested;
            let is_done = now.reinit_done == now.reinit_requested;
            done += usize::from(is_new && is_done);
        }
    }
    (done, all)
}
