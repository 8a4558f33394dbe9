//! Generates the OLM bundle from the manifests, so that the two cannot differ. Run by
//! `hack/olm bundle`.
//!
//! In OLM's format, a `ClusterServiceVersion` has the Deployment and the permissions of its
//! accounts; the bundle has other objects as separate files
//! (<https://olm.operatorframework.io/docs/tasks/creating-operator-manifests/>).

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use serde_json::{Value, json};

const PACKAGE: &str = "file-integrity-operator";
/// The oldest release of the original that OLM may upgrade.
const UPGRADES_FROM: &str = "1.0.0";

/// Writes `manifests/` and `metadata/`. Reads the output of `kubectl kustomize manifests/olm` from
/// standard input.
#[derive(Debug, Parser)]
struct Args {
    /// Version of the release, X.Y.Z
    #[arg(long)]
    version: String,
    /// Image of the operator
    #[arg(long)]
    image: String,
    /// Directory with clusterserviceversion.yaml, annotations.yaml and icon.svg
    #[arg(long, default_value = "manifests/olm")]
    base: PathBuf,
    /// Example for users
    #[arg(long, default_value = "manifests/samples/fileintegrity.yaml")]
    sample: PathBuf,
    /// Output directory; existing files are replaced
    #[arg(long, default_value = "bundle")]
    output: PathBuf,
}

/// Input of the bundle.
struct Parts {
    csv: Value,
    icon: Vec<u8>,
    sample: Value,
    objects: Vec<Value>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut rendered = String::new();
    std::io::stdin().read_to_string(&mut rendered)?;
    let parts = Parts {
        csv: yaml(&args.base.join("clusterserviceversion.yaml"))?,
        icon: read(&args.base.join("icon.svg"))?.into_bytes(),
        sample: yaml(&args.sample)?,
        objects: serde_saphyr::from_multiple(&rendered).context("read the manifests")?,
    };
    let files = bundle(parts, &args.version, &args.image)?;
    let manifests = args.output.join("manifests");
    let metadata = args.output.join("metadata");
    for dir in [&manifests, &metadata] {
        if dir.exists() {
            std::fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
        }
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    for (name, object) in files {
        std::fs::write(manifests.join(name), serde_saphyr::to_string(&object)?)?;
    }
    let annotations = read(&args.base.join("annotations.yaml"))?;
    std::fs::write(metadata.join("annotations.yaml"), annotations)?;
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

fn yaml(path: &Path) -> anyhow::Result<Value> {
    serde_saphyr::from_str(&read(path)?).with_context(|| format!("read {}", path.display()))
}

/// The files in the manifests directory of a bundle, by name.
fn bundle(parts: Parts, version: &str, image: &str) -> anyhow::Result<BTreeMap<String, Value>> {
    let Parts {
        mut csv,
        icon,
        sample,
        objects,
    } = parts;
    let (install, rest) = install(objects, image)?;
    let metadata = &mut csv["metadata"];
    metadata["name"] = json!(format!("{PACKAGE}.v{version}"));
    let annotations = &mut metadata["annotations"];
    annotations["alm-examples"] = json!(serde_json::to_string_pretty(&[sample])?);
    annotations["containerImage"] = json!(image);
    annotations["olm.skipRange"] = json!(format!(">={UPGRADES_FROM} <{version}"));
    let spec = &mut csv["spec"];
    spec["version"] = json!(version);
    spec["icon"] = json!([{"mediatype": "image/svg+xml", "base64data": STANDARD.encode(icon)}]);
    spec["relatedImages"] = json!([{"name": "operator", "image": image}]);
    spec["install"] = json!({"strategy": "deployment", "spec": install});

    let mut files = BTreeMap::new();
    for object in rest {
        let name = format!("{}_{}.yaml", name(&object)?, kind(&object)?.to_lowercase());
        ensure!(
            files.insert(name.clone(), object).is_none(),
            "two objects have the file name {name}"
        );
    }
    files.insert(format!("{PACKAGE}.clusterserviceversion.yaml"), csv);
    Ok(files)
}

/// The Deployment and permissions for the `ClusterServiceVersion`, and the remaining objects.
fn install(objects: Vec<Value>, image: &str) -> anyhow::Result<(Value, Vec<Value>)> {
    let accounts = accounts(&objects)?;
    let permissions = permissions(&objects, "RoleBinding", "Role", &accounts)?;
    let cluster = permissions_of_cluster(&objects, &accounts)?;
    let mut deployments = Vec::new();
    let mut rest = Vec::new();
    let included: Vec<String> = [&permissions, &cluster]
        .into_iter()
        .flat_map(|p| p.objects.clone())
        .collect();
    for mut object in objects {
        let id = id(&object)?;
        match kind(&object)? {
            "Deployment" => deployments.push(deployment(&object, image)?),
            "ServiceAccount" if accounts.contains(&name(&object)?.to_owned()) => {}
            _ if included.contains(&id) => {}
            _ => {
                // OLM sets the namespace of the installation.
                if let Some(metadata) = object["metadata"].as_object_mut() {
                    metadata.remove("namespace");
                }
                rest.push(object);
            }
        }
    }
    ensure!(deployments.len() == 1, "one Deployment is expected");
    let install = json!({
        "deployments": deployments,
        "permissions": permissions.rules,
        "clusterPermissions": cluster.rules,
    });
    Ok((install, rest))
}

/// The accounts whose permissions OLM manages: that of the operator's Deployment, and that of the
/// daemons, whose DaemonSets the operator creates.
fn accounts(objects: &[Value]) -> anyhow::Result<Vec<String>> {
    let mut accounts = vec!["file-integrity-daemon".to_owned()];
    for object in objects {
        if kind(object)? == "Deployment" {
            let account = &object["spec"]["template"]["spec"]["serviceAccountName"];
            accounts.push(account.as_str().context("the Deployment's account")?.into());
        }
    }
    Ok(accounts)
}

/// Permissions by account, and the objects that they were read from.
struct Permissions {
    rules: Vec<Value>,
    objects: Vec<String>,
}

fn permissions_of_cluster(objects: &[Value], accounts: &[String]) -> anyhow::Result<Permissions> {
    permissions(objects, "ClusterRoleBinding", "ClusterRole", accounts)
}

/// The permissions that bindings of this kind grant these accounts. Other bindings remain objects.
fn permissions(
    objects: &[Value],
    binding_kind: &str,
    role_kind: &str,
    accounts: &[String],
) -> anyhow::Result<Permissions> {
    let mut by_account: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut sources = Vec::new();
    for binding in objects {
        if kind(binding)? != binding_kind {
            continue;
        }
        let subjects = binding["subjects"].as_array().context("subjects")?;
        let [subject] = &subjects[..] else { continue };
        let account = subject["name"].as_str().context("a subject's name")?;
        if !accounts.iter().any(|a| a == account) {
            continue;
        }
        let role = objects.iter().find(|object| {
            object["kind"] == role_kind && object["metadata"]["name"] == binding["roleRef"]["name"]
        });
        let Some(role) = role else {
            bail!(
                "{} references a {role_kind} that does not exist",
                id(binding)?
            )
        };
        let rules = role["rules"].as_array().context("rules")?;
        by_account
            .entry(account)
            .or_default()
            .extend(rules.iter().cloned());
        sources.extend([id(binding)?, id(role)?]);
    }
    let rules = by_account
        .into_iter()
        .map(|(account, rules)| json!({"serviceAccountName": account, "rules": rules}))
        .collect();
    Ok(Permissions {
        rules,
        objects: sources,
    })
}

/// The Deployment with its image, also for the daemons: OLM replaces the image in
/// `RELATED_IMAGE_OPERATOR` if a registry is mirrored.
fn deployment(object: &Value, image: &str) -> anyhow::Result<Value> {
    let mut spec = object["spec"].clone();
    let containers = spec["template"]["spec"]["containers"].as_array_mut();
    let [container] = &mut containers.context("containers")?[..] else {
        bail!("one container is expected in the Deployment")
    };
    container["image"] = json!(image);
    let environment = container["env"].as_array_mut().context("env")?;
    environment.push(json!({"name": "RELATED_IMAGE_OPERATOR", "value": image}));
    Ok(json!({
        "name": name(object)?,
        "label": object["metadata"]["labels"],
        "spec": spec,
    }))
}

fn kind(object: &Value) -> anyhow::Result<&str> {
    object["kind"].as_str().context("an object without a kind")
}

fn name(object: &Value) -> anyhow::Result<&str> {
    let name = object["metadata"]["name"].as_str();
    name.context("an object without a name")
}

fn id(object: &Value) -> anyhow::Result<String> {
    Ok(format!("{}/{}", kind(object)?, name(object)?))
}
