//! One test's surroundings: what it gets before it begins, and what is done when it has ended,
//! however that was.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fio::testing::api::{FileIntegrity, names};
use futures::FutureExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Node as ApiNode, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde_json::{Value, json};

use super::cluster::{self, hack_cluster};
use super::file_integrity::Fi;
use super::lease::{self, Wanted};
use super::node::Node;
use super::wait::until;
use super::{dump, secrets};

/// On every object that a test creates: the name of the test.
const LABEL: &str = "fio-e2e";
/// Watches the tests' files, and one that is always there: a baseline without entries is an error.
/// The attributes are those of the built-in profiles.
const CONFIGURATION: &str = "/etc/(fio-e2e|passwd) ftype+p+u+g+acl+selinux+xattrs+l+sha256\n";
/// Longer than any test takes; one that takes longer hangs.
const TEST_PATIENCE: Duration = Duration::from_secs(900);

/// What a test works with.
pub(crate) struct Test {
    name: &'static str,
    namespace: String,
    client: Client,
    nodes: Vec<Node>,
    /// What selects its nodes, if these are not all.
    selector: Option<Value>,
    undo: Mutex<Vec<Undo>>,
}

/// Something that a test did to the cluster, and that is to be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Undo {
    StartNode(String),
    RemoveNode(String),
    Untaint(String),
    OneOperator,
    Uncordon(String),
    Unlabel(String),
}

/// Runs a test on any one node. `name` is that of its FileIntegrity, and neither another test's nor
/// what another's begins with: names of pods and failure logs begin with it.
pub(crate) async fn on_one_node(
    name: &'static str,
    body: impl AsyncFnOnce(&Test) -> Result<()>,
) -> Result<()> {
    on_one_node_for(name, TEST_PATIENCE, body).await
}

/// The same for a test that may take so long.
pub(crate) async fn on_one_node_for(
    name: &'static str,
    patience: Duration,
    body: impl AsyncFnOnce(&Test) -> Result<()>,
) -> Result<()> {
    run(name, Wanted::One, patience, body).await
}

/// Runs a test on any two nodes.
pub(crate) async fn on_two_nodes(
    name: &'static str,
    body: impl AsyncFnOnce(&Test) -> Result<()>,
) -> Result<()> {
    run(name, Wanted::Two, TEST_PATIENCE, body).await
}

/// Runs a test on all nodes, while no other one runs that uses nodes.
pub(crate) async fn on_all_nodes(
    name: &'static str,
    body: impl AsyncFnOnce(&Test) -> Result<()>,
) -> Result<()> {
    on_all_nodes_for(name, TEST_PATIENCE, body).await
}

/// The same for a test that may take so long.
pub(crate) async fn on_all_nodes_for(
    name: &'static str,
    patience: Duration,
    body: impl AsyncFnOnce(&Test) -> Result<()>,
) -> Result<()> {
    run(name, Wanted::All, patience, body).await
}

async fn run(
    name: &'static str,
    wanted: Wanted,
    patience: Duration,
    body: impl AsyncFnOnce(&Test) -> Result<()>,
) -> Result<()> {
    let (client, namespace) = (cluster::client().await?, cluster::namespace());
    let prepare = async || prepare(&client, &namespace).await;
    let lease = lease::take(wanted, patience, prepare).await?;
    let start = Instant::now();
    let nodes = lease.nodes().iter().cloned();
    let nodes: Vec<Node> = nodes.map(|name| Node { name }).collect();
    let test = Test {
        name,
        namespace,
        client,
        selector: selector(wanted, name, &nodes),
        nodes,
        undo: Mutex::default(),
    };
    let body = async {
        test.label_nodes(wanted).await?;
        body(&test).await
    };
    let body = tokio::time::timeout(patience, Box::pin(body));
    let body = AssertUnwindSafe(body);
    let outcome = body.catch_unwind().await;
    // A panic has printed what it is about.
    let failure = match &outcome {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(error))) => Some(format!("{error:#}")),
        Ok(Err(_)) => Some(format!("it took more than {patience:?}")),
        Err(_) => Some(String::from("it panicked")),
    };
    if let Some(failure) = failure {
        dump::print(&test.client, &test.namespace, name, &failure).await;
    }
    let seconds = patience.as_secs().cast_signed();
    let secrets_hidden =
        secrets::are_not_exposed(&test.client, &test.namespace, name, seconds).await;
    let cleaned = test.clean().await.context("clean up after the test");
    // Nothing of the test is on the nodes any more.
    drop(lease);
    print_duration(name, start.elapsed());
    match outcome {
        Err(panic) => resume_unwind(panic),
        Ok(Err(_)) => bail!("the test hangs: it took more than {patience:?}"),
        Ok(Ok(result)) => result.and(secrets_hidden).and(cleaned),
    }
}

/// Prints how long a test had its nodes: libtest's times have the wait for them in them. Past
/// libtest's capture, which is for the printing macros.
fn print_duration(name: &str, took: Duration) {
    let line = format!("e2e: {name} took <{:.1}s>\n", took.as_secs_f64());
    drop(std::io::stderr().write_all(line.as_bytes()));
}

/// Runs once, before the first test. Checks that the operator is there, removes what a run that was
/// cut off has left, and returns the nodes.
async fn prepare(client: &Client, namespace: &str) -> Result<Vec<String>> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    until(
        "the operator is available; `hack/deploy apply` deploys it",
        async || {
            let deployment = deployments.get(names::OPERATOR_NAME).await?;
            let status = deployment.status.unwrap_or_default();
            ensure!(
                status.available_replicas.unwrap_or_default() > 0,
                "{status:?}"
            );
            Ok(())
        },
    )
    .await?;
    let file_integrities = Api::<FileIntegrity>::namespaced(client.clone(), namespace);
    for fi in file_integrities.list(&ListParams::default()).await? {
        let name = fi.name_any();
        ensure!(
            fi.labels().contains_key(LABEL),
            "FileIntegrity {name} is in the way: the tests need the nodes for themselves"
        );
        file_integrities
            .delete(&name, &DeleteParams::default())
            .await?;
    }
    let daemons = Api::<Pod>::namespaced(client.clone(), namespace);
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let (params, of_tests) = (DeleteParams::default(), ListParams::default().labels(LABEL));
    daemons.delete_collection(&params, &of_tests).await?;
    config_maps.delete_collection(&params, &of_tests).await?;
    let params = ListParams::default().labels(names::Label::POD);
    until("no daemon runs", async || {
        let pods = daemons.list_metadata(&params).await?;
        let names: Vec<_> = pods.iter().map(kube::ResourceExt::name_any).collect();
        ensure!(names.is_empty(), "pods {names:?} run");
        Ok(())
    })
    .await?;
    let nodes: Vec<String> = hack_cluster(&["nodes"])
        .await?
        .lines()
        .map(str::to_owned)
        .collect();
    ensure!(
        nodes.len() >= 2,
        "the tests need two nodes, and there are {nodes:?}"
    );
    for name in &nodes {
        restore_node(client, name).await?;
        Node { name: name.clone() }.clean().await?;
    }
    Ok(nodes)
}

/// Removes the labels and taints of tests from a node. A node that somebody has cordoned is an error.
async fn restore_node(client: &Client, name: &str) -> Result<()> {
    let node = Api::<ApiNode>::all(client.clone()).get(name).await?;
    let spec = node.spec.unwrap_or_default();
    ensure!(
        spec.unschedulable != Some(true),
        "node {name} is cordoned, and the tests need it: kubectl uncordon {name}"
    );
    let taints = spec.taints.unwrap_or_default();
    let others: Vec<_> = taints.iter().filter(|taint| taint.key != LABEL).collect();
    let change = json!({"metadata": {"labels": {LABEL: null}}, "spec": {"taints": others}});
    set_node(client, name, change)
        .await
        .map(|_| ())
        .with_context(|| format!("remove what a test left on the node {name}"))
}

/// Merges this into a node; returns its name.
async fn set_node(client: &Client, node: &str, change: Value) -> Result<String> {
    let api = Api::<ApiNode>::all(client.clone());
    let patch = Patch::Merge(change);
    let patched = api.patch(node, &PatchParams::default(), &patch).await?;
    Ok(patched.name_any())
}

impl Test {
    /// The API of one kind of object in the operator's namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The API of one kind of object outside of namespaces.
    pub(crate) fn cluster_api<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    /// The operator's namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The nodes on loan, sorted by name.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of a test on one node.
    pub(crate) fn node(&self) -> Result<&Node> {
        self.nodes.first().context("the test has no node")
    }

    /// Two nodes of a test on two or more.
    pub(crate) fn two_nodes(&self) -> Result<(&Node, &Node)> {
        match self.nodes.as_slice() {
            [first, second, ..] => Ok((first, second)),
            _ => bail!("the test has not two nodes"),
        }
    }

    /// Creates the test's FileIntegrity. Unless `spec` sets them, these are added to it: the test's
    /// nodes, if these are not all; the shortest pause; and [`CONFIGURATION`], so that the scans
    /// of all tests together leave the machine some time. A spec that names a profile has that.
    pub(crate) async fn create(&self, spec: Value) -> Result<Fi<'_>> {
        self.create_named(self.name, spec).await
    }

    /// The same with another name, for tests that need more than one.
    pub(crate) async fn create_named(&self, name: &str, mut spec: Value) -> Result<Fi<'_>> {
        let config = &mut spec["config"];
        if config.get("gracePeriod").is_none() {
            config["gracePeriod"] = json!(10);
        }
        if config.get("name").is_none() && config.get("profile").is_none() {
            let config_map = format!("{}-small", self.name);
            self.write_config_map(&config_map, CONFIGURATION).await?;
            config["name"] = json!(config_map);
            config["namespace"] = json!(self.namespace);
        }
        if let (Some(selector), None) = (&self.selector, spec.get("nodeSelector")) {
            spec["nodeSelector"] = selector.clone();
        }
        let object: FileIntegrity = serde_json::from_value(json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1",
            "kind": "FileIntegrity",
            "metadata": {"name": name, "labels": {LABEL: self.name}},
            "spec": spec,
        }))?;
        let created = self.api().create(&PostParams::default(), &object).await?;
        Ok(Fi::new(self, &created))
    }

    /// Makes or replaces a user's ConfigMap with an AIDE configuration, and returns its name.
    pub(crate) async fn config_map(&self, aide_conf: &str) -> Result<String> {
        let name = format!("{}-config", self.name);
        self.write_config_map(&name, aide_conf).await?;
        Ok(name)
    }

    async fn write_config_map(&self, name: &str, aide_conf: &str) -> Result<()> {
        let api: Api<ConfigMap> = self.api();
        let object: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {LABEL: self.name}},
            "data": {"aide.conf": aide_conf},
        }))?;
        if api.get_opt(name).await?.is_some() {
            api.replace(name, &PostParams::default(), &object).await?;
        } else {
            api.create(&PostParams::default(), &object).await?;
        }
        Ok(())
    }

    /// The pod of the operator that is not about to end.
    pub(crate) async fn operator(&self) -> Result<Pod> {
        let params = ListParams::default().labels("name=file-integrity-operator");
        until("an operator's pod", async || {
            let pods = self.api::<Pod>().list(&params).await?.items;
            let staying = pods
                .into_iter()
                .find(|pod| pod.metadata.deletion_timestamp.is_none());
            staying.context("none")
        })
        .await
    }

    /// Creates a pod on a node that is not started again. Its container is of the operator's image.
    pub(crate) async fn create_pod(
        &self,
        name: &str,
        node: &str,
        mut container: Value,
        volumes: Value,
    ) -> Result<Pod> {
        let operator = self.operator().await?;
        let image = operator
            .spec
            .and_then(|spec| spec.containers.into_iter().next()?.image);
        container["name"] = json!("c");
        container["image"] = json!(image.context("the operator's image")?);
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {LABEL: self.name}},
            "spec": {
                "nodeName": node,
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "containers": [container],
                "volumes": volumes,
            },
        }))?;
        Ok(self.api().create(&PostParams::default(), &pod).await?)
    }

    /// Has another pod take the place of the operator's, and returns when it acts.
    pub(crate) async fn replace_operator(&self) -> Result<()> {
        self.delete_pod(&self.operator().await?).await?;
        self.operator_leads().await
    }

    /// Waits until the operator's newest pod holds the lease.
    pub(crate) async fn operator_leads(&self) -> Result<()> {
        until("the operator's new pod holds the lease", async || {
            let pod = self.operator().await?.name_any();
            let lease = self.api::<Lease>().get(names::LEASE_NAME).await?;
            let holder = lease.spec.and_then(|spec| spec.holder_identity);
            ensure!(
                holder.as_ref() == Some(&pod),
                "pod {pod}, holder {holder:?}"
            );
            Ok(())
        })
        .await
    }

    /// The operator's pod that holds the lease.
    pub(crate) async fn leader(&self) -> Result<Pod> {
        until("an operator leads", async || {
            let lease = self.api::<Lease>().get(names::LEASE_NAME).await?;
            let holder = lease.spec.and_then(|spec| spec.holder_identity);
            let holder = holder.filter(|holder| !holder.is_empty());
            Ok(self.api().get(&holder.context("nobody")?).await?)
        })
        .await
    }

    /// Runs two operators, a leader and a standby, until the end of the test.
    pub(crate) async fn two_operators(&self) -> Result<()> {
        self.on_end(Undo::OneOperator);
        self.scale_operator(2).await.map(|_| ())
    }

    /// Returns when so many operators are ready, and no other ones are there.
    async fn scale_operator(&self, replicas: usize) -> Result<String> {
        let api = self.api::<Deployment>();
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        api.patch(names::OPERATOR_NAME, &PatchParams::default(), &patch)
            .await?;
        let params = ListParams::default().labels("name=file-integrity-operator");
        until(format!("operators: {replicas}"), async || {
            let pods = self.api::<Pod>().list(&params).await?.items;
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            ensure!(
                (pods.len(), ready) == (replicas, replicas),
                "{} pods, {ready} ready",
                pods.len()
            );
            Ok(names::OPERATOR_NAME.to_owned())
        })
        .await
    }

    /// What the API server answers to a GET.
    pub(crate) async fn get(&self, path: &str) -> Result<String> {
        let request = axum::http::Request::get(path).body(Vec::new())?;
        Ok(self.client.request_text(request).await?)
    }

    /// The address under which nodes reach the API server.
    pub(crate) async fn api_server(&self) -> Result<String> {
        let slices = Api::<EndpointSlice>::namespaced(self.client.clone(), "default");
        let slice = slices.get("kubernetes").await?;
        let endpoint = slice.endpoints.into_iter().next();
        let address = endpoint.and_then(|endpoint| endpoint.addresses.into_iter().next());
        address.context("the API server has no address")
    }

    /// Deletes a pod and waits until it no longer exists.
    pub(crate) async fn delete_pod(&self, pod: &Pod) -> Result<()> {
        self.delete_pod_with(pod, &DeleteParams::default()).await
    }

    /// Deletes a pod without a grace period.
    pub(crate) async fn kill_pod(&self, pod: &Pod) -> Result<()> {
        self.delete_pod_with(pod, &DeleteParams::default().grace_period(0))
            .await
    }

    async fn delete_pod_with(&self, pod: &Pod, params: &DeleteParams) -> Result<()> {
        self.api::<Pod>().delete(&pod.name_any(), params).await?;
        self.is_deleted(pod).await
    }

    /// Waits until a pod that is being deleted no longer exists.
    pub(crate) async fn is_deleted(&self, pod: &Pod) -> Result<()> {
        let name = pod.name_any();
        until(format!("pod {name} is deleted"), async || {
            let left = self.api::<Pod>().get_opt(&name).await?;
            ensure!(left.is_none(), "it exists");
            Ok(())
        })
        .await
    }

    /// Stops a node as a power cut would. It is started again after the test, if not before.
    pub(crate) async fn stop_node(&self, node: &Node) -> Result<()> {
        self.on_end(Undo::StartNode(node.name.clone()));
        hack_cluster(&["stop-node", &node.name]).await.map(|_| ())
    }

    /// Starts a stopped node.
    pub(crate) async fn start_node(&self, node: &Node) -> Result<()> {
        hack_cluster(&["start-node", &node.name]).await?;
        self.done(&Undo::StartNode(node.name.clone()));
        Ok(())
    }

    /// Adds a node to the cluster. It is removed after the test, if not before.
    pub(crate) async fn add_node(&self) -> Result<Node> {
        let name = hack_cluster(&["add-node"]).await?;
        self.on_end(Undo::RemoveNode(name.clone()));
        Ok(Node { name })
    }

    /// Removes a node from the cluster.
    pub(crate) async fn remove_node(&self, node: &Node) -> Result<()> {
        hack_cluster(&["remove-node", &node.name]).await?;
        self.done(&Undo::RemoveNode(node.name.clone()));
        Ok(())
    }

    /// Gives a node a taint with this key and the effect `NoSchedule` until the test ends.
    pub(crate) async fn taint(&self, node: &Node, key: &str) -> Result<()> {
        self.on_end(Undo::Untaint(node.name.clone()));
        let taints = json!([{"key": key, "effect": "NoSchedule"}]);
        let spec = json!({"spec": {"taints": taints}});
        self.set_node(&node.name, spec).await.map(|_| ())
    }

    /// Has no new pods come to a node until [`Self::uncordon`] or the test's end.
    pub(crate) async fn cordon(&self, node: &Node) -> Result<()> {
        self.on_end(Undo::Uncordon(node.name.clone()));
        let cordoned = json!({"spec": {"unschedulable": true}});
        self.set_node(&node.name, cordoned).await.map(|_| ())
    }

    /// Lets pods come to a node again.
    pub(crate) async fn uncordon(&self, node: &Node) -> Result<()> {
        let uncordoned = json!({"spec": {"unschedulable": null}});
        self.set_node(&node.name, uncordoned).await?;
        self.done(&Undo::Uncordon(node.name.clone()));
        Ok(())
    }

    /// The label by which the test's FileIntegrities select two nodes, until the test ends.
    async fn label_nodes(&self, wanted: Wanted) -> Result<()> {
        if wanted != Wanted::Two {
            return Ok(());
        }
        for node in &self.nodes {
            self.on_end(Undo::Unlabel(node.name.clone()));
            let labels = json!({"metadata": {"labels": {LABEL: self.name}}});
            self.set_node(&node.name, labels).await?;
        }
        Ok(())
    }

    /// Merges this into a node; returns its name.
    async fn set_node(&self, node: &str, change: Value) -> Result<String> {
        set_node(&self.client, node, change).await
    }

    fn on_end(&self, undo: Undo) {
        self.undo_list().push(undo);
    }

    fn done(&self, undo: &Undo) {
        self.undo_list().retain(|other| other != undo);
    }

    fn undo_list(&self) -> std::sync::MutexGuard<'_, Vec<Undo>> {
        self.undo
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Removes everything of the test from the cluster and from its nodes.
    async fn clean(&self) -> Result<()> {
        let undo = std::mem::take(&mut *self.undo_list());
        for undo in undo {
            match undo {
                Undo::StartNode(node) => hack_cluster(&["start-node", &node]).await?,
                Undo::RemoveNode(node) => hack_cluster(&["remove-node", &node]).await?,
                Undo::Untaint(node) => {
                    let spec = json!({"spec": {"taints": []}});
                    self.set_node(&node, spec).await?
                }
                Undo::Uncordon(node) => {
                    let spec = json!({"spec": {"unschedulable": null}});
                    self.set_node(&node, spec).await?
                }
                Undo::Unlabel(node) => {
                    let labels = json!({"metadata": {"labels": {LABEL: null}}});
                    self.set_node(&node, labels).await?
                }
                Undo::OneOperator => self.scale_operator(1).await?,
            };
        }
        let mine = ListParams::default().labels(&format!("{LABEL}={}", self.name));
        let file_integrities = self.api::<FileIntegrity>().list(&mine).await?;
        for fi in &file_integrities {
            Fi::new(self, fi).delete().await?;
        }
        let params = DeleteParams::default();
        self.api::<Pod>().delete_collection(&params, &mine).await?;
        self.api::<ConfigMap>()
            .delete_collection(&params, &mine)
            .await?;
        self.remove_failure_logs().await?;
        for node in &self.nodes {
            node.clean().await?;
        }
        Ok(())
    }

    /// Kept logs outlive their FileIntegrity.
    async fn remove_failure_logs(&self) -> Result<()> {
        let api = self.api::<ConfigMap>();
        let logs = ListParams::default().labels(names::Label::RESULT_LOG);
        for log in api.list_metadata(&logs).await? {
            let owner = log.labels().get(names::Label::OWNER);
            if owner.is_some_and(|owner| owner.starts_with(self.name)) {
                api.delete(&log.name_any(), &DeleteParams::default())
                    .await?;
            }
        }
        Ok(())
    }
}

/// Whether the pod is ready, and not about to end.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    has_ready_condition(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// Whether the pod's kubelet reports that it is ready.
pub(crate) fn has_ready_condition(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// A nodeSelector for the nodes of a test.
fn selector(wanted: Wanted, name: &str, nodes: &[Node]) -> Option<Value> {
    match wanted {
        Wanted::One => nodes.first().map(selecting),
        Wanted::Two => Some(json!({LABEL: name})),
        Wanted::All => None,
    }
}

/// A nodeSelector that selects just this node.
pub(crate) fn selecting(node: &Node) -> Value {
    json!({"kubernetes.io/hostname": node.name})
}
