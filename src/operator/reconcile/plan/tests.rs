//! Tables of what is observed, and the plans.

mod require_acceptance;

use std::collections::HashMap;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition as StatusCondition, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::super::build::{ActiveConfig, Environment};
use super::*;
use crate::aide::config::config_hash;
use crate::api::condition::{ConditionReason, ConditionType};
use crate::api::{
    Baseline, CompletedRequest, Condition, EventReason, FileIntegrity, FileIntegrityNodeStatus,
    ScanResult,
};
use crate::operator::cache::node::CachedTaint;
use crate::operator::cache::node::wire::ReceivedNode;

const EFFECTIVE: &str = "/hostroot/etc p\n";

fn now() -> Time {
    Time("2026-01-02T03:04:05Z".parse().unwrap())
}

fn hash() -> String {
    config_hash(EFFECTIVE)
}

fn good() -> ConfigVerdict {
    let config = ActiveConfig {
        conf: EFFECTIVE.to_owned(),
        effective: EFFECTIVE.to_owned(),
    };
    ConfigVerdict::Good {
        config,
        warnings: Vec::new(),
    }
}

fn file_integrity(annotations: &Value, spec: &Value) -> FileIntegrity {
    serde_json::from_value(json!({
        "apiVersion": "fileintegrity.openshift.io/v1alpha1",
        "kind": "FileIntegrity",
        "metadata": {
            "name": "fi", "namespace": "ns", "uid": "u", "generation": 1, "resourceVersion": "7",
            "creationTimestamp": "2026-01-02T03:04:00Z", "annotations": annotations,
        },
        "spec": spec,
    }))
    .unwrap()
}

fn node(name: &str) -> Arc<CachedNode> {
    Arc::new(CachedNode {
        name: name.into(),
        ready: true,
        ..CachedNode::default()
    })
}

fn daemon_set(name: &str, labels: &Value) -> Arc<DaemonSet> {
    let value = json!({"metadata": {"name": name, "namespace": "ns", "labels": labels}});
    Arc::new(serde_json::from_value(value).unwrap())
}

/// A node with a baseline, and without changes.
fn status(node: &str) -> FileIntegrityNodeStatus {
    let mut status = FileIntegrityNodeStatus {
        node_name: node.to_owned(),
        last_result: Some(ScanResult::new(Condition::Succeeded, now())),
        baseline: Some(Baseline {
            created_at: now(),
            config_hash: hash(),
            digest: "d".to_owned(),
            entries: 1,
            aide_version: "0.19.1".to_owned(),
            state_dir: None,
            requested: true,
            accepted: None,
        }),
        ..FileIntegrityNodeStatus::default()
    };
    status.metadata.name = Some(names::node_status("fi", node));
    status
}

fn annotated(
    mut status: FileIntegrityNodeStatus,
    key: &str,
    value: &str,
) -> FileIntegrityNodeStatus {
    let annotations = status.metadata.annotations.get_or_insert_default();
    annotations.insert(key.to_owned(), value.to_owned());
    status
}

/// A node that should have this configuration.
fn asked(node: &str, hash: &str) -> FileIntegrityNodeStatus {
    annotated(status(node), names::Annotation::DESIRED_CONFIG, hash)
}

fn done(mut status: FileIntegrityNodeStatus, id: &str) -> FileIntegrityNodeStatus {
    status.reinit = Some(CompletedRequest {
        id: id.to_owned(),
        started_at: now(),
        finished_at: now(),
    });
    status
}

/// A deployed FileIntegrity with two nodes, without anything to do.
pub(in crate::operator) fn settled() -> Observed {
    with_annotations(&json!({}))
}

fn with_annotations(annotations: &Value) -> Observed {
    Observed {
        file_integrity: Arc::new(file_integrity(annotations, &json!({"config": {}}))),
        verdict: good(),
        last_good: None,
        active: None,
        daemon_sets: vec![daemon_set("aide-fi", &json!({names::Label::OWNER: "fi"}))],
        nodes: vec![node("n1"), node("n2")],
        statuses: cached(&[status("n1"), status("n2")]),
        silence: HashMap::new(),
        name_collisions: HashSet::new(),
        failed_nodes: Vec::new(),
        unreadable: Vec::new(),
        unreadable_nodes: HashSet::new(),
        others: Vec::new(),
        acceptances: None,
        policy: None,
        evidence: None,
        environment: Environment {
            image: "i".to_owned(),
            ..Environment::default()
        },
        now: now(),
    }
}

fn with_statuses(mut observed: Observed, statuses: &[FileIntegrityNodeStatus]) -> Observed {
    observed.statuses = cached(statuses);
    observed
}

fn cached(statuses: &[FileIntegrityNodeStatus]) -> Vec<Arc<CachedNodeStatus>> {
    statuses
        .iter()
        .map(|status| Arc::new(status.into()))
        .collect()
}

/// Kind and name of the desired objects.
fn desired(plan: &Plan) -> Vec<String> {
    let line = |kind: &str, name: &str| format!("{kind} {name}");
    let name_of = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    plan.desired
        .iter()
        .map(|object| match object {
            DesiredObject::ConfigMap(object) => line("ConfigMap", &name_of(object)),
            DesiredObject::NodeStatus(status) => {
                line("NodeStatus", &names::node_status("fi", &status.node))
            }
            DesiredObject::DaemonSet(object) => line("DaemonSet", &name_of(object)),
        })
        .collect()
}

/// The annotations that a node's status should have.
fn desired_annotations(plan: &Plan, node: &str) -> Value {
    plan.desired
        .iter()
        .find_map(|object| match object {
            DesiredObject::NodeStatus(status) if *status.node == *node => {
                let fi = file_integrity(&json!({}), &json!({"config": {}}));
                let object = build::node_status(&fi, node, &status.desired);
                Some(object["metadata"]["annotations"].clone())
            }
            _ => None,
        })
        .unwrap()
}

fn phase(plan: &Plan) -> Phase {
    plan.status.phase.unwrap()
}

#[test]
fn everything_is_applied_before_the_daemons() {
    let mut observed = with_statuses(settled(), &[]);
    observed.daemon_sets.clear();
    let plan = plan(&observed);
    let expected = [
        "ConfigMap fi",
        "NodeStatus fi-n1",
        "NodeStatus fi-n2",
        "DaemonSet aide-fi",
    ];
    assert_eq!(desired(&plan), expected);
    assert_eq!(
        desired_annotations(&plan, "n1")[names::Annotation::DESIRED_CONFIG],
        json!(hash())
    );
    assert_eq!(phase(&plan), Phase::Pending);
}

#[test]
fn a_settled_file_integrity_stays_as_it_is() {
    let plan = plan(&settled());
    assert_eq!(desired(&plan).len(), 4);
    assert_eq!(
        (
            plan.obsolete.len(),
            plan.metadata_patch.clone(),
            plan.requeue_after
        ),
        (0, None, None)
    );
    assert_eq!(phase(&plan), Phase::Active);
}

#[test]
fn it_initializes_while_a_baseline_is_missing_or_of_another_configuration() {
    let mut without = status("n2");
    without.baseline = None;
    let mut other = status("n2");
    other.baseline.as_mut().unwrap().config_hash = "other".to_owned();
    for second in [without, other] {
        let observed = with_statuses(settled(), &[status("n1"), second]);
        assert_eq!(phase(&plan(&observed)), Phase::Initializing);
    }
}

#[test]
fn a_first_baseline_needs_no_signal_and_another_configuration_does() {
    let mut without = status("n2");
    without.baseline = None;
    let observed = with_statuses(settled(), &[status("n1"), without]);
    assert!(
        !desired(&plan(&observed))
            .iter()
            .any(|object| object.contains("aide-ini"))
    );
    let old = |node| {
        let mut status = status(node);
        status.baseline.as_mut().unwrap().config_hash = "old".to_owned();
        status
    };
    let observed = with_statuses(settled(), &[old("n1"), old("n2")]);
    let plan = plan(&observed);
    assert!(desired(&plan).contains(&"DaemonSet aide-ini-fi".to_owned()));
    let Some(DesiredObject::DaemonSet(reinit)) = plan.desired.last() else {
        panic!()
    };
    let args = &reinit["spec"]["template"]["spec"]["containers"][0]["args"];
    assert_eq!(args[2], format!("--request=config:{}", hash()));
}

#[test]
fn a_reinit_daemon_set_of_a_configuration_stays_until_all_nodes_are_done() {
    let old = |node| {
        let mut status = status(node);
        status.baseline.as_mut().unwrap().config_hash = "old".to_owned();
        status
    };
    let mut observed = with_statuses(settled(), &[old("n1"), old("n2")]);
    let begun = plan(&observed);
    let Some(DesiredObject::DaemonSet(reinit)) = begun.desired.last() else {
        panic!()
    };
    observed
        .daemon_sets
        .push(Arc::new(serde_json::from_value(reinit.clone()).unwrap()));
    observed = with_statuses(observed, &[status("n1"), old("n2")]);
    let half = plan(&observed);
    assert_eq!(half.desired.last(), begun.desired.last());
    assert_eq!(half.obsolete, []);
    observed = with_statuses(observed, &[status("n1"), status("n2")]);
    let done = plan(&observed);
    assert_eq!(
        done.obsolete,
        [ObsoleteObject::DaemonSet("aide-ini-fi".to_owned())]
    );
}

#[test]
fn an_initial_delay_delays_everything() {
    let mut observed = settled();
    observed.daemon_sets.clear();
    let spec = json!({"config": {"initialDelay": 60}});
    observed.file_integrity = Arc::new(file_integrity(&json!({}), &spec));
    let early = plan(&observed);
    assert_eq!(desired(&early), Vec::<String>::new());
    assert_eq!(early.requeue_after, Some(Duration::from_secs(55)));
    assert_eq!(phase(&early), Phase::Pending);
    observed.now = Time(Timestamp::from_second(now().0.as_second() + 56).unwrap());
    assert_eq!(desired(&plan(&observed)).len(), 4);
}

#[test]
fn the_status_of_a_node_that_is_no_longer_selected_is_deleted() {
    let mut observed = settled();
    observed.nodes.remove(1);
    let plan = plan(&observed);
    assert_eq!(
        plan.obsolete,
        [ObsoleteObject::NodeStatus("fi-n2".to_owned())]
    );
}

/// The reports of a running daemon are used.
#[test]
fn a_later_taint_deletes_no_status_unless_it_ends_the_pod() {
    let tainted = |effect: &str, statuses: &[FileIntegrityNodeStatus]| {
        let mut observed = with_statuses(settled(), statuses);
        let taints = vec![CachedTaint {
            key: "k".to_owned(),
            value: String::new(),
            effect: effect.to_owned(),
        }];
        observed.nodes[1] = Arc::new(CachedNode {
            taints,
            ..CachedNode::clone(&node("n2"))
        });
        observed.silence = HashMap::from([("n2".into(), Duration::from_secs(9999))]);
        let plan = plan(&observed);
        let reason = condition(&plan, ConditionType::Degraded).reason.clone();
        let selected = plan.status.nodes.unwrap().selected;
        (plan.obsolete, selected, reason)
    };
    let both = [status("n1"), status("n2")];
    let shut_out = (vec![], 2, "NodesShutOut".to_owned());
    assert_eq!(tainted("NoSchedule", &both), shut_out);
    let as_expected = |obsolete| (obsolete, 1, "AsExpected".to_owned());
    let removed = vec![ObsoleteObject::NodeStatus("fi-n2".to_owned())];
    assert_eq!(tainted("NoExecute", &both), as_expected(removed));
    // It never had a daemon, or a user deleted its status.
    assert_eq!(tainted("NoSchedule", &both[..1]), as_expected(vec![]));
    // The taint was added before the daemon's pod started.
    let mut silent = status("n2");
    (silent.baseline, silent.last_result, silent.reinit) = (None, None, None);
    silent.results.clear();
    let never_heard_of = [status("n1"), silent];
    let removed = vec![ObsoleteObject::NodeStatus("fi-n2".to_owned())];
    assert_eq!(tainted("NoSchedule", &never_heard_of), as_expected(removed));
}

#[test]
fn an_annotation_is_recorded_first() {
    let observed = with_annotations(&json!({names::Annotation::REINIT: ""}));
    let plan = plan(&observed);
    let annotations = &plan.metadata_patch.as_ref().unwrap()["metadata"]["annotations"];
    assert_eq!(annotations[names::Annotation::REINIT], Value::Null);
    assert!(annotations[names::Annotation::REINIT_RECORD].is_string());
    assert_eq!(
        desired_annotations(&plan, "n1").get(names::Annotation::REINIT_REQUEST),
        None
    );
    assert_eq!(phase(&plan), Phase::Initializing);
}

#[test]
fn a_record_is_written_to_the_nodes_then_removed() {
    let record = json!({names::Annotation::REINIT_RECORD: r#"{"id":"r1"}"#});
    let observed = with_annotations(&record);
    let first = plan(&observed);
    assert_eq!(
        desired_annotations(&first, "n1")[names::Annotation::REINIT_REQUEST],
        "r1"
    );
    assert_eq!(
        desired_annotations(&first, "n2")[names::Annotation::REINIT_REQUEST],
        "r1"
    );
    assert_eq!(first.metadata_patch, None);
    assert!(desired(&first).contains(&"DaemonSet aide-ini-fi".to_owned()));
    let handed = |node| annotated(status(node), names::Annotation::REINIT_REQUEST, "r1");
    let observed = with_statuses(with_annotations(&record), &[handed("n1"), handed("n2")]);
    let second = plan(&observed);
    assert_eq!(
        second.metadata_patch,
        Some(removal_of(names::Annotation::REINIT_RECORD))
    );
    assert_eq!(phase(&second), Phase::Initializing);
}

#[test]
fn a_requested_scan_reaches_the_nodes_like_a_re_initialization() {
    let (scan, record) = (names::Annotation::SCAN, names::Annotation::SCAN_RECORD);
    let both = json!({scan: "n2,gone", names::Annotation::REINIT: "n1"});
    let first = plan(&with_annotations(&both));
    let annotations = &first.metadata_patch.as_ref().unwrap()["metadata"]["annotations"];
    assert_eq!(
        (&annotations[scan], &annotations[names::Annotation::REINIT]),
        (&Value::Null, &Value::Null)
    );
    assert!(annotations[names::Annotation::REINIT_RECORD].is_string());
    assert!(annotations[record].is_string());
    let unknown = "scan names nodes that are not selected: gone";
    assert!(first.events.iter().any(|event| event.message == unknown));

    let recorded = json!({record: annotations[record]});
    let second = plan(&with_annotations(&recorded));
    let id = desired_annotations(&second, "n2")[names::Annotation::SCAN_REQUEST].clone();
    let other = desired_annotations(&second, "n1");
    assert_eq!(other.get(names::Annotation::SCAN_REQUEST), None);
    assert_eq!(
        (second.metadata_patch.clone(), phase(&second)),
        (None, Phase::Active)
    );

    let handed = annotated(
        status("n2"),
        names::Annotation::SCAN_REQUEST,
        id.as_str().unwrap(),
    );
    let statuses = [status("n1"), handed];
    let third = plan(&with_statuses(with_annotations(&recorded), &statuses));
    assert_eq!(third.metadata_patch, Some(removal_of(record)));
    // The request stays: the daemon compares it with what it has done.
    let last = plan(&with_statuses(settled(), &statuses));
    assert_eq!(
        desired_annotations(&last, "n2")[names::Annotation::SCAN_REQUEST],
        id
    );
}

/// The patch that removes this annotation.
fn removal_of(key: &str) -> Value {
    json!({"metadata": {"annotations": {key: null}}})
}

#[test]
fn a_record_does_not_wait_for_a_node_that_cannot_have_a_status() {
    let record = json!({names::Annotation::REINIT_RECORD: r#"{"id":"r1"}"#});
    let with = |id: &str, collisions: &[&str]| {
        let first = annotated(status("n1"), names::Annotation::REINIT_REQUEST, id);
        let mut observed = with_statuses(with_annotations(&record), &[first]);
        observed.name_collisions = collisions.iter().map(|node| (*node).into()).collect();
        plan(&observed)
    };
    // Its status may not be created yet.
    assert_eq!(with("r1", &[]).metadata_patch, None);
    let dropped = with("r1", &["n2"]);
    assert_eq!(
        dropped.metadata_patch,
        Some(removal_of(names::Annotation::REINIT_RECORD))
    );
    // If the name has become free, its status is created with the request.
    assert_eq!(
        desired_annotations(&dropped, "n2")[names::Annotation::REINIT_REQUEST],
        "r1"
    );
    assert_eq!(phase(&dropped), Phase::Initializing);
    // Nodes with a status get the request first.
    assert_eq!(with("r0", &["n2"]).metadata_patch, None);
    assert_eq!(with("r0", &["n1", "n2"]).metadata_patch, None);
}

#[test]
fn a_record_for_some_nodes_does_not_affect_the_others() {
    let record = json!({names::Annotation::REINIT_RECORD: r#"{"id":"r1","nodes":["n2"]}"#});
    let plan = plan(&with_annotations(&record));
    assert_eq!(
        desired_annotations(&plan, "n1").get(names::Annotation::REINIT_REQUEST),
        None
    );
    assert_eq!(
        desired_annotations(&plan, "n2")[names::Annotation::REINIT_REQUEST],
        "r1"
    );
    assert!(desired(&plan).contains(&"DaemonSet aide-ini-fi-n2".to_owned()));
}

#[test]
fn the_reinit_daemon_set_is_deleted_when_all_reachable_nodes_are_done() {
    let handed = |node| annotated(status(node), names::Annotation::REINIT_REQUEST, "r1");
    let reinit = daemon_set("aide-ini-fi", &json!({names::Label::REINIT_OWNER: "fi"}));
    let half = vec![done(handed("n1"), "r1"), handed("n2")];
    let mut observed = with_statuses(settled(), &half);
    observed.daemon_sets.push(Arc::clone(&reinit));
    let waiting = plan(&observed);
    assert_eq!(phase(&waiting), Phase::Initializing);
    assert!(desired(&waiting).contains(&"DaemonSet aide-ini-fi".to_owned()));
    assert_eq!(waiting.obsolete, []);
    // The remaining node is not ready. The others do not wait for it.
    Arc::make_mut(&mut observed.nodes[1]).ready = false;
    let unreachable = plan(&observed);
    assert_eq!(
        unreachable.obsolete,
        [ObsoleteObject::DaemonSet("aide-ini-fi".to_owned())]
    );
    assert_eq!(phase(&unreachable), Phase::Active);
    // The request stays until the node is ready again.
    assert_eq!(
        desired_annotations(&unreachable, "n2")[names::Annotation::REINIT_REQUEST],
        "r1"
    );
}

#[test]
fn held_nodes_are_annotated_and_counted() {
    let observed = with_annotations(&json!({names::Annotation::HOLDOFF: "n2"}));
    let plan = plan(&observed);
    assert_eq!(
        desired_annotations(&plan, "n1").get(names::Annotation::HOLDOFF),
        None
    );
    assert_eq!(
        desired_annotations(&plan, "n2")[names::Annotation::HOLDOFF],
        ""
    );
    assert_eq!(plan.status.nodes.unwrap().held, 1);
}

#[test]
fn a_hold_that_ends_with_a_request_continues_until_the_request_is_recorded() {
    let held = || {
        vec![
            status("n1"),
            annotated(status("n2"), names::Annotation::HOLDOFF, ""),
        ]
    };
    let planned = |annotations: &Value| {
        let observed = with_annotations(annotations);
        desired_annotations(&plan(&with_statuses(observed, &held())), "n2")
    };
    assert_eq!(planned(&json!({})).get(names::Annotation::HOLDOFF), None);
    let asked = planned(&json!({names::Annotation::REINIT: "n2"}));
    assert_eq!(asked[names::Annotation::HOLDOFF], "");
    let record = json!({"id": "r", "nodes": ["n2"]}).to_string();
    let recorded = planned(&json!({names::Annotation::REINIT_RECORD: record}));
    assert_eq!(recorded.get(names::Annotation::HOLDOFF), None);
    assert_eq!(recorded[names::Annotation::REINIT_REQUEST], "r");
}

#[test]
fn an_update_of_a_node_holds_it_and_ends_with_a_new_baseline() {
    let node_with = |current: &str, state: &str| {
        let node: ReceivedNode = serde_json::from_value(json!({
            "metadata": {"name": "n2", "annotations": {
                "machineconfiguration.openshift.io/currentConfig": current,
                "machineconfiguration.openshift.io/desiredConfig": "new",
                "machineconfiguration.openshift.io/state": state,
            }},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }))
        .unwrap();
        Arc::new(node.node)
    };
    let held = || {
        annotated(
            status("n2"),
            names::Annotation::HOLDOFF,
            names::HOLDOFF_NODE_UPDATE,
        )
    };
    let planned = |current: &str, state: &str, second: FileIntegrityNodeStatus| {
        let mut observed = with_statuses(settled(), &[status("n1"), second]);
        observed.nodes[1] = node_with(current, state);
        desired_annotations(&plan(&observed), "n2")
    };
    // The hold begins with the update, not when an update is desired.
    let only_desired = planned("old", "Done", status("n2"));
    assert_eq!(only_desired.get(names::Annotation::HOLDOFF), None);
    let begun = planned("old", "Working", status("n2"));
    assert_eq!(
        begun[names::Annotation::HOLDOFF],
        names::HOLDOFF_NODE_UPDATE
    );
    assert_eq!(begun.get(names::Annotation::REINIT_REQUEST), None);
    // The hold continues until the update ends.
    let between = planned("new", "Working", held());
    assert_eq!(
        between[names::Annotation::HOLDOFF],
        names::HOLDOFF_NODE_UPDATE
    );
    for (current, state) in [("new", "Done"), ("old", "Degraded")] {
        let over = planned(current, state, held());
        assert_eq!(over.get(names::Annotation::HOLDOFF), None);
        assert!(over[names::Annotation::REINIT_REQUEST].is_string());
    }
    // Without a hold, nothing is requested.
    assert_eq!(
        planned("new", "Done", status("n2")).get(names::Annotation::REINIT_REQUEST),
        None
    );
}

#[test]
fn a_cordon_counts_as_an_update_only_if_the_spec_requests_it() {
    for (spec, expected) in [
        (json!({"config": {}}), None),
        (
            json!({"config": {"holdoffWhenCordoned": true}}),
            Some(json!(names::HOLDOFF_NODE_UPDATE)),
        ),
    ] {
        let mut observed = settled();
        observed.file_integrity = Arc::new(file_integrity(&json!({}), &spec));
        Arc::make_mut(&mut observed.nodes[1]).cordoned = true;
        let annotations = desired_annotations(&plan(&observed), "n2");
        assert_eq!(
            annotations.get(names::Annotation::HOLDOFF),
            expected.as_ref()
        );
    }
}

#[test]
fn an_unavailable_configuration_leaves_the_effective_one() {
    let running = json!({
        "metadata": {"name": "fi", "labels": {names::Label::OWNER: "fi"}},
        "data": {names::KEY_AIDE_CONF: "old", names::KEY_EFFECTIVE_CONF: EFFECTIVE},
    });
    let mut observed = with_statuses(settled(), &[asked("n1", &hash()), asked("n2", &hash())]);
    observed.active = Some(Arc::new(serde_json::from_value(running).unwrap()));
    let missing = ConfigVerdict::Unavailable {
        reason: ConditionReason::ConfigMapMissing,
        message: "m".to_owned(),
    };
    let refused = ConfigVerdict::Refused {
        message: "no".to_owned(),
    };
    let unchecked = ConfigVerdict::Unchecked {
        message: "killed".to_owned(),
    };
    for (verdict, expected, requeue) in [
        (missing, Phase::Active, None),
        (unchecked, Phase::Active, Some(RECHECK_CONFIG_AFTER)),
        (refused, Phase::Error, None),
    ] {
        observed.verdict = verdict;
        let plan = plan(&observed);
        assert_eq!(plan.requeue_after, requeue);
        let DesiredObject::ConfigMap(active) = &plan.desired[0] else {
            panic!()
        };
        assert_eq!(active["data"][names::KEY_AIDE_CONF], "old");
        assert_eq!(phase(&plan), expected);
        let valid = condition(&plan, ConditionType::ConfigValid);
        assert_eq!(valid.status, "False");
    }
}

/// Editing the active ConfigMap does not change what nodes do.
#[test]
fn an_edited_configuration_is_not_used() {
    let edited = json!({
        "metadata": {"name": "fi", "labels": {names::Label::OWNER: "fi"}},
        "data": {names::KEY_AIDE_CONF: "/none p\n", names::KEY_EFFECTIVE_CONF: "/none p\n"},
    });
    let ConfigVerdict::Good { config, .. } = good() else {
        panic!()
    };
    let all = [asked("n1", &hash()), asked("n2", &hash())];
    let mut observed = with_statuses(settled(), &all);
    observed.active = Some(Arc::new(serde_json::from_value(edited).unwrap()));
    observed.verdict = ConfigVerdict::Refused {
        message: "no".to_owned(),
    };
    for (last_good, first, reason) in [
        (Some(Arc::new(config)), "ConfigMap fi", "AsExpected"),
        (None, "NodeStatus fi-n1", "ConfigurationLost"),
    ] {
        observed.last_good = last_good;
        let plan = plan(&observed);
        assert_eq!(desired(&plan)[0], first);
        if let DesiredObject::ConfigMap(active) = &plan.desired[0] {
            assert_eq!(active["data"][names::KEY_EFFECTIVE_CONF], EFFECTIVE);
        }
        assert!(
            !desired(&plan)
                .iter()
                .any(|object| object.contains("aide-ini"))
        );
        for node in ["n1", "n2"] {
            assert_eq!(
                desired_annotations(&plan, node)[names::Annotation::DESIRED_CONFIG],
                hash()
            );
        }
        assert_eq!(plan.status.nodes.unwrap().initialized, 2);
        assert_eq!(condition(&plan, ConditionType::Degraded).reason, reason);
    }
}

/// It is not known which of the two configurations a node should have.
#[test]
fn a_configuration_that_is_lost_during_a_rollout_is_reported() {
    let old = config_hash("/old p\n");
    let statuses = [asked("n1", &hash()), asked("n2", &old)];
    let mut observed = with_statuses(settled(), &statuses);
    observed.verdict = ConfigVerdict::Refused {
        message: "no".to_owned(),
    };
    let plan = plan(&observed);
    assert_eq!(
        condition(&plan, ConditionType::Degraded).reason,
        "ConfigurationLost"
    );
    assert_eq!(desired(&plan), Vec::<String>::new());
}

#[test]
fn without_any_configuration_nothing_is_deployed() {
    let mut observed = with_statuses(settled(), &[]);
    observed.daemon_sets.clear();
    observed.verdict = ConfigVerdict::Unavailable {
        reason: ConditionReason::ConfigMapMissing,
        message: "m".to_owned(),
    };
    let plan = plan(&observed);
    assert_eq!(desired(&plan), Vec::<String>::new());
    assert_eq!(phase(&plan), Phase::Pending);
}

#[test]
fn before_the_configuration_was_read_nothing_changes() {
    let mut observed = settled();
    observed.verdict = ConfigVerdict::Unknown;
    let mut fi = file_integrity(
        &json!({}),
        &json!({"config": {"name": "a", "namespace": "b"}}),
    );
    fi.status = Some(FileIntegrityStatus {
        phase: Some(Phase::Error),
        ..Default::default()
    });
    observed.file_integrity = Arc::new(fi);
    let plan = plan(&observed);
    assert_eq!(desired(&plan), Vec::<String>::new());
    assert_eq!(phase(&plan), Phase::Error);
    assert_eq!(plan.status.phase_transitions, Some(0));
}

#[test]
fn two_that_select_the_same_node_are_degraded() {
    let mut observed = settled();
    let mut other = file_integrity(&json!({}), &json!({"config": {}}));
    other.metadata.name = Some("other".to_owned());
    observed.others = vec![Arc::new(other)];
    let plan = plan(&observed);
    let degraded = condition(&plan, ConditionType::Degraded);
    assert_eq!(
        (degraded.status.as_str(), degraded.reason.as_str()),
        ("True", "Overlap")
    );
    assert!(degraded.message.contains("fi and other"));
}

#[test]
fn a_missing_priority_class_and_half_a_name_are_reported() {
    let mut observed = settled();
    let spec = json!({"config": {"name": "only"}, "priorityClassName": "high"});
    observed.file_integrity = Arc::new(file_integrity(&json!({}), &spec));
    let plan = plan(&observed);
    assert_eq!(plan.events[0].reason, EventReason::PriorityClass);
    assert_eq!(
        plan.events[0].message,
        "Error while getting priority class 'high', PriorityClass not found or invalid"
    );
    let valid = condition(&plan, ConditionType::ConfigValid);
    assert!(valid.message.contains("spec.config.namespace is empty"));
    let degraded = condition(&plan, ConditionType::Degraded);
    assert_eq!(
        [&*degraded.status, &*degraded.reason, &*degraded.message],
        [
            "True",
            "PriorityClass",
            "Error while getting priority class 'high', PriorityClass not found or invalid; the pods \
             run without it until it exists"
        ]
    );
    observed.environment.priority_class_exists = true;
    let plan = super::plan(&observed);
    assert_eq!(condition(&plan, ConditionType::Degraded).status, "False");
    assert_eq!(plan.events, vec![]);
}

fn condition(plan: &Plan, kind: ConditionType) -> &StatusCondition {
    kind.find(&plan.status.conditions).unwrap()
}

#[test]
fn excluded_nodes_are_counted_and_listed() {
    let mut observed = settled();
    let before = condition(&plan(&observed), ConditionType::NodesExcluded).clone();
    assert_eq!(
        (&*before.status, &*before.reason),
        ("False", "NoneExcluded")
    );
    let tainted = |name: &str, key: &str, effect: &str, os: &str| {
        let read = json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/os": os}},
            "spec": {"taints": [{"key": key, "effect": effect}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        Arc::new(serde_json::from_value::<ReceivedNode>(read).unwrap().node)
    };
    let role = "node-role.kubernetes.io/control-plane";
    observed.nodes.extend([
        tainted("cp2", role, "NoSchedule", "linux"),
        tainted("cp1", role, "NoSchedule", "linux"),
        tainted("gpu", "nvidia.com/gpu", "NoExecute", "linux"),
        // These have a daemon, or cannot have one.
        tainted("busy", "any", "PreferNoSchedule", "linux"),
        tainted("windows", role, "NoSchedule", "windows"),
    ]);
    let plan = plan(&observed);
    let counts = plan.status.nodes.unwrap();
    assert_eq!((counts.selected, counts.not_selected), (3, 3));
    let excluded = condition(&plan, ConditionType::NodesExcluded);
    assert_eq!(
        [&*excluded.status, &*excluded.reason, &*excluded.message],
        [
            "True",
            "UntoleratedTaints",
            "Linux nodes that match spec.nodeSelector and are not watched because spec.tolerations does \
             not tolerate their taints: 3. Add a toleration to watch them: \
             node-role.kubernetes.io/control-plane:NoSchedule (cp1, cp2), nvidia.com/gpu:NoExecute (gpu)"
        ]
    );
    let degraded = condition(&plan, ConditionType::Degraded);
    assert_eq!(degraded.status, "False", "it is for information");
}

#[test]
fn the_originals_earlier_daemon_set_is_deleted() {
    let mut observed = settled();
    observed.daemon_sets.push(daemon_set(
        "aide-ds-fi",
        &json!({names::Label::OWNER: "fi"}),
    ));
    assert_eq!(
        plan(&observed).obsolete,
        [ObsoleteObject::DaemonSet("aide-ds-fi".to_owned())]
    );
}

#[test]
fn a_silent_node_is_stale_unless_it_is_held() {
    let silent = |seconds: u64, annotations: &Value| {
        let mut observed = with_annotations(annotations);
        let silence = Duration::from_secs(seconds);
        observed.silence = HashMap::from([("n2".into(), silence)]);
        let plan = plan(&observed);
        let stale: Vec<String> = plan.stale_nodes.iter().cloned().collect();
        (stale, plan.requeue_after)
    };
    // Three times the period of 900 s, and a minute.
    let none = json!({});
    let left = Some(Duration::from_secs(1));
    assert_eq!(silent(2759, &none), (vec![], left));
    let requeue = Some(SILENT_NODE_INTERVAL);
    assert_eq!(silent(2760, &none), (vec!["n2".to_owned()], requeue));
    let held = json!({names::Annotation::HOLDOFF: "n2"});
    assert_eq!(silent(9999, &held), (vec![], None));
}

/// For example, its image cannot be pulled.
#[test]
fn a_node_whose_daemon_never_starts_is_stale_after_15_minutes() {
    let silent = |seconds: u64| {
        let mut never = status("n2");
        (never.last_result, never.baseline) = (None, None);
        let mut observed = with_statuses(settled(), &[status("n1"), never]);
        let silence = Duration::from_secs(seconds);
        observed.silence = HashMap::from([("n2".into(), silence)]);
        let plan = plan(&observed);
        let stale: Vec<String> = plan.stale_nodes.iter().cloned().collect();
        assert_eq!(
            plan.status.nodes.unwrap().stale,
            i64::try_from(stale.len()).unwrap()
        );
        let degraded = condition(&plan, ConditionType::Degraded).clone();
        (stale, degraded.reason, degraded.message)
    };
    let (stale, reason, _) = silent(899);
    assert_eq!((stale, reason.as_str()), (vec![], "AsExpected"));
    let (stale, reason, message) = silent(900);
    assert_eq!(stale, ["n2"]);
    assert_eq!(reason, "NodesSilent");
    assert_eq!(
        message,
        "no report for too long; check the daemon's pod or, if there is none, the events of the \
         DaemonSet: n2"
    );
}
