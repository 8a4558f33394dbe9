//! `status`: the fleet on one screen. Pure.

pub(crate) mod json;
mod next;
pub(crate) mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::failure::{DIFFERENCES, PROBLEMS, WELL};
use super::fleet::{Fleet, Integrity, Node, NodeState, Set};
use super::safe::safe;
use crate::api::RealtimeState;

/// What is shown of a fleet.
#[derive(Debug)]
pub(crate) struct Status<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) integrities: Vec<IntegrityStatus<'a>>,
}

/// What is shown of a FileIntegrity.
#[derive(Debug)]
pub(crate) struct IntegrityStatus<'a> {
    pub(crate) integrity: &'a Integrity,
    pub(crate) nodes: Vec<&'a Node>,
    pub(crate) counts: StateCounts,
    pub(crate) sets: Vec<Set>,
    pub(crate) baselines: Baselines<'a>,
}

/// Number of nodes in each state. Held nodes are counted in another state as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StateCounts {
    pub(crate) ok: usize,
    pub(crate) changed: usize,
    pub(crate) errored: usize,
    pub(crate) pending: usize,
    pub(crate) held: usize,
    /// Changed nodes that belong to no set, because their reports were truncated.
    pub(crate) without_set: usize,
}

/// The baselines of a FileIntegrity.
#[derive(Debug, Default)]
pub(crate) struct Baselines<'a> {
    pub(crate) oldest: Option<(Timestamp, &'a str)>,
    pub(crate) unrequested: Vec<&'a str>,
    pub(crate) tampered: Vec<&'a str>,
}

impl<'a> Status<'a> {
    pub(crate) fn of(fleet: &'a Fleet) -> Self {
        let integrities = fleet.integrities.iter();
        Self {
            fleet,
            integrities: integrities
                .map(|integrity| IntegrityStatus::of(fleet, integrity))
                .collect(),
        }
    }

    /// The exit status: problems first, because a node that is not scanned may have any differences.
    pub(crate) fn exit_status(&self) -> u8 {
        let mut all = self.integrities.iter();
        if self.integrities.is_empty()
            || !self.fleet.unread.is_empty()
            || all.any(IntegrityStatus::has_problems)
        {
            PROBLEMS
        } else if self.integrities.iter().any(|it| it.counts.changed > 0) {
            DIFFERENCES
        } else {
            WELL
        }
    }
}

/// The nodes with changes or errors, as names of objects: one line for each.
pub(crate) fn names(status: &Status<'_>) -> String {
    let nodes = status.integrities.iter().flat_map(|it| &it.nodes);
    let odd = nodes.filter(|node| matches!(node.state(), NodeState::Changed | NodeState::Errored));
    let names: BTreeSet<&str> = odd.map(|node| node.name.as_str()).collect();
    let lines: Vec<String> = names
        .into_iter()
        .map(|name| format!("node/{}\n", safe(name)))
        .collect();
    lines.concat()
}

impl<'a> IntegrityStatus<'a> {
    fn of(fleet: &'a Fleet, integrity: &'a Integrity) -> Self {
        let nodes: Vec<&Node> = fleet.nodes_of(&integrity.owner).collect();
        let mut counts = StateCounts::default();
        let mut baselines = Baselines::default();
        for node in &nodes {
            match node.state() {
                NodeState::Ok => counts.ok += 1,
                NodeState::Changed => counts.changed += 1,
                NodeState::Errored => counts.errored += 1,
                NodeState::Pending => counts.pending += 1,
            }
            counts.held += usize::from(node.hold.is_some());
            let is_alone = node.state() == NodeState::Changed && node.set().is_none();
            counts.without_set += usize::from(is_alone);
            baselines.add(node);
        }
        Self {
            integrity,
            nodes,
            counts,
            sets: fleet.sets_of(integrity),
            baselines,
        }
    }

    /// Whether something is not watched as it should be.
    fn has_problems(&self) -> bool {
        !self.integrity.problems.is_empty()
            || self.integrity.stale > 0
            || self.counts.errored + self.counts.pending > 0
            || self.nodes.is_empty()
    }

    /// Number of nodes in a state of realtime detection.
    pub(crate) fn realtime(&self, state: RealtimeState) -> usize {
        let nodes = self.nodes.iter();
        nodes
            .filter(|node| node.realtime.is_some_and(|(it, _)| it == state))
            .count()
    }

    /// The nodes whose last scan ended with an error.
    pub(crate) fn errored(&self) -> impl Iterator<Item = &'a Node> {
        let nodes = self.nodes.iter().copied();
        nodes.filter(|node| node.state() == NodeState::Errored)
    }
}

impl<'a> Baselines<'a> {
    fn add(&mut self, node: &'a Node) {
        if node.is_tampered() {
            self.tampered.push(&node.name);
        }
        let Some((created_at, is_requested)) = node.baseline else {
            return;
        };
        if self.oldest.is_none_or(|(oldest, _)| created_at < oldest) {
            self.oldest = Some((created_at, &node.name));
        }
        if !is_requested {
            self.unrequested.push(&node.name);
        }
    }
}
