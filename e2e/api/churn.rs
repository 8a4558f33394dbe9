//! Created and deleted objects leave nothing behind in the operator.

use fio::testing::api::FileIntegrity;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use crate::harness::{Space, eventually, in_space};

/// How often something is created and deleted.
const TIMES: usize = 10;

/// A FileIntegrity with a configuration of its own, and a node, come and go.
async fn come_and_go(space: &Space, name: &str) -> anyhow::Result<()> {
    let config = json!({"metadata": {"name": name}, "data": {"aide.conf": "/etc p+sha256\n"}});
    space
        .api::<ConfigMap>()
        .create(&PostParams::default(), &serde_json::from_value(config)?)
        .await?;
    let spec = json!({
        "config": {"name": name, "namespace": space.namespace, "gracePeriod": 10},
        "nodeSelector": {"nobody": "has this"},
    });
    let fi = format!("fi-{name}");
    space.file_integrity(&fi, spec).await?;
    space
        .until_is(&fi, "its configuration", |made: &ConfigMap| {
            let mut data = made.data.iter().flat_map(|data| data.values());
            data.any(|text| text.contains("/hostroot/etc p+sha256"))
        })
        .await?;
    let node = space.node(name).await?;
    space.remove_node(&node).await?;
    space
        .api::<FileIntegrity>()
        .delete(&fi, &DeleteParams::default())
        .await?;
    space
        .until_deleted::<FileIntegrity>(&fi, "the FileIntegrity to be deleted")
        .await
}

#[tokio::test]
async fn deleted_objects_leave_no_tasks() -> anyhow::Result<()> {
    in_space("churn", async |space| {
        let operator = space.operator("op").await?;
        space.active("fi", json!({})).await?;
        come_and_go(space, "first").await?;
        let before = operator.tasks()?;
        for time in 0..TIMES {
            come_and_go(space, &format!("time{time}")).await?;
        }
        // One for each time would be too many. Connections to the API server are tasks as well, and
        // some more may be open than before.
        let what = format!("fewer tasks than {}", before + TIMES);
        eventually(&what, async || {
            Ok((operator.tasks()? < before + TIMES).then_some(()))
        })
        .await
    })
    .await
}
