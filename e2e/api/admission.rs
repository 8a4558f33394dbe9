//! The CustomResourceDefinitions for users: valid FileIntegrities (invalid ones: [`crate::bad_specs`]),
//! their defaults, the output of `kubectl get` and `kubectl explain`.

use anyhow::Context as _;
use fio::testing::api::{FileIntegrity, FileIntegrityNodeStatus};
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams, TypeMeta};
use kube::core::Request;
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use crate::harness::{Space, checkout, clean, eventually, in_space, kubectl};
use crate::process::program;

/// A FileIntegrity as a user writes it, without the conversion of the Rust types.
pub(crate) async fn create(space: &Space, name: &str, spec: Value) -> kube::Result<DynamicObject> {
    let resource = ApiResource::erase::<FileIntegrity>(&());
    let api =
        Api::<DynamicObject>::namespaced_with(space.client.clone(), &space.namespace, &resource);
    let mut object = DynamicObject::new(name, &resource);
    object.types = Some(TypeMeta::resource::<FileIntegrity>());
    object.data = if spec.is_null() {
        json!({})
    } else {
        json!({"spec": spec})
    };
    api.create(&PostParams::default(), &object).await
}

#[tokio::test]
async fn valid_file_integrities_are_accepted() -> anyhow::Result<()> {
    in_space("admission", async |space| {
        let config = |config: Value| json!({"config": config});
        let table = [
            // What the original's definition took, whatever it meant.
            ("empty", config(json!({}))),
            ("defaults-only", json!({"config": {}, "nodeSelector": {}, "tolerations": []})),
            ("zero-grace", config(json!({"gracePeriod": 0}))),
            ("toleration", json!({"config": {}, "tolerations": [{"operator": "Exists"}]})),
            ("empty-class", json!({"config": {}, "priorityClassName": ""})),
            // What is new.
            ("state-dir", config(json!({"stateDir": "/var/lib/file-integrity"}))),
            ("dots-in-it", config(json!({"stateDir": "/var/lib/..x/a.b-c_d"}))),
            ("profile", config(json!({"profile": "generic"}))),
            ("on-loss", config(json!({"onBaselineLoss": "error"}))),
            ("privileged", config(json!({"securityProfile": "privileged"}))),
            ("restricted", config(json!({"securityProfile": "restricted", "stateDir": "/var/lib/file-integrity"}))),
            ("resources", json!({"config": {}, "resources": {"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": "10m"}}})),
        ];
        for (name, spec) in table {
            let written = create(space, name, spec.clone()).await;
            written.with_context(|| format!("{name}: {spec}"))?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn omitted_fields_get_the_originals_defaults() -> anyhow::Result<()> {
    in_space("defaults", async |space| {
        let stored = create(space, "fi", json!({"config": {}})).await?;
        assert_eq!(
            stored.data["spec"],
            json!({
                "config": {"gracePeriod": 900, "maxBackups": 5},
                "tolerations": [
                    {"key": "node-role.kubernetes.io/master", "operator": "Exists", "effect": "NoSchedule"},
                    {"key": "node-role.kubernetes.io/infra", "operator": "Exists", "effect": "NoSchedule"},
                ],
            })
        );
        // What the types serialize is what is stored.
        let typed = space.api::<FileIntegrity>().get("fi").await?;
        assert_eq!(serde_json::to_value(&typed.spec)?, stored.data["spec"]);
        Ok(())
    })
    .await
}

/// Objects of the original can be updated (above all annotated) although they have odd values.
#[tokio::test]
async fn odd_old_objects_can_be_changed() -> anyhow::Result<()> {
    in_space("odd", async |space| {
        let spec = json!({"config": {"gracePeriod": -5, "maxBackups": -1, "key": "k"}});
        create(space, "fi", spec).await?;
        let key = fio::testing::api::names::Annotation::REINIT;
        space.annotate("fi", key, json!("")).await?;
        let stored = space.api::<FileIntegrity>().get("fi").await?;
        assert!(stored.annotations().contains_key(key));
        assert_eq!(stored.spec.config.grace_period, -5);
        assert_eq!(stored.spec.grace_period(), 10);
        Ok(())
    })
    .await
}

/// The table that `kubectl get` asks for: names of the columns, and the first row.
async fn table(space: &Space, path: String) -> anyhow::Result<(Vec<String>, Vec<Value>)> {
    let mut request = Request::new(path).list(&ListParams::default())?;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io".parse()?;
    request.headers_mut().insert("accept", accept);
    let table: Value = space.client.request(request).await?;
    let columns = table["columnDefinitions"].as_array().into_iter().flatten();
    let columns = columns.filter_map(|column| column["name"].as_str().map(str::to_owned));
    let row = table["rows"][0]["cells"].as_array().cloned();
    Ok((columns.collect(), row.unwrap_or_default()))
}

#[tokio::test]
async fn what_kubectl_get_shows() -> anyhow::Result<()> {
    in_space("columns", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, [mut first, _]) = space.active("fi", json!({})).await?;
        first.finds(&clean()).await?;
        let path = |plural: &str| {
            format!(
                "/apis/fileintegrity.openshift.io/v1alpha1/namespaces/{}/{plural}",
                space.namespace
            )
        };
        let (columns, row) = table(space, path("fileintegrities")).await?;
        assert_eq!(columns, ["Name", "Phase", "Nodes", "Failed", "Sets", "Age"]);
        assert_eq!(
            &row[..5],
            &[json!("fi"), json!("Active"), json!(2), json!(0), json!(0)]
        );
        let (columns, row) = table(space, path("fileintegritynodestatuses")).await?;
        assert_eq!(
            columns,
            [
                "Name",
                "Node",
                "Status",
                "Last Probe",
                "Added",
                "Changed",
                "Removed",
                "Set"
            ]
        );
        assert_eq!(row[1], json!(nodes[0]));
        assert_eq!(row[2], json!("Succeeded"));
        Ok(())
    })
    .await
}

/// Every field, down to the leaves, has a description.
#[tokio::test]
async fn kubectl_explains_all_fields() -> anyhow::Result<()> {
    in_space("explain", async |_| {
        for (path, expected) in [
            (
                "fileintegrity",
                "watches the integrity of files on nodes with AIDE",
            ),
            (
                "fileintegrity.spec.config",
                "AIDE configuration and scan settings",
            ),
            (
                "fileintegrity.spec.config.gracePeriod",
                "Seconds between the end of a scan and the start of the next one",
            ),
            (
                "fileintegrity.spec.config.stateDir",
                "Directory on the nodes for database, log and backups",
            ),
            (
                "fileintegrity.spec.resources.limits",
                "Maximum resources of the container, for example cpu: 300m",
            ),
            (
                "fileintegrity.status.nodes.stale",
                "not ready or have stopped reporting",
            ),
            (
                "fileintegritynodestatus",
                "contains the scan results of one node",
            ),
            (
                "fileintegritynodestatus.lastResult.changes.attributes",
                "Attributes of a changed file that differ",
            ),
        ] {
            // The API server explains a new CustomResourceDefinition some time after it serves it.
            eventually(&format!("{path}: {expected}"), async || {
                let explained = kubectl(&["explain", path], "").await.unwrap_or_default();
                // kubectl breaks lines where it likes.
                let explained = explained.split_whitespace().collect::<Vec<_>>().join(" ");
                Ok(explained.contains(expected).then_some(()))
            })
            .await?;
        }
        for kind in ["fileintegrity", "fileintegritynodestatus"] {
            let explained = kubectl(&["explain", "--recursive=false", kind], "").await?;
            assert!(!explained.contains("<no description>"), "{explained}");
        }
        Ok(())
    })
    .await
}

#[test]
fn every_field_is_described() -> anyhow::Result<()> {
    for definition in fio::testing::api::crd::all()? {
        let schema = serde_json::to_value(&definition.spec.versions[0].schema)?;
        let mut bare = Vec::new();
        describe("", &schema["openAPIV3Schema"], &mut bare);
        assert_eq!(bare, [""; 0], "{}", definition.name_any());
    }
    Ok(())
}

/// Collects the fields without a description.
fn describe(path: &str, schema: &Value, bare: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if field["description"].as_str().is_none_or(str::is_empty) {
            bare.push(path.clone());
        }
        describe(&path, field, bare);
        describe(&path, &field["items"], bare);
    }
}

#[test]
fn the_manifest_is_what_fio_prints() -> anyhow::Result<()> {
    let output = std::process::Command::new(program()).arg("crd").output()?;
    assert!(output.status.success());
    let manifest = std::fs::read_to_string(checkout().join("manifests/crd/crds.yaml"))?;
    assert!(
        String::from_utf8(output.stdout)? == manifest,
        "manifests/crd/crds.yaml is not what fio prints: run make crd"
    );
    Ok(())
}

/// The status is the operator's subresource: who may edit the spec does not by that edit the
/// status.
#[tokio::test]
async fn the_status_is_written_apart() -> anyhow::Result<()> {
    in_space("subresource", async |space| {
        create(space, "fi", json!({"config": {}})).await?;
        let patch = json!({"status": {"phase": "Active"}});
        let fi = space.merge::<FileIntegrity>("fi", patch).await?;
        assert!(fi.status.is_none());
        // The node status has none, as in the original: a daemon writes it whole.
        let patch = json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1",
            "kind": "FileIntegrityNodeStatus",
            "metadata": {"name": "fi-n1"},
            "nodeName": "n1",
            "lastResult": {"condition": "Succeeded", "lastProbeTime": "2026-01-02T03:04:05Z"},
        });
        let statuses = space.api::<FileIntegrityNodeStatus>();
        let params = PatchParams::apply("test");
        let status = statuses
            .patch("fi-n1", &params, &Patch::Apply(patch))
            .await?;
        assert!(status.last_result.is_some());
        Ok(())
    })
    .await
}
