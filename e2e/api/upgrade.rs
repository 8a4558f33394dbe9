//! From the original to fio and back: its definitions, its Deployment and its objects are made here as
//! it makes them, and our manifests are applied over them.

use fio::testing::api::{Condition, FileIntegrity, FileIntegrityNodeStatus, names};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::rbac::v1::Role;
use kube::ResourceExt as _;
use serde_json::json;

use crate::harness::{
    Space, alone, condition_of, in_space, kubectl, phase_of, reinstall_definitions, rendered,
    until_established,
};
use crate::site::Site;

/// The original's definitions: what its types allow, without the descriptions.
const DEFINITIONS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fileintegrities.fileintegrity.openshift.io}
spec:
  group: fileintegrity.openshift.io
  names: {kind: FileIntegrity, listKind: FileIntegrityList, plural: fileintegrities, singular: fileintegrity}
  scope: Namespaced
  versions:
  - name: v1alpha1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          apiVersion: {type: string}
          kind: {type: string}
          metadata: {type: object}
          spec:
            type: object
            required: [config]
            properties:
              config:
                type: object
                properties:
                  name: {type: string}
                  namespace: {type: string}
                  key: {type: string}
                  gracePeriod: {type: integer, default: 900}
                  maxBackups: {type: integer, default: 5}
                  initialDelay: {type: integer}
              debug: {type: boolean}
              priorityClassName: {type: string}
              nodeSelector: {type: object, additionalProperties: {type: string}}
              tolerations:
                type: array
                default:
                - {key: node-role.kubernetes.io/master, operator: Exists, effect: NoSchedule}
                - {key: node-role.kubernetes.io/infra, operator: Exists, effect: NoSchedule}
                items:
                  type: object
                  properties:
                    key: {type: string}
                    operator: {type: string}
                    value: {type: string}
                    effect: {type: string}
                    tolerationSeconds: {type: integer, format: int64}
          status: {type: object, properties: {phase: {type: string}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fileintegritynodestatuses.fileintegrity.openshift.io}
spec:
  group: fileintegrity.openshift.io
  names: {kind: FileIntegrityNodeStatus, listKind: FileIntegrityNodeStatusList, plural: fileintegritynodestatuses, singular: fileintegritynodestatus}
  scope: Namespaced
  versions:
  - name: v1alpha1
    served: true
    storage: true
    additionalPrinterColumns:
    - {jsonPath: .nodeName, name: Node, type: string}
    - {jsonPath: .lastResult.condition, name: Status, type: string}
    schema:
      openAPIV3Schema:
        type: object
        required: [lastResult, nodeName, results]
        properties:
          apiVersion: {type: string}
          kind: {type: string}
          metadata: {type: object}
          nodeName: {type: string}
          lastResult: &result
            type: object
            required: [condition, lastProbeTime]
            properties:
              condition: {type: string}
              errorMessage: {type: string}
              filesAdded: {type: integer}
              filesChanged: {type: integer}
              filesRemoved: {type: integer}
              lastProbeTime: {type: string, format: date-time}
              resultConfigMapName: {type: string}
              resultConfigMapNamespace: {type: string}
          results: {type: array, items: *result}
";

/// What the original has in its namespace: its Deployment, and permissions that are narrower in some
/// places and wider in others than ours.
fn installation(namespace: &str) -> String {
    format!(
        r"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: file-integrity-operator, namespace: {namespace}}}
rules:
- {{apiGroups: [''], resources: [configmaps, pods, secrets, services], verbs: [create, delete, get, list, patch, update, watch]}}
- {{apiGroups: [fileintegrity.openshift.io], resources: [fileintegrities], verbs: [get, list, watch, update]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: file-integrity-operator, namespace: {namespace}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{name: file-integrity-operator}}}}
  template:
    metadata: {{labels: {{name: file-integrity-operator}}}}
    spec:
      serviceAccountName: file-integrity-operator
      containers:
      - name: file-integrity-operator
        image: registry.example/file-integrity-operator:1.4.0
        imagePullPolicy: Always
        command: [file-integrity-operator]
        args: [operator]
        env:
        - {{name: RELATED_IMAGE_OPERATOR, value: 'registry.example/file-integrity-operator:1.4.0'}}
"
    )
}

/// Applies as a user of the original's README does.
async fn apply(manifest: &str) -> anyhow::Result<()> {
    kubectl(&["apply", "-f", "-"], manifest).await.map(|_| ())
}

/// A FileIntegrity and a node's result, as the original has written them.
async fn use_the_original(space: &Space, node: &str) -> anyhow::Result<()> {
    let ns = &space.namespace;
    let labels = json!({crate::harness::LABEL_TEST: ns});
    apply(&format!(
        "apiVersion: fileintegrity.openshift.io/v1alpha1\nkind: FileIntegrity\n\
         metadata: {{name: fi, namespace: {ns}}}\n\
         spec: {{config: {{gracePeriod: 5, maxBackups: -1}}, nodeSelector: {labels}}}\n"
    ))
    .await?;
    let status = r#"{"status": {"phase": "Active"}}"#;
    let patch = [
        "-n",
        ns,
        "patch",
        "fileintegrity",
        "fi",
        "--subresource=status",
        "--type=merge",
        "-p",
        status,
    ];
    kubectl(&patch, "").await?;
    let uid = kubectl(
        &[
            "-n",
            ns,
            "get",
            "fileintegrity",
            "fi",
            "-o",
            "jsonpath={.metadata.uid}",
        ],
        "",
    )
    .await?;
    let probe = json!({"condition": "Failed", "lastProbeTime": "2026-01-02T03:04:05Z", "filesChanged": 3,
        "resultConfigMapName": format!("aide-fi-{node}-failed"), "resultConfigMapNamespace": ns});
    let owner = json!([{"apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrity",
        "name": "fi", "uid": uid, "controller": true, "blockOwnerDeletion": true}]);
    let metadata = json!({"name": format!("fi-{node}"), "namespace": ns, "ownerReferences": owner});
    apply(&format!(
        "apiVersion: fileintegrity.openshift.io/v1alpha1\nkind: FileIntegrityNodeStatus\n\
         metadata: {metadata}\nnodeName: {node}\nresults: [{probe}]\nlastResult: {probe}\n"
    ))
    .await
}

#[tokio::test]
async fn over_the_original_and_back() -> anyhow::Result<()> {
    alone("upgrade", async |space| {
        let node = space.node("n1").await?;
        apply(DEFINITIONS).await?;
        until_established().await?;
        apply(&installation(&space.namespace)).await?;
        use_the_original(space, &node).await?;

        // Ours over it, as on the page on upgrading.
        let manifests = rendered(&[
            ("NAMESPACE", &space.namespace),
            ("IMG", "registry.example/fio:2.0.0"),
        ])
        .await?;
        let force = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        kubectl(&force, &manifests).await?;
        until_established().await?;
        let deployment = space.api::<Deployment>().get(names::OPERATOR_NAME).await?;
        let containers = deployment
            .spec
            .and_then(|s| s.template.spec)
            .map(|s| s.containers);
        let images: Vec<_> = containers
            .iter()
            .flatten()
            .map(|c| c.image.as_deref())
            .collect();
        assert_eq!(images, [Some("registry.example/fio:2.0.0")]);
        let role = space.api::<Role>().get(names::OPERATOR_NAME).await?;
        let may_touch_pods = role.rules.iter().flatten().any(|rule| {
            rule.resources
                .iter()
                .flatten()
                .any(|resource| resource == "pods")
        });
        assert!(
            !may_touch_pods,
            "permissions that only the original needs are removed"
        );

        let operator = space.operator("op").await?;
        let mut daemon = space.daemon("fi", &node);
        daemon.handle_request().await?;
        // The phase was Active before; that it is ready is fio's word.
        space
            .until_is("fi", "ready", |fi: &FileIntegrity| {
                condition_of(fi, "Ready").starts_with("True/")
            })
            .await?;
        let status = space
            .api::<FileIntegrityNodeStatus>()
            .get(&names::node_status("fi", &node))
            .await?;
        let kept = status.last_result.as_ref().map(|last| last.files_changed);
        assert_eq!(kept, Some(3), "the result that the original wrote");
        let fi = space.api::<FileIntegrity>().get("fi").await?;
        assert_eq!(fi.spec.config.max_backups, -1, "as the user wrote it");
        operator.stop().await?;

        // And back: the original's definitions know less, and what they know is as it was.
        kubectl(&force, DEFINITIONS).await?;
        apply(&installation(&space.namespace)).await?;
        let fi = space.api::<FileIntegrity>().get("fi").await?;
        assert_eq!(phase_of(&fi), "Active");
        let touch = [
            "-n",
            &space.namespace,
            "annotate",
            "fileintegrity",
            "fi",
            "back=yes",
        ];
        kubectl(&touch, "").await?;
        let status = space
            .api::<FileIntegrityNodeStatus>()
            .get(&status.name_any())
            .await?;
        let kept = status.last_result.as_ref().map(|last| last.files_changed);
        assert_eq!(kept, Some(3));
        reinstall_definitions().await
    })
    .await
}

/// The original's database and its last result are there, and a real daemon takes over.
#[tokio::test]
async fn an_open_failure_is_accepted_with_a_record() -> anyhow::Result<()> {
    in_space("open-failure", async |space| {
        let node = space.node("n1").await?;
        let site = Site::new(space, "fi", &node, "10").await?;
        std::fs::write(site.database(), "a database of another AIDE")?;
        let log = site.log_name();
        let failed = json!({"condition": "Failed", "lastProbeTime": "2026-01-02T03:04:05Z",
            "filesChanged": 3, "resultConfigMapName": log, "resultConfigMapNamespace": space.namespace});
        let results = json!({"lastResult": failed, "results": [failed]});
        space
            .merge::<FileIntegrityNodeStatus>(&site.status_name(), results)
            .await?;

        let _daemon = site.daemon().await?;
        let status = site
            .until("a clean result", |status| {
                status.condition() == Some(Condition::Succeeded)
            })
            .await?;
        let baseline = status.baseline.map(|baseline| baseline.requested);
        assert_eq!(baseline, Some(false), "nobody requested it");
        let events = space.events("fi").await?;
        let mut events = events
            .iter()
            .filter(|event| event.reason.as_deref() == Some("BaselineReplaced"));
        let event = events.next().map(|event| {
            let message = event.note.clone().unwrap_or_default();
            (event.type_.clone().unwrap_or_default(), message)
        });
        let (kind, message) = event.unwrap_or_default();
        assert_eq!(kind, "Warning", "{message}");
        let failure = format!("Failed a:0,c:3,r:0 log:{}/{log}", space.namespace);
        assert!(message.ends_with(&failure), "{message}");
        assert_eq!(events.next(), None);

        // A request accepts what is there now.
        site.set_request(Some("r1")).await?;
        site.until("a requested baseline", |status| {
            status.baseline.as_ref().is_some_and(|b| b.requested)
        })
        .await?;
        Ok(())
    })
    .await
}
