//! The permissions of a daemon, and of an attacker with a node's token: the Role and
//! the admission policy in manifests/, attacked with real tokens.

use anyhow::Context as _;
use fio::testing::api::{DesiredNodeState, FileIntegrity, FileIntegrityNodeStatus, names};
use fio::testing::operator::build::{self, ActiveConfig};
use fio::testing::scan::Identity;
use fio::testing::scan::failure_log::{self, Reports};
use fio::testing::scan::outcome::{Finding, Outcome};
use fio::testing::scan::publish::Publisher;
use fio::testing::scan::reporting::NodeUpdate;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{ConfigMap, Event as CoreEvent, Pod, Secret, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams};
use kube::{Client, Resource, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::{Space, admin, eventually, in_space, report};

const OWN_STATUS: &str =
    "a daemon may write only the status of its own node, and this one runs on ";
const OWN_LOG: &str =
    "a daemon may write only the failure logs of its own node, and this one runs on ";
const OWN_EVENT: &str = "a daemon may create events only about its own node, and this one runs on ";
const OPERATORS: &str =
    "only the operator may change labels, annotations, owners and finalizers of a node status";
const UNBOUND: &str =
    "the token does not identify a node; a daemon's token must be bound to its pod";

/// One request, and the words in which it is refused, if it is.
struct Try {
    what: &'static str,
    request: BoxFuture<'static, kube::Result<()>>,
    refusal: Option<String>,
}

/// A request that is let through.
fn allowed<T>(
    what: &'static str,
    request: impl Future<Output = kube::Result<T>> + Send + 'static,
) -> Try {
    Try {
        what,
        request: Box::pin(async { request.await.map(|_| ()) }),
        refusal: None,
    }
}

/// A request that is answered by 403 and these words.
fn refused<T>(
    what: &'static str,
    refusal: impl Into<String>,
    request: impl Future<Output = kube::Result<T>> + Send + 'static,
) -> Try {
    Try {
        refusal: Some(refusal.into()),
        ..allowed(what, request)
    }
}

/// Makes the requests one after the other.
async fn carry_out(tries: Vec<Try>) -> anyhow::Result<()> {
    for Try {
        what,
        request,
        refusal,
    } in tries
    {
        match (request.await, refusal) {
            (Ok(()), None) => {}
            (Err(kube::Error::Api(status)), Some(refusal)) => {
                assert_eq!(status.code, 403, "{what}: {}", status.message);
                assert!(
                    status.message.contains(&refusal),
                    "{what}: refused, but not by {refusal:?}: {}",
                    status.message
                );
            }
            (Ok(()), Some(refusal)) => {
                anyhow::bail!("{what}: let through, and not refused by {refusal:?}")
            }
            (Err(error), None) => anyhow::bail!("{what}: {error}"),
            (Err(error), Some(_)) => anyhow::bail!("{what}: {error}, and not refused"),
        }
    }
    Ok(())
}

/// A FileIntegrity on two nodes, as the operator leaves it, and a pod on each.
pub(crate) struct Stage {
    pub(crate) namespace: String,
    /// The FileIntegrity.
    pub(crate) fi: String,
    pub(crate) mine: String,
    pub(crate) theirs: String,
    /// The daemon on the node `mine`.
    pub(crate) daemon: Client,
    /// The daemon on the node `theirs`.
    pub(crate) other: Client,
}

impl Stage {
    /// FileIntegrity `fi` on two nodes that are called so.
    pub(crate) async fn set(space: &Space, mine: &str, theirs: &str) -> anyhow::Result<Self> {
        let (mine, theirs) = (space.node(mine).await?, space.node(theirs).await?);
        Self::of(space, "fi", [&mine, &theirs]).await
    }

    /// The FileIntegrity on two nodes.
    pub(crate) async fn of(
        space: &Space,
        name: &str,
        [mine, theirs]: [&str; 2],
    ) -> anyhow::Result<Self> {
        let fi = space.file_integrity(name, json!({})).await?;
        let config = ActiveConfig {
            conf: "/etc p\n".to_owned(),
            effective: "/etc p\n".to_owned(),
        };
        apply::<ConfigMap>(&space.client, build::config_map(&fi, &config)).await?;
        for node in [mine, theirs] {
            let desired = DesiredNodeState {
                config_hash: Some("c1".to_owned()),
                ..DesiredNodeState::default()
            };
            let status = build::node_status(&fi, node, &desired);
            apply::<FileIntegrityNodeStatus>(&space.client, status).await?;
        }
        let stage = Self {
            namespace: space.namespace.clone(),
            fi: name.to_owned(),
            daemon: client(token(space, Some((name, mine))).await?).await?,
            other: client(token(space, Some((name, theirs))).await?).await?,
            mine: mine.to_owned(),
            theirs: theirs.to_owned(),
        };
        stage.until_the_policy_works().await?;
        Ok(stage)
    }

    /// The API server enforces a new policy some time after its creation.
    async fn until_the_policy_works(&self) -> anyhow::Result<()> {
        eventually("the admission policy to be in effect", async || {
            let params = PatchParams {
                dry_run: true,
                ..PatchParams::default()
            };
            let patch = Patch::Merge(json!({"results": []}));
            let (api, name) = (self.statuses(&self.daemon), self.status_of(&self.theirs));
            Ok(match api.patch(&name, &params, &patch).await {
                Err(kube::Error::Api(status)) => status.message.contains(OWN_STATUS).then_some(()),
                _ => None,
            })
        })
        .await
    }

    pub(crate) fn identity(&self, node: &str) -> Identity {
        Identity {
            namespace: self.namespace.clone(),
            file_integrity: self.fi.clone(),
            node: node.to_owned(),
            log_prefix: names::daemon_set(&self.fi),
        }
    }

    pub(crate) fn status_of(&self, node: &str) -> String {
        self.identity(node).node_status()
    }

    fn statuses(&self, client: &Client) -> Api<FileIntegrityNodeStatus> {
        Api::namespaced(client.clone(), &self.namespace)
    }

    fn own_status(&self) -> String {
        format!("{OWN_STATUS}{}", self.mine)
    }

    fn own_log(&self) -> String {
        format!("{OWN_LOG}{}", self.mine)
    }

    /// The failure log of a node, as its daemon creates it.
    pub(crate) fn log_of(&self, node: &str) -> anyhow::Result<Value> {
        let identity = self.identity(node);
        let (report, reports) = (
            report(),
            Reports {
                plain: &b"AIDE found differences"[..],
                json: &b"{}"[..],
                path_on_node: "/etc/kubernetes/aide.log".to_owned(),
            },
        );
        let kept = failure_log::fit(&identity, &report, reports)?;
        Ok(failure_log::config_map(&identity, &report, &kept))
    }

    /// The report of a new baseline of a node.
    pub(crate) fn report_of(&self, node: &str) -> anyhow::Result<Value> {
        let mut report = self.log_of(node)?;
        report["metadata"]["name"] = json!(format!("aide-{}-{node}-accepted", self.fi));
        if let Some(labels) = report["metadata"]["labels"].as_object_mut() {
            labels.remove(names::Label::RESULT_LOG);
            labels.insert(names::Label::ACCEPTED.to_owned(), json!(""));
        }
        Ok(report)
    }

    /// A merge patch by the daemon on the node `mine`.
    fn merge<K>(
        &self,
        name: &str,
        patch: Value,
    ) -> impl Future<Output = kube::Result<K>> + Send + 'static + use<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned
            + Send
            + 'static,
    {
        let api = Api::<K>::namespaced(self.daemon.clone(), &self.namespace);
        let name = name.to_owned();
        async move {
            api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
                .await
        }
    }

    /// A merge patch of a status.
    fn status(
        &self,
        node: &str,
        patch: Value,
    ) -> impl Future<Output = kube::Result<FileIntegrityNodeStatus>> + Send + 'static + use<> {
        self.merge(&self.status_of(node), patch)
    }

    /// A merge patch of a ConfigMap.
    fn config_map(
        &self,
        name: &str,
        patch: Value,
    ) -> impl Future<Output = kube::Result<ConfigMap>> + Send + 'static + use<> {
        self.merge(name, patch)
    }

    /// A server-side apply of a ConfigMap, as failure logs are written.
    fn apply(
        &self,
        object: Value,
    ) -> impl Future<Output = kube::Result<ConfigMap>> + Send + 'static + use<> {
        apply(&self.daemon, object)
    }

    /// An event by the daemon on the node `mine`.
    fn event(
        &self,
        regarding: &str,
        related: Option<&str>,
    ) -> impl Future<Output = kube::Result<Event>> + Send + 'static + use<> {
        let api = Api::<Event>::namespaced(self.daemon.clone(), &self.namespace);
        let event = json!({
            "metadata": {
                "name": format!("{}.node-0123456789abcdef", self.mine), "namespace": self.namespace,
            },
            "eventTime": fio::testing::api::time::now_micro(), "type": "Normal",
            "reason": "BaselineReplaced", "action": "BaselineReplaced", "note": "text",
            "reportingController": "test", "reportingInstance": "test",
            "regarding": {
                "apiVersion": "v1", "kind": regarding, "name": "fi", "namespace": self.namespace,
            },
            "related": related.map(|node| json!({"apiVersion": "v1", "kind": "Node", "name": node})),
        });
        async move {
            let event = serde_json::from_value(event).map_err(kube::Error::SerdeError)?;
            api.create(&PostParams::default(), &event).await
        }
    }
}

/// Applies an object as a daemon does.
pub(crate) fn apply<K>(
    client: &Client,
    object: Value,
) -> impl Future<Output = kube::Result<K>> + Send + 'static + use<K>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + 'static,
{
    let text = |key: &str| {
        object["metadata"][key]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let (name, namespace) = (text("name"), text("namespace"));
    let api = Api::<K>::namespaced(client.clone(), &namespace);
    async move {
        let params = PatchParams::apply(names::FIELD_MANAGER_DAEMON).force();
        api.patch(&name, &params, &Patch::Apply(object)).await
    }
}

/// A token of the daemons' account; bound to a pod of this FileIntegrity on this node, if there is
/// one.
pub(crate) async fn token(space: &Space, pod: Option<(&str, &str)>) -> anyhow::Result<String> {
    let mut spec = json!({"audiences": [], "expirationSeconds": 3600});
    if let Some((fi, node)) = pod {
        // No kubelet will ever start it; the API server checks the fields here.
        let pod = json!({
            "metadata": {"generateName": format!("{}-", names::daemon_set(fi))},
            "spec": {
                "nodeName": node,
                "serviceAccountName": names::DAEMON_SERVICE_ACCOUNT,
                "containers": [{"name": "daemon", "image": "localhost/fio:dev"}],
            },
        });
        let pods = space.api::<Pod>();
        let pod = pods
            .create(&PostParams::default(), &serde_json::from_value(pod)?)
            .await?;
        spec["boundObjectRef"] =
            json!({"apiVersion": "v1", "kind": "Pod", "name": pod.name_any(), "uid": pod.uid()});
    }
    let request: TokenRequest = serde_json::from_value(json!({"metadata": {}, "spec": spec}))?;
    let answer = space
        .api::<ServiceAccount>()
        .create_token_request(
            names::DAEMON_SERVICE_ACCOUNT,
            &PostParams::default(),
            &request,
        )
        .await?;
    Ok(answer.status.context("a token")?.token)
}

/// A client with this token and nothing else.
async fn client(token: String) -> anyhow::Result<Client> {
    let mut config = admin().await?;
    config.auth_info = serde_json::from_value(json!({"token": token}))?;
    Ok(Client::try_from(config)?)
}

/// What a daemon does in its life, with the program's own code for it.
#[tokio::test]
async fn all_that_a_daemon_does_is_allowed() -> anyhow::Result<()> {
    in_space("allowed", async |space| {
        let short = [space.node("n1").await?, space.node("n2").await?];
        // Names that do not fit into a label: the annotations have them instead. One with which the
        // failure log's is too long; FileIntegrities whose pods' names keep a part of theirs, or a
        // hash.
        let f = |count| "f".repeat(count);
        let two = async |count| {
            anyhow::Ok([
                space.node(&"m".repeat(count)).await?,
                space.node(&"t".repeat(count)).await?,
            ])
        };
        let [longer, longest] = [two(60).await?, two(200).await?];
        let table = [
            ("fi".to_owned(), &short),
            ("fi".to_owned(), &longer),
            ("my.fi".to_owned(), &short),
            (f(52), &short),
            (f(53), &short),
            (f(58), &short),
            (f(59), &longer),
            (f(64), &longest),
        ];
        for (fi, [mine, theirs]) in table {
            let stage = Stage::of(space, &fi, [mine, theirs]).await?;
            let name = stage.status_of(&stage.mine);
            let (seen, mut watched) =
                watch::channel(fio::testing::daemon::known_status::KnownStatus::default());
            let api = stage.statuses(&stage.daemon);
            let watching = tokio::spawn(fio::testing::daemon::watch::run(api, name.clone(), seen));
            let shown = watched.wait_for(|seen| seen.status.is_some());
            let shown = tokio::time::timeout(std::time::Duration::from_secs(30), shown).await??;
            let status = shown.status.clone().context("a status")?;
            drop(shown);
            watching.abort();
            assert_eq!(status.node_name, stage.mine);

            let configurations =
                Api::<ConfigMap>::namespaced(stage.daemon.clone(), &stage.namespace);
            configurations
                .get(&fi)
                .await
                .context("the active configuration")?;

            // Twice, because a failure log is created once and then overwritten.
            let identity = stage.identity(&stage.mine);
            let mut publisher = Publisher::new(&stage.daemon, identity, "daemon".to_owned());
            let log = stage.log_of(&stage.mine)?;
            let mut current = status;
            for added in 1..3 {
                let mut report = report();
                report.added = added;
                let outcome = Outcome::Changed(Box::new(report));
                let update = NodeUpdate {
                    finding: Some(Finding::new(
                        &outcome,
                        fio::testing::api::time::now(),
                        std::time::Duration::ZERO,
                    )),
                    ..NodeUpdate::default()
                };
                current = publisher
                    .publish(&current, &update, Some(&log))
                    .await
                    .with_context(|| format!("FileIntegrity {fi} on {mine}"))?;
            }
            let messages = space.event_messages(&fi, "NodeIntegrityStatus").await?;
            assert!(
                messages.iter().any(|message| message.contains(&stage.mine)),
                "{messages:?}"
            );
            space
                .api::<FileIntegrity>()
                .delete(&fi, &DeleteParams::default())
                .await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_daemon_cannot_write_the_status_of_another_node() -> anyhow::Result<()> {
    in_space("statuses", async |space| {
        let stage = Stage::set(space, "n1", "n2").await?;
        let (mine, theirs) = (stage.mine.clone(), stage.theirs.clone());
        let result = json!({"lastResult": {
            "condition": "Succeeded", "lastProbeTime": "2026-01-02T03:04:05Z",
        }});
        let realtime = json!({
            "realtime": {"state": "Active", "since": "2026-01-02T03:04:05Z", "backend": "fanotify"},
            "lastFullScan": "2026-01-02T03:04:05Z",
        });
        let metadata = |key: &str, value: Value| json!({"metadata": {key: value}});
        let statuses = || stage.statuses(&stage.daemon);
        let (own, other) = (stage.status_of(&mine), stage.status_of(&theirs));
        let fake = json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1",
            "kind": "FileIntegrityNodeStatus",
            "metadata": {"name": "fake", "namespace": stage.namespace},
            "nodeName": mine,
        });
        carry_out(vec![
            allowed("its result", stage.status(&mine, result.clone())),
            refused(
                "another node's result",
                stage.own_status(),
                stage.status(&theirs, result),
            ),
            allowed(
                "its state of realtime detection",
                stage.status(&mine, realtime.clone()),
            ),
            refused(
                "another node's state of realtime detection",
                stage.own_status(),
                stage.status(&theirs, realtime),
            ),
            refused(
                "another node's object, made its own",
                stage.own_status(),
                stage.status(&theirs, json!({"nodeName": mine})),
            ),
            refused(
                "its object, made another node's",
                stage.own_status(),
                stage.status(&mine, json!({"nodeName": theirs})),
            ),
            refused("a new status", "cannot create resource", {
                let (api, fake) = (statuses(), fake.clone());
                async move {
                    let fake = serde_json::from_value(fake).map_err(kube::Error::SerdeError)?;
                    api.create(&PostParams::default(), &fake).await
                }
            }),
            // Kubernetes 1.30 returns no reason.
            refused("a new status, applied", "\"fake\" is forbidden", {
                let (api, fake) = (statuses(), fake.clone());
                async move {
                    let params = PatchParams::apply("test");
                    api.patch("fake", &params, &Patch::Apply(fake)).await
                }
            }),
            refused("the end of a status", "cannot delete resource", {
                let (api, own) = (statuses(), own.clone());
                async move { api.delete(&own, &DeleteParams::default()).await }
            }),
            refused("the end of all", "cannot deletecollection resource", {
                let api = statuses();
                async move {
                    api.delete_collection(&DeleteParams::default(), &ListParams::default())
                        .await
                }
            }),
            refused("a list of all", "cannot list resource", {
                let api = statuses();
                async move { api.list(&ListParams::default()).await }
            }),
            // A Role that lets a daemon watch its own object by name lets it watch all of them:
            // RBAC knows no fields, and admission is not asked about reading.
            allowed("a watch of all", {
                let api = statuses();
                async move {
                    api.watch(&WatchParams::default().timeout(1), "0")
                        .await
                        .map(drop)
                }
            }),
            refused("another node's object, read", "cannot get resource", {
                let (api, other) = (statuses(), other.clone());
                async move { api.get(&other).await }
            }),
            refused(
                "a FileIntegrity",
                "cannot patch resource",
                stage.merge::<FileIntegrity>("fi", metadata("annotations", json!({"a": "b"}))),
            ),
        ])
        .await?;
        // Nothing of all that has left a trace.
        let now = space.api::<FileIntegrityNodeStatus>().get(&other).await?;
        assert_eq!(now.node_name, theirs);
        assert!(now.last_result.is_none());
        assert!(now.realtime.is_none());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_daemon_cannot_write_the_operators_fields_of_a_status() -> anyhow::Result<()> {
    in_space("requests", async |space| {
        let stage = Stage::set(space, "n1", "n2").await?;
        let mine = stage.mine.clone();
        let metadata = |key: &str, value: Value| json!({"metadata": {key: value}});
        let owner = json!([{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}]);
        let api = space.api::<FileIntegrityNodeStatus>();
        let before = api.get(&stage.status_of(&mine)).await?;
        carry_out(vec![
            refused(
                "a request of the operator",
                OPERATORS,
                stage.status(
                    &mine,
                    metadata("annotations", json!({names::Annotation::HOLDOFF: ""})),
                ),
            ),
            refused(
                "a removed request of the operator",
                OPERATORS,
                stage.status(
                    &mine,
                    metadata(
                        "annotations",
                        json!({names::Annotation::DESIRED_CONFIG: null}),
                    ),
                ),
            ),
            refused(
                "all annotations removed",
                OPERATORS,
                stage.status(&mine, metadata("annotations", Value::Null)),
            ),
            refused(
                "another label",
                OPERATORS,
                stage.status(
                    &mine,
                    metadata("labels", json!({names::Label::OWNER: "other"})),
                ),
            ),
            refused(
                "another owner",
                OPERATORS,
                stage.status(&mine, metadata("ownerReferences", owner)),
            ),
            refused(
                "no owner",
                OPERATORS,
                stage.status(&mine, metadata("ownerReferences", Value::Null)),
            ),
            refused(
                "a finalizer",
                OPERATORS,
                stage.status(&mine, metadata("finalizers", json!(["test/keep"]))),
            ),
        ])
        .await?;
        let now = api.get(&stage.status_of(&mine)).await?;
        assert_eq!(now.resource_version(), before.resource_version());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_daemon_cannot_write_the_logs_of_another_node() -> anyhow::Result<()> {
    in_space("logs", async |space| {
        let stage = Stage::set(space, "n1", "n2").await?;
        let (own, other) = (stage.log_of(&stage.mine)?, stage.log_of(&stage.theirs)?);
        let name = |log: &Value| log["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let (own_name, other_name) = (name(&own), name(&other));
        apply::<ConfigMap>(&stage.other, other.clone()).await.context("the other node's log")?;
        let labels = |pairs: Value| json!({"metadata": {"labels": pairs}});
        let as_a_log = labels(json!({
            names::Label::RESULT_LOG: "", names::Label::NODE: stage.mine, names::Label::AIDE_CONF: null,
        }));
        let mut with_owner = own.clone();
        with_owner["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}]);
        let mut with_finalizer = own.clone();
        with_finalizer["metadata"]["finalizers"] = json!(["test/keep"]);
        let mut without_node = own.clone();
        without_node["metadata"]["name"] = json!("aide-unlabeled-failed");
        without_node["metadata"]["labels"] = json!({names::Label::RESULT_LOG: ""});
        let mut squatter = own.clone();
        squatter["metadata"]["name"] = json!("a-configuration-that-somebody-waits-for");
        let mut in_the_way = own.clone();
        in_the_way["metadata"]["name"] = json!(format!("aide-another-{}-failed", stage.theirs));
        let config_maps = || Api::<ConfigMap>::namespaced(stage.daemon.clone(), &stage.namespace);
        let no_owners = "a failure log or an event of a daemon must not have owners or finalizers";
        let text = json!({"data": {"integritylog": "all is well"}});
        carry_out(vec![
            allowed("its log, the first time", stage.apply(own.clone())),
            allowed("its log, once more", stage.apply(own.clone())),
            allowed("its log, corrected", stage.config_map(
                &own_name,
                json!({"metadata": {"annotations": {names::Annotation::COMPRESSED: null}}}),
            )),
            refused("another node's log", stage.own_log(), stage.apply(other)),
            refused("another node's log, patched", stage.own_log(), stage.config_map(&other_name, text)),
            refused("another node's log, made its own", stage.own_log(), stage.config_map(
                &other_name,
                labels(json!({names::Label::NODE: stage.mine})),
            )),
            refused("its log, made another node's", stage.own_log(), stage.config_map(
                &own_name,
                labels(json!({names::Label::NODE: stage.theirs})),
            )),
            refused("its log, made an active configuration", stage.own_log(), stage.config_map(
                &own_name,
                labels(json!({names::Label::AIDE_CONF: ""})),
            )),
            refused("a log by another name", stage.own_log(), stage.apply(squatter)),
            refused("a log by the name of another node's", stage.own_log(), stage.apply(in_the_way)),
            refused("a log of no node", stage.own_log(), stage.apply(without_node)),
            refused("a log with an owner", no_owners, stage.apply(with_owner)),
            refused("a log with a finalizer", no_owners, stage.apply(with_finalizer)),
            refused("the active configuration", stage.own_log(), stage.config_map(
                "fi",
                json!({"data": {names::KEY_EFFECTIVE_CONF: "!/etc\n"}}),
            )),
            refused("the active configuration, made a log", stage.own_log(), stage.config_map("fi", as_a_log)),
            refused("any other ConfigMap", stage.own_log(), stage.apply(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "any", "namespace": stage.namespace},
            }))),
            refused("the end of its log", "cannot delete resource", {
                let (api, name) = (config_maps(), own_name.clone());
                async move { api.delete(&name, &DeleteParams::default()).await }
            }),
            refused("a list of all", "cannot list resource", {
                let api = config_maps();
                async move { api.list(&ListParams::default()).await }
            }),
        ])
        .await?;
        let now = space.api::<ConfigMap>().get("fi").await?;
        assert_eq!(now.data.unwrap_or_default()[names::KEY_EFFECTIVE_CONF], "/etc p\n");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_daemon_reports_only_its_node_and_has_no_other_permissions() -> anyhow::Result<()> {
    in_space("events", async |space| {
        let stage = Stage::set(space, "n1", "n2").await?;
        let own_event = format!("{OWN_EVENT}{}", stage.mine);
        let fi = "FileIntegrity";
        let secrets = || Api::<Secret>::namespaced(stage.daemon.clone(), &stage.namespace);
        let accounts = Api::<ServiceAccount>::namespaced(stage.daemon.clone(), &stage.namespace);
        let pods = Api::<Pod>::namespaced(stage.daemon.clone(), &stage.namespace);
        let old_events = Api::<CoreEvent>::namespaced(stage.daemon.clone(), &stage.namespace);
        carry_out(vec![
            allowed("its node", stage.event(fi, Some(&stage.mine))),
            refused("another node", own_event.clone(), stage.event(fi, Some(&stage.theirs))),
            refused("no node", own_event.clone(), stage.event(fi, None)),
            refused("another kind", own_event.clone(), stage.event("Pod", Some(&stage.mine))),
            refused("an event of the old kind", "cannot create resource", async move {
                let event = json!({
                    "metadata": {"generateName": "fi-"}, "involvedObject": {"kind": fi, "name": "fi"},
                });
                let event = serde_json::from_value(event).map_err(kube::Error::SerdeError)?;
                old_events.create(&PostParams::default(), &event).await
            }),
            refused("a secret", "cannot get resource \"secrets\"", {
                let api = secrets();
                async move { api.get("any").await }
            }),
            refused("all secrets", "cannot list resource \"secrets\"", {
                let api = secrets();
                async move { api.list(&ListParams::default()).await }
            }),
            refused("a token for itself", "cannot create resource \"serviceaccounts/token\"", async move {
                let request = TokenRequest::default();
                let name = names::DAEMON_SERVICE_ACCOUNT;
                accounts.create_token_request(name, &PostParams::default(), &request).await
            }),
            refused("a pod", "cannot list resource \"pods\"", async move {
                pods.list(&ListParams::default()).await
            }),
        ])
        .await
    })
    .await
}

/// A token of the same account that is not bound to a pod: for example, created with a stolen
/// kubeconfig that has the permission to create tokens.
#[tokio::test]
async fn a_token_without_a_pod_cannot_write() -> anyhow::Result<()> {
    in_space("unbound", async |space| {
        let mut stage = Stage::set(space, "n1", "n2").await?;
        let log = stage.log_of(&stage.mine)?;
        stage.daemon = client(token(space, None).await?).await?;
        carry_out(vec![
            refused(
                "a result",
                UNBOUND,
                stage.status(&stage.mine, json!({"results": []})),
            ),
            refused("a log", UNBOUND, stage.apply(log)),
            refused(
                "the active configuration",
                UNBOUND,
                stage.config_map(
                    "fi",
                    json!({"data": {}, "metadata": {"labels": {"a": "b"}}}),
                ),
            ),
            refused(
                "an event",
                UNBOUND,
                stage.event("FileIntegrity", Some(&stage.mine)),
            ),
        ])
        .await
    })
    .await
}

/// The policy applies to the daemons only: it restricts nobody else.
#[tokio::test]
async fn the_policy_does_not_restrict_others() -> anyhow::Result<()> {
    in_space("others", async |space| {
        let stage = Stage::set(space, "n1", "n2").await?;
        let mut config = admin().await?;
        config.auth_info.impersonate = Some(format!(
            "system:serviceaccount:{}:{}",
            space.namespace,
            names::OPERATOR_NAME
        ));
        let operator = Client::try_from(config)?;
        let hold = json!({"metadata": {"annotations": {names::Annotation::HOLDOFF: ""}}});
        stage
            .statuses(&operator)
            .patch(
                &stage.status_of(&stage.mine),
                &PatchParams::default(),
                &Patch::Merge(hold),
            )
            .await?;
        Ok(())
    })
    .await
}

/// A daemon's one watch, and that it begins with the object as it is.
#[tokio::test]
async fn a_watch_by_name_shows_one_object_and_needs_no_list() -> anyhow::Result<()> {
    in_space("watch", async |space| {
        let stage = Stage::set(space, "n1", "n2").await?;
        let name = stage.status_of(&stage.mine);
        let params = WatchParams::default()
            .fields(&format!("metadata.name={name}"))
            .timeout(2);
        let stream = stage.statuses(&stage.daemon).watch(&params, "0").await?;
        let events: Vec<_> = stream.collect().await;
        let shown: Vec<String> = events
            .into_iter()
            .filter_map(|event| match event {
                Ok(kube::api::WatchEvent::Added(status)) => Some(status.name_any()),
                _ => None,
            })
            .collect();
        assert_eq!(shown, [name]);
        Ok(())
    })
    .await
}
