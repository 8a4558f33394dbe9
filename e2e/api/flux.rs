//! The expressions for Flux on the page about the installation. The API server evaluates them, with the
//! library for CEL that Flux uses, on statuses that the operator has written: an admission policy denies every dry run
//! of an update, with the result as its message.

use std::fs;

use anyhow::Context as _;
use fio::testing::api::FileIntegrity;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::harness::{Space, checkout, clean, condition_of, eventually, in_space};

const FI: &str = "fi";

/// An expression on the page, with the names that the policy has for the fields.
fn expression(name: &str) -> anyhow::Result<String> {
    let page = fs::read_to_string(checkout().join("docs/install.md"))?;
    let start = format!("    {name}: >-");
    let lines: Vec<&str> = page
        .lines()
        .skip_while(|line| *line != start)
        .skip(1)
        .map_while(|line| line.strip_prefix("      "))
        .collect();
    anyhow::ensure!(!lines.is_empty(), "no expression {name}");
    let text = lines.join(" ").replace("status.", "object.status.");
    Ok(text.replace("metadata.", "object.metadata."))
}

/// Denies dry runs in this namespace. Flux evaluates the expressions in this order.
async fn create_policy(space: &Space, name: &str) -> anyhow::Result<()> {
    let [in_progress, failed, current] = ["inProgress", "failed", "current"].map(expression);
    let health = format!(
        "({}) ? 'is InProgress' : ({}) ? 'is Failed' : ({}) ? 'is Current' : 'is Unknown'",
        in_progress?, failed?, current?
    );
    let policy: ValidatingAdmissionPolicy = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["fileintegrity.openshift.io"],
                "apiVersions": ["v1alpha1"],
                "operations": ["UPDATE"],
                "resources": ["fileintegrities"],
            }]},
            "matchConditions": [{"name": "dry-run", "expression": "request.dryRun == true"}],
            "validations": [{"expression": "false", "messageExpression": health}],
        },
    }))?;
    let binding: ValidatingAdmissionPolicyBinding = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {
                "kubernetes.io/metadata.name": space.namespace,
            }}},
        },
    }))?;
    let params = PostParams::default();
    let client = || space.client.clone();
    Api::all(client()).create(&params, &policy).await?;
    Api::all(client()).create(&params, &binding).await?;
    Ok(())
}

async fn delete_policy(space: &Space, name: &str) -> anyhow::Result<()> {
    let params = DeleteParams::default();
    let bindings = Api::<ValidatingAdmissionPolicyBinding>::all(space.client.clone());
    bindings.delete(name, &params).await?;
    let policies = Api::<ValidatingAdmissionPolicy>::all(space.client.clone());
    policies.delete(name, &params).await?;
    Ok(())
}

/// The message of the policy about the FileIntegrity as it is now; none before the policy is in effect.
async fn health(space: &Space) -> anyhow::Result<Option<String>> {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"check": "health"}}}));
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let api = space.api::<FileIntegrity>();
    match api.patch(FI, &params, &patch).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) => Ok(Some(status.message)),
        Err(error) => Err(error.into()),
    }
}

/// Waits until the FileIntegrity has this health.
async fn until_is(space: &Space, expected: &str) -> anyhow::Result<()> {
    let last = std::cell::RefCell::new(None);
    let expected_end = format!("is {expected}");
    eventually(expected, async || {
        let message = health(space).await?;
        let is_expected = message
            .as_deref()
            .is_some_and(|message| message.ends_with(&expected_end));
        last.replace(message);
        Ok(is_expected.then_some(()))
    })
    .await
    .with_context(|| format!("the last message was {:?}", last.borrow()))
}

#[tokio::test]
async fn the_expressions_of_the_pages_for_flux_understand_each_phase() -> anyhow::Result<()> {
    in_space("flux", async |space| {
        let name = format!("flux.{}", space.namespace);
        create_policy(space, &name).await?;
        space.file_integrity(FI, json!({})).await?;
        // Without a status no expression has a value: Flux waits.
        eventually("the policy to be in effect", async || {
            let message = health(space).await?;
            Ok(message.filter(|message| message.contains("failed expression")))
        })
        .await?;

        let operator = space.operator("op").await?;
        space.until_phase(FI, "Pending").await?;
        until_is(space, "InProgress").await?;
        let node = space.node("n1").await?;
        space.until_phase(FI, "Initializing").await?;
        until_is(space, "InProgress").await?;
        let mut daemon = space.daemon(FI, &node);
        daemon.handle_request().await?;
        daemon.finds(&clean()).await?;
        space.until_phase(FI, "Active").await?;
        until_is(space, "Current").await?;

        // A node that is not ready: Degraded, but nothing that Flux should stop for.
        space.set_ready(&node, false).await?;
        space
            .until_is(FI, "degraded", |fi: &FileIntegrity| {
                condition_of(fi, "Degraded").starts_with("True/")
            })
            .await?;
        until_is(space, "Current").await?;
        space.set_ready(&node, true).await?;

        let reference = json!({"spec": {"config": {"name": "a/b", "namespace": space.namespace}}});
        space.merge::<FileIntegrity>(FI, reference).await?;
        until_is(space, "Failed").await?;
        operator.stop().await?;
        delete_policy(space, &name).await
    })
    .await
}
