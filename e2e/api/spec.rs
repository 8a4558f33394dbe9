//! The fields of the spec against a real API server, and what other programs left there.

use fio::testing::aide::config::prepare;
use fio::testing::aide::profiles::Profile;
use fio::testing::api::{FileIntegrity, FileIntegrityNodeStatus, names};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, PodSpec};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::harness::{Space, clean, condition_of, eventually, in_space, kubectl, message_of};

async fn create<K>(space: &Space, object: Value) -> anyhow::Result<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + serde::Serialize
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    let object: K = serde_json::from_value(object)?;
    Ok(space
        .api::<K>()
        .create(&PostParams::default(), &object)
        .await?)
}

async fn set_spec(space: &Space, patch: Value) -> anyhow::Result<()> {
    space
        .merge::<FileIntegrity>("fi", json!({"spec": patch}))
        .await
        .map(|_| ())
}

fn pod(daemon_set: &DaemonSet) -> PodSpec {
    let spec = daemon_set.spec.clone().unwrap_or_default();
    spec.template.spec.unwrap_or_default()
}

/// What is wanted of a DaemonSet's pods.
type Wanted = fn(&PodSpec) -> bool;

/// Waits until the DaemonSet's pods are as wanted; returns its generation.
async fn until_pod(
    space: &Space,
    what: &str,
    wanted: impl Fn(&PodSpec) -> bool,
) -> anyhow::Result<i64> {
    let daemon_set: DaemonSet = space
        .until_is("aide-fi", what, |ds: &DaemonSet| wanted(&pod(ds)))
        .await?;
    Ok(daemon_set.metadata.generation.unwrap_or_default())
}

fn has_argument(pod: &PodSpec, argument: &str) -> bool {
    let args = pod
        .containers
        .first()
        .and_then(|c| c.args.as_deref())
        .unwrap_or_default();
    args.iter().any(|arg| arg == argument)
}

async fn request(space: &Space, node: &str) -> anyhow::Result<Option<String>> {
    let name = names::node_status("fi", node);
    let status = space.api::<FileIntegrityNodeStatus>().get(&name).await?;
    Ok(status
        .annotation(names::Annotation::REINIT_REQUEST)
        .map(str::to_owned))
}

#[tokio::test]
async fn each_change_rolls_the_daemons_once_and_keeps_the_baseline() -> anyhow::Result<()> {
    in_space("rolls", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _daemons) = space.active("fi", json!({})).await?;
        let mut generation = until_pod(space, "the DaemonSet", |_| true).await?;
        let table: [(Value, Wanted); 8] = [
            (json!({"debug": true}), |pod| {
                has_argument(pod, "--debug=true")
            }),
            (json!({"config": {"gracePeriod": 5}}), |pod| {
                has_argument(pod, "--interval=10")
            }),
            (json!({"config": {"maxBackups": 2}}), |pod| {
                has_argument(pod, "--maxbackups=2")
            }),
            (json!({"config": {"stateDir": "/var/lib/x"}}), |pod| {
                has_argument(pod, "--state-dir=/var/lib/x")
            }),
            (
                json!({"realtime": {"mode": "Off", "delayMilliseconds": 100}}),
                |pod| {
                    has_argument(pod, "--realtime=off") && has_argument(pod, "--realtime-delay=100")
                },
            ),
            (
                json!({"realtime": {"mode": "Auto", "actors": "Process"}}),
                |pod| has_argument(pod, "--realtime-actors=process") && pod.host_pid == Some(true),
            ),
            (json!({"tolerations": [{"operator": "Exists"}]}), |pod| {
                pod.tolerations
                    .as_ref()
                    .is_some_and(|t| t.len() == 1 && t[0].key.is_none())
            }),
            (
                json!({"resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}),
                |pod| {
                    let limits = pod.containers[0]
                        .resources
                        .as_ref()
                        .and_then(|r| r.limits.as_ref());
                    limits.is_some_and(|l| l["cpu"].0 == "1" && l["memory"].0 == "1Gi")
                },
            ),
        ];
        for (patch, wanted) in table {
            set_spec(space, patch.clone()).await?;
            let after = until_pod(space, &patch.to_string(), wanted).await?;
            // gracePeriod 5 is treated as 10, the current value.
            assert!(after - generation <= 1, "{patch}: {generation} to {after}");
            generation = after;
        }
        for node in &nodes {
            assert_eq!(
                request(space, node).await?,
                None,
                "no new baseline was asked for"
            );
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_configuration_is_rolled_out_without_a_change_of_the_daemon_set() -> anyhow::Result<()> {
    in_space("config-ds", async |space| {
        let _operator = space.operator("op").await?;
        let (_, [mut first, mut second]) = space.active("fi", json!({})).await?;
        let generation = until_pod(space, "the DaemonSet", |_| true).await?;
        for (name, key, text) in [("a", "aide.conf", "/etc p\n"), ("b", "k", "/etc p+u\n")] {
            create::<ConfigMap>(
                space,
                json!({"metadata": {"name": name}, "data": {key: text}}),
            )
            .await?;
            let config = json!({"name": name, "namespace": space.namespace, "key": key});
            set_spec(space, json!({"config": config})).await?;
            first.handle_request().await?;
            second.handle_request().await?;
            space.until_phase("fi", "Active").await?;
        }
        // Another text in the same ConfigMap.
        space
            .merge::<ConfigMap>("b", json!({"data": {"k": "/etc p+u+g\n"}}))
            .await?;
        first.handle_request().await?;
        second.handle_request().await?;
        space.until_phase("fi", "Active").await?;
        let active = space.api::<ConfigMap>().get("fi").await?;
        let data = active.data.unwrap_or_default();
        assert!(data[names::KEY_AIDE_CONF].contains("/hostroot/etc p+u+g"));
        assert_eq!(
            until_pod(space, "the DaemonSet", |_| true).await?,
            generation
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_config_map_of_a_deleted_file_integrity_is_not_watched() -> anyhow::Result<()> {
    in_space("unwatched", async |space| {
        let _operator = space.operator("op").await?;
        let watches = async |expected: i32| {
            eventually(&format!("{expected} watches"), async || {
                Ok((space.watches_of("op", "mine")? == expected).then_some(()))
            })
            .await
        };
        let config = json!({"config": {"name": "mine", "namespace": space.namespace}});
        let others = json!({"config": {"name": "others", "namespace": space.namespace}});
        space.file_integrity("fi", config.clone()).await?;
        space.file_integrity("second", config).await?;
        watches(2).await?;
        space
            .api::<FileIntegrity>()
            .delete("second", &DeleteParams::default())
            .await?;
        watches(1).await?;
        set_spec(space, others).await?;
        watches(0).await
    })
    .await
}

#[tokio::test]
async fn migrations_are_reported_with_lines_in_condition_event_and_log() -> anyhow::Result<()> {
    in_space("warnings", async |space| {
        let _operator = space.operator("op").await?;
        let text = "database=file:/var/lib/aide/aide.db.gz\nverbose=5\n/etc p+tiger+sha256\n";
        create::<ConfigMap>(
            space,
            json!({"metadata": {"name": "c"}, "data": {"aide.conf": text}}),
        )
        .await?;
        let config = json!({"config": {"name": "c", "namespace": space.namespace}});
        space.active("fi", config).await?;
        let fi = space
            .until_is("fi", "warnings", |fi: &FileIntegrity| {
                condition_of(fi, "ConfigValid") == "True/ValidWithWarnings"
            })
            .await?;
        let message = message_of(&fi, "ConfigValid");
        for line in ["line 1: ", "line 2: ", "line 3: "] {
            assert!(message.contains(line), "{message}");
        }
        let messages = eventually("the event", async || {
            let messages = space.event_messages("fi", "ConfigWarnings").await?;
            Ok((!messages.is_empty()).then_some(messages))
        })
        .await?;
        assert!(
            messages.len() == 1 && messages[0].contains("line 2: "),
            "{messages:?}"
        );
        assert!(
            space.log().contains("line 2: "),
            "it is in the operator's log"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_configuration_that_does_not_fit_is_refused() -> anyhow::Result<()> {
    in_space("large", async |space| {
        let _operator = space.operator("op").await?;
        space.active("fi", json!({})).await?;
        // Not many lines: AIDE's parser gives up after some 5,000.
        let text = format!("# {}\n", "x".repeat(700)).repeat(800) + "/etc p+sha256\n";
        create::<ConfigMap>(
            space,
            json!({"metadata": {"name": "c"}, "data": {"aide.conf": text}}),
        )
        .await?;
        set_spec(
            space,
            json!({"config": {"name": "c", "namespace": space.namespace}}),
        )
        .await?;
        let fi = space.until_phase("fi", "Error").await?;
        let message = message_of(&fi, "ConfigValid");
        assert!(
            message.contains("the configuration is too large"),
            "{message}"
        );
        Ok(())
    })
    .await
}

/// Makes another namespace with the ConfigMap `c`; returns its name.
pub(crate) async fn elsewhere(space: &Space) -> anyhow::Result<String> {
    let other = format!("{}-other", space.namespace);
    let objects = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {other}}}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: {other}}}\n\
         data: {{aide.conf: \"/etc p\\n\"}}\n"
    );
    kubectl(&["apply", "-f", "-"], &objects).await?;
    Ok(other)
}

/// Lets the operator read that ConfigMap, by the binding `r`.
pub(crate) async fn let_read(space: &Space, other: &str) -> anyhow::Result<()> {
    let permissions = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n\
         metadata: {{name: r, namespace: {other}}}\n\
         rules: [{{apiGroups: [\"\"], resources: [configmaps], resourceNames: [c], verbs: [get, list, watch]}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
         metadata: {{name: r, namespace: {other}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}}\n\
         subjects: [{{kind: ServiceAccount, name: file-integrity-operator, namespace: {}}}]\n",
        space.namespace
    );
    kubectl(&["apply", "-f", "-"], &permissions).await?;
    Ok(())
}

#[tokio::test]
async fn a_config_map_of_another_namespace_needs_a_role_there() -> anyhow::Result<()> {
    in_space("elsewhere", async |space| {
        let _operator = space.operator("op").await?;
        let (_, [mut first, mut second]) = space.active("fi", json!({})).await?;
        let other = elsewhere(space).await?;
        set_spec(space, json!({"config": {"name": "c", "namespace": other}})).await?;
        let fi = space
            .until_is("fi", "a missing permission", |fi: &FileIntegrity| {
                condition_of(fi, "ConfigValid") == "False/ConfigMapUnreadable"
            })
            .await?;
        let message = message_of(&fi, "ConfigValid");
        assert!(
            message.contains("forbidden") && message.contains("Role"),
            "{message}"
        );
        assert_eq!(
            condition_of(&fi, "Ready"),
            "True/Active",
            "what runs goes on"
        );
        let_read(space, &other).await?;
        first.handle_request().await?;
        second.handle_request().await?;
        space
            .until_is("fi", "the configuration in effect", |fi: &FileIntegrity| {
                condition_of(fi, "ConfigValid") == "True/Valid"
                    && condition_of(fi, "Ready") == "True/Active"
            })
            .await?;
        kubectl(&["delete", "namespace", &other, "--wait=false"], "").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_deleted_priority_class_is_reported() -> anyhow::Result<()> {
    in_space("class", async |space| {
        let _operator = space.operator("op").await?;
        let classes = Api::<PriorityClass>::all(space.api::<ConfigMap>().into_client());
        let name = space.namespace.clone();
        let class = serde_json::from_value(json!({"metadata": {"name": name}, "value": 10}))?;
        classes.create(&PostParams::default(), &class).await?;
        space
            .active("fi", json!({"priorityClassName": name}))
            .await?;
        until_pod(space, "the class", |pod| {
            pod.priority_class_name.as_ref() == Some(&name)
        })
        .await?;
        classes.delete(&name, &DeleteParams::default()).await?;
        // Classes are read periodically; any reconcile reports it.
        space.annotate("fi", "test/touch", json!("1")).await?;
        until_pod(space, "no class", |pod| pod.priority_class_name.is_none()).await?;
        // The event comes after the objects.
        let expected = format!(
            "Error while getting priority class '{name}', PriorityClass not found or invalid"
        );
        eventually("the event", async || {
            let messages = space.event_messages("fi", "PriorityClass").await?;
            Ok((messages == [expected.as_str()]).then_some(()))
        })
        .await?;
        let fi = space.api::<FileIntegrity>().get("fi").await?;
        assert_eq!(
            fi.spec.priority_class_name,
            Some(name),
            "the spec is left alone"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn long_names_work_everywhere() -> anyhow::Result<()> {
    in_space("long", async |space| {
        let _operator = space.operator("op").await?;
        let dots = space.node("a.node.with.dots").await?;
        let mut nodes = vec![dots];
        for length in [63, 64, 253] {
            let short = "n".repeat(length - space.node_name("").len());
            nodes.push(space.node(&short).await?);
        }
        for length in [63, 64, 253] {
            let name = "n".repeat(length);
            space.file_integrity(&name, json!({})).await?;
            let daemon_set = names::daemon_set(&name);
            let daemon_set = space
                .until_is(
                    &daemon_set,
                    &format!("the DaemonSet of {length} characters"),
                    |_: &DaemonSet| true,
                )
                .await?;
            assert_eq!(
                daemon_set.labels().get(names::Label::OWNER),
                Some(&names::label_value(&name))
            );
            let whole = daemon_set.annotations().get(names::Label::OWNER);
            assert_eq!(whole.is_some(), length > 63, "{whole:?}");
            for node in &nodes {
                space.daemon(&name, node).handle_request().await?;
            }
            space.until_phase(&name, "Active").await?;
            // A re-initialization needs all the names there are.
            for node in &nodes {
                reinitialise(space, &name, node).await?;
            }
            space
                .api::<FileIntegrity>()
                .delete(&name, &DeleteParams::default())
                .await?;
        }
        Ok(())
    })
    .await
}

/// Has one node's baseline re-initialized, until its re-init DaemonSet is deleted.
async fn reinitialise(space: &Space, fi: &str, node: &str) -> anyhow::Result<()> {
    space
        .annotate(fi, names::Annotation::REINIT, json!(node))
        .await?;
    let reinit_set = names::reinit_daemon_set(fi, Some(node));
    space
        .until_is(&reinit_set, "the re-init DaemonSet", |_: &DaemonSet| true)
        .await?;
    let mut daemon = space.daemon(fi, node);
    daemon.handle_request().await?;
    daemon.finds(&clean()).await?;
    space
        .until_deleted::<DaemonSet>(&reinit_set, "the deletion of the re-init DaemonSet")
        .await
}

#[tokio::test]
async fn a_profile_is_the_default_configuration() -> anyhow::Result<()> {
    in_space("profile", async |space| {
        let _operator = space.operator("op").await?;
        let (_, mut daemons) = space.active("fi", json!({})).await?;
        let generation = until_pod(space, "the DaemonSet", |_| true).await?;
        for (name, profile) in [
            ("openshift", Profile::Openshift),
            ("generic", Profile::Generic),
        ] {
            set_spec(space, json!({"config": {"profile": name}})).await?;
            for daemon in &mut daemons {
                daemon.handle_request().await?;
            }
            space.until_phase("fi", "Active").await?;
            let active = space.api::<ConfigMap>().get("fi").await?;
            let expected = prepare(profile.text(), "/etc/kubernetes", "/hostroot")?;
            let data = active.data.unwrap_or_default();
            assert_eq!(data[names::KEY_AIDE_CONF], expected.conf, "{name}");
            assert_eq!(
                data[names::KEY_EFFECTIVE_CONF],
                expected.effective,
                "{name}"
            );
        }
        let now = until_pod(space, "the DaemonSet", |_| true).await?;
        assert_eq!(now, generation, "a configuration rolls no daemon");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn objects_of_the_original_are_adopted_or_removed() -> anyhow::Result<()> {
    in_space("legacy", async |space| {
        let node = space.node("n1").await?;
        let fi = space.file_integrity("fi", json!({})).await?;
        let probe = json!({"condition": "Failed", "lastProbeTime": "2026-01-02T03:04:05Z", "filesAdded": 2});
        let owner = json!([{
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrity",
            "name": "fi", "uid": fi.uid(), "controller": true, "blockOwnerDeletion": true,
        }]);
        // The original's objects, as its daemon and operator create them.
        let statuses = space.api::<FileIntegrityNodeStatus>();
        let status = format!(
            "apiVersion: fileintegrity.openshift.io/v1alpha1\nkind: FileIntegrityNodeStatus\n\
             metadata: {}\nnodeName: {node}\nresults: [{probe}]\nlastResult: {probe}\n",
            json!({"name": format!("fi-{node}"), "namespace": space.namespace, "ownerReferences": owner})
        );
        kubectl(&["create", "-f", "-"], &status).await?;
        for name in names::LEGACY_CONFIG_MAPS {
            create::<ConfigMap>(space, json!({"metadata": {"name": name}})).await?;
        }
        let labels = json!({names::Label::LOG: "", names::Label::OWNER: "fi", names::Label::NODE: node});
        create::<ConfigMap>(space, json!({"metadata": {"name": "aide-fi-log", "labels": labels}}))
            .await?;
        let kept = json!({names::Label::RESULT_LOG: "", names::Label::OWNER: "fi"});
        create::<ConfigMap>(space, json!({"metadata": {"name": "aide-fi-failed", "labels": kept}}))
            .await?;

        let _operator = space.operator("op").await?;
        for name in ["aide-reinit", "aide-pause", "aide-fi-log"] {
            space.until_deleted::<ConfigMap>(name, name).await?;
        }
        let mut daemon = space.daemon("fi", &node);
        daemon.handle_request().await?;
        space.until_phase("fi", "Active").await?;
        let status = statuses.get(&names::node_status("fi", &node)).await?;
        let last = status.last_result.as_ref().map(|r| (r.condition, r.files_added));
        assert_eq!(last, Some((fio::testing::api::Condition::Failed, 2)), "its result is kept");
        space.api::<ConfigMap>().get("aide-fi-failed").await?;
        eventually("the count of failed nodes", async || {
            let fi = space.api::<FileIntegrity>().get("fi").await?;
            let counts = fi.status.as_ref().and_then(|s| s.nodes);
            Ok(counts.filter(|counts| counts.failed == 1))
        })
        .await?;
        Ok(())
    })
    .await
}
