//! Baselines that are lost, replaced or cut off, and one that outlives its FileIntegrity.

use anyhow::{Context as _, Result, ensure};
use fio::testing::api::{Baseline, Condition, Phase, names};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use crate::harness::node::FILES;
use crate::harness::{Fi, Node, on_one_node, until};

/// Waits for an unrequested baseline that replaces `before`, with the event that contains the digests
/// of both, and returns it.
async fn unrequested(fi: &Fi<'_>, node: &str, before: &Baseline) -> Result<Baseline> {
    let unrequested = fi.new_baseline(node, before).await?;
    assert!(!unrequested.requested, "it is unrequested: {unrequested:?}");
    let event = fi.event("UnrequestedReinit", "").await?;
    assert_eq!(event.kind, "Warning");
    for digest in [&before.digest, &unrequested.digest] {
        assert!(
            event.message.contains(digest),
            "{digest} is reported: {}",
            event.message
        );
    }
    fi.result(node, Condition::Succeeded).await?;
    fi.scans(node, 2).await?;
    let messages = fi.event_messages("UnrequestedReinit").await?;
    assert_eq!(messages.len(), 1, "it is reported once: {messages:?}");
    assert_eq!(fi.baseline(node).await?, unrequested, "and done once");
    Ok(unrequested)
}

/// Requests a baseline that replaces `before`, and waits for it.
async fn requested(fi: &Fi<'_>, node: &str, before: &Baseline) -> Result<Baseline> {
    fi.annotate(names::Annotation::REINIT, "").await?;
    let requested = fi.new_baseline(node, before).await?;
    assert!(requested.requested, "it is requested: {requested:?}");
    Ok(requested)
}

#[tokio::test]
async fn a_signal_without_a_request_reinitializes_and_is_reported() -> Result<()> {
    on_one_node("touched", async |t| {
        let node = t.node()?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let before = fi.baseline(&node.name).await?;
        node.files("printf x > new").await?;
        fi.result(&node.name, Condition::Failed).await?;
        node.sh("touch /run/aide.reinit").await?;
        let unrequested = unrequested(&fi, &node.name, &before).await?;
        node.signal_is_removed().await?;
        requested(&fi, &node.name, &unrequested).await?;
        node.signal_is_removed().await
    })
    .await
}

#[tokio::test]
async fn a_lost_baseline_is_reinitialized_and_reported() -> Result<()> {
    on_one_node("lost-baseline", async |t| {
        let node = t.node()?;
        node.files("printf x > file").await?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let before = fi.baseline(&node.name).await?;
        node.sh("printf y > file; rm /etc/kubernetes/aide.db.gz")
            .await?;
        let unrequested = unrequested(&fi, &node.name, &before).await?;
        requested(&fi, &node.name, &unrequested).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_lost_baseline_is_an_error_where_the_user_wants_it() -> Result<()> {
    on_one_node("lost-error", async |t| {
        let node = t.node()?;
        let spec = json!({"config": {"onBaselineLoss": "error"}});
        let fi = t.create(spec).await?;
        fi.watched().await?;
        let before = fi.baseline(&node.name).await?;
        node.sh("rm /etc/kubernetes/aide.db.gz").await?;
        let result = fi.result(&node.name, Condition::Errored).await?;
        let message = result.error_message.unwrap_or_default();
        assert!(message.starts_with("BaselineLost"), "{message}");
        fi.event("BaselineLost", "BaselineLost").await?;
        fi.phase(Phase::Error).await?;
        let later = fi.scans(&node.name, 1).await?;
        assert_eq!(
            later.condition,
            Condition::Errored,
            "it does not heal: {later:?}"
        );

        requested(&fi, &node.name, &before).await?;
        fi.phase(Phase::Active).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_replaced_baseline_is_an_error_until_a_new_one_is_requested() -> Result<()> {
    on_one_node("tampered", async |t| {
        let node = t.node()?;
        node.files("printf x > evil").await?;
        let fi = t.create(json!({})).await?;
        fi.watched().await?;
        let before = fi.baseline(&node.name).await?;
        // An attacker who wants to hide a file would do this. In one step: a daemon that reads half a
        // database, or an empty one, reports something else.
        node.sh(
            "rm evil; cd /etc/kubernetes; zcat aide.db.gz | grep -v /fio-e2e/evil | gzip > aide.other
             mv aide.other aide.db.gz",
        )
        .await?;
        let found = node.digest_on_disk().await?;
        assert_ne!(found, before.digest, "the test replaces the database");

        let result = fi.result(&node.name, Condition::Errored).await?;
        let message = result.error_message.unwrap_or_default();
        for part in ["BaselineTampered", &before.digest, &found] {
            assert!(message.contains(part), "{part} is reported: {message}");
        }
        let event = fi.event("BaselineTampered", "BaselineTampered").await?;
        assert_eq!(event.kind, "Warning");
        fi.phase(Phase::Error).await?;

        let later = fi.scans(&node.name, 2).await?;
        assert_eq!(
            later.condition,
            Condition::Errored,
            "it does not heal: {later:?}"
        );
        t.delete_pod(&fi.daemon(&node.name).await?).await?;
        let later = fi.scans(&node.name, 1).await?;
        assert_eq!(
            later.condition,
            Condition::Errored,
            "nor by a restart: {later:?}"
        );
        assert_eq!(fi.baseline(&node.name).await?, before, "the record stays");
        let warnings = fi.event_messages("BaselineTampered").await?;
        assert_eq!(warnings.len(), 1, "it is reported once: {warnings:?}");

        requested(&fi, &node.name, &before).await?;
        fi.result(&node.name, Condition::Succeeded).await?;
        fi.phase(Phase::Active).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_recreated_file_integrity_uses_the_old_baseline() -> Result<()> {
    on_one_node("recreated", async |t| {
        let node = t.node()?;
        node.files("printf x > file").await?;
        let old = t.create(json!({})).await?;
        old.watched().await?;
        let before = old.baseline(&node.name).await?;
        node.sh("printf x > new").await?;
        old.result(&node.name, Condition::Failed).await?;
        old.delete().await?;
        until(
            "the active ConfigMap and the status are deleted",
            async || {
                let active = t.api::<ConfigMap>().get_opt(&old.name).await?;
                ensure!(active.is_none(), "the ConfigMap is there");
                let statuses = old.status_nodes().await?;
                ensure!(statuses.is_empty(), "statuses of {statuses:?}");
                Ok(())
            },
        )
        .await?;
        old.failure_log(&node.name)
            .await
            .context("the failure log stays")?;

        let new = t.create(json!({})).await?;
        new.phase(Phase::Active).await?;
        let failed = new.result(&node.name, Condition::Failed).await?;
        assert_eq!(
            failed.changes.len(),
            1,
            "what had changed before: {failed:?}"
        );
        assert_eq!(new.baseline(&node.name).await?, before, "baseline");
        assert_eq!(node.digest_on_disk().await?, before.digest);
        let warned = new.event_messages("UnrequestedReinit").await?;
        assert!(warned.is_empty(), "nothing was lost: {warned:?}");
        Ok(())
    })
    .await
}

/// A configuration under which one run of AIDE takes some seconds: it reads a large file, which
/// takes no room on the disk.
async fn slow_configuration(t: &crate::harness::Test) -> Result<serde_json::Value> {
    t.node()?
        .files("truncate -s 2G large; printf x > file")
        .await?;
    let name = t
        .config_map(&format!("{FILES} ftype+p+u+g+sha256\n"))
        .await?;
    Ok(json!({"config": {"name": name, "namespace": t.namespace()}}))
}

/// Ends the daemon of this FileIntegrity on the node the hard way as soon as AIDE runs there with this
/// argument.
async fn kill_daemon_in(fi: &Fi<'_>, node: &Node, argument: &str) -> Result<()> {
    let kill = format!("pkill -KILL -f '^[^ ]*fio daemon .*--owner={} '", fi.name);
    node.when_aide_runs(argument, &kill).await
}

#[tokio::test]
async fn a_daemon_stopped_during_a_scan_does_not_damage_the_baseline() -> Result<()> {
    on_one_node("term-in-scan", async |t| {
        let node = t.node()?;
        let fi = t.create(slow_configuration(t).await?).await?;
        fi.watched().await?;
        let before = fi.baseline(&node.name).await?;
        node.when_aide_runs("--check", ":").await?;
        t.delete_pod(&fi.daemon(&node.name).await?).await?;
        assert_eq!(
            node.digest_on_disk().await?,
            before.digest,
            "digest after the end"
        );
        let later = fi.scans(&node.name, 2).await?;
        assert_eq!(later.condition, Condition::Succeeded, "{later:?}");
        assert_eq!(fi.baseline(&node.name).await?, before, "baseline");
        let results = fi.status(&node.name).await?.results;
        let errors: Vec<_> = results
            .iter()
            .filter(|result| result.condition != Condition::Succeeded)
            .collect();
        assert!(
            errors.is_empty(),
            "an end on request is no error: {errors:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_daemon_killed_during_a_scan_reports_it_and_continues() -> Result<()> {
    on_one_node("kill-in-scan", async |t| {
        let node = t.node()?;
        let fi = t.create(slow_configuration(t).await?).await?;
        fi.watched().await?;
        let before = fi.baseline(&node.name).await?;
        kill_daemon_in(&fi, node, "--check").await?;
        let start = format!("node {node} has an error! ScanInterrupted");
        fi.event("NodeIntegrityStatus", &start).await?;
        // The event comes before the result.
        fi.result(&node.name, Condition::Errored).await?;
        fi.result(&node.name, Condition::Succeeded).await?;
        fi.phase(Phase::Active).await?;
        assert_eq!(fi.baseline(&node.name).await?, before, "baseline");
        assert_eq!(node.digest_on_disk().await?, before.digest);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_daemon_killed_during_the_first_initialization_repeats_it() -> Result<()> {
    on_one_node("kill-in-init", async |t| {
        let node = t.node()?;
        let fi = t.create(slow_configuration(t).await?).await?;
        kill_daemon_in(&fi, node, "--init").await?;
        assert_eq!(
            fi.status(&node.name).await?.baseline,
            None,
            "after the kill"
        );
        fi.watched().await?;
        let baseline = fi.baseline(&node.name).await?;
        assert_eq!(node.digest_on_disk().await?, baseline.digest);
        assert!(baseline.requested, "a first baseline: {baseline:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_daemon_stopped_during_a_re_initialization_does_it_after_its_restart() -> Result<()> {
    on_one_node("term-in-reinit", async |t| {
        let node = t.node()?;
        let fi = t.create(slow_configuration(t).await?).await?;
        fi.watched().await?;
        let before = fi.baseline(&node.name).await?;
        node.sh("printf y > file").await?;
        fi.annotate(names::Annotation::REINIT, "").await?;
        node.when_aide_runs("--update", ":").await?;
        t.delete_pod(&fi.daemon(&node.name).await?).await?;
        assert_eq!(
            node.digest_on_disk().await?,
            before.digest,
            "the old one is whole"
        );
        let after = fi.new_baseline(&node.name, &before).await?;
        assert!(after.requested, "it was asked for: {after:?}");
        assert_ne!(after.digest, before.digest, "a new one");
        fi.result(&node.name, Condition::Succeeded).await?;
        fi.phase(Phase::Active).await?;
        fi.scans(&node.name, 1).await?;
        assert_eq!(fi.baseline(&node.name).await?, after, "it was made once");
        let backups = node
            .sh("ls /etc/kubernetes | grep -c '^aide.db.gz.backup-'")
            .await?;
        assert_eq!(backups, "1", "backups of the database");
        Ok(())
    })
    .await
}
