//! Updates of nodes: what the Machine Config Operator's annotations, or a cordon, lead to.

use fio::testing::api::{FileIntegrity, FileIntegrityNodeStatus, names};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{Space, in_space};

/// Changes a node, as its administrator or the Machine Config Operator would.
async fn change_node(space: &Space, node: &str, patch: Value) -> anyhow::Result<()> {
    let nodes = Api::<Node>::all(space.api::<FileIntegrity>().into_client());
    nodes
        .patch(node, &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    Ok(())
}

pub(crate) async fn machine_config(
    space: &Space,
    node: &str,
    current: &str,
    desired: &str,
    state: &str,
) -> anyhow::Result<()> {
    let annotations = json!({
        "machineconfiguration.openshift.io/currentConfig": current,
        "machineconfiguration.openshift.io/desiredConfig": desired,
        "machineconfiguration.openshift.io/state": state,
    });
    change_node(
        space,
        node,
        json!({"metadata": {"annotations": annotations}}),
    )
    .await
}

/// Waits until the node's daemon is requested to hold, or not to.
pub(crate) async fn until_held(
    space: &Space,
    node: &str,
    held: bool,
) -> anyhow::Result<FileIntegrityNodeStatus> {
    let what = if held { "a hold" } else { "no hold" };
    space
        .until_is(
            &names::node_status("fi", node),
            &format!("{what} on {node}"),
            |status: &FileIntegrityNodeStatus| {
                status.annotation(names::Annotation::HOLDOFF).is_some() == held
            },
        )
        .await
}

#[tokio::test]
async fn nodes_are_held_during_updates_and_re_initialized_afterwards() -> anyhow::Result<()> {
    in_space("mco", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, [mut first, mut second]) = space.active("fi", json!({})).await?;
        for node in &nodes {
            machine_config(space, node, "a", "b", "Working").await?;
        }
        for node in &nodes {
            let status = until_held(space, node, true).await?;
            assert_eq!(status.annotation(names::Annotation::REINIT_REQUEST), None);
        }
        // Held nodes do not keep the phase back.
        space
            .until_is("fi", "two held nodes", |fi: &FileIntegrity| {
                fi.status
                    .as_ref()
                    .and_then(|s| s.nodes)
                    .is_some_and(|n| n.held == 2)
            })
            .await?;
        space.until_phase("fi", "Active").await?;

        machine_config(space, &nodes[0], "b", "b", "Done").await?;
        let over = until_held(space, &nodes[0], false).await?;
        assert!(
            over.annotation(names::Annotation::REINIT_REQUEST).is_some(),
            "a new baseline is asked for"
        );
        first.handle_request().await?;
        // The other one is at it still.
        until_held(space, &nodes[1], true).await?;
        machine_config(space, &nodes[1], "a", "b", "Degraded").await?;
        until_held(space, &nodes[1], false).await?;
        second.handle_request().await?;
        space.until_phase("fi", "Active").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn updates_during_a_restart_of_the_operator_are_detected() -> anyhow::Result<()> {
    in_space("mco-missing", async |space| {
        let operator = space.operator("op").await?;
        let (nodes, [mut first, _]) = space.active("fi", json!({})).await?;
        operator.stop().await?;
        for node in &nodes {
            machine_config(space, node, "a", "b", "Working").await?;
        }
        let operator = space.operator("op2").await?;
        for node in &nodes {
            until_held(space, node, true).await?;
        }
        operator.stop().await?;
        machine_config(space, &nodes[0], "b", "b", "Done").await?;
        let _operator = space.operator("op3").await?;
        let over = until_held(space, &nodes[0], false).await?;
        assert!(over.annotation(names::Annotation::REINIT_REQUEST).is_some());
        first.handle_request().await?;
        space.until_phase("fi", "Active").await?;
        let other = until_held(space, &nodes[1], true).await?;
        assert_eq!(other.annotation(names::Annotation::REINIT_REQUEST), None);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_cordon_holds_if_the_spec_requests_it() -> anyhow::Result<()> {
    in_space("cordon", async |space| {
        let _operator = space.operator("op").await?;
        let config = json!({"config": {"gracePeriod": 10, "holdoffWhenCordoned": true}});
        let (nodes, [mut first, _]) = space.active("fi", config).await?;
        let mut requests = Vec::new();
        for _ in 0..2 {
            change_node(space, &nodes[0], json!({"spec": {"unschedulable": true}})).await?;
            until_held(space, &nodes[0], true).await?;
            change_node(space, &nodes[0], json!({"spec": {"unschedulable": null}})).await?;
            let over = until_held(space, &nodes[0], false).await?;
            let request = over.annotation(names::Annotation::REINIT_REQUEST);
            requests.push(request.map(str::to_owned));
            first.handle_request().await?;
            space.until_phase("fi", "Active").await?;
        }
        assert_ne!(requests[0], requests[1]);
        Ok(())
    })
    .await
}
