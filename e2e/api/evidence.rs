//! What new baselines accepted: the daemon's reports, which the operator promotes to evidence.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use fio::testing::api::{Condition, FileIntegrity, names};
use fio::testing::operator::evidence;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::reflector;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use crate::harness::{Space, eventually, in_space};
use crate::site::Site;

const FI: &str = "fi";
const NODE: &str = "node";

/// The reports on the node that are not published yet.
fn waiting(site: &Site<'_>) -> anyhow::Result<usize> {
    let entries = std::fs::read_dir(site.path("root/etc/kubernetes"))?;
    let names = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name());
    let is_report = |name: &str| name.starts_with("aide.accepted.json.") && !name.ends_with("new");
    Ok(names
        .filter(|name| name.to_str().is_some_and(is_report))
        .count())
}

/// Accepts the changes of the node.
async fn accept(site: &Site<'_>, request: &str) -> anyhow::Result<()> {
    site.set_request(Some(request)).await?;
    site.until("the request to be done", |status| {
        status
            .reinit
            .as_ref()
            .is_some_and(|done| done.id == request)
    })
    .await?;
    Ok(())
}

/// The same report of another node.
fn of_node(report: &ConfigMap, node: &str) -> anyhow::Result<ConfigMap> {
    let mut report = report.clone();
    let mut record: Value = serde_json::from_str(&data(&report, "record.json"))?;
    record["node"] = json!(node);
    let contents = report.data.get_or_insert_default();
    contents.insert("record.json".to_owned(), record.to_string());
    let labels = report.metadata.labels.clone().unwrap_or_default();
    let of_node = (names::Label::NODE.to_owned(), node.to_owned());
    report.metadata = kube::core::ObjectMeta {
        name: Some(format!("aide-{FI}-{node}-accepted")),
        labels: Some(labels.into_iter().chain([of_node]).collect()),
        annotations: report.metadata.annotations,
        ..kube::core::ObjectMeta::default()
    };
    Ok(report)
}

fn data(object: &ConfigMap, key: &str) -> String {
    let data = object.data.as_ref();
    data.and_then(|data| data.get(key))
        .cloned()
        .unwrap_or_default()
}

fn annotation<'a>(object: &'a ConfigMap, key: &str) -> &'a str {
    object.annotations().get(key).map_or("", String::as_str)
}

async fn labeled(space: &Space, label: &str) -> anyhow::Result<Vec<ConfigMap>> {
    let params = ListParams::default().labels(label);
    Ok(space.api::<ConfigMap>().list(&params).await?.items)
}

/// Fails unless the retention of this evidence is seven days.
fn is_kept_for_a_week(evidence: &ConfigMap) -> anyhow::Result<()> {
    let until: Timestamp = annotation(evidence, names::Annotation::RETAIN_UNTIL).parse()?;
    let created = evidence.metadata.creation_timestamp.as_ref();
    let retention = until.duration_since(created.context("a time")?.0);
    let week = SignedDuration::from_hours(7 * 24);
    let difference = (retention - week).abs();
    anyhow::ensure!(difference < SignedDuration::from_secs(60), "{retention}");
    Ok(())
}

/// The evidence by its request and result of the verification, with its nodes.
async fn evidence_of(space: &Space) -> anyhow::Result<BTreeMap<(String, bool), String>> {
    let mut found = BTreeMap::new();
    for object in labeled(space, names::Label::EVIDENCE).await? {
        let record: Value = serde_json::from_str(&data(&object, "record.json"))?;
        let request = record["baseline"]["accepted"]["request"].as_str();
        let verified = annotation(&object, names::Annotation::VERIFIED) == "true";
        let key = (request.unwrap_or_default().to_owned(), verified);
        let nodes = annotation(&object, names::Annotation::NODES).to_owned();
        anyhow::ensure!(found.insert(key, nodes).is_none(), "twice: {object:?}");
    }
    Ok(found)
}

#[tokio::test]
async fn reports_of_new_baselines_become_evidence_once_for_each_set() -> anyhow::Result<()> {
    in_space("evidence", async |space| {
        let site = Site::new(space, FI, NODE, "600").await?;
        let _daemon = site.daemon().await?;
        site.until("a clean result", |status| {
            status.condition() == Some(Condition::Succeeded)
        })
        .await?;
        site.change()?;
        accept(&site, "r1-annotation").await?;
        let api = space.api::<ConfigMap>();
        let name = format!("aide-{FI}-{NODE}-accepted");
        let report = eventually("the report", async || Ok(api.get_opt(&name).await?)).await?;
        eventually("no report to wait", async || {
            Ok((waiting(&site)? == 0).then_some(()))
        })
        .await?;
        // Until it is promoted, that of the next baseline waits: it is not overwritten.
        site.put("one", "later")?;
        accept(&site, "r2-on-failed").await?;
        eventually("the second report to wait", async || {
            Ok((waiting(&site)? == 1).then_some(()))
        })
        .await?;
        assert_eq!(api.get(&name).await?.uid(), report.uid());
        // Another node with the same changes, and one that claims them.
        let operator = site.operator().await?;
        let operators = Api::<ConfigMap>::namespaced(operator.clone(), &space.namespace);
        let mut lie = of_node(&report, "liar")?;
        lie.binary_data = None;
        for other in [of_node(&report, "second")?, lie] {
            operators.create(&PostParams::default(), &other).await?;
        }
        let spec = json!({"spec": {"evidence": {"retentionDays": 7}}});
        let fi = space.merge::<FileIntegrity>(FI, spec).await?;
        let (file_integrities, mut listed) = reflector::store();
        listed.apply_watcher_event(&Event::Apply(fi));
        let (namespace, reporter) = (space.namespace.clone(), "test".to_owned());
        let keeper = evidence::keep(
            operator,
            namespace,
            reporter,
            file_integrities,
            Arc::default(),
        );
        let keeper = tokio::spawn(keeper);
        let of = |request: &str, verified| (request.to_owned(), verified);
        let expected = BTreeMap::from([
            (of("r1-annotation", true), "node,second".to_owned()),
            (of("r1-annotation", false), "liar".to_owned()),
            (of("r2-on-failed", true), "node".to_owned()),
        ]);
        eventually("all evidence", async || {
            let found = evidence_of(space).await?;
            Ok((found == expected).then_some(()))
        })
        .await?;
        eventually("no report to be left", async || {
            let left = labeled(space, names::Label::ACCEPTED).await?.len();
            Ok((left == 0 && waiting(&site)? == 0).then_some(()))
        })
        .await?;
        let all = labeled(space, names::Label::EVIDENCE).await?;
        let first = all
            .iter()
            .find(|object| annotation(object, names::Annotation::NODES) == "node,second");
        let first = first.context("the first evidence")?;
        let text = data(first, names::KEY_INTEGRITY_LOG);
        assert!(text.contains("/watched/new"), "{text}");
        assert_eq!(first.binary_data, report.binary_data);
        assert_eq!(first.metadata.owner_references, None);
        is_kept_for_a_week(first)?;
        // Nobody changes it.
        let change = Patch::Merge(json!({"data": {"record.json": "{}"}}));
        let refused = operators
            .patch(&first.name_any(), &PatchParams::default(), &change)
            .await;
        assert!(
            matches!(&refused, Err(kube::Error::Api(status)) if status.code == 422),
            "{refused:?}"
        );
        // At the end of its retention it is deleted.
        let ended = json!({"metadata": {"annotations": {
            names::Annotation::RETAIN_UNTIL: "2026-01-02T03:04:05Z",
        }}});
        operators
            .patch(
                &first.name_any(),
                &PatchParams::default(),
                &Patch::Merge(ended),
            )
            .await?;
        eventually("the end of the retention", async || {
            let left = labeled(space, names::Label::EVIDENCE).await?.len();
            Ok((left == 2).then_some(()))
        })
        .await?;
        keeper.abort();
        Ok(())
    })
    .await
}

/// Evidence of a FileIntegrity, as large as this.
fn of_size(fi: &str, number: usize, size: usize) -> anyhow::Result<ConfigMap> {
    Ok(serde_json::from_value(json!({"metadata": {
        "name": format!("aide-{fi}-set-{number:0>32}"),
        "labels": {names::Label::EVIDENCE: "", names::Label::OWNER: fi},
        "annotations": {"file-integrity.openshift.io/size": size.to_string()},
    }}))?)
}

#[tokio::test]
async fn users_are_warned_once_before_evidence_takes_too_much_space() -> anyhow::Result<()> {
    in_space("evidence-space", async |space| {
        for fi in ["fi", "without"] {
            space.file_integrity(fi, json!({})).await?;
        }
        let operator = space
            .client_as(&space.account(names::OPERATOR_NAME))
            .await?;
        let evidence = Api::<ConfigMap>::namespaced(operator, &space.namespace);
        let first = of_size("fi", 1, 200_000_000)?;
        evidence.create(&PostParams::default(), &first).await?;
        let leader = space.operator("op").await?;
        let warnings = async |fi| space.event_messages(fi, "EvidenceNearLimit").await;
        // That of a FileIntegrity that was deleted counts, too.
        let more = of_size("deleted", 2, 20_000_000)?;
        evidence.create(&PostParams::default(), &more).await?;
        let warning = eventually("the warning", async || Ok(warnings("fi").await?.pop())).await?;
        assert!(
            warning.contains("80 percent of its limit of 256 MiB"),
            "{warning}"
        );
        // Another operator does not repeat it.
        leader.stop().await?;
        let _next = space.operator("next").await?;
        eventually("the next operator's look at it", async || {
            let log = space.log();
            let is_next =
                |line: &str| line.starts_with("next ") && line.contains("more than 80 percent");
            Ok(log.lines().any(is_next).then_some(()))
        })
        .await?;
        assert_eq!(warnings("fi").await?.len(), 1);
        assert_eq!(warnings("without").await?.len(), 0);
        Ok(())
    })
    .await
}
