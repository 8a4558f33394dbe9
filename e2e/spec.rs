//! Changes of the spec, and hold-offs.

use anyhow::{Context as _, Result};
use fio::testing::api::{Condition, Phase, names};
use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::json;

use crate::harness::node::STATE_DIR;
use crate::harness::{Fi, on_one_node, on_two_nodes};

/// The arguments of the daemon in the DaemonSet.
fn arguments(daemon_set: &DaemonSet) -> Result<Vec<String>> {
    let template = daemon_set.spec.as_ref().map(|spec| &spec.template);
    let pod = template.and_then(|template| template.spec.as_ref());
    let container = pod.and_then(|pod| pod.containers.first());
    container
        .and_then(|container| container.args.clone())
        .context("no arguments")
}

#[tokio::test]
async fn another_pause_rolls_the_daemons_once_and_keeps_the_baseline() -> Result<()> {
    on_one_node("grace-period", async |t| {
        let node = &t.node()?.name;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let pause = json!({"spec": {"config": {"gracePeriod": 11}}});
        fi.roll(node, pause).await?;
        let arguments = arguments(&fi.daemon_set().await?)?;
        assert!(
            arguments.contains(&"--interval=11".to_owned()),
            "{arguments:?}"
        );
        Ok(())
    })
    .await
}

/// Waits until so many nodes are counted as held.
async fn held(fi: &Fi<'_>, nodes: i64) -> Result<()> {
    fi.counted(&format!("{nodes} nodes are held"), |c| c.held == nodes)
        .await
}

#[tokio::test]
async fn a_held_node_is_not_scanned_and_the_others_are() -> Result<()> {
    on_two_nodes("held", async |t| {
        let (first, second) = t.two_nodes()?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let phases = fi.event_messages("FileIntegrityStatus").await?;
        fi.annotate(names::Annotation::HOLDOFF, &first.name).await?;
        held(&fi, 1).await?;
        // A scan that was under way ends normally, and in less time than two of the other's take.
        fi.scans(&second.name, 2).await?;
        let last = fi.status(&first.name).await?.last_result;
        first.files("printf x > new").await?;
        fi.scans(&second.name, 3).await?;
        assert_eq!(
            fi.status(&first.name).await?.last_result,
            last,
            "of the held node, after three scans of the other one"
        );

        fi.remove_annotation(names::Annotation::HOLDOFF).await?;
        fi.result(&first.name, Condition::Failed).await?;
        held(&fi, 0).await?;
        assert_eq!(
            fi.event_messages("FileIntegrityStatus").await?,
            phases,
            "phases"
        );
        assert_eq!(
            fi.status(&first.name).await?.reinit,
            None,
            "no re-initialization"
        );
        Ok(())
    })
    .await
}

/// The pause is far longer than any wait of the test.
#[tokio::test]
async fn the_end_of_a_hold_off_is_followed_by_a_scan_at_once() -> Result<()> {
    on_one_node("hold-ends", async |t| {
        let node = t.node()?;
        let fi = t.create(json!({"config": {"gracePeriod": 3600}})).await?;
        fi.watched().await?;
        fi.annotate(names::Annotation::HOLDOFF, "").await?;
        held(&fi, 1).await?;
        node.files("printf x > new").await?;
        fi.remove_annotation(names::Annotation::HOLDOFF).await?;
        fi.result(&node.name, Condition::Failed).await?;
        fi.phase(Phase::Active).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_cordoned_node_is_held_and_then_has_a_new_baseline() -> Result<()> {
    on_two_nodes("cordoned", async |t| {
        let (first, second) = t.two_nodes()?;
        let spec = json!({"config": {"holdoffWhenCordoned": true}});
        let fi = t.create(spec).await?;
        fi.watched().await?;
        let before = fi.baseline(&first.name).await?;
        let other = fi.baseline(&second.name).await?;
        t.cordon(first).await?;
        held(&fi, 1).await?;
        fi.scans(&second.name, 2).await?;
        first.files("printf x > new").await?;
        let last = fi.status(&first.name).await?.last_result;
        fi.scans(&second.name, 2).await?;
        assert_eq!(
            fi.status(&first.name).await?.last_result,
            last,
            "of the cordoned node, after two scans of the other one"
        );

        t.uncordon(first).await?;
        let after = fi.new_baseline(&first.name, &before).await?;
        assert!(after.requested, "the update is the reason: {after:?}");
        fi.result(&first.name, Condition::Succeeded).await?;
        held(&fi, 0).await?;
        fi.phase(Phase::Active).await?;
        let results = fi.status(&first.name).await?.results;
        assert!(
            results.iter().all(|r| r.condition == Condition::Succeeded),
            "what the update changed is no failure: {results:?}"
        );
        assert_eq!(
            fi.baseline(&second.name).await?,
            other,
            "baseline of the other node"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn another_state_directory_gets_a_requested_baseline() -> Result<()> {
    on_one_node("state-dir", async |t| {
        let node = t.node()?;
        node.files("printf x > file").await?;
        // A text that names no directory of AIDE's, so that it stays the same.
        let name = t.config_map("/etc/fio-e2e ftype+p+sha256\n").await?;
        let with = |dir: Option<&str>| {
            let config = json!({"name": name, "namespace": t.namespace(), "stateDir": dir});
            json!({"config": config})
        };
        let fi = t.create(with(Some(STATE_DIR))).await?;
        fi.watched().await?;
        let before = fi.baseline(&node.name).await?;
        let there = format!("cd {STATE_DIR}; ls aide.db.gz aide.log aide.lock | wc -l");
        assert_eq!(node.sh(&there).await?, "3", "files in {STATE_DIR}");
        let elsewhere = "ls /etc/kubernetes | grep -c '^aide' || true";
        assert_eq!(node.sh(elsewhere).await?, "0", "files in /etc/kubernetes");

        fi.patch(json!({"spec": with(None)})).await?;
        let after = fi.new_baseline(&node.name, &before).await?;
        assert!(after.requested, "it was asked for: {after:?}");
        assert_eq!(node.digest_on_disk().await?, after.digest);
        let event = fi
            .event("BaselineReplaced", "the spec has another state directory")
            .await?;
        assert_eq!(event.kind, "Normal");
        let warned = fi.event_messages("UnrequestedReinit").await?;
        assert!(warned.is_empty(), "nothing was lost: {warned:?}");
        fi.result(&node.name, Condition::Succeeded).await?;
        fi.phase(Phase::Active).await?;
        Ok(())
    })
    .await
}
