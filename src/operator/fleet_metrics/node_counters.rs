//! Counts what nodes report and what is requested of them. It is counted when the watch of node statuses
//! shows it.

use std::sync::Arc;

use kube::runtime::watcher::Event;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::counted::{Counted, CountedDesiredState};
use super::recorder::{BY_CONFIG, BY_DEMAND, BY_MISSING, BY_NODE, FleetMetrics};
use crate::api::{Condition, HoldReason};
use crate::operator::cache::fingerprint::fingerprint;
use crate::operator::cache::node_status::{CachedNodeStatus, NodeReport};
use crate::telemetry::metrics::{ConditionLabels, NodeErrorLabels, NodeLabel};

impl FleetMetrics {
    /// Records an event of the watch of node statuses.
    pub(crate) fn record_node_status(&self, event: &Event<CachedNodeStatus>) {
        self.with(|counted| match event {
            Event::Init => counted.reports.start_list(),
            Event::InitApply(status) | Event::Apply(status) => {
                counted.reports.mark_listed(status);
                self.count_status(counted, status);
            }
            Event::InitDone => {
                for (node, name) in counted.reports.end_list() {
                    self.remove_status(counted, &node, &name);
                }
            }
            Event::Delete(status) => {
                self.remove_status(counted, &status.node_name, &status.name);
            }
        });
    }

    fn count_status(&self, counted: &mut Counted, status: &CachedNodeStatus) {
        let (node, new) = (&status.node_name, &status.report);
        if node.is_empty() {
            return;
        }
        self.count_desired_state(counted, status);
        let before = counted.reports.insert(status);
        if before.as_ref() == Some(new) {
            return;
        }
        if counted.reports.is_listed {
            self.count_report(node, &before.unwrap_or_default(), new);
        }
        self.refresh_node(counted, node);
    }

    fn remove_status(&self, counted: &mut Counted, node: &str, name: &str) {
        counted.desired.remove(name);
        counted.reports.remove(node, name);
        self.refresh_node(counted, node);
    }

    /// Counts the beginning and the end of a hold, and a new configuration.
    fn count_desired_state(&self, counted: &mut Counted, status: &CachedNodeStatus) {
        let desired = &status.desired;
        let now = CountedDesiredState {
            is_held_for_update: desired.hold == Some(HoldReason::NodeUpdate),
            config: desired.config_hash.as_ref().map(fingerprint),
        };
        let before = counted.desired.insert(Arc::clone(&status.name), now);
        let Some(before) = before.filter(|_| counted.reports.is_listed) else {
            return;
        };
        let node = &status.node_name;
        match (before.is_held_for_update, now.is_held_for_update) {
            (false, true) => count(&self.fleet.pause, node),
            (true, false) => {
                count(&self.fleet.unpause, node);
                self.count_reinit(BY_NODE, Some(node));
                self.count_reinit(BY_DEMAND, None);
            }
            _ => {}
        }
        if let (Some(old), Some(new)) = (before.config, now.config)
            && old != new
            && let Some(owner) = status.owner()
        {
            // The first node that gets another configuration counts for all.
            let last = counted.configs.insert(Arc::clone(owner), new);
            if last != Some(new) {
                self.count_reinit(BY_CONFIG, None);
            }
        }
    }

    fn count_report(&self, node: &Arc<str>, before: &NodeReport, new: &NodeReport) {
        let result = |report: &NodeReport| {
            let last = report.last_result.as_ref();
            last.map(|last| (last.condition, last.counts))
        };
        let is_new = result(before) != result(new);
        if let Some(last) = &new.last_result {
            if is_new {
                let labels = ConditionLabels {
                    condition: condition_label(last.condition),
                    node: Arc::clone(node),
                };
                self.fleet.node_status.get_or_create(&labels).inc();
            }
            let old = before.last_result.as_ref();
            let is_new_error =
                old.and_then(|old| old.error_message.as_ref()) != last.error_message.as_ref();
            if last.condition == Condition::Errored && (is_new || is_new_error) {
                let labels = NodeErrorLabels {
                    error: last.error_class.as_str(),
                    node: Arc::clone(node),
                };
                self.fleet.node_status_error.get_or_create(&labels).inc();
            }
        }
        if let Some(baseline) = &new.baseline
            && !baseline.requested
            && before.baseline.as_ref() != Some(baseline)
        {
            self.count_reinit(BY_MISSING, Some(node));
        }
        if let Some(new) = &new.realtime {
            let before = before.realtime.as_ref();
            let missed = increase(before.map(|it| it.missed), new.missed);
            let overflows = increase(before.map(|it| it.overflows), new.overflows);
            let label = NodeLabel {
                node: Arc::clone(node),
            };
            let fleet = &self.fleet;
            fleet.realtime_missed.get_or_create(&label).inc_by(missed);
            let counter = fleet.realtime_overflows.get_or_create(&label);
            counter.inc_by(overflows);
        }
    }
}

/// The increase of a number that begins at 0 when the daemon starts.
fn increase(before: Option<u64>, now: u64) -> u64 {
    let before = before.filter(|before| *before <= now);
    now - before.unwrap_or(0)
}

/// The value of the label `condition`.
pub(super) fn condition_label(condition: Condition) -> &'static str {
    match condition {
        Condition::Succeeded => "Succeeded",
        Condition::Failed => "Failed",
        Condition::Errored => "Errored",
    }
}

fn count(family: &Family<NodeLabel, Counter>, node: &Arc<str>) {
    let label = NodeLabel {
        node: Arc::clone(node),
    };
    family.get_or_create(&label).inc();
}
