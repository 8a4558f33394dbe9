//! The fleet: what the objects in the API say about FileIntegrities, nodes, change sets and acceptances. Pure.
//!
//! The counts are those of the node statuses, not those that the operator wrote into the status of a FileIntegrity: they
//! are current even if no operator runs. Only what the operator alone knows is from there: which nodes are stale or not
//! selected, and since when a set exists. An object is reduced to what is shown as soon as it is read, so 5,000 node
//! statuses take a few megabytes.

mod acceptance;
mod integrity;
mod node;
mod sets;

#[cfg(test)]
mod tests;

pub(crate) use self::acceptance::OpenAcceptance;
pub(crate) use self::integrity::Integrity;
pub(crate) use self::node::{Counts, Node, NodeHoldReason, NodeState, SpecHold};
pub(crate) use self::sets::{Set, sets};

/// Identifies a FileIntegrity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Owner {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// What was read of a cluster, or of a namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    /// Sorted by namespace and name.
    pub(crate) integrities: Vec<Integrity>,
    /// Sorted by FileIntegrity and name.
    pub(crate) nodes: Vec<Node>,
    /// The acceptances that have not ended. None if they could not be read.
    pub(crate) acceptances: Option<Vec<OpenAcceptance>>,
    /// What could not be read, as sentences.
    pub(crate) unread: Vec<String>,
}

impl Fleet {
    /// Puts everything in order.
    pub(crate) fn sort(&mut self) {
        self.integrities.sort_by(|a, b| a.owner.cmp(&b.owner));
        self.nodes
            .sort_by(|a, b| (&a.owner, &a.name).cmp(&(&b.owner, &b.name)));
        if let Some(acceptances) = &mut self.acceptances {
            acceptances.sort_by(|a, b| (&a.owner, &a.name).cmp(&(&b.owner, &b.name)));
        }
    }

    /// The nodes of a FileIntegrity.
    pub(crate) fn nodes_of(&self, owner: &Owner) -> impl Iterator<Item = &Node> {
        let start = self.nodes.partition_point(|node| node.owner < *owner);
        self.nodes[start..]
            .iter()
            .take_while(move |node| node.owner == *owner)
    }

    /// The change sets of a FileIntegrity, those of most nodes first.
    pub(crate) fn sets_of(&self, integrity: &Integrity) -> Vec<Set> {
        sets(self.nodes_of(&integrity.owner), &integrity.first_seen)
    }
}
