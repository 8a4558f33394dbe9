//! Stories of counts: what is seen and done, and what is told of it afterwards.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;
use crate::api::DesiredNodeState;
use crate::api::{Baseline, FileIntegrityNodeStatus, ScanResult};
use crate::operator::build::{self, Environment};
use crate::operator::plan::Configured;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::text::Format;

struct Story {
    tally: Tally,
    metrics: Metrics,
    second: i64,
    /// The FileIntegrity as it was seen last.
    fi: FileIntegrity,
}

impl Story {
    /// With node statuses that are there at the start.
    fn begins(with: &[FileIntegrityNodeStatus]) -> Self {
        let metrics = Metrics::new();
        let tally = Tally::new(metrics.lead());
        let story = Self {
            tally,
            metrics,
            second: 0,
            fi: file_integrity(),
        };
        story.tally.saw_file_integrity(&Event::Init);
        story.tally.saw_file_integrity(&Event::InitDone);
        story.lists(with);
        story
    }

    fn lists(&self, statuses: &[FileIntegrityNodeStatus]) {
        self.tally.saw_status(&Event::Init);
        for status in statuses {
            self.tally.saw_status(&Event::InitApply(status.into()));
        }
        self.tally.saw_status(&Event::InitDone);
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
        self.sees(status);
    }

    fn sees(&self, status: &FileIntegrityNodeStatus) {
        self.tally.saw_status(&Event::Apply(status.into()));
    }

    fn applies(&self, observed: &Observed, object: Value, uid: &str, generation: i64) {
        let applied = Applied {
            uid: uid.to_owned(),
            generation,
            replaced: false,
        };
        let outcome = ApplyOutcome::Applied(&applied);
        self.tally
            .applied(observed, &Wanted::DaemonSet(object), outcome);
    }

    /// A signaller comes and goes.
    fn signals(&self, uid: &str) {
        let labels = json!({names::LABEL_REINIT_OWNER: "fi"});
        let object = json!({"metadata": {"name": "aide-ini-fi", "labels": labels}});
        self.applies(&observed(&[], &[]), object.clone(), uid, 1);
        let there = observed(&[daemon_set(&object, uid, 1)], &[]);
        // Once more, through a cache that lags: nothing happened.
        self.applies(&observed(&[], &[]), object, uid, 1);
        self.tally
            .removed(&there, &Unwanted::DaemonSet("aide-ini-fi".to_owned()));
    }

    /// The FileIntegrity gets these phases, one after the other.
    fn phases(&mut self, phases: &[Phase]) {
        for phase in phases {
            let status = self.fi.status.get_or_insert_default();
            status.phase = Some(*phase);
            *status.phase_transitions.get_or_insert(0) += 1;
            self.sees_file_integrity();
        }
    }

    /// The watch shows it, and once more without a change.
    fn sees_file_integrity(&self) {
        for _ in 0..2 {
            self.tally
                .saw_file_integrity(&Event::Apply(self.fi.clone()));
        }
    }

    /// A request is recorded and handed to the nodes.
    fn asks(&mut self) {
        let record = (names::ANNOTATION_REINIT_RECORD.to_owned(), "{}".to_owned());
        self.fi.metadata.annotations = Some([record].into());
        self.sees_file_integrity();
        self.fi.metadata.annotations = None;
        self.sees_file_integrity();
    }

    /// A node is asked for this.
    fn asks_of(&self, status: &mut FileIntegrityNodeStatus, desired: &DesiredNodeState) {
        let object = build::node_status(&file_integrity(), &status.node_name, desired);
        status.metadata = serde_json::from_value(object["metadata"].clone()).unwrap();
        self.sees(status);
        self.sees(status);
    }

    /// What is told of these metrics, one `labels value` a line without the common prefix.
    fn told(&self, names: &[&str]) -> BTreeMap<String, f64> {
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
        assert_eq!(self.told(names), expected.collect());
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

fn observed(daemon_sets: &[DaemonSet], statuses: &[FileIntegrityNodeStatus]) -> Observed {
    Observed {
        file_integrity: Arc::new(file_integrity()),
        configured: Configured::Unknown,
        last_good: None,
        active: None,
        daemon_sets: daemon_sets.iter().cloned().map(Arc::new).collect(),
        nodes: Vec::new(),
        statuses: statuses
            .iter()
            .map(|status| Arc::new(status.into()))
            .collect(),
        silence: HashMap::new(),
        nameless: HashSet::new(),
        failed: Vec::new(),
        unreadable: Vec::new(),
        unreadable_nodes: HashSet::new(),
        others: Vec::new(),
        environment: Environment::default(),
        now: at(0),
    }
}

fn daemon_set(object: &Value, uid: &str, generation: i64) -> DaemonSet {
    let mut object = object.clone();
    object["metadata"]["uid"] = json!(uid);
    object["metadata"]["generation"] = json!(generation);
    serde_json::from_value(object).unwrap()
}

fn daemon() -> Value {
    json!({"metadata": {"name": "aide-fi", "labels": {names::LABEL_OWNER: "fi"}}})
}

const DAEMON_SETS: [&str; 2] = ["daemonset_update_total", "reinit_daemonset_update_total"];

/// The contract's first example.
#[test]
fn deploy_a_failure_a_reinit_by_annotation() {
    let mut story = Story::begins(&[]);
    let mut node = status("fi", "n1");
    story.applies(&observed(&[], &[]), daemon(), "d", 1);
    story.phases(&[Phase::Pending, Phase::Initializing, Phase::Active]);
    story.result(&mut node, Condition::Failed, [1, 0, 0]);
    story.asks();
    story.phases(&[Phase::Initializing]);
    story.signals("s");
    story.phases(&[Phase::Active]);
    story.expect(
        &DAEMON_SETS,
        &[
            ("daemonset_update_total{operation=\"update\"}", 1.0),
            ("reinit_daemonset_update_total{operation=\"delete\"}", 1.0),
            ("reinit_daemonset_update_total{operation=\"update\"}", 1.0),
        ],
    );
    story.expect(
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

/// The contract's second example, on two nodes.
#[test]
fn a_configuration_a_failure_and_no_configuration() {
    let mut story = Story::begins(&[]);
    let mut nodes = [status("fi", "n1"), status("fi", "n2")];
    let config = |hash: &str| DesiredNodeState {
        config_hash: Some(hash.to_owned()),
        ..DesiredNodeState::default()
    };
    let told = |story: &Story, nodes: &mut [FileIntegrityNodeStatus], after: &str| {
        for node in nodes {
            story.asks_of(node, &config(after));
        }
    };
    let all = |story: &mut Story, nodes: &mut [FileIntegrityNodeStatus], condition, counts| {
        for node in nodes {
            story.result(node, condition, counts);
        }
    };
    story.phases(&[Phase::Initializing, Phase::Active]);
    told(&story, &mut nodes, "default");
    all(&mut story, &mut nodes, Condition::Succeeded, [0; 3]);
    told(&story, &mut nodes, "custom");
    story.phases(&[Phase::Initializing, Phase::Active]);
    story.signals("s1");
    all(&mut story, &mut nodes, Condition::Succeeded, [0; 3]);
    all(&mut story, &mut nodes, Condition::Failed, [1, 0, 0]);
    all(&mut story, &mut nodes, Condition::Failed, [1, 0, 0]);
    told(&story, &mut nodes, "default");
    story.phases(&[Phase::Initializing, Phase::Active]);
    story.signals("s2");
    all(&mut story, &mut nodes, Condition::Succeeded, [0; 3]);
    story.expect(
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
fn a_roll_out_is_an_update_and_a_podkill() {
    let story = Story::begins(&[]);
    let there = observed(&[daemon_set(&daemon(), "d", 1)], &[]);
    story.applies(&there, daemon(), "d", 2);
    // Seen through a cache that lags, or labels only: nothing more.
    story.applies(&there, daemon(), "d", 2);
    let mut applied = Applied {
        uid: "new".to_owned(),
        generation: 1,
        replaced: true,
    };
    let wanted = Wanted::DaemonSet(daemon());
    let outcome = ApplyOutcome::Applied(&applied);
    story.tally.applied(&there, &wanted, outcome);
    applied.replaced = false;
    let outcome = ApplyOutcome::Applied(&applied);
    story.tally.applied(&there, &wanted, outcome);
    story.expect(
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
    let story = Story::begins(&[]);
    let wanted = Wanted::DaemonSet(daemon());
    let none = observed(&[], &[]);
    let first = observed(&[daemon_set(&daemon(), "d", 1)], &[]);
    let second = observed(&[daemon_set(&daemon(), "d", 2)], &[]);
    let updates = |update: f64, podkill: Option<f64>| {
        let podkill = podkill.map(|n| ("daemonset_update_total{operation=\"podkill\"}", n));
        let update = ("daemonset_update_total{operation=\"update\"}", update);
        let all: Vec<_> = podkill.into_iter().chain([update]).collect();
        story.expect(&DAEMON_SETS[..1], &all);
    };
    // Created, and seen by the next pass.
    story.tally.applied(&none, &wanted, ApplyOutcome::Failed);
    story.tally.applied(&none, &wanted, ApplyOutcome::Failed);
    story
        .tally
        .applied(&first, &wanted, ApplyOutcome::Unchanged);
    story
        .tally
        .applied(&first, &wanted, ApplyOutcome::Unchanged);
    updates(1.0, None);
    // Rolled out; the next pass has not seen it, applies it again, and nothing changes by that.
    story.tally.applied(&first, &wanted, ApplyOutcome::Failed);
    story.applies(&first, daemon(), "d", 2);
    story.applies(&second, daemon(), "d", 2);
    updates(2.0, Some(1.0));
    // Not carried out at all.
    story.tally.applied(&second, &wanted, ApplyOutcome::Failed);
    story
        .tally
        .applied(&second, &wanted, ApplyOutcome::Unchanged);
    updates(2.0, Some(1.0));
}

#[test]
fn a_signaller_whose_answers_were_lost_comes_and_goes_once() {
    let story = Story::begins(&[]);
    let labels = json!({names::LABEL_REINIT_OWNER: "fi"});
    let object = json!({"metadata": {"name": "aide-ini-fi", "labels": labels}});
    let wanted = Wanted::DaemonSet(object.clone());
    let unwanted = Unwanted::DaemonSet("aide-ini-fi".to_owned());
    let there = observed(&[daemon_set(&object, "s", 1)], &[]);
    let gone = observed(&[], &[]);
    story.tally.applied(&gone, &wanted, ApplyOutcome::Failed);
    // All nodes are done already, so it is not wanted any more.
    story.tally.settle_removals(&there);
    story.tally.unremoved(&there, &unwanted);
    // Through a cache that lags it is still there.
    story.tally.settle_removals(&there);
    story.tally.settle_removals(&gone);
    story.tally.settle_removals(&gone);
    story.expect(
        &DAEMON_SETS[1..],
        &[
            ("reinit_daemonset_update_total{operation=\"delete\"}", 1.0),
            ("reinit_daemonset_update_total{operation=\"update\"}", 1.0),
        ],
    );
}

/// Who begins to lead does not count what another one has done.
#[test]
fn what_is_there_at_the_start_is_not_counted() {
    let mut before = Story::begins(&[]);
    before.phases(&[Phase::Pending, Phase::Active]);
    let metrics = Metrics::new();
    let mut story = Story {
        tally: Tally::new(metrics.lead()),
        metrics,
        second: 0,
        fi: before.fi,
    };
    for event in [
        Event::Init,
        Event::InitApply(story.fi.clone()),
        Event::InitDone,
    ] {
        story.tally.saw_file_integrity(&event);
    }
    story.expect(&["phase_total"], &[]);
    story.phases(&[Phase::Error]);
    story.expect(&["phase_total"], &[("phase_total{phase=\"Error\"}", 1.0)]);
}

#[test]
fn an_update_of_a_node_pauses_and_its_end_reinitialises() {
    let story = Story::begins(&[]);
    let holds = [None, Some(HoldReason::NodeUpdate), Some(HoldReason::User)];
    let [free, held, by_user] = holds.map(|hold| DesiredNodeState {
        hold,
        ..DesiredNodeState::default()
    });
    let (mut n1, mut n2) = (status("fi", "n1"), status("fi", "n2"));
    for wishes in [&free, &held, &free] {
        story.asks_of(&mut n1, wishes);
    }
    for wishes in [&free, &by_user] {
        story.asks_of(&mut n2, wishes);
    }
    story.expect(
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
    let mut story = Story::begins(&[]);
    let mut node = status("fi", "n1");
    story.sees(&node);
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
        story.result(&mut node, condition, counts);
    }
    story.expect(
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
    story.result(&mut node, Condition::Succeeded, [0; 3]);
    story.expect(
        &["node_failed", "node_errored"],
        &[("node_failed{node=\"n1\"}", 0.0)],
    );
}

#[test]
fn after_a_restart_gauges_are_right_and_nothing_is_counted_twice() {
    let mut before = Story::begins(&[]);
    let mut node = status("fi", "n1");
    before.result(&mut node, Condition::Failed, [1, 0, 0]);
    before.result(&mut node, Condition::Errored, [0; 3]);
    let mut story = Story::begins(&[node.clone()]);
    let known = [
        ("node_errored{error=\"io\",node=\"n1\"}", 1.0),
        ("node_failed{node=\"n1\"}", 1.0),
    ];
    story.expect(&NODE, &known);
    // The watch lists anew.
    story.lists(&[node.clone()]);
    story.sees(&node);
    story.expect(&NODE, &known);
    // What happened while the watch was away did happen.
    let mut away = Story::begins(&[]);
    away.second = before.second;
    away.result(&mut node, Condition::Succeeded, [0; 3]);
    story.lists(&[node.clone()]);
    story.second = away.second;
    story.expect(
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
fn of_two_file_integrities_the_worse_counts_and_gone_nodes_are_forgotten() {
    let mut story = Story::begins(&[]);
    let (mut one, mut two) = (status("one", "n1"), status("two", "n1"));
    story.result(&mut one, Condition::Failed, [1, 0, 0]);
    story.result(&mut two, Condition::Succeeded, [0; 3]);
    story.expect(&["node_failed"], &[("node_failed{node=\"n1\"}", 1.0)]);
    story.tally.saw_status(&Event::Delete((&one).into()));
    story.expect(&["node_failed"], &[("node_failed{node=\"n1\"}", 0.0)]);
    story.result(&mut two, Condition::Errored, [0; 3]);
    // The second list does not have it.
    story.lists(&[]);
    let told = story.metrics.fleet_text(Format::Plain, false);
    assert!(!told.contains("n1"), "{told}");
}

#[test]
fn a_baseline_that_nobody_asked_for_is_counted_once() {
    let story = Story::begins(&[]);
    let mut node = status("fi", "n1");
    let baseline = |second: i64, requested: bool| Baseline {
        created_at: at(second),
        config_hash: "c".to_owned(),
        digest: second.to_string(),
        entries: 1,
        aide_version: String::new(),
        state_dir: None,
        requested,
    };
    let names = [
        "reinit_total",
        "node_baseline_unrequested",
        "node_baseline_timestamp_seconds",
    ];
    for (second, requested) in [(0, true), (5, false), (5, false)] {
        node.baseline = Some(baseline(second, requested));
        story.sees(&node);
    }
    story.expect(
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
    story.sees(&node);
    story.expect(
        &names[1..2],
        &[("node_baseline_unrequested{node=\"n1\"}", 0.0)],
    );
}

#[test]
fn passes_tell_of_the_fleet_and_gone_file_integrities_do_not() {
    let story = Story::begins(&[status("fi", "n1"), status("fi", "n2")]);
    let status = FileIntegrityStatus {
        nodes: Some(NodeCounts {
            selected: 2,
            stale: 1,
            ..NodeCounts::default()
        }),
        ..FileIntegrityStatus::default()
    };
    let names = ["nodes", "node_stale", "degraded"];
    let found = || story.tally.found("fi", &status, &["n2".to_owned()].into());
    let is_there = Event::Apply(file_integrity());
    story.tally.saw_file_integrity(&is_there);
    found();
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
    story.expect(&names, &expected);
    story
        .tally
        .saw_file_integrity(&Event::Delete(file_integrity()));
    expected.remove(0);
    expected[1].1 = 0.0;
    expected[7].1 = 0.0;
    expected[8].1 = 0.0;
    story.expect(&names, &expected);
    // A pass that was under way comes too late.
    found();
    story.expect(&names, &expected);
}

#[test]
fn errors_of_phases_are_of_two_kinds() {
    let story = Story::begins(&[]);
    let refused: FileIntegrityStatus = serde_json::from_value(json!({"conditions": [{
        "type": "ConfigValid", "status": "False", "reason": "Refused", "message": "",
        "lastTransitionTime": at(0),
    }]}))
    .unwrap();
    story.tally.phase(Phase::Error, &refused);
    story
        .tally
        .phase(Phase::Error, &FileIntegrityStatus::default());
    story.expect(
        &["error_total"],
        &[
            ("error_total{error=\"configuration\"}", 1.0),
            ("error_total{error=\"scan\"}", 1.0),
        ],
    );
}
