//! Which nodes' scans are held, and why. Pure.

use super::super::node_list::{annotation, node_list};
use super::super::nodes::update::UpdateState;
use super::super::reinit::request::is_requested;
use super::inputs::Inputs;
use crate::api::{FileIntegrity, HoldReason, names};
use crate::operator::cache::node::CachedNode;

impl Inputs<'_> {
    /// Why the scans of this node should be held, if they should.
    pub(super) fn hold(&self, node: &CachedNode) -> Option<HoldReason> {
        let is_held = self.is_held_for_update(node);
        match self.update(node) {
            UpdateState::InProgress => Some(HoldReason::NodeUpdate),
            UpdateState::Unsettled if is_held => Some(HoldReason::NodeUpdate),
            _ if is_held_by_user(self.fi, &node.name) => Some(HoldReason::User),
            _ if self.waits_for_request(node) => Some(HoldReason::User),
            _ => None,
        }
    }

    pub(super) fn update(&self, node: &CachedNode) -> UpdateState {
        node.update(self.fi.spec.config.holdoff_when_cordoned == Some(true))
    }

    /// Whether the node's status object holds its scans for an update.
    pub(super) fn is_held_for_update(&self, node: &CachedNode) -> bool {
        self.current_hold(node) == Some(&HoldReason::NodeUpdate)
    }

    /// A user may end a hold and request a re-initialization in one write. Then no scan should compare
    /// with the old baseline: the hold ends together with writing the request.
    fn waits_for_request(&self, node: &CachedNode) -> bool {
        self.current_hold(node) == Some(&HoldReason::User)
            && is_requested(self.fi)
            && !self.fi.spec.requires_acceptance()
    }

    /// The hold in the node's status object.
    fn current_hold(&self, node: &CachedNode) -> Option<&HoldReason> {
        self.status_of(node)?.desired.hold.as_ref()
    }
}

/// Whether the annotation of this FileIntegrity holds the node's scans.
fn is_held_by_user(fi: &FileIntegrity, node: &str) -> bool {
    annotation(fi, names::Annotation::HOLDOFF)
        .is_some_and(|list| list.trim().is_empty() || node_list(list).iter().any(|n| n == node))
}

/// Whether the annotation is a list without nodes.
pub(super) fn holds_no_node(fi: &FileIntegrity) -> bool {
    annotation(fi, names::Annotation::HOLDOFF)
        .is_some_and(|list| !list.trim().is_empty() && node_list(list).is_empty())
}

#[cfg(test)]
mod tests;
