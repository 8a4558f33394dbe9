//! Where the configuration comes from, and what happens when it cannot be used.

use anyhow::{Context as _, Result};
use fio::testing::api::{Condition, Phase};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::harness::audit::Audit;
use crate::harness::node::FILES;
use crate::harness::{Fi, Test, on_one_node};

/// A configuration that watches the tests' files and nothing else.
const SMALL: &str = "/etc/fio-e2e ftype+p+u+g+sha256\n";
/// The same files by other attributes.
const OTHER: &str = "/etc/fio-e2e ftype+p\n";
/// What AIDE refuses.
const BROKEN: &str = "/etc/fio-e2e no_such_group\n";

/// A spec that names the test's ConfigMap.
fn with_config(t: &Test, name: &str) -> Value {
    json!({"config": {"name": name, "namespace": t.namespace()}})
}

/// The active configuration as users see it.
async fn active(t: &Test, fi: &Fi<'_>) -> Result<String> {
    let config_map = t.api::<ConfigMap>().get(&fi.name).await?;
    let mut data = config_map.data.context("no data")?;
    data.remove("aide.conf").context("no key aide.conf")
}

#[tokio::test]
async fn a_users_configuration_is_used_and_its_changes_reinitialize() -> Result<()> {
    on_one_node("users-config", async |t| {
        let node = &t.node()?.name;
        t.node()?.files("printf x > file").await?;
        let fi = t.create(json!({"config": {"profile": "generic"}})).await?;
        fi.watched().await?;
        let default = fi.baseline(node).await?;
        let default_text = active(t, &fi).await?;
        let generation = fi.daemon_set().await?.metadata.generation;

        let name = t.config_map(SMALL).await?;
        fi.patch(json!({"spec": with_config(t, &name)})).await?;
        let small = fi.new_baseline(node, &default).await?;
        assert_eq!(small.entries, 2, "the directory and the file: {small:?}");
        assert!(active(t, &fi).await?.contains(&format!("/hostroot{FILES}")));
        // Before the next change: the operator may see the baseline later than the test does.
        fi.phase_reported(Phase::Active, 2).await?;

        t.config_map(OTHER).await?;
        let other = fi.new_baseline(node, &small).await?;
        assert_ne!(
            other.config_hash, small.config_hash,
            "hash of the configuration"
        );
        fi.phase_reported(Phase::Active, 3).await?;
        t.node()?.sh("printf y > file").await?;
        let last = fi.scans(node, 2).await?;
        assert_eq!(
            last.condition,
            Condition::Succeeded,
            "this configuration does not check the content: {last:?}"
        );

        fi.patch(json!({"spec": {"config": {"name": null, "namespace": null}}}))
            .await?;
        let again = fi.new_baseline(node, &other).await?;
        assert_eq!(
            again.config_hash, default.config_hash,
            "the default is back"
        );
        assert_eq!(active(t, &fi).await?, default_text);
        assert!(
            [&small, &other, &again]
                .iter()
                .all(|baseline| baseline.requested),
            "a change of the configuration is a request"
        );
        assert_eq!(
            fi.daemon_set().await?.metadata.generation,
            generation,
            "the DaemonSet is not touched"
        );
        fi.phase_reported(Phase::Active, 4).await?;
        fi.phase(Phase::Active).await?;
        let phases = fi.event_messages("FileIntegrityStatus").await?;
        let count = |name: &str| phases.iter().filter(|phase| *phase == name).count();
        assert_eq!(
            (count("Initializing"), count("Active"), count("Error")),
            (4, 4, 0),
            "one round for each configuration: {phases:?}"
        );
        let backups = t
            .node()?
            .sh("ls /etc/kubernetes | grep -c '^aide.db.gz.backup-'");
        assert_eq!(backups.await?, "3", "backups of the database");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_rule_behind_a_link_watches_the_real_place() -> Result<()> {
    on_one_node("links", async |t| {
        let node = &t.node()?.name;
        let files = "mkdir real && printf x > real/file && ln -s real link && ln -s / all";
        t.node()?.files(files).await?;
        let rules = format!("{FILES}/link ftype+sha256\n{FILES}/all ftype\n");
        let name = t.config_map(&rules).await?;
        let fi = t.create(with_config(t, &name)).await?;
        fi.watched().await?;
        let baseline = fi.baseline(node).await?;
        assert_eq!(
            baseline.entries, 4,
            "both links, the directory and its file"
        );
        let message = fi.condition("Degraded", "True", "RulesUnwatched").await?;
        let unwatched = format!("line 2: {FILES}/all leads to /");
        assert!(message.contains(&unwatched), "{message}");

        t.node()?.sh("printf y > real/file").await?;
        let failed = fi.result(node, Condition::Failed).await?;
        let changed: Vec<&str> = failed.changes.iter().map(|c| c.path.as_str()).collect();
        assert_eq!(changed, [format!("{FILES}/real/file")]);

        t.config_map(&format!("{FILES}/link ftype+sha256\n"))
            .await?;
        fi.new_baseline(node, &baseline).await?;
        fi.condition("Degraded", "False", "AsExpected").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_refused_configuration_leaves_the_old_one_running() -> Result<()> {
    on_one_node("refused-config", async |t| {
        let node = &t.node()?.name;
        t.node()?.files("printf x > file").await?;
        let name = t.config_map(SMALL).await?;
        let fi = t.create(with_config(t, &name)).await?;
        fi.watched().await?;
        let baseline = fi.baseline(node).await?;

        t.config_map(BROKEN).await?;
        fi.phase(Phase::Error).await?;
        let message = fi.condition("ConfigValid", "False", "Refused").await?;
        assert!(
            message.contains("no_such_group"),
            "it describes the error: {message}"
        );
        let event = fi.event("FileIntegrityStatus", "Error").await?;
        assert_eq!(event.kind, "Warning");
        t.node()?.sh("printf y > file").await?;
        fi.result(node, Condition::Failed).await?;
        assert_eq!(
            fi.baseline(node).await?,
            baseline,
            "the old configuration goes on"
        );

        t.config_map(OTHER).await?;
        fi.phase(Phase::Active).await?;
        fi.new_baseline(node, &baseline).await?;
        fi.condition("ConfigValid", "True", "Valid").await?;
        fi.result(node, Condition::Succeeded).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_missing_config_map_is_used_when_it_is_created() -> Result<()> {
    on_one_node("missing-config", async |t| {
        let node = &t.node()?.name;
        t.node()?.files("printf x > file").await?;
        let audit = Audit::start().await?;
        let fi = t.create(with_config(t, "missing-config-config")).await?;
        let message = fi
            .condition("ConfigValid", "False", "ConfigMapMissing")
            .await?;
        assert!(message.contains("missing-config-config"), "{message}");
        fi.phase(Phase::Pending).await?;

        let appeared = Timestamp::now();
        let name = t.config_map(SMALL).await?;
        fi.watched().await?;
        fi.condition("ConfigValid", "True", "Valid").await?;
        let baseline = fi.baseline(node).await?;
        assert_eq!(
            baseline.entries, 2,
            "no other configuration ran before: {baseline:?}"
        );
        let written = audit
            .requests(|r| r.is_write() && r.resource == "configmaps" && r.name == fi.name)
            .await?;
        // A reconcile that does not see the previous one's write repeats it, which changes nothing.
        assert!(
            written.iter().all(|r| r.at >= appeared),
            "the default was never laid down: {written:?}"
        );
        let created = written.iter().filter(|r| r.code == 201).count();
        assert_eq!(created, 1, "it is made once: {written:?}");

        let phases = fi.event_messages("FileIntegrityStatus").await?;
        t.api::<ConfigMap>()
            .delete(&name, &DeleteParams::default())
            .await?;
        fi.condition("ConfigValid", "False", "ConfigMapMissing")
            .await?;
        let last = fi.scans(node, 2).await?;
        assert_eq!(
            last.condition,
            Condition::Succeeded,
            "what runs goes on: {last:?}"
        );
        assert_eq!(fi.baseline(node).await?, baseline, "baseline");
        fi.phase(Phase::Active).await?;
        assert_eq!(
            fi.event_messages("FileIntegrityStatus").await?,
            phases,
            "phases"
        );

        t.config_map("").await?;
        fi.condition("ConfigValid", "False", "ConfigEmpty").await?;
        t.config_map(OTHER).await?;
        fi.new_baseline(node, &baseline).await?;
        fi.condition("ConfigValid", "True", "Valid").await?;
        Ok(())
    })
    .await
}
