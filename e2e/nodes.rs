//! Nodes that come, go, stop, start, and stop being selected.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use fio::testing::api::{Condition, NodeCounts, Phase, names};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use crate::harness::test::selecting;
use crate::harness::{Node, Test, on_all_nodes, on_one_node, on_two_nodes, until};

/// A node that the operator does not run on.
async fn without_operator(t: &Test) -> Result<&Node> {
    let pod = t.operator().await?;
    let operators = pod.spec.and_then(|spec| spec.node_name);
    let other = t
        .nodes()
        .iter()
        .find(|n| Some(&n.name) != operators.as_ref());
    other.context("every node has an operator")
}

#[tokio::test]
async fn a_stopped_node_is_stale_and_nothing_waits_for_it() -> Result<()> {
    on_two_nodes("stopped-node", async |t| {
        let stopped = without_operator(t).await?;
        let running: Vec<_> = t.nodes().iter().filter(|n| *n != stopped).collect();
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let phases = fi.event_messages("FileIntegrityStatus").await?;
        let old = fi.baseline(&stopped.name).await?;
        let mut before = Vec::new();
        for node in &running {
            before.push(fi.baseline(&node.name).await?);
        }
        let selected = i64::try_from(t.nodes().len())?;
        let all = NodeCounts {
            selected,
            initialized: selected,
            ..NodeCounts::default()
        };
        fi.counts(all).await?;

        t.stop_node(stopped).await?;
        fi.counts(NodeCounts { stale: 1, ..all }).await?;
        let message = fi.condition("Degraded", "True", "NodesNotReady").await?;
        assert!(message.contains(&stopped.name), "it is named: {message}");
        fi.phase(Phase::Active).await?;
        assert_eq!(
            fi.event_messages("FileIntegrityStatus").await?,
            phases,
            "phases"
        );

        fi.annotate(names::Annotation::REINIT, "").await?;
        for (node, before) in running.iter().zip(&before) {
            fi.new_baseline(&node.name, before).await?;
        }
        fi.phase(Phase::Active).await?;
        let kept = fi.baseline(&stopped.name).await?;
        assert_eq!(kept, old, "while it is stopped");

        t.start_node(stopped).await?;
        fi.ready_daemon(&stopped.name, None).await?;
        let late = fi.new_baseline(&stopped.name, &old).await?;
        assert!(late.requested, "it was asked for: {late:?}");
        fi.phase(Phase::Active).await?;
        fi.counts(all).await?;
        fi.condition("Degraded", "False", "AsExpected").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_status_is_created_and_deleted_with_its_node() -> Result<()> {
    on_all_nodes("new-node", async |t| {
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let names: BTreeSet<String> = t.nodes().iter().map(|n| n.name.clone()).collect();
        let new = t.add_node().await?;
        fi.result(&new.name, Condition::Succeeded).await?;
        fi.phase(Phase::Active).await?;
        let mut more = names.clone();
        more.insert(new.name.clone());
        assert_eq!(fi.status_nodes().await?, more, "with the new node");

        t.remove_node(&new).await?;
        until(format!("only {names:?} have a status"), async || {
            let seen = fi.status_nodes().await?;
            ensure!(seen == names, "{seen:?}");
            Ok(())
        })
        .await?;
        fi.phase(Phase::Active).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_node_that_is_not_selected_any_more_leaves_nothing() -> Result<()> {
    on_two_nodes("selector", async |t| {
        let (first, second) = t.two_nodes()?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let baseline = fi.baseline(&first.name).await?;
        second.files("printf x > new").await?;
        fi.result(&second.name, Condition::Failed).await?;

        fi.patch(json!({"spec": {"nodeSelector": selecting(first)}}))
            .await?;
        until(
            "only the selected node has a status and a pod",
            async || {
                let nodes = fi.status_nodes().await?;
                ensure!(nodes.len() == 1 && nodes.contains(&first.name), "{nodes:?}");
                let pods = fi.pods().await?;
                let on: Vec<_> = pods.iter().filter_map(node_of).collect();
                ensure!(on == [first.name.as_str()], "pods on {on:?}");
                Ok(())
            },
        )
        .await?;
        let one = NodeCounts {
            selected: 1,
            initialized: 1,
            ..NodeCounts::default()
        };
        fi.counts(one).await?;
        fi.phase(Phase::Active).await?;
        assert_eq!(
            fi.baseline(&first.name).await?,
            baseline,
            "the other goes on"
        );
        Ok(())
    })
    .await
}

/// The name of the node that a pod is on.
fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

#[tokio::test]
async fn a_taint_keeps_a_node_out_until_it_is_tolerated() -> Result<()> {
    on_two_nodes("shut-out", async |t| {
        let (first, second) = t.two_nodes()?;
        t.taint(second, "fio-e2e").await?;
        let fi = t.create(json!({})).await?;
        fi.phase(Phase::Active).await?;
        fi.result(&first.name, Condition::Succeeded).await?;
        assert_eq!(
            fi.status_nodes().await?,
            BTreeSet::from([first.name.clone()]),
            "nodes with a status"
        );
        let tolerations = json!([{"key": "fio-e2e", "operator": "Exists"}]);
        fi.patch(json!({"spec": {"tolerations": tolerations}}))
            .await?;
        fi.result(&second.name, Condition::Succeeded).await?;
        fi.phase(Phase::Active).await?;
        Ok(())
    })
    .await
}

/// The cluster leaves a daemon's pod alone that a taint would not let come, and makes no other one in
/// its place.
#[tokio::test]
async fn a_later_taint_does_not_hide_the_results_of_a_node() -> Result<()> {
    on_one_node("tainted-later", async |t| {
        let node = t.node()?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let baseline = fi.baseline(&node.name).await?;
        t.taint(node, "fio-e2e").await?;
        fi.scans(&node.name, 1).await?;
        node.files("printf x > new").await?;
        fi.result(&node.name, Condition::Failed).await?;
        assert_eq!(fi.baseline(&node.name).await?, baseline);

        t.delete_pod(&fi.daemon(&node.name).await?).await?;
        let message = fi.condition("Degraded", "True", "NodesShutOut").await?;
        assert!(message.contains(&node.name), "it is named: {message}");
        fi.phase(Phase::Active).await?;
        fi.result(&node.name, Condition::Failed).await?;

        let tolerations = json!([{"key": "fio-e2e", "operator": "Exists"}]);
        fi.patch(json!({"spec": {"tolerations": tolerations}}))
            .await?;
        fi.ready_daemon(&node.name, None).await?;
        fi.scans(&node.name, 1).await?;
        fi.condition("Degraded", "False", "AsExpected").await?;
        assert_eq!(fi.baseline(&node.name).await?, baseline, "nothing was lost");
        fi.result(&node.name, Condition::Failed).await?;
        Ok(())
    })
    .await
}
