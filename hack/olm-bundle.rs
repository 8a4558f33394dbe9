//! Makes the bundle by which OLM installs fio out of the manifests that everybody else applies, so
//! that the two cannot differ. `hack/olm bundle` runs it.
//!
//! OLM has a form of its own for what an operator is: the Deployment and the rights of its accounts
//! stand in a `ClusterServiceVersion`, all else lies beside it
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
/// The oldest release of the original from which OLM may go over to this one.
const UPGRADES_FROM: &str = "1.0.0";

/// Prints nothing; writes `manifests/` and `metadata/` into a folder. The manifests come on standard
/// input, as `kubectl kustomize manifests/olm` prints them.
#[derive(Debug, Parser)]
struct Args {
    /// The release, X.Y.Z
    #[arg(long)]
    version: String,
    /// The operator's image
    #[arg(long)]
    image: String,
    /// The folder with clusterserviceversion.yaml, annotations.yaml and icon.svg
    #[arg(long, default_value = "manifests/olm")]
    base: PathBuf,
    /// The example that a user is shown
    #[arg(long, default_value = "manifests/samples/fileintegrity.yaml")]
    sample: PathBuf,
    /// Where the bundle goes; what is there is replaced
    #[arg(long, default_value = "bundle")]
    output: PathBuf,
}

/// What the bundle is made of.
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
        std::fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
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

/// The files of a bundle's manifests folder, by name.
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
            "two objects would be called {name}"
        );
    }
    files.insert(format!("{PACKAGE}.clusterserviceversion.yaml"), csv);
    Ok(files)
}

/// The Deployments and rights as a `ClusterServiceVersion` has them, and the objects beside it.
fn install(objects: Vec<Value>, image: &str) -> anyhow::Result<(Value, Vec<Value>)> {
    let accounts = accounts(&objects)?;
    let permissions = permissions(&objects, "RoleBinding", "Role", &accounts)?;
    let cluster = permissions_of_cluster(&objects, &accounts)?;
    let mut deployments = Vec::new();
    let mut rest = Vec::new();
    let told: Vec<String> = [&permissions, &cluster]
        .into_iter()
        .flat_map(|p| p.objects.clone())
        .collect();
    for mut object in objects {
        let id = id(&object)?;
        match kind(&object)? {
            "Deployment" => deployments.push(deployment(&object, image)?),
            "ServiceAccount" if accounts.contains(&name(&object)?.to_owned()) => {}
            _ if told.contains(&id) => {}
            _ => {
                // OLM puts all of it into the namespace that it installs into.
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

/// The accounts whose rights OLM takes care of: that of the operator's pods, and that of the daemons,
/// which is not in any manifest but in what the operator makes.
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

/// Rights by account, and the objects that said them.
struct Permissions {
    rules: Vec<Value>,
    objects: Vec<String>,
}

fn permissions_of_cluster(objects: &[Value], accounts: &[String]) -> anyhow::Result<Permissions> {
    permissions(objects, "ClusterRoleBinding", "ClusterRole", accounts)
}

/// What the bindings of this kind give these accounts. Bindings of others stay objects.
fn permissions(
    objects: &[Value],
    binding_kind: &str,
    role_kind: &str,
    accounts: &[String],
) -> anyhow::Result<Permissions> {
    let mut by_account: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut told = Vec::new();
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
            bail!("{} names a {role_kind} that is not there", id(binding)?)
        };
        let rules = role["rules"].as_array().context("rules")?;
        by_account
            .entry(account)
            .or_default()
            .extend(rules.iter().cloned());
        told.extend([id(binding)?, id(role)?]);
    }
    let rules = by_account
        .into_iter()
        .map(|(account, rules)| json!({"serviceAccountName": account, "rules": rules}))
        .collect();
    Ok(Permissions {
        rules,
        objects: told,
    })
}

/// The Deployment with its image, and with that image for the daemons: OLM changes the one in
/// `RELATED_IMAGE_OPERATOR` where a registry is mirrored.
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
