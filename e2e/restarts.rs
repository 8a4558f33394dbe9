//! Operators and daemons that are stopped during their work and restarted, and an API server that
//! is unreachable for some time.

use anyhow::{Result, ensure};
use fio::testing::api::{Condition, Phase, names};
use kube::ResourceExt as _;
use serde_json::json;

use crate::harness::{Fi, Node, Test, on_all_nodes, on_one_node, until};

#[tokio::test]
async fn results_are_reported_once_after_restarts() -> Result<()> {
    on_all_nodes("restarts", async |t| {
        let (first, second) = t.two_nodes()?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        first.files("printf x > new").await?;
        fi.result(&first.name, Condition::Failed).await?;
        fi.event("NodeIntegrityStatus", &format!("node {first} has changed!"))
            .await?;
        let before = fi.events().await?;
        let baseline = fi.baseline(&first.name).await?;

        t.replace_operator().await?;
        for node in [first, second] {
            t.delete_pod(&fi.daemon(&node.name).await?).await?;
        }
        let last = fi.scans(&first.name, 2).await?;
        assert_eq!(last.condition, Condition::Failed, "{last:?}");
        fi.scans(&second.name, 2).await?;
        t.kill_pod(&t.operator().await?).await?;
        t.operator_leads().await?;
        fi.scans(&first.name, 1).await?;
        assert_eq!(fi.events().await?, before, "events after the restarts");
        assert_eq!(fi.baseline(&first.name).await?, baseline, "baseline");
        fi.phase(Phase::Active).await?;
        Ok(())
    })
    .await
}

/// Waits until this object has got so far, and then kills the operator.
async fn kill_operator_at(
    t: &Test,
    point: &str,
    is_there: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    until(point, is_there).await?;
    t.kill_pod(&t.operator().await?).await
}

#[tokio::test]
async fn an_operator_killed_in_a_roll_out_finishes_it() -> Result<()> {
    on_all_nodes("killed-operator", async |t| {
        let fi = t.create(json!({})).await?;
        kill_operator_at(t, "there is a status of a node", async || {
            let nodes = fi.status_nodes().await?;
            ensure!(!nodes.is_empty(), "none");
            Ok(())
        })
        .await?;
        kill_operator_at(t, "there is the DaemonSet", async || {
            fi.daemon_set().await.map(|_| ())
        })
        .await?;
        t.operator_leads().await?;
        fi.watched().await?;
        are_reported_once(&fi, t).await?;

        let mut before = Vec::new();
        for node in t.nodes() {
            before.push(fi.baseline(&node.name).await?);
        }
        fi.annotate(names::Annotation::REINIT, "").await?;
        kill_operator_at(t, "the annotation has become a record", async || {
            let annotations = fi.get().await?.metadata.annotations.unwrap_or_default();
            ensure!(
                !annotations.contains_key(names::Annotation::REINIT),
                "{annotations:?}"
            );
            Ok(())
        })
        .await?;
        t.operator_leads().await?;
        for (node, before) in t.nodes().iter().zip(&before) {
            fi.new_baseline(&node.name, before).await?;
        }
        fi.phase(Phase::Active).await?;
        until("the re-init DaemonSet's pods are deleted", async || {
            let pods = fi.pods().await?.len();
            ensure!(pods == t.nodes().len(), "{pods} pods");
            Ok(())
        })
        .await?;
        for node in t.nodes() {
            fi.scans(&node.name, 1).await?;
            let backups = node
                .sh("ls /etc/kubernetes | grep -c '^aide.db.gz.backup-'")
                .await?;
            assert_eq!(backups, "1", "re-initializations on {node}");
        }
        let annotations = fi.get().await?.metadata.annotations.unwrap_or_default();
        assert!(
            !annotations.contains_key(names::Annotation::REINIT_RECORD),
            "the record is dropped: {annotations:?}"
        );
        Ok(())
    })
    .await
}

/// Each phase and each node's first result have one event.
async fn are_reported_once(fi: &Fi<'_>, t: &Test) -> Result<()> {
    let phases = fi.event_messages("FileIntegrityStatus").await?;
    let active = phases.iter().filter(|phase| *phase == "Active").count();
    assert_eq!(active, 1, "events with Active: {phases:?}");
    let mut deduplicated = phases.clone();
    deduplicated.dedup();
    assert_eq!(deduplicated, phases, "no phase is reported twice in a row");
    let messages = fi.event_messages("NodeIntegrityStatus").await?;
    for node in t.nodes() {
        let clean = format!("no changes to node {node}");
        let reported = messages.iter().filter(|message| **message == clean).count();
        assert_eq!(reported, 1, "{clean}: {messages:?}");
    }
    Ok(())
}

/// Waits until AIDE has written so many further reports, as seen on the node alone.
async fn reports(node: &Node, count: u32) -> Result<()> {
    let seen = async || node.sh("stat -c %y-%i /etc/kubernetes/aide.log").await;
    for done in 0..count {
        let before = seen().await?;
        until(
            format!("{count} further reports; there were {done}"),
            async || {
                let now = seen().await?;
                ensure!(now != before, "the last one is of {before}");
                Ok(())
            },
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn scans_continue_without_the_api_and_are_reported_afterwards() -> Result<()> {
    on_one_node("api-unreachable", async |t| {
        let node = t.node()?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let daemon = fi.daemon(&node.name).await?;
        // So that none is under way.
        fi.scans(&node.name, 1).await?;
        node.cut_off(&daemon, &t.api_server().await?).await?;
        let before = fi.status(&node.name).await?.last_result;
        node.files("printf x > new").await?;
        reports(node, 2).await?;
        let last = fi.status(&node.name).await?.last_result;
        assert_eq!(last, before, "nothing was reported");
        node.reconnect().await?;

        fi.result(&node.name, Condition::Failed).await?;
        let start = format!("node {node} has changed!");
        fi.event("NodeIntegrityStatus", &start).await?;
        fi.scans(&node.name, 1).await?;
        let messages = fi.event_messages("NodeIntegrityStatus").await?;
        let reported = messages
            .iter()
            .filter(|message| message.starts_with(&start))
            .count();
        assert_eq!(reported, 1, "it is reported once: {messages:?}");
        let pod = fi.daemon(&node.name).await?;
        assert_eq!(pod.uid(), daemon.uid(), "the daemon is the same");
        let containers = pod.status.and_then(|s| s.container_statuses);
        let restarts: i32 = containers.iter().flatten().map(|c| c.restart_count).sum();
        assert_eq!(restarts, 0, "restarts of the daemon");
        Ok(())
    })
    .await
}
