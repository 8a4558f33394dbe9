//! The Helm chart on a cluster without fio: installation, upgrade and uninstallation with the real Helm. `make
//! helm-test` runs it; `make e2e` does not, because it deploys fio in another way. `e2e/chart.rs` tests what the
//! chart renders.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fio::testing::api::{Baseline, Condition, FileIntegrity, FileIntegrityNodeStatus, Phase};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::cluster::{self, hack_cluster};
use crate::harness::wait::until_within;
use crate::harness::{Node, dump};

const RELEASE: &str = "file-integrity";
const NAMESPACE: &str = "openshift-file-integrity";
/// A second installation.
const OTHER_NAMESPACE: &str = "integrity";
const FI: &str = "example-fileintegrity";
const CHART: &str = "charts/file-integrity";
/// The command in the message about other CustomResourceDefinitions.
const APPLY_DEFINITIONS: &str =
    "helm show crds CHART | kubectl apply --server-side --force-conflicts -f -";
/// Maximum time until all nodes have a new baseline and a result. They are scanned with the built-in profile.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::test]
async fn the_chart_is_installed_upgraded_and_uninstalled() -> Result<()> {
    let test = Test::new().await?;
    let tested = test.run().await;
    if let Err(error) = &tested {
        dump::print(&test.client, NAMESPACE, "helm", &format!("{error:#}")).await;
    }
    tested
}

struct Test {
    client: Client,
    nodes: Vec<Node>,
    /// The chart of an earlier commit.
    earlier: TempDir,
}

impl Test {
    async fn new() -> Result<Self> {
        let definitions = matching(FIO_DEFINITIONS).await?;
        ensure!(
            definitions.is_empty(),
            "fio is already installed on this cluster ({definitions:?}): run make undeploy first"
        );
        let names = hack_cluster(&["nodes"]).await?;
        let nodes: Vec<Node> = names
            .lines()
            .map(|name| Node {
                name: name.to_owned(),
            })
            .collect();
        for node in &nodes {
            node.clean().await?;
        }
        Ok(Self {
            client: cluster::client().await?,
            nodes,
            earlier: earlier_chart().await?,
        })
    }

    async fn run(&self) -> Result<()> {
        self.installs().await?;
        let (object, baselines) = (self.file_integrity().await?.uid(), self.baselines().await?);
        self.upgrades().await?;
        self.refuses_to_delete().await?;
        ensure!(
            self.file_integrity().await?.uid() == object,
            "the FileIntegrity was created again"
        );
        ensure!(
            self.baselines().await? == baselines,
            "the baselines have changed"
        );
        self.rolls_back().await?;
        ensure!(
            self.baselines().await? == baselines,
            "the baselines have changed"
        );
        self.installs_beside().await?;
        self.reports_a_change().await?;
        self.uninstalls().await?;
        self.installs_again(&baselines).await?;
        self.uninstalls().await?;
        self.clean().await?;
        self.takes_over().await
    }

    async fn installs(&self) -> Result<()> {
        let earlier = self.earlier.path().display().to_string();
        install(RELEASE, &earlier, NAMESPACE, &["fileIntegrity.create=true"]).await?;
        self.all_nodes_have(Condition::Succeeded).await?;
        let level = "jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}";
        let level = kubectl(&["get", "namespace", NAMESPACE, "-o", level]).await?;
        assert_eq!(level, "privileged");
        Ok(())
    }

    /// From the earlier chart to this one, with other CustomResourceDefinitions in the cluster.
    async fn upgrades(&self) -> Result<()> {
        let definition = "fileintegrities.fileintegrity.openshift.io";
        let column = r#"[{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns/3"}]"#;
        kubectl(&["patch", "crd", definition, "--type=json", "-p", column]).await?;
        let values = ["replicas=2", "fileIntegrity.spec.config.maxBackups=3"];
        let upgrade = || async {
            let mut arguments = vec!["upgrade", RELEASE, CHART, "--namespace", NAMESPACE];
            arguments.push("--reset-then-reuse-values");
            arguments.extend(set(&values));
            helm(&arguments).await
        };
        let refused = upgrade()
            .await
            .err()
            .context("it is upgraded with other definitions")?;
        let message = format!("{refused:#}");
        ensure!(message.contains(definition), "{message}");
        let (_, remedy) = message
            .split_once("repeat the command: ")
            .with_context(|| format!("no command in: {message}"))?;
        ensure!(remedy.starts_with(APPLY_DEFINITIONS), "{message}");
        shell(APPLY_DEFINITIONS).await?;
        upgrade().await?;
        is_rolled_out(NAMESPACE).await?;
        let spec = self.file_integrity().await?.spec;
        assert_eq!(spec.config.max_backups, 3, "the changed value");
        self.all_nodes_have(Condition::Succeeded).await?;
        let replaced = [
            "get",
            "events",
            "--field-selector",
            "reason=BaselineReplaced",
            "-o",
            "name",
        ];
        let replaced = kubectl(&[&["-n", NAMESPACE], &replaced[..]].concat()).await?;
        assert_eq!(replaced, "", "events");
        Ok(())
    }

    /// Without the values of the release, an upgrade would delete its FileIntegrity.
    async fn refuses_to_delete(&self) -> Result<()> {
        let values = image_values()?;
        let mut arguments = vec!["upgrade", RELEASE, CHART, "--namespace", NAMESPACE];
        arguments.extend(set(&values));
        let refused = helm(&arguments).await.err();
        let message = format!("{:#}", refused.context("it is upgraded")?);
        ensure!(
            message.contains("would delete the FileIntegrity example-fileintegrity"),
            "{message}"
        );
        Ok(())
    }

    async fn rolls_back(&self) -> Result<()> {
        let object = self.file_integrity().await?.uid();
        helm(&["rollback", RELEASE, "1", "--namespace", NAMESPACE]).await?;
        until_within(PATIENCE, "the spec of the first revision", async || {
            let now = self.file_integrity().await?;
            ensure!(now.uid() == object, "another FileIntegrity");
            ensure!(now.spec.config.max_backups == 5, "{:?}", now.spec);
            Ok(())
        })
        .await?;
        self.all_nodes_have(Condition::Succeeded).await
    }

    /// A second installation, in a namespace of somebody else's.
    async fn installs_beside(&self) -> Result<()> {
        let enforce = "pod-security.kubernetes.io/enforce";
        kubectl(&["create", "namespace", OTHER_NAMESPACE]).await?;
        let restricted = format!("{enforce}=restricted");
        kubectl(&["label", "namespace", OTHER_NAMESPACE, &restricted]).await?;
        let refused = |message: &'static str, values: &'static [&'static str]| async move {
            let error = install("second", CHART, OTHER_NAMESPACE, values)
                .await
                .err();
            let error = format!("{:#}", error.context("it is installed")?);
            ensure!(error.contains(message), "{message:?} is expected: {error}");
            anyhow::Ok(error)
        };
        let error = refused("which does not admit the daemons", &[]).await?;
        let (_, remedy) = error.split_once("Run ").context("no command")?;
        let (remedy, _) = remedy.split_once(", or use").context("no end")?;
        shell(remedy).await?;
        refused(
            "the release file-integrity in the namespace openshift-file-integrity has the ClusterRoles",
            &[],
        )
        .await?;
        let values = ["sharedClusterRoles.create=false"];
        install("second", CHART, OTHER_NAMESPACE, &values).await?;
        is_rolled_out(OTHER_NAMESPACE).await?;
        uninstall("second", OTHER_NAMESPACE).await?;
        let left = matching(OBJECTS_OF_FIO).await?;
        let suffix = format!(".{OTHER_NAMESPACE}");
        let of_second = left.iter().filter(|name| name.ends_with(&suffix));
        assert_eq!(of_second.count(), 0, "{left:?}");
        let of_first = "clusterrole.rbac.authorization.k8s.io/fileintegrity-editor-role";
        ensure!(left.contains(of_first), "{left:?}");
        kubectl(&["delete", "namespace", OTHER_NAMESPACE]).await?;
        Ok(())
    }

    /// A failure, for a failure log.
    async fn reports_a_change(&self) -> Result<()> {
        let node = self.nodes.first().context("no node")?;
        node.files("printf x > new").await?;
        self.node_has(node, Condition::Failed).await
    }

    /// Exactly what docs/install.md lists is left.
    async fn uninstalls(&self) -> Result<()> {
        uninstall(RELEASE, NAMESPACE).await?;
        let node = &self.nodes.first().context("no node")?.name;
        let expected: BTreeSet<String> = [
            format!("configmap/aide-{FI}-{node}-failed"),
            "lease.coordination.k8s.io/962a0cf2.openshift.io".to_owned(),
            "secret/file-integrity-operator-tls".to_owned(),
            // Kubernetes creates these in each namespace.
            "configmap/kube-root-ca.crt".to_owned(),
            "serviceaccount/default".to_owned(),
        ]
        .into();
        until_within(PATIENCE, "the objects that are left", async || {
            let left = left_in_namespace().await?;
            ensure!(left == expected, "{left:#?}");
            Ok(())
        })
        .await?;
        let definitions = FIO_DEFINITIONS
            .1
            .map(|name| format!("customresourcedefinition.apiextensions.k8s.io/{name}"));
        assert_eq!(matching(OBJECTS_OF_FIO).await?, definitions.into());
        Ok(())
    }

    /// The nodes still have their baselines.
    async fn installs_again(&self, baselines: &BTreeMap<String, Baseline>) -> Result<()> {
        install(RELEASE, CHART, NAMESPACE, &["fileIntegrity.create=true"]).await?;
        let node = self.nodes.first().context("no node")?;
        self.node_has(node, Condition::Failed).await?;
        let digests = |all: &BTreeMap<String, Baseline>| {
            let digests = all
                .iter()
                .map(|(node, baseline)| (node.clone(), baseline.digest.clone()));
            digests.collect::<BTreeMap<_, _>>()
        };
        until_within(PATIENCE, "the same baselines", async || {
            ensure!(digests(&self.baselines().await?) == digests(baselines));
            Ok(())
        })
        .await
    }

    /// An installation with `hack/deploy` becomes a release.
    async fn takes_over(&self) -> Result<()> {
        cluster::hack("deploy", &["apply"]).await?;
        kubectl(&["apply", "-f", "manifests/samples/fileintegrity.yaml"]).await?;
        self.all_nodes_have(Condition::Succeeded).await?;
        let baselines = self.baselines().await?;
        let refused = install(RELEASE, CHART, NAMESPACE, &[]).await.err();
        let refused = format!("{:#}", refused.context("it is installed")?);
        ensure!(
            refused.contains("cannot be imported into the current release"),
            "{refused}"
        );
        let values = image_values()?;
        let mut arguments = vec!["install", RELEASE, CHART, "--namespace", NAMESPACE];
        arguments.extend(["--take-ownership", "--force-conflicts"]);
        arguments.extend(set(&values));
        helm(&arguments).await?;
        self.all_nodes_have(Condition::Succeeded).await?;
        ensure!(
            self.baselines().await? == baselines,
            "the baselines have changed"
        );
        kubectl(&["-n", NAMESPACE, "delete", "fileintegrities", "--all"]).await?;
        uninstall(RELEASE, NAMESPACE).await?;
        self.clean().await
    }

    async fn clean(&self) -> Result<()> {
        for node in &self.nodes {
            node.clean().await?;
        }
        kubectl(&["delete", "namespace", NAMESPACE]).await?;
        kubectl(&[&["delete", "crd"], &FIO_DEFINITIONS.1[..]].concat()).await?;
        Ok(())
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    async fn file_integrity(&self) -> Result<FileIntegrity> {
        Ok(self.api().get(FI).await?)
    }

    async fn statuses(&self) -> Result<Vec<FileIntegrityNodeStatus>> {
        let statuses = self.api().list(&ListParams::default()).await?;
        Ok(statuses.items)
    }

    async fn baselines(&self) -> Result<BTreeMap<String, Baseline>> {
        let statuses = self.statuses().await?.into_iter();
        Ok(statuses
            .filter_map(|status| Some((status.node_name, status.baseline?)))
            .collect())
    }

    async fn all_nodes_have(&self, condition: Condition) -> Result<()> {
        for node in &self.nodes {
            self.node_has(node, condition).await?;
        }
        until_within(PATIENCE, "phase Active", async || {
            let status = self.file_integrity().await?.status.unwrap_or_default();
            ensure!(status.phase == Some(Phase::Active), "{status:?}");
            Ok(())
        })
        .await
    }

    async fn node_has(&self, node: &Node, condition: Condition) -> Result<()> {
        until_within(PATIENCE, format!("{condition:?} on {node}"), async || {
            let statuses = self.statuses().await?;
            let status = statuses.iter().find(|status| status.node_name == node.name);
            let result = status.and_then(|status| status.last_result.as_ref());
            ensure!(
                result.is_some_and(|result| result.condition == condition),
                "{result:?}"
            );
            Ok(())
        })
        .await
    }
}

/// Kinds, and names or parts of names.
type Pattern<const N: usize> = (&'static str, [&'static str; N]);

const FIO_DEFINITIONS: Pattern<3> = (
    "crd",
    [
        "fileintegrities.fileintegrity.openshift.io",
        "fileintegritynodestatuses.fileintegrity.openshift.io",
        "fileintegrityacceptances.fileintegrity.openshift.io",
    ],
);
/// Everything of fio outside of namespaces, except these.
const OBJECTS_OF_FIO: Pattern<2> = (
    "crd,clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding",
    ["file-integrity", "fileintegrit"],
);

/// The objects of these kinds whose names contain one of these.
async fn matching<const N: usize>((kinds, names): Pattern<N>) -> Result<BTreeSet<String>> {
    let all = kubectl(&["get", kinds, "-o", "name"]).await?;
    let is_matching = |line: &&str| names.iter().any(|name| line.contains(name));
    Ok(all.lines().filter(is_matching).map(str::to_owned).collect())
}

/// All objects in the namespace except events.
async fn left_in_namespace() -> Result<BTreeSet<String>> {
    let kinds = kubectl(&[
        "api-resources",
        "--verbs=list",
        "--namespaced",
        "-o",
        "name",
    ])
    .await?;
    let kinds: Vec<&str> = kinds
        .lines()
        .filter(|kind| !kind.starts_with("events"))
        .collect();
    let kinds = kinds.join(",");
    let objects = kubectl(&["-n", NAMESPACE, "get", &kinds, "-o", "name"]).await?;
    Ok(objects.lines().map(str::to_owned).collect())
}

/// The chart before the last change of it, or the current one if there is none.
async fn earlier_chart() -> Result<TempDir> {
    let dir = tempfile::tempdir()?;
    let git = |arguments: Vec<String>| async move {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(cluster::checkout())
            .output()
            .await?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        anyhow::Ok(Some(text).filter(|text| output.status.success() && !text.is_empty()))
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let last = git(words(&format!("log -n 1 --format=%H -- {CHART}"))).await?;
    let before = format!("{}^:{CHART}", last.unwrap_or_default());
    let tree = git(words(&format!("rev-parse --verify --quiet {before}"))).await?;
    let source: PathBuf = cluster::checkout().join(CHART);
    let copy = match tree {
        Some(tree) => format!("git archive {tree} | tar -x -C {}", dir.path().display()),
        None => format!("cp -R {}/. {}", source.display(), dir.path().display()),
    };
    shell(&copy).await?;
    Ok(dir)
}

async fn helm(arguments: &[&str]) -> Result<String> {
    run(Command::new(cluster::checkout().join("hack/helm")).args(arguments)).await
}

async fn kubectl(arguments: &[&str]) -> Result<String> {
    hack_cluster(&[&["kubectl"], arguments].concat()).await
}

fn image_values() -> Result<[String; 2]> {
    let image = std::env::var("IMG").unwrap_or_else(|_| "localhost/fio:dev".to_owned());
    let (repository, tag) = image.rsplit_once(':').context("IMG has no tag")?;
    Ok([
        format!("image.repository={repository}"),
        format!("image.tag={tag}"),
    ])
}

/// The options that set these values.
fn set(values: &[impl AsRef<str>]) -> impl Iterator<Item = &str> {
    values.iter().flat_map(|value| ["--set", value.as_ref()])
}

/// Waits until the operator of a namespace runs as its Deployment requests.
async fn is_rolled_out(namespace: &str) -> Result<()> {
    let operator = "deployment/file-integrity-operator";
    let wait = ["rollout", "status", operator, "--timeout=180s"];
    kubectl(&[&["-n", namespace], &wait[..]].concat()).await?;
    Ok(())
}

/// Installs a chart with the image under test.
async fn install(release: &str, chart: &str, namespace: &str, values: &[&str]) -> Result<()> {
    let image = image_values()?;
    let mut arguments = vec!["install", release, chart, "--namespace", namespace];
    arguments.push("--create-namespace");
    arguments.extend(set(&image));
    // The shortest pause.
    arguments.extend(set(&["fileIntegrity.spec.config.gracePeriod=10"]));
    arguments.extend(set(values));
    helm(&arguments).await?;
    Ok(())
}

async fn uninstall(release: &str, namespace: &str) -> Result<()> {
    helm(&["uninstall", release, "--namespace", namespace, "--wait"]).await?;
    Ok(())
}

/// A command of a message, with this checkout's programs.
async fn shell(command: &str) -> Result<String> {
    let command = command
        .replace("helm show", "hack/helm show")
        .replace("kubectl ", "hack/cluster kubectl ")
        .replace("CHART", CHART);
    let arguments = ["-o", "pipefail", "-c", &command];
    run(Command::new("bash").args(arguments)).await
}

async fn run(command: &mut Command) -> Result<String> {
    let output = command
        .current_dir(cluster::checkout())
        .env("KUBECONFIG", cluster::kubeconfig())
        .kill_on_drop(true)
        .output()
        .await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{:?}: {errors}", command.as_std());
    Ok(String::from_utf8(output.stdout)?)
}
