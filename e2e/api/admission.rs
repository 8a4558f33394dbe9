//! The definitions as users meet them: what a FileIntegrity may say, what it gets for what it does
//! not say, what `kubectl get` and `kubectl explain` show.

use fio::api::{FileIntegrity, FileIntegrityNodeStatus};
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams, TypeMeta};
use kube::core::Request;
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use crate::harness::{Space, checkout, clean, condition_of, in_space, kubectl, message_of};

/// A FileIntegrity as a user writes it, without what the Rust types make of it.
async fn create(space: &Space, name: &str, spec: Value) -> kube::Result<DynamicObject> {
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

const STATE_DIR: &str = "stateDir must be an absolute path of letters, digits, '.', '_', '-' and '/', without '..', such as /var/lib/file-integrity";

#[tokio::test]
async fn what_a_file_integrity_may_say() -> anyhow::Result<()> {
    in_space("admission", async |space| {
        let config = |config: Value| json!({"config": config});
        let table = [
            // What the original's definition took, whatever it meant.
            ("empty", config(json!({})), None),
            ("defaults-only", json!({"config": {}, "nodeSelector": {}, "tolerations": []}), None),
            ("negative-grace", config(json!({"gracePeriod": -5})), None),
            ("zero-grace", config(json!({"gracePeriod": 0})), None),
            ("negative-backups", config(json!({"maxBackups": -1})), None),
            ("negative-delay", config(json!({"initialDelay": -3})), None),
            ("key-alone", config(json!({"key": "k"})), None),
            ("name-alone", config(json!({"name": "n"})), None),
            ("namespace-alone", config(json!({"name": "", "namespace": "ns"})), None),
            ("odd-name", config(json!({"name": "Not A Name!", "namespace": "ns"})), None),
            ("toleration", json!({"config": {}, "tolerations": [{"operator": "Exists"}]}), None),
            ("empty-class", json!({"config": {}, "priorityClassName": ""}), None),
            // What is new.
            ("state-dir", config(json!({"stateDir": "/var/lib/file-integrity"})), None),
            ("dots-in-it", config(json!({"stateDir": "/var/lib/..x/a.b-c_d"})), None),
            ("profile", config(json!({"profile": "generic"})), None),
            ("on-loss", config(json!({"onBaselineLoss": "error"})), None),
            ("privileged", config(json!({"securityProfile": "privileged"})), None),
            ("restricted", config(json!({"securityProfile": "restricted", "stateDir": "/var/lib/file-integrity"})), None),
            ("resources", json!({"config": {}, "resources": {"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": "10m"}}}), None),
            // What is refused, and in which words.
            ("no-spec", Value::Null, Some("spec: Required value")),
            ("no-config", json!({}), Some("spec.config: Required value")),
            ("text-for-grace", config(json!({"gracePeriod": "10"})), Some("spec.config.gracePeriod in body must be of type integer")),
            ("relative-dir", config(json!({"stateDir": "var/lib"})), Some(STATE_DIR)),
            ("empty-dir", config(json!({"stateDir": ""})), Some(STATE_DIR)),
            ("root-dir", config(json!({"stateDir": "/"})), Some(STATE_DIR)),
            ("up-and-over", config(json!({"stateDir": "/var/../etc"})), Some(STATE_DIR)),
            ("up-at-the-end", config(json!({"stateDir": "/var/lib/.."})), Some(STATE_DIR)),
            ("trailing-slash", config(json!({"stateDir": "/var/lib/"})), Some(STATE_DIR)),
            ("a-shells-words", config(json!({"stateDir": "/var/$(id)"})), Some(STATE_DIR)),
            ("two-lines", config(json!({"stateDir": "/var\n/etc"})), Some(STATE_DIR)),
            ("other-profile", config(json!({"profile": "windows"})), Some("supported values: \"generic\", \"openshift\"")),
            ("other-on-loss", config(json!({"onBaselineLoss": "ignore"})), Some("supported values: \"reinit\", \"error\"")),
            ("other-security", config(json!({"securityProfile": "none"})), Some("supported values: \"privileged\", \"restricted\"")),
            ("restricted-anywhere", config(json!({"securityProfile": "restricted"})), Some("securityProfile restricted needs stateDir, the one directory that the daemon may write")),
            ("no-quantity", json!({"config": {}, "resources": {"limits": {"cpu": "much"}}}), Some("spec.resources.limits.cpu in body should match")),
        ];
        for (name, spec, refusal) in table {
            let written = create(space, name, spec.clone()).await;
            match (written, refusal) {
                (Ok(_), None) => {}
                (Err(kube::Error::Api(status)), Some(refusal)) => {
                    assert_eq!(status.code, 422, "{name}: {}", status.message);
                    assert!(status.message.contains(refusal), "{name}: {}", status.message);
                }
                (written, _) => anyhow::bail!("{name}: {spec}: {written:?}"),
            }
        }
        Ok(())
    })
    .await
}

/// Every field with something that cannot be meant: the API names the field, and says what it takes.
#[tokio::test]
async fn what_cannot_be_meant_is_refused() -> anyhow::Result<()> {
    in_space("refusals", async |space| {
        let config = |config: Value| json!({"config": config});
        let spec = |field: &str, value: Value| json!({"config": {}, field: value});
        let table = [
            ("config-list", json!({"config": []}), "spec.config in body must be of type object"),
            ("config-text", json!({"config": "default"}), "spec.config in body must be of type object"),
            ("name-number", config(json!({"name": 5})), "spec.config.name in body must be of type string"),
            ("name-list", config(json!({"name": ["a"]})), "spec.config.name in body must be of type string"),
            ("namespace-number", config(json!({"namespace": 5})), "spec.config.namespace in body must be of type string"),
            ("key-number", config(json!({"key": 5})), "spec.config.key in body must be of type string"),
            ("grace-fraction", config(json!({"gracePeriod": 1.5})), "spec.config.gracePeriod in body must be of type int64"),
            ("grace-huge", config(json!({"gracePeriod": 1e20})), "spec.config.gracePeriod in body must be of type int64"),
            ("backups-text", config(json!({"maxBackups": "five"})), "spec.config.maxBackups in body must be of type integer"),
            ("backups-fraction", config(json!({"maxBackups": 0.5})), "spec.config.maxBackups in body must be of type int64"),
            ("delay-text", config(json!({"initialDelay": "1m"})), "spec.config.initialDelay in body must be of type integer"),
            ("profile-number", config(json!({"profile": 1})), "spec.config.profile: Unsupported value: 1: supported values: \"generic\", \"openshift\""),
            ("dir-number", config(json!({"stateDir": 1})), "spec.config.stateDir in body must be of type string"),
            ("loss-bool", config(json!({"onBaselineLoss": true})), "supported values: \"reinit\", \"error\""),
            ("security-profile", config(json!({"securityProfile": "x"})), "spec.config.securityProfile: Unsupported value: \"x\": supported values: \"privileged\", \"restricted\""),
            ("restricted-alone", config(json!({"securityProfile": "restricted"})), "securityProfile restricted needs stateDir"),
            ("cordoned-text", config(json!({"holdoffWhenCordoned": "yes"})), "spec.config.holdoffWhenCordoned in body must be of type boolean"),
            ("timeout-short", config(json!({"scanTimeout": 59})), "spec.config.scanTimeout in body should be greater than or equal to 60"),
            ("timeout-long", config(json!({"scanTimeout": 604_801})), "spec.config.scanTimeout in body should be less than or equal to 604800"),
            ("timeout-text", config(json!({"scanTimeout": "6h"})), "spec.config.scanTimeout in body must be of type integer"),
            ("selector-list", spec("nodeSelector", json!(["a"])), "spec.nodeSelector in body must be of type object"),
            ("selector-text", spec("nodeSelector", json!("a=b")), "spec.nodeSelector in body must be of type object"),
            ("selector-number", spec("nodeSelector", json!({"a": 5})), "spec.nodeSelector.a in body must be of type string"),
            ("tolerations-map", spec("tolerations", json!({"key": "a"})), "spec.tolerations in body must be of type array"),
            ("toleration-text", spec("tolerations", json!(["a"])), "spec.tolerations[0] in body must be of type object"),
            ("toleration-seconds", spec("tolerations", json!([{"key": "a", "tolerationSeconds": "5"}])), "spec.tolerations[0].tolerationSeconds in body must be of type integer"),
            ("debug-text", spec("debug", json!("yes")), "spec.debug in body must be of type boolean"),
            ("class-number", spec("priorityClassName", json!(5)), "spec.priorityClassName in body must be of type string"),
            ("resources-list", spec("resources", json!([])), "spec.resources in body must be of type object"),
            ("limits-text", spec("resources", json!({"limits": "1"})), "spec.resources.limits in body must be of type object"),
            ("memory-unit", spec("resources", json!({"requests": {"memory": "10Megabytes"}})), "spec.resources.requests.memory in body should match"),
            ("memory-list", spec("resources", json!({"requests": {"memory": [1]}})), "spec.resources.requests.memory in body must be of type integer,string"),
        ];
        for (name, spec, refusal) in table {
            let Err(kube::Error::Api(status)) = create(space, name, spec.clone()).await else {
                anyhow::bail!("{name}: {spec} is let through");
            };
            assert_eq!(status.code, 422, "{name}: {}", status.message);
            assert!(status.message.contains(refusal), "{name}: {}", status.message);
        }
        Ok(())
    })
    .await
}

/// What the original took, and the API of DaemonSets does not: the status names the field.
#[tokio::test]
async fn what_daemon_sets_cannot_have_is_in_the_status() -> anyhow::Result<()> {
    in_space("unfit", async |space| {
        let _operator = space.operator("op").await?;
        space.node("n1").await?;
        let tolerations = "spec.template.spec.tolerations[0]";
        let resources = "spec.template.spec.containers[0].resources";
        let toleration = |toleration: Value| json!({"tolerations": [toleration]});
        let table = [
            ("operator", toleration(json!({"key": "a", "operator": "Sometimes"})), tolerations),
            ("effect", toleration(json!({"key": "a", "effect": "Never"})), tolerations),
            ("value", toleration(json!({"key": "a", "operator": "Exists", "value": "b"})), tolerations),
            ("no-key", toleration(json!({"operator": "Equal", "value": "b"})), tolerations),
            ("key", toleration(json!({"key": "no key!", "operator": "Exists"})), tolerations),
            ("seconds", toleration(json!({"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5})), tolerations),
            ("negative", json!({"resources": {"limits": {"cpu": "-1"}}}), resources),
            ("too-much", json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}), resources),
            ("no-resource", json!({"resources": {"limits": {"gpu!": "1"}}}), resources),
        ];
        for (name, spec, field) in table {
            space.file_integrity(name, spec).await?;
            let what = format!("{field} of {name} to be named");
            space
                .until_is(name, &what, |fi: &FileIntegrity| {
                    condition_of(fi, "Degraded") == "True/ApiRefused"
                        && message_of(fi, "Degraded").contains(field)
                })
                .await?;
        }
        Ok(())
    })
    .await
}

/// A PriorityClass of this name cannot even be asked for.
#[tokio::test]
async fn a_priority_class_that_is_no_name_is_said() -> anyhow::Result<()> {
    in_space("odd-class", async |space| {
        let _operator = space.operator("op").await?;
        space.node("n1").await?;
        space
            .file_integrity("fi", json!({"priorityClassName": "Not A Name!"}))
            .await?;
        space.until_phase("fi", "Initializing").await?;
        assert_eq!(
            space.said("fi", "PriorityClass").await?,
            ["Error while getting priority class 'Not A Name!', PriorityClass not found or invalid"]
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_is_not_said_gets_the_originals_defaults() -> anyhow::Result<()> {
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
        // What the types make of it is what is stored.
        let typed = space.api::<FileIntegrity>().get("fi").await?;
        assert_eq!(serde_json::to_value(&typed.spec)?, stored.data["spec"]);
        Ok(())
    })
    .await
}

/// Objects of the original are updated (annotated, above all) although they say odd things.
#[tokio::test]
async fn odd_old_objects_can_be_changed() -> anyhow::Result<()> {
    in_space("odd", async |space| {
        let spec = json!({"config": {"gracePeriod": -5, "maxBackups": -1, "key": "k"}});
        create(space, "fi", spec).await?;
        let key = fio::api::names::ANNOTATION_REINIT;
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
        assert_eq!(columns, ["Name", "Phase", "Nodes", "Failed", "Age"]);
        assert_eq!(
            &row[..4],
            &[json!("fi"), json!("Active"), json!(2), json!(0)]
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
                "Removed"
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
async fn what_kubectl_explain_says() -> anyhow::Result<()> {
    in_space("explain", async |_| {
        for (path, expected) in [
            (
                "fileintegrity",
                "Watches the integrity of files on the cluster's nodes with AIDE",
            ),
            (
                "fileintegrity.spec.config",
                "Which AIDE configuration to use and how often to scan",
            ),
            (
                "fileintegrity.spec.config.gracePeriod",
                "Seconds of pause between the end of a scan and the next",
            ),
            (
                "fileintegrity.spec.config.stateDir",
                "Directory on the nodes for database, log and backups",
            ),
            (
                "fileintegrity.spec.resources.limits",
                "The most it may use, for example cpu: 300m",
            ),
            (
                "fileintegrity.status.nodes.stale",
                "not ready or have stopped reporting",
            ),
            (
                "fileintegritynodestatus",
                "The integrity of one node's files",
            ),
            (
                "fileintegritynodestatus.lastResult.changes.attributes",
                "which attributes differ",
            ),
        ] {
            let said = kubectl(&["explain", path], "").await?;
            // kubectl breaks lines where it likes.
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(expected), "{path}: {said}");
        }
        for kind in ["fileintegrity", "fileintegritynodestatus"] {
            let said = kubectl(&["explain", "--recursive=false", kind], "").await?;
            assert!(!said.contains("<no description>"), "{said}");
        }
        Ok(())
    })
    .await
}

#[test]
fn every_field_is_described() -> anyhow::Result<()> {
    for definition in fio::api::crd::all()? {
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
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_fio"))
        .arg("crd")
        .output()?;
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
