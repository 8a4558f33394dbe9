//! Updates that are not published yet. Pure.
//!
//! While the API server is unreachable, scans continue, and only the newest result of each condition
//! matters. Updates about baselines and requests are never dropped.

use std::collections::VecDeque;

use serde_json::Value;

use crate::scan::reporting::NodeUpdate;

/// An update and its failure log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    /// What is reported of the node.
    pub update: NodeUpdate,
    /// The failure log of a failed scan.
    pub log: Option<Value>,
}

/// A queue in which a newer result replaces an older one of the same condition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    items: VecDeque<Item>,
}

impl Outbox {
    /// Adds an item at the end.
    pub(crate) fn push(&mut self, item: Item) {
        let condition = |item: &Item| item.update.finding.as_ref().map(|f| f.result.condition);
        let new = condition(&item);
        if new.is_some() {
            self.items
                .retain(|old| !has_only_result(old) || condition(old) != new);
        }
        self.items.push_back(item);
    }

    /// The item that was added first.
    pub(crate) fn front(&self) -> Option<&Item> {
        self.items.front()
    }

    /// Removes the oldest item.
    pub(crate) fn pop(&mut self) {
        self.items.pop_front();
    }

    /// Whether there is no item.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

fn has_only_result(item: &Item) -> bool {
    item.update.baseline.is_none() && item.update.reinit.is_none() && item.update.event.is_none()
}

#[cfg(test)]
pub(super) mod tests;
