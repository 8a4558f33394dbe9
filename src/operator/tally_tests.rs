//! Stories of counts: what is seen and done, and what is told of it afterwards.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;
use crate::api::{Baseline, FileIntegrityNodeStatus, ScanResult};
use crate::operator::build::{self, Environment};
use crate::operator::plan::{Configured, WantedStatus};
use crate::operator::statuses::kept;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::text::Format;

struct Story {
    tally: Tally,
    metrics: Metrics,
    second: i64,
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
        };
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
        self.tally
            .applied(observed, &Wanted::DaemonSet(object), &applied);
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

    fn phases(&self, phases: &[Phase]) {
        for phase in phases {
            self.tally.phase(*phase, &FileIntegrityStatus::default());
        }
    }

    fn asks(&self) {
        let annotations =
            json!({names::ANNOTATION_REINIT: null, names::ANNOTATION_REINIT_RECORD: "{}"});
        self.tally
            .annotated(&json!({"metadata": {"annotations": annotations}}));
        let dropped = json!({names::ANNOTATION_REINIT_RECORD: null});
        self.tally
            .annotated(&json!({"metadata": {"annotations": dropped}}));
    }

    /// A node is given its wishes; `before` are those that the cache has.
    fn wishes(&self, node: &str, before: &Wishes, after: &Wishes) {
        let observed = observed(&[], &[]);
        let there = build::node_status(&observed.file_integrity, node, before);
        let wanted = Wanted::NodeStatus(WantedStatus {
            node: node.into(),
            wishes: after.clone(),
            there: Some(Arc::new(kept(there))),
        });
        self.tally.applied(&observed, &wanted, &Applied::default());
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
        unreadable: Vec::new(),
        failed: Vec::new(),
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
    let config = |hash: &str| Wishes {
        config: Some(hash.to_owned()),
        ..Wishes::default()
    };
    let told = |story: &Story, before: &Wishes, after: &str| {
        for node in ["n1", "n2"] {
            story.wishes(node, before, &config(after));
        }
    };
    let mut all = |story: &mut Story, condition, counts| {
        for node in &mut nodes {
            story.result(node, condition, counts);
        }
    };
    story.phases(&[Phase::Initializing, Phase::Active]);
    told(&story, &Wishes::default(), "default");
    all(&mut story, Condition::Succeeded, [0; 3]);
    told(&story, &config("default"), "custom");
    story.phases(&[Phase::Initializing, Phase::Active]);
    story.signals("s1");
    all(&mut story, Condition::Succeeded, [0; 3]);
    all(&mut story, Condition::Failed, [1, 0, 0]);
    all(&mut story, Condition::Failed, [1, 0, 0]);
    told(&story, &config("custom"), "default");
    story.phases(&[Phase::Initializing, Phase::Active]);
    story.signals("s2");
    all(&mut story, Condition::Succeeded, [0; 3]);
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
    story.tally.applied(&there, &wanted, &applied);
    applied.replaced = false;
    story.tally.applied(&there, &wanted, &applied);
    story.expect(
        &DAEMON_SETS,
        &[
            ("daemonset_update_total{operation=\"delete\"}", 1.0),
            ("daemonset_update_total{operation=\"podkill\"}", 1.0),
            ("daemonset_update_total{operation=\"update\"}", 2.0),
        ],
    );
}

#[test]
fn an_update_of_a_node_pauses_and_its_end_reinitialises() {
    let story = Story::begins(&[]);
    let [free, held, by_hand] = [Hold::No, Hold::ForUpdate, Hold::ByHand].map(|hold| Wishes {
        hold,
        ..Wishes::default()
    });
    story.wishes("n1", &free, &held);
    story.wishes("n1", &free, &held);
    story.wishes("n1", &held, &free);
    story.wishes("n1", &held, &free);
    story.wishes("n2", &free, &by_hand);
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
    let baseline = |second: i64, verified: bool| Baseline {
        created_at: at(second),
        config_hash: "c".to_owned(),
        digest: second.to_string(),
        entries: 1,
        aide_version: String::new(),
        state_dir: None,
        verified,
    };
    let names = [
        "reinit_total",
        "node_baseline_unverified",
        "node_baseline_timestamp_seconds",
    ];
    for (second, verified) in [(0, true), (5, false), (5, false)] {
        node.baseline = Some(baseline(second, verified));
        story.sees(&node);
    }
    story.expect(
        &names,
        &[
            (
                "node_baseline_timestamp_seconds{node=\"n1\"}",
                1_800_000_005.0,
            ),
            ("node_baseline_unverified{node=\"n1\"}", 1.0),
            ("reinit_total{by=\"missing\",node=\"n1\"}", 1.0),
        ],
    );
    node.baseline = Some(baseline(9, true));
    story.sees(&node);
    story.expect(
        &names[1..2],
        &[("node_baseline_unverified{node=\"n1\"}", 0.0)],
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
        ("nodes{state=\"selected\"}", 2.0),
        ("nodes{state=\"stale\"}", 1.0),
    ];
    story.expect(&names, &expected);
    story
        .tally
        .saw_file_integrity(&Event::Delete(file_integrity()));
    expected.remove(0);
    expected[1].1 = 0.0;
    expected[6].1 = 0.0;
    expected[7].1 = 0.0;
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

#[test]
fn what_a_daemon_calls_an_error_is_one_of_a_fixed_set() {
    assert_eq!(class(Some("tampered")), "tampered");
    assert_eq!(class(Some("x\"} 1\n")), "other");
    assert_eq!(class(None), "other");
}
