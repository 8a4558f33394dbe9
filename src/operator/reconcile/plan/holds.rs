//! The holds of the spec: which nodes they include, and when they start and end. Pure.
//!
//! The daemons start and end them. The operator needs the times only to count held nodes.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::super::node_list::unknown_nodes;
use super::inputs::Inputs;
use crate::api::object_name::visible;
use crate::api::{Hold, TimedHold};
use crate::operator::cache::node::CachedNode;

impl Inputs<'_> {
    /// The holds that include this node, also those that have ended: its daemon may have to end them.
    pub(super) fn timed_holds(&self, node: &CachedNode) -> Vec<TimedHold> {
        let holds = self.fi.spec.holds.iter();
        holds
            .filter(|hold| includes(hold, node))
            .map(TimedHold::from)
            .collect()
    }

    /// Whether scans of the node are held, for whatever reason.
    pub(super) fn is_held(&self, node: &CachedNode) -> bool {
        let now = self.observed.now.0;
        let mut active = self
            .fi
            .spec
            .holds
            .iter()
            .filter(|hold| is_active(hold, now));
        self.hold(node).is_some() || active.any(|hold| includes(hold, node))
    }

    /// Time since the last hold of the node that has ended.
    pub(super) fn since_last_hold(&self, node: &CachedNode) -> Option<Duration> {
        let now = self.observed.now.0;
        let holds = self.fi.spec.holds.iter();
        let including = holds.filter(|hold| hold.from.0 < hold.until.0 && includes(hold, node));
        let since = including.map(|hold| now.duration_since(hold.until.0));
        since
            .filter_map(|since| Duration::try_from(since).ok())
            .min()
    }

    /// Time until the next start or end of a hold.
    pub(super) fn next_hold_change(&self) -> Option<Duration> {
        let now = self.observed.now.0;
        let holds = self.fi.spec.holds.iter();
        let times = holds.flat_map(|hold| [hold.from.0, hold.until.0]);
        let left = times.filter_map(|at| Duration::try_from(at.duration_since(now)).ok());
        left.filter(|left| !left.is_zero()).min()
    }

    /// Messages about holds with nodes that are not selected, or without any node. Nodes of a hold that has ended may
    /// be gone.
    pub(super) fn holds_of_unknown_nodes(&self) -> Vec<String> {
        let now = self.observed.now.0;
        let holds = self.fi.spec.holds.iter().filter(|hold| hold.until.0 > now);
        holds
            .filter_map(|hold| self.unknown_nodes_of(hold))
            .collect()
    }

    fn unknown_nodes_of(&self, hold: &Hold) -> Option<String> {
        let mut selected = self.selection.selected.iter();
        let is_selected = |name: &String| {
            let mut selected = self.selection.selected.iter();
            selected.any(|node| *node.name == **name)
        };
        let what = format!("hold {}", visible(&hold.name));
        let unknown = hold.nodes.iter().flatten();
        let unknown: Vec<String> = unknown.filter(|name| !is_selected(name)).cloned().collect();
        if !unknown.is_empty() {
            return Some(unknown_nodes(&what, &unknown));
        }
        let selects_none = !selected.any(|node| includes(hold, node));
        (hold.node_selector.is_some() && selects_none).then(|| {
            format!("{what} selects no node: no selected node has the labels of its nodeSelector")
        })
    }
}

fn is_active(hold: &Hold, now: Timestamp) -> bool {
    hold.from.0 <= now && now < hold.until.0
}

/// Whether the hold includes this node. The schema allows only one of nodes and nodeSelector.
fn includes(hold: &Hold, node: &CachedNode) -> bool {
    let is_named =
        (hold.nodes.as_ref()).is_none_or(|nodes| nodes.iter().any(|name| **name == *node.name));
    let labels = hold.node_selector.as_ref();
    let has_labels = labels.is_none_or(|labels| {
        let mut labels = labels.iter();
        labels.all(|(key, value)| node.labels.get(key) == Some(value))
    });
    is_named && has_labels
}

#[cfg(test)]
mod tests;
