//! Derives the gauges from the last reports of the nodes and the last reconciles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::counted::{Counted, ReconcileResult};
use super::node_counters::condition_label;
use super::recorder::{BY_MISSING, BY_NODE, FleetMetrics};
use crate::api::condition::{ConditionStatus, ConditionType};
use crate::api::{Condition, FileIntegrityStatus, NodeCounts, RealtimeState, ReportedErrorClass};
use crate::operator::cache::node_status::NodeReport;
use crate::operator::change_sets::ChangeSetNodes;
use crate::telemetry::metrics::{
    ChangeSetLabels, ConditionLabels, FileIntegrityLabel, NodeErrorLabels, NodeLabel,
    NodeStateLabels, ReinitLabels, StateLabel,
};

/// The label of the change sets that are not among the largest.
const OTHER_SETS: &str = "other";

impl FleetMetrics {
    /// Records the status, the stale nodes and the change sets that a reconcile found. The FileIntegrity
    /// may have been deleted meanwhile. Then nothing is recorded.
    pub(crate) fn record_status(
        &self,
        name: &str,
        status: &FileIntegrityStatus,
        stale_nodes: &BTreeSet<String>,
        change_sets: &ChangeSetNodes,
    ) {
        let degraded = ConditionType::Degraded.find(&status.conditions);
        let result = ReconcileResult {
            counts: status.nodes.unwrap_or_default(),
            degraded: degraded
                .is_some_and(|condition| condition.status == ConditionStatus::True.as_str()),
            stale_nodes: stale_nodes.clone(),
            change_sets: by_label(change_sets),
        };
        self.with(|counted| {
            if !counted.file_integrities.known.contains_key(name) {
                return;
            }
            self.set_degraded(name, result.degraded);
            let before = counted.reconciles.remove(name).unwrap_or_default();
            self.set_change_sets(name, &before.change_sets, &result.change_sets);
            counted.reconciles.insert(name.to_owned(), result);
            let changed = before.stale_nodes.symmetric_difference(stale_nodes);
            let changed = changed.cloned();
            let changed = changed.collect();
            self.refresh_gauges(counted, &changed);
        });
    }

    /// Records that the FileIntegrity is degraded because it could not be observed.
    pub(crate) fn record_degraded(&self, name: &str) {
        self.with(|counted| {
            if counted.file_integrities.known.contains_key(name) {
                self.set_degraded(name, true);
            }
        });
    }

    fn set_degraded(&self, name: &str, degraded: bool) {
        let label = FileIntegrityLabel {
            file_integrity: name.to_owned(),
        };
        let gauge = self.fleet.degraded.get_or_create(&label);
        gauge.set(degraded.into());
    }

    /// Sets the gauges of the change sets, and removes those of sets that no node shows any more.
    pub(super) fn set_change_sets(
        &self,
        name: &str,
        before: &BTreeMap<String, i64>,
        now: &BTreeMap<String, i64>,
    ) {
        let labels = |change_set: &String| ChangeSetLabels {
            file_integrity: name.to_owned(),
            change_set: change_set.clone(),
        };
        let gauges = &self.fleet.change_set_nodes;
        for gone in before.keys().filter(|set| !now.contains_key(*set)) {
            gauges.remove(&labels(gone));
        }
        for (set, nodes) in now {
            gauges.get_or_create(&labels(set)).set(*nodes);
        }
    }

    /// Updates the gauges of these nodes and the numbers of nodes.
    pub(super) fn refresh_gauges(&self, counted: &Counted, nodes: &BTreeSet<String>) {
        for node in nodes {
            self.refresh_node(counted, node);
        }
        let results = || counted.reconciles.values();
        let sum =
            |count: fn(&NodeCounts) -> i64| results().map(|result| count(&result.counts)).sum();
        for (state, count) in [
            ("selected", sum(|c| c.selected)),
            ("initialized", sum(|c| c.initialized)),
            ("failed", sum(|c| c.failed)),
            ("errored", sum(|c| c.errored)),
            ("held", sum(|c| c.held)),
            ("stale", sum(|c| c.stale)),
            ("not_selected", sum(|c| c.not_selected)),
        ] {
            let label = StateLabel { state };
            self.fleet.nodes.get_or_create(&label).set(count);
        }
    }

    /// Updates the gauges of a node. If it has several statuses, the worst value counts.
    pub(super) fn refresh_node(&self, counted: &Counted, node: &str) {
        let Some((node, reports)) = counted.reports.of(node) else {
            return self.remove_node(node);
        };
        let label = NodeLabel {
            node: Arc::clone(node),
        };
        self.refresh_results(&label, &reports);
        self.refresh_errors(node, &reports);
        self.refresh_baseline(&label, &reports);
        self.refresh_realtime(node, &reports);
        self.refresh_hold(&label, &reports);
        let mut results = counted.reconciles.values();
        let is_stale = results.any(|result| result.stale_nodes.contains(&**node));
        let gauge = self.fleet.node_stale.get_or_create(&label);
        gauge.set(is_stale.into());
    }

    fn refresh_results(&self, label: &NodeLabel, reports: &[&NodeReport]) {
        let fleet = &self.fleet;
        if let Some(failed) = reports.iter().filter_map(|report| report.failed).max() {
            fleet.node_failed.get_or_create(label).set(failed.into());
        }
        let lasts = || {
            reports
                .iter()
                .filter_map(|report| report.last_result.as_ref())
        };
        if let Some(at) = reports.iter().filter_map(|report| report.last_scan).min() {
            fleet.last_scan.get_or_create(label).set(seconds(at));
        }
        if let Some(duration) = lasts().filter_map(|last| last.duration).max() {
            let gauge = fleet.scan_duration.get_or_create(label);
            gauge.set(duration.as_secs_f64());
        }
        if let Some(files) = lasts().filter_map(|last| last.files_scanned).min() {
            fleet.files_scanned.get_or_create(label).set(files);
        }
    }

    fn refresh_errors(&self, node: &Arc<str>, reports: &[&NodeReport]) {
        let errors: Vec<_> = reports
            .iter()
            .filter_map(|report| error_of(report))
            .collect();
        for error in ReportedErrorClass::all() {
            let labels = NodeErrorLabels {
                error: error.as_str(),
                node: Arc::clone(node),
            };
            if errors.contains(&error) {
                self.fleet.node_errored.get_or_create(&labels).set(1);
            } else {
                self.fleet.node_errored.remove(&labels);
            }
        }
    }

    fn refresh_baseline(&self, label: &NodeLabel, reports: &[&NodeReport]) {
        let baselines = || reports.iter().filter_map(|report| report.baseline.as_ref());
        let Some(at) = baselines().map(|baseline| baseline.at).min() else {
            return;
        };
        self.fleet.baseline.get_or_create(label).set(seconds(at));
        let unrequested = baselines().any(|baseline| !baseline.requested);
        let gauge = self.fleet.unrequested.get_or_create(label);
        gauge.set(unrequested.into());
    }

    fn refresh_hold(&self, label: &NodeLabel, reports: &[&NodeReport]) {
        let since = reports.iter().filter_map(|report| report.held_since);
        match since.min() {
            Some(since) => {
                let gauge = self.fleet.held_since.get_or_create(label);
                gauge.set(seconds(since));
            }
            None => {
                self.fleet.held_since.remove(label);
            }
        }
    }

    /// The counters exist from 0, so that Prometheus sees their first increase.
    fn refresh_realtime(&self, node: &Arc<str>, reports: &[&NodeReport]) {
        let fleet = &self.fleet;
        let states: Vec<_> = reports
            .iter()
            .filter_map(|report| report.realtime.as_ref())
            .map(|realtime| realtime.state)
            .collect();
        let mut worst_first = RealtimeState::ALL.into_iter();
        let worst = worst_first.find(|state| states.contains(state));
        for state in RealtimeState::ALL {
            let labels = NodeStateLabels {
                node: Arc::clone(node),
                state: state.as_str(),
            };
            if Some(state) == worst {
                fleet.node_realtime.get_or_create(&labels).set(1);
            } else {
                fleet.node_realtime.remove(&labels);
            }
        }
        if worst.is_some() {
            let node = Arc::clone(node);
            let label = NodeLabel { node };
            fleet.realtime_missed.get_or_create(&label).inc_by(0);
            fleet.realtime_overflows.get_or_create(&label).inc_by(0);
        }
    }

    /// Removes all series of a node.
    fn remove_node(&self, node: &str) {
        let fleet = &self.fleet;
        let node: Arc<str> = node.into();
        for condition in [Condition::Succeeded, Condition::Failed, Condition::Errored] {
            fleet.node_status.remove(&ConditionLabels {
                condition: condition_label(condition),
                node: Arc::clone(&node),
            });
        }
        for error in ReportedErrorClass::all() {
            let labels = NodeErrorLabels {
                error: error.as_str(),
                node: Arc::clone(&node),
            };
            fleet.node_status_error.remove(&labels);
            fleet.node_errored.remove(&labels);
        }
        for by in [BY_NODE, BY_MISSING] {
            let node = Arc::clone(&node);
            fleet.reinit.remove(&ReinitLabels { by, node });
        }
        for state in RealtimeState::ALL {
            fleet.node_realtime.remove(&NodeStateLabels {
                node: Arc::clone(&node),
                state: state.as_str(),
            });
        }
        let label = NodeLabel { node };
        fleet.realtime_missed.remove(&label);
        fleet.realtime_overflows.remove(&label);
        fleet.pause.remove(&label);
        fleet.unpause.remove(&label);
        fleet.last_scan.remove(&label);
        fleet.scan_duration.remove(&label);
        fleet.baseline.remove(&label);
        fleet.held_since.remove(&label);
        for gauge in [
            &fleet.node_failed,
            &fleet.node_stale,
            &fleet.files_scanned,
            &fleet.unrequested,
        ] {
            gauge.remove(&label);
        }
    }
}

/// The values of the label `change_set`, with their numbers of nodes.
fn by_label(sets: &ChangeSetNodes) -> BTreeMap<String, i64> {
    let largest = sets.largest.iter();
    let largest = largest.map(|(id, nodes)| (id.to_string(), *nodes));
    let others = (sets.others > 0).then(|| (OTHER_SETS.to_owned(), sets.others));
    largest
        .chain(others)
        .map(|(set, nodes)| (set, i64::try_from(nodes).unwrap_or(i64::MAX)))
        .collect()
}

/// The class of the error that the last scan ended with.
fn error_of(report: &NodeReport) -> Option<ReportedErrorClass> {
    let last = report.last_result.as_ref()?;
    (last.condition == Condition::Errored).then_some(last.error_class)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times are far from 2^53 seconds, and a sample is a float anyway"
)]
fn seconds(at: i64) -> f64 {
    at as f64
}
