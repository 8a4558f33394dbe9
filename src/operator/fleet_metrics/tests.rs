//! Sequences of changes, and the metrics that are exported afterwards.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::watcher::Event;
use serde_json::json;

use super::*;
use crate::api::{
    Baseline, ChangeSetId, Condition, DesiredNodeState, FileIntegrity, FileIntegrityNodeStatus,
    FileIntegrityStatus, HoldEnd, HoldReason, NodeCounts, NodeHold, Phase, RealtimeState,
    RealtimeStatus, ScanResult, Trigger, names,
};
use crate::operator::change_sets::ChangeSetNodes;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::text::Format;

struct Scenario {
    fleet_metrics: FleetMetrics,
    metrics: Metrics,
    second: i64,
    /// The FileIntegrity as the watch showed it last.
    fi: FileIntegrity,
}

impl Scenario {
    /// With node statuses that exist at the start.
    fn start(with: &[FileIntegrityNodeStatus]) -> Self {
        let metrics = Metrics::new();
        let fleet_metrics = FleetMetrics::new(metrics.lead());
        let scenario = Self {
            fleet_metrics,
            metrics,
            second: 0,
            fi: file_integrity(),
        };
        scenario.fleet_metrics.record_file_integrity(&Event::Init);
        scenario
            .fleet_metrics
            .record_file_integrity(&Event::InitDone);
        scenario.lists(with);
        scenario
    }

    fn lists(&self, statuses: &[FileIntegrityNodeStatus]) {
        self.fleet_metrics.record_node_status(&Event::Init);
        for status in statuses {
            self.fleet_metrics
                .record_node_status(&Event::InitApply(status.into()));
        }
        self.fleet_metrics.record_node_status(&Event::InitDone);
    }

    /// The node's daemon reports a result; counts are added, changed, removed.
    fn result(
        &mut self,
        status: &mut FileIntegrityNodeStatus,
        condition: Condition,
        counts: [i64; 3],
    ) {
        self.second += 10;
        let mut result = ScanResult::new(condition, at(self.second));
        [
            result.files_added,
            result.files_changed,
            result.files_removed,
        ] = counts;
        if condition == Condition::Errored {
            result.error_message = Some(format!("at {}", self.second));
            result.error_class = Some("io".to_owned());
        }
        status.results.retain(|r| r.condition != condition);
        status.results.push(result.clone());
        status.last_result = Some(result);
        self.shows(status);
    }

    fn shows(&self, status: &FileIntegrityNodeStatus) {
        self.fleet_metrics
            .record_node_status(&Event::Apply(status.into()));
    }

    fn writes(&self, daemon_set: &DaemonSetRef<'_>, version: DaemonSetVersion) {
        let outcome = WriteOutcome::Written {
            version,
            replaced: false,
        };
        self.fleet_metrics.record_write(daemon_set, outcome);
    }

    fn fails_to_write(&self, daemon_set: &DaemonSetRef<'_>) {
        let outcome = WriteOutcome::Failed { replaces: false };
        self.fleet_metrics.record_write(daemon_set, outcome);
    }

    fn leaves(&self, daemon_set: &DaemonSetRef<'_>) {
        let outcome = WriteOutcome::Unchanged;
        self.fleet_metrics.record_write(daemon_set, outcome);
    }

    /// A re-init DaemonSet is created and deleted.
    fn signals(&self, uid: &str) {
        self.writes(&reinit(None), version(uid, 1));
        // Once more, because the cache is outdated. Nothing changes.
        self.writes(&reinit(None), version(uid, 1));
        let existing = reinit(Some(version(uid, 1)));
        self.fleet_metrics.record_deletion(&existing);
    }

    /// The FileIntegrity has these phases, one after the other.
    fn phases(&mut self, phases: &[Phase]) {
        for phase in phases {
            let status = self.fi.status.get_or_insert_default();
            status.phase = Some(*phase);
            *status.phase_transitions.get_or_insert(0) += 1;
            self.shows_file_integrity();
        }
    }

    /// The watch shows the FileIntegrity twice.
    fn shows_file_integrity(&self) {
        for _ in 0..2 {
            self.fleet_metrics
                .record_file_integrity(&Event::Apply(self.fi.clone()));
        }
    }

    /// A request is recorded and written to the nodes.
    fn requests(&mut self) {
        let record = (names::Annotation::REINIT_RECORD.to_owned(), "{}".to_owned());
        self.fi.metadata.annotations = Some([record].into());
        self.shows_file_integrity();
        self.fi.metadata.annotations = None;
        self.shows_file_integrity();
    }

    /// The operator asks this of a node.
    fn asks_of(&self, status: &mut FileIntegrityNodeStatus, desired: &DesiredNodeState) {
        status.metadata.owner_references = serde_json::from_value(json!([{
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrity", "name": "fi",
            "uid": "u", "controller": true,
        }]))
        .unwrap();
        status.metadata.annotations = Some(desired.to_annotations());
        self.shows(status);
        self.shows(status);
    }

    /// The exported values of these metrics, without the common prefix.
    fn exported(&self, names: &[&str]) -> BTreeMap<String, f64> {
        let text = self.metrics.fleet_text(Format::Plain, false);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples
            .filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                let series = series.strip_prefix("file_integrity_operator_")?;
                let (name, _) = series.split_once('{').unwrap_or((series, ""));
                let value: f64 = value.parse().unwrap();
                names.contains(&name).then(|| (series.to_owned(), value))
            })
            .collect()
    }

    fn expect(&self, names: &[&str], expected: &[(&str, f64)]) {
        let expected = expected
            .iter()
            .map(|(series, value)| ((*series).to_owned(), *value));
        assert_eq!(self.exported(names), expected.collect());
    }
}

fn at(second: i64) -> Time {
    Time(jiff::Timestamp::from_second(1_800_000_000 + second).unwrap())
}

fn status(fi: &str, node: &str) -> FileIntegrityNodeStatus {
    let mut status = FileIntegrityNodeStatus {
        node_name: node.to_owned(),
        ..FileIntegrityNodeStatus::default()
    };
    status.metadata.name = Some(names::node_status(fi, node));
    status
}

fn file_integrity() -> FileIntegrity {
    serde_json::from_value(json!({"metadata": {"name": "fi", "uid": "u"}, "spec": {"config": {}}}))
        .unwrap()
}

fn version(uid: &str, generation: i64) -> DaemonSetVersion {
    DaemonSetVersion {
        uid: uid.to_owned(),
        generation,
    }
}

/// The DaemonSet of the daemons, as a reconcile observed it.
fn daemon(observed: Option<DaemonSetVersion>) -> DaemonSetRef<'static> {
    DaemonSetRef {
        file_integrity: "fi",
        name: "aide-fi",
        is_reinit: false,
        observed,
    }
}

/// The re-init DaemonSet, as a reconcile observed it.
fn reinit(observed: Option<DaemonSetVersion>) -> DaemonSetRef<'static> {
    DaemonSetRef {
        file_integrity: "fi",
        name: "aide-ini-fi",
        is_reinit: true,
        observed,
    }
}

const DAEMON_SETS: [&str; 2] = ["daemonset_update_total", "reinit_daemonset_update_total"];

#[test]
fn deploy_a_failure_a_reinit_by_annotation() {
    let mut scenario = Scenario::start(&[]);
    let mut node = status("fi", "n1");
    scenario.writes(&daemon(None), version("d", 1));
    scenario.phases(&[Phase::Pending, Phase::Initializing, Phase::Active]);
    scenario.result(&mut node, Condition::Failed, [1, 0, 0]);
    scenario.requests();
    scenario.phases(&[Phase::Initializing]);
    scenario.signals("s");
    scenario.phases(&[Phase::Active]);
    scenario.expect(
        &DAEMON_SETS,
        &[
            ("daemonset_update_total{operation=\"update\"}", 1.0),
            ("reinit_daemonset_update_total{operation=\"delete\"}", 1.0),
            ("reinit_daemonset_update_total{operation=\"update\"}", 1.0),
        ],
    );
    scenario.expect(
        &["phase_total", "node_status_total", "reinit_total"],
        &[
            ("node_status_total{condition=\"Failed\",node=\"n1\"}", 1.0),
            ("phase_total{phase=\"Active\"}", 2.0),
            ("phase_total{phase=\"Initializing\"}", 2.0),
            ("phase_total{phase=\"Pending\"}", 1.0),
            ("reinit_total{by=\"demand\",node=\"\"}", 1.0),
        ],
    );
}

/// On two nodes.
#[test]
fn a_configuration_a_failure_and_no_configuration() {
    let mut scenario = Scenario::start(&[]);
    let mut nodes = [status("fi", "n1"), status("fi", "n2")];
    let config = |hash: &str| DesiredNodeState {
        config_hash: Some(hash.to_owned()),
        ..DesiredNodeState::default()
    };
    let ask = |scenario: &Scenario, nodes: &mut [FileIntegrityNodeStatus], after: &str| {
        for node in nodes {
            scenario.asks_of(node, &config(after));
        }
    };
    let all =
        |scenario: &mut Scenario, nodes: &mut [FileIntegrityNodeStatus], condition, counts| {
            for node in nodes {
                scenario.result(node, condition, counts);
            }
        };
    scenario.phases(&[Phase::Initializing, Phase::Active]);
    ask(&scenario, &mut nodes, "default");
    all(&mut scenario, &mut nodes, Condition::Succeeded, [0; 3]);
    ask(&scenario, &mut nodes, "custom");
    scenario.phases(&[Phase::Initializing, Phase::Active]);
    scenario.signals("s1");
    all(&mut scenario, &mut nodes, Condition::Succeeded, [0; 3]);
    all(&mut scenario, &mut nodes, Condition::Failed, [1, 0, 0]);
    all(&mut scenario, &mut nodes, Condition::Failed, [1, 0, 0]);
    ask(&scenario, &mut nodes, "default");
    scenario.phases(&[Phase::Initializing, Phase::Active]);
    scenario.signals("s2");
    all(&mut scenario, &mut nodes, Condition::Succeeded, [0; 3]);
    scenario.expect(
        &[
            "phase_total",
            "node_status_total",
            "reinit_total",
            DAEMON_SETS[1],
        ],
        &[
            ("node_status_total{condition=\"Failed\",node=\"n1\"}", 1.0),
            ("node_status_total{condition=\"Failed\",node=\"n2\"}", 1.0),
            (
                "node_status_total{condition=\"Succeeded\",node=\"n1\"}",
                2.0,
            ),
            (
                "node_status_total{condition=\"Succeeded\",node=\"n2\"}",
                2.0,
            ),
            ("phase_total{phase=\"Active\"}", 3.0),
            ("phase_total{phase=\"Initializing\"}", 3.0),
            ("reinit_daemonset_update_total{operation=\"delete\"}", 2.0),
            ("reinit_daemonset_update_total{operation=\"update\"}", 2.0),
            ("reinit_total{by=\"config\",node=\"\"}", 2.0),
        ],
    );
}

#[test]
fn a_rollout_is_an_update_and_a_podkill() {
    let scenario = Scenario::start(&[]);
    let existing = daemon(Some(version("d", 1)));
    scenario.writes(&existing, version("d", 2));
    // The cache is outdated, or only labels were changed. Nothing more is counted.
    scenario.writes(&existing, version("d", 2));
    for replaced in [true, false] {
        let outcome = WriteOutcome::Written {
            version: version("new", 1),
            replaced,
        };
        scenario.fleet_metrics.record_write(&existing, outcome);
    }
    scenario.expect(
        &DAEMON_SETS,
        &[
            ("daemonset_update_total{operation=\"delete\"}", 1.0),
            ("daemonset_update_total{operation=\"podkill\"}", 1.0),
            ("daemonset_update_total{operation=\"update\"}", 2.0),
        ],
    );
}

/// The write was carried out, and its answer was lost.
#[test]
fn a_write_whose_answer_was_lost_is_counted_once() {
    let scenario = Scenario::start(&[]);
    let none = daemon(None);
    let first = daemon(Some(version("d", 1)));
    let second = daemon(Some(version("d", 2)));
    let updates = |update: f64, podkill: Option<f64>| {
        let podkill = podkill.map(|n| ("daemonset_update_total{operation=\"podkill\"}", n));
        let update = ("daemonset_update_total{operation=\"update\"}", update);
        let all: Vec<_> = podkill.into_iter().chain([update]).collect();
        scenario.expect(&DAEMON_SETS[..1], &all);
    };
    // Created, and observed by the next reconcile.
    scenario.fails_to_write(&none);
    scenario.fails_to_write(&none);
    scenario.leaves(&first);
    scenario.leaves(&first);
    updates(1.0, None);
    // Changed. The next reconcile has not observed it and applies it again, which changes nothing.
    scenario.fails_to_write(&first);
    scenario.writes(&first, version("d", 2));
    scenario.writes(&second, version("d", 2));
    updates(2.0, Some(1.0));
    // Not carried out.
    scenario.fails_to_write(&second);
    scenario.leaves(&second);
    updates(2.0, Some(1.0));
}

#[test]
fn a_reinit_daemon_set_whose_answers_were_lost_is_counted_once() {
    let scenario = Scenario::start(&[]);
    let existing = reinit(Some(version("s", 1)));
    let uids = ["s".to_owned()].into();
    let none = std::collections::HashSet::new();
    scenario.fails_to_write(&reinit(None));
    // All nodes are done already, so it is obsolete.
    scenario.fleet_metrics.settle_deletions("fi", &uids);
    scenario.fleet_metrics.record_failed_deletion(&existing);
    // The outdated cache still has it.
    scenario.fleet_metrics.settle_deletions("fi", &uids);
    scenario.fleet_metrics.settle_deletions("fi", &none);
    scenario.fleet_metrics.settle_deletions("fi", &none);
    scenario.expect(
        &DAEMON_SETS[1..],
        &[
            ("reinit_daemonset_update_total{operation=\"delete\"}", 1.0),
            ("reinit_daemonset_update_total{operation=\"update\"}", 1.0),
        ],
    );
}

/// What another leader did is not counted.
#[test]
fn changes_before_the_start_are_not_counted() {
    let mut before = Scenario::start(&[]);
    before.phases(&[Phase::Pending, Phase::Active]);
    let metrics = Metrics::new();
    let mut scenario = Scenario {
        fleet_metrics: FleetMetrics::new(metrics.lead()),
        metrics,
        second: 0,
        fi: before.fi,
    };
    for event in [
        Event::Init,
        Event::InitApply(scenario.fi.clone()),
        Event::InitDone,
    ] {
        scenario.fleet_metrics.record_file_integrity(&event);
    }
    scenario.expect(&["phase_total"], &[]);
    scenario.phases(&[Phase::Error]);
    scenario.expect(&["phase_total"], &[("phase_total{phase=\"Error\"}", 1.0)]);
}

#[test]
fn an_update_of_a_node_pauses_and_its_end_reinitializes() {
    let scenario = Scenario::start(&[]);
    let holds = [None, Some(HoldReason::NodeUpdate), Some(HoldReason::User)];
    let [free, held, by_user] = holds.map(|hold| DesiredNodeState {
        hold,
        ..DesiredNodeState::default()
    });
    let (mut n1, mut n2) = (status("fi", "n1"), status("fi", "n2"));
    for desired in [&free, &held, &free] {
        scenario.asks_of(&mut n1, desired);
    }
    for desired in [&free, &by_user] {
        scenario.asks_of(&mut n2, desired);
    }
    scenario.expect(
        &["pause_total", "unpause_total", "reinit_total"],
        &[
            ("pause_total{node=\"n1\"}", 1.0),
            ("unpause_total{node=\"n1\"}", 1.0),
            ("reinit_total{by=\"demand\",node=\"\"}", 1.0),
            ("reinit_total{by=\"node\",node=\"n1\"}", 1.0),
        ],
    );
}

const NODE: [&str; 4] = [
    "node_status_total",
    "node_status_error_total",
    "node_failed",
    "node_errored",
];

#[test]
fn new_conditions_and_new_counts_are_counted() {
    let mut scenario = Scenario::start(&[]);
    let mut node = status("fi", "n1");
    scenario.shows(&node);
    for (condition, counts) in [
        (Condition::Succeeded, [0; 3]),
        (Condition::Succeeded, [0; 3]),
        (Condition::Failed, [1, 0, 0]),
        (Condition::Failed, [1, 0, 0]),
        (Condition::Failed, [1, 1, 0]),
        (Condition::Errored, [0; 3]),
        // Another message is another error, not another condition.
        (Condition::Errored, [0; 3]),
    ] {
        scenario.result(&mut node, condition, counts);
    }
    scenario.expect(
        &NODE,
        &[
            ("node_errored{error=\"io\",node=\"n1\"}", 1.0),
            ("node_failed{node=\"n1\"}", 1.0),
            ("node_status_error_total{error=\"io\",node=\"n1\"}", 2.0),
            ("node_status_total{condition=\"Errored\",node=\"n1\"}", 1.0),
            ("node_status_total{condition=\"Failed\",node=\"n1\"}", 2.0),
            (
                "node_status_total{condition=\"Succeeded\",node=\"n1\"}",
                1.0,
            ),
        ],
    );
    scenario.result(&mut node, Condition::Succeeded, [0; 3]);
    scenario.expect(
        &["node_failed", "node_errored"],
        &[("node_failed{node=\"n1\"}", 0.0)],
    );
}

#[test]
fn after_a_restart_gauges_are_right_and_nothing_is_counted_twice() {
    let mut before = Scenario::start(&[]);
    let mut node = status("fi", "n1");
    before.result(&mut node, Condition::Failed, [1, 0, 0]);
    before.result(&mut node, Condition::Errored, [0; 3]);
    let mut scenario = Scenario::start(&[node.clone()]);
    let known = [
        ("node_errored{error=\"io\",node=\"n1\"}", 1.0),
        ("node_failed{node=\"n1\"}", 1.0),
    ];
    scenario.expect(&NODE, &known);
    // The watch lists all again.
    scenario.lists(&[node.clone()]);
    scenario.shows(&node);
    scenario.expect(&NODE, &known);
    // A change during an interruption of the watch is counted.
    let mut other = Scenario::start(&[]);
    other.second = before.second;
    other.result(&mut node, Condition::Succeeded, [0; 3]);
    scenario.lists(&[node.clone()]);
    scenario.second = other.second;
    scenario.expect(
        &NODE,
        &[
            ("node_failed{node=\"n1\"}", 0.0),
            (
                "node_status_total{condition=\"Succeeded\",node=\"n1\"}",
                1.0,
            ),
        ],
    );
}

#[test]
fn the_worse_of_two_statuses_counts_and_deleted_nodes_are_removed() {
    let mut scenario = Scenario::start(&[]);
    let (mut one, mut two) = (status("one", "n1"), status("two", "n1"));
    scenario.result(&mut one, Condition::Failed, [1, 0, 0]);
    scenario.result(&mut two, Condition::Succeeded, [0; 3]);
    scenario.expect(&["node_failed"], &[("node_failed{node=\"n1\"}", 1.0)]);
    scenario
        .fleet_metrics
        .record_node_status(&Event::Delete((&one).into()));
    scenario.expect(&["node_failed"], &[("node_failed{node=\"n1\"}", 0.0)]);
    scenario.result(&mut two, Condition::Errored, [0; 3]);
    two.realtime = Some(realtime(RealtimeState::Degraded, 1, 1));
    scenario.shows(&two);
    // The second list does not have it.
    scenario.lists(&[]);
    let text = scenario.metrics.fleet_text(Format::Plain, false);
    assert!(!text.contains("n1"), "{text}");
}

fn realtime(state: RealtimeState, overflows: i64, missed: i64) -> RealtimeStatus {
    serde_json::from_value(json!({
        "state": state, "since": at(0), "overflows": overflows, "missed": missed,
    }))
    .unwrap()
}

#[test]
fn realtime_detection_has_one_state_and_its_counts_follow_those_of_the_daemon() {
    let names = [
        "node_realtime",
        "node_realtime_missed_total",
        "node_realtime_overflows_total",
    ];
    let mut node = status("fi", "n1");
    node.realtime = Some(realtime(RealtimeState::Starting, 7, 7));
    let scenario = Scenario::start(&[node.clone()]);
    let expect = |state: &str, overflows, missed| {
        scenario.expect(
            &names,
            &[
                (
                    &format!("node_realtime{{node=\"n1\",state=\"{state}\"}}"),
                    1.0,
                ),
                ("node_realtime_missed_total{node=\"n1\"}", missed),
                ("node_realtime_overflows_total{node=\"n1\"}", overflows),
            ],
        );
    };
    // Those from before the start were counted by another operator.
    expect("Starting", 0.0, 0.0);
    for (state, overflows, missed, expected) in [
        (RealtimeState::Active, 7, 9, (0.0, 2.0)),
        (RealtimeState::Degraded, 8, 9, (1.0, 2.0)),
        (RealtimeState::Degraded, 8, 9, (1.0, 2.0)),
        // The daemon starts again. A report may show it only after the first overflows.
        (RealtimeState::Starting, 3, 0, (4.0, 2.0)),
        (RealtimeState::Active, 3, 1, (4.0, 3.0)),
        // No daemon reports this.
        (RealtimeState::Active, -1, i64::MIN, (4.0, 3.0)),
    ] {
        node.realtime = Some(realtime(state, overflows, missed));
        scenario.shows(&node);
        expect(state.as_str(), expected.0, expected.1);
    }
    // Another FileIntegrity selects the node.
    let mut other = status("other", "n1");
    other.realtime = Some(realtime(RealtimeState::Unsupported, 0, 5));
    scenario.shows(&other);
    expect("Unsupported", 4.0, 8.0);
    other.realtime = Some(realtime(RealtimeState::Off, 0, 5));
    scenario.shows(&other);
    expect("Active", 4.0, 8.0);
}

#[test]
fn results_of_events_do_not_change_the_time_of_the_last_scan() {
    let mut scenario = Scenario::start(&[]);
    let mut node = status("fi", "n1");
    let name = ["node_last_scan_timestamp_seconds", "node_failed"];
    scenario.result(&mut node, Condition::Succeeded, [0; 3]);
    node.last_full_scan = Some(at(10));
    let event = node.last_result.as_mut().unwrap();
    event.condition = Condition::Failed;
    event.last_probe_time = at(99);
    event.trigger = Some(Trigger::Event);
    scenario.shows(&node);
    scenario.expect(
        &name,
        &[
            ("node_failed{node=\"n1\"}", 1.0),
            (
                "node_last_scan_timestamp_seconds{node=\"n1\"}",
                1_800_000_010.0,
            ),
        ],
    );
}

#[test]
fn an_unrequested_baseline_is_counted_once() {
    let scenario = Scenario::start(&[]);
    let mut node = status("fi", "n1");
    let baseline = |second: i64, requested: bool| Baseline {
        created_at: at(second),
        config_hash: "c".to_owned(),
        digest: second.to_string(),
        entries: 1,
        aide_version: String::new(),
        state_dir: None,
        requested,
        accepted: None,
    };
    let names = [
        "reinit_total",
        "node_baseline_unrequested",
        "node_baseline_timestamp_seconds",
    ];
    for (second, requested) in [(0, true), (5, false), (5, false)] {
        node.baseline = Some(baseline(second, requested));
        scenario.shows(&node);
    }
    scenario.expect(
        &names,
        &[
            (
                "node_baseline_timestamp_seconds{node=\"n1\"}",
                1_800_000_005.0,
            ),
            ("node_baseline_unrequested{node=\"n1\"}", 1.0),
            ("reinit_total{by=\"missing\",node=\"n1\"}", 1.0),
        ],
    );
    node.baseline = Some(baseline(9, true));
    scenario.shows(&node);
    scenario.expect(
        &names[1..2],
        &[("node_baseline_unrequested{node=\"n1\"}", 0.0)],
    );
}

#[test]
fn a_held_node_has_a_series_until_the_hold_is_over() {
    let scenario = Scenario::start(&[]);
    let names = ["node_held_since_timestamp_seconds"];
    let mut node = status("fi", "n1");
    scenario.shows(&node);
    scenario.expect(&names, &[]);
    node.hold = Some(NodeHold {
        since: at(5),
        until: at(50),
        then: HoldEnd::Report,
        holds: vec!["a".to_owned()],
    });
    scenario.shows(&node);
    let series = "node_held_since_timestamp_seconds{node=\"n1\"}";
    scenario.expect(&names, &[(series, 1_800_000_005.0)]);
    node.hold = None;
    scenario.shows(&node);
    scenario.expect(&names, &[]);
}

#[test]
fn only_reconciles_of_existing_file_integrities_count() {
    let scenario = Scenario::start(&[status("fi", "n1"), status("fi", "n2")]);
    let status = FileIntegrityStatus {
        nodes: Some(NodeCounts {
            selected: 2,
            stale: 1,
            ..NodeCounts::default()
        }),
        ..FileIntegrityStatus::default()
    };
    let names = ["nodes", "node_stale", "degraded"];
    let stale = ["n2".to_owned()].into();
    let sets = ChangeSetNodes::default();
    let reconcile = || {
        let metrics = &scenario.fleet_metrics;
        metrics.record_status("fi", &status, &stale, &sets);
    };
    let exists = Event::Apply(file_integrity());
    scenario.fleet_metrics.record_file_integrity(&exists);
    reconcile();
    let mut expected = vec![
        ("degraded{file_integrity=\"fi\"}", 0.0),
        ("node_stale{node=\"n1\"}", 0.0),
        ("node_stale{node=\"n2\"}", 1.0),
        ("nodes{state=\"errored\"}", 0.0),
        ("nodes{state=\"failed\"}", 0.0),
        ("nodes{state=\"held\"}", 0.0),
        ("nodes{state=\"initialized\"}", 0.0),
        ("nodes{state=\"not_selected\"}", 0.0),
        ("nodes{state=\"selected\"}", 2.0),
        ("nodes{state=\"stale\"}", 1.0),
    ];
    scenario.expect(&names, &expected);
    scenario
        .fleet_metrics
        .record_file_integrity(&Event::Delete(file_integrity()));
    expected.remove(0);
    expected[1].1 = 0.0;
    expected[7].1 = 0.0;
    expected[8].1 = 0.0;
    scenario.expect(&names, &expected);
    // A reconcile ends after the deletion.
    reconcile();
    scenario.expect(&names, &expected);
}

#[test]
fn the_nodes_of_change_sets_are_exported_while_they_show_them() {
    let scenario = Scenario::start(&[]);
    let metrics = &scenario.fleet_metrics;
    metrics.record_file_integrity(&Event::Apply(file_integrity()));
    let hash = |name: &str| names::sha256_hex(name);
    let id = |name: &str| ChangeSetId::of_result(Some(&hash(name)), Some(&hash(name)[..12]));
    let reconcile = |largest: &[(&str, usize)], others| {
        let largest = largest
            .iter()
            .map(|(name, nodes)| (id(name).unwrap(), *nodes));
        let sets = ChangeSetNodes {
            largest: largest.collect(),
            others,
        };
        metrics.record_status("fi", &FileIntegrityStatus::default(), &[].into(), &sets);
    };
    let expect = |expected: &[(&str, f64)]| {
        let series =
            |set: &str| format!("change_set_nodes{{file_integrity=\"fi\",change_set=\"{set}\"}}");
        let expected = expected.iter().map(|(set, nodes)| (series(set), *nodes));
        assert_eq!(scenario.exported(&["change_set_nodes"]), expected.collect());
    };
    reconcile(&[("a", 46), ("b", 1)], 3);
    expect(&[(&hash("a"), 46.0), (&hash("b"), 1.0), ("other", 3.0)]);
    reconcile(&[("c", 7), ("a", 2)], 0);
    expect(&[(&hash("a"), 2.0), (&hash("c"), 7.0)]);
    metrics.record_file_integrity(&Event::Delete(file_integrity()));
    expect(&[]);
}

#[test]
fn a_phase_error_is_of_the_configuration_or_of_a_scan() {
    let scenario = Scenario::start(&[]);
    let refused: FileIntegrityStatus = serde_json::from_value(json!({"conditions": [{
        "type": "ConfigValid", "status": "False", "reason": "Refused", "message": "",
        "lastTransitionTime": at(0),
    }]}))
    .unwrap();
    scenario.fleet_metrics.count_phase(Phase::Error, &refused);
    scenario
        .fleet_metrics
        .count_phase(Phase::Error, &FileIntegrityStatus::default());
    scenario.expect(
        &["error_total"],
        &[
            ("error_total{error=\"configuration\"}", 1.0),
            ("error_total{error=\"scan\"}", 1.0),
        ],
    );
}

#[test]
fn an_acceptance_is_counted_once_when_it_ends() {
    let scenario = Scenario::start(&[]);
    let acceptance = |uid: &str, ended: Option<&str>| {
        let conditions = ended.map(|kind| {
            json!({
                "type": kind, "status": "True", "reason": "r", "message": "",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            })
        });
        serde_json::from_value(json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1",
            "kind": "FileIntegrityAcceptance",
            "metadata": {"name": uid, "uid": uid},
            "spec": {"fileIntegrity": "fi", "changeSet": "", "reason": "r", "approvedBy": {"username": "u"}},
            "status": {"conditions": conditions.into_iter().collect::<Vec<_>>()},
        }))
        .unwrap()
    };
    let ended = |outcome: &str| {
        let text = scenario.metrics.fleet_text(Format::Plain, false);
        let series = format!("acceptances_total{{file_integrity=\"fi\",outcome=\"{outcome}\"}} ");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.split_once(&series)?.1.parse::<u32>().ok());
        value.unwrap_or_default()
    };
    let record = |event: &Event<_>| scenario.fleet_metrics.record_acceptance(event);
    // One that ended before this operator led.
    record(&Event::InitApply(acceptance("a", Some("Complete"))));
    record(&Event::InitApply(acceptance("b", None)));
    record(&Event::Apply(acceptance("c", None)));
    assert_eq!((ended("complete"), ended("failed")), (0, 0));
    record(&Event::Apply(acceptance("b", Some("Complete"))));
    record(&Event::Apply(acceptance("b", Some("Complete"))));
    record(&Event::InitApply(acceptance("c", Some("Failed"))));
    record(&Event::Delete(acceptance("c", Some("Failed"))));
    assert_eq!((ended("complete"), ended("failed")), (1, 1));
}
