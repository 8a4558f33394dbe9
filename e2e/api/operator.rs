//! The operator against a real API server: from a FileIntegrity to its objects and its status.

use anyhow::Context as _;
use fio::testing::api::{
    ErrorClass, FileIntegrity, FileIntegrityNodeStatus, FileIntegrityStatus, Phase, names,
};
use fio::testing::scan::outcome::{Outcome, ScanError};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Secret};
use k8s_openapi::api::rbac::v1::Role;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt as _};
use serde_json::{Value, json};

use crate::harness::{
    IMAGE, LABEL_TEST, Space, changed, clean, condition_of, eventually, in_space, labels,
    message_of, phase_of,
};

fn counts(fi: &FileIntegrity) -> Value {
    let counts = fi.status.as_ref().and_then(|status| status.nodes);
    let counts = counts.unwrap_or_default();
    json!([
        counts.selected,
        counts.initialized,
        counts.failed,
        counts.errored,
        counts.held,
        counts.stale
    ])
}

#[tokio::test]
async fn from_pending_over_initializing_to_active() -> anyhow::Result<()> {
    in_space("life", async |space| {
        let nodes = [space.node("n1").await?, space.node("n2").await?];
        let _operator = space.operator("op").await?;
        let fi = space.file_integrity("fi", json!({})).await?;
        space.until_phase("fi", "Initializing").await?;

        let config_map = space
            .until_is("fi", "the active configuration", |_: &ConfigMap| true)
            .await?;
        let data = config_map.data.clone().unwrap_or_default();
        assert!(data.contains_key(names::KEY_AIDE_CONF));
        assert!(data.contains_key(names::KEY_EFFECTIVE_CONF));
        let label = |key: &str| labels(&config_map).get(key).cloned();
        assert_eq!(label(names::Label::AIDE_CONF).as_deref(), Some(""));
        assert_eq!(label(names::Label::OWNER).as_deref(), Some("fi"));

        let daemon_set = space
            .until_is("aide-fi", "the DaemonSet", |_: &DaemonSet| true)
            .await?;
        assert_eq!(owner(&daemon_set), fi.uid());
        let template = daemon_set.spec.context("a spec")?.template;
        let pod = template.spec.context("a pod")?;
        // The image is that of the operator's own Deployment.
        assert_eq!(pod.containers[0].image.as_deref(), Some(IMAGE));

        for node in &nodes {
            let name = names::node_status("fi", node);
            let status = space
                .until_is(&name, "a node status", |_: &FileIntegrityNodeStatus| true)
                .await?;
            assert_eq!(&status.node_name, node);
            assert_eq!(owner(&status), fi.uid());
            let effective = &data[names::KEY_EFFECTIVE_CONF];
            assert_eq!(
                status.annotation(names::Annotation::DESIRED_CONFIG),
                Some(fio::testing::aide::config::config_hash(effective).as_str())
            );
        }

        let [mut first, mut second] = nodes.each_ref().map(|node| space.daemon("fi", node));
        first.handle_request().await?;
        let half = space
            .until_is("fi", "one node to be initialized", |fi: &FileIntegrity| {
                counts(fi) == json!([2, 1, 0, 0, 0, 0])
            })
            .await?;
        assert_eq!(condition_of(&half, "Ready"), "False/Initializing");
        assert_eq!(
            message_of(&half, "Ready"),
            format!("waiting for the baseline of {}", nodes[1])
        );
        second.handle_request().await?;
        let active = space.until_phase("fi", "Active").await?;
        assert_eq!(condition_of(&active, "Ready"), "True/Active");
        assert_eq!(condition_of(&active, "Degraded"), "False/AsExpected");
        assert_eq!(
            space.event_messages("fi", "FileIntegrityStatus").await?,
            ["Pending", "Initializing", "Active"]
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn results_change_counts_and_an_error_changes_the_phase() -> anyhow::Result<()> {
    in_space("results", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, [mut first, mut second]) = space.active("fi", json!({})).await?;
        first.finds(&changed()).await?;
        let fi = space
            .until_is("fi", "a failed node", |fi: &FileIntegrity| {
                counts(fi) == json!([2, 2, 1, 0, 0, 0])
            })
            .await?;
        // Changed files are no problem of the operator: the nodes are still watched.
        assert_eq!(condition_of(&fi, "Ready"), "True/Active");

        let error = ScanError::new(
            ErrorClass::Configuration,
            "AIDE error: 17 Invalid configureline error",
        );
        second.finds(&Outcome::Errored(error)).await?;
        let fi = space.until_phase("fi", "Error").await?;
        assert!(
            message_of(&fi, "Ready").contains(&nodes[1]),
            "{}",
            message_of(&fi, "Ready")
        );
        second.finds(&clean()).await?;
        space.until_phase("fi", "Active").await?;
        first.finds(&clean()).await?;
        space
            .until_is("fi", "no failed node", |fi: &FileIntegrity| {
                counts(fi) == json!([2, 2, 0, 0, 0, 0])
            })
            .await?;
        assert_eq!(
            space.event_messages("fi", "FileIntegrityStatus").await?,
            ["Pending", "Initializing", "Active", "Error", "Active"]
        );
        Ok(())
    })
    .await
}

/// Makes a change to one of the operator's objects, and waits until it is as it was.
async fn undone<K>(space: &Space, name: &str, what: &str, patch: Value) -> anyhow::Result<()>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    let content = |object: &K| {
        let mut value = serde_json::to_value(object).unwrap_or_default();
        for key in ["managedFields", "resourceVersion", "generation"] {
            value["metadata"].as_object_mut().map(|m| m.remove(key));
        }
        if let Some(annotations) = value["metadata"]["annotations"].as_object_mut() {
            // The API server counts a DaemonSet's templates here.
            annotations.remove("deprecated.daemonset.template.generation");
        }
        value
    };
    let before = space.api::<K>().get(name).await?;
    let edited = space.merge::<K>(name, patch).await?;
    anyhow::ensure!(
        content(&before) != content(&edited),
        "{what}: this edits nothing"
    );
    space
        .until_is(name, &format!("{what} to be undone"), |object: &K| {
            content(object) == content(&before)
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn manually_edited_or_deleted_objects_are_restored() -> anyhow::Result<()> {
    in_space("edits", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _) = space.active("fi", json!({})).await?;
        let status = names::node_status("fi", &nodes[0]);

        let label = |key: &str, value: Value| json!({"metadata": {"labels": {key: value}}});
        for (what, patch) in [
            (
                "a changed text",
                json!({"data": {names::KEY_EFFECTIVE_CONF: "/etc p\n"}}),
            ),
            (
                "a removed key",
                json!({"data": {names::KEY_AIDE_CONF: null}}),
            ),
            (
                "a removed label",
                label(names::Label::AIDE_CONF, Value::Null),
            ),
            (
                "a changed label",
                label(names::Label::OWNER, json!("somebody")),
            ),
        ] {
            undone::<ConfigMap>(space, "fi", what, patch).await?;
        }
        let container =
            |field: Value| json!({"spec": {"template": {"spec": {"containers": [field]}}}});
        for (what, patch) in [
            (
                "another image",
                container(json!({"name": "daemon", "image": "localhost/other:1"})),
            ),
            (
                "other tolerations",
                json!({"spec": {"template": {"spec": {"tolerations": []}}}}),
            ),
            (
                "a changed label",
                label(names::Label::OWNER, json!("somebody")),
            ),
        ] {
            undone::<DaemonSet>(space, "aide-fi", what, patch).await?;
        }
        let request =
            |value| json!({"metadata": {"annotations": {names::Annotation::DESIRED_CONFIG: value}}});
        for (what, patch) in [
            ("a changed request", request(json!("0"))),
            ("a removed request", request(Value::Null)),
            (
                "an unrequested hold",
                json!({"metadata": {"annotations": {names::Annotation::HOLDOFF: ""}}}),
            ),
            ("a removed label", label(names::Label::NODE, Value::Null)),
            (
                "a changed label",
                label(names::Label::OWNER, json!("somebody")),
            ),
        ] {
            undone::<FileIntegrityNodeStatus>(space, &status, what, patch).await?;
        }

        comes_back::<ConfigMap>(space, "fi").await?;
        comes_back::<DaemonSet>(space, "aide-fi").await?;
        comes_back::<FileIntegrityNodeStatus>(space, &status).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn edited_statuses_and_immutable_configurations_are_restored() -> anyhow::Result<()> {
    in_space("frozen", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _) = space.active("fi", json!({})).await?;
        let fi = space.api::<FileIntegrity>().get("fi").await?;
        let before = fi.status.context("a status")?;
        // That the phase changed and changed back is counted, and when a condition did so.
        let content = |status: &FileIntegrityStatus| {
            let conditions = status.conditions.iter();
            let conditions: Vec<[String; 3]> = conditions
                .map(|c| [&c.type_, &c.status, &c.reason].map(String::clone))
                .collect();
            (status.phase, json!(status.nodes), conditions)
        };
        let beyond_time = json!({
            "type": "Ready", "status": "True", "reason": "Active", "message": "",
            "lastTransitionTime": "9999-12-31T23:59:59Z",
        });
        for (what, patch) in [
            ("an unreadable time", json!({"conditions": [beyond_time]})),
            ("another phase", json!({"phase": "Pending"})),
            ("other counts", json!({"nodes": {"failed": 7}})),
            ("no conditions", json!({"conditions": []})),
        ] {
            let edit = Patch::Merge(json!({"status": patch}));
            let api = space.api::<FileIntegrity>();
            let edited = api
                .patch_status("fi", &PatchParams::default(), &edit)
                .await?;
            assert_ne!(edited.status.as_ref(), Some(&before), "{what}");
            space
                .until_is(
                    "fi",
                    &format!("{what} to be undone"),
                    |fi: &FileIntegrity| fi.status.as_ref().map(content) == Some(content(&before)),
                )
                .await?;
        }

        // It cannot be written any more, so it is created again.
        let immutable = json!({"immutable": true});
        let frozen = space.merge::<ConfigMap>("fi", immutable).await?;
        space
            .until_is("fi", "another configuration", |config: &ConfigMap| {
                config.uid() != frozen.uid() && config.data == frozen.data
            })
            .await?;

        // Its owner is no longer visible: it is corrected, or created again.
        for (node, edit) in [
            (&nodes[0], json!({"nodeName": "other"})),
            (&nodes[1], json!({"metadata": {"ownerReferences": null}})),
        ] {
            let (name, what) = (
                names::node_status("fi", node),
                format!("{edit} to be undone"),
            );
            space.merge::<FileIntegrityNodeStatus>(&name, edit).await?;
            space
                .until_is(&name, &what, |status: &FileIntegrityNodeStatus| {
                    status.node_name == *node && status.owner().is_some()
                })
                .await?;
        }
        Ok(())
    })
    .await
}

/// Deletes an object, and waits for another one in its place.
async fn comes_back<K>(space: &Space, name: &str) -> anyhow::Result<()>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let before = space.api::<K>().get(name).await?.uid();
    let params = DeleteParams::background();
    space.api::<K>().delete(name, &params).await?;
    let what = format!("{} {name} to come back", K::kind(&()));
    space
        .until_is(name, &what, |object: &K| object.uid() != before)
        .await?;
    Ok(())
}

#[tokio::test]
async fn nodes_come_and_go() -> anyhow::Result<()> {
    in_space("nodes", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _) = space.active("fi", json!({})).await?;
        let status = |node: &str| names::node_status("fi", node);

        // Without a kubelet a node is stale, and nothing waits for it.
        space.set_ready(&nodes[1], false).await?;
        let fi = space
            .until_is("fi", "a stale node", |fi: &FileIntegrity| {
                counts(fi) == json!([2, 2, 0, 0, 0, 1])
            })
            .await?;
        assert_eq!(condition_of(&fi, "Ready"), "True/Active");
        assert_eq!(condition_of(&fi, "Degraded"), "True/NodesNotReady");

        space.remove_node(&nodes[1]).await?;
        space
            .until_deleted::<FileIntegrityNodeStatus>(
                &status(&nodes[1]),
                "the status of a deleted node",
            )
            .await?;
        let third = space.node("n3").await?;
        space
            .daemon("fi", &third)
            .handle_request()
            .await
            .context("a new node")?;

        // A node that is no longer selected.
        let patch = json!({"metadata": {"labels": {"not-this-one": "", LABEL_TEST: "other"}}});
        Api::<Node>::all(space.client.clone())
            .patch(&third, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        space
            .until_deleted::<FileIntegrityNodeStatus>(
                &status(&third),
                "the status of a node that is not selected",
            )
            .await?;
        space
            .until_is("fi", "one node", |fi: &FileIntegrity| {
                counts(fi) == json!([1, 1, 0, 0, 0, 0])
            })
            .await?;

        // A selector that no node fits.
        let selector = json!({"spec": {"nodeSelector": {"role": "nobody"}}});
        space.merge::<FileIntegrity>("fi", selector).await?;
        let fi = space.until_phase("fi", "Pending").await?;
        assert_eq!(condition_of(&fi, "Ready"), "False/NoNodes");
        space
            .until_deleted::<FileIntegrityNodeStatus>(&status(&nodes[0]), "the last status")
            .await?;
        Api::<Node>::all(space.client.clone())
            .delete(&third, &DeleteParams::default())
            .await?;
        Ok(())
    })
    .await
}

/// An object of somebody else's, by its owner.
async fn foreign<K>(space: &Space, name: &str, mut object: Value) -> anyhow::Result<K>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    object["metadata"]["name"] = json!(name);
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "Node", "name": "somebody", "uid": "somebody", "controller": true,
    }]);
    object["apiVersion"] = json!(K::api_version(&()));
    object["kind"] = json!(K::kind(&()));
    let params = PatchParams::apply("somebody");
    let written = space.api::<K>();
    Ok(written.patch(name, &params, &Patch::Apply(object)).await?)
}

fn owner<K: Resource>(object: &K) -> Option<String> {
    let owners = object.meta().owner_references.as_deref();
    let owner = owners.unwrap_or_default().first();
    owner.map(|owner| owner.uid.clone())
}

fn somebodys_daemon_set() -> Value {
    let labels = json!({"app": "somebody"});
    json!({"metadata": {}, "spec": {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {
            "containers": [{"name": "main", "image": "localhost/somebody:1"}],
        }},
    }})
}

#[tokio::test]
async fn objects_of_others_are_not_changed() -> anyhow::Result<()> {
    in_space("collision", async |space| {
        let node = space.node("n1").await?;
        let status = names::node_status("fi", &node);
        let config = json!({"metadata": {}, "data": {"their": "text"}});
        let config_map = foreign::<ConfigMap>(space, "fi", config).await?;
        let daemon_set =
            foreign::<DaemonSet>(space, "aide-fi", somebodys_daemon_set()).await?;
        let node_status = json!({"metadata": {}, "nodeName": "theirs"});
        let node_status =
            foreign::<FileIntegrityNodeStatus>(space, &status, node_status).await?;

        let _operator = space.operator("op").await?;
        space.file_integrity("fi", json!({})).await?;
        let fi = space
            .until_is("fi", "the collisions to be reported", |fi: &FileIntegrity| {
                condition_of(fi, "Degraded") == "True/NameCollision"
                    && message_of(fi, "Degraded").matches("belongs to").count() == 3
            })
            .await?;
        let message = message_of(&fi, "Degraded");
        for named in ["ConfigMap fi", "DaemonSet aide-fi", &format!("FileIntegrityNodeStatus {status}")] {
            let sentence = format!("{named} belongs to Node somebody and is left alone; rename or remove one of the two");
            assert!(message.contains(&sentence), "{message}");
        }
        // Not even touched.
        let now = space.api::<ConfigMap>().get("fi").await?;
        assert_eq!(now.resource_version(), config_map.resource_version());
        let now = space.api::<DaemonSet>().get("aide-fi").await?;
        assert_eq!(now.resource_version(), daemon_set.resource_version());
        let now = space.api::<FileIntegrityNodeStatus>().get(&status).await?;
        assert_eq!(now.resource_version(), node_status.resource_version());

        // Once the way is free, it is taken.
        let params = DeleteParams::background();
        space.api::<ConfigMap>().delete("fi", &params).await?;
        space.api::<DaemonSet>().delete("aide-fi", &params).await?;
        space.api::<FileIntegrityNodeStatus>().delete(&status, &params).await?;
        space.daemon("fi", &node).handle_request().await?;
        space.until_well("fi").await?;
        Ok(())
    })
    .await
}

/// A Role from which something was taken.
struct Narrowed {
    /// As it was.
    whole: Role,
    /// Something that it does not allow any more.
    writing: Value,
}

impl Narrowed {
    /// Waits until the operator can do it, or cannot.
    async fn until_may(&self, space: &Space, expected: bool) -> anyhow::Result<()> {
        let (namespace, account) = (&space.namespace, names::OPERATOR_NAME);
        space
            .until_may(namespace, account, &self.writing, expected)
            .await
    }

    /// Gives it back.
    async fn give_back(mut self, space: &Space) -> anyhow::Result<()> {
        self.whole.metadata.resource_version = None;
        let params = PostParams::default();
        let roles = space.api::<Role>();
        roles
            .replace(names::OPERATOR_NAME, &params, &self.whole)
            .await?;
        self.until_may(space, true).await
    }
}

/// Takes from the operator's Role what it needs to write objects of this resource, `verb` among it.
async fn narrow(
    space: &Space,
    verb: &str,
    (group, resource): (&str, &str),
) -> anyhow::Result<Narrowed> {
    let roles = space.api::<Role>();
    let whole = roles.get(names::OPERATOR_NAME).await?;
    let mut narrow = whole.clone();
    let mut kept = narrow.rules.take().unwrap_or_default();
    for rule in &mut kept {
        if rule.resources.iter().flatten().any(|r| r == resource) {
            rule.verbs
                .retain(|verb| verb != "create" && verb != "patch");
        }
    }
    kept.retain(|rule| !rule.verbs.is_empty());
    narrow.rules = Some(kept);
    let params = PostParams::default();
    roles
        .replace(names::OPERATOR_NAME, &params, &narrow)
        .await?;
    let writing = json!({"resourceAttributes": {
        "namespace": space.namespace, "verb": verb, "group": group, "resource": resource,
    }});
    let narrowed = Narrowed { whole, writing };
    narrowed.until_may(space, false).await?;
    Ok(narrowed)
}

/// With a Role that is too narrow, as the original's partly is, the status names what is missing.
#[tokio::test]
async fn requests_that_the_api_refuses_are_in_the_status() -> anyhow::Result<()> {
    in_space("refused", async |space| {
        let node = space.node("n1").await?;
        let narrowed = narrow(space, "create", ("apps", "daemonsets")).await?;
        let _operator = space.operator("op").await?;
        space.file_integrity("fi", json!({})).await?;
        let fi = space
            .until_is("fi", "the refusal", |fi: &FileIntegrity| {
                condition_of(fi, "Degraded") == "True/ApiRefused"
            })
            .await?;
        let message = message_of(&fi, "Degraded");
        assert!(
            message.contains("aide-fi") && message.contains("daemonsets"),
            "{message}"
        );
        assert_eq!(fi.status.and_then(|s| s.phase), Some(Phase::Pending));

        narrowed.give_back(space).await?;
        space.daemon("fi", &node).handle_request().await?;
        space.until_well("fi").await?;
        Ok(())
    })
    .await
}

/// A re-init request that cannot be recorded is reported until it is.
#[tokio::test]
async fn annotations_that_cannot_be_changed_are_in_the_status() -> anyhow::Result<()> {
    in_space("unrecorded", async |space| {
        let _operator = space.operator("op").await?;
        let (_, daemons) = space.active("fi", json!({})).await?;
        let resource = ("fileintegrity.openshift.io", "fileintegrities");
        let narrowed = narrow(space, "patch", resource).await?;
        space
            .annotate("fi", names::Annotation::REINIT, json!(""))
            .await?;
        let fi = space
            .until_is("fi", "the refusal", |fi: &FileIntegrity| {
                condition_of(fi, "Degraded") == "True/ApiRefused"
            })
            .await?;
        let message = message_of(&fi, "Degraded");
        assert!(message.starts_with("annotate fi: "), "{message}");
        assert_eq!(condition_of(&fi, "Ready"), "False/Initializing");

        narrowed.give_back(space).await?;
        for mut daemon in daemons {
            daemon.handle_request().await?;
        }
        space.until_well("fi").await?;
        Ok(())
    })
    .await
}

/// Without the permission to create events the status has everything but the phase, which is reported and
/// written when events can be created: once, also by another operator.
#[tokio::test]
async fn a_phase_whose_event_is_refused_is_reported_later() -> anyhow::Result<()> {
    in_space("refused-events", async |space| {
        let operator = space.operator("op").await?;
        let (_, [mut first, mut second]) = space.active("fi", json!({})).await?;
        let narrowed = narrow(space, "create", ("events.k8s.io", "events")).await?;
        let error = ScanError::new(ErrorClass::Io, "AIDE error: 18 I/O error");
        first.finds(&Outcome::Errored(error)).await?;
        second.finds(&changed()).await?;
        let fi = space
            .until_is("fi", "the nodes and the refusal", |fi: &FileIntegrity| {
                condition_of(fi, "Degraded") == "True/ApiRefused"
                    && counts(fi) == json!([2, 2, 1, 1, 0, 0])
            })
            .await?;
        let message = message_of(&fi, "Degraded");
        assert!(message.contains("events"), "{message}");
        assert_eq!(condition_of(&fi, "Ready"), "False/Error");
        assert_eq!(fi.status.and_then(|s| s.phase), Some(Phase::Active));

        operator.stop().await?;
        let _operator = space.operator("another").await?;
        narrowed.give_back(space).await?;
        let fi = space.until_phase("fi", "Error").await?;
        assert_eq!(fi.status.and_then(|s| s.phase_transitions), Some(4));
        second.finds(&clean()).await?;
        space
            .until_is("fi", "the next result", |fi: &FileIntegrity| {
                condition_of(fi, "Degraded") == "False/AsExpected"
                    && counts(fi) == json!([2, 2, 0, 1, 0, 0])
            })
            .await?;
        let messages = space.event_messages("fi", "FileIntegrityStatus").await?;
        assert_eq!(messages, ["Pending", "Initializing", "Active", "Error"]);
        Ok(())
    })
    .await
}

/// Here is no garbage collector, so what the deleted one had stays until the operator removes it.
#[tokio::test]
async fn a_recreated_file_integrity_takes_its_name_over() -> anyhow::Result<()> {
    in_space("created-again", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _) = space.active("fi", json!({})).await?;
        let api = space.api::<FileIntegrity>();
        let before = api.get("fi").await?.uid();
        api.delete("fi", &DeleteParams::background()).await?;
        space.file_integrity("fi", json!({})).await?;
        let after = api.get("fi").await?.uid();
        assert_ne!(before, after);
        space.until_phase("fi", "Initializing").await?;
        for node in &nodes {
            let mut daemon = space.daemon("fi", node);
            daemon.handle_request().await?;
            daemon.finds(&clean()).await?;
        }
        let fi = space.until_phase("fi", "Active").await?;
        assert_eq!(condition_of(&fi, "Degraded"), "False/AsExpected");
        let owner = |meta: &ObjectMeta| {
            let owners = meta.owner_references.iter().flatten();
            owners.map(|owner| owner.uid.clone()).collect::<Vec<_>>()
        };
        let new = [after.unwrap_or_default()];
        let daemon_set = space.api::<DaemonSet>().get("aide-fi").await?;
        assert_eq!(owner(&daemon_set.metadata), new);
        let active = space.api::<ConfigMap>().get("fi").await?;
        assert_eq!(owner(&active.metadata), new);
        for node in &nodes {
            let name = names::node_status("fi", node);
            let status = space.api::<FileIntegrityNodeStatus>().get(&name).await?;
            assert_eq!(owner(&status.metadata), new);
        }
        assert!(
            !space.log().contains("NameCollision") && !space.log().contains("belongs to"),
            "{}",
            space.log()
        );
        Ok(())
    })
    .await
}

/// A user may well call the ConfigMap of a configuration like the FileIntegrity that uses it.
#[tokio::test]
async fn a_users_config_map_of_the_same_name_is_not_overwritten() -> anyhow::Result<()> {
    in_space("same-name", async |space| {
        space.node("n1").await?;
        let text = "/etc p+sha256\n";
        let mine = json!({"metadata": {"name": "fi"}, "data": {"aide.conf": text}});
        let api = space.api::<ConfigMap>();
        api.create(&PostParams::default(), &serde_json::from_value(mine)?)
            .await?;
        let _operator = space.operator("op").await?;
        let config = json!({"name": "fi", "namespace": space.namespace});
        space.file_integrity("fi", json!({"config": config})).await?;
        let fi = space
            .until_is("fi", "the collision to be reported", |fi: &FileIntegrity| {
                condition_of(fi, "Degraded") == "True/NameCollision"
            })
            .await?;
        assert_eq!(
            message_of(&fi, "Degraded"),
            "ConfigMap fi belongs to somebody else and is left alone; rename or remove one of the two"
        );
        let now = api.get("fi").await?;
        assert_eq!(now.data.unwrap_or_default()["aide.conf"], text);
        assert!(now.metadata.labels.is_none() && now.metadata.owner_references.is_none());
        Ok(())
    })
    .await
}

/// FileIntegrity `a` on node `b-c` and FileIntegrity `a-b` on node `c` want the same name for their
/// node's status. Nodes have the test's name in theirs, so here it is the FileIntegrity's. Who has
/// none keeps nothing from the other nodes.
#[tokio::test]
async fn two_file_integrities_that_need_the_same_name() -> anyhow::Result<()> {
    in_space("twins", async |space| {
        let long = space.node("n").await?;
        let short = "n".to_owned();
        let outer = "fi".to_owned();
        // fi + "-" + namespace-n  ==  fi-namespace + "-" + n
        let inner = format!("fi-{}", space.namespace);
        let nodes = Api::<Node>::all(space.client.clone());
        let node = json!({"metadata": {"name": short, "labels": {LABEL_TEST: space.namespace, "short": ""}}});
        nodes
            .create(&PostParams::default(), &serde_json::from_value(node)?)
            .await?;
        space.set_ready(&short, true).await?;
        assert_eq!(
            names::node_status(&outer, &long),
            names::node_status(&inner, &short)
        );

        let _operator = space.operator("op").await?;
        let selects = |role: &str| json!({"nodeSelector": {LABEL_TEST: space.namespace, role: ""}});
        let patch = json!({"metadata": {"labels": {"long": ""}}});
        nodes
            .patch(&long, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        space.file_integrity(&outer, selects("long")).await?;
        space.daemon(&outer, &long).handle_request().await?;
        space.until_phase(&outer, "Active").await?;

        space.file_integrity(&inner, selects("short")).await?;
        let fi = space
            .until_is(&inner, "the collision to be reported", |fi: &FileIntegrity| {
                condition_of(fi, "Degraded") == "True/NameCollision"
            })
            .await?;
        let message = message_of(&fi, "Degraded");
        assert!(
            message.contains("belongs to FileIntegrity fi and is left alone"),
            "{message}"
        );
        let status = names::node_status(&outer, &long);
        let status = space.api::<FileIntegrityNodeStatus>().get(&status).await?;
        assert_eq!(status.node_name, long);

        let other = space.node("other").await?;
        let patch = json!({"metadata": {"labels": {"short": ""}}});
        nodes
            .patch(&other, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        let mut daemon = space.daemon(&inner, &other);
        daemon.handle_request().await?;
        // The next request is recorded when the one before is handed out.
        for _ in 0..2 {
            space
                .annotate(&inner, names::Annotation::REINIT, json!(""))
                .await?;
            daemon.handle_request().await?;
        }
        space
            .until_is(&inner, "the record to go", |fi: &FileIntegrity| {
                let annotations = fi.annotations();
                !annotations.contains_key(names::Annotation::REINIT)
                    && !annotations.contains_key(names::Annotation::REINIT_RECORD)
            })
            .await?;
        // The record is removed when the request was sent: the baseline is counted after that.
        let waiting = format!("waiting for the baseline of {short}");
        let fi = space
            .until_is(&inner, "the other node's baseline", |fi: &FileIntegrity| {
                message_of(fi, "Ready") == waiting
            })
            .await?;
        assert_eq!(condition_of(&fi, "Degraded"), "True/NameCollision");
        assert_eq!(condition_of(&fi, "Ready"), "False/Initializing");
        Ok(())
    })
    .await
}

/// A DaemonSet as the original creates it for this FileIntegrity.
pub(crate) fn originals_daemon_set(fi: &FileIntegrity, name: &str) -> Value {
    let labels = json!({"app": "aide-fi"});
    let owners = json!([{
        "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrity",
        "name": "fi", "uid": fi.uid(), "controller": true,
    }]);
    json!({
        "metadata": {"name": name, "ownerReferences": owners, "labels": {names::Label::OWNER: "fi"}},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "containers": [{
                    "name": "daemon", "image": "localhost/original:1",
                    "volumeMounts": [{"name": "aide-script", "mountPath": "/scripts"}],
                }],
                "volumes": [{"name": "aide-script", "emptyDir": {}}],
            }},
        },
    })
}

#[tokio::test]
async fn the_originals_daemon_set_is_replaced_whole() -> anyhow::Result<()> {
    in_space("original", async |space| {
        space.node("n1").await?;
        let fi = space.file_integrity("fi", json!({})).await?;
        for name in ["aide-fi", "aide-ds-fi"] {
            let object = serde_json::from_value(originals_daemon_set(&fi, name))?;
            let api = space.api::<DaemonSet>();
            api.create(&PostParams::default(), &object).await?;
        }
        let _operator = space.operator("op").await?;
        let volumes = |daemon_set: &DaemonSet| {
            let pod = daemon_set
                .spec
                .as_ref()
                .and_then(|spec| spec.template.spec.as_ref());
            let volumes = pod.and_then(|pod| pod.volumes.clone()).unwrap_or_default();
            volumes
                .into_iter()
                .map(|volume| volume.name)
                .collect::<Vec<_>>()
        };
        space
            .until_is("aide-fi", "our DaemonSet", |ds: &DaemonSet| {
                volumes(ds) == ["hostroot", "config", "tmp"]
            })
            .await?;
        space
            .until_deleted::<DaemonSet>("aide-ds-fi", "the early original's DaemonSet")
            .await
    })
    .await
}

#[tokio::test]
async fn a_new_image_of_the_operator_rolls_the_daemons() -> anyhow::Result<()> {
    in_space("image", async |space| {
        let _operator = space.operator("op").await?;
        space.active("fi", json!({})).await?;
        let image = |daemon_set: &DaemonSet| {
            let pod = daemon_set
                .spec
                .as_ref()
                .and_then(|spec| spec.template.spec.as_ref());
            pod.and_then(|pod| pod.containers[0].image.clone())
        };
        let patch = json!({"spec": {"template": {"spec": {
            "containers": [{"name": "file-integrity-operator", "image": "localhost/fio:new"}],
        }}}});
        let patch = Patch::Strategic(patch);
        space
            .api::<Deployment>()
            .patch(names::OPERATOR_NAME, &PatchParams::default(), &patch)
            .await?;
        space
            .until_is("aide-fi", "the new image", |ds: &DaemonSet| {
                image(ds).as_deref() == Some("localhost/fio:new")
            })
            .await?;
        space
            .api::<Deployment>()
            .delete(names::OPERATOR_NAME, &DeleteParams::background())
            .await?;
        space
            .until_is(
                "aide-fi",
                "the image that the operator was given",
                |ds: &DaemonSet| image(ds).as_deref() == Some("localhost/fallback:1"),
            )
            .await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_missing_priority_class_is_reported_and_left_out() -> anyhow::Result<()> {
    in_space("priority", async |space| {
        let _operator = space.operator("op").await?;
        space.node("n1").await?;
        space
            .file_integrity("fi", json!({"priorityClassName": "absent"}))
            .await?;
        let daemon_set = space
            .until_is("aide-fi", "the DaemonSet", |_: &DaemonSet| true)
            .await?;
        let pod = daemon_set.spec.and_then(|spec| spec.template.spec);
        assert_eq!(pod.and_then(|pod| pod.priority_class_name), None);
        let messages = eventually("the warning", async || {
            let messages = space.event_messages("fi", "PriorityClass").await?;
            Ok((!messages.is_empty()).then_some(messages))
        })
        .await?;
        assert_eq!(
            messages,
            ["Error while getting priority class 'absent', PriorityClass not found or invalid"]
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nothing_is_deployed_with_a_refused_configuration() -> anyhow::Result<()> {
    in_space("refused-config", async |space| {
        let _operator = space.operator("op").await?;
        space.node("n1").await?;
        let text = "/etc p\n@@include /var/run/secrets/token\n@@x_include /bin/true\n";
        let config_map = serde_json::from_value(json!({
            "metadata": {"name": "mine"}, "data": {"aide.conf": text},
        }))?;
        space
            .api::<ConfigMap>()
            .create(&PostParams::default(), &config_map)
            .await?;
        let config = json!({"name": "mine", "namespace": space.namespace});
        space
            .file_integrity("fi", json!({"config": config}))
            .await?;
        let fi = space.until_phase("fi", "Error").await?;
        assert_eq!(condition_of(&fi, "ConfigValid"), "False/Refused");
        let message = message_of(&fi, "ConfigValid");
        for directive in ["@@include", "@@x_include"] {
            assert!(message.contains(directive), "{directive}: {message}");
        }
        let deployed = space.api::<DaemonSet>().get_opt("aide-fi").await?;
        assert!(deployed.is_none(), "{deployed:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_configuration_of_the_users() -> anyhow::Result<()> {
    in_space("config", async |space| {
        let _operator = space.operator("op").await?;
        let (_, [mut first, mut second]) = space.active("fi", json!({})).await?;
        let active = async || {
            let data = space.api::<ConfigMap>().get("fi").await?.data;
            anyhow::Ok(data.unwrap_or_default().remove(names::KEY_EFFECTIVE_CONF))
        };
        let default = active().await?;
        let named =
            json!({"name": "mine", "namespace": space.namespace, "key": "conf", "gracePeriod": 10});
        space
            .merge::<FileIntegrity>("fi", json!({"spec": {"config": named}}))
            .await?;

        // It does not exist: the daemons continue.
        let until_config = async |expected: &str| {
            let what = format!("ConfigValid to be {expected}");
            space
                .until_is("fi", &what, |fi: &FileIntegrity| {
                    condition_of(fi, "ConfigValid") == expected
                })
                .await
        };
        let fi = until_config("False/ConfigMapMissing").await?;
        assert_eq!(condition_of(&fi, "Ready"), "True/Active");
        assert_eq!(active().await?, default);

        let api = space.api::<ConfigMap>();
        let mine = |data: Value| {
            serde_json::from_value(json!({"metadata": {"name": "mine"}, "data": data}))
        };
        api.create(&PostParams::default(), &mine(json!({"other": "x"}))?)
            .await?;
        until_config("False/KeyMissing").await?;
        space
            .merge::<ConfigMap>("mine", json!({"data": {"conf": " \n"}}))
            .await?;
        until_config("False/ConfigEmpty").await?;

        let text = "@@define DBDIR /etc/kubernetes\n/etc p+sha256\n";
        space
            .merge::<ConfigMap>("mine", json!({"data": {"conf": text}}))
            .await?;
        first.handle_request().await?;
        second.handle_request().await?;
        space.until_phase("fi", "Active").await?;
        assert!(
            active()
                .await?
                .is_some_and(|text| text.contains("/hostroot/etc p+sha256"))
        );

        // It is refused: the last good one stays in use.
        let good = active().await?;
        space
            .merge::<ConfigMap>(
                "mine",
                json!({"data": {"conf": "@@x_include /bin/sh\n/etc p\n"}}),
            )
            .await?;
        let fi = space.until_phase("fi", "Error").await?;
        assert_eq!(condition_of(&fi, "ConfigValid"), "False/Refused");
        assert!(
            message_of(&fi, "ConfigValid").contains("x_include"),
            "{}",
            message_of(&fi, "ConfigValid")
        );
        assert_eq!(active().await?, good);
        space
            .merge::<ConfigMap>("mine", json!({"data": {"conf": "/etc p+nonsense\n"}}))
            .await?;
        space
            .until_is("fi", "AIDE's own message", |fi: &FileIntegrity| {
                message_of(fi, "ConfigValid").contains("AIDE error: 17")
            })
            .await?;

        // An empty text corrects nothing, and keeps the phase.
        space
            .merge::<ConfigMap>("mine", json!({"data": {"conf": ""}}))
            .await?;
        let fi = until_config("False/ConfigEmpty").await?;
        assert_eq!(condition_of(&fi, "Ready"), "False/ConfigRefused");
        assert_eq!(phase_of(&fi), "Error");

        // It is removed: the default is used again.
        let none = json!({"name": null, "namespace": null, "key": null});
        space
            .merge::<FileIntegrity>("fi", json!({"spec": {"config": none}}))
            .await?;
        first.handle_request().await?;
        second.handle_request().await?;
        space
            .until_is("fi", "the default in effect", |fi: &FileIntegrity| {
                condition_of(fi, "ConfigValid") == "True/Valid"
                    && condition_of(fi, "Ready") == "True/Active"
            })
            .await?;
        assert_eq!(active().await?, default);
        Ok(())
    })
    .await
}

/// The versions of the node statuses, which must not change when somebody edits the active configuration.
async fn versions(space: &Space) -> anyhow::Result<Vec<Option<String>>> {
    let statuses = space.api::<FileIntegrityNodeStatus>();
    let all = statuses.list(&ListParams::default()).await?;
    Ok(all
        .iter()
        .map(kube::ResourceExt::resource_version)
        .collect())
}

/// Puts another text into the active configuration; returns the one before.
async fn edit_active(space: &Space) -> anyhow::Result<ConfigMap> {
    let before = space.api::<ConfigMap>().get("fi").await?;
    let text = "/nothing/at/all p\n";
    let edit = json!({names::KEY_AIDE_CONF: text, names::KEY_EFFECTIVE_CONF: text});
    space
        .merge::<ConfigMap>("fi", json!({"data": edit}))
        .await?;
    Ok(before)
}

#[tokio::test]
async fn an_active_configuration_cannot_be_edited_while_the_users_is_missing() -> anyhow::Result<()>
{
    in_space("edited", async |space| {
        let operator = space.operator("op").await?;
        let (_, [mut first, mut second]) = space.active("fi", json!({})).await?;
        let named = json!({"name": "mine", "namespace": space.namespace});
        space
            .merge::<FileIntegrity>("fi", json!({"spec": {"config": named}}))
            .await?;
        let unchanged = versions(space).await?;
        let until = async |kind: &str, expected: &str| {
            let what = format!("{kind} to be {expected}");
            space
                .until_is("fi", &what, |fi: &FileIntegrity| {
                    condition_of(fi, kind) == expected
                })
                .await
        };

        let mine = |text: &str| {
            serde_json::from_value(
                json!({"metadata": {"name": "mine"}, "data": {"aide.conf": text}}),
            )
        };
        let api = space.api::<ConfigMap>();
        for (text, expected) in [
            (None, "False/ConfigMapMissing"),
            (Some("/etc p+nonsense\n"), "False/Refused"),
        ] {
            if let Some(text) = text {
                api.create(&PostParams::default(), &mine(text)?).await?;
            }
            until("ConfigValid", expected).await?;
            let before = edit_active(space).await?;
            space
                .until_is("fi", "the edit to be undone", |config: &ConfigMap| {
                    config.data == before.data
                })
                .await?;
            assert_eq!(versions(space).await?, unchanged, "{expected}");
        }

        // The next operator does not know what it was, and does not guess.
        operator.stop().await?;
        edit_active(space).await?;
        let _operator = space.operator("next").await?;
        let fi = until("Degraded", "True/ConfigurationLost").await?;
        assert_eq!(condition_of(&fi, "ConfigValid"), "False/Refused");
        assert_eq!(versions(space).await?, unchanged);
        let good = json!({"data": {"aide.conf": "/etc p+sha256\n"}});
        space.merge::<ConfigMap>("mine", good).await?;
        first.handle_request().await?;
        second.handle_request().await?;
        space.until_well("fi").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_reference_that_leads_to_secrets_is_never_followed() -> anyhow::Result<()> {
    in_space("leak", async |space| {
        let _operator = space.operator("op").await?;
        let (_, _nodes) = space.active("fi", json!({})).await?;
        let secret = json!({
            "metadata": {"name": "key"}, "stringData": {"tls.key": "private-key-material"},
        });
        space
            .api::<Secret>()
            .create(&PostParams::default(), &serde_json::from_value(secret)?)
            .await?;
        let namespace = &space.namespace;
        for (field, value) in [
            ("namespace", format!("{namespace}/secrets?x=")),
            ("namespace", format!("{namespace}/secrets/key?")),
            ("name", "key,metadata.namespace!=x".to_owned()),
            ("key", "../tls.key".to_owned()),
        ] {
            let mut config = json!({"name": "key", "namespace": namespace, "key": "tls.key"});
            config[field] = json!(value);
            space
                .merge::<FileIntegrity>("fi", json!({"spec": {"config": config}}))
                .await?;
            let fi = space
                .until_is(
                    "fi",
                    &format!("{field} to be refused"),
                    |fi: &FileIntegrity| {
                        condition_of(fi, "ConfigValid") == "False/InvalidReference"
                            && message_of(fi, "ConfigValid")
                                .starts_with(&format!("spec.config.{field}: "))
                    },
                )
                .await?;
            assert_eq!(condition_of(&fi, "Ready"), "True/Active", "{field}");
            let whole = serde_json::to_string(&fi)?;
            let encoded = "cHJpdmF0ZS1rZXktbWF0ZXJpYWw";
            assert!(!whole.contains("private-key-material") && !whole.contains(encoded));
        }
        Ok(())
    })
    .await
}
