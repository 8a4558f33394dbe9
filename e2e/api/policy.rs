//! The admission policies, which the operator applies.

use fio::testing::operator::admission_policy::Policy;
use kube::ResourceExt as _;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::Value;

use crate::harness::{Space, eventually, in_space, kubectl};

const POLICY: &str = "ValidatingAdmissionPolicy";
const BINDING: &str = "ValidatingAdmissionPolicyBinding";
const MANIFEST_HASH: &str = "file-integrity.openshift.io/manifest-hash";

fn api(space: &Space, kind: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
    Api::all_with(space.client.clone(), &ApiResource::from_gvk(&gvk))
}

async fn spec(space: &Space, policy: Policy, kind: &str) -> anyhow::Result<Option<Value>> {
    let object = api(space, kind)
        .get_opt(&policy.name(&space.namespace))
        .await?;
    Ok(object.map(|mut object| object.data["spec"].take()))
}

/// Without blanks and line ends: kustomize folds the expressions differently.
fn words(spec: Option<&Value>) -> String {
    let text = spec.map(Value::to_string).unwrap_or_default();
    text.replace("\\n", "").split_whitespace().collect()
}

#[tokio::test]
async fn a_deleted_policy_is_restored() -> anyhow::Result<()> {
    in_space("policy", async |space| {
        let mut manifests = Vec::new();
        for policy in Policy::ALL {
            for kind in [POLICY, BINDING] {
                manifests.push((policy, kind, spec(space, policy, kind).await?));
                kubectl(&["delete", kind, &policy.name(&space.namespace)], "").await?;
            }
        }
        let _operator = space.operator("op").await?;
        for (policy, kind, manifest) in manifests {
            let made = eventually(kind, async || spec(space, policy, kind).await).await?;
            assert_eq!(
                words(Some(&made)),
                words(manifest.as_ref()),
                "{policy:?} {kind}"
            );
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn policies_of_older_operators_are_updated_and_manual_changes_stay() -> anyhow::Result<()> {
    in_space("policies", async |space| {
        let name = Policy::Daemon.name(&space.namespace);
        for kind in [POLICY, BINDING] {
            kubectl(&["delete", kind, &name, "--ignore-not-found"], "").await?;
        }
        // An older operator's: less strict, and of an older manifest.
        let older = format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: {POLICY}\nmetadata:\n  name: {name}\n  \
             annotations: {{{MANIFEST_HASH}: older}}\nspec:\n  failurePolicy: Ignore\n  matchConstraints:\n    \
             resourceRules:\n    - {{apiGroups: [''], apiVersions: [v1], operations: [CREATE], \
             resources: [configmaps]}}\n  validations:\n  - expression: 'true'\n"
        );
        let manager = "--field-manager=file-integrity-operator";
        kubectl(&["apply", "--server-side", manager, "-f", "-"], &older).await?;
        let operator = space.operator("op").await?;
        eventually("the renewed policy", async || {
            let spec = spec(space, Policy::Daemon, POLICY).await?;
            Ok(spec.filter(|spec| spec["failurePolicy"] == "Fail"))
        })
        .await?;
        eventually("its binding", async || spec(space, Policy::Daemon, BINDING).await).await?;
        operator.stop().await?;

        // A user changes what the operator created, and an update of fio needs something else.
        let edit = r#"{"spec": {"failurePolicy": "Ignore"}}"#;
        kubectl(&["patch", POLICY, &name, "--type=merge", "-p", edit], "").await?;
        let older = format!("{MANIFEST_HASH}=older");
        kubectl(&["annotate", "--overwrite", POLICY, &name, &older], "").await?;
        let _next = space.operator("next").await?;
        eventually("the word on the change", async || {
            let is_logged = space.log().contains("was changed and is left alone");
            Ok(is_logged.then_some(()))
        })
        .await?;
        let object = api(space, POLICY).get(&name).await?;
        assert_eq!(object.data["spec"]["failurePolicy"], "Ignore");
        assert_eq!(object.annotations()[MANIFEST_HASH], "older");
        Ok(())
    })
    .await
}
