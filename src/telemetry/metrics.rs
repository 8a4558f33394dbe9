//! The values that are told about the fleet and about this operator. Pure, but for what the kernel
//! says of the process.
//!
//! [`Fleet`] is made when the lease is won and dropped when it is lost, so that of several
//! operators one tells about the nodes. What happened is put into it by the operator's tally.
//! The names, labels and descriptions of the first ten are those of the original: alerts and
//! dashboards use them.
//!
//! No label is without bound: nodes and FileIntegrities are there as long as their objects are,
//! everything else is of a fixed set.

mod process;
pub mod text;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use self::process::Process;
use self::text::{Format, Teller};
use super::requests::ApiRequests;

/// What the names of all but the process' metrics begin with.
const PREFIX: &str = "file_integrity_operator";
/// Upper bounds in seconds of the buckets for passes: most take some milliseconds, one that checks a
/// configuration some hundred.
const PASS_BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

/// A phase.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PhaseLabel {
    /// Its name.
    pub phase: &'static str,
}

/// A kind of error.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ErrorLabel {
    /// A word of a fixed set.
    pub error: &'static str,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NodeLabel {
    /// Its name.
    pub node: Arc<str>,
}

/// Why, and where, baselines were made anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReinitLabels {
    /// Who or what asked for it.
    pub by: &'static str,
    /// The node, where it is about one.
    pub node: Arc<str>,
}

/// How a scan ended, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConditionLabels {
    /// The condition.
    pub condition: &'static str,
    /// The node.
    pub node: Arc<str>,
}

/// Why a scan could not be done, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NodeErrorLabels {
    /// A word of a fixed set.
    pub error: &'static str,
    /// The node.
    pub node: Arc<str>,
}

/// What was done to a DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OperationLabel {
    /// `update`, `delete` or `podkill`.
    pub operation: &'static str,
}

/// What is known of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    /// A word of a fixed set.
    pub state: &'static str,
}

/// A FileIntegrity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FileIntegrityLabel {
    /// Its name.
    pub file_integrity: String,
}

/// A kind of objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    /// One of those that the operator watches.
    pub kind: String,
}

/// A step of a pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StepLabel {
    /// `observe` or `apply`.
    pub step: &'static str,
}

/// A version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: &'static str,
}

/// Seconds since the epoch, or a number of seconds.
pub type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;

/// What the leader tells about FileIntegrities and nodes.
#[derive(Debug)]
pub struct Fleet {
    registry: Registry,
    /// Transitions to a phase.
    pub phase: Family<PhaseLabel, Counter>,
    /// Transitions to the phase Error.
    pub error: Family<ErrorLabel, Counter>,
    /// Scans held for an update.
    pub pause: Family<NodeLabel, Counter>,
    /// Such holds ended.
    pub unpause: Family<NodeLabel, Counter>,
    /// Baselines to be made anew.
    pub reinit: Family<ReinitLabels, Counter>,
    /// New conditions, or new counts.
    pub node_status: Family<ConditionLabels, Counter>,
    /// New errors.
    pub node_status_error: Family<NodeErrorLabels, Counter>,
    /// What was done to the daemons' DaemonSets.
    pub daemon_set: Family<OperationLabel, Counter>,
    /// What was done to the signallers' DaemonSets.
    pub signaller: Family<OperationLabel, Counter>,
    /// 1: the newest result that is no error is Failed; 0: it is Succeeded.
    pub node_failed: Family<NodeLabel, Gauge>,
    /// 1 while the last scan could not be done; otherwise absent.
    pub node_errored: Family<NodeErrorLabels, Gauge>,
    /// 1: nothing was heard of the node for too long.
    pub node_stale: Family<NodeLabel, Gauge>,
    /// When the last scan ended.
    pub last_scan: Family<NodeLabel, Seconds>,
    /// How long it took.
    pub scan_duration: Family<NodeLabel, Seconds>,
    /// How many files it looked at.
    pub files_scanned: Family<NodeLabel, Gauge>,
    /// When the baseline was made.
    pub baseline: Family<NodeLabel, Seconds>,
    /// 1: nobody asked for the baseline.
    pub unrequested: Family<NodeLabel, Gauge>,
    /// Selected nodes by what is known of them, over all FileIntegrities.
    pub nodes: Family<StateLabel, Gauge>,
    /// 1: the condition Degraded is True.
    pub degraded: Family<FileIntegrityLabel, Gauge>,
    /// Objects that cannot be read now.
    pub unreadable: Family<KindLabel, Gauge>,
    /// Passes.
    passes: Histogram,
    /// Passes that failed.
    pub pass_errors: Family<StepLabel, Counter>,
}

impl Fleet {
    #[expect(clippy::too_many_lines, reason = "a table of all metrics")]
    fn new() -> Self {
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
            signaller: metric(
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
                "Set to 1 while the last scan of a node could not be done, per kind of error and node",
            ),
            node_stale: metric(
                r,
                "node_stale",
                "Set to 1 while a node is not ready or has not reported for three periods, and 0 otherwise",
            ),
            last_scan: metric(
                r,
                "node_last_scan_timestamp_seconds",
                "When the last scan of a node ended, in seconds since the epoch",
            ),
            scan_duration: metric(
                r,
                "node_scan_duration_seconds",
                "How long the last scan of a node took",
            ),
            files_scanned: metric(
                r,
                "node_files_scanned",
                "How many files the last scan of a node looked at",
            ),
            baseline: metric(
                r,
                "node_baseline_timestamp_seconds",
                "When the baseline of a node was made, in seconds since the epoch",
            ),
            unrequested: metric(
                r,
                "node_baseline_unrequested",
                "Set to 1 while the baseline of a node is one that nobody asked for, and 0 otherwise",
            ),
            nodes: metric(
                r,
                "nodes",
                "Selected nodes of all FileIntegrity objects, by what is known of them",
            ),
            degraded: metric(
                r,
                "degraded",
                "Set to 1 while the condition Degraded of a FileIntegrity is True, and 0 otherwise",
            ),
            unreadable: metric(
                r,
                "unreadable_objects",
                "Objects in the API that the operator cannot read and leaves out, per kind",
            ),
            passes: Histogram::new(PASS_BUCKETS),
            pass_errors: metric(
                r,
                "reconcile_errors",
                "The total number of passes over a FileIntegrity that failed, per step",
            ),
            registry: Registry::default(),
        };
        let passes = fleet.passes.clone();
        registry.register(
            "reconcile_duration_seconds",
            "How long passes over a FileIntegrity took",
            passes,
        );
        fleet.registry = registry;
        fleet
    }

    /// A pass took this long.
    pub fn passed(&self, duration: Duration) {
        self.passes.observe(duration.as_secs_f64());
    }
}

fn metric<M: Metric + Default + Clone>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// Everything that this process tells; clones share it.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    own: Registry,
    leader: Gauge,
    requests: ApiRequests,
    fleet: RwLock<Option<Arc<Fleet>>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// The metrics of an operator that stands by.
    pub fn new() -> Self {
        let mut own = Registry::default();
        own.register_collector(Box::new(Process));
        let registry = own.sub_registry_with_prefix(PREFIX);
        let requests = ApiRequests::default();
        registry.register(
            "api_requests",
            "The total number of requests to the API server, per verb and status code",
            requests.counts.clone(),
        );
        let leader = metric::<Gauge>(
            registry,
            "leader",
            "Set to 1 while this operator holds the lease, and 0 otherwise",
        );
        let build = metric::<Family<VersionLabel, Gauge>>(
            registry,
            "build_info",
            "Which version this operator is; the value is always 1",
        );
        let version = env!("CARGO_PKG_VERSION");
        build.get_or_create(&VersionLabel { version }).set(1);
        Self(Arc::new(Inner {
            own,
            leader,
            requests,
            fleet: RwLock::default(),
        }))
    }

    /// Where requests to the API are counted.
    pub fn requests(&self) -> &ApiRequests {
        &self.0.requests
    }

    /// The lease is held: the fleet is told about from now on, from nothing.
    pub fn lead(&self) -> Arc<Fleet> {
        let fleet = Arc::new(Fleet::new());
        self.set(Some(Arc::clone(&fleet)));
        fleet
    }

    /// The lease is lost: another one tells about the fleet.
    pub fn stand_by(&self) {
        self.set(None);
    }

    fn set(&self, fleet: Option<Arc<Fleet>>) {
        self.0.leader.set(i64::from(fleet.is_some()));
        // A value is replaced whole, so a panic leaves nothing half done.
        *self.0.fleet.write().unwrap_or_else(PoisonError::into_inner) = fleet;
    }

    /// Writes what is told about the process.
    pub fn tell_own(&self, format: Format, out: &mut impl io::Write) -> io::Result<()> {
        tell(&[&self.0.own], format, out)
    }

    /// Writes what is told about the fleet, and with `own` about the process as well.
    pub fn tell_fleet(
        &self,
        format: Format,
        own: bool,
        out: &mut impl io::Write,
    ) -> io::Result<()> {
        let fleet = self
            .0
            .fleet
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let fleet = fleet.as_ref().map(|fleet| &fleet.registry);
        let registries: Vec<&Registry> = own
            .then_some(&self.0.own)
            .into_iter()
            .chain(fleet)
            .collect();
        tell(&registries, format, out)
    }
}

fn tell(registries: &[&Registry], format: Format, out: &mut impl io::Write) -> io::Result<()> {
    let mut teller = Teller::new(format, out);
    for registry in registries {
        encode_registry(&mut teller, registry).map_err(io::Error::other)?;
    }
    if format == Format::OpenMetrics {
        encode_eof(&mut teller).map_err(io::Error::other)?;
    }
    teller.finish()
}

#[cfg(test)]
impl Metrics {
    /// What tests look at: the text of the fleet.
    pub(crate) fn fleet_text(&self, format: Format, own: bool) -> String {
        let mut out = Vec::new();
        self.tell_fleet(format, own, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Metrics {
        let metrics = Metrics::new();
        let fleet = metrics.lead();
        let node = |name: &str| Arc::from(name);
        for (phase, times) in [("Active", 2), ("Initializing", 1), ("Pending", 1)] {
            fleet
                .phase
                .get_or_create(&PhaseLabel { phase })
                .inc_by(times);
        }
        fleet
            .error
            .get_or_create(&ErrorLabel { error: "scan" })
            .inc();
        let label = NodeLabel {
            node: node("node-a"),
        };
        fleet.pause.get_or_create(&label).inc();
        fleet.unpause.get_or_create(&label).inc();
        for (by, of) in [("config", ""), ("demand", ""), ("node", "node-a")] {
            let labels = ReinitLabels { by, node: node(of) };
            fleet.reinit.get_or_create(&labels).inc();
        }
        for (condition, of) in [
            ("Errored", "node-c"),
            ("Failed", "node-a"),
            ("Succeeded", "node-b"),
        ] {
            let labels = ConditionLabels {
                condition,
                node: node(of),
            };
            fleet.node_status.get_or_create(&labels).inc();
        }
        let kind = "Node".to_owned();
        fleet.unreadable.get_or_create(&KindLabel { kind }).set(1);
        let error = NodeErrorLabels {
            error: "configuration",
            node: node("node-c"),
        };
        fleet.node_status_error.get_or_create(&error).inc();
        fleet.node_errored.get_or_create(&error).set(1);
        for operation in ["delete", "podkill", "update"] {
            fleet
                .daemon_set
                .get_or_create(&OperationLabel { operation })
                .inc();
        }
        for operation in ["delete", "update"] {
            fleet
                .signaller
                .get_or_create(&OperationLabel { operation })
                .inc();
        }
        fleet.node_failed.get_or_create(&label).set(1);
        fleet.node_stale.get_or_create(&label).set(0);
        fleet.last_scan.get_or_create(&label).set(1_800_000_000.0);
        fleet.scan_duration.get_or_create(&label).set(1.5);
        fleet.files_scanned.get_or_create(&label).set(10_871);
        fleet.baseline.get_or_create(&label).set(1_700_000_000.0);
        fleet.unrequested.get_or_create(&label).set(0);
        fleet
            .nodes
            .get_or_create(&StateLabel { state: "selected" })
            .set(3);
        let fi = FileIntegrityLabel {
            file_integrity: "fi".to_owned(),
        };
        fleet.degraded.get_or_create(&fi).set(0);
        fleet
            .pass_errors
            .get_or_create(&StepLabel { step: "observe" })
            .inc();
        fleet.passed(Duration::from_millis(7));
        metrics.requests().count_for_tests();
        metrics
    }

    #[test]
    fn the_whole_text() {
        insta::assert_snapshot!(filled().fleet_text(Format::Plain, false));
    }

    #[test]
    fn open_metrics_tell_the_same_values() {
        let open = filled().fleet_text(Format::OpenMetrics, false);
        assert!(open.ends_with("# EOF\n"));
        assert!(open.contains("# TYPE file_integrity_operator_phase counter\n"));
        assert!(open.contains("file_integrity_operator_phase_total{phase=\"Active\"} 2\n"));
    }

    #[test]
    fn only_the_leader_tells_about_the_fleet() {
        let metrics = filled();
        metrics.stand_by();
        assert_eq!(metrics.fleet_text(Format::Plain, false), "");
        let own = metrics.fleet_text(Format::Plain, true);
        assert!(
            own.contains("\nfile_integrity_operator_leader 0\n"),
            "{own}"
        );
        assert!(own.contains("process_resident_memory_bytes"), "{own}");
        let fresh = metrics.lead();
        assert!(!metrics.fleet_text(Format::Plain, false).contains("phase"));
        drop(fresh);
    }

    /// Alerts, dashboard and documentation speak of metrics that there are.
    #[test]
    fn no_metric_is_spoken_of_that_is_not_told() {
        let metrics = filled();
        let told = metrics.fleet_text(Format::Plain, true);
        for text in [
            include_str!("../operator/monitoring/failure.json"),
            include_str!("../operator/monitoring/further.json"),
            include_str!("../../manifests/monitoring/dashboard.json"),
            include_str!("../../docs/metrics.md"),
        ] {
            let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
            let names = text
                .split(|c| !is_part(c))
                .filter(|word| word.strip_prefix(PREFIX).is_some_and(|rest| rest.len() > 1));
            for name in names {
                let found = [' ', '{'].map(|end| told.contains(&format!("\n{name}{end}")));
                let described = told.contains(&format!("# TYPE {name} "));
                assert!(described || found.contains(&true), "{name}");
            }
        }
    }
}
