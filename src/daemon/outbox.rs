//! Updates that are not published yet. Pure.
//!
//! While the API server is unreachable, scans continue, and only the newest result of each condition
//! matters. Updates about baselines, requests and acceptances are never dropped.

use std::collections::VecDeque;

use serde_json::Value;

use crate::api::Condition;
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
    /// Adds an item at the end. A result without a failure log takes that of an older result with the same
    /// changes: it would not be written otherwise.
    pub(crate) fn push(&mut self, mut item: Item) {
        // Each item has the newest state of realtime detection.
        self.items.retain(|old| !has_only_realtime(old));
        let new = condition(&item);
        let is_replaced = |old: &Item| has_only_result(old) && condition(old) == new;
        let position = self.items.iter().position(is_replaced);
        let replaced = position.filter(|_| new.is_some());
        if let Some(old) = replaced.and_then(|at| self.items.remove(at)) {
            let is_same = changes_hash(&old) == changes_hash(&item);
            item.log = item.log.or_else(|| old.log.filter(|_| is_same));
            if item.update.announced.is_none() {
                item.update.announced = old.update.announced;
            }
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

fn condition(item: &Item) -> Option<Condition> {
    item.update.finding.as_ref().map(|it| it.result.condition)
}

fn changes_hash(item: &Item) -> Option<&str> {
    let finding = item.update.finding.as_ref()?;
    finding.result.changes_hash.as_deref()
}

fn has_only_realtime(item: &Item) -> bool {
    has_only_result(item) && item.update.finding.is_none() && item.update.baseline_on_disk.is_none()
}

fn has_only_result(item: &Item) -> bool {
    let update = &item.update;
    update.baseline.is_none()
        && update.reinit.is_none()
        && update.scan.is_none()
        && update.acceptance.is_none()
        && update.event.is_none()
}

#[cfg(test)]
pub(super) mod tests;
