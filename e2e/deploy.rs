//! From a FileIntegrity to daemons on its nodes.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use fio::testing::api::{Condition, FileIntegrityNodeStatus, NodeCounts, Phase, names};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::harness::test::selecting;
use crate::harness::{on_all_nodes, on_one_node, on_two_nodes, until};

#[tokio::test]
async fn a_file_integrity_becomes_active_on_all_nodes() -> Result<()> {
    on_all_nodes("becomes-active", async |t| {
        let fi = t.create(json!({"config": {"profile": "generic"}})).await?;
        fi.watched().await?;

        let nodes: BTreeSet<String> = t.nodes().iter().map(|n| n.name.clone()).collect();
        assert_eq!(fi.status_nodes().await?, nodes, "nodes that have a status");
        for node in t.nodes() {
            let status = fi.status(&node.name).await?;
            let baseline = fi.baseline(&node.name).await?;
            assert!(baseline.requested, "nothing to warn of: {baseline:?}");
            assert_eq!(
                status.annotation(names::Annotation::DESIRED_CONFIG),
                Some(baseline.config_hash.as_str()),
                "the baseline is of the wanted configuration"
            );
            assert!(baseline.entries > 1000, "the default watches: {baseline:?}");
            assert_eq!(baseline.digest, node.digest_on_disk().await?, "on {node}");
            fi.event("NodeIntegrityStatus", &format!("no changes to node {node}"))
                .await?;
        }

        let all = t.cluster_api::<Node>().list(&ListParams::default()).await?;
        let selected = i64::try_from(nodes.len())?;
        let counts = NodeCounts {
            selected,
            initialized: selected,
            // kind's control plane, which has a taint.
            not_selected: i64::try_from(all.items.len())? - selected,
            ..NodeCounts::default()
        };
        fi.counts(counts).await?;
        fi.condition("Ready", "True", "Active").await?;
        fi.condition("ConfigValid", "True", "Valid").await?;
        fi.condition("Degraded", "False", "AsExpected").await?;
        assert_eq!(
            fi.event_messages("FileIntegrityStatus").await?,
            ["Pending", "Initializing", "Active"],
            "each phase is reported once"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn two_file_integrities_watch_a_node_each() -> Result<()> {
    on_two_nodes("two-apart", async |t| {
        let (first, second) = t.two_nodes()?;
        let one = t
            .create_named("two-apart-1", json!({"nodeSelector": selecting(first)}))
            .await?;
        let two = t
            .create_named("two-apart-2", json!({"nodeSelector": selecting(second)}))
            .await?;
        for (fi, node) in [(&one, first), (&two, second)] {
            fi.phase(Phase::Active).await?;
            fi.result(&node.name, Condition::Succeeded).await?;
            assert_eq!(
                fi.status_nodes().await?,
                BTreeSet::from([node.name.clone()])
            );
            fi.condition("Degraded", "False", "AsExpected").await?;
        }

        first.files("printf x > new").await?;
        one.result(&first.name, Condition::Failed).await?;
        let other = two.scans(&second.name, 2).await?;
        assert_eq!(
            other.condition,
            Condition::Succeeded,
            "of the other one: {other:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn two_file_integrities_on_one_node_are_degraded() -> Result<()> {
    on_one_node("overlap", async |t| {
        let node = &t.node()?.name;
        let first = t.create_named("overlap-1", json!({})).await?;
        first.phase(Phase::Active).await?;
        first.result(node, Condition::Succeeded).await?;
        let baseline = first.baseline(node).await?;

        let second = t.create_named("overlap-2", json!({})).await?;
        for fi in [&first, &second] {
            let message = fi.condition("Degraded", "True", "Overlap").await?;
            for name in ["overlap-1", "overlap-2"] {
                assert!(message.contains(name), "{name} is named: {message}");
            }
        }
        let last = first.scans(node, 2).await?;
        assert_eq!(
            last.condition,
            Condition::Succeeded,
            "the first goes on: {last:?}"
        );
        assert_eq!(
            first.baseline(node).await?,
            baseline,
            "nobody else writes the baseline"
        );

        second.delete().await?;
        first.condition("Degraded", "False", "AsExpected").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nothing_is_deployed_before_the_initial_delay_is_over() -> Result<()> {
    on_one_node("initial-delay", async |t| {
        let fi = t.create(json!({"config": {"initialDelay": 12}})).await?;
        fi.phase(Phase::Pending).await?;
        let active = fi.phase(Phase::Active).await?;
        let created = active
            .metadata
            .creation_timestamp
            .context("a creation time")?;
        let deployed = fi.daemon_set().await?.metadata.creation_timestamp;
        let deployed = deployed.context("a creation time of the DaemonSet")?;
        let delay = deployed.0.duration_since(created.0).as_secs();
        assert!(delay >= 12, "deployed {delay} s after the creation");
        assert_eq!(
            fi.event_messages("FileIntegrityStatus").await?,
            ["Pending", "Initializing", "Active"],
            "phases"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn manually_deleted_objects_are_restored() -> Result<()> {
    on_one_node("comes-back", async |t| {
        let node = t.node()?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let baseline = fi.baseline(&node.name).await?;
        node.files("printf x > new").await?;
        fi.result(&node.name, Condition::Failed).await?;

        let statuses = t.api::<FileIntegrityNodeStatus>();
        let status = format!("{}-{node}", fi.name);
        statuses.delete(&status, &DeleteParams::default()).await?;
        let result = fi.result(&node.name, Condition::Failed).await?;
        assert_eq!(
            result.files_added, 2,
            "the directory and the file: {result:?}"
        );
        assert_eq!(fi.baseline(&node.name).await?, baseline, "baseline");

        let daemon_sets = t.api::<DaemonSet>();
        let (daemon_set, old) = (fi.daemon_set().await?, fi.daemon(&node.name).await?);
        let name = daemon_set.name_any();
        daemon_sets.delete(&name, &DeleteParams::default()).await?;
        until("another DaemonSet", async || {
            let now = fi.daemon_set().await?.uid();
            ensure!(now != daemon_set.uid(), "the old one");
            Ok(())
        })
        .await?;
        // While it exists, the new daemon can only report that it does not get the lock of the baseline.
        t.is_deleted(&old).await?;
        let result = fi.scans(&node.name, 2).await?;
        assert_eq!(result.condition, Condition::Failed, "{result:?}");
        assert_eq!(fi.baseline(&node.name).await?, baseline, "baseline");
        let warned = fi.event_messages("UnrequestedReinit").await?;
        assert!(warned.is_empty(), "nothing was lost: {warned:?}");
        fi.phase(Phase::Active).await?;
        Ok(())
    })
    .await
}
