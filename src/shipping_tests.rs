//! Tests of scripts, manifests, and the images in them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The repository of the original operator's image, which must never be installed.
const IMAGES_OF_THE_ORIGINAL: &str = "quay.io/file-integrity-operator";
/// The placeholder for a registry that is not set.
const NO_REGISTRY: &str = "image-not-set.invalid";

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Standard output and standard error.
fn text(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// All text files at this path.
fn files(path: &Path, found: &mut Vec<(String, String)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            files(&entry.unwrap().path(), found);
        }
    } else if let Ok(content) = fs::read_to_string(path) {
        found.push((path.display().to_string(), content));
    }
}

#[test]
fn nothing_installs_the_image_of_the_original() {
    let mut found = Vec::new();
    for place in [
        ".ci",
        ".github",
        "Containerfile",
        "Makefile",
        "README.md",
        "bundle",
        "docs",
        "hack",
        "manifests",
    ] {
        files(&checkout().join(place), &mut found);
    }
    assert!(found.len() > 100, "only {} files were found", found.len());
    let wrong: Vec<_> = found
        .iter()
        .filter(|(_, content)| content.contains(IMAGES_OF_THE_ORIGINAL))
        .map(|(name, _)| name)
        .collect();
    assert!(wrong.is_empty(), "the original's image: {wrong:#?}");
}

#[test]
fn no_image_of_the_manifests_can_be_pulled() {
    let mut found = Vec::new();
    files(&checkout().join("manifests"), &mut found);
    let mut count = 0;
    for (name, content) in &found {
        for line in content.lines() {
            let Some(image) = line.trim_start().strip_prefix("image: ") else {
                continue;
            };
            count += 1;
            assert!(
                image.starts_with(&format!("{NO_REGISTRY}/")),
                "{name}: {image}"
            );
        }
    }
    assert!(count >= 2, "only {count} images were found");
    let makefile = fs::read_to_string(checkout().join("Makefile")).unwrap();
    assert!(makefile.contains(&format!("\nIMAGE_REPO ?= {NO_REGISTRY}##")));
}

#[test]
fn images_are_compiled_by_the_pinned_compiler() {
    let pinned = fs::read_to_string(checkout().join("rust-toolchain.toml")).unwrap();
    let version = pinned
        .lines()
        .find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'))
        .unwrap();
    let image = format!("docker.io/library/rust:{version}-trixie");
    for file in ["Containerfile", ".github/workflows/ci.yaml"] {
        let text = fs::read_to_string(checkout().join(file)).unwrap();
        let others: Vec<_> = text
            .split_whitespace()
            .filter(|word| word.starts_with("docker.io/library/rust:") && *word != image)
            .collect();
        assert!(text.contains(&image), "{file} lacks {image}");
        assert!(others.is_empty(), "{file}: {others:?}");
    }
}

/// Runs make without settings of an image, and with a kubectl that fails.
fn make(target: &str, variables: &[&str]) -> Output {
    let mut command = Command::new("make");
    command
        .args(["--no-print-directory", target])
        .args(variables)
        .current_dir(checkout())
        .env("KUBECTL", "false");
    for name in [
        "MAKEFLAGS",
        "MAKELEVEL",
        "IMG",
        "IMAGE_REPO",
        "TAG",
        "BUNDLE_IMG",
        "CATALOG_IMG",
    ] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

#[test]
fn an_installation_without_an_image_fails() {
    let remedy = "set IMAGE_REPO=registry.example/fio";
    // `push` and `catalog-image` need existing images. All targets use the same check.
    for target in [
        "deploy",
        "install-yaml",
        "push",
        "bundle-image",
        "catalog-image",
        "catalog-deploy",
    ] {
        let output = make(target, &[]);
        let text = text(&output);
        assert!(!output.status.success(), "make {target}: {text}");
        assert!(
            text.contains("no registry is set") && text.contains(remedy),
            "make {target}: {text}"
        );
    }
    // With an image, kubectl is called and fails.
    let output = make("deploy", &["IMG=registry.example/fio:1"]);
    let text = text(&output);
    assert!(!output.status.success() && !text.contains("no registry is set"));
}

/// Runs a script that uses hack/cluster.d/common.sh, with these programs first in PATH.
fn with_programs(programs: &[(&str, String)], script: &str) -> (TempDir, Output) {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in programs {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .arg("-c")
        .arg(format!(
            "set -euo pipefail; source hack/cluster.d/common.sh; {script}"
        ))
        .current_dir(checkout())
        .env("PATH", format!("{}:{path}", dir.path().display()))
        .env("XDG_CACHE_HOME", dir.path())
        .env("FAKE", dir.path())
        .output()
        .unwrap();
    (dir, output)
}

/// An apt-get that fails because of a lock until this number of calls.
fn apt_get(calls: u32) -> String {
    format!(
        "#!/bin/sh\n\
         echo \"$*\" >>\"$FAKE/calls\"\n\
         [ \"$(wc -l <\"$FAKE/calls\")\" -ge {calls} ] && exit 0\n\
         echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)'\n\
         exit 100\n"
    )
}

#[test]
fn an_installation_of_packages_waits_for_another_apt() {
    let (dir, output) = with_programs(&[("apt-get", apt_get(3))], "apt_install hostname");
    assert!(output.status.success(), "{}", text(&output));
    let calls = fs::read_to_string(dir.path().join("calls")).unwrap();
    let calls: Vec<_> = calls.lines().collect();
    let expected = "-o DPkg::Lock::Timeout=300 install -y --no-install-recommends hostname";
    assert_eq!(calls, [expected; 3]);
}

#[test]
fn a_lock_that_stays_held_is_reported() {
    let (dir, output) = with_programs(
        &[("apt-get", apt_get(u32::MAX))],
        "APT_LOCK_SECONDS=0; apt_install hostname",
    );
    assert!(!output.status.success());
    let text = text(&output);
    assert!(text.contains("could not install hostname"), "{text}");
    let log = fs::read_to_string(dir.path().join("fio/apt.log")).unwrap();
    assert!(log.contains("Could not get lock"), "{log}");
}

/// The first line of the demo on a machine where cargo fails.
fn first_line_of_the_demo(settings: &str) -> String {
    let fails = "#!/bin/sh\nexit 1\n".to_owned();
    let programs = [("cargo", fails.clone()), ("c++", fails)];
    let script = format!("export CARGO_TARGET_DIR=$FAKE/target; {settings}; exec hack/demo");
    let (_dir, output) = with_programs(&programs, &script);
    let text = text(&output);
    assert!(!output.status.success(), "{text}");
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_first_line_of_the_demo_is_how_long_it_takes_and_why() {
    assert_eq!(
        first_line_of_the_demo("export CLUSTER=local"),
        "This takes about 19 minutes on two processors, less on more, and depends on the network, because it first \
         compiles or downloads: fio, Kubernetes, etcd, CoreDNS, a Debian tree. Later runs take one to three minutes."
    );
    let built = "mkdir -p $FAKE/target/release; touch $FAKE/target/release/fio";
    let line = first_line_of_the_demo(&format!("{built}; export CLUSTER=current"));
    assert!(
        line.starts_with("This takes one to three minutes: everything was built before."),
        "{line}"
    );
}

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(checkout().join(path)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// A matcher of an `AlertmanagerConfig` as Alertmanager writes it.
fn matcher(matcher: &Value) -> Value {
    let part = |key: &str| matcher[key].as_str().unwrap();
    json!(format!(
        "{}{}\"{}\"",
        part("name"),
        part("matchType"),
        part("value")
    ))
}

/// A route of an `AlertmanagerConfig` as Alertmanager writes it. `parent` is the receiver of its parent.
fn route(route: &Value, parent: &Value) -> Value {
    let mut written = serde_json::Map::new();
    for (key, value) in route.as_object().unwrap() {
        let items = || value.as_array().unwrap().iter();
        let (key, value) = match key.as_str() {
            "matchers" => ("matchers", items().map(matcher).collect()),
            "routes" => (
                "routes",
                items()
                    .map(|below| self::route(below, &route["receiver"]))
                    .collect(),
            ),
            // Alertmanager's routes inherit it. In an AlertmanagerConfig it is required.
            "receiver" if value == parent => continue,
            "receiver" => ("receiver", value.clone()),
            "groupBy" => ("group_by", value.clone()),
            "groupWait" => ("group_wait", value.clone()),
            "groupInterval" => ("group_interval", value.clone()),
            "repeatInterval" => ("repeat_interval", value.clone()),
            other => panic!("{other} is unknown"),
        };
        written.insert(key.to_owned(), value);
    }
    Value::Object(written)
}

#[test]
fn both_examples_for_alertmanager_have_the_same_routes_and_receivers() {
    let config = yaml("manifests/monitoring/alertmanager-config.yaml");
    let plain = yaml("manifests/monitoring/alertmanager.yaml");
    let routes = json!([route(&config["spec"]["route"], &json!("default"))]);
    assert_eq!(routes, plain["route"]["routes"]);
    let receivers = config["spec"]["receivers"].as_array().unwrap().iter();
    let receivers: Vec<Value> = receivers
        .map(|receiver| {
            let webhooks = receiver["webhookConfigs"].as_array().unwrap().iter();
            let webhooks: Vec<Value> = webhooks
                .map(|hook| json!({"url": hook["url"], "send_resolved": hook["sendResolved"]}))
                .collect();
            json!({"name": receiver["name"], "webhook_configs": webhooks})
        })
        .collect();
    assert_eq!(receivers, plain["receivers"].as_array().unwrap()[1..]);
}
