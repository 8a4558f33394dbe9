//! The release, as a maintainer runs it: in a clone, with a bare repository as its remote and a
//! registry on loopback. `make release-test` runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

const VERSION: &str = "9.8.7";

/// A maintainer's clone, and where it is pushed to.
struct Workplace {
    dir: TempDir,
}

impl Workplace {
    fn new() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let place = Self { dir };
        let checkout = env!("CARGO_MANIFEST_DIR");
        git(
            place.dir.path(),
            &["clone", "--quiet", "--bare", checkout, "origin.git"],
        )?;
        git(
            place.dir.path(),
            &["clone", "--quiet", "origin.git", "clone"],
        )?;
        for (key, value) in [
            ("user.name", "a maintainer"),
            ("user.email", "maintainer@example.com"),
        ] {
            git(&place.clone(), &["config", key, value])?;
        }
        Ok(place)
    }

    fn clone(&self) -> PathBuf {
        self.dir.path().join("clone")
    }

    fn remote(&self) -> PathBuf {
        self.dir.path().join("origin.git")
    }

    /// Runs make in the clone; returns whether it succeeded, and its output.
    fn make(&self, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
        let output = Command::new("make")
            .args(["--no-print-directory"])
            .args(arguments)
            .current_dir(self.clone())
            .env("CARGO_TARGET_DIR", target_dir()?)
            // That of the make that runs this test.
            .env_remove("IMG")
            .output()
            .context("start make")?;
        let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
        printed.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok((output.status.success(), printed))
    }

    fn succeeds(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let (ok, printed) = self.make(arguments)?;
        ensure!(ok, "make {arguments:?}: {printed}");
        Ok(printed)
    }

    /// Checks the message of a make target that must fail.
    fn fails(&self, arguments: &[&str], with: &str) -> anyhow::Result<()> {
        let (ok, printed) = self.make(arguments)?;
        ensure!(!ok, "make {arguments:?} is refused");
        ensure!(
            printed.contains(with),
            "make {arguments:?} prints {with:?}: {printed}"
        );
        Ok(())
    }

    fn read(&self, file: &str) -> anyhow::Result<String> {
        let path = self.clone().join(file);
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }
}

/// Where this test was built: what the clone builds is built there, too.
fn target_dir() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let dir = test.ancestors().nth(3).context("a target folder")?;
    Ok(dir.to_owned())
}

fn git(dir: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(dir)
        .output()
        .context("start git")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {arguments:?}: {errors}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The headers and the body that the registry answers to GET.
fn registry(path: &str) -> anyhow::Result<(String, Value)> {
    use std::io::{Read as _, Write as _};
    let address = std::env::var("FIO_REGISTRY").context("run this by make release-test")?;
    let mut stream = std::net::TcpStream::connect(&address)?;
    let accept = "application/vnd.oci.image.manifest.v1+json";
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (headers, body) = answer.split_once("\r\n\r\n").context("an answer's body")?;
    let body = serde_json::from_str(body).with_context(|| format!("{path}: {body}"))?;
    Ok((headers.to_owned(), body))
}

/// The digest of the operator's image in the registry.
fn digest_in_registry() -> anyhow::Result<String> {
    let (headers, _) = registry(&format!(
        "/v2/fio/file-integrity-operator/manifests/{VERSION}"
    ))?;
    let digest = headers
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("docker-content-digest"));
    let (_, digest) = digest.with_context(|| format!("no digest in: {headers}"))?;
    Ok(digest.to_owned())
}

#[test]
fn missing_requirements_of_a_release_are_reported() -> anyhow::Result<()> {
    let place = Workplace::new()?;
    for target in ["prepare-release", "push-release", "release-images"] {
        place.fails(&[target], "VERSION is not set: use X.Y.Z")?;
        place.fails(
            &[target, "VERSION=1.2"],
            "VERSION='1.2' is not a semantic version",
        )?;
    }
    place.fails(
        &["push-release", "VERSION=9.8.7"],
        "run make prepare-release VERSION=9.8.7 first",
    )?;
    place.fails(
        &["release-images", "VERSION=9.8.7"],
        "run git switch release-v9.8.7 first",
    )?;
    place.fails(
        &["prepare-release", "VERSION=9.8.7", "GIT_REMOTE=upstream"],
        "there is no git remote upstream: set GIT_REMOTE to one of: origin",
    )?;
    place.fails(&["prepare-release", "VERSION=9.8.7"], "no registry is set")?;
    std::fs::write(place.clone().join("a-draft"), "")?;
    place.fails(
        &["prepare-release", "VERSION=9.8.7"],
        "the tree has changes",
    )?;
    std::fs::remove_file(place.clone().join("a-draft"))?;
    git(&place.remote(), &["tag", "v9.8.7"])?;
    place.fails(
        &["prepare-release", "VERSION=9.8.7"],
        "v9.8.7 is already released",
    )?;
    Ok(())
}

#[test]
fn prepared_pushed_and_published() -> anyhow::Result<()> {
    let place = Workplace::new()?;
    let changelog = place.read("CHANGELOG.md")?;
    let before = git(&place.clone(), &["rev-parse", "HEAD"])?;
    let version = format!("VERSION={VERSION}");

    let address = std::env::var("FIO_REGISTRY").context("run this by make release-test")?;
    let repository = format!("IMAGE_REPO={address}/fio");

    let today = || jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let before_midnight = today();
    place.succeeds(&["prepare-release", &version, &repository])?;
    assert_eq!(
        git(&place.clone(), &["rev-parse", "HEAD"])?,
        before,
        "nothing is committed"
    );
    let manifest = place.read("Cargo.toml")?;
    assert!(
        manifest.contains("\nname = \"fio\"\nversion = \"9.8.7\"\n"),
        "{manifest}"
    );
    assert!(
        place
            .read("Cargo.lock")?
            .contains("name = \"fio\"\nversion = \"9.8.7\"\n")
    );
    let csv = "bundle/manifests/file-integrity-operator.clusterserviceversion.yaml";
    let csv = place.read(csv)?;
    assert!(
        csv.contains("\n  name: file-integrity-operator.v9.8.7\n"),
        "{csv}"
    );
    let image = format!("{address}/fio/file-integrity-operator:9.8.7\n");
    assert_eq!(csv.matches(&image).count(), 4, "{csv}");
    assert!(csv.contains("olm.skipRange: \">=1.0.0 <9.8.7\""), "{csv}");
    let released = place.read("CHANGELOG.md")?;
    let with = |day: &str| {
        let heading = format!("## [Unreleased]\n\n## [9.8.7] - {day}\n");
        changelog.replace("## [Unreleased]\n", &heading)
    };
    // The day may have ended meanwhile.
    let expected = [with(&before_midnight), with(&today())];
    assert!(expected.contains(&released), "{released}");

    place.succeeds(&["push-release", &version])?;
    let remote = place.remote();
    let branch = git(&remote, &["rev-parse", "refs/heads/release-v9.8.7"])?;
    assert_eq!(git(&remote, &["rev-parse", "v9.8.7^{commit}"])?, branch);
    assert_eq!(git(&remote, &["rev-parse", "release-v9.8.7^"])?, before);
    assert_eq!(
        git(&place.clone(), &["status", "--porcelain"])?,
        "",
        "all of it is in the commit"
    );

    place.fails(
        &[
            "release-images",
            &version,
            "IMAGE_REPO=registry.example/other",
        ],
        "use the IMAGE_REPO of make prepare-release",
    )?;
    place.succeeds(&["release-images", &version, &repository, "RUNTIME=buildah"])?;
    for part in ["", "-bundle", "-catalog"] {
        let name = format!("fio/file-integrity-operator{part}");
        for tag in [VERSION, "latest"] {
            let image = format!("{address}/{name}:{tag}");
            Command::new("buildah").args(["rmi", &image]).output()?;
        }
        let (_, tags) = registry(&format!("/v2/{name}/tags/list"))?;
        let mut tags: Vec<&str> = tags["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        tags.sort_unstable();
        assert_eq!(json!(tags), json!([VERSION, "latest"]), "{name}");
    }
    assets_reference_the_pushed_image(&place, &format!("{address}/fio"))
}

/// The manifests and the chart; the test of the chart has the SBOM, too.
fn assets_reference_the_pushed_image(place: &Workplace, repository: &str) -> anyhow::Result<()> {
    let other = "IMAGE_REPO=registry.example/other";
    place.fails(
        &["dist", other],
        "run make release-images VERSION=9.8.7 first",
    )?;
    let output = Command::new(place.clone().join("hack/dist"))
        .args(["manifests", "chart"])
        .env("VERSION", VERSION)
        .env("IMAGE_REPO", repository)
        .env_remove("IMG")
        .output()
        .context("start hack/dist")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "hack/dist: {errors}");

    let out = place.clone().join("out");
    let check = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&out)
        .output()?;
    let checked = String::from_utf8(check.stdout)?;
    ensure!(check.status.success(), "{checked}");
    let chart = format!("file-integrity-{VERSION}.tgz");
    assert_eq!(
        checked,
        format!("install.yaml: OK\ninstall-openshift.yaml: OK\n{chart}: OK\n")
    );

    let digest = digest_in_registry()?;
    let image = format!("{repository}/file-integrity-operator@{digest}");
    for file in ["install.yaml", "install-openshift.yaml"] {
        let manifests = place.read(&format!("out/{file}"))?;
        let images: Vec<&str> = manifests
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("image: "))
            .collect();
        assert_eq!(images, [image.as_str()], "{file}");
    }
    let in_chart = |file: &str| {
        let output = Command::new("tar")
            .args(["--extract", "--to-stdout", "--file", &chart])
            .arg(format!("file-integrity/{file}"))
            .current_dir(&out)
            .output()?;
        ensure!(output.status.success(), "no {file} in {chart}");
        let value = serde_saphyr::from_str(&String::from_utf8(output.stdout)?)?;
        Ok::<Value, anyhow::Error>(value)
    };
    let values = in_chart("values.yaml")?;
    assert_eq!(
        values["image"],
        json!({
            "repository": format!("{repository}/file-integrity-operator"),
            "digest": digest,
            "tag": "",
            "pullPolicy": "",
        })
    );
    let description = in_chart("Chart.yaml")?;
    assert_eq!(description["version"], VERSION);
    assert_eq!(description["appVersion"], VERSION);
    let images = description["annotations"]["artifacthub.io/images"].as_str();
    ensure!(
        images.is_some_and(|images| images.contains(&image)),
        "{images:?}"
    );
    Ok(())
}
