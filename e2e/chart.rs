//! The Helm chart, rendered by the real Helm without a cluster: compared with the manifests that `hack/deploy`
//! renders with kustomize, and with what each value promises. `make chart-test` runs it; `e2e/helm.rs` installs
//! the chart on a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

const CHART: &str = "charts/file-integrity";
const NAMESPACE: &str = "openshift-file-integrity";
/// Any image, as values and as `hack/deploy` gets it.
const IMAGE: &[&str] = &["image.repository=registry.example/fio", "image.tag=1.2.3"];
const IMG: &str = "registry.example/fio:1.2.3";
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Objects by kind and name.
type Objects = BTreeMap<String, Value>;

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(checkout().join(path)).with_context(|| format!("read {path}"))
}

fn yaml(path: &str) -> Result<Value> {
    serde_saphyr::from_str(&read(path)?).with_context(|| format!("read {path}"))
}

fn helm(arguments: &[&str]) -> Result<Output> {
    Command::new(checkout().join("hack/helm"))
        .args(arguments)
        .current_dir(checkout())
        .output()
        .context("run hack/helm")
}

/// What a command prints that must succeed.
fn printed(output: Output) -> Result<String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    Ok(String::from_utf8(output.stdout)?)
}

fn objects(text: &str) -> Result<Objects> {
    let mut objects = Objects::new();
    let all: Vec<Value> = serde_saphyr::from_multiple(text).context("read the objects")?;
    for object in all {
        let name = object["metadata"]["name"].as_str().context("a name")?;
        let id = format!("{} {name}", object["kind"].as_str().context("a kind")?);
        ensure!(
            objects.insert(id.clone(), object).is_none(),
            "{id} exists twice"
        );
    }
    Ok(objects)
}

/// The arguments of `helm template` with these values.
fn template<'a>(namespace: &'a str, values: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["template", "fio", CHART, "--namespace", namespace];
    for value in values {
        arguments.extend(["--set", value]);
    }
    arguments
}

/// The objects of the chart with an image and these values.
fn rendered(namespace: &str, values: &[&str]) -> Result<Objects> {
    let values = [IMAGE, values].concat();
    let output = helm(&template(namespace, &values))?;
    objects(&printed(output).with_context(|| format!("{values:?}"))?)
}

/// The objects that hack/deploy applies.
fn deployed(namespace: &str, overlay: &str, replicas: &str) -> Result<Objects> {
    let output = Command::new(checkout().join("hack/deploy"))
        .arg("render")
        .env("IMG", IMG)
        .env("NAMESPACE", namespace)
        .env("OVERLAY", overlay)
        .env("REPLICAS", replicas)
        .output()
        .context("run hack/deploy")?;
    objects(&printed(output)?)
}

/// Fails with all differences.
fn assert_equal(chart: &Objects, manifests: &Objects, what: &str) -> Result<()> {
    let ids: BTreeSet<&String> = chart.keys().chain(manifests.keys()).collect();
    let mut wrong = Vec::new();
    for id in ids {
        match (chart.get(id), manifests.get(id)) {
            (Some(of_chart), Some(of_manifests)) if of_chart == of_manifests => {}
            (of_chart, of_manifests) => wrong.push(format!(
                "{id}:\nchart: {:#}\nmanifests: {:#}",
                json!(of_chart),
                json!(of_manifests)
            )),
        }
    }
    ensure!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_chart_has_exactly_the_objects_of_the_manifests() -> Result<()> {
    let cases = [
        (NAMESPACE, "kubernetes", "1"),
        (NAMESPACE, "openshift", "2"),
        ("integrity", "kubernetes", "2"),
        ("integrity", "openshift", "1"),
    ];
    for (namespace, overlay, replicas) in cases {
        let what = format!("namespace {namespace}, overlay {overlay}, {replicas} replicas");
        let mut manifests = deployed(namespace, overlay, replicas)?;
        ensure!(manifests.len() > 20, "{what}: {} objects", manifests.len());
        let created = manifests.get_mut(&format!("Namespace {namespace}"));
        created.context("no namespace")?["metadata"]["annotations"] =
            json!({"helm.sh/resource-policy": "keep"});
        let values = [
            format!("replicas={replicas}"),
            format!("openshift.enabled={}", overlay == "openshift"),
        ];
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let values = [IMAGE, &values].concat();
        let mut arguments = template(namespace, &values);
        arguments.push("--include-crds");
        let chart = objects(&printed(helm(&arguments)?)?)?;
        assert_equal(&chart, &manifests, &what)?;
    }
    Ok(())
}

#[test]
fn openshift_is_detected() -> Result<()> {
    let mut arguments = template(NAMESPACE, IMAGE);
    arguments.extend(["--api-versions", "config.openshift.io/v1"]);
    let detected = objects(&printed(helm(&arguments)?)?)?;
    let set = rendered(NAMESPACE, &["openshift.enabled=true"])?;
    assert_equal(&detected, &set, "openshift.enabled=true")?;
    ensure!(detected != rendered(NAMESPACE, &[])?);
    Ok(())
}

#[test]
fn the_first_file_integrity_is_the_sample() -> Result<()> {
    let without = rendered(NAMESPACE, &[])?;
    let mut with = rendered(NAMESPACE, &["fileIntegrity.create=true"])?;
    let created = with.remove("FileIntegrity example-fileintegrity");
    assert_eq!(created, Some(yaml("manifests/samples/fileintegrity.yaml")?));
    assert_equal(&without, &with, "everything else")
}

const DEPLOYMENT: &str = "Deployment file-integrity-operator";
const FILE_INTEGRITY: &str = "FileIntegrity example-fileintegrity";
const DASHBOARD: &str = "ConfigMap file-integrity-dashboard";
/// Where the pod and the container are in the Deployment.
const POD: &str = "/spec/template/spec";
const CONTAINER: &str = "/spec/template/spec/containers/0";

/// What values change.
struct Effect {
    values: &'static [&'static str],
    object: &'static str,
    /// A pointer and the value there; none if the object does not exist.
    expected: Option<(String, Value)>,
}

impl Effect {
    fn sets(
        values: &'static [&'static str],
        object: &'static str,
        pointer: impl Into<String>,
        value: Value,
    ) -> Self {
        let expected = Some((pointer.into(), value));
        Self {
            values,
            object,
            expected,
        }
    }

    fn removes(values: &'static [&'static str], object: &'static str) -> Self {
        Self {
            values,
            object,
            expected: None,
        }
    }
}

fn effects_on_the_deployment() -> Vec<Effect> {
    let sets = |values, pointer: String, value| Effect::sets(values, DEPLOYMENT, pointer, value);
    let image = |values, name: String| sets(values, format!("{CONTAINER}/image"), json!(name));
    vec![
        image(
            &["image.repository=mirror.example:5000/a/fio"],
            "mirror.example:5000/a/fio:1.2.3".to_owned(),
        ),
        image(
            &["image.tag="],
            format!("registry.example/fio:{}", env!("CARGO_PKG_VERSION")),
        ),
        image(
            &[
                "image.tag=",
                "image.digest=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            ],
            format!("registry.example/fio@{DIGEST}"),
        ),
        sets(
            &["image.pullPolicy=Always"],
            format!("{CONTAINER}/imagePullPolicy"),
            json!("Always"),
        ),
        sets(
            &["imagePullSecrets[0].name=secret"],
            format!("{POD}/imagePullSecrets"),
            json!([{"name": "secret"}]),
        ),
        sets(&["replicas=2"], "/spec/replicas".to_owned(), json!(2)),
        sets(
            &["resources.requests.cpu=1", "resources.limits.memory=1Gi"],
            format!("{CONTAINER}/resources"),
            json!({
                "requests": {"cpu": 1, "memory": "10Mi"},
                "limits": {"cpu": "100m", "memory": "1Gi"},
            }),
        ),
        sets(
            &["nodeSelector.pool=infra"],
            format!("{POD}/nodeSelector"),
            json!({"pool": "infra"}),
        ),
        sets(
            &["tolerations[0].key=infra", "tolerations[0].operator=Exists"],
            format!("{POD}/tolerations/2"),
            json!({"key": "infra", "operator": "Exists"}),
        ),
        sets(
            &["priorityClassName=system-cluster-critical"],
            format!("{POD}/priorityClassName"),
            json!("system-cluster-critical"),
        ),
        sets(
            &["monitoring.runbookUrl=https://wiki.example/fio"],
            format!("{CONTAINER}/env/3"),
            json!({"name": "FIO_RUNBOOK_URL", "value": "https://wiki.example/fio"}),
        ),
    ]
}

fn effects_on_other_objects() -> Vec<Effect> {
    vec![
        Effect::sets(
            &["replicas=2"],
            "PodDisruptionBudget file-integrity-operator",
            "/spec/maxUnavailable",
            json!(1),
        ),
        Effect::removes(
            &["replicas=1"],
            "PodDisruptionBudget file-integrity-operator",
        ),
        Effect::removes(
            &["namespace.create=false"],
            "Namespace openshift-file-integrity",
        ),
        Effect::removes(&["fileIntegrity.create=false"], FILE_INTEGRITY),
        Effect::sets(
            &["fileIntegrity.create=true", "fileIntegrity.name=nodes"],
            "FileIntegrity nodes",
            "/spec",
            json!({"config": {}}),
        ),
        Effect::sets(
            &[
                "fileIntegrity.create=true",
                "fileIntegrity.spec.config.profile=generic",
                "fileIntegrity.spec.config.gracePeriod=1000000",
            ],
            FILE_INTEGRITY,
            "/spec",
            json!({"config": {"profile": "generic", "gracePeriod": 1_000_000}}),
        ),
        Effect::sets(
            &[
                "monitoring.prometheus.serviceAccount=prometheus",
                "monitoring.prometheus.namespace=monitoring",
            ],
            "RoleBinding file-integrity-operator-metrics",
            "/subjects/1",
            json!({"kind": "ServiceAccount", "name": "prometheus", "namespace": "monitoring"}),
        ),
        Effect::removes(&["monitoring.dashboard.create=false"], DASHBOARD),
        Effect::sets(
            &[
                "monitoring.dashboard.create=true",
                "monitoring.dashboard.labels.team=a",
            ],
            DASHBOARD,
            "/metadata/labels",
            json!({"grafana_dashboard": "1", "team": "a"}),
        ),
        Effect::removes(
            &["admissionPolicy.create=false"],
            "ValidatingAdmissionPolicy file-integrity-daemon.openshift-file-integrity",
        ),
        Effect::removes(
            &["admissionPolicy.create=false"],
            "ValidatingAdmissionPolicyBinding file-integrity-daemon.openshift-file-integrity",
        ),
        Effect::removes(
            &["admissionPolicy.create=false"],
            "ValidatingAdmissionPolicy file-integrity-acceptance.openshift-file-integrity",
        ),
        Effect::removes(
            &["admissionPolicy.create=false"],
            "ValidatingAdmissionPolicyBinding file-integrity-acceptance.openshift-file-integrity",
        ),
        Effect::removes(
            &["sharedClusterRoles.create=false"],
            "ClusterRole file-integrity-operator-metrics",
        ),
        Effect::removes(
            &["sharedClusterRoles.create=false"],
            "ClusterRole fileintegrity-editor-role",
        ),
        Effect::removes(
            &["sharedClusterRoles.create=false"],
            "ClusterRole fileintegrity-viewer-role",
        ),
        Effect::removes(
            &["sharedClusterRoles.create=false"],
            "ClusterRole fileintegrity-accepter-role",
        ),
        Effect::removes(
            &["sharedClusterRoles.create=false"],
            "ClusterRole fileintegrity-log-reader-role",
        ),
        Effect::sets(
            &["openshift.enabled=true"],
            "Namespace openshift-file-integrity",
            "/metadata/labels/openshift.io~1cluster-monitoring",
            json!("true"),
        ),
    ]
}

fn effects() -> Vec<Effect> {
    let mut effects = effects_on_the_deployment();
    effects.extend(effects_on_other_objects());
    effects
}

#[test]
fn each_value_has_its_effect() -> Result<()> {
    let mut wrong = Vec::new();
    for Effect {
        values,
        object,
        expected,
    } in &effects()
    {
        let objects = rendered(NAMESPACE, values)?;
        let object_there = objects.get(*object);
        let is = match expected {
            None => object_there.is_none(),
            Some((pointer, value)) => {
                object_there.and_then(|object| object.pointer(pointer)) == Some(value)
            }
        };
        if !is {
            wrong.push(format!(
                "{values:?}: {expected:?} is expected in {object}: {object_there:#?}"
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_dashboard_is_that_of_the_manifests() -> Result<()> {
    let objects = rendered(NAMESPACE, &["monitoring.dashboard.create=true"])?;
    let text = objects[DASHBOARD]["data"]["file-integrity.json"].as_str();
    assert_eq!(
        text,
        Some(read("manifests/monitoring/dashboard.json")?.as_str())
    );
    Ok(())
}

/// The paths of all values, and their defaults. An empty object or list is a value.
fn leaves(path: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let path = format!("{path}.{key}");
                leaves(path.trim_start_matches('.'), value, found);
            }
        }
        value => drop(found.insert(path.to_owned(), value.clone())),
    }
}

fn values() -> Result<BTreeMap<String, Value>> {
    let mut found = BTreeMap::new();
    leaves("", &yaml(&format!("{CHART}/values.yaml"))?, &mut found);
    ensure!(found.len() > 15, "{found:?}");
    Ok(found)
}

#[test]
fn no_value_is_without_a_test_of_its_effect() -> Result<()> {
    let effects = effects();
    let set: Vec<&str> = effects
        .iter()
        .flat_map(|effect| effect.values)
        .copied()
        .collect();
    // One value of a group is enough, such as resources.limits.cpu.
    let groups = ["resources.", "monitoring.dashboard.labels."];
    let is_set = |path: &String| {
        let is_in_group = groups.iter().any(|group| path.starts_with(group));
        let group = path.rsplit_once('.').filter(|_| is_in_group);
        let start = group.map_or(path.as_str(), |(group, _)| group);
        set.iter().any(|value| value.starts_with(start))
    };
    let untested: Vec<_> = values()?
        .into_keys()
        // e2e/helm.rs tests it.
        .filter(|path| path != "crds.check" && !is_set(path))
        .collect();
    ensure!(untested.is_empty(), "{untested:?}");
    Ok(())
}

#[test]
fn the_readme_lists_all_values_and_their_defaults() -> Result<()> {
    let readme = read(&format!("{CHART}/README.md"))?;
    let listed: BTreeMap<String, String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| {
            let mut cells = line.split(" | ");
            let path = cells.next()?.trim_end_matches('`');
            Some((path.to_owned(), cells.next()?.trim_matches('`').to_owned()))
        })
        .collect();
    let expected: BTreeMap<String, String> = values()?
        .into_iter()
        .map(|(path, default)| match default {
            Value::String(text) if text.is_empty() => (path, "empty".to_owned()),
            Value::String(text) => (path, text),
            other => (path, other.to_string()),
        })
        .collect();
    assert_eq!(listed, expected);
    Ok(())
}

/// What the chart refuses, and a part of the message.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["image.repository=image-not-set.invalid/file-integrity-operator"],
        "image.repository is not set, and this chart is not that of a release: build or mirror the image",
    ),
    (
        &["image.digest=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"],
        "image.tag is 1.2.3, and image.digest is sha256:0123456789abcdef",
    ),
    (
        &["image.repository=registry.example/fio:2.0.0"],
        "at '/image/repository'",
    ),
    (
        &["image.repository=https://registry.example/fio"],
        "at '/image/repository'",
    ),
    (&["image.repository=fio"], "at '/image/repository'"),
    (&["image.tag=a b"], "at '/image/tag'"),
    (&["image.digest=sha256:1"], "at '/image/digest'"),
    (&["image.pullPolicy=Sometimes"], "at '/image/pullPolicy'"),
    (
        &["image.name=fio"],
        "additional properties 'name' not allowed",
    ),
    (&["imagePullSecrets[0]=secret"], "at '/imagePullSecrets/0'"),
    (&["replicas=0"], "at '/replicas'"),
    (&["replicas=3"], "at '/replicas'"),
    (
        &["replicaCount=2"],
        "additional properties 'replicaCount' not allowed",
    ),
    (
        &["resources.limit.cpu=1"],
        "additional properties 'limit' not allowed",
    ),
    (
        &["tolerations[0].effect=NoRun"],
        "at '/tolerations/0/effect'",
    ),
    (&["priorityClassName=High"], "at '/priorityClassName'"),
    (&["namespace.create=yes"], "at '/namespace/create'"),
    (&["fileIntegrity.name=A_b"], "at '/fileIntegrity/name'"),
    (
        &["fileIntegrity.spec.config=null"],
        "at '/fileIntegrity/spec'",
    ),
    (
        &["fileIntegrity.spec.config.profile=rhel"],
        "at '/fileIntegrity/spec/config/profile'",
    ),
    (
        &["fileIntegrity.spec.config.scanTimeout=5"],
        "at '/fileIntegrity/spec/config/scanTimeout'",
    ),
    (
        &["fileIntegrity.spec.config.gracePeriods=900"],
        "additional properties 'gracePeriods' not allowed",
    ),
    (
        &["monitoring.runbookUrl=wiki.example/fio"],
        "at '/monitoring/runbookUrl'",
    ),
    (
        &["monitoring.prometheus.serviceAccount=prometheus"],
        "at '/monitoring/prometheus'",
    ),
    (&["openshift.enabled=maybe"], "at '/openshift/enabled'"),
];

#[test]
fn wrong_values_are_refused_with_their_names() -> Result<()> {
    let mut wrong = Vec::new();
    for (values, message) in REFUSED {
        let all = [IMAGE, *values].concat();
        let output = helm(&template(NAMESPACE, &all))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        if output.status.success() || !errors.contains(message) {
            wrong.push(format!("{values:?}: {message:?} is expected: {errors}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn an_old_kubernetes_is_refused() -> Result<()> {
    let mut arguments = template(NAMESPACE, IMAGE);
    arguments.extend(["--kube-version", "1.29.0"]);
    let output = helm(&arguments)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success());
    ensure!(
        errors.contains("requires kubeVersion: >=1.30.0-0"),
        "{errors}"
    );
    Ok(())
}

#[test]
fn lint_finds_nothing() -> Result<()> {
    let text = printed(helm(&["lint", "--strict", CHART])?)?;
    ensure!(
        text.contains("1 chart(s) linted, 0 chart(s) failed"),
        "{text}"
    );
    Ok(())
}

/// The paths in a package.
fn packaged(path: &Path) -> Result<BTreeSet<String>> {
    let list = Command::new("tar").arg("-tzf").arg(path).output()?;
    let paths = printed(list)?;
    let files = paths.lines().filter(|path| !path.ends_with('/'));
    Ok(files.map(str::to_owned).collect())
}

#[test]
fn a_release_has_the_chart_with_its_image_the_manifests_and_the_sbom() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let image = format!("registry.example/fio@{DIGEST}");
    let dist = Command::new(checkout().join("hack/dist"))
        .env("DIST_DIR", dir.path())
        .env("IMG", &image)
        .env_remove("VERSION")
        .output()?;
    printed(dist)?;
    let check = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(dir.path())
        .output()?;
    let name = format!("file-integrity-{}.tgz", env!("CARGO_PKG_VERSION"));
    let assets = [
        "install.yaml",
        "install-openshift.yaml",
        &name,
        "fio.cdx.json",
    ];
    let checked = printed(check)?;
    let checked: Vec<&str> = checked.lines().collect();
    assert_eq!(checked, assets.map(|asset| format!("{asset}: OK")));

    let package = dir.path().join(&name);
    let path = package.display().to_string();
    let by_helm = tempfile::tempdir()?;
    let destination = by_helm.path().display().to_string();
    printed(helm(&["package", CHART, "--destination", &destination])?)?;
    assert_eq!(packaged(&package)?, packaged(&by_helm.path().join(&name))?);
    printed(helm(&["lint", "--strict", &path])?)?;
    let rendered = printed(helm(&["template", "fio", &path, "--namespace", NAMESPACE])?)?;
    let deployment = &objects(&rendered)?[DEPLOYMENT];
    let image_of_chart = deployment.pointer(&format!("{CONTAINER}/image"));
    assert_eq!(image_of_chart, Some(&json!(image)));
    Ok(())
}

#[test]
fn assets_without_a_digest_are_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dist = Command::new(checkout().join("hack/dist"))
        .env("DIST_DIR", dir.path())
        .env("IMG", "registry.example/fio:1.2.3")
        .env_remove("VERSION")
        .output()?;
    let errors = String::from_utf8_lossy(&dist.stderr);
    ensure!(!dist.status.success(), "{errors}");
    ensure!(
        errors.contains("the digest of registry.example/fio"),
        "{errors}"
    );
    Ok(())
}

#[test]
fn chart_and_program_have_the_same_version() -> Result<()> {
    let chart = yaml(&format!("{CHART}/Chart.yaml"))?;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        [&chart["version"], &chart["appVersion"]],
        [version, version]
    );
    Ok(())
}

#[test]
fn the_notes_have_the_next_commands() -> Result<()> {
    let notes = |values: &[&str]| {
        let mut arguments = vec!["install", "fio", CHART, "--dry-run=client"];
        arguments.extend(["--namespace", "integrity"]);
        for value in IMAGE.iter().chain(values) {
            arguments.extend(["--set", *value]);
        }
        let text = printed(helm(&arguments)?)?;
        let (_, notes) = text.split_once("\nNOTES:\n").context("no notes")?;
        anyhow::Ok(notes.to_owned())
    };
    let with = notes(&["fileIntegrity.create=true", "fileIntegrity.name=nodes"])?;
    let wait = "kubectl -n integrity wait fileintegrity/nodes --for=condition=Ready";
    ensure!(with.contains(wait), "{with}");
    let without = notes(&[])?;
    ensure!(without.contains("No node is watched yet."), "{without}");
    ensure!(
        !without.contains("is not a part of this release."),
        "{without}"
    );
    let existing = notes(&["namespace.create=false"])?;
    let label = "kubectl label namespace integrity pod-security.kubernetes.io/enforce=privileged";
    ensure!(existing.contains(label), "{existing}");
    Ok(())
}
