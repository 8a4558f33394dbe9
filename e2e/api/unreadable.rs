//! Values that the API server takes and that no type of the program can hold: one object must not stop
//! the operator for all others.

use anyhow::Context as _;
use fio::testing::api::{FileIntegrity, names};
use hyper::Request;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::failover::until_leads;
use crate::harness::{Daemon, LABEL_TEST, Space, alone, clean, eventually};

/// A time that the API server takes. It lies behind the last one that can be counted with.
const NEVER: &str = "9999-12-31T23:59:59Z";
const DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/fileintegrities.fileintegrity.openshift.io";
/// Where its schema is.
const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema";

async fn send(space: &Space, method: &str, path: &str, body: Value) -> anyhow::Result<Value> {
    let media = match method {
        "PATCH" => "application/json-patch+json",
        _ => "application/json",
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media)
        .body(serde_json::to_vec(&body)?)?;
    Ok(space.client.request(request).await?)
}

async fn read(space: &Space, path: &str) -> anyhow::Result<Value> {
    let request = Request::get(path).body(Vec::new())?;
    Ok(space.client.request(request).await?)
}

/// Replaces an object by itself with that time in the record of who wrote it.
async fn poison(space: &Space, path: &str) -> anyhow::Result<()> {
    eventually(&format!("{path} to have an odd time"), async || {
        let mut object = read(space, path).await?;
        object["metadata"]["labels"]["test-changed"] = json!("yes");
        let entries = object["metadata"]["managedFields"].as_array_mut();
        for entry in entries.context("managed fields")? {
            entry["time"] = json!(NEVER);
        }
        if path.contains("/leases/") {
            object["spec"]["renewTime"] = json!(NEVER.replace('Z', ".000000Z"));
        }
        if path.contains("/daemonsets/") {
            object["spec"]["template"]["metadata"]["creationTimestamp"] = json!(NEVER);
        }
        match send(space, "PUT", path, object).await {
            Ok(stored) => {
                anyhow::ensure!(
                    stored.to_string().contains(&NEVER[..NEVER.len() - 1]),
                    "{path}: it is not stored"
                );
                Ok(Some(()))
            }
            // Somebody else has written it meanwhile.
            Err(_) => Ok(None),
        }
    })
    .await
}

/// Re-initializes this node, with the operator's request.
async fn reinitialize(space: &Space, node: &str, daemon: &mut Daemon) -> anyhow::Result<()> {
    space
        .annotate("fi", names::Annotation::REINIT, json!(node))
        .await?;
    daemon.handle_request().await?;
    daemon.finds(&clean()).await?;
    space.until_phase("fi", "Active").await?;
    Ok(())
}

#[tokio::test]
async fn an_invalid_time_stops_nothing() -> anyhow::Result<()> {
    alone("odd-times", async |space| {
        let operator = space.operator("before").await?;
        let (nodes, mut daemons) = space.active("fi", json!({})).await?;
        let nowhere = json!({"nodeSelector": {LABEL_TEST: "nowhere"}});
        space.file_integrity("odd", nowhere).await?;
        let group = format!(
            "/apis/{}/namespaces/{}",
            "fileintegrity.openshift.io/v1alpha1", space.namespace
        );
        let odd = format!("{group}/fileintegrities/odd");
        eventually("the other FileIntegrity to have a status", async || {
            let object = read(space, &odd).await?;
            Ok(object["status"]["conditions"].is_array().then_some(()))
        })
        .await?;
        operator.stop().await?;

        let namespace = &space.namespace;
        let status = names::node_status("fi", &nodes[1]);
        for path in [
            odd.clone(),
            format!("{group}/fileintegritynodestatuses/{status}"),
            format!("/api/v1/namespaces/{namespace}/configmaps/fi"),
            format!("/apis/apps/v1/namespaces/{namespace}/daemonsets/aide-fi"),
            format!("/apis/apps/v1/namespaces/{namespace}/deployments/file-integrity-operator"),
            format!(
                "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{}",
                names::LEASE_NAME
            ),
            format!("/api/v1/nodes/{}", nodes[1]),
        ] {
            poison(space, &path).await?;
        }

        let operator = space.operator("after").await?;
        reinitialize(space, &nodes[0], &mut daemons[0]).await?;
        // What has the odd time is read without it, so it is worked on too.
        let patch = json!([{"op": "add", "path": "/spec/priorityClassName", "value": "missing"}]);
        send(space, "PATCH", &odd, patch).await?;
        eventually("the change to be followed", async || {
            let object = read(space, &odd).await?;
            let generation = &object["metadata"]["generation"];
            Ok((object["status"]["observedGeneration"] == *generation).then_some(()))
        })
        .await?;
        let third = space.node("n3").await?;
        space.daemon("fi", &third).handle_request().await?;
        operator.stop().await
    })
    .await
}

async fn change_schema(space: &Space, schema: Value) -> anyhow::Result<()> {
    let patch = json!([{"op": "replace", "path": SCHEMA, "value": schema}]);
    send(space, "PATCH", DEFINITION, patch).await.map(|_| ())
}

#[tokio::test]
async fn an_unreadable_object_is_reported_and_others_are_reconciled() -> anyhow::Result<()> {
    alone("unreadable", async |space| {
        let definition = read(space, DEFINITION).await?;
        let schema = definition.pointer(SCHEMA).cloned();
        let result = Box::pin(unreadable(space)).await;
        change_schema(space, schema.context("a schema")?).await?;
        result
    })
    .await
}

async fn unreadable(space: &Space) -> anyhow::Result<()> {
    let operator = space.operator("before").await?;
    let (nodes, mut daemons) = space.active("fi", json!({})).await?;
    operator.stop().await?;
    // Somebody has changed the definition: whatever is in the spec is stored.
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    change_schema(space, schema).await?;
    let all = format!(
        "/apis/fileintegrity.openshift.io/v1alpha1/namespaces/{}/fileintegrities",
        space.namespace
    );
    let odd = format!("{all}/odd");
    eventually("the object to be taken", async || {
        let object = json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrity",
            "metadata": {"name": "odd"},
            "spec": {
                "config": {"gracePeriod": "a secret word"},
                "nodeSelector": {LABEL_TEST: "nowhere"},
            },
        });
        Ok(send(space, "POST", &all, object).await.ok())
    })
    .await?;

    let operator = space.operator("after").await?;
    until_leads(space, "after").await?;
    let degraded = async |reason: &str| {
        eventually(&format!("Degraded to be {reason}"), async || {
            let object = read(space, &odd).await?;
            let conditions = object["status"]["conditions"].as_array().cloned();
            let degraded = conditions
                .into_iter()
                .flatten()
                .find(|c| c["type"] == "Degraded");
            Ok(degraded.filter(|condition| condition["reason"] == *reason))
        })
        .await
    };
    let condition = degraded("ObjectUnreadable").await?;
    let message = condition["message"].as_str().unwrap_or_default();
    assert!(
        message.starts_with("FileIntegrity odd cannot be read: "),
        "{message}"
    );
    assert!(!message.contains("secret"), "{message}");
    let events: Vec<Event> = space.events("odd").await?;
    let reported = events
        .iter()
        .filter(|e| e.reason.as_deref() == Some("ObjectUnreadable"));
    assert_eq!(reported.count(), 1);
    let lines = space.log();
    assert_eq!(
        lines.matches("an object cannot be read").count(),
        1,
        "{lines}"
    );

    reinitialize(space, &nodes[0], &mut daemons[0]).await?;

    // Corrected, it is worked on.
    let patch = json!([{"op": "replace", "path": "/spec/config/gracePeriod", "value": 10}]);
    send(space, "PATCH", &odd, patch).await?;
    degraded("AsExpected").await?;
    let fi = space.api::<FileIntegrity>().get("odd").await?;
    assert_eq!(fi.name_any(), "odd");
    operator.stop().await
}
