//! Acceptances: exactly the reviewed changes become part of the baseline.

use anyhow::{Context as _, Result, bail, ensure};
use fio::testing::api::{AcceptanceState, Condition, FileIntegrityAcceptance, ScanResult};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::harness::{Fi, Test, on_one_node, on_two_nodes, until};

/// The user of the kubeconfig, who has all rights.
async fn user(t: &Test) -> Result<String> {
    use k8s_openapi::api::authentication::v1::SelfSubjectReview;
    let review = t
        .cluster_api::<SelfSubjectReview>()
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await?;
    let info = review.status.and_then(|status| status.user_info);
    info.and_then(|info| info.username).context("no user name")
}

/// Accepts a set, in the name of this user. Acceptances stay when the test has ended, so each has another name.
async fn accept(
    fi: &Fi<'_>,
    t: &Test,
    set: &str,
    user: &str,
) -> kube::Result<FileIntegrityAcceptance> {
    let object = json!({
        "apiVersion": "fileintegrity.openshift.io/v1alpha1",
        "kind": "FileIntegrityAcceptance",
        "metadata": {"generateName": format!("{}-", fi.name)},
        "spec": {
            "fileIntegrity": fi.name,
            "changeSet": set,
            "reason": "reviewed by the test",
            "ticket": "CHG0042137",
            "approvedBy": {"username": user},
        },
    });
    let object = serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
    t.api().create(&PostParams::default(), &object).await
}

/// Waits until the acceptance has ended. Returns its status.
async fn ended(t: &Test, name: &str) -> Result<Value> {
    until(format!("acceptance {name} has ended"), async || {
        let object = t.api::<FileIntegrityAcceptance>().get(name).await?;
        let status = serde_json::to_value(object.status)?;
        let conditions = status["conditions"].as_array();
        let is_end = conditions.into_iter().flatten().any(|condition| {
            ["Complete", "Failed"]
                .map(Value::from)
                .contains(&condition["type"])
                && condition["status"] == "True"
        });
        ensure!(is_end, "{status}");
        Ok(status)
    })
    .await
}

/// The set that a failed node shows.
fn set(result: &ScanResult) -> Result<String> {
    ensure!(result.change_set.is_some(), "{result:?}");
    result.changes_hash.clone().context("no hash")
}

#[tokio::test]
async fn the_nodes_that_show_the_set_have_it_accepted_and_evidence_is_kept() -> Result<()> {
    on_two_nodes("accept", async |t| {
        let (first, second) = t.two_nodes()?;
        let fi = t.create(json!({"config": {"profile": "generic"}})).await?;
        fi.watched().await?;
        let before = [
            fi.baseline(&first.name).await?,
            fi.baseline(&second.name).await?,
        ];
        let mut sets = Vec::new();
        for node in t.nodes() {
            node.files("printf accepted > new").await?;
            sets.push(set(&fi.result(&node.name, Condition::Failed).await?)?);
        }
        assert_eq!(sets[0], sets[1], "the same changes are the same set");
        let user = user(t).await?;

        let forged = accept(&fi, t, &sets[0], "mallory").await;
        let Err(kube::Error::Api(refusal)) = forged else {
            bail!("{forged:?}");
        };
        assert!(refusal.message.contains(&user), "{}", refusal.message);
        let unknown = accept(&fi, t, &"0".repeat(64), &user).await?;
        let unknown = ended(t, &unknown.name_any()).await?;
        assert!(
            unknown.to_string().contains("UnknownChangeSet"),
            "{unknown}"
        );

        let acceptance = accept(&fi, t, &sets[0], &user).await?.name_any();
        let status = ended(t, &acceptance).await?;
        let counts = json!({"matched": 2, "accepted": 2, "refused": 0, "waiting": 0});
        assert_eq!(status["counts"], counts, "{status}");
        for (node, before) in t.nodes().iter().zip(&before) {
            let baseline = fi.new_baseline(&node.name, before).await?;
            let accepted = serde_json::to_value(&baseline.accepted)?;
            assert_eq!(accepted["acceptance"], *acceptance, "{accepted}");
            assert_eq!(
                accepted["differences"]["changesHash"], *sets[0],
                "{accepted}"
            );
            let result = fi.result(&node.name, Condition::Succeeded).await?;
            assert_eq!(result.files_added, 0);
            assert_eq!(node.digest_on_disk().await?, baseline.digest);
        }
        evidence_names_the_file(t, &status).await?;
        let deleted = t
            .api::<FileIntegrityAcceptance>()
            .delete(&acceptance, &DeleteParams::default())
            .await;
        let Err(kube::Error::Api(refusal)) = deleted else {
            bail!("the acceptance was deleted");
        };
        assert!(refusal.message.contains("revoked"), "{}", refusal.message);

        // What changes later is reported.
        second.files("printf changed > new").await?;
        let result = fi.result(&second.name, Condition::Failed).await?;
        assert_eq!(result.files_changed, 1, "{result:?}");
        Ok(())
    })
    .await
}

/// The evidence can be read without the node.
async fn evidence_names_the_file(t: &Test, status: &Value) -> Result<()> {
    let name = status["evidence"].as_str().context("no evidence")?;
    let evidence = t.api::<ConfigMap>().get(name).await?;
    assert_eq!(evidence.immutable, Some(true));
    let verified = evidence
        .annotations()
        .get("file-integrity.openshift.io/verified");
    assert_eq!(verified.map(String::as_str), Some("true"), "{evidence:?}");
    let log = evidence
        .data
        .as_ref()
        .and_then(|data| data.get("integritylog"));
    assert!(log.is_some_and(|log| log.contains("/new")), "{log:?}");
    Ok(())
}

/// The second change is not checked before the acceptance is executed, because checks wait for ten seconds.
#[tokio::test]
async fn what_changes_between_review_and_execution_is_not_accepted() -> Result<()> {
    on_one_node("overtaken", async |t| {
        let node = t.node()?;
        let spec = json!({
            "config": {"profile": "generic", "gracePeriod": 900},
            "realtime": {"delayMilliseconds": 10_000},
        });
        let fi = t.create(spec).await?;
        fi.watched().await?;
        fi.all_reported_at_once(&node.name).await?;
        let before = fi.baseline(&node.name).await?;
        node.files("printf reviewed > new").await?;
        let reviewed = set(&fi.result(&node.name, Condition::Failed).await?)?;
        let user = user(t).await?;
        node.files("printf later > another").await?;
        let acceptance = accept(&fi, t, &reviewed, &user).await?.name_any();
        let status = ended(t, &acceptance).await?;
        assert_eq!(status["counts"]["accepted"], 0, "{status}");
        let answer = fi.status(&node.name).await?.acceptance;
        let answer = answer.context("no answer")?;
        assert_eq!(answer.state, AcceptanceState::Refused, "{answer:?}");
        assert_eq!(
            answer.reason.as_deref(),
            Some("ChangesDiffer"),
            "{answer:?}"
        );
        assert_eq!(fi.baseline(&node.name).await?.digest, before.digest);
        assert_eq!(node.digest_on_disk().await?, before.digest);
        let both = fi
            .result_with(&node.name, "both files are reported", |result| {
                result.files_added == 3
            })
            .await?;
        assert_ne!(set(&both)?, reviewed);
        Ok(())
    })
    .await
}

/// Thousands of files appear while the acceptance arrives.
#[tokio::test]
async fn an_acceptance_that_arrives_during_a_burst_accepts_nothing_else() -> Result<()> {
    on_one_node("burst-accept", async |t| {
        let node = t.node()?;
        let fi = t.create(json!({"config": {"profile": "generic"}})).await?;
        fi.watched().await?;
        let before = fi.baseline(&node.name).await?;
        node.files("printf reviewed > new").await?;
        let reviewed = set(&fi.result(&node.name, Condition::Failed).await?)?;
        let user = user(t).await?;
        let burst = node.files("mkdir -p many; for i in $(seq 3000); do printf x > many/$i; done");
        let (burst, accepted) = tokio::join!(burst, accept(&fi, t, &reviewed, &user));
        burst?;
        let status = ended(t, &accepted?.name_any()).await?;
        // Before the first file of the burst, the node shows exactly the set.
        let baseline = fi.baseline(&node.name).await?;
        if status["counts"]["accepted"] == 1 {
            let accepted = serde_json::to_value(&baseline.accepted)?;
            assert_eq!(
                accepted["differences"]["changesHash"], *reviewed,
                "{accepted}"
            );
        } else {
            assert_eq!(baseline.digest, before.digest, "{status}");
        }
        fi.result_with(&node.name, "the burst is reported", |result| {
            result.condition == Condition::Failed && result.files_added >= 3000
        })
        .await?;
        Ok(())
    })
    .await
}
