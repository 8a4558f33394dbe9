//! The metrics about FileIntegrity objects and nodes, which the leader exports.
//!
//! Names, labels and descriptions of the first ten are those of the original operator: alerts and dashboards
//! use them.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use super::labels::{
    AcceptanceLabels, ChangeSetLabels, ConditionLabels, ErrorLabel, FileIntegrityLabel, KindLabel,
    NodeErrorLabels, NodeLabel, NodeStateLabels, OperationLabel, PhaseLabel, ReinitLabels,
    StateLabel, StepLabel,
};

/// The prefix of all metrics except those of the process.
pub(super) const PREFIX: &str = "file_integrity_operator";
/// Upper bounds of the buckets for reconciles, in seconds. Most take some milliseconds, one that checks a
/// configuration some hundred.
const RECONCILE_BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

/// A number of seconds, or a time in seconds since the epoch.
pub(crate) type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;

/// Metrics about FileIntegrity objects and nodes.
#[derive(Debug)]
pub(crate) struct Fleet {
    registry: Registry,
    /// Transitions to a phase.
    pub phase: Family<PhaseLabel, Counter>,
    /// Transitions to the phase Error.
    pub error: Family<ErrorLabel, Counter>,
    /// Scans held off during a node update.
    pub pause: Family<NodeLabel, Counter>,
    /// Scans resumed after a node update.
    pub unpause: Family<NodeLabel, Counter>,
    /// Requests to re-initialize baselines.
    pub reinit: Family<ReinitLabels, Counter>,
    /// Transitions of node conditions, or of their counts.
    pub node_status: Family<ConditionLabels, Counter>,
    /// Transitions of nodes to the condition Errored, or to another error.
    pub node_status_error: Family<NodeErrorLabels, Counter>,
    /// Operations on the DaemonSets of daemons.
    pub daemon_set: Family<OperationLabel, Counter>,
    /// Operations on re-init DaemonSets.
    pub reinit_daemon_set: Family<OperationLabel, Counter>,
    /// 1 if the latest result other than Errored is Failed, 0 if it is Succeeded.
    pub node_failed: Family<NodeLabel, Gauge>,
    /// 1 if the last result is Errored, otherwise absent.
    pub node_errored: Family<NodeErrorLabels, Gauge>,
    /// 1 if the node has not reported for too long.
    pub node_stale: Family<NodeLabel, Gauge>,
    /// 1 for the state of realtime detection, otherwise absent.
    pub node_realtime: Family<NodeStateLabels, Gauge>,
    /// Changed paths that a scan found and the kernel did not report.
    pub realtime_missed: Family<NodeLabel, Counter>,
    /// Number of times that the kernel dropped reports.
    pub realtime_overflows: Family<NodeLabel, Counter>,
    /// When the last scan of all files ended.
    pub last_scan: Family<NodeLabel, Seconds>,
    /// The duration of the last scan.
    pub scan_duration: Family<NodeLabel, Seconds>,
    /// Number of files checked by the last scan.
    pub files_scanned: Family<NodeLabel, Gauge>,
    /// When the baseline was created.
    pub baseline: Family<NodeLabel, Seconds>,
    /// Since when holds of the spec hold the node, otherwise absent.
    pub held_since: Family<NodeLabel, Seconds>,
    /// 1 if nobody requested the baseline.
    pub unrequested: Family<NodeLabel, Gauge>,
    /// Selected nodes of all FileIntegrity objects, by state.
    pub nodes: Family<StateLabel, Gauge>,
    /// Selected nodes by the changes that they show.
    pub change_set_nodes: Family<ChangeSetLabels, Gauge>,
    /// Acceptances that have ended.
    pub acceptances: Family<AcceptanceLabels, Counter>,
    /// 1 if the condition Degraded is True.
    pub degraded: Family<FileIntegrityLabel, Gauge>,
    /// Objects that the operator cannot decode.
    pub unreadable: Family<KindLabel, Gauge>,
    reconciles: Histogram,
    /// Failed reconciles by step.
    pub reconcile_errors: Family<StepLabel, Counter>,
}

impl Fleet {
    #[expect(clippy::too_many_lines, reason = "a table of all metrics")]
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let r = &mut registry;
        let mut fleet = Self {
            phase: metric(
                r,
                "phase",
                "The total number of transitions to the FileIntegrity phase",
            ),
            error: metric(
                r,
                "error",
                "The total number of FileIntegrity phase errors, per error",
            ),
            pause: metric(
                r,
                "pause",
                "The total number of FileIntegrity scan pause actions (during node updates)",
            ),
            unpause: metric(
                r,
                "unpause",
                "The total number of FileIntegrity scan unpause actions (during node updates)",
            ),
            reinit: metric(
                r,
                "reinit",
                "The total number of FileIntegrity database re-initialization triggers (annotation), per method and node",
            ),
            node_status: metric(
                r,
                "node_status",
                "The total number of FileIntegrityNodeStatus transitions, per condition and node",
            ),
            node_status_error: metric(
                r,
                "node_status_error",
                "The total number of FileIntegrityNodeStatus errors, per error and node",
            ),
            daemon_set: metric(
                r,
                "daemonset_update",
                "The total number of updates to the FileIntegrity AIDE daemonSet",
            ),
            reinit_daemon_set: metric(
                r,
                "reinit_daemonset_update",
                "The total number of updates to the FileIntegrity re-init signaling daemonSet",
            ),
            node_failed: metric(
                r,
                "node_failed",
                "A gauge that is set to 1 when a node has unresolved integrity failures, and 0 when it is healthy",
            ),
            node_errored: metric(
                r,
                "node_errored",
                "Set to 1 while the last scan of a node failed with an error, per error class and node",
            ),
            node_stale: metric(
                r,
                "node_stale",
                "Set to 1 while a node is not ready or has not reported for three periods, and 0 otherwise",
            ),
            node_realtime: metric(
                r,
                "node_realtime",
                "Set to 1 for the state of realtime detection, per node and state",
            ),
            realtime_missed: metric(
                r,
                "node_realtime_missed",
                "The total number of changed paths that a full scan found and the kernel did not report, per node",
            ),
            realtime_overflows: metric(
                r,
                "node_realtime_overflows",
                "The total number of times that the kernel dropped reports of changes, per node",
            ),
            last_scan: metric(
                r,
                "node_last_scan_timestamp_seconds",
                "End of the last full scan of a node, in seconds since the epoch",
            ),
            scan_duration: metric(
                r,
                "node_scan_duration_seconds",
                "Duration of the last full scan of a node",
            ),
            files_scanned: metric(
                r,
                "node_files_scanned",
                "Number of files that the last full scan of a node checked",
            ),
            baseline: metric(
                r,
                "node_baseline_timestamp_seconds",
                "Creation of the baseline of a node, in seconds since the epoch",
            ),
            held_since: metric(
                r,
                "node_held_since_timestamp_seconds",
                "Start of the holds of the spec that hold a node, in seconds since the epoch; absent if none does",
            ),
            unrequested: metric(
                r,
                "node_baseline_unrequested",
                "Set to 1 while nobody has requested the current baseline of a node, and 0 otherwise",
            ),
            nodes: metric(
                r,
                "nodes",
                "Selected nodes of all FileIntegrity objects, by state",
            ),
            change_set_nodes: metric(
                r,
                "change_set_nodes",
                "Selected nodes that show the same changes, per FileIntegrity and change set",
            ),
            acceptances: metric(
                r,
                "acceptances",
                "The total number of acceptances that are complete or failed, per FileIntegrity",
            ),
            degraded: metric(
                r,
                "degraded",
                "Set to 1 while the condition Degraded of a FileIntegrity is True, and 0 otherwise",
            ),
            unreadable: metric(
                r,
                "unreadable_objects",
                "Objects in the API that the operator cannot decode and ignores, per kind",
            ),
            reconciles: Histogram::new(RECONCILE_BUCKETS),
            reconcile_errors: metric(
                r,
                "reconcile_errors",
                "The total number of failed reconciles of a FileIntegrity, per step",
            ),
            registry: Registry::default(),
        };
        let reconciles = fleet.reconciles.clone();
        registry.register(
            "reconcile_duration_seconds",
            "Duration of the reconciles of a FileIntegrity",
            reconciles,
        );
        fleet.registry = registry;
        fleet
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Records the duration of a reconcile.
    pub(crate) fn observe_reconcile(&self, duration: Duration) {
        self.reconciles.observe(duration.as_secs_f64());
    }
}

pub(super) fn metric<M: Metric + Default + Clone>(
    registry: &mut Registry,
    name: &str,
    help: &str,
) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}
