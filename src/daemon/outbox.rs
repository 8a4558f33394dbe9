//! What waits to be published. Pure.
//!
//! While the API is away scans go on, and of each kind of result only the newest matters; what a
//! re-initialisation left behind is never dropped.

use std::collections::VecDeque;

use serde_json::Value;

use crate::scan::reporting::NodeUpdate;

/// Some news, with the kept log that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What happened.
    pub update: NodeUpdate,
    /// The ConfigMap with AIDE's reports, of a failed scan.
    pub log: Option<Value>,
}

/// A queue in which a newer result takes the place of an older one of the same condition.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    items: VecDeque<Item>,
}

impl Outbox {
    /// Adds an item at the end.
    pub fn push(&mut self, item: Item) {
        let condition = |item: &Item| item.update.finding.as_ref().map(|f| f.result.condition);
        let new = condition(&item);
        if new.is_some() {
            self.items
                .retain(|old| !is_mere_result(old) || condition(old) != new);
        }
        self.items.push_back(item);
    }

    /// The oldest item.
    pub fn front(&self) -> Option<&Item> {
        self.items.front()
    }

    /// Removes the oldest item.
    pub fn pop(&mut self) {
        self.items.pop_front();
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

fn is_mere_result(item: &Item) -> bool {
    item.update.baseline.is_none() && item.update.reinit.is_none() && item.update.event.is_none()
}

#[cfg(test)]
pub(super) mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::{Condition, Reinit, ScanResult};
    use crate::scan::outcome::Finding;

    pub(in crate::daemon) fn result(condition: Condition, second: i64) -> Item {
        let at = Time(Timestamp::from_second(second).unwrap());
        let finding = Finding {
            result: ScanResult::new(condition, at),
            changes: None,
        };
        Item {
            update: NodeUpdate {
                finding: Some(finding),
                ..NodeUpdate::default()
            },
            log: None,
        }
    }

    fn reinit(second: i64) -> Item {
        let at = Time(Timestamp::from_second(second).unwrap());
        let reinit = Reinit {
            id: second.to_string(),
            started_at: at.clone(),
            finished_at: at,
        };
        Item {
            update: NodeUpdate {
                reinit: Some(reinit),
                ..NodeUpdate::default()
            },
            log: None,
        }
    }

    fn drain(mut outbox: Outbox) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some(item) = outbox.front().cloned() {
            outbox.pop();
            items.push(item);
        }
        items
    }

    #[test]
    fn the_newest_of_each_condition_stays_in_order_of_time() {
        let mut outbox = Outbox::default();
        for item in [
            result(Condition::Succeeded, 1),
            result(Condition::Failed, 2),
            result(Condition::Succeeded, 3),
            result(Condition::Failed, 4),
            result(Condition::Failed, 5),
        ] {
            outbox.push(item);
        }
        let expected = [
            result(Condition::Succeeded, 3),
            result(Condition::Failed, 5),
        ];
        assert_eq!(drain(outbox), expected);
    }

    #[test]
    fn a_finished_request_is_never_dropped() {
        let mut outbox = Outbox::default();
        let items = [reinit(1), result(Condition::Succeeded, 2), reinit(3)];
        for item in items.clone() {
            outbox.push(item);
        }
        assert_eq!(drain(outbox), items);
    }
}
