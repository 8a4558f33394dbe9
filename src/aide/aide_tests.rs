//! The module against a real AIDE 0.19: does it take what we write, and do we read what it writes?
//!
//! The AIDE is the one that the variable `FIO_AIDE` names, else the one that `hack/aide` finds.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::command::Aide;
use super::config::tests::TEXTS;
use super::config::{Prepared, RunOptions, aide_error, prepare, run_options, run_options_before};
use super::exit::{AideError, Verdict, decode, decode_plain};
use super::profiles::Profile;
use super::report::{Change, ChangeKind, Report, display_path, parse_json, parse_plain};
use super::stderr::Stderr;
use crate::api::names::hex;
use crate::scan::change_set::ChangeSet;

/// The AIDE to test with.
pub(crate) static AIDE: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(aide) = std::env::var_os("FIO_AIDE") {
        return aide.into();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/aide");
    let output = Command::new(&script).output().unwrap_or_else(|error| {
        panic!(
            "no AIDE to test with: FIO_AIDE is not set, {}: {error}",
            script.display()
        )
    });
    assert!(
        output.status.success(),
        "no AIDE to test with: FIO_AIDE is not set, and {} says: {}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().into()
});

/// A program of this text in the place of AIDE. Another process writes it: a file that this one had
/// open for writing while another test forks could not be executed (ETXTBSY).
pub(crate) fn script(dir: &Path, text: &str) -> Aide {
    let path = dir.join("aide");
    let written = Command::new("sh")
        .args([
            "-c",
            r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod 755 "$1""#,
            "sh",
        ])
        .arg(&path)
        .arg(text)
        .status();
    assert!(written.unwrap().success());
    Aide::new(path)
}

/// A node: its root, and a directory for what is not on it.
struct Node {
    root: TempDir,
    aside: TempDir,
}

impl Node {
    fn new() -> Self {
        let node = Self {
            root: TempDir::new().unwrap(),
            aside: TempDir::new().unwrap(),
        };
        fs::create_dir_all(node.path("etc/kubernetes")).unwrap();
        node
    }

    fn root(&self) -> &str {
        self.root.path().to_str().unwrap()
    }

    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: impl AsRef<Path>, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn options(&self) -> RunOptions {
        let own = |name: &str| format!("{}/etc/kubernetes/{name}", self.root());
        RunOptions {
            workers: 2,
            database_in: own("aide.db.gz"),
            database_out: own("aide.db.gz.new"),
            json_report: self
                .aside
                .path()
                .join("report.json")
                .to_str()
                .unwrap()
                .to_owned(),
            plain_report: own("aide.log.new"),
        }
    }

    fn prepare(&self, text: &str) -> Prepared {
        prepare(text, "/etc/kubernetes", self.root()).unwrap()
    }

    /// Runs AIDE with a configuration between our own lines, as the daemon does, again if it leaves
    /// something out: the other tests make and remove directories beside this one.
    fn aide(&self, mode: &str, effective: &str) -> Output {
        let config = self.aside.path().join("aide.conf");
        fs::write(&config, effective).unwrap();
        loop {
            let output = Command::new(&*AIDE)
                .arg(mode)
                .arg("--before")
                .arg(run_options_before(&self.options()))
                .arg("--config")
                .arg(&config)
                .arg("--after")
                .arg(run_options(&self.options()))
                .env_clear()
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            if Stderr::of(&stderr).left_out.count == 0 {
                return output;
            }
        }
    }

    fn config_file(&self) -> String {
        self.aside
            .path()
            .join("aide.conf")
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// Makes a baseline and puts it in place.
    fn init(&self, effective: &str) -> Report {
        let output = self.aide("--init", effective);
        let ended = decode_plain(output.status.code(), output.status.signal());
        assert_eq!(ended, Ok(()), "{}", String::from_utf8_lossy(&output.stderr));
        let options = self.options();
        fs::rename(options.database_out, options.database_in).unwrap();
        self.report()
    }

    fn check(&self, effective: &str) -> (Verdict, Report) {
        let output = self.aide("--check", effective);
        let verdict = decode(output.status.code(), output.status.signal());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            !matches!(verdict, Verdict::Error(_)),
            "{verdict:?} {stderr}"
        );
        (verdict, self.report())
    }

    fn report(&self) -> Report {
        let mut report = parse_json(fs::File::open(self.options().json_report).unwrap()).unwrap();
        report.strip_host_root(self.root());
        report
    }

    fn plain_report(&self) -> Report {
        let mut report = parse_plain(&fs::read(self.options().plain_report).unwrap()).unwrap();
        report.strip_host_root(self.root());
        report
    }

    /// The baseline's text.
    fn database(&self) -> Vec<u8> {
        let file = fs::File::open(self.options().database_in).unwrap();
        let mut database = Vec::new();
        flate2::read::MultiGzDecoder::new(file)
            .read_to_end(&mut database)
            .unwrap();
        database
    }

    /// The paths in the baseline that a text selects, without the root.
    fn selected(&self, text: &str) -> Vec<String> {
        self.init(&self.prepare(text).effective);
        // The database has them in URL encoding.
        let database = String::from_utf8(self.database())
            .unwrap()
            .replace("%7E", "~");
        database
            .lines()
            .filter_map(|line| line.split(' ').next()?.strip_prefix(self.root()))
            .map(|path| if path.is_empty() { "/" } else { path }.to_owned())
            .collect()
    }
}

const CHANGES: Verdict = Verdict::Changes {
    added: true,
    removed: true,
    changed: true,
};
const CHANGED: Verdict = Verdict::Changes {
    added: false,
    removed: false,
    changed: true,
};

fn kinds(report: &Report) -> Vec<(String, ChangeKind)> {
    report
        .changes
        .iter()
        .map(|change| (display_path(&change.path), change.kind))
        .collect()
}

fn change<'a>(report: &'a Report, path: &[u8]) -> &'a Change {
    let found = report.changes.iter().find(|change| change.path == path);
    found.unwrap_or_else(|| panic!("{} is not in {report:#?}", display_path(path)))
}

#[test]
fn takes_every_text_after_migration() {
    for (name, text) in TEXTS {
        let node = Node::new();
        let output = node.aide("--config-check", &node.prepare(text).effective);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {stderr}");
        // What AIDE warns of is deprecated, but works.
        let unexpected: Vec<&str> = stderr
            .lines()
            .filter(|line| !line.contains("DEPRECATED") || line.contains("ERROR"))
            .collect();
        assert_eq!(unexpected, [""; 0], "{name}");
    }
}

const ODD_NAMES: [&[u8]; 5] = [
    b"new\nline",
    b"no\xff\xfeutf8",
    b"back\\slash\\012",
    b"\"quoted\"",
    b"\x1b\x1f\x7f",
];

/// A node with files of all kinds, and what is watched on it.
fn node_with_files() -> (Node, String) {
    let node = Node::new();
    for file in ["same", "content", "mode", "gone", "owner"] {
        node.write(format!("etc/{file}"), file);
    }
    for name in ODD_NAMES {
        node.write(Path::new("etc/odd").join(OsStr::from_bytes(name)), "old");
    }
    symlink("same", node.path("etc/link")).unwrap();
    let effective = node.prepare("/etc ftype+p+u+l+sha256+sha512\n").effective;
    (node, effective)
}

/// Changes the files in all ways. Was it possible to give one to another owner?
fn change_files(node: &Node) -> bool {
    node.write("etc/content", "other");
    node.write("etc/added", "added");
    fs::set_permissions(node.path("etc/mode"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::remove_file(node.path("etc/gone")).unwrap();
    fs::remove_file(node.path("etc/link")).unwrap();
    symlink("/etc/shadow", node.path("etc/link")).unwrap();
    for name in ODD_NAMES {
        node.write(Path::new("etc/odd").join(OsStr::from_bytes(name)), "new");
    }
    chown(node.path("etc/owner"), Some(1234), None).is_ok()
}

#[test]
fn digest_is_of_the_uncompressed_database() {
    let (node, effective) = node_with_files();
    let init = node.init(&effective);
    let digest = Some(hex(&Sha256::digest(node.database())));
    assert_eq!(init.database_digest, digest);
    assert_eq!(node.plain_report().database_digest, digest);
    // /etc, kubernetes, odd and its five, five files, a link
    assert_eq!((init.total, init.added, init.truncated), (14, 0, false));
    assert!(init.aide_version.starts_with("0.19"));

    let (verdict, clean) = node.check(&effective);
    assert_eq!(verdict, Verdict::Clean);
    assert_eq!((clean.total, clean.changes.len()), (14, 0));
    assert_eq!(clean.database_digest, digest);
    assert_eq!(node.plain_report().database_digest, digest);
}

#[test]
fn tells_which_files_changed() {
    let (node, effective) = node_with_files();
    node.init(&effective);
    let is_root = change_files(&node);
    let (verdict, report) = node.check(&effective);
    assert_eq!(verdict, CHANGES);
    let mut expected: BTreeMap<String, ChangeKind> = [
        ("/etc/added", ChangeKind::Added),
        ("/etc/content", ChangeKind::Changed),
        ("/etc/gone", ChangeKind::Removed),
        ("/etc/link", ChangeKind::Changed),
        ("/etc/mode", ChangeKind::Changed),
    ]
    .map(|(path, kind)| (path.to_owned(), kind))
    .into();
    for name in ODD_NAMES {
        expected.insert(
            display_path(&[b"/etc/odd/", name].concat()),
            ChangeKind::Changed,
        );
    }
    if is_root {
        expected.insert("/etc/owner".to_owned(), ChangeKind::Changed);
    }
    let changed = expected.len() as u64 - 2;
    assert_eq!(
        kinds(&report).into_iter().collect::<BTreeMap<_, _>>(),
        expected
    );
    assert_eq!(
        (report.added, report.removed, report.changed),
        (1, 1, changed)
    );
}

#[test]
fn tells_what_changed_about_them() {
    let (node, effective) = node_with_files();
    node.init(&effective);
    let is_root = change_files(&node);
    let (_, report) = node.check(&effective);
    let attributes = |path: &[u8]| change(&report, path).attributes.to_vec();
    assert_eq!(attributes(b"/etc/content"), ["sha256", "sha512"]);
    assert_eq!(attributes(b"/etc/mode"), ["permissions"]);
    assert_eq!(attributes(b"/etc/link"), ["link"]);
    if is_root {
        assert_eq!(attributes(b"/etc/owner"), ["owner"]);
    }
    let mode = ["permissions", "-rw-r--r--", "-rwsr-xr-x"].map(str::to_owned);
    assert_eq!(change(&report, b"/etc/mode").details, [mode.into()]);
    let added = change(&report, b"/etc/added");
    assert!(added.attributes.is_empty());
    let digest = base64(&Sha256::digest(b"added"));
    let values = (String::new(), digest);
    assert!(
        added
            .details
            .contains(&("sha256".to_owned(), values.0, values.1))
    );
    assert!(added.new_values.is_some());
    assert_eq!(change(&report, b"/etc/gone").new_values, None);
}

#[test]
fn both_reports_tell_the_same() {
    let (node, effective) = node_with_files();
    node.init(&effective);
    change_files(&node);
    let (_, mut report) = node.check(&effective);
    let mut plain = node.plain_report();
    for change in report.changes.iter_mut().chain(&mut plain.changes) {
        change.new_values = None;
        change.details.clear();
    }
    assert_eq!(plain, report);
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn hash_tells_new_content_of_what_is_reported_already() {
    let node = Node::new();
    node.write("etc/passwd", "root");
    let effective = node.prepare("/etc p+sha256\n").effective;
    node.init(&effective);
    let hash = || ChangeSet::new(&node.check(&effective).1).hash().to_owned();
    let clean = hash();
    node.write("etc/added", "1");
    let added = hash();
    assert_ne!(added, clean);
    assert_eq!(hash(), added);
    node.write("etc/added", "2");
    let rewritten = hash();
    assert_ne!(rewritten, added);
    node.write("etc/passwd", "root2");
    let changed = hash();
    assert_ne!(changed, rewritten);
    node.write("etc/passwd", "root3");
    assert_ne!(hash(), changed);
    fs::remove_file(node.path("etc/added")).unwrap();
    node.write("etc/passwd", "root");
    assert_eq!(hash(), clean);
}

/// A shell that was made, given other rights, and to another owner, and a link with another target:
/// each of them is told as something else.
#[test]
fn hash_tells_new_values_of_what_is_reported_already() {
    let node = Node::new();
    for file in ["etc/changed", "etc/stays"] {
        node.write(file, "text");
    }
    symlink("before", node.path("etc/link")).unwrap();
    // Not the directory: whether it is listed depends on the second at which it changed.
    let rule = "/etc f,l p+u+g+s+i+n+l+ftype+m+c+a+b+acl+xattrs+sha256\n";
    let effective = node.prepare(rule).effective;
    node.init(&effective);
    let set = || ChangeSet::new(&node.check(&effective).1);
    let chmod = |file: &str, mode| {
        fs::set_permissions(node.path(file), fs::Permissions::from_mode(mode)).unwrap();
    };
    let link = |file: &str, target: &str| {
        drop(fs::remove_file(node.path(file)));
        symlink(target, node.path(file)).unwrap();
    };
    let steps: [&dyn Fn(); 10] = [
        &|| chmod("etc/changed", 0o600),
        &|| chmod("etc/changed", 0o4755),
        &|| link("etc/link", "other"),
        &|| link("etc/link", "/etc/shadow"),
        &|| node.write("etc/added", "text"),
        &|| chmod("etc/added", 0o600),
        &|| chmod("etc/added", 0o4755),
        &|| link("etc/new-link", "a"),
        &|| link("etc/new-link", "/etc/shadow"),
        &|| drop(lchown(node.path("etc/added"), Some(1), Some(1))),
    ];
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let steps = &steps[..if is_root { 10 } else { 9 }];
    let mut before = set();
    for (n, step) in steps.iter().enumerate() {
        step();
        let now = set();
        assert_ne!(now.hash(), before.hash(), "step {n}");
        assert_eq!(now.hash(), set().hash(), "step {n}: a further scan");
        before = now;
    }
    // Times, and the inode.
    let added = node.path("etc/added");
    let copy = node.path("copy");
    fs::rename(&added, &copy).unwrap();
    fs::copy(&copy, &added).unwrap();
    if is_root {
        lchown(&added, Some(1), Some(1)).unwrap();
    }
    assert_eq!(set().hash(), before.hash(), "the same file again");
}

#[test]
fn only_own_files_are_left_out_of_the_database() {
    let node = Node::new();
    let files = [
        "etc/kubernetes/aide.d/x",
        "etc/kubernetes/aidex",
        "etc/x/aide.y",
    ];
    for file in files {
        node.write(file, "");
    }
    let selected = node.selected("/etc/kubernetes f p\n/etc/x f p\n");
    assert_eq!(selected, files.map(|file| format!("/{file}")));
}

#[test]
fn negative_rules_mean_what_they_meant() {
    let node = Node::new();
    for file in ["etc/a/b/c", "etc/d", "etc/e", "dev/null", "dev/shm/x"] {
        node.write(file, "");
    }
    let old = "/ p\n!/dev$\n!/etc/a\n!/etc/e f\n!/etc/kubernetes\n";
    assert_eq!(node.selected(old), ["/", "/etc", "/etc/d"]);
    // `0` restricts to nothing, so that AIDE does not warn of a rule without a restriction.
    let explicit = "/ 0 p\n!/dev$ 0\n!/etc/a$ 0\n!/etc/e f\n!/etc/kubernetes\n";
    assert_eq!(node.selected(explicit), ["/", "/etc", "/etc/d"]);
    assert_eq!(node.selected("=/$ p\n"), ["/"]);
    // `-` says that the file is written for 0.19, where `!` leaves out the directory's own entry.
    let new = "/ p\n!/dev$\n-/etc$\n";
    assert_eq!(
        node.selected(new),
        ["/", "/dev/null", "/dev/shm", "/dev/shm/x"]
    );
}

#[test]
fn the_generic_profile_watches_what_matters() {
    let node = Node::new();
    let watched = [
        "usr/bin/ls",
        "boot/vmlinuz",
        "etc/passwd",
        "etc/ld.so.cache",
        "etc/machine-id",
        "etc/kubernetes/manifests/kube-apiserver.yaml",
        "etc/resolvconf/head",
        "opt/cni/bin/bridge",
        "root/.ssh/authorized_keys",
        "root/.bashrc",
        "lib64/ld.so",
        "etc/systemd/system/kubelet.service",
        "etc/kubernetes/aide.d/x",
        "etc/kubernetes/aide.logs",
    ];
    let unwatched = [
        "var/log/messages",
        "var/opt/data",
        "run/x",
        "proc/1/maps",
        "home/a/b",
        "etc/mtab",
        "etc/resolv.conf",
        "etc/.resolv.conf.swp",
        "etc/adjtime",
        "etc/cni/net.d/10-calico.conflist",
        "etc/kubernetes/aide.db.gz",
        "etc/kubernetes/aide.log",
        "etc/kubernetes/aide.log.backup-20251124T06_30_00",
        "etc/kubernetes/aide.baseline.json.new",
        "etc/kubernetes/aide.lock",
        "etc/cni/multus/net.d/istio.conf",
        "etc/.git/index",
        "etc/lvm/backup/vg0",
        "etc/.passwd.swp",
        "etc/default/grub~",
        "root/.bash_history",
        "root/.cache/x/y",
        "root/.kube/config",
        "root/.lesshst",
        "root/.ssh/known_hosts",
        "boot/grub2/grubenv",
        "boot/efi/EFI/fedora/grubenv",
        "boot/efi/loader/random-seed",
        "usr/lib/sysimage/rpm/rpmdb.sqlite-shm",
        "etcetera/x",
        "boots",
    ];
    watches(&node, Profile::Generic, &watched, &unwatched);
}

#[test]
fn the_openshift_profile_watches_what_the_original_did() {
    let node = Node::new();
    let watched = [
        "boot/vmlinuz",
        "usr/bin/ls",
        "usr/srcs",
        "etc/passwd",
        "etc/mtab2",
        "etc/NetworkManager/system-connections2",
        "etc/kubernetes/kubelet.conf",
        "etc/kubernetes/manifests2",
        "etc/machine-config-daemon/currentconfig2",
        "etc/cni/net.d/x",
        "etc/a~b",
        "root/.bashrc",
        "root/.kubeconfig",
        "root/x",
        "var/roothome/x",
        "var/usrlocal/bin/x",
        "etc/kubernetes/aide.d/x",
        "etc/kubernetes/aide.logs",
    ];
    let unwatched = [
        "var/x",
        "var/opt/x",
        "opt/x",
        "bin/x",
        "usr/src/x",
        "usr/tmp/x",
        "root/.kube/config",
        "etc/mtab",
        "etc/a~",
        "etc/NetworkManager/system-connections/x",
        "etc/openvswitch/conf.db",
        "etc/openvswitch/conf.db.~lock~",
        "etc/selinux/targeted/policy",
        "etc/pki/ca-trust/extracted/java/cacerts",
        "etc/kubernetes/static-pod-resources/x/y",
        "etc/kubernetes/manifests/x",
        "etc/kubernetes/kubelet-ca.crt",
        "etc/kubernetes/cni/net.d/x",
        "etc/kubernetes/aide.db.gz",
        "etc/kubernetes/compliance-operator/x",
        "etc/kubernetes/node-feature-discovery/x",
        "etc/cni/multus/certs/x",
        "etc/cni/multus/net.d/istio.conf",
        "var/roothome/.kube/config",
        "etc/docker/certs.d/x/ca.crt",
        "etc/mco/internal-registry-pull-secret.json",
        "etc/machine-config-daemon/currentconfig",
        "etc/machine-config-daemon/node-annotation.json.bak",
        "etc/cvo/updatepayloads/x",
    ];
    watches(&node, Profile::Openshift, &watched, &unwatched);
}

/// The root file system of Red Hat Enterprise Linux `CoreOS` and Fedora `CoreOS`: a rule for a directory
/// that is a symbolic link selects the link only.
#[test]
fn the_profiles_watch_what_lies_behind_the_links_of_an_ostree_node() {
    let both = [
        "var/roothome/.ssh/authorized_keys",
        "var/roothome/newfile",
        "var/usrlocal/bin/x",
        "usr/bin/k",
    ];
    let unwatched = ["var/home/core/x", "var/lib/x", "var/roothome/.kube/config"];
    let generic = ["var/opt/cni/bin/bridge"];
    for (profile, other) in [(Profile::Generic, &generic[..]), (Profile::Openshift, &[])] {
        let node = Node::new();
        for path in both.iter().chain(&generic).chain(&unwatched) {
            node.write(path, "");
        }
        for (link, target) in [
            ("root", "var/roothome"),
            ("home", "var/home"),
            ("opt", "var/opt"),
            ("bin", "usr/bin"),
            ("usr/local", "../var/usrlocal"),
        ] {
            symlink(target, node.path(link)).unwrap();
        }
        let selected = node.selected(profile.text());
        let is_selected = |path: &&&str| selected.contains(&format!("/{path}"));
        let found: Vec<&str> = both
            .iter()
            .chain(&generic)
            .chain(&unwatched)
            .filter(is_selected)
            .copied()
            .collect();
        let expected: Vec<&str> = both.iter().chain(other).copied().collect();
        assert_eq!(found, expected, "{profile:?}");
    }
}

fn watches(node: &Node, profile: Profile, watched: &[&str], unwatched: &[&str]) {
    for path in watched.iter().chain(unwatched) {
        node.write(path, "");
    }
    let selected = node.selected(profile.text());
    let found: Vec<&str> = watched
        .iter()
        .chain(unwatched)
        .copied()
        .filter(|path| selected.contains(&format!("/{path}")))
        .collect();
    assert_eq!(found, watched);
}

#[test]
fn order_of_rules_is_kept() {
    let node = Node::new();
    node.write("etc/first", "1");
    node.write("etc/second", "1");
    let effective = node
        .prepare("/etc/fir p\n/etc/.*s sha256\n/etc/second p\n")
        .effective;
    node.init(&effective);
    node.write("etc/first", "2");
    node.write("etc/second", "2");
    let (_, report) = node.check(&effective);
    assert_eq!(
        kinds(&report),
        [("/etc/second".to_owned(), ChangeKind::Changed)]
    );
}

#[test]
fn content_stays_watched_without_unsupported_digests() {
    for text in [
        "OLD = tiger+haval\n/etc p+OLD\n",
        "/etc whirlpool\n",
        "NORMAL = p+u+g+crc32\n/etc NORMAL\n",
        "my_group = p+crc32b\n/etc my_group\n",
        "/etc R+tiger\n",
    ] {
        let node = Node::new();
        node.write("etc/passwd", "root1");
        let effective = node.prepare(text).effective;
        node.init(&effective);
        node.write("etc/passwd", "root2");
        let (verdict, report) = node.check(&effective);
        assert_eq!(verdict, CHANGED, "{text}");
        assert!(kinds(&report).contains(&("/etc/passwd".to_owned(), ChangeKind::Changed)));
    }
}

/// A text that would hide a change, or put the report elsewhere, does neither once prepared.
#[test]
fn options_of_the_user_hide_nothing() {
    for text in [
        "report_level=minimal\n",
        "report_quiet=yes\nreport_grouped=no\nreport_summarize_changes=no\nreport_base16=yes\n",
        "report_ignore_changed_attrs=sha256\n",
        "E = sha256\nreport_ignore_changed_attrs=E\np = sha256\n",
        "@@if defined X\n@@else\nreport_ignore_changed_attrs=sha256\n@@endif\n",
        "ignore_list=sha256\n",
        "root_prefix=/hostroot\n",
        "report_url=stdout\nreport_url=syslog:LOG_AUTH\nreport_url=fd:1\n",
        "database_attrs=E\ngzip_dbout=no\nnum_workers=0\nlog_level=trace\nverbose=255\n",
        "report_append=yes\nreport_format=plain\nreport_detailed_init=yes\n",
        "database_out=stdout\ndatabase_in=stdin\n",
    ] {
        let node = Node::new();
        node.write("etc/passwd", "root");
        let effective = node.prepare(&format!("{text}/etc sha256\n")).effective;
        let init = node.init(&effective);
        assert_eq!(
            init.database_digest,
            Some(hex(&Sha256::digest(node.database()))),
            "{text}"
        );
        node.write("etc/passwd", "toor");
        let output = node.aide("--check", &effective);
        assert_eq!(output.stdout, b"", "{text}");
        let (verdict, report) = node.check(&effective);
        assert_eq!(verdict, CHANGED, "{text}");
        assert_eq!(
            kinds(&report),
            [("/etc/passwd".to_owned(), ChangeKind::Changed)],
            "{text}"
        );
    }
}

/// Ways to smuggle an option or an include past a reader that goes by lines. None is refused by us,
/// so it must do nothing.
#[test]
fn hidden_lines_do_nothing() {
    for hidden in [
        "report_url=file:{file}",
        "database_out=file:{file}",
        "@@define X y",
    ] {
        for text in [
            "@@if defined X\n/etc p\n@@else {hidden}\n/usr p\n@@endif\n",
            "@@if defined X\n/etc p\n@@endif {hidden}\n",
            "@@define A b {hidden}\n/etc p\n",
            "@@undef A {hidden}\n/etc p\n",
            "config_version=1 {hidden}\n/etc p\n",
            "/etc p\r{hidden}\n",
            "# comment\r{hidden}\n/etc p\n",
            "\u{b}{hidden}\n/etc p\n",
            "\u{a0}{hidden}\n/etc p\n",
            "@@if x\nversion_ge 1\n{hidden}\n@@endif\n/etc p\n",
            "@@if x\n#version_ge 1 {hidden}\n@@endif\n/etc p\n",
            "@@if x\\\n{hidden}\n@@endif\n/etc p\n",
            "/etc p\\\n{hidden}\n",
            "X = p {hidden}\n/etc p\n",
        ] {
            let node = Node::new();
            node.write("etc/passwd", "root");
            let file = node.aside.path().join("aide.hidden");
            let hidden = hidden.replace("{file}", file.to_str().unwrap());
            let Ok(prepared) = prepare(
                &text.replace("{hidden}", &hidden),
                "/etc/kubernetes",
                node.root(),
            ) else {
                continue;
            };
            node.aide("--init", &prepared.effective);
            node.aide("--check", &prepared.effective);
            assert!(!file.exists(), "{text:?} {hidden}");
        }
    }
}

/// The same for programs: whatever runs must have got past the refusal.
#[test]
fn programs_never_run() {
    for text in [
        "@@x_include {program}\n",
        "@@if x\nversion_ge 1\n@@x_include {program}\n@@endif\n",
        "@@define A @@x_include\n@@{A} {program}\n",
        "@@define A x_include\n@@@@{A} {program}\n",
        "@@\\x_include {program}\n",
        "# a\r@@x_include {program}\n",
        "\u{feff}@@x_include {program}\n",
        "\0@@x_include {program}\n",
    ] {
        let node = Node::new();
        let program = node.aside.path().join("program");
        let proof = node.aside.path().join("proof");
        fs::write(&program, format!("#!/bin/sh\n: >{}\n", proof.display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let text = text.replace("{program}", program.to_str().unwrap());
        if let Ok(prepared) = prepare(&text, "/etc/kubernetes", node.root()) {
            node.aide("--config-check", &prepared.effective);
            assert!(!proof.exists(), "{text:?}");
        }
        // The program is one that AIDE would run.
        node.aide(
            "--config-check",
            &format!("@@x_include {}\n", program.display()),
        );
        assert!(proof.exists());
    }
}

/// Even a configuration that was not prepared does not get around our own lines.
#[test]
fn own_lines_hold_against_any_configuration() {
    let node = Node::new();
    node.write("etc/passwd", "root");
    let root = node.root();
    let effective = format!(
        "database_in=file:{root}/elsewhere\ndatabase_out=file:{root}/elsewhere\n\
         log_level=trace\nnum_workers=0\nreport_level=minimal\nreport_quiet=yes\nE=sha256\n\
         report_ignore_changed_attrs=sha256\ndatabase_attrs=E\n{root}/etc sha256\n"
    );
    node.init(&effective);
    assert!(!node.path("elsewhere").exists());
    node.write("etc/passwd", "toor");
    let (verdict, report) = node.check(&effective);
    assert_eq!((verdict, report.changes.len()), (CHANGED, 1));
    assert!(report.database_digest.is_some());
}

#[test]
fn own_files_are_no_changes() {
    let node = Node::new();
    let effective = node.prepare("/ p+sha256\n").effective;
    node.init(&effective);
    for file in [
        "aide.log",
        "aide.log.new",
        "aide.log.backup-20251124T06_30_00",
        "aide.db.gz.new",
        "aide.db.gz.backup-20251124T06_30_00",
        "aide.baseline.json",
        "aide.baseline.json.new",
        "aide.backup.new",
        "aide.lock",
        "aide.reinit",
    ] {
        node.write(format!("etc/kubernetes/{file}"), "ours");
    }
    assert_eq!(node.check(&effective).0, Verdict::Clean);
    node.write("etc/kubernetes/other", "");
    let (_, report) = node.check(&effective);
    assert_eq!(
        kinds(&report),
        [("/etc/kubernetes/other".to_owned(), ChangeKind::Added)]
    );
}

#[test]
fn empty_branches_are_filled() {
    let node = Node::new();
    for text in [
        "@@ifdef X\nreport_quiet=yes\n@@endif\n/etc p\n",
        "@@ifdef X\n\n@@else\n# nothing\n@@endif\n/etc p\n",
        "@@ifdef X\n/usr p\n@@else\nverbose=5\nverbose=6\n@@endif\n/etc p\n",
        "@@ifdef X\n@@endif\n@@if defined X\n@@else\n@@endif\n@@ifhost a\n/usr p\n@@else\n@@endif\n/etc p\n",
        "@@ifndef X\n@@ifhost a\n@@endif\n@@endif\n/etc p\n",
        "@@ifdef X\n@@ifdef Y\nroot_prefix=/a\n@@endif\n@@endif\n/etc p",
    ] {
        let output = node.aide("--config-check", &node.prepare(text).effective);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{text}: {stderr}");
    }
}

#[test]
fn errors_name_the_users_line() {
    let table = [
        (
            "/usr p\n/etc NONE\n",
            "line 2: group 'NONE' is not defined (`{root}/etc NONE`)",
        ),
        (
            "/usr p\r\n/etc\tNONE\r\n",
            "line 2: group 'NONE' is not defined (`{root}/etc\\011NONE`)",
        ),
        (
            "/etc p+(\n",
            "line 1: unexpected character: '(' (`{root}/etc p+(`)",
        ),
        (
            "/etc/( p\n",
            "line 1: error in rule '{root}/etc/(': missing closing parenthesis (`{root}/etc/( p`)",
        ),
        // There is no such thing as a line that goes on in the next one.
        (
            "/usr p\n/etc p+\\\nu\n",
            "line 2: unexpected character: '\\' (`{root}/etc p+\\`)",
        ),
        (
            "config_verzion=1\n",
            "line 1: unknown config option: 'config_verzion' (`config_verzion=1`)",
        ),
        (
            "@@define A /x\n/@@{A}[ p\n",
            "line 2: error in rule '…': missing terminating ] for character class (`{root}/@@{A}[ p`)",
        ),
    ];
    for (text, expected) in table {
        let node = Node::new();
        let effective = node.prepare(text).effective;
        let output = node.aide("--config-check", &effective);
        let ended = decode_plain(output.status.code(), output.status.signal());
        assert_eq!(ended, Err(AideError::Configuration), "{text}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let told = aide_error(&stderr, &effective, None, &node.config_file());
        assert_eq!(told, expected.replace("{root}", &escaped_root(&node)));
    }
}

/// The root as rules have it.
fn escaped_root(node: &Node) -> String {
    node.root().replace('.', "\\.")
}

#[test]
fn other_errors_come_as_aide_says_them() {
    let node = Node::new();
    let effective = node.prepare("/etc p\n").effective;
    let output = node.aide("--check", &effective);
    assert_eq!(
        decode(output.status.code(), None),
        Verdict::Error(AideError::Io)
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    let told = aide_error(&stderr, &effective, None, &node.config_file());
    assert!(
        told.contains("aide.db.gz") && told.contains("No such file"),
        "{told}"
    );
}

#[test]
fn a_report_cut_off_anywhere_says_so() {
    let node = Node::new();
    for n in 0..10 {
        node.write(format!("etc/{n}"), "old");
    }
    let effective = node.prepare("/etc p+sha256\n").effective;
    node.init(&effective);
    for n in 5..15 {
        node.write(format!("etc/{n}"), "new");
    }
    fs::remove_file(node.path("etc/0")).unwrap();
    node.check(&effective);
    let json = fs::read(node.options().json_report).unwrap();
    let end = json.iter().rposition(|&byte| byte == b'}').unwrap();
    for length in 1..=end {
        let report =
            parse_json(&json[..length]).unwrap_or_else(|error| panic!("{length}: {error}"));
        assert!(report.truncated, "{length}");
    }
    assert!(!parse_json(&json[..]).unwrap().truncated);
}
