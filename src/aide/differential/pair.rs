//! One tree that two versions of AIDE scan: one as `/`, the other as `/hostroot`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::generator::Version;
use crate::aide::config::{Diagnostic, RunOptions, prepare, run_options, run_options_before};

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The same entries with the same attributes.
    Same,
    /// A warning explains the difference.
    Explained,
    /// The old version rejects the text.
    RefusedByOld,
    Differs(String),
}

/// Entries by their path on the node, with AIDE's set of attributes.
type Entries = BTreeMap<String, u64>;

/// The directories of both versions and their files, in the tree and outside of it.
const ASIDE: [&str; 2] = ["/.aide", "/out"];
const NEW_OR_ONLY: &str = ".aide";
const OLD: &str = ".old";

/// Digests in AIDE's set of attributes (`attributes.h`).
const DIGESTS: [u32; 17] = [
    12, 13, 14, 15, 16, 17, 18, 19, 25, 30, 31, 34, 38, 39, 42, 43, 44,
];

/// acl, selinux, xattrs, e2fsattrs, caps.
const EXTENDED: [u32; 5] = [21, 32, 33, 36, 37];

/// Files in rule sets, and others.
const FILES: [&str; 24] = [
    "etc/passwd",
    "etc/shadow",
    "etc/foo/x",
    "etc/foo.d/x.conf",
    "etc/app/a.conf",
    "etc/app/a.conf~",
    "etc/app/sub/b.conf",
    "etc/app/sub/b~",
    "etc/app/sub/deep/c.conf",
    "etc/app/sub/deep/d/e",
    "etc/old stuff/y",
    "usr/bin/ls",
    "usr/lib/x.so",
    "usr/local/bin/y",
    "var/log/a.log",
    "var/log/sub/b.log",
    "boot/vmlinuz",
    "root/.bashrc",
    "root/.ssh/key",
    "srv/My App/x",
    "srv/c@d/x",
    "srv/a+b|c",
    "etc/kubernetes/manifests/a.yaml",
    "file",
];

/// Two versions of AIDE and the tree.
#[derive(Debug)]
pub(super) struct Pair {
    version: Version,
    root: TempDir,
}

impl Pair {
    pub(super) fn new(version: Version) -> Self {
        let root = TempDir::new().unwrap();
        let node = root.path().join("hostroot");
        for file in FILES {
            let path = node.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        // No links to directories: AIDE 0.17 still entered one that a rule named.
        symlink("passwd", node.join("etc/link")).unwrap();
        install(&node, NEW_OR_ONLY, suite(version));
        install(root.path(), OLD, suite(version));
        install(root.path(), NEW_OR_ONLY, "trixie");
        Self { version, root }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Compares a text with the converted one.
    pub(super) fn compare(&self, text: &str) -> Outcome {
        match prepare(text, "/etc/kubernetes", "/hostroot") {
            Ok(prepared) => self.compare_with(text, &prepared.effective, &prepared.warnings),
            Err(refused) => match self.on_node(text) {
                None => Outcome::RefusedByOld,
                Some(_) => Outcome::Differs(format!("refused: {refused}\n")),
            },
        }
    }

    /// Compares a text with an equivalent one for AIDE 0.19.
    pub(super) fn compare_with(
        &self,
        text: &str,
        converted: &str,
        warnings: &[Diagnostic],
    ) -> Outcome {
        let Some(expected) = self.on_node(text) else {
            return Outcome::RefusedByOld;
        };
        let found = match self.below_host_root(converted) {
            Ok(found) => found,
            Err(stderr) => return Outcome::Differs(format!("---\n{converted}{stderr}\n")),
        };
        let differences = differences(&expected, &found);
        if differences.is_empty() {
            return Outcome::Same;
        }
        let explained = |path: &str| warnings.iter().any(|warning| explains(warning, path));
        if differences.iter().all(|(path, _)| explained(path)) {
            return Outcome::Explained;
        }
        let listed: Vec<String> = differences.into_iter().map(|(_, how)| how).collect();
        Outcome::Differs(format!("---\n{converted}---\n{}\n", listed.join("\n")))
    }

    /// The entries that the version of the text selects on the tree as `/`, or as `/hostroot` if the text is converted.
    fn on_node(&self, text: &str) -> Option<Entries> {
        let is_converted = text.lines().any(|line| line.starts_with("/hostroot/"));
        let (root, aide, host_root) = if is_converted {
            (self.root.path().to_owned(), OLD, "/hostroot")
        } else {
            (self.root.path().join("hostroot"), NEW_OR_ONLY, "")
        };
        let before = "database_out=file:/out/db\n";
        let after = "gzip_dbout=no\nreport_url=stdout\n";
        if run(&root, aide, text, before, after).status.code() != Some(0) {
            return None;
        }
        let database = fs::read(root.join("out/db")).unwrap();
        Some(entries(&String::from_utf8(database).unwrap(), host_root))
    }

    /// The entries that AIDE 0.19 selects with the options of the daemon.
    fn below_host_root(&self, converted: &str) -> Result<Entries, String> {
        let options = RunOptions {
            workers: 1,
            database_in: "/out/aide.db.gz".into(),
            database_new: None,
            database_out: "/out/aide.db.gz.new".into(),
            json_report: "/out/report.json".into(),
            plain_report: "/out/aide.log.new".into(),
        };
        let root = self.root.path();
        let (before, after) = (run_options_before(&options), run_options(&options));
        let output = run(root, NEW_OR_ONLY, converted, &before, &after);
        if output.status.code() != Some(0) {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let database = uncompressed(&root.join("out/aide.db.gz.new"));
        Ok(entries(&database, "/hostroot"))
    }
}

fn uncompressed(path: &Path) -> String {
    let mut text = String::new();
    let file = fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// Whether a warning explains that this path may be selected differently.
fn explains(warning: &Diagnostic, path: &str) -> bool {
    if warning
        .message
        .starts_with("the rule would exclude the entry of / itself")
    {
        return path == "/";
    }
    warning
        .message
        .starts_with("the rule matches / and its direct children")
        && path.matches('/').count() == 1
}

fn suite(version: Version) -> &'static str {
    match version {
        Version::V0_17 => "bullseye",
        Version::V0_18 => "bookworm",
        Version::V0_19 => "trixie",
    }
}

/// Copies the AIDE of a release into a tree.
fn install(root: &Path, name: &str, suite: &str) {
    let variable = format!("FIO_AIDE_{}", suite.to_uppercase());
    let aide = std::env::var_os(&variable).map_or_else(
        || {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/aide");
            let output = Command::new(script).arg(suite).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "no AIDE of Debian {suite}: {stderr}"
            );
            PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
        },
        PathBuf::from,
    );
    let to = root.join(name);
    fs::create_dir_all(&to).unwrap();
    fs::create_dir_all(root.join("out")).unwrap();
    for entry in fs::read_dir(aide.with_file_name("lib")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Creates a database with the AIDE of a tree, which is its `/`.
fn run(root: &Path, aide: &str, config: &str, before: &str, after: &str) -> Output {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.arg(format!("--root={}", root.display()));
    if root.join(aide).join("libc.so.6").exists() {
        let library = format!("/{aide}");
        command.args([&format!("{library}/ld.so"), "--library-path", &library]);
    }
    let mut child = command
        .args([
            &format!("/{aide}/aide"),
            "--init",
            "--config=-",
            "--before",
            before,
            "--after",
            after,
        ])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // If AIDE rejects an earlier line, it does not read this one.
    child
        .stdin
        .take()
        .unwrap()
        .write_all(config.as_bytes())
        .ok();
    child.wait_with_output().unwrap()
}

/// The entries of a database without those of AIDE itself.
fn entries(database: &str, host_root: &str) -> Entries {
    let columns: Vec<&str> = database
        .lines()
        .find_map(|line| line.strip_prefix("@@db_spec "))
        .map(|spec| spec.split_whitespace().collect())
        .unwrap_or_default();
    let attributes = columns.iter().position(|&name| name == "attr");
    let mut entries = Entries::new();
    for line in database.lines().filter(|line| line.starts_with('/')) {
        let fields: Vec<&str> = line.split(' ').collect();
        let path = match fields[0].strip_prefix(host_root) {
            Some("") => "/",
            Some(path) => path,
            // It is not on the node.
            None => &format!("outside:{}", fields[0]),
        };
        let is_aside = ASIDE.iter().any(|aside| {
            path.strip_prefix(aside)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        if !is_aside {
            let set = attributes.map_or(0, |at| fields[at].parse().unwrap());
            entries.insert(path.to_owned(), set);
        }
    }
    entries
}

fn differences(expected: &Entries, found: &Entries) -> Vec<(String, String)> {
    let mut differences = Vec::new();
    for (path, attributes) in expected {
        match found.get(path) {
            None => differences.push((path.clone(), format!("lost: {path}"))),
            Some(other) if comparable(*attributes) != comparable(*other) => {
                differences.push((
                    path.clone(),
                    format!("{path}: {attributes:#x} is {other:#x}"),
                ));
            }
            Some(_) => {}
        }
    }
    for path in found.keys().filter(|path| !expected.contains_key(*path)) {
        differences.push((path.clone(), format!("more: {path}")));
    }
    differences
}

/// Ignores which digest it is: 0.19 has others in its groups and lacks some of 0.17. Each version removes unsupported attributes
/// from other kinds of files.
fn comparable(attributes: u64) -> (u64, bool) {
    let set = |bits: &[u32]| bits.iter().fold(0_u64, |set, bit| set | 1 << bit);
    let digests = set(&DIGESTS);
    (
        attributes & !digests & !set(&EXTENDED),
        attributes & digests != 0,
    )
}
