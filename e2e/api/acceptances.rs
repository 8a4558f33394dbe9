//! Acceptances: which nodes the operator requests them of, in which order, and what becomes of them. The nodes' daemons
//! are simulated: they answer as the test says, and publish real reports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use fio::testing::api::{
    AcceptanceRequest, Condition, FileIntegrityAcceptance, FileIntegrityNodeStatus, names, time,
};
use fio::testing::scan::outcome::Outcome;
use futures::future::try_join_all;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::acceptance_admission::{acceptance, acceptances, from_now};
use crate::harness::{Daemon, Operator, POLL_INTERVAL, Space, eventually, in_space, kubectl};
use crate::node_report::{json_report, published_report, report, set_of};
use crate::plugin::{Kubectl, shown};

/// Nodes that show the same set. One more shows another one.
const ALIKE: usize = 46;

/// How the daemon of a node answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behavior {
    Accepts,
    /// It claims to accept the set, but reports another one.
    Lies,
    /// Its report has so long annotations that the evidence would be invalid.
    Fills,
    Refuses,
    Silent,
}

/// The requests that daemons have received: node, acceptance, attempt, and whether the report is published.
type Requests = BTreeSet<(String, String, u32, bool)>;

/// The nodes of the FileIntegrity `fi`, and their daemons.
struct Fleet<'a> {
    space: &'a Space,
    daemons: Vec<Daemon>,
    nodes: Vec<String>,
    answers: tokio::task::JoinHandle<anyhow::Result<()>>,
    shared: Arc<Shared>,
}

/// What the simulation of the daemons shares with the test.
struct Shared {
    statuses: Api<FileIntegrityNodeStatus>,
    /// With the permissions of the operator, which may create the reports of all nodes.
    reports: Api<ConfigMap>,
    behaviors: Mutex<BTreeMap<String, Behavior>>,
    requests: Mutex<Requests>,
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

impl<'a> Fleet<'a> {
    /// A FileIntegrity that is Active on so many nodes.
    async fn new(space: &'a Space, count: usize) -> anyhow::Result<Self> {
        let names: Vec<String> = (0..count).map(|n| format!("n{n:02}")).collect();
        let nodes = try_join_all(names.iter().map(|name| space.node(name))).await?;
        space.file_integrity("fi", json!({})).await?;
        let daemons = nodes.iter().map(|node| space.daemon("fi", node));
        let mut daemons: Vec<Daemon> = daemons.collect();
        try_join_all(daemons.iter_mut().map(Daemon::handle_request)).await?;
        try_join_all(daemons.iter_mut().map(|daemon| daemon.finds(&CLEAN))).await?;
        space.until_phase("fi", "Active").await?;
        let operator = space
            .client_as(&space.account(names::OPERATOR_NAME))
            .await?;
        let shared = Arc::new(Shared {
            statuses: space.api(),
            reports: Api::namespaced(operator, &space.namespace),
            behaviors: Mutex::default(),
            requests: Mutex::default(),
        });
        Ok(Self {
            answers: tokio::spawn(answer_all(Arc::clone(&shared))),
            shared,
            space,
            daemons,
            nodes,
        })
    }

    /// These nodes show a set.
    async fn show(&mut self, which: std::ops::Range<usize>, content: u8) -> anyhow::Result<()> {
        let outcome = Outcome::Changed(Box::new(report(content)?));
        let daemons = self.daemons[which].iter_mut();
        try_join_all(daemons.map(|daemon| daemon.finds(&outcome))).await?;
        Ok(())
    }

    /// Until the operator has seen the sets of so many nodes.
    async fn until_shown(&self, nodes: &[i64]) -> anyhow::Result<()> {
        let is_shown = |fi: &fio::testing::api::FileIntegrity| {
            let sets = fi.status.iter().flat_map(|status| &status.change_sets);
            sets.map(|set| set.nodes).eq(nodes.iter().copied())
        };
        let what = format!("sets of {nodes:?} nodes");
        self.space.until_is("fi", &what, is_shown).await?;
        Ok(())
    }

    fn behaves(&self, node: usize, behavior: Behavior) {
        let mut behaviors = self
            .shared
            .behaviors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        behaviors.insert(self.nodes[node].clone(), behavior);
    }

    fn requests(&self) -> Requests {
        let requests = self.shared.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The nodes that have received a request, and whether their reports are published.
    fn requested(&self) -> Vec<(usize, bool)> {
        let index = |node: &String| self.nodes.iter().position(|it| it == node);
        let requests = self.requests().into_iter();
        requests
            .map(|(node, _, _, publishes)| (index(&node).unwrap_or(usize::MAX), publishes))
            .collect()
    }

    async fn condition(&self, node: usize) -> anyhow::Result<Option<Condition>> {
        let name = names::node_status("fi", &self.nodes[node]);
        Ok(self.shared.statuses.get(&name).await?.condition())
    }
}

const CLEAN: Outcome = Outcome::Clean { files: 100 };

/// Answers all requests.
async fn answer_all(shared: Arc<Shared>) -> anyhow::Result<()> {
    loop {
        for status in shared.statuses.list(&ListParams::default()).await? {
            let Some(request) = status.desired().acceptance else {
                continue;
            };
            let answer = status.acceptance.as_ref();
            if answer.is_some_and(|answer| request.is_answered_by(answer)) {
                continue;
            }
            shared
                .requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert((
                    status.node_name.clone(),
                    request.name.clone(),
                    request.attempt,
                    request.publish_report,
                ));
            let behavior = {
                let behaviors = shared
                    .behaviors
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                behaviors.get(&status.node_name).copied()
            };
            shared
                .answer(&status, &request, behavior.unwrap_or(Behavior::Accepts))
                .await?;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

impl Shared {
    async fn answer(
        &self,
        status: &FileIntegrityNodeStatus,
        request: &AcceptanceRequest,
        behavior: Behavior,
    ) -> anyhow::Result<()> {
        let node = &status.node_name;
        let state = match behavior {
            Behavior::Silent => return Ok(()),
            Behavior::Refuses => "Refused",
            Behavior::Accepts | Behavior::Lies | Behavior::Fills => "Accepted",
        };
        let now = time::now();
        let old = status.baseline.as_ref().map(|baseline| &baseline.digest);
        let new = names::sha256_hex(format!("{node} {}", request.uid));
        let mut patch = json!({"acceptance": {
            "name": request.name, "uid": request.uid, "attempt": request.attempt,
            "state": state, "finishedAt": now, "oldDigest": old,
        }});
        if state == "Refused" {
            patch["acceptance"]["reason"] = json!("ChangesDiffer");
            patch["acceptance"]["message"] = json!("the node has\nother changes");
        } else {
            let mut baseline = serde_json::to_value(&status.baseline)?;
            baseline["createdAt"] = json!(now);
            baseline["digest"] = json!(new);
            baseline["accepted"] = json!({
                "reason": "Acceptance", "request": request.uid, "acceptance": request.name,
                "oldDigest": old,
                "differences": {"filesAdded": 1, "changesHash": request.change_set},
            });
            if request.publish_report {
                let content = (0..=u8::MAX)
                    .find(|content| set_of(*content).is_ok_and(|set| set == request.change_set));
                let file = if behavior == Behavior::Lies {
                    "/etc/other"
                } else {
                    "/etc/new"
                };
                let report = json_report(file, content.context("the set of a test")?);
                let mut report = published_report("fi", node, request, &baseline, &report)?;
                if behavior == Behavior::Fills {
                    fill_annotations(&mut report);
                }
                self.reports.create(&PostParams::default(), &report).await?;
            }
            patch["baseline"] = baseline;
            patch["acceptance"]["newDigest"] = json!(new);
            patch["lastResult"] = json!({"condition": "Succeeded", "lastProbeTime": now});
            for field in [
                "filesAdded",
                "changes",
                "changesHash",
                "changeSet",
                "pathsHash",
            ] {
                patch["lastResult"][field] = Value::Null;
            }
        }
        let name = status.name_any();
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        self.statuses.patch(&name, &params, &patch).await?;
        Ok(())
    }
}

/// The annotations become as long as the API server allows.
fn fill_annotations(report: &mut ConfigMap) {
    const MAX: usize = 256 * 1024;
    let annotations = report.metadata.annotations.get_or_insert_default();
    let used = annotations.iter();
    let used: usize = used.map(|(key, value)| key.len() + value.len()).sum();
    let key = names::Annotation::FILES_CHANGED;
    annotations.insert(key.to_owned(), "9".repeat(MAX - used - key.len()));
}

/// Creates an acceptance of the set of nodes with this content.
async fn accept(space: &Space, name: &str, content: u8, changes: Value) -> anyhow::Result<()> {
    let mut spec = json!({"changeSet": set_of(content)?});
    if let (Value::Object(spec), Value::Object(changes)) = (&mut spec, changes) {
        spec.extend(changes);
    }
    until_policy_counts(space).await?;
    let api = acceptances(&space.client, &space.namespace);
    let object = acceptance(name, &spec);
    api.create(&PostParams::default(), &object).await?;
    Ok(())
}

/// Until the admission policy is so old that the operator executes new acceptances.
pub(crate) async fn until_policy_counts(space: &Space) -> anyhow::Result<()> {
    let policies = Api::<ValidatingAdmissionPolicy>::all(space.client.clone());
    let name = format!("file-integrity-acceptance.{}", space.namespace);
    eventually("the policy to be old enough", async || {
        let policy = policies.get_opt(&name).await?;
        let created = policy.and_then(|policy| policy.metadata.creation_timestamp);
        let age = created.map(|at| time::now().0.duration_since(at.0).as_secs());
        Ok(age.filter(|age| *age > 6).map(|_| ()))
    })
    .await
}

fn condition(acceptance: &FileIntegrityAcceptance, kind: &str) -> String {
    let status = serde_json::to_value(&acceptance.status).unwrap_or_default();
    let all = status["conditions"].as_array().into_iter().flatten();
    all.filter(|condition| condition["type"] == kind)
        .filter_map(|it| {
            Some(format!(
                "{}/{}",
                it["status"].as_str()?,
                it["reason"].as_str()?
            ))
        })
        .collect()
}

/// Matched, accepted, refused and waiting.
fn counts(acceptance: &FileIntegrityAcceptance) -> [i64; 4] {
    let status = serde_json::to_value(&acceptance.status).unwrap_or_default();
    ["matched", "accepted", "refused", "waiting"]
        .map(|field| status["counts"][field].as_i64().unwrap_or_default())
}

async fn until_condition(
    space: &Space,
    name: &str,
    kind: &str,
    expected: &str,
) -> anyhow::Result<FileIntegrityAcceptance> {
    let what = format!("{kind} of {name} to be {expected}");
    let is_expected =
        |acceptance: &FileIntegrityAcceptance| condition(acceptance, kind) == expected;
    space.until_is(name, &what, is_expected).await
}

async fn until_counts(
    space: &Space,
    name: &str,
    expected: [i64; 4],
) -> anyhow::Result<FileIntegrityAcceptance> {
    let what = format!("counts of {name} to be {expected:?}");
    let is_expected = |acceptance: &FileIntegrityAcceptance| counts(acceptance) == expected;
    space.until_is(name, &what, is_expected).await
}

/// The names of the verified evidence.
async fn verified(space: &Space) -> anyhow::Result<Vec<String>> {
    let params = ListParams::default().labels(names::Label::EVIDENCE);
    let all = space.api::<ConfigMap>().list(&params).await?;
    let is_verified = |object: &ConfigMap| {
        object
            .annotations()
            .get(names::Annotation::VERIFIED)
            .map(String::as_str)
            == Some("true")
    };
    let verified = all.items.iter().filter(|object| is_verified(object));
    Ok(verified.map(kube::ResourceExt::name_any).collect())
}

/// Number of writes of each node status by an operator.
fn writes_of_nodes(space: &Space, operator: &str) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for write in space.writes(operator)? {
        if let Some(name) = write.strip_prefix("patch fileintegritynodestatuses/") {
            *counts.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    Ok(counts)
}

/// Number of writes of the status of an acceptance by an operator.
fn writes_of(space: &Space, operator: &str, acceptance: &str) -> anyhow::Result<usize> {
    let write = format!("patch fileintegrityacceptances/{acceptance}");
    let writes = space.writes(operator)?;
    Ok(writes.iter().filter(|it| **it == write).count())
}

#[tokio::test]
async fn the_nodes_that_show_the_set_accept_it_and_no_other_node() -> anyhow::Result<()> {
    in_space("acceptance-fleet", async |space| {
        let _operator = space.operator("one").await?;
        // The last node shows the set later.
        let mut fleet = Fleet::new(space, ALIKE + 2).await?;
        fleet.show(0..ALIKE, 1).await?;
        fleet.show(ALIKE..ALIKE + 1, 2).await?;
        fleet.until_shown(&[46, 1]).await?;
        let before = writes_of_nodes(space, "one")?;

        accept(
            space,
            "a",
            1,
            json!({"until": from_now(40), "ticket": "CHG1"}),
        )
        .await?;
        until_counts(space, "a", [46, 46, 0, 0]).await?;
        assert_eq!(fleet.condition(ALIKE).await?, Some(Condition::Failed));
        let publishing: Vec<_> = fleet.requested().into_iter().filter(|it| it.1).collect();
        assert_eq!(publishing, [(0, true)], "one node publishes its report");
        fleet.show(ALIKE + 1..ALIKE + 2, 1).await?;
        let open = until_counts(space, "a", [47, 47, 0, 0]).await?;
        assert_eq!(condition(&open, "Complete"), "False/WaitingForNodes");
        let evidence = verified(space).await?;
        assert_eq!(evidence.len(), 1, "one for all nodes");
        let status = serde_json::to_value(&open.status)?;
        assert_eq!(status["evidence"], json!(evidence[0]));
        assert_eq!(status["nodes"].as_array().map(Vec::len), Some(47));

        // No node shows the set any more: the plugin of kubectl finds it by the evidence.
        let kubectl = Kubectl::reader(space, "plugin")?;
        let found = kubectl.json(&["changes", &set_of(1)?[..12]], 1)?;
        let source = json!({"kind": "evidence", "configMap": evidence[0]});
        assert_eq!(found["source"], source, "{found}");
        assert_eq!(found["complete"], json!(true), "{found}");
        assert_eq!(found["changes"][0]["path"], json!("/etc/new"), "{found}");
        let shown = kubectl.run(&["status", "-o", "json"])?;
        let shown: Value = serde_json::from_slice(&shown.stdout)?;
        let acceptance = &shown["acceptances"][0];
        assert_eq!(acceptance["counts"]["accepted"], json!(47), "{shown}");

        let complete = until_condition(space, "a", "Complete", "True/Accepted").await?;
        assert_eq!(counts(&complete), [47, 47, 0, 0]);
        assert_eq!(fleet.condition(ALIKE).await?, Some(Condition::Failed));
        assert_eq!(fleet.requests().len(), 47, "each node gets one request");
        // One write of the operator for each node.
        for (name, count) in writes_of_nodes(space, "one")? {
            let count = count - before.get(&name).copied().unwrap_or_default();
            assert!(count <= 1, "{name}: {count}");
        }
        let writes = writes_of(space, "one", "a")?;
        assert!(writes <= 12, "{writes} writes of the status in 40 seconds");
        let events = space.event_messages("fi", "AcceptanceComplete").await?;
        let [event] = &events[..] else {
            anyhow::bail!("{events:?}");
        };
        assert!(event.contains("acceptance a of change set"), "{event}");
        assert!(
            event.contains("by admin: Accepted, 47 of 47 nodes"),
            "{event}"
        );
        let log = space.log();
        let line = log.lines().rfind(|line| line.contains("reason=Accepted"));
        let line = line.context("no line about the acceptance")?;
        for part in [
            "approved_by=\"admin\"",
            "ticket=\"CHG1\"",
            "why=\"openssl",
            "accepted=47",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        Ok(())
    })
    .await
}

async fn until_requested(fleet: &Fleet<'_>, count: usize) -> anyhow::Result<()> {
    eventually(&format!("{count} requests"), async || {
        Ok((fleet.requests().len() == count).then_some(()))
    })
    .await
}

#[tokio::test]
async fn an_acceptance_survives_operators_that_are_killed() -> anyhow::Result<()> {
    in_space("acceptance-kills", async |space| {
        let first: Operator = space.operator("one").await?;
        let mut fleet = Fleet::new(space, 6).await?;
        fleet.show(0..6, 1).await?;
        fleet.until_shown(&[6]).await?;
        fleet.behaves(0, Behavior::Silent);
        fleet.behaves(3, Behavior::Refuses);
        accept(space, "a", 1, json!({})).await?;
        until_requested(&fleet, 1).await?;
        first.kill().await?;
        // It accepts while no operator is there.
        fleet.behaves(0, Behavior::Accepts);
        let name = names::node_status("fi", &fleet.nodes[0]);
        eventually("the answer of the first node", async || {
            let status = fleet.shared.statuses.get(&name).await?;
            Ok(status.acceptance.map(|_| ()))
        })
        .await?;
        let second = space.operator("two").await?;
        until_requested(&fleet, 6).await?;
        second.kill().await?;
        let _third = space.operator("three").await?;
        let complete = until_condition(space, "a", "Complete", "True/PartlyRefused").await?;
        assert_eq!(counts(&complete), [6, 5, 1, 0]);
        let status = serde_json::to_value(&complete.status)?;
        let refused = &status["nodes"][0];
        assert_eq!(refused["name"], json!(fleet.nodes[3]));
        assert_eq!(refused["reason"], "ChangesDiffer");
        assert_eq!(refused["message"], "the node has\\012other changes");
        assert!(status["retainUntil"].is_string(), "{status}");
        assert_eq!(fleet.requests().len(), 6, "each node gets one request");
        assert_eq!(
            space
                .event_messages("fi", "AcceptanceComplete")
                .await?
                .len(),
            1
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_node_whose_report_is_a_lie_is_not_believed() -> anyhow::Result<()> {
    in_space("acceptance-lie", async |space| {
        let _operator = space.operator("one").await?;
        let mut fleet = Fleet::new(space, 4).await?;
        fleet.show(0..4, 1).await?;
        fleet.until_shown(&[4]).await?;
        fleet.behaves(0, Behavior::Lies);
        accept(space, "a", 1, json!({})).await?;
        let complete = until_condition(space, "a", "Complete", "True/Accepted").await?;
        assert_eq!(counts(&complete), [4, 4, 0, 0]);
        let expected = [(0, true), (1, true), (2, false), (3, false)];
        assert_eq!(fleet.requested(), expected);
        assert_eq!(verified(space).await?.len(), 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_report_that_is_invalid_as_evidence_is_recorded_once() -> anyhow::Result<()> {
    in_space("evidence-invalid", async |space| {
        let _operator = space.operator("one").await?;
        let mut fleet = Fleet::new(space, 3).await?;
        fleet.show(0..3, 1).await?;
        fleet.until_shown(&[3]).await?;
        fleet.behaves(0, Behavior::Fills);
        accept(space, "a", 1, json!({})).await?;
        let complete = until_condition(space, "a", "Complete", "True/Accepted").await?;
        assert_eq!(counts(&complete), [3, 3, 0, 0]);
        let expected = [(0, true), (1, true), (2, false)];
        assert_eq!(fleet.requested(), expected);
        assert_eq!(verified(space).await?.len(), 1);
        let params = ListParams::default().labels(names::Label::EVIDENCE);
        let all = space.api::<ConfigMap>().list(&params).await?.items;
        let of_first = |object: &&ConfigMap| {
            object.annotations().get(names::Annotation::NODES) == Some(&fleet.nodes[0])
        };
        let kept = all
            .iter()
            .find(of_first)
            .context("that of the first node")?;
        let data = kept.data.clone().unwrap_or_default();
        let why = &data[names::KEY_INTEGRITY_LOG];
        anyhow::ensure!(why.contains("Too long: may not be more than"), "{why}");
        anyhow::ensure!(data["record.json"].contains(&fleet.nodes[0]), "{data:?}");
        let params = ListParams::default().labels(names::Label::ACCEPTED);
        let left = space.api::<ConfigMap>().list(&params).await?.items;
        anyhow::ensure!(left.is_empty(), "{left:?}");
        let log = space.log();
        let refused = log.lines().filter(|line| line.contains("refuses a report"));
        assert_eq!(refused.count(), 1, "{log}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn if_all_reports_are_lies_the_other_nodes_keep_their_baselines() -> anyhow::Result<()> {
    in_space("acceptance-lies", async |space| {
        let _operator = space.operator("one").await?;
        let mut fleet = Fleet::new(space, 5).await?;
        fleet.show(0..5, 1).await?;
        fleet.until_shown(&[5]).await?;
        (0..5).for_each(|node| fleet.behaves(node, Behavior::Lies));
        accept(space, "a", 1, json!({})).await?;
        let failed = until_condition(space, "a", "Failed", "True/EvidenceNotVerified").await?;
        assert_eq!(condition(&failed, "Complete"), "False/EvidenceNotVerified");
        assert_eq!(fleet.requested(), [(0, true), (1, true), (2, true)]);
        assert_eq!(fleet.condition(4).await?, Some(Condition::Failed));
        let events = space.event_messages("fi", "AcceptanceFailed").await?;
        assert_eq!(events.len(), 1, "{events:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_revoked_acceptance_is_withdrawn_from_the_nodes() -> anyhow::Result<()> {
    in_space("acceptance-revoked", async |space| {
        let _operator = space.operator("one").await?;
        let mut fleet = Fleet::new(space, 4).await?;
        fleet.show(0..4, 1).await?;
        fleet.until_shown(&[4]).await?;
        fleet.behaves(2, Behavior::Silent);
        fleet.behaves(3, Behavior::Silent);
        accept(space, "a", 1, json!({})).await?;
        until_requested(&fleet, 4).await?;
        until_counts(space, "a", [4, 2, 0, 2]).await?;
        let revoked = json!({"spec": {"revoked": true}});
        space.merge::<FileIntegrityAcceptance>("a", revoked).await?;
        let complete = until_condition(space, "a", "Complete", "True/Revoked").await?;
        assert_eq!(counts(&complete), [4, 2, 0, 2]);
        for node in &fleet.nodes[2..] {
            let name = names::node_status("fi", node);
            let status = fleet.shared.statuses.get(&name).await?;
            assert_eq!(status.desired().acceptance, None);
        }
        // Another acceptance of the same set is executed, also if it is older than the sets that are shown later.
        fleet.behaves(2, Behavior::Accepts);
        fleet.behaves(3, Behavior::Accepts);
        accept(space, "b", 1, json!({"nodes": {"names": [fleet.nodes[3]]}})).await?;
        let complete = until_condition(space, "b", "Complete", "True/Accepted").await?;
        assert_eq!(counts(&complete), [1, 1, 0, 0]);
        assert_eq!(fleet.condition(2).await?, Some(Condition::Failed));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn acceptances_that_can_have_no_effect_fail_with_the_reason() -> anyhow::Result<()> {
    in_space("acceptance-failed", async |space| {
        let _operator = space.operator("one").await?;
        let other = space.another("acceptance-other").await?;
        let _operator_of_other = other.operator("other").await?;
        let mut fleet = Fleet::new(space, 2).await?;
        fleet.show(0..1, 1).await?;
        fleet.show(1..2, 2).await?;
        fleet.until_shown(&[1, 1]).await?;
        // Another FileIntegrity, whose nodes do not show these sets.
        let selector = json!({"nodeSelector": {"fio-test": "none"}});
        space.file_integrity("second", selector).await?;
        accept(space, "unknown", 9, json!({})).await?;
        accept(space, "of-another", 1, json!({"fileIntegrity": "second"})).await?;
        accept(
            space,
            "other-node",
            1,
            json!({"nodes": {"names": [fleet.nodes[1]]}}),
        )
        .await?;
        accept(space, "missing", 1, json!({"fileIntegrity": "missing"})).await?;
        // The same names in another namespace.
        accept(&other, "elsewhere", 1, json!({})).await?;
        for (name, reason) in [
            ("unknown", "UnknownChangeSet"),
            ("of-another", "UnknownChangeSet"),
            ("other-node", "UnknownChangeSet"),
            ("missing", "FileIntegrityNotFound"),
        ] {
            until_condition(space, name, "Failed", &format!("True/{reason}")).await?;
        }
        until_condition(&other, "elsewhere", "Failed", "True/FileIntegrityNotFound").await?;
        assert_eq!(fleet.requests(), Requests::new());
        // A FileIntegrity that is created later is another one.
        space
            .file_integrity("missing", json!({"nodeSelector": {"fio-test": "none"}}))
            .await?;
        // Without the policy, nobody has checked who creates an acceptance.
        let policy = format!("file-integrity-acceptance.{}", space.namespace);
        kubectl(&["delete", "validatingadmissionpolicybinding", &policy], "").await?;
        eventually("an acceptance in another name", async || {
            let changes = json!({"approvedBy": {"username": "mallory"}});
            Ok(accept(space, "forged", 1, changes).await.ok())
        })
        .await?;
        until_condition(space, "forged", "Failed", "True/NoAdmissionPolicy").await?;
        assert_eq!(fleet.requests(), Requests::new());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_acceptance_is_deleted_at_the_end_of_its_retention() -> anyhow::Result<()> {
    in_space("acceptance-retention", async |space| {
        let _operator = space.operator("one").await?;
        accept(space, "a", 1, json!({})).await?;
        let failed = until_condition(space, "a", "Failed", "True/FileIntegrityNotFound").await?;
        let days = retention_days(&failed)?;
        assert!((399..=400).contains(&days), "{days}");
        let operator = space
            .client_as(&space.account(names::OPERATOR_NAME))
            .await?;
        let api = Api::<FileIntegrityAcceptance>::namespaced(operator, &space.namespace);
        let ended = Patch::Merge(json!({"status": {"retainUntil": "2026-01-02T03:04:05Z"}}));
        api.patch_status("a", &PatchParams::default(), &ended)
            .await?;
        space
            .until_deleted::<FileIntegrityAcceptance>("a", "the end of the retention")
            .await
    })
    .await
}

fn retention_days(acceptance: &FileIntegrityAcceptance) -> anyhow::Result<i64> {
    let status = serde_json::to_value(&acceptance.status)?;
    let until: jiff::Timestamp = status["retainUntil"].as_str().context("unset")?.parse()?;
    Ok(until.duration_since(time::now().0).as_hours() / 24)
}

#[tokio::test]
async fn the_plugin_accepts_what_it_has_shown() -> anyhow::Result<()> {
    in_space("acceptance-plugin", async |space| {
        let _operator = space.operator("one").await?;
        let mut fleet = Fleet::new(space, 4).await?;
        for daemon in &mut fleet.daemons[..3] {
            daemon.reports(&json_report("/etc/new", 1)).await?;
        }
        fleet.daemons[3]
            .reports(&json_report("/etc/new", 2))
            .await?;
        fleet.until_shown(&[3, 1]).await?;
        until_policy_counts(space).await?;
        let set = set_of(1)?;
        let accept = ["accept", &set[..12], "--reason", "openssl"];
        refusals(space, &accept).await?;

        let roles = [
            "fileintegrity-accepter-role",
            "fileintegrity-log-reader-role",
        ];
        let accepter = Kubectl::bound(space, "accepter", &roles).await?;
        let error = accepter.fails(&accept, 2)?;
        anyhow::ensure!(error.contains("-y confirms"), "{error}");
        let text = accepter.prints(&[&accept[..], &["--dry-run"]].concat(), 0)?;
        shown(&text);
        anyhow::ensure!(text.contains("/etc/new") && text.contains(&set), "{text}");
        let all = space.api::<FileIntegrityAcceptance>();
        anyhow::ensure!(all.list(&ListParams::default()).await?.items.is_empty());

        let nodes = fleet.nodes[..2].join(",");
        let more = [
            "--nodes",
            &nodes,
            "--ticket",
            "CHG1",
            "--until",
            "1h",
            "-y",
            "--wait",
            "--timeout",
            "1s",
        ];
        // It waits for the end, which is in an hour.
        let timed_out = accepter.run_beside(&[&accept[..], &more].concat()).await?;
        assert_eq!(timed_out.status.code(), Some(124), "{timed_out:?}");
        let node = [
            "accept",
            &fleet.nodes[3],
            "--reason",
            "cron",
            "-y",
            "--wait",
        ];
        let ended = accepter.run_beside(&node).await?;
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let text = String::from_utf8(ended.stdout)?;
        shown(&text);
        anyhow::ensure!(text.contains("Accepted: 1 accepted, 0 refused"), "{text}");
        let all = all.list(&ListParams::default()).await?.items;
        let spec = |set: &str| {
            let mut specs = all.iter().map(|acceptance| &acceptance.spec);
            let spec = specs
                .find(|spec| spec.change_set.as_deref() == Some(set))
                .context("the spec")?;
            anyhow::Ok(serde_json::to_value(spec)?)
        };
        let of_set = spec(&set)?;
        assert_eq!(of_set["nodes"], json!({"names": fleet.nodes[..2]}));
        assert_eq!(of_set["approvedBy"], json!({"username": "accepter"}));
        assert_eq!(of_set["ticket"], json!("CHG1"));
        let of_node = spec(&set_of(2)?)?;
        assert_eq!(of_node["nodes"], json!({"names": [fleet.nodes[3]]}));
        assert_eq!(fleet.condition(2).await?, Some(Condition::Failed));
        for node in [0, 1, 3] {
            eventually("the new baseline", async || {
                let condition = fleet.condition(node).await?;
                Ok(condition.filter(|it| *it == Condition::Succeeded))
            })
            .await?;
        }
        Ok(())
    })
    .await
}

/// Each refusal names the missing right, or what is invalid, before it asks for confirmation.
async fn refusals(space: &Space, accept: &[&str]) -> anyhow::Result<()> {
    let viewer = ["fileintegrity-viewer-role", "fileintegrity-log-reader-role"];
    let viewer = Kubectl::bound(space, "only-viewer", &viewer).await?;
    let error = viewer.fails(accept, 2)?;
    anyhow::ensure!(
        error.contains("you may not create fileintegrityacceptances in the namespace")
            && error.contains("fileintegrity-accepter-role"),
        "{error}"
    );
    let rules = json!([{
        "apiGroups": ["fileintegrity.openshift.io"],
        "resources": ["fileintegrityacceptances", "fileintegritynodestatuses"],
        "verbs": ["create", "list"],
    }]);
    let (user, _) = space.user("creator", rules).await?;
    let creator = Kubectl::of_groups(space, &user, &["system:authenticated"])?;
    let error = creator.fails(accept, 2)?;
    anyhow::ensure!(
        error.contains("this requires the verb accept on it"),
        "{error}"
    );
    let blind = ["fileintegrity-accepter-role"];
    let blind = Kubectl::bound(space, "blind", &blind).await?;
    let error = blind.fails(accept, 2)?;
    anyhow::ensure!(error.contains("you may not get configmaps"), "{error}");
    let until = [accept, &["--until", "31d"]].concat();
    let error = blind.fails(&until, 2)?;
    anyhow::ensure!(error.contains("at most 30 days later"), "{error}");
    let error = blind.fails(&["accept", accept[1], "--reason", "a\u{1b}[31m"], 2)?;
    anyhow::ensure!(
        error.contains("reason must state") && !error.contains('\u{1b}'),
        "{error}"
    );
    let error = blind.fails(&["accept", "node/nowhere", "--reason", "x"], 2)?;
    anyhow::ensure!(error.contains("there is no node"), "{error}");
    Ok(())
}

/// As after an update of the operator alone.
#[tokio::test]
async fn an_operator_that_may_not_list_acceptances_does_everything_else() -> anyhow::Result<()> {
    in_space("acceptance-role", async |space| {
        let roles = space.api::<Role>();
        let mut role = roles.get(names::OPERATOR_NAME).await?;
        let is_about_acceptances = |rule: &PolicyRule| {
            let resources = rule.resources.as_deref().unwrap_or_default();
            resources
                .iter()
                .any(|resource| resource.starts_with("fileintegrityacceptances"))
        };
        let granted = role.rules.get_or_insert_default();
        let before = granted.len();
        granted.retain(|rule| !is_about_acceptances(rule));
        anyhow::ensure!(granted.len() < before, "no rule about acceptances");
        roles
            .replace(names::OPERATOR_NAME, &PostParams::default(), &role)
            .await?;
        let list = json!({"resourceAttributes": {
            "namespace": space.namespace, "verb": "list",
            "group": "fileintegrity.openshift.io", "resource": "fileintegrityacceptances",
        }});
        space
            .until_may(&space.namespace, names::OPERATOR_NAME, &list, false)
            .await?;
        let _operator = space.operator("one").await?;
        let fleet = Fleet::new(space, 1).await?;
        assert_eq!(fleet.condition(0).await?, Some(Condition::Succeeded));
        anyhow::ensure!(
            space.log().contains("continuing without them"),
            "no log line"
        );
        Ok(())
    })
    .await
}
