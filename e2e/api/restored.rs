//! A restore of etcd from a backup: what the API server answers is older than what it answered before,
//! and resource versions count on from lower ones.

use fio::testing::api::{Condition, FileIntegrityNodeStatus, names};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::failover::{cluster, until_leads};
use crate::harness::{Space, alone, clean, eventually};
use crate::proxy::Proxy;
use crate::site::Site;

/// Writes between the backup and the restore, so that the versions of what is written after it are
/// lower than those seen before.
const WRITES: u32 = 400;

async fn write_often(space: &Space) -> anyhow::Result<()> {
    // An API server that has just started refuses writes until it knows the admission policies.
    eventually("the API server to accept writes", async || {
        let patch = json!({"metadata": {"annotations": {"number": ""}}});
        Ok(space.merge::<ConfigMap>("often-written", patch).await.ok())
    })
    .await?;
    for number in 0..WRITES {
        let patch = json!({"metadata": {"annotations": {"number": number.to_string()}}});
        space.merge::<ConfigMap>("often-written", patch).await?;
    }
    Ok(())
}

fn condition(status: &FileIntegrityNodeStatus) -> Option<Condition> {
    status.last_result.as_ref().map(|result| result.condition)
}

fn version(status: &FileIntegrityNodeStatus) -> u64 {
    let version = status.resource_version().unwrap_or_default();
    version.parse().unwrap_or_default()
}

#[tokio::test]
async fn operator_and_daemon_continue_after_a_restore_of_etcd() -> anyhow::Result<()> {
    alone("restored", async |space| {
        let operator = space.operator("op").await?;
        let (nodes, mut daemons) = space.active("fi", json!({})).await?;
        // A daemon whose requests the test writes.
        let other = space.another("restored-site").await?;
        let (node, proxy) = (other.node("n1").await?, Proxy::start().await?);
        let site = Site::behind(&proxy, &other, "fi", &node, "1").await?;
        let daemon = site.daemon().await?;
        site.until("a clean scan", |status| {
            condition(status) == Some(Condition::Succeeded)
        })
        .await?;
        let map: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "often-written"},
        }))?;
        space.api().create(&PostParams::default(), &map).await?;

        cluster("api-save").await?;
        write_often(space).await?;
        site.change()?;
        let failed =
            |status: &FileIntegrityNodeStatus| condition(status) == Some(Condition::Failed);
        let before = site.until("a failed scan", failed).await?;
        space
            .daemon("fi", &space.node("n3").await?)
            .handle_request()
            .await?;
        cluster("api-restore").await?;

        // The daemon takes its status as it is now: it reports the failure into that, and obeys.
        let after = site
            .until("the failure to be reported again", failed)
            .await?;
        assert!(version(&after) < version(&before), "{after:?}");
        site.set_request(Some("afterwards")).await?;
        let done = site
            .until("the request to be done", |status| {
                let done = status.reinit.as_ref().map(|reinit| reinit.id.as_str());
                done == Some("afterwards")
            })
            .await?;
        assert!(version(&done) < version(&before), "{done:?}");
        daemon.stop()?;

        // So does the operator: the node that is not there any more has no status, and a request is
        // handed over.
        until_leads(space, "op").await?;
        space
            .annotate("fi", names::Annotation::REINIT, Value::from(""))
            .await?;
        for daemon in &mut daemons {
            daemon.handle_request().await?;
            daemon.finds(&clean()).await?;
        }
        space.until_phase("fi", "Active").await?;
        let status = names::node_status("fi", &nodes[0]);
        space
            .until_is(
                &status,
                "a baseline that was requested",
                |status: &FileIntegrityNodeStatus| status.reinit.is_some(),
            )
            .await?;
        eventually("the request to be recorded", async || {
            let fi = space
                .api::<fio::testing::api::FileIntegrity>()
                .get("fi")
                .await?;
            let is_recorded = !fi.annotations().contains_key(names::Annotation::REINIT);
            Ok(is_recorded.then_some(()))
        })
        .await?;
        operator.stop().await
    })
    .await
}
