//! What the tests share: a namespace with fio's manifests in it, nodes, operators, the daemon's
//! part, waiting, and a dump of the objects when a test fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fio::testing::aide::report::{Change, ChangeKind, Report, parse_json};
use fio::testing::api::{
    Baseline, CompletedRequest, FileIntegrity, FileIntegrityNodeStatus, names, time,
};
use fio::testing::operator::ScrapeSettings;
use fio::testing::operator::Settings;
use fio::testing::operator::admission_policy::Policy;
use fio::testing::scan::Identity;
use fio::testing::scan::failure_log::{Reports, config_map, fit};
use fio::testing::scan::outcome::{Finding, Outcome};
use fio::testing::scan::publish::Publisher;
use fio::testing::scan::reporting::NodeUpdate;
use fio::testing::telemetry::metrics::Metrics;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::Kubeconfig;
use kube::core::NamespaceResourceScope;
use kube::{Client, Config, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OnceCell, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::concurrency;

/// How long a test waits for anything. Far longer than it takes, as machines are slow at times.
const PATIENCE: Duration = Duration::from_secs(60);
/// Interval between polls.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The namespace for which the manifests are rendered; each test puts its own in its place.
const TEMPLATE: &str = "fio-template";
/// The operator's image in them.
pub(crate) const IMAGE: &str = "localhost/fio:dev";
/// On Nodes: whose they are. The operators of all tests see all nodes.
pub(crate) const LABEL_TEST: &str = "fio-test";

/// The names of the namespaces so far: two tests in one would change each other's objects.
static NAMES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
/// What is created once in the cluster, and the manifests of a namespace.
static MANIFESTS: OnceCell<String> = OnceCell::const_new();

/// A namespace of a test's own.
pub(crate) struct Space {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    logs: Arc<Mutex<Vec<u8>>>,
    /// How long the audit log was before there was anything in it of this namespace.
    audited_from: u64,
}

/// Runs a test in a namespace of its own, beside others.
pub(crate) fn in_space<'a>(
    name: &'a str,
    test: impl AsyncFnOnce(&Space) -> anyhow::Result<()> + 'a,
) -> LocalBoxFuture<'a, anyhow::Result<()>> {
    Box::pin(async move {
        let permit = concurrency::beside_others().await?;
        run(name, permit, test).await
    })
}

/// Runs a test in a namespace of its own while no other one runs: it stops the API server, or changes
/// what all see.
pub(crate) fn alone<'a>(
    name: &'a str,
    test: impl AsyncFnOnce(&Space) -> anyhow::Result<()> + 'a,
) -> LocalBoxFuture<'a, anyhow::Result<()>> {
    Box::pin(async move {
        let permit = concurrency::alone().await?;
        run(name, permit, test).await
    })
}

async fn run(
    name: &str,
    _permit: SemaphorePermit<'_>,
    test: impl AsyncFnOnce(&Space) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let space = Space::new(name).await?;
    let result = AssertUnwindSafe(test(&space)).catch_unwind().await;
    if !matches!(result, Ok(Ok(()))) {
        let dump = space.dump().await;
        #[expect(
            clippy::print_stderr,
            reason = "the test runner shows it with the failure"
        )]
        {
            eprintln!("{dump}");
        }
    }
    space.remove_nodes().await.ok();
    space.remove_policies().await.ok();
    print_duration(name, start.elapsed());
    match result {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Prints how long a test ran: libtest's durations include the wait for others. Past libtest's capture,
/// which is for the printing macros.
fn print_duration(name: &str, duration: Duration) {
    let line = format!("api: {name} took <{:.1}s>\n", duration.as_secs_f64());
    drop(std::io::stderr().write_all(line.as_bytes()));
}

/// The checkout.
pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The administrator's configuration.
pub(crate) async fn admin() -> anyhow::Result<Config> {
    Config::infer()
        .await
        .context("no API server: run this by hack/with-apiserver")
}

/// Runs kubectl as administrator, with `input`; returns what it prints.
pub(crate) async fn kubectl(args: &[&str], input: &str) -> anyhow::Result<String> {
    let program = checkout().join(".cluster/bin/kubectl");
    output(&program, args, input, &[]).await
}

/// The manifests as hack/deploy renders them with these variables.
pub(crate) async fn rendered(variables: &[(&str, &str)]) -> anyhow::Result<String> {
    let program = checkout().join("hack/deploy");
    output(&program, &["render"], "", variables).await
}

/// The standard output of a program that gets this input.
pub(crate) async fn output(
    program: &Path,
    args: &[&str],
    input: &str,
    variables: &[(&str, &str)],
) -> anyhow::Result<String> {
    let mut child = tokio::process::Command::new(program)
        .args(args)
        .current_dir(checkout())
        .env("KUBECTL", checkout().join(".cluster/bin/kubectl"))
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    anyhow::ensure!(
        output.status.success(),
        "{} {args:?}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// The AIDE to check configurations with.
pub(crate) async fn aide() -> anyhow::Result<PathBuf> {
    static AIDE: OnceCell<PathBuf> = OnceCell::const_new();
    let find = async || {
        if let Some(aide) = std::env::var_os("FIO_AIDE") {
            return anyhow::Ok(PathBuf::from(aide));
        }
        let path = output(&checkout().join("hack/aide"), &[], "", &[]).await?;
        Ok(PathBuf::from(path.trim()))
    };
    AIDE.get_or_try_init(find).await.cloned()
}

/// The program of the previous release.
pub(crate) async fn previous_fio() -> anyhow::Result<PathBuf> {
    static PREVIOUS: OnceCell<PathBuf> = OnceCell::const_new();
    let find = async || {
        if let Some(program) = std::env::var_os("FIO_PREVIOUS") {
            return anyhow::Ok(PathBuf::from(program));
        }
        let path = output(&checkout().join("hack/previous-fio"), &[], "", &[]).await?;
        Ok(PathBuf::from(path.trim()))
    };
    PREVIOUS.get_or_try_init(find).await.cloned()
}

/// Puts the definitions back that a test has removed.
pub(crate) async fn reinstall_definitions() -> anyhow::Result<()> {
    let definitions = fio::testing::api::crd::yaml()?;
    kubectl(&["apply", "--server-side", "-f", "-"], &definitions).await?;
    until_established().await
}

/// Waits until the API serves the definitions.
pub(crate) async fn until_established() -> anyhow::Result<()> {
    let established = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd",
        "--all",
    ];
    kubectl(&established, "").await.map(|_| ())
}

/// Installs the cluster's part of the manifests, once; returns that of a namespace.
async fn manifests() -> anyhow::Result<&'static str> {
    let install = async || {
        let all = rendered(&[("NAMESPACE", TEMPLATE), ("IMG", IMAGE)]).await?;
        let (namespaced, cluster): (Vec<&str>, Vec<&str>) = all
            .split("\n---\n")
            .partition(|document| document.contains(TEMPLATE));
        let apply = ["apply", "--server-side", "-f", "-"];
        kubectl(&apply, &cluster.join("\n---\n")).await?;
        until_established().await?;
        anyhow::Ok(namespaced.join("\n---\n"))
    };
    MANIFESTS.get_or_try_init(install).await.map(String::as_str)
}

impl Space {
    async fn new(name: &str) -> anyhow::Result<Self> {
        let is_new = NAMES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned());
        anyhow::ensure!(is_new, "two tests use a namespace with the name {name}");
        let template = manifests().await?;
        let namespace = format!("fio-{name}-{}", std::process::id());
        let own = template.replace(TEMPLATE, &namespace);
        let audited_from = audit_log().and_then(|log| Ok(log.metadata()?.len()));
        kubectl(&["apply", "--server-side", "-f", "-"], &own).await?;
        Ok(Self {
            client: Client::try_from(admin().await?)?,
            namespace,
            logs: Arc::default(),
            audited_from: audited_from.unwrap_or(0),
        })
    }

    /// Another installation beside this one.
    pub(crate) async fn another(&self, name: &str) -> anyhow::Result<Self> {
        Self::new(name).await
    }

    /// The objects of this kind in the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The name of this test's node that is called `short`.
    pub(crate) fn node_name(&self, short: &str) -> String {
        format!("{}-{short}", self.namespace)
    }

    /// Makes a node that is ready; returns its name.
    pub(crate) async fn node(&self, short: &str) -> anyhow::Result<String> {
        let name = self.node_name(short);
        let nodes = Api::<Node>::all(self.client.clone());
        // The host's name; a label takes no more.
        let short = short.get(..63).unwrap_or(short);
        let node = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {
                LABEL_TEST: self.namespace, "kubernetes.io/os": "linux", "kubernetes.io/hostname": short,
            }},
        }))?;
        nodes.create(&PostParams::default(), &node).await?;
        self.set_ready(&name, true).await?;
        Ok(name)
    }

    /// Reports a node's state as its kubelet would.
    pub(crate) async fn set_ready(&self, node: &str, ready: bool) -> anyhow::Result<()> {
        let status = if ready { "True" } else { "Unknown" };
        let patch = json!({"status": {"conditions": [{
            "type": "Ready", "status": status, "reason": "Test", "message": "",
            "lastHeartbeatTime": time::now(), "lastTransitionTime": time::now(),
        }]}});
        Api::<Node>::all(self.client.clone())
            .patch_status(node, &PatchParams::default(), &Patch::Merge(&patch))
            .await?;
        Ok(())
    }

    /// Removes a node.
    pub(crate) async fn remove_node(&self, node: &str) -> anyhow::Result<()> {
        Api::<Node>::all(self.client.clone())
            .delete(node, &DeleteParams::default())
            .await?;
        Ok(())
    }

    async fn remove_nodes(&self) -> anyhow::Result<()> {
        let mine = ListParams::default().labels(&format!("{LABEL_TEST}={}", self.namespace));
        Api::<Node>::all(self.client.clone())
            .delete_collection(&DeleteParams::default(), &mine)
            .await?;
        Ok(())
    }

    /// After a restart, the API server refuses writes until it has compiled all policies, and those of all tests would
    /// take too long.
    async fn remove_policies(&self) -> anyhow::Result<()> {
        let kinds = "validatingadmissionpolicybindings,validatingadmissionpolicies";
        let names = Policy::ALL.map(|policy| policy.name(&self.namespace));
        let names = names.iter().map(String::as_str);
        let delete = ["delete", "--ignore-not-found", "--wait=false", kinds];
        let arguments: Vec<&str> = delete.into_iter().chain(names).collect();
        kubectl(&arguments, "").await.map(drop)
    }

    /// Creates a FileIntegrity that selects this test's nodes. The fields of `spec` have precedence.
    pub(crate) async fn file_integrity(
        &self,
        name: &str,
        spec: Value,
    ) -> anyhow::Result<FileIntegrity> {
        let mut whole = json!({
            "config": {"gracePeriod": 10},
            "nodeSelector": {LABEL_TEST: self.namespace},
        });
        if let (Value::Object(whole), Value::Object(spec)) = (&mut whole, spec) {
            whole.extend(spec);
        }
        let object = serde_json::from_value(json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1",
            "kind": "FileIntegrity",
            "metadata": {"name": name},
            "spec": whole,
        }))?;
        let api = self.api::<FileIntegrity>();
        Ok(api.create(&PostParams::default(), &object).await?)
    }

    /// Changes an object by a JSON merge patch.
    pub(crate) async fn merge<K>(&self, name: &str, patch: Value) -> anyhow::Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let (api, params) = (self.api::<K>(), PatchParams::default());
        Ok(api.patch(name, &params, &Patch::Merge(patch)).await?)
    }

    /// Sets, or with null removes, an annotation of a FileIntegrity.
    pub(crate) async fn annotate(&self, fi: &str, key: &str, value: Value) -> anyhow::Result<()> {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        self.merge::<FileIntegrity>(fi, patch).await.map(|_| ())
    }

    /// Waits until the object (or its absence) is as `condition` wants it; returns the object.
    pub(crate) async fn until<K>(
        &self,
        name: &str,
        what: &str,
        condition: impl Fn(Option<&K>) -> bool,
    ) -> anyhow::Result<Option<K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api = self.api::<K>();
        eventually(what, async || {
            let object = api.get_opt(name).await?;
            Ok(condition(object.as_ref()).then_some(object))
        })
        .await
    }

    /// Waits until the object is there and as `condition` wants it.
    pub(crate) async fn until_is<K>(
        &self,
        name: &str,
        what: &str,
        condition: impl Fn(&K) -> bool,
    ) -> anyhow::Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let object = self
            .until(name, what, |object| object.is_some_and(&condition))
            .await?;
        object.context("the object is there")
    }

    /// Waits until this FileIntegrity has no problems, and its whole spec is in effect.
    pub(crate) async fn until_well(&self, fi: &str) -> anyhow::Result<FileIntegrity> {
        self.until_is(fi, "all to be well", |fi: &FileIntegrity| {
            let status = fi.status.as_ref();
            condition_of(fi, "Degraded") == "False/AsExpected"
                && condition_of(fi, "Ready") == "True/Active"
                && condition_of(fi, "ConfigValid").starts_with("True/")
                && status.and_then(|status| status.observed_generation) == fi.metadata.generation
        })
        .await
    }

    /// Waits until the API server lets this ServiceAccount do this, or does not let it any more: it
    /// heeds another Role or binding some time after it was written. `attributes` are those of a
    /// SubjectAccessReview.
    pub(crate) async fn until_may(
        &self,
        namespace: &str,
        account: &str,
        attributes: &Value,
        expected: bool,
    ) -> anyhow::Result<()> {
        let mut review = json!({"metadata": {}, "spec": attributes});
        review["spec"]["user"] = json!(format!("system:serviceaccount:{namespace}:{account}"));
        let review: SubjectAccessReview = serde_json::from_value(review)?;
        let reviews = Api::all(self.client.clone());
        eventually(&format!("{attributes} to be {expected}"), async || {
            let answer = reviews.create(&PostParams::default(), &review).await?;
            let may = answer.status.is_some_and(|status| status.allowed);
            Ok((may == expected).then_some(()))
        })
        .await
    }

    /// Waits until the object is deleted.
    pub(crate) async fn until_deleted<K>(&self, name: &str, what: &str) -> anyhow::Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        self.until::<K>(name, what, |object| object.is_none())
            .await
            .map(|_| ())
    }

    /// Waits until a FileIntegrity is in this phase.
    pub(crate) async fn until_phase(&self, fi: &str, phase: &str) -> anyhow::Result<FileIntegrity> {
        let what = format!("{fi} to be {phase}");
        self.until_is(fi, &what, |fi: &FileIntegrity| phase_of(fi) == phase)
            .await
    }

    /// The messages of the events about a FileIntegrity with this reason, in the order of their
    /// creation.
    pub(crate) async fn event_messages(
        &self,
        fi: &str,
        reason: &str,
    ) -> anyhow::Result<Vec<String>> {
        let mut events = self.events(fi).await?;
        events.retain(|event| event.reason.as_deref() == Some(reason));
        Ok(events.into_iter().filter_map(|event| event.note).collect())
    }

    /// The events about a FileIntegrity, the oldest first.
    pub(crate) async fn events(&self, fi: &str) -> anyhow::Result<Vec<Event>> {
        let mut events = self
            .api::<Event>()
            .list(&ListParams::default())
            .await?
            .items;
        events.retain(|event| {
            let regarding = event.regarding.as_ref();
            regarding.and_then(|object| object.name.as_deref()) == Some(fi)
        });
        events.sort_by_key(|event| event.event_time.as_ref().map(|at| at.0));
        Ok(events)
    }

    /// Starts an operator with the permissions of its ServiceAccount, on a thread and a runtime of its
    /// own: when it is killed nothing of it goes on.
    pub(crate) async fn operator(&self, identity: &str) -> anyhow::Result<Operator> {
        self.operator_with(identity, ScrapeSettings::default())
            .await
    }

    /// Starts an operator that can be scraped.
    pub(crate) async fn operator_with(
        &self,
        identity: &str,
        scrapes: ScrapeSettings,
    ) -> anyhow::Result<Operator> {
        let kill = CancellationToken::new();
        let client = |metrics: &Metrics, config| Ok(metrics.requests().client(config)?);
        self.operator_by(identity, scrapes, kill, client).await
    }

    /// Starts an operator with the client that `client` returns. It is killed by `kill`.
    pub(crate) async fn operator_by(
        &self,
        identity: &str,
        scrapes: ScrapeSettings,
        kill: CancellationToken,
        client: impl FnOnce(&Metrics, Config) -> anyhow::Result<Client> + Send + 'static,
    ) -> anyhow::Result<Operator> {
        let work_dir = tempfile::tempdir()?;
        let settings = Settings {
            namespace: self.namespace.clone(),
            identity: identity.to_owned(),
            fallback_image: Some("localhost/fallback:1".to_owned()),
            aide: aide().await?,
            work_dir: work_dir.path().to_owned(),
            health: None,
            scrape: scrapes,
            runbook_url: None,
            metrics: Metrics::new(),
        };
        let config = self.operator_config(identity).await?;
        let stop = CancellationToken::new();
        let (stopping, killed) = (stop.clone(), kill.clone());
        let log = self.log_of(identity);
        let runs_on = Arc::new(OnceLock::new());
        let runtime_is = Arc::clone(&runs_on);
        let thread = std::thread::spawn(move || {
            let _work_dir = work_dir;
            let subscriber = tracing_subscriber::fmt()
                .with_env_filter("warn,fio=debug")
                .with_ansi(false)
                .with_writer(move || log.clone())
                .finish();
            let _logging = tracing::subscriber::set_default(subscriber);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime_is.set(runtime.handle().clone()).ok();
            runtime.block_on(async {
                let client = client(&settings.metrics, config)?;
                tokio::select! {
                    result = fio::testing::operator::run(settings, client, stopping) => result,
                    () = killed.cancelled() => Ok(()),
                }
            })
        });
        Ok(Operator {
            stop,
            kill,
            thread: Some(thread),
            runs_on,
        })
    }

    /// The name of a ServiceAccount as a user.
    pub(crate) fn account(&self, name: &str) -> String {
        format!("system:serviceaccount:{}:{name}", self.namespace)
    }

    /// A client with the permissions of this user.
    pub(crate) async fn client_as(&self, user: &str) -> anyhow::Result<Client> {
        let mut config = admin().await?;
        config.auth_info.impersonate = Some(user.to_owned());
        Ok(Client::try_from(config)?)
    }

    /// A user with these rules of a Role in this namespace, and a client with their permissions.
    pub(crate) async fn user(&self, name: &str, rules: Value) -> anyhow::Result<(String, Client)> {
        let user = format!("{name}.{}", self.namespace);
        let first = &rules[0];
        let review = json!({"metadata": {}, "spec": {"user": user, "resourceAttributes": {
            "namespace": self.namespace, "verb": first["verbs"][0], "group": first["apiGroups"][0],
            "resource": first["resources"][0], "name": first["resourceNames"][0],
        }}});
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": {"name": name, "namespace": self.namespace}, "rules": rules,
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": name, "namespace": self.namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
            },
        ]});
        kubectl(&["create", "-f", "-"], &objects.to_string()).await?;
        let review: SubjectAccessReview = serde_json::from_value(review)?;
        let reviews = Api::all(self.client.clone());
        eventually(&format!("the permissions of {user}"), async || {
            let answer = reviews.create(&PostParams::default(), &review).await?;
            Ok(answer.status.filter(|status| status.allowed))
        })
        .await?;
        let client = self.client_as(&user).await?;
        Ok((user, client))
    }

    /// The permissions of the operator's ServiceAccount. The group distinguishes the requests of one operator
    /// from those of another in the audit log.
    async fn operator_config(&self, identity: &str) -> anyhow::Result<Config> {
        let mut config = admin().await?;
        config.auth_info.impersonate = Some(format!(
            "system:serviceaccount:{}:{}",
            self.namespace,
            names::OPERATOR_NAME
        ));
        config.auth_info.impersonate_groups = Some(vec![self.group(identity)]);
        Ok(config)
    }

    /// The log of an operator.
    pub(crate) fn log_of(&self, identity: &str) -> Log {
        Log {
            identity: identity.to_owned(),
            lines: Arc::clone(&self.logs),
        }
    }

    /// The group that distinguishes an operator's requests from another's.
    pub(crate) fn group(&self, identity: &str) -> String {
        format!("test:{}:{identity}", self.namespace)
    }

    /// A kubeconfig in `dir` with the permissions of the operators' ServiceAccount; returns its path.
    pub(crate) fn operators_kubeconfig(
        &self,
        dir: &Path,
        identity: &str,
    ) -> anyhow::Result<PathBuf> {
        let namespace = &self.namespace;
        let user = format!("system:serviceaccount:{namespace}:file-integrity-operator");
        kubeconfig_as(dir, &user, &[&self.group(identity)])
    }

    /// What the audit log has of an operator, the oldest first.
    fn audited(&self, identity: &str) -> anyhow::Result<Vec<Audited>> {
        let group = self.group(identity);
        let mut file = audit_log()?;
        // At the end it has a hundred megabytes, too much to read every few milliseconds.
        file.seek(SeekFrom::Start(self.audited_from))?;
        let mut log = Vec::new();
        file.read_to_end(&mut log)?;
        let log = String::from_utf8_lossy(&log);
        // The last line may be half written.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let own = whole.lines().filter(|line| line.contains(&group));
        own.map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// The writes of an operator that are in the audit log, as `verb resource/name`, without those
    /// of its lease.
    pub(crate) fn writes(&self, identity: &str) -> anyhow::Result<Vec<String>> {
        let audited = self.audited(identity)?.into_iter();
        let writes = audited.filter(|entry| {
            !["get", "list", "watch"].contains(&entry.verb.as_str())
                && entry.object.resource != "leases"
        });
        let written = |entry: Audited| {
            let Object { resource, name } = entry.object;
            format!("{} {resource}/{name}", entry.verb)
        };
        Ok(writes.map(written).collect())
    }

    /// The requests that are in the audit log for this identity, as `verb resource`.
    pub(crate) fn requests(&self, identity: &str) -> anyhow::Result<Vec<String>> {
        let audited = self.audited(identity)?.into_iter();
        let complete = audited.filter(|entry| entry.stage == "ResponseComplete");
        Ok(complete
            .map(|entry| format!("{} {}", entry.verb, entry.object.resource))
            .collect())
    }

    /// How many watches of this ConfigMap by its name an operator has open.
    pub(crate) fn watches_of(&self, identity: &str, config_map: &str) -> anyhow::Result<i32> {
        let audited = self.audited(identity)?.into_iter();
        let watches = audited.filter(|entry| {
            entry.verb == "watch"
                && entry.object.resource == "configmaps"
                && entry.object.name == config_map
        });
        Ok(watches
            .map(|entry| match entry.stage.as_str() {
                "ResponseStarted" => 1,
                "ResponseComplete" => -1,
                _ => 0,
            })
            .sum())
    }

    /// The part of a node's daemon.
    pub(crate) fn daemon(&self, fi: &str, node: &str) -> Daemon {
        let identity = Identity {
            namespace: self.namespace.clone(),
            file_integrity: fi.to_owned(),
            node: node.to_owned(),
            log_prefix: names::daemon_set(fi),
        };
        Daemon {
            status: identity.node_status(),
            publisher: Publisher::new(&self.client, identity.clone(), format!("daemon-{node}")),
            identity: Box::new(identity),
            statuses: self.api(),
            baselines: 0,
        }
    }

    /// A FileIntegrity `fi` that is Active on nodes `n1` and `n2`, the names of these, and their
    /// daemons.
    pub(crate) async fn active(
        &self,
        fi: &str,
        spec: Value,
    ) -> anyhow::Result<([String; 2], [Daemon; 2])> {
        let nodes = [self.node("n1").await?, self.node("n2").await?];
        self.file_integrity(fi, spec).await?;
        self.until_phase(fi, "Initializing").await?;
        let mut daemons = [self.daemon(fi, &nodes[0]), self.daemon(fi, &nodes[1])];
        for daemon in &mut daemons {
            // On the heap: the futures of the tests have a limited size.
            Box::pin(daemon.handle_request()).await?;
            Box::pin(daemon.finds(&clean())).await?;
        }
        self.until_phase(fi, "Active").await?;
        Ok((nodes, daemons))
    }

    /// What the operators have logged so far.
    pub(crate) fn log(&self) -> String {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&logs).into_owned()
    }

    /// Everything that helps to find the reason of a failure.
    async fn dump(&self) -> String {
        let mut text = format!("--- what is in namespace {}\n", self.namespace);
        list::<FileIntegrity>(&mut text, &self.api()).await;
        list::<FileIntegrityNodeStatus>(&mut text, &self.api()).await;
        list::<ConfigMap>(&mut text, &self.api()).await;
        list::<DaemonSet>(&mut text, &self.api()).await;
        list::<Event>(&mut text, &self.api()).await;
        list::<Lease>(&mut text, &self.api()).await;
        text.push_str("--- the operators' logs\n");
        text.push_str(&self.log());
        text
    }
}

async fn list<K>(text: &mut String, api: &Api<K>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    match api.list(&ListParams::default()).await {
        Ok(objects) => {
            for mut object in objects.items {
                object.managed_fields_mut().clear();
                let json = serde_json::to_string(&object).unwrap_or_default();
                writeln!(text, "{}: {json}", K::kind(&())).ok();
            }
        }
        Err(error) => {
            writeln!(text, "{}: {error}", K::kind(&())).ok();
        }
    }
}

/// The phase in words; empty where there is none yet.
pub(crate) fn phase_of(fi: &FileIntegrity) -> String {
    let phase = fi.status.as_ref().and_then(|status| status.phase);
    phase.map(|phase| phase.to_string()).unwrap_or_default()
}

/// A condition of a FileIntegrity as `status/reason`.
pub(crate) fn condition_of(fi: &FileIntegrity, kind: &str) -> String {
    let conditions = fi.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|condition| condition.type_ == kind)
        .map(|condition| [condition.status.as_str(), &condition.reason].join("/"))
        .collect()
}

/// The message of a condition of a FileIntegrity.
pub(crate) fn message_of(fi: &FileIntegrity, kind: &str) -> String {
    let conditions = fi.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|condition| condition.type_ == kind)
        .map(|condition| condition.message.clone())
        .collect()
}

/// What went wrong in these, each with its causes.
pub(crate) fn errors_of(results: Vec<anyhow::Result<()>>) -> Vec<String> {
    let errors = results.into_iter().filter_map(Result::err);
    errors.map(|error| format!("{error:#}")).collect()
}

/// Fails with all that went wrong, if anything did.
pub(crate) fn none_is_wrong(wrong: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(
    what: &str,
    ask: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    answer(what, POLL_INTERVAL, PATIENCE, ask).await
}

/// Asks so often until there is an answer, and not longer than `patience`.
pub(crate) async fn answer<T>(
    what: &str,
    every: Duration,
    patience: Duration,
    ask: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let polling = async {
        loop {
            if let Some(answer) = ask().await? {
                return anyhow::Ok(answer);
            }
            tokio::time::sleep(every).await;
        }
    };
    tokio::time::timeout(patience, polling)
        .await
        .with_context(|| format!("waited in vain for {what}"))?
        .with_context(|| format!("while waiting for {what}"))
}

/// The administrator's access as this user and these groups, in a file in `dir`; returns its path.
pub(crate) fn kubeconfig_as(dir: &Path, user: &str, groups: &[&str]) -> anyhow::Result<PathBuf> {
    let path = dir.join("kubeconfig");
    let mut config = serde_json::to_value(Kubeconfig::read()?)?;
    let access = &mut config["users"][0]["user"];
    access["as"] = json!(user);
    access["as-groups"] = json!(groups);
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}

/// The administrator's cluster with this token, in a file in `dir`; returns its path.
pub(crate) fn kubeconfig_with(dir: &Path, token: &str) -> anyhow::Result<PathBuf> {
    let path = dir.join("kubeconfig");
    let mut config = serde_json::to_value(Kubeconfig::read()?)?;
    config["users"][0]["user"] = json!({"token": token});
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}

/// What the API server writes down.
pub(crate) fn audit_log() -> anyhow::Result<std::fs::File> {
    let path = std::env::var("FIO_APISERVER_AUDIT_LOG")
        .context("no FIO_APISERVER_AUDIT_LOG: run this by hack/with-apiserver")?;
    std::fs::File::open(&path).with_context(|| format!("read {path}"))
}

/// An entry of the audit log.
#[derive(serde::Deserialize)]
struct Audited {
    verb: String,
    stage: String,
    #[serde(default, rename = "objectRef")]
    object: Object,
}

/// What the request is about.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    name: String,
}

/// A running operator. It is killed when dropped.
pub(crate) struct Operator {
    stop: CancellationToken,
    kill: CancellationToken,
    thread: Option<std::thread::JoinHandle<anyhow::Result<()>>>,
    runs_on: Arc<OnceLock<tokio::runtime::Handle>>,
}

impl Operator {
    /// Stops it as a SIGTERM would.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.join().await
    }

    /// Ends it as a SIGKILL would.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.kill.cancel();
        self.join().await
    }

    /// How many tasks it has.
    pub(crate) fn tasks(&self) -> anyhow::Result<usize> {
        let runtime = self.runs_on.get().context("it has not begun")?;
        Ok(runtime.metrics().num_alive_tasks())
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread
            .as_ref()
            .is_none_or(std::thread::JoinHandle::is_finished)
    }

    async fn join(&mut self) -> anyhow::Result<()> {
        let thread = self.thread.take().context("the operator ends once")?;
        let ended = tokio::task::spawn_blocking(move || thread.join());
        match tokio::time::timeout(PATIENCE, ended).await?? {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

/// Keeps an operator's log lines for the case that the test fails.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    identity: String,
    lines: Arc<Mutex<Vec<u8>>>,
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(self.identity.as_bytes());
        lines.push(b' ');
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Plays a daemon's part, with the daemon's own publisher.
pub(crate) struct Daemon {
    pub(crate) status: String,
    identity: Box<Identity>,
    publisher: Publisher,
    statuses: Api<FileIntegrityNodeStatus>,
    baselines: u32,
}

impl Daemon {
    /// Waits until something is asked of the daemon that is not done yet, and does it: makes a
    /// baseline, of the wanted configuration, for the newest request.
    pub(crate) async fn handle_request(&mut self) -> anyhow::Result<()> {
        let what = format!("something to do for {}", self.status);
        let statuses = &self.statuses;
        let name = &self.status;
        let status = eventually(&what, async || {
            let status = statuses.get_opt(name).await?;
            Ok(status.filter(asks_for_a_baseline))
        })
        .await?;
        self.reinitialize(&status).await
    }

    /// Creates the baseline that this status requests.
    pub(crate) async fn reinitialize(
        &mut self,
        status: &FileIntegrityNodeStatus,
    ) -> anyhow::Result<()> {
        self.baselines += 1;
        let name = &self.status;
        let now = time::now();
        let request = status.annotation(names::Annotation::REINIT_REQUEST);
        let update = NodeUpdate {
            baseline: Some(Baseline {
                created_at: now.clone(),
                config_hash: status
                    .annotation(names::Annotation::DESIRED_CONFIG)
                    .unwrap_or_default()
                    .to_owned(),
                digest: names::sha256_hex(format!("{name} {}", self.baselines)),
                entries: 100,
                aide_version: "0.19.1".to_owned(),
                state_dir: None,
                requested: true,
                accepted: None,
            }),
            reinit: request.map(|id| CompletedRequest {
                id: id.to_owned(),
                started_at: now.clone(),
                finished_at: now,
            }),
            ..NodeUpdate::default()
        };
        self.publisher.publish(status, &update, None).await?;
        Ok(())
    }

    /// Reports the outcome of a scan.
    pub(crate) async fn finds(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        let status = self.statuses.get(&self.status).await?;
        let update = NodeUpdate {
            finding: Some(Finding::new(outcome, time::now(), Duration::from_secs(1))),
            ..NodeUpdate::default()
        };
        self.publisher.publish(&status, &update, None).await?;
        Ok(())
    }

    /// Reports the changes in this JSON report of AIDE, with the failure log.
    pub(crate) async fn reports(&mut self, json: &str) -> anyhow::Result<()> {
        let mut report = parse_json(json.as_bytes())?;
        report.strip_host_root("/hostroot");
        let plain = format!("AIDE found differences between database and filesystem!!\n{json}");
        let reports = Reports {
            plain: plain.as_bytes(),
            json: json.as_bytes(),
            path_on_node: "/etc/kubernetes/aide.log".to_owned(),
        };
        let content = fit(&self.identity, &report, reports)?;
        let log = config_map(&self.identity, &report, &content);
        let outcome = Outcome::Changed(Box::new(report));
        let status = self.statuses.get(&self.status).await?;
        let update = NodeUpdate {
            finding: Some(Finding::new(&outcome, time::now(), Duration::from_secs(1))),
            ..NodeUpdate::default()
        };
        self.publisher.publish(&status, &update, Some(&log)).await?;
        Ok(())
    }
}

/// Whether this node's daemon has an open request.
pub(crate) fn asks_for_a_baseline(status: &FileIntegrityNodeStatus) -> bool {
    let wanted = status.annotation(names::Annotation::DESIRED_CONFIG);
    let request = status.annotation(names::Annotation::REINIT_REQUEST);
    let baseline = status.baseline.as_ref().map(|b| b.config_hash.as_str());
    let done = status.reinit.as_ref().map(|r| r.id.as_str());
    wanted.is_some() && (baseline != wanted || (request.is_some() && request != done))
}

/// A scan that found nothing.
pub(crate) fn clean() -> Outcome {
    Outcome::Clean { files: 100 }
}

/// A scan that found one added file.
pub(crate) fn changed() -> Outcome {
    Outcome::Changed(Box::new(report()))
}

/// A scan that found one added file with this content.
pub(crate) fn changed_to(content: u8) -> Outcome {
    let mut report = report();
    report.changes[0].new_values = Some([content; 32]);
    Outcome::Changed(Box::new(report))
}

/// What such a scan reports.
pub(crate) fn report() -> Report {
    Report {
        aide_version: "0.19.1".to_owned(),
        total: 101,
        added: 1,
        changes: vec![Change {
            path: b"/etc/new".to_vec(),
            kind: ChangeKind::Added,
            attributes: [].into(),
            new_values: Some([1; 32]),
            details: Vec::new(),
            actor: None,
        }],
        ..Report::default()
    }
}

/// Labels as the API has them, or none.
pub(crate) fn labels<K: Resource>(object: &K) -> BTreeMap<String, String> {
    object.meta().labels.clone().unwrap_or_default()
}
