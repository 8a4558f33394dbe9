//! `spec.config.requireAcceptance`: nothing but an acceptance accepts changes. The operator's part with simulated daemons,
//! and the daemon's part with the real program and the real AIDE.

use fio::testing::api::{
    AcceptanceState, Condition, FileIntegrity, FileIntegrityNodeStatus, names,
};
use kube::ResourceExt as _;
use serde_json::json;

use crate::harness::{eventually, in_space};
use crate::proxy::Proxy;
use crate::site::Site;

const NODE: &str = "node";
/// Pause between scans: no test waits for the next one.
const LONG: &str = "600";
const OTHER_RULES: &str = "/watched(/|$) ftype+p+u+g+sha256+n\n";

fn has(status: &FileIntegrityNodeStatus, condition: Condition) -> bool {
    let last = status.last_result.as_ref();
    last.is_some_and(|last| last.condition == condition)
}

fn digest(status: &FileIntegrityNodeStatus) -> Option<&str> {
    status.baseline.as_ref().map(|it| it.digest.as_str())
}

#[tokio::test]
async fn an_annotation_is_refused_with_an_event() -> anyhow::Result<()> {
    in_space("require-reinit", async |space| {
        let _operator = space.operator("op").await?;
        let config = json!({"config": {"gracePeriod": 10, "requireAcceptance": true}});
        let (nodes, _daemons) = space.active("fi", config).await?;
        let statuses = space.api::<FileIntegrityNodeStatus>();
        for key in [
            names::Annotation::REINIT,
            names::Annotation::REINIT_ON_FAILED,
        ] {
            space.annotate("fi", key, json!("")).await?;
            let is_removed = |fi: &FileIntegrity| !fi.annotations().contains_key(key);
            space.until_is("fi", "the refusal", is_removed).await?;
        }
        eventually("the events", async || {
            let messages = space.event_messages("fi", "AcceptanceRequired").await?;
            let names_command =
                |message: &String| message.contains("create -f and a FileIntegrityAcceptance");
            Ok(messages.iter().any(names_command).then_some(()))
        })
        .await?;
        for node in &nodes {
            let status = statuses.get(&names::node_status("fi", node)).await?;
            let annotations = status.annotations();
            assert_eq!(annotations.get(names::Annotation::REINIT_REQUEST), None);
            assert!(annotations.contains_key(names::Annotation::REQUIRE_ACCEPTANCE));
        }
        // Without the field, a request has its effect again.
        let patch = json!({"spec": {"config": {"requireAcceptance": null}}});
        space.merge::<FileIntegrity>("fi", patch).await?;
        space
            .annotate("fi", names::Annotation::REINIT, json!(""))
            .await?;
        space.until_phase("fi", "Initializing").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_signal_on_the_node_is_removed_and_the_baseline_stays() -> anyhow::Result<()> {
    in_space("require-signal", async |space| {
        let mut site = Site::new(space, "fi", NODE, LONG).await?;
        site.requires_acceptance = true;
        site.set_request(None).await?;
        let daemon = site.start(&[]).await?;
        let before = site
            .until("a first result", |status| has(status, Condition::Succeeded))
            .await?;
        let signal = site.path("root/run/aide.reinit");
        std::fs::write(&signal, "")?;
        eventually("the signal to be removed", async || {
            Ok((!signal.exists()).then_some(()))
        })
        .await?;
        eventually("the event", async || {
            let messages = space.event_messages("fi", "AcceptanceRequired").await?;
            let names_command = |message: &String| message.contains("kubectl create");
            Ok(messages.iter().any(names_command).then_some(()))
        })
        .await?;
        // A request of somebody who can write node statuses, or of an operator of another version.
        site.set_request(Some("r1")).await?;
        site.change()?;
        let after = site
            .until("the changes", |status| has(status, Condition::Failed))
            .await?;
        assert_eq!(
            (after.baseline, after.reinit),
            (before.baseline, before.reinit)
        );
        daemon.end().await
    })
    .await
}

/// The changes are found when the configuration takes effect: no scan has reported them before.
#[tokio::test]
async fn a_new_configuration_waits_for_the_acceptance_also_after_a_restart() -> anyhow::Result<()> {
    in_space("require-config", async |space| {
        let proxy = Proxy::start().await?;
        let mut site = Site::behind(&proxy, space, "fi", NODE, LONG).await?;
        site.requires_acceptance = true;
        site.set_request(None).await?;
        let old = site.config_hash();
        let daemon = site.start(&[]).await?;
        let before = site
            .until("a first result", |status| has(status, Condition::Succeeded))
            .await?;
        daemon.end().await?;
        site.change()?;
        site.reconfigure(OTHER_RULES).await?;
        let new = site.config_hash();
        let daemon = site.start(&[]).await?;
        let failed = site
            .until("the changes", |status| has(status, Condition::Failed))
            .await?;
        assert_eq!(failed.baseline, before.baseline);
        // As the operator does. The mount has the new configuration, and the ConfigMap, too.
        site.set_config(&old).await?;
        daemon.end().await?;
        let daemon = site.start(&[]).await?;
        site.set_acceptance("u1").await?;
        let accepted = site
            .until("an answer", |status| status.acceptance.is_some())
            .await?;
        let answer = accepted.acceptance.clone().unwrap();
        assert_eq!(answer.state, AcceptanceState::Accepted, "{answer:?}");
        assert_ne!(digest(&accepted), digest(&before));
        assert_eq!(accepted.baseline.unwrap().config_hash, old);
        site.set_config(&new).await?;
        let configured = site
            .until("the new configuration", |status| {
                let baseline = status.baseline.as_ref();
                baseline.is_some_and(|it| it.config_hash == new)
                    && has(status, Condition::Succeeded)
            })
            .await?;
        let accepted = serde_json::to_value(configured.baseline.unwrap().accepted)?;
        // Nothing was changed after the acceptance.
        assert_eq!(accepted, json!(null));
        daemon.end().await
    })
    .await
}
