//! Requested re-initializations.

use anyhow::{Result, ensure};
use fio::testing::api::{Condition, Phase, names};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::json;

use crate::harness::audit::Audit;
use crate::harness::test::has_ready_condition;
use crate::harness::{Fi, Node, Test, cluster, on_one_node, on_two_nodes, until};

/// Waits until the operator has created and deleted the re-init DaemonSet of this name.
async fn reinit_daemon_set_was_used(t: &Test, audit: &Audit, name: &str) -> Result<()> {
    let operator = format!(
        "system:serviceaccount:{}:file-integrity-operator",
        t.namespace()
    );
    until(
        format!("DaemonSet {name} was created and deleted"),
        async || {
            let requests = audit
                .requests(|r| {
                    r.user == operator
                        && r.resource == "daemonsets"
                        && r.name == name
                        && r.is_write()
                })
                .await?;
            let verbs: Vec<_> = requests.iter().map(|r| r.verb.as_str()).collect();
            ensure!(
                matches!(verbs.as_slice(), ["patch", .., "delete"]),
                "the operator's writes: {verbs:?}"
            );
            Ok(())
        },
    )
    .await
}

/// Waits until the re-init DaemonSet's pods are deleted.
async fn only_daemons_run(t: &Test, fi: &Fi<'_>) -> Result<()> {
    until("the re-init DaemonSet's pods are deleted", async || {
        let pods = fi.pods().await?.len();
        ensure!(pods == t.nodes().len(), "{pods} pods");
        Ok(())
    })
    .await
}

/// Checks that the annotation is removed and that the node has no open request.
async fn is_settled(fi: &Fi<'_>, node: &str) -> Result<()> {
    let annotations = fi.get().await?.metadata.annotations.unwrap_or_default();
    ensure!(
        !annotations.contains_key(names::Annotation::REINIT),
        "the annotation is there: {annotations:?}"
    );
    let status = fi.status(node).await?;
    let done = status.reinit.as_ref().map(|reinit| reinit.id.as_str());
    ensure!(
        done.is_some() && done == status.annotation(names::Annotation::REINIT_REQUEST),
        "asked for {:?}, done {:?}",
        status.annotation(names::Annotation::REINIT_REQUEST),
        status.reinit
    );
    Ok(())
}

#[tokio::test]
async fn the_annotation_reinitializes_all_nodes() -> Result<()> {
    on_two_nodes("reinit-all", async |t| {
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let phases = fi.event_messages("FileIntegrityStatus").await?;
        let mut before = Vec::new();
        for node in t.nodes() {
            node.files("printf x > new").await?;
            before.push(fi.baseline(&node.name).await?);
        }
        for node in t.nodes() {
            fi.result(&node.name, Condition::Failed).await?;
        }

        let audit = Audit::start().await?;
        fi.annotate(names::Annotation::REINIT, "").await?;
        for (node, before) in t.nodes().iter().zip(&before) {
            let baseline = fi.new_baseline(&node.name, before).await?;
            assert!(baseline.requested, "it was asked for: {baseline:?}");
            assert_ne!(baseline.digest, before.digest, "digest on {node}");
            fi.result(&node.name, Condition::Succeeded).await?;
            is_settled(&fi, &node.name).await?;
            let backups = node
                .sh("ls /etc/kubernetes/ | grep -c '^aide.db.gz.backup-[0-9]*T[0-9_]*$'")
                .await?;
            assert_eq!(backups, "1", "backups of the database on {node}");
        }
        reinit_daemon_set_was_used(t, &audit, "aide-ini-reinit-all").await?;
        fi.phase(Phase::Active).await?;
        let expected = [
            phases.as_slice(),
            &["Initializing".to_owned(), "Active".to_owned()],
        ];
        assert_eq!(
            fi.event_messages("FileIntegrityStatus").await?,
            expected.concat(),
            "phases"
        );
        only_daemons_run(t, &fi).await?;
        for node in t.nodes() {
            node.signal_is_removed().await?;
        }
        Ok(())
    })
    .await
}

/// Whether the re-init DaemonSet has a ready pod on this node.
fn is_ready_on(pods: &[Pod], daemon_set: &str, node: &Node) -> bool {
    let on_node = |pod: &&Pod| {
        let spec = pod.spec.as_ref();
        pod.labels().get("app").map(String::as_str) == Some(daemon_set)
            && spec.and_then(|spec| spec.node_name.as_ref()) == Some(&node.name)
    };
    pods.iter().filter(on_node).any(has_ready_condition)
}

/// The second node's AIDE waits until the first node is done.
#[tokio::test]
async fn a_reinit_pod_is_ready_when_its_node_has_the_new_baseline() -> Result<()> {
    on_two_nodes("ready", async |t| {
        let (first, second) = t.two_nodes()?;
        let fi = t.create(json!({"config": {"profile": "generic"}})).await?;
        fi.watched().await?;
        let ask = async || fi.annotate(names::Annotation::REINIT, "").await;
        second.stop_aide("--update", ask).await?;
        until("only the first node's re-init pod is ready", async || {
            // In this order, because a node may finish after its pod was read.
            let pods = fi.pods().await?;
            let ready = |node| is_ready_on(&pods, "aide-ini-ready", node);
            let (first_ready, second_ready) = (ready(first), ready(second));
            let late = fi.status(&second.name).await?.reinit.is_none();
            assert!(!(second_ready && late), "ready before the new baseline");
            ensure!(first_ready && late, "{first_ready}, {late}");
            Ok(())
        })
        .await?;
        // The daemon removes the signal and reports the baseline at the same time.
        until("the first node is done", async || {
            is_settled(&fi, &first.name).await
        })
        .await?;
        first.signal_is_removed().await?;
        second.continue_aide().await?;
        fi.phase(Phase::Active).await?;
        is_settled(&fi, &second.name).await?;
        only_daemons_run(t, &fi).await
    })
    .await
}

#[tokio::test]
async fn an_annotation_that_names_a_node_leaves_the_others_alone() -> Result<()> {
    on_two_nodes("reinit-one", async |t| {
        let (first, second) = t.two_nodes()?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let before = fi.baseline(&first.name).await?;
        let other = fi.baseline(&second.name).await?;

        let audit = Audit::start().await?;
        fi.annotate(names::Annotation::REINIT, &first.name).await?;
        fi.new_baseline(&first.name, &before).await?;
        is_settled(&fi, &first.name).await?;
        reinit_daemon_set_was_used(t, &audit, &format!("aide-ini-reinit-one-{first}")).await?;
        fi.phase(Phase::Active).await?;
        fi.scans(&second.name, 2).await?;
        assert_eq!(
            fi.baseline(&second.name).await?,
            other,
            "baseline of the other node"
        );
        assert_eq!(
            fi.status(&second.name).await?.reinit,
            None,
            "requests of the other node"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn re_init_on_failed_reinitializes_only_failed_nodes() -> Result<()> {
    on_two_nodes("reinit-failed", async |t| {
        let (first, second) = t.two_nodes()?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let before = fi.baseline(&first.name).await?;
        let other = fi.baseline(&second.name).await?;
        first.files("printf x > new").await?;
        fi.result(&first.name, Condition::Failed).await?;
        // The request is for the nodes that the operator knows to have failed.
        fi.counted("one node has failed", |c| c.failed == 1).await?;

        fi.annotate(names::Annotation::REINIT_ON_FAILED, "").await?;
        fi.new_baseline(&first.name, &before).await?;
        fi.result(&first.name, Condition::Succeeded).await?;
        fi.scans(&second.name, 2).await?;
        assert_eq!(
            fi.baseline(&second.name).await?,
            other,
            "baseline of the other node"
        );
        let annotations = fi.get().await?.metadata.annotations.unwrap_or_default();
        assert!(
            !annotations.contains_key(names::Annotation::REINIT_ON_FAILED),
            "the annotation is removed: {annotations:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_command_reinitializes_a_node_and_backups_are_pruned() -> Result<()> {
    on_one_node("reinit-command", async |t| {
        let node = t.node()?;
        let fi = t.create(json!({"config": {"maxBackups": 2}})).await?;
        fi.watched().await?;
        // The original's signal file is no trigger, and is removed at the next initialization.
        node.sh("touch /etc/kubernetes/aide.reinit").await?;
        fi.scans(&node.name, 1).await?;
        for _ in 0..3 {
            let before = fi.baseline(&node.name).await?;
            let (node, namespace) = (node.name.as_str(), t.namespace());
            let ask = ["reinit-signal", "--wait", "--node", node, "-n", namespace];
            cluster::fio(&ask).await?;
            let after = fi.baseline(node).await?;
            assert_ne!(after.created_at, before.created_at, "after the command");
            is_settled(&fi, node).await?;
        }
        let old_signal = node.sh("ls /etc/kubernetes/aide.reinit || true").await?;
        assert_eq!(old_signal, "", "the signal file of old");
        has_backups(node, 2).await?;
        // Fewer are wanted: what is too many goes at once, not with the next baseline.
        fi.patch(json!({"spec": {"config": {"maxBackups": 1}}}))
            .await?;
        until("one backup of each", async || has_backups(node, 1).await).await
    })
    .await
}

/// Checks that there are so many backups of the database and of the log.
async fn has_backups(node: &Node, count: u32) -> Result<()> {
    for file in ["aide.db.gz", "aide.log"] {
        let list = format!("ls /etc/kubernetes | grep -c '^{file}.backup-'");
        let backups = node.sh(&list).await?;
        ensure!(backups == count.to_string(), "{backups} backups of {file}");
    }
    Ok(())
}
