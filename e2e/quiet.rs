//! What must not happen: writes without changes, watches of others' objects, false alarms.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use fio::testing::api::Condition;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::json;

use crate::harness::audit::{Audit, Request};
use crate::harness::{Test, on_one_node, until};

/// Number of scans of an idle node that must have no alarm.
const IDLE_SCANS: u32 = 10;

/// The name of a ServiceAccount of the operator's namespace, as the API server logs it.
fn account(t: &Test, name: &str) -> String {
    format!("system:serviceaccount:{}:{name}", t.namespace())
}

#[tokio::test]
async fn a_clean_scan_costs_one_write() -> Result<()> {
    on_one_node("one-write", async |t| {
        let node = &t.node()?.name;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        // What follows the first result (counts in the status) is over before the second, except that
        // realtime detection is active since then.
        fi.condition("Realtime", "True", "Active").await?;
        let requests = fi.requests_in_scans(node, 3).await?;
        let short = |which: &dyn Fn(&Request) -> bool| {
            let such = requests.iter().filter(|r| r.verb != "watch" && which(r));
            such.map(Request::short).collect::<Vec<_>>()
        };

        let daemon = fi.daemon(node).await?.metadata.name;
        let one = format!("patch fileintegritynodestatuses one-write-{node} (200)");
        assert_eq!(
            short(&|r| r.pod == daemon),
            vec![one; 3],
            "the daemon's requests in three clean scans"
        );
        let operator = account(t, "file-integrity-operator");
        assert_eq!(
            short(&|r| r.user == operator && r.name.contains("one-write")),
            Vec::<String>::new(),
            "the operator's requests in three clean scans"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_daemon_watches_its_own_status_and_nothing_else() -> Result<()> {
    on_one_node("own-watch", async |t| {
        let node = t.node()?;
        let audit = Audit::start().await?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        node.files("printf x > new").await?;
        fi.result(&node.name, Condition::Failed).await?;
        fi.annotate("file-integrity.openshift.io/re-init", "")
            .await?;
        fi.result(&node.name, Condition::Succeeded).await?;

        let account = account(t, "file-integrity-daemon");
        let daemon = fi.daemon(&node.name).await?.metadata.name;
        let requests = audit
            .requests(|r| r.user == account && r.pod == daemon)
            .await?;
        let reads: BTreeSet<_> = requests
            .iter()
            .filter(|r| matches!(r.verb.as_str(), "get" | "list" | "watch"))
            .map(|r| format!("{} {} {}", r.verb, r.resource, r.name))
            .collect();
        let own = format!("watch fileintegritynodestatuses own-watch-{node}");
        assert!(reads.contains(&own), "{own} is among {reads:?}");
        let others: Vec<_> = reads
            .iter()
            .filter(|read| **read != own && **read != "get configmaps own-watch")
            .collect();
        assert!(
            others.is_empty(),
            "the daemon reads more than its own: {others:?}"
        );
        let refused: Vec<_> = requests.iter().filter(|r| r.code == 403).collect();
        assert!(
            refused.is_empty(),
            "the daemon tries what it may not: {refused:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn idle_nodes_give_no_false_alarm() -> Result<()> {
    on_one_node("idle", async |t| {
        let node = &t.node()?.name;
        let fi = t.create(json!({"config": {"profile": "generic"}})).await?;
        fi.watched().await?;
        let baseline = fi.baseline(node).await?;
        for scan in 1..=IDLE_SCANS {
            let pod = run_pod(t, "idle", node, scan).await?;
            let last = fi.scans(node, 1).await?;
            assert_eq!(
                last.condition,
                Condition::Succeeded,
                "scan {scan} of an idle node found {:?}",
                last.changes
            );
            end_pod(t, &pod).await?;
        }
        assert_eq!(fi.baseline(node).await?, baseline, "the baseline stays");
        let status = fi.status(node).await?;
        let conditions: Vec<_> = status.results.iter().map(|r| r.condition).collect();
        assert_eq!(
            conditions,
            [Condition::Succeeded],
            "conditions of all results"
        );
        fi.all_reported_at_once(node).await?;
        Ok(())
    })
    .await
}

/// Runs a pod of this test on the node, as a node's life has it, until it has ended. Returns its
/// name.
pub(crate) async fn run_pod(t: &Test, test: &str, node: &str, number: u32) -> Result<String> {
    let name = format!("{test}-{number}");
    let container = json!({"args": ["check-folder"]});
    t.create_pod(&name, node, container, json!([])).await?;
    until(format!("pod {name} has ended well"), async || {
        let phase = t
            .api::<Pod>()
            .get(&name)
            .await?
            .status
            .and_then(|s| s.phase);
        ensure!(phase.as_deref() == Some("Succeeded"), "{phase:?}");
        Ok(())
    })
    .await?;
    Ok(name)
}

/// Deletes such a pod.
pub(crate) async fn end_pod(t: &Test, pod: &str) -> Result<()> {
    t.api::<Pod>().delete(pod, &DeleteParams::default()).await?;
    Ok(())
}
