//! Which answers of the nodes are in the stored statuses of the acceptances. Pure.
//!
//! The status of a node has only its latest answer. So the answer to an acceptance must be in the status of that acceptance
//! before another acceptance is requested of the node.

use std::collections::{HashMap, HashSet};

use super::assessment::{Claims, Fleet, assess};
use crate::api::{FileIntegrityAcceptance, FileIntegrityAcceptanceStatus, NodeOutcome};

/// The nodes whose answers to open acceptances are not stored yet.
pub(crate) fn not_stored<'a>(
    fleet: &Fleet<'a>,
    open: &[&'a FileIntegrityAcceptance],
) -> HashSet<&'a str> {
    let mut nodes = HashSet::new();
    // Nobody else can request anything of them.
    if open.len() < 2 {
        return nodes;
    }
    for acceptance in open {
        let uid = acceptance.metadata.uid.as_deref().unwrap_or_default();
        let answered = fleet.nodes.iter();
        let answered = answered.filter(|node| node.answer_to(uid).is_some());
        let mut answered = answered.map(|node| node.name).peekable();
        if answered.peek().is_none() {
            continue;
        }
        let current = assess(fleet, acceptance, &Claims::default()).status;
        let stored = acceptance.status.as_ref();
        if stored.is_some_and(|stored| is_same(stored, &current)) {
            continue;
        }
        let (stored, current) = (by_name(stored), by_name(Some(&current)));
        nodes.extend(answered.filter(|node| {
            // Of thousands of nodes, not all are listed.
            let listed = current.get(node);
            listed.is_none() || listed != stored.get(node)
        }));
    }
    nodes
}

fn is_same(
    stored: &FileIntegrityAcceptanceStatus,
    current: &FileIntegrityAcceptanceStatus,
) -> bool {
    stored.counts == current.counts && stored.nodes == current.nodes
}

fn by_name(status: Option<&FileIntegrityAcceptanceStatus>) -> HashMap<&str, &NodeOutcome> {
    let nodes = status.into_iter().flat_map(|status| &status.nodes);
    nodes.map(|node| (node.name.as_str(), node)).collect()
}
