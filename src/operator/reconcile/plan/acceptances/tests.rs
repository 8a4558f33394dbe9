//! Stories of acceptances: plans, which are carried out on objects in memory, and daemons that answer.

mod announced;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::super::tests::settled;
use super::super::{DesiredObject, Plan, plan};
use super::*;
use crate::api::{
    AcceptanceCounts, AcceptanceResult, AcceptanceState, Baseline, Condition, DesiredNodeState,
    FileIntegrityNodeStatus, HoldReason, NodeOutcome, RefusalReason, ScanResult, names,
};
use crate::operator::admission_policy::PolicyState;
use crate::operator::evidence::index::{EvidenceState, EvidenceStates};
use crate::operator::reconcile::observed::Observed;
use crate::scan::evidence::{acceptance_set, unverified_set};

type Change = Box<dyn FnOnce(&mut Cluster)>;

const USER: &str = "alice@example.com";

fn at(seconds: i64) -> Time {
    let start: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    Time(start + SignedDuration::from_secs(seconds))
}

fn set(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// A FileIntegrity with its nodes, in memory.
struct Cluster {
    observed: Observed,
    statuses: BTreeMap<String, FileIntegrityNodeStatus>,
    acceptances: BTreeMap<String, FileIntegrityAcceptance>,
    evidence: EvidenceStates,
    seconds: i64,
    /// All requests so far: node, acceptance, attempt and whether the report is published.
    requests: Vec<(String, String, u32, bool)>,
    /// Events so far.
    events: Vec<EventMessage>,
}

impl Cluster {
    fn new(names: impl IntoIterator<Item = String>) -> Self {
        let mut observed = settled();
        observed.policy = Some(PolicyState::InForce { since: at(-60) });
        observed.nodes.clear();
        let mut cluster = Self {
            observed,
            statuses: BTreeMap::new(),
            acceptances: BTreeMap::new(),
            evidence: EvidenceStates::new(),
            seconds: 0,
            requests: Vec::new(),
            events: Vec::new(),
        };
        for name in names {
            cluster.add_node(&name);
        }
        cluster
    }

    /// A cluster of nodes `n0`, `n1` and so on, that all show the set.
    fn failed(count: usize) -> Self {
        let names = (0..count).map(|n| format!("n{n}"));
        let mut cluster = Self::new(names.clone());
        for name in names {
            cluster.shows(&name, 'a');
        }
        cluster
    }

    fn add_node(&mut self, name: &str) {
        let config = json!({names::Annotation::DESIRED_CONFIG: self.config_hash()});
        let status = FileIntegrityNodeStatus {
            metadata: serde_json::from_value(json!({
                "name": names::node_status("fi", name), "annotations": config,
            }))
            .unwrap(),
            node_name: name.to_owned(),
            last_result: Some(ScanResult::new(Condition::Succeeded, at(-10))),
            baseline: Some(self.baseline(&format!("first of {name}"))),
            ..FileIntegrityNodeStatus::default()
        };
        self.statuses.insert(name.to_owned(), status);
        self.observed.nodes.push(Arc::new(CachedNode {
            name: name.into(),
            labels: [("role".to_owned(), name.to_owned())].into_iter().collect(),
            ready: true,
            ..CachedNode::default()
        }));
    }

    fn config_hash(&self) -> String {
        match &self.observed.verdict {
            super::super::ConfigVerdict::Good { config, .. } => {
                crate::aide::config::config_hash(&config.effective)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Sets `requireAcceptance`, and then another configuration. Returns the hash of the one before.
    fn require_acceptance_and_reconfigure(&mut self) -> String {
        let spec = json!({"config": {"requireAcceptance": true}});
        let mut file_integrity = self.observed.file_integrity.as_ref().clone();
        file_integrity.spec = serde_json::from_value(spec).unwrap();
        self.observed.file_integrity = Arc::new(file_integrity);
        let old = self.config_hash();
        let effective = "/hostroot/etc p+n\n".to_owned();
        self.observed.verdict = super::super::ConfigVerdict::Good {
            config: super::super::super::build::ActiveConfig {
                conf: effective.clone(),
                effective,
            },
            warnings: Vec::new(),
        };
        assert_ne!(self.config_hash(), old);
        old
    }

    fn baseline(&self, content: &str) -> Baseline {
        Baseline {
            created_at: at(self.seconds),
            config_hash: self.config_hash(),
            digest: names::sha256_hex(content),
            entries: 1,
            aide_version: String::new(),
            state_dir: None,
            requested: true,
            accepted: None,
        }
    }

    fn shows(&mut self, node: &str, digit: char) {
        let hash = set(digit);
        let status = self.statuses.get_mut(node).unwrap();
        status.last_result = Some(ScanResult {
            change_set: Some(hash[..12].to_owned()),
            changes_hash: Some(hash),
            changes_hash_version: Some(ChangeSet::HASH_VERSION),
            files_added: 1,
            ..ScanResult::new(Condition::Failed, at(self.seconds))
        });
    }

    fn is_clean(&mut self, node: &str) {
        let result = ScanResult::new(Condition::Succeeded, at(self.seconds));
        self.statuses.get_mut(node).unwrap().last_result = Some(result);
    }

    /// Creates an acceptance of set `a`. The fields of `spec` are added.
    fn accept(&mut self, name: &str, spec: &Value) {
        let mut whole = json!({
            "fileIntegrity": "fi", "changeSet": set('a'), "reason": "r",
            "approvedBy": {"username": USER},
        });
        whole
            .as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        let object = json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1",
            "kind": "FileIntegrityAcceptance",
            "metadata": {
                "name": name, "uid": format!("uid of {name}"), "namespace": "ns",
                "creationTimestamp": at(self.seconds), "generation": 1,
            },
            "spec": whole,
        });
        let object = serde_json::from_value(object).unwrap();
        self.acceptances.insert(name.to_owned(), object);
    }

    fn revoke(&mut self, name: &str) {
        self.acceptances.get_mut(name).unwrap().spec.revoked = true;
    }

    fn sleep(&mut self, seconds: i64) {
        self.seconds += seconds;
    }

    fn plan(&mut self) -> Plan {
        self.observed.now = at(self.seconds);
        let statuses = self.statuses.values();
        self.observed.statuses = statuses
            .map(|status| Arc::new(CachedNodeStatus::from(status)))
            .collect();
        let acceptances = self.acceptances.values().cloned().map(Arc::new);
        self.observed.acceptances = Some(acceptances.collect());
        self.observed.evidence = Some(Arc::new(self.evidence.clone()));
        plan(&self.observed)
    }

    /// Writes the requests of a plan, for those nodes.
    fn write_nodes(&mut self, plan: &Plan, which: impl Fn(&str) -> bool) {
        for desired in &plan.desired {
            let DesiredObject::NodeStatus(desired) = desired else {
                continue;
            };
            if !which(&desired.node) {
                continue;
            }
            let status = self.statuses.get_mut(&*desired.node).unwrap();
            let before = status.desired().acceptance;
            if let Some(request) = &desired.desired.acceptance
                && before.as_ref() != Some(request)
            {
                self.requests.push((
                    desired.node.to_string(),
                    request.name.clone(),
                    request.attempt,
                    request.publish_report,
                ));
            }
            status.metadata.annotations = Some(desired.desired.to_annotations());
        }
    }

    fn write_statuses(&mut self, plan: &Plan) {
        for update in &plan.acceptances {
            let name = update.acceptance.metadata.name.as_ref().unwrap();
            let before = self.counts(name).accepted;
            let acceptance = self.acceptances.get_mut(name).unwrap();
            acceptance.status = Some(update.status.clone());
            assert!(self.counts(name).accepted >= before, "{update:?}");
            self.events.extend(update.ends_with.clone());
        }
    }

    /// One reconcile that is carried out.
    fn reconcile(&mut self) -> Plan {
        let plan = self.plan();
        self.write_nodes(&plan, |_| true);
        self.write_statuses(&plan);
        plan
    }

    fn open_request(&self, node: &str) -> Option<AcceptanceRequest> {
        let status = &self.statuses[node];
        let answer = status.acceptance.as_ref();
        let request = status.desired().acceptance?;
        let is_answered = answer.is_some_and(|answer| request.is_answered_by(answer));
        (!is_answered).then_some(request)
    }

    /// The nodes with an open request.
    fn open(&self) -> Vec<&str> {
        let nodes = self.statuses.keys().map(String::as_str);
        nodes
            .filter(|node| self.open_request(node).is_some())
            .collect()
    }

    fn answer(&mut self, node: &str, state: AcceptanceState, reason: Option<RefusalReason>) {
        let request = self.open_request(node).expect("an open request");
        let new = names::sha256_hex(format!("{node} {}", request.uid));
        let baseline = self.baseline(&format!("{node} {}", request.uid));
        let status = self.statuses.get_mut(node).unwrap();
        let old = status.baseline.as_ref().map(|it| it.digest.clone());
        status.acceptance = Some(AcceptanceResult {
            name: request.name,
            uid: request.uid,
            attempt: request.attempt,
            state,
            reason: reason.map(|reason| reason.to_string()),
            message: reason.map(|_| "why".to_owned()),
            finished_at: at(self.seconds),
            old_digest: old,
            new_digest: (state == AcceptanceState::Accepted).then_some(new),
        });
        if state == AcceptanceState::Accepted {
            status.baseline = Some(baseline);
            self.is_clean(node);
        }
    }

    fn accepts(&mut self, node: &str) {
        self.answer(node, AcceptanceState::Accepted, None);
    }

    fn refuses(&mut self, node: &str, reason: RefusalReason) {
        self.answer(node, AcceptanceState::Refused, Some(reason));
    }

    /// All nodes with an open request accept.
    fn all_accept(&mut self) {
        let open: Vec<String> = self.open().into_iter().map(str::to_owned).collect();
        for node in open {
            self.accepts(&node);
        }
    }

    /// The operator has verified the report of a node.
    fn is_verified(&mut self, acceptance: &str) {
        let uid = format!("uid of {acceptance}");
        let spec = &self.acceptances[acceptance].spec;
        let set = acceptance_set(&uid, &self.config_hash(), spec.set());
        let name = names::evidence("aide-fi", &set);
        self.evidence.insert(name, EvidenceState::Verified);
    }

    /// The report of the node has other changes than it claims, or not all.
    fn is_stored(&mut self, node: &str, state: EvidenceState) {
        let answer = self.statuses[node].acceptance.as_ref().unwrap();
        let set = unverified_set(node, answer.new_digest.as_ref().unwrap());
        self.evidence
            .insert(names::evidence("aide-fi", &set), state);
    }

    fn counts(&self, name: &str) -> AcceptanceCounts {
        let status = self.acceptances[name].status.as_ref();
        status.and_then(|status| status.counts).unwrap_or_default()
    }

    /// Matched, accepted, refused and waiting.
    fn numbers(&self, name: &str) -> [i64; 4] {
        let counts = self.counts(name);
        [
            counts.matched,
            counts.accepted,
            counts.refused,
            counts.waiting,
        ]
    }

    fn nodes(&self, name: &str) -> &[NodeOutcome] {
        let status = self.acceptances[name].status.as_ref();
        status.map_or(&[], |status| &status.nodes)
    }

    /// Status and reason of both conditions.
    fn conditions(&self, name: &str) -> [String; 2] {
        let status = self.acceptances[name].status.as_ref().unwrap();
        let shown = |kind: AcceptanceConditionType| {
            let condition = kind.find(&status.conditions).unwrap();
            format!("{}/{}", condition.status, condition.reason)
        };
        [
            shown(AcceptanceConditionType::Complete),
            shown(AcceptanceConditionType::Failed),
        ]
    }

    fn is_complete(&self, name: &str, reason: AcceptanceReason) {
        let expected = [format!("True/{reason}"), "False/AsExpected".to_owned()];
        assert_eq!(self.conditions(name), expected);
        let status = self.acceptances[name].status.as_ref().unwrap();
        assert!(status.retain_until.is_some());
        let event = self.events.last().unwrap();
        assert_eq!(event.reason, EventReason::AcceptanceComplete);
        assert!(event.message.contains(reason.as_str()), "{event:?}");
    }

    fn is_failed(&self, name: &str, reason: AcceptanceReason) {
        let expected = [format!("False/{reason}"), format!("True/{reason}")];
        assert_eq!(self.conditions(name), expected);
        assert_eq!(self.open(), Vec::<&str>::new());
        let event = self.events.last().unwrap();
        assert_eq!(event.reason, EventReason::AcceptanceFailed);
        assert!(event.message.contains(USER), "{event:?}");
    }

    fn is_open(&self, name: &str, reason: AcceptanceReason) {
        let expected = [format!("False/{reason}"), "False/AsExpected".to_owned()];
        assert_eq!(self.conditions(name), expected);
    }

    /// Until all nodes have the request.
    fn hand_out(&mut self, name: &str) {
        let requesting = format!("False/{}", AcceptanceReason::Requesting);
        while self.conditions(name)[0] == requesting {
            self.reconcile();
        }
    }

    /// Until the request is handed out to all nodes, or to as many as in one plan.
    fn prove(&mut self, name: &str) {
        self.reconcile();
        let [first] = self.open()[..] else {
            panic!("{:?}", self.open());
        };
        let first = first.to_owned();
        self.accepts(&first);
        self.is_verified(name);
        self.reconcile();
    }
}

#[test]
fn one_node_proves_the_changes_and_then_all_others_accept_them() {
    let mut cluster = Cluster::failed(4);
    cluster.shows("n3", 'b');
    cluster.accept("a", &json!({}));
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n0"]);
    let request = cluster.open_request("n0").unwrap();
    let expected = AcceptanceRequest {
        name: "a".to_owned(),
        uid: "uid of a".to_owned(),
        attempt: 1,
        change_set: set('a'),
        config_hash: cluster.config_hash(),
        until: at(24 * 3600).0,
        publish_report: true,
    };
    assert_eq!(request, expected);
    cluster.is_open("a", AcceptanceReason::WaitingForEvidence);
    assert_eq!(cluster.numbers("a"), [3, 0, 0, 3]);

    cluster.accepts("n0");
    let waiting = cluster.reconcile();
    assert!(waiting.awaits_evidence);
    assert_eq!(cluster.open(), Vec::<&str>::new());
    assert_eq!(cluster.numbers("a"), [3, 1, 0, 2]);

    cluster.is_verified("a");
    assert!(!cluster.reconcile().awaits_evidence);
    assert_eq!(cluster.open(), ["n1", "n2"]);
    assert!(!cluster.open_request("n1").unwrap().publish_report);
    cluster.is_open("a", AcceptanceReason::WaitingForNodes);
    let evidence = cluster.acceptances["a"].status.clone().unwrap().evidence;
    assert_eq!(evidence.as_ref(), cluster.evidence.keys().next());

    cluster.accepts("n1");
    cluster.reconcile();
    cluster.accepts("n2");
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Accepted);
    assert_eq!(cluster.numbers("a"), [3, 3, 0, 0]);
    // Answered requests stay, and a finished acceptance is not changed any more.
    let last = cluster.plan();
    assert_eq!(last.acceptances, []);
    assert!(cluster.statuses["n1"].desired().acceptance.is_some());
    assert_eq!(cluster.requests.len(), 3);
    let outcome = &cluster.nodes("a")[0];
    assert_eq!(outcome.old_digest, Some(names::sha256_hex("first of n0")));
    assert_eq!(outcome.new_digest, Some(names::sha256_hex("n0 uid of a")));
}

#[test]
fn the_first_node_is_ready_free_and_included() {
    let table = [
        (json!({}), "n2"),
        (json!({"nodes": {"names": ["n3", "n9"]}}), "n3"),
        (
            json!({"nodes": {"selector": {"matchLabels": {"role": "n4"}}}}),
            "n4",
        ),
    ];
    for (spec, expected) in table {
        let mut cluster = Cluster::failed(5);
        let mut away = CachedNode::clone(&cluster.observed.nodes[0]);
        away.ready = false;
        cluster.observed.nodes[0] = Arc::new(away);
        let held = json!({names::Annotation::HOLDOFF: "n1"});
        let mut fi = (*cluster.observed.file_integrity).clone();
        fi.metadata.annotations = serde_json::from_value(held).unwrap();
        cluster.observed.file_integrity = Arc::new(fi);
        cluster.accept("a", &spec);
        cluster.reconcile();
        assert_eq!(cluster.open(), [expected], "{spec}");
    }
}

#[test]
fn a_held_node_gets_the_request_when_the_hold_has_ended() {
    let mut cluster = Cluster::failed(2);
    let mut fi = (*cluster.observed.file_integrity).clone();
    let held = json!({names::Annotation::HOLDOFF: "n1"});
    fi.metadata.annotations = serde_json::from_value(held).unwrap();
    cluster.observed.file_integrity = Arc::new(fi.clone());
    cluster.accept("a", &json!({}));
    cluster.prove("a");
    let state = |cluster: &Cluster| cluster.statuses["n1"].desired();
    assert_eq!(state(&cluster).hold, Some(HoldReason::User));
    assert_eq!(state(&cluster).acceptance, None);
    assert_eq!(cluster.numbers("a"), [2, 1, 0, 1]);
    let waiting = &cluster.nodes("a")[0];
    assert!(waiting.message.as_deref().unwrap().contains("held"));
    fi.metadata.annotations = None;
    cluster.observed.file_integrity = Arc::new(fi);
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n1"]);
    cluster.all_accept();
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Accepted);
}

#[test]
fn a_re_initialization_wins() {
    let mut cluster = Cluster::failed(2);
    let status = cluster.statuses.get_mut("n0").unwrap();
    let annotations = status.metadata.annotations.as_mut().unwrap();
    annotations.insert(
        names::Annotation::REINIT_REQUEST.to_owned(),
        "0123456789abcdef-annotation".to_owned(),
    );
    cluster.accept("a", &json!({}));
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n1"]);
    let state = cluster.statuses["n0"].desired();
    assert_eq!(
        state.reinit_request.as_deref(),
        Some("0123456789abcdef-annotation")
    );
}

#[test]
fn a_node_that_lies_is_not_believed() {
    let mut cluster = Cluster::failed(5);
    cluster.accept("a", &json!({}));
    for node in ["n0", "n1"] {
        cluster.reconcile();
        assert_eq!(cluster.open(), [node]);
        cluster.accepts(node);
        cluster.is_stored(node, EvidenceState::Unverified);
    }
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n2"]);
    let request = cluster.open_request("n2").unwrap();
    assert!(request.publish_report);
    // Unlike the others, this one does not even publish anything.
    cluster.accepts("n2");
    assert!(cluster.reconcile().awaits_evidence);
    assert_eq!(cluster.open(), Vec::<&str>::new());
    cluster.sleep(121);
    cluster.reconcile();
    cluster.is_failed("a", AcceptanceReason::EvidenceNotVerified);
    let requested: BTreeSet<&str> = cluster.requests.iter().map(|it| &*it.0).collect();
    assert_eq!(requested, BTreeSet::from(["n0", "n1", "n2"]));
}

#[test]
fn a_late_report_is_not_waited_for_but_counts() {
    let mut cluster = Cluster::failed(3);
    cluster.accept("a", &json!({}));
    cluster.reconcile();
    cluster.accepts("n0");
    cluster.sleep(100);
    let plan = cluster.reconcile();
    assert_eq!(plan.requeue_after, Some(Duration::from_secs(21)));
    cluster.sleep(21);
    assert!(!cluster.reconcile().awaits_evidence);
    assert_eq!(cluster.open(), ["n1"]);
    cluster.is_verified("a");
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n1", "n2"]);
}

/// The next node accepts, and publishes a report of this kind.
fn publishes(cluster: &mut Cluster, node: &str, state: EvidenceState) {
    cluster.reconcile();
    assert_eq!(cluster.open(), [node]);
    assert!(cluster.open_request(node).unwrap().publish_report);
    cluster.accepts(node);
    match state {
        EvidenceState::Verified => cluster.is_verified("a"),
        _ => cluster.is_stored(node, state),
    }
}

fn evidence_name(cluster: &Cluster, node: &str) -> String {
    let answer = cluster.statuses[node].acceptance.as_ref().unwrap();
    let set = unverified_set(node, answer.new_digest.as_ref().unwrap());
    names::evidence("aide-fi", &set)
}

#[test]
fn three_reports_that_are_too_long_to_be_verified_are_sufficient() {
    let mut cluster = Cluster::failed(5);
    cluster.accept("a", &json!({}));
    for node in ["n0", "n1", "n2"] {
        publishes(&mut cluster, node, EvidenceState::Incomplete);
    }
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n3", "n4"]);
    assert!(!cluster.open_request("n3").unwrap().publish_report);
    let status = cluster.acceptances["a"].status.clone().unwrap();
    assert_eq!(status.evidence, Some(evidence_name(&cluster, "n0")));
}

#[test]
fn a_truncated_report_does_not_spoil_the_evidence_of_all_nodes() {
    let mut cluster = Cluster::failed(5);
    cluster.accept("a", &json!({}));
    publishes(&mut cluster, "n0", EvidenceState::Incomplete);
    publishes(&mut cluster, "n1", EvidenceState::Unverified);
    publishes(&mut cluster, "n2", EvidenceState::Verified);
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n3", "n4"]);
    let evidence = cluster.acceptances["a"].status.clone().unwrap().evidence;
    let evidence = evidence.unwrap();
    assert_eq!(cluster.evidence[&evidence], EvidenceState::Verified);
}

#[test]
fn truncated_reports_of_all_nodes_are_sufficient() {
    let mut cluster = Cluster::failed(2);
    cluster.accept("a", &json!({}));
    publishes(&mut cluster, "n0", EvidenceState::Incomplete);
    publishes(&mut cluster, "n1", EvidenceState::Incomplete);
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Accepted);
    let evidence = cluster.acceptances["a"].status.clone().unwrap().evidence;
    assert_eq!(evidence, Some(evidence_name(&cluster, "n0")));
}

#[test]
fn with_until_a_node_that_shows_the_set_later_may_have_a_complete_report() {
    for is_next in [true, false] {
        let mut cluster = Cluster::failed(1);
        cluster.accept("a", &json!({"until": at(3600)}));
        publishes(&mut cluster, "n0", EvidenceState::Incomplete);
        cluster.reconcile();
        cluster.is_open("a", AcceptanceReason::WaitingForEvidence);
        if is_next {
            cluster.add_node("n1");
            cluster.shows("n1", 'a');
            publishes(&mut cluster, "n1", EvidenceState::Verified);
        }
        cluster.sleep(3600);
        cluster.reconcile();
        cluster.is_complete("a", AcceptanceReason::Accepted);
        let evidence = cluster.acceptances["a"].status.clone().unwrap().evidence;
        let is_of_first = evidence == Some(evidence_name(&cluster, "n0"));
        assert_ne!(is_of_first, is_next);
    }
}

#[test]
fn a_daemon_that_does_not_know_acceptances_gets_no_request() {
    for version in [None, Some(ChangeSet::HASH_VERSION - 1)] {
        let mut cluster = Cluster::failed(3);
        let set_version = |cluster: &mut Cluster, node: &str, version| {
            let result = &mut cluster.statuses.get_mut(node).unwrap().last_result;
            result.as_mut().unwrap().changes_hash_version = version;
        };
        set_version(&mut cluster, "n0", version);
        set_version(&mut cluster, "n2", version);
        cluster.accept("a", &json!({}));
        publishes(&mut cluster, "n1", EvidenceState::Verified);
        cluster.reconcile();
        assert_eq!(cluster.open(), Vec::<&str>::new());
        assert_eq!(cluster.numbers("a"), [3, 1, 0, 2]);
        let waiting = &cluster.nodes("a")[0];
        assert_eq!(waiting.name, "n0");
        assert_eq!(waiting.state, AcceptanceState::Waiting);
        assert_eq!(waiting.reason.as_deref(), Some("DaemonTooOld"));
        // A newer one shows the set again, or another one.
        set_version(&mut cluster, "n0", Some(ChangeSet::HASH_VERSION));
        cluster.shows("n2", 'b');
        cluster.reconcile();
        assert_eq!(cluster.open(), ["n0"]);
        assert_eq!(cluster.nodes("a")[0].reason, None);
        cluster.all_accept();
        cluster.reconcile();
        cluster.is_complete("a", AcceptanceReason::Accepted);
    }
}

/// The status of a node has only its latest answer.
#[test]
fn an_answer_is_stored_before_the_next_request() {
    let mut cluster = Cluster::failed(3);
    cluster.accept("a", &json!({"until": at(3600)}));
    cluster.prove("a");
    cluster.sleep(60);
    cluster.accept("b", &json!({"changeSet": set('b')}));
    cluster.accepts("n1");
    cluster.shows("n1", 'b');
    // The status of the first acceptance is not written.
    for _ in 0..2 {
        let plan = cluster.plan();
        cluster.write_nodes(&plan, |_| true);
        assert_eq!(cluster.open(), ["n2"]);
    }
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n2"]);
    assert_eq!(cluster.numbers("a"), [3, 2, 0, 1]);
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n1", "n2"]);
    assert_eq!(cluster.open_request("n1").unwrap().name, "b");
    // The answer to the first one is counted, although the node has another one.
    cluster.accepts("n1");
    cluster.is_verified("b");
    cluster.refuses("n2", RefusalReason::Unstable);
    cluster.reconcile();
    assert_eq!(cluster.numbers("a"), [3, 2, 1, 0]);
    assert_eq!(cluster.numbers("b"), [1, 1, 0, 0]);
}

/// As the fleet is large, the node is not listed.
#[test]
fn an_answer_that_is_not_listed_is_counted_before_the_next_request() {
    let mut cluster = Cluster::failed(600);
    cluster.accept("a", &json!({"until": at(3600)}));
    cluster.prove("a");
    cluster.hand_out("a");
    cluster.all_accept();
    let last = "n99";
    cluster.sleep(60);
    cluster.accept("b", &json!({"changeSet": set('b')}));
    cluster.shows(last, 'b');
    let plan = cluster.plan();
    cluster.write_nodes(&plan, |_| true);
    assert_eq!(cluster.open(), Vec::<&str>::new());
    cluster.reconcile();
    assert_eq!(cluster.numbers("a"), [600, 600, 0, 0]);
    let is_listed = cluster.nodes("a").iter().any(|node| node.name == last);
    assert!(!is_listed);
    cluster.reconcile();
    assert_eq!(cluster.open(), [last]);
}

/// A node that has refused an acceptance shows its set again, which an older one includes, too.
#[test]
fn acceptances_of_the_same_set_do_not_wait_for_each_other() {
    let mut cluster = Cluster::failed(2);
    cluster.accept(
        "older",
        &json!({"nodes": {"names": ["n1"]}, "until": at(3600)}),
    );
    cluster.statuses.get_mut("n1").unwrap().baseline = None;
    cluster.sleep(1);
    cluster.accept("a", &json!({"until": at(3600)}));
    cluster.prove("a");
    let baseline = cluster.baseline("another of n1");
    cluster.statuses.get_mut("n1").unwrap().baseline = Some(baseline);
    let open = |cluster: &Cluster| cluster.open_request("n1").map(|it| it.name);
    cluster.reconcile();
    assert_eq!(open(&cluster).as_deref(), Some("older"));
    cluster.refuses("n1", RefusalReason::Unstable);
    cluster.sleep(10);
    cluster.shows("n1", 'a');
    for _ in 0..3 {
        cluster.reconcile();
    }
    assert_eq!(open(&cluster).as_deref(), Some("older"));
    assert_eq!(cluster.open_request("n1").unwrap().attempt, 2);
}

#[test]
fn a_large_fleet_gets_the_requests_in_parts() {
    let mut cluster = Cluster::failed(600);
    cluster.accept("a", &json!({}));
    cluster.reconcile();
    cluster.accepts("n0");
    cluster.is_verified("a");
    for expected in [250, 500] {
        let plan = cluster.reconcile();
        assert_eq!(plan.requeue_after, Some(Duration::from_secs(1)));
        assert_eq!(cluster.open().len(), expected);
        cluster.is_open("a", AcceptanceReason::Requesting);
    }
    // Until all have it, other nodes that show the set are included, too.
    cluster.add_node("m");
    cluster.shows("m", 'a');
    let plan = cluster.reconcile();
    assert_ne!(plan.requeue_after, Some(Duration::from_secs(1)));
    assert_eq!(cluster.open().len(), 600);
    cluster.is_open("a", AcceptanceReason::WaitingForNodes);
    assert_eq!(cluster.numbers("a"), [601, 1, 0, 600]);
    cluster.all_accept();
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Accepted);
    assert_eq!(cluster.requests.len(), 601);
}

#[test]
fn the_only_node_that_lies_fails_the_acceptance() {
    let mut cluster = Cluster::failed(1);
    cluster.accept("a", &json!({}));
    cluster.reconcile();
    cluster.accepts("n0");
    cluster.is_stored("n0", EvidenceState::Unverified);
    cluster.reconcile();
    cluster.is_failed("a", AcceptanceReason::EvidenceNotVerified);
    assert_eq!(cluster.numbers("a"), [1, 1, 0, 0]);
}

#[test]
fn a_first_node_that_never_answers_does_not_block_the_others() {
    let mut cluster = Cluster::failed(5);
    cluster.accept("a", &json!({}));
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n0"]);
    cluster.sleep(601);
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n0", "n1"]);
    // Those that are not ready do not count.
    let mut away = CachedNode::clone(&cluster.observed.nodes[1]);
    away.ready = false;
    cluster.observed.nodes[1] = Arc::new(away);
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n0", "n1", "n2"]);
    cluster.sleep(6000);
    cluster.reconcile();
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n0", "n1", "n2", "n3"]);
}

#[test]
fn a_first_node_that_refuses_is_replaced() {
    let mut cluster = Cluster::failed(3);
    cluster.accept("a", &json!({}));
    cluster.reconcile();
    cluster.refuses("n0", RefusalReason::ChangesDiffer);
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n1"]);
    assert!(cluster.open_request("n1").unwrap().publish_report);
    cluster.accepts("n1");
    cluster.is_verified("a");
    cluster.reconcile();
    cluster.all_accept();
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::PartlyRefused);
    assert_eq!(cluster.numbers("a"), [3, 2, 1, 0]);
    let [first, ..] = cluster.nodes("a") else {
        panic!()
    };
    assert_eq!(
        (&*first.name, first.state, first.reason.as_deref()),
        ("n0", AcceptanceState::Refused, Some("ChangesDiffer"))
    );
}

#[test]
fn if_all_nodes_refuse_nothing_is_accepted() {
    let mut cluster = Cluster::failed(2);
    cluster.accept("a", &json!({}));
    for node in ["n0", "n1"] {
        cluster.reconcile();
        cluster.refuses(node, RefusalReason::Unstable);
    }
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Refused);
}

#[test]
fn a_node_that_refused_gets_two_more_requests_when_it_shows_the_set_again() {
    let mut cluster = Cluster::failed(2);
    cluster.accept("a", &json!({"until": at(3600)}));
    cluster.prove("a");
    for attempt in 1..=3 {
        let request = cluster.open_request("n1").unwrap();
        assert_eq!(request.attempt, attempt);
        cluster.refuses("n1", RefusalReason::Unstable);
        // The result is older than the refusal.
        cluster.reconcile();
        assert_eq!(cluster.open(), Vec::<&str>::new());
        assert_eq!(cluster.numbers("a"), [2, 1, 1, 0]);
        cluster.sleep(10);
        cluster.shows("n1", 'b');
        cluster.reconcile();
        assert_eq!(cluster.open(), Vec::<&str>::new());
        cluster.sleep(10);
        cluster.shows("n1", 'a');
        cluster.reconcile();
    }
    assert_eq!(cluster.open(), Vec::<&str>::new());
    cluster.sleep(3600);
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::PartlyRefused);
}

#[test]
fn with_until_nodes_that_show_the_set_later_are_included() {
    let mut cluster = Cluster::failed(2);
    cluster.accept("a", &json!({"until": at(3600)}));
    cluster.prove("a");
    cluster.all_accept();
    cluster.reconcile();
    cluster.is_open("a", AcceptanceReason::WaitingForNodes);
    assert_eq!(cluster.numbers("a"), [2, 2, 0, 0]);
    cluster.add_node("n5");
    cluster.sleep(60);
    cluster.shows("n5", 'a');
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n5"]);
    cluster.all_accept();
    let plan = cluster.reconcile();
    assert_eq!(cluster.numbers("a"), [3, 3, 0, 0]);
    assert!(plan.requeue_after.unwrap() <= Duration::from_secs(3541));
    cluster.sleep(3540);
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Accepted);
    // Now it is over.
    cluster.add_node("n6");
    cluster.shows("n6", 'a');
    cluster.reconcile();
    assert_eq!(cluster.open(), Vec::<&str>::new());
}

#[test]
fn without_until_only_the_nodes_that_show_the_set_at_the_hand_out_are_included() {
    let mut cluster = Cluster::failed(3);
    cluster.accept("a", &json!({}));
    cluster.prove("a");
    cluster.add_node("n5");
    cluster.shows("n5", 'a');
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n1", "n2"]);
    cluster.all_accept();
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Accepted);
    assert_eq!(cluster.numbers("a"), [3, 3, 0, 0]);
}

#[test]
fn with_until_a_set_may_be_unknown_at_first() {
    let mut cluster = Cluster::failed(0);
    cluster.add_node("n1");
    cluster.accept("a", &json!({"until": at(3600)}));
    cluster.sleep(60);
    cluster.reconcile();
    cluster.is_open("a", AcceptanceReason::Pending);
    cluster.shows("n1", 'a');
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n1"]);
    cluster.is_clean("n1");
    cluster.refuses("n1", RefusalReason::ChangesDiffer);
    cluster.sleep(3600);
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Refused);
}

#[test]
fn with_until_and_without_any_node_it_expires() {
    let mut cluster = Cluster::failed(0);
    cluster.add_node("n1");
    cluster.accept("a", &json!({"until": at(3600)}));
    cluster.reconcile();
    cluster.sleep(3600);
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Expired);
}

#[test]
fn an_unknown_set_fails_after_a_moment() {
    let mut cluster = Cluster::failed(2);
    cluster.accept("a", &json!({"changeSet": set('c')}));
    cluster.reconcile();
    cluster.is_open("a", AcceptanceReason::Pending);
    cluster.sleep(10);
    cluster.reconcile();
    cluster.is_failed("a", AcceptanceReason::UnknownChangeSet);
    // Nor does a set that only a node shows that is not included.
    cluster.accept("b", &json!({"nodes": {"names": ["other"]}}));
    cluster.sleep(10);
    cluster.reconcile();
    cluster.is_failed("b", AcceptanceReason::UnknownChangeSet);
}

#[test]
fn a_set_that_vanishes_before_any_node_accepts_it_fails() {
    let mut cluster = Cluster::failed(1);
    cluster.observed.policy = None;
    cluster.accept("a", &json!({}));
    cluster.reconcile();
    cluster.is_open("a", AcceptanceReason::Pending);
    let mut away = CachedNode::clone(&cluster.observed.nodes[0]);
    away.ready = false;
    cluster.observed.nodes[0] = Arc::new(away);
    cluster.observed.policy = Some(PolicyState::InForce { since: at(-60) });
    cluster.reconcile();
    assert_eq!(cluster.numbers("a"), [1, 0, 0, 1]);
    assert_eq!(cluster.open(), Vec::<&str>::new());
    cluster.is_clean("n0");
    cluster.reconcile();
    cluster.is_failed("a", AcceptanceReason::UnknownChangeSet);
}

#[test]
fn nodes_that_do_not_answer_expire() {
    let mut cluster = Cluster::failed(3);
    cluster.accept("a", &json!({}));
    cluster.prove("a");
    cluster.accepts("n1");
    cluster.sleep(24 * 3600 - 1);
    cluster.reconcile();
    cluster.is_open("a", AcceptanceReason::WaitingForNodes);
    // A node may have accepted in the last moment.
    cluster.sleep(1);
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n2"]);
    cluster.sleep(30);
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Expired);
    assert_eq!(cluster.numbers("a"), [3, 2, 0, 1]);
    assert_eq!(cluster.open(), Vec::<&str>::new());
}

#[test]
fn evidence_that_is_late_at_the_end_is_waited_for() {
    for is_verified in [true, false] {
        let mut cluster = Cluster::failed(1);
        cluster.accept("a", &json!({"until": at(60)}));
        cluster.reconcile();
        cluster.sleep(59);
        cluster.accepts("n0");
        cluster.sleep(1);
        assert!(cluster.reconcile().awaits_evidence);
        cluster.is_open("a", AcceptanceReason::WaitingForEvidence);
        if is_verified {
            cluster.is_verified("a");
            cluster.reconcile();
            cluster.is_complete("a", AcceptanceReason::Accepted);
        } else {
            cluster.sleep(120);
            cluster.reconcile();
            cluster.is_failed("a", AcceptanceReason::EvidenceNotVerified);
        }
    }
}

/// The time of an answer is by the clock of its node.
#[test]
fn evidence_of_a_node_that_always_answered_just_now_is_not_waited_for_without_end() {
    let mut cluster = Cluster::failed(1);
    cluster.accept("a", &json!({"until": at(60)}));
    cluster.reconcile();
    cluster.sleep(59);
    cluster.accepts("n0");
    let answer_again = |cluster: &mut Cluster, after: i64| {
        cluster.sleep(after);
        let now = at(cluster.seconds);
        let status = cluster.statuses.get_mut("n0").unwrap();
        status.acceptance.as_mut().unwrap().finished_at = now;
        cluster.reconcile()
    };
    for after in [1, 100, 49] {
        assert!(answer_again(&mut cluster, after).awaits_evidence);
        cluster.is_open("a", AcceptanceReason::WaitingForEvidence);
    }
    answer_again(&mut cluster, 1);
    cluster.is_failed("a", AcceptanceReason::EvidenceNotVerified);
}

#[test]
fn an_interrupted_acceptance_ends_in_time() {
    let mut cluster = Cluster::failed(2);
    cluster.accept("a", &json!({}));
    cluster.prove("a");
    cluster.observed.policy = None;
    cluster.sleep(24 * 3600 + 30);
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Expired);
    assert_eq!(cluster.open(), Vec::<&str>::new());
}

#[test]
fn a_revoked_acceptance_is_withdrawn_from_all_nodes() {
    let mut cluster = Cluster::failed(4);
    cluster.accept("a", &json!({}));
    cluster.prove("a");
    cluster.accepts("n1");
    cluster.revoke("a");
    cluster.reconcile();
    assert_eq!(cluster.open(), Vec::<&str>::new());
    cluster.is_open("a", AcceptanceReason::Revoked);
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Revoked);
    assert_eq!(cluster.numbers("a"), [4, 2, 0, 2]);
    assert_eq!(cluster.requests.len(), 4);
}

#[test]
fn a_deleted_acceptance_is_withdrawn() {
    let mut cluster = Cluster::failed(2);
    cluster.accept("a", &json!({}));
    cluster.prove("a");
    cluster.acceptances.remove("a");
    cluster.reconcile();
    assert_eq!(cluster.open(), Vec::<&str>::new());
}

#[test]
fn an_operator_that_knows_no_acceptances_leaves_the_requests_alone() {
    let mut cluster = Cluster::failed(2);
    cluster.accept("a", &json!({}));
    cluster.prove("a");
    cluster.plan();
    cluster.observed.acceptances = None;
    let plan = plan(&cluster.observed);
    cluster.write_nodes(&plan, |_| true);
    assert_eq!(cluster.open(), ["n1"]);
}

#[test]
fn what_the_definition_cannot_check_fails() {
    let policy = |policy| move |cluster: &mut Cluster| cluster.observed.policy = Some(policy);
    let altered = || PolicyState::Altered {
        what: "spec.validations".to_owned(),
    };
    let table: Vec<(Value, Change, AcceptanceReason)> = vec![
        (
            json!({"until": at(0)}),
            Box::new(|_| {}),
            AcceptanceReason::InvalidUntil,
        ),
        (
            json!({"until": at(30 * 24 * 3600 + 1)}),
            Box::new(|_| {}),
            AcceptanceReason::InvalidUntil,
        ),
        (
            json!({"changeSet": "a"}),
            Box::new(|_| {}),
            AcceptanceReason::UnknownChangeSet,
        ),
        (
            json!({"nodes": {"selector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}}}),
            Box::new(|_| {}),
            AcceptanceReason::InvalidSelector,
        ),
        (
            json!({}),
            Box::new(policy(PolicyState::Absent)),
            AcceptanceReason::NoAdmissionPolicy,
        ),
        (
            json!({}),
            Box::new(policy(altered())),
            AcceptanceReason::NoAdmissionPolicy,
        ),
        (
            json!({}),
            Box::new(policy(PolicyState::InForce { since: at(0) })),
            AcceptanceReason::NoAdmissionPolicy,
        ),
        (
            json!({}),
            Box::new(policy(PolicyState::InForce { since: at(-5) })),
            AcceptanceReason::NoAdmissionPolicy,
        ),
    ];
    for (spec, change, reason) in table {
        let mut cluster = Cluster::failed(2);
        change(&mut cluster);
        cluster.accept("a", &spec);
        cluster.reconcile();
        cluster.is_failed("a", reason);
        assert_eq!(cluster.requests, []);
        // It stays so.
        cluster.observed.policy = Some(PolicyState::InForce { since: at(-60) });
        cluster.reconcile();
        cluster.is_failed("a", reason);
    }
}

#[test]
fn a_policy_that_is_changed_meanwhile_interrupts_and_one_that_is_deleted_fails() {
    for (policy, is_failed) in [
        (
            Some(PolicyState::Altered {
                what: String::new(),
            }),
            false,
        ),
        (None, false),
        (Some(PolicyState::Absent), true),
        (Some(PolicyState::InForce { since: at(1) }), true),
    ] {
        let mut cluster = Cluster::failed(3);
        cluster.accept("a", &json!({"until": at(3600)}));
        cluster.prove("a");
        cluster.accepts("n1");
        cluster.add_node("n5");
        cluster.shows("n5", 'a');
        cluster.observed.policy = policy.clone();
        let plan = cluster.reconcile();
        if is_failed {
            cluster.reconcile();
            cluster.is_failed("a", AcceptanceReason::NoAdmissionPolicy);
            continue;
        }
        assert_eq!(cluster.open(), ["n2"], "{policy:?}");
        cluster.is_open("a", AcceptanceReason::WaitingForNodes);
        assert_eq!(plan.requeue_after, Some(Duration::from_secs(15)));
        cluster.observed.policy = Some(PolicyState::InForce { since: at(-60) });
        cluster.reconcile();
        assert_eq!(cluster.open(), ["n2", "n5"]);
    }
}

#[test]
fn another_file_integrity_with_the_same_name_is_not_included() {
    let mut cluster = Cluster::failed(3);
    cluster.accept("a", &json!({}));
    cluster.prove("a");
    let mut fi = (*cluster.observed.file_integrity).clone();
    fi.metadata.uid = Some("another".to_owned());
    cluster.observed.file_integrity = Arc::new(fi);
    cluster.reconcile();
    cluster.reconcile();
    cluster.is_failed("a", AcceptanceReason::FileIntegrityReplaced);
}

#[test]
fn nodes_with_another_configuration_are_not_included() {
    let mut cluster = Cluster::failed(3);
    cluster.accept("a", &json!({"until": at(3600)}));
    cluster.prove("a");
    cluster.accepts("n1");
    // A new configuration: the nodes still have the old baseline, and one has a new one.
    let config = crate::operator::reconcile::build::ActiveConfig {
        conf: "/other p\n".to_owned(),
        effective: "/other p\n".to_owned(),
    };
    cluster.observed.verdict = super::super::ConfigVerdict::Good {
        config,
        warnings: Vec::new(),
    };
    cluster.add_node("n5");
    cluster.shows("n5", 'a');
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n2"]);
    cluster.refuses("n2", RefusalReason::ConfigurationDiffers);
    cluster.reconcile();
    assert_eq!(cluster.numbers("a"), [3, 2, 1, 0]);
}

#[test]
fn the_oldest_acceptance_of_a_node_is_executed_first() {
    let mut cluster = Cluster::failed(3);
    cluster.accept("b", &json!({}));
    cluster.sleep(1);
    cluster.accept("a", &json!({}));
    cluster.prove("b");
    let by = |cluster: &Cluster| -> BTreeSet<String> {
        cluster.requests.iter().map(|it| it.1.clone()).collect()
    };
    assert_eq!(by(&cluster), BTreeSet::from(["b".to_owned()]));
    cluster.accepts("n1");
    cluster.refuses("n2", RefusalReason::Unstable);
    cluster.reconcile();
    cluster.is_complete("b", AcceptanceReason::PartlyRefused);
    // The other one continues with the nodes that still show the set.
    cluster.reconcile();
    assert_eq!(cluster.open(), ["n2"]);
    assert_eq!(cluster.open_request("n2").unwrap().name, "a");
    cluster.all_accept();
    cluster.is_verified("a");
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Accepted);
    assert_eq!(cluster.numbers("a"), [1, 1, 0, 0]);
}

#[test]
fn an_outcome_is_kept_when_the_node_executes_another_acceptance() {
    let mut cluster = Cluster::failed(2);
    cluster.accept("a", &json!({"until": at(3600)}));
    cluster.prove("a");
    cluster.all_accept();
    cluster.reconcile();
    cluster.sleep(60);
    cluster.shows("n0", 'b');
    cluster.accept("b", &json!({"changeSet": set('b')}));
    cluster.prove("b");
    assert_eq!(cluster.numbers("a"), [2, 2, 0, 0]);
    cluster.is_complete("b", AcceptanceReason::Accepted);
    // It does not accept the first set once more, although it shows it.
    cluster.shows("n0", 'a');
    cluster.reconcile();
    assert_eq!(cluster.open(), Vec::<&str>::new());
    assert_eq!(cluster.numbers("a"), [2, 2, 0, 0]);
    // Nor is it forgotten when the node is deleted.
    cluster.statuses.remove("n0");
    cluster.observed.nodes.remove(0);
    cluster.reconcile();
    assert_eq!(cluster.numbers("a"), [2, 2, 0, 0]);
}

/// Kills the operator after each number of writes of node statuses, before the status of the acceptance is written.
#[test]
fn an_operator_that_is_killed_continues_with_one_request_per_node() {
    for written in 0..=6 {
        let mut cluster = Cluster::failed(6);
        cluster.accept("a", &json!({}));
        cluster.reconcile();
        cluster.accepts("n0");
        cluster.is_verified("a");
        let plan = cluster.plan();
        cluster.write_nodes(&plan, |node| {
            node.trim_start_matches('n').parse::<usize>().unwrap() < written
        });
        // Some answer before the next operator leads.
        cluster.all_accept();
        cluster.reconcile();
        cluster.all_accept();
        cluster.reconcile();
        cluster.is_complete("a", AcceptanceReason::Accepted);
        assert_eq!(cluster.numbers("a"), [6, 6, 0, 0], "{written}");
        let mut nodes: Vec<&str> = cluster.requests.iter().map(|it| &*it.0).collect();
        nodes.sort_unstable();
        assert_eq!(nodes, ["n0", "n1", "n2", "n3", "n4", "n5"], "{written}");
    }
}

/// The same plan whatever was carried out of it before: nothing is remembered outside of the API.
#[test]
fn a_plan_that_was_carried_out_is_not_planned_again() {
    let mut cluster = Cluster::failed(3);
    cluster.accept("a", &json!({}));
    let check = |cluster: &mut Cluster| {
        cluster.reconcile();
        let requests = cluster.requests.len();
        assert_eq!(cluster.reconcile().acceptances, []);
        assert_eq!(cluster.requests.len(), requests);
    };
    check(&mut cluster);
    cluster.accepts("n0");
    check(&mut cluster);
    cluster.is_verified("a");
    check(&mut cluster);
    cluster.refuses("n1", RefusalReason::Error);
    check(&mut cluster);
    cluster.accepts("n2");
    check(&mut cluster);
    cluster.is_complete("a", AcceptanceReason::PartlyRefused);
}

#[test]
fn texts_of_users_are_escaped_and_bounded() {
    let mut cluster = Cluster::failed(1);
    let user = format!("mallory\n{}", "x".repeat(500));
    cluster.accept(
        "a",
        &json!({"until": at(0), "approvedBy": {"username": user}}),
    );
    cluster.reconcile();
    let message = &cluster.events[0].message;
    assert!(message.contains("mallory\\nxx"), "{message}");
    assert!(message.len() < 400, "{message}");
}

#[test]
fn thousands_of_nodes_are_listed_partly_and_planned_fast() {
    const NODES: usize = 2000;
    let mut cluster = Cluster::failed(NODES);
    cluster.accept("a", &json!({"until": at(3600)}));
    cluster.accept("b", &json!({"until": at(3600)}));
    cluster.prove("a");
    cluster.hand_out("a");
    assert_eq!(cluster.open().len(), NODES - 1);
    cluster.refuses("n1999", RefusalReason::Unstable);
    cluster.reconcile();
    let nodes = cluster.nodes("a");
    assert_eq!(nodes.len(), 500);
    assert_eq!(nodes[0].name, "n1999");
    assert_eq!(nodes[1].state, AcceptanceState::Waiting);
    cluster.plan();
    let started = Instant::now();
    plan(&cluster.observed);
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    cluster.all_accept();
    cluster.reconcile();
    assert_eq!(cluster.numbers("a"), [2000, 1999, 1, 0]);
    // The requests of a fleet are the same, so they are kept once. That of the first node requests a report; so does that
    // of the other acceptance, of the node that has refused.
    let distinct: BTreeSet<String> = cluster
        .statuses
        .values()
        .map(|status| format!("{:?}", DesiredNodeState::clone(&status.desired())))
        .collect();
    assert_eq!(distinct.len(), 3);
}

/// Nodes that wait for the acceptance with the configuration before.
#[test]
fn nodes_that_keep_an_old_configuration_accept_with_it() {
    let mut cluster = Cluster::failed(2);
    let old = cluster.require_acceptance_and_reconfigure();
    cluster.accept("a", &json!({}));
    cluster.reconcile();
    let request = cluster.open_request("n0").unwrap();
    assert_eq!(request.config_hash, old);
    let desired = |cluster: &Cluster| cluster.statuses["n0"].desired().config_hash;
    assert_eq!(desired(&cluster), Some(old.clone()));
    cluster.accepts("n0");
    let baseline = &mut cluster.statuses.get_mut("n0").unwrap().baseline;
    baseline.as_mut().unwrap().config_hash = old;
    cluster.reconcile();
    assert_eq!(desired(&cluster), Some(cluster.config_hash()));
}
