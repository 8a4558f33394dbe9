//! Reports of a real AIDE.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{Change, ChangeKind, Report, display_path, parse_json};
use crate::aide::exit::CheckStatus;
use crate::api::names::hex;
use crate::scan::change_set::ChangeSet;
use crate::testing::aide_binary::Node;

const CHANGES: CheckStatus = CheckStatus::Changes {
    added: true,
    removed: true,
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

const ODD_NAMES: [&[u8]; 5] = [
    b"new\nline",
    b"no\xff\xfeutf8",
    b"back\\slash\\012",
    b"\"quoted\"",
    b"\x1b\x1f\x7f",
];

/// A node with files of all kinds, and its configuration.
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

/// Changes the files in all ways. Returns whether the owner of a file could be changed.
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
fn the_digest_is_that_of_the_uncompressed_database() {
    let (node, effective) = node_with_files();
    let init = node.init(&effective);
    let digest = Some(hex(&Sha256::digest(node.database())));
    assert_eq!(init.database_digest, digest);
    assert_eq!(node.plain_report().database_digest, digest);
    // /etc, kubernetes, odd and its five files, five files, a link
    assert_eq!((init.total, init.added, init.truncated), (14, 0, false));
    assert!(init.aide_version.starts_with("0.19"));

    let (status, clean) = node.check(&effective);
    assert_eq!(status, CheckStatus::Clean);
    assert_eq!((clean.total, clean.changes.len()), (14, 0));
    assert_eq!(clean.database_digest, digest);
    assert_eq!(node.plain_report().database_digest, digest);
}

#[test]
fn reports_list_changed_files() {
    let (node, effective) = node_with_files();
    node.init(&effective);
    let is_root = change_files(&node);
    let (status, report) = node.check(&effective);
    assert_eq!(status, CHANGES);
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
fn reports_list_changed_attributes() {
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
fn both_reports_have_the_same_content() {
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
fn the_hash_changes_with_new_content() {
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

/// Entries beyond the memory limit are hashed in the order of the report. It depends on the paths, not on the
/// order in which the files were created.
#[test]
fn the_order_of_a_long_report_depends_on_the_paths() {
    let node = Node::new();
    let effective = node.prepare("/etc p+sha256\n").effective;
    node.init(&effective);
    let files = |directory: u32| (0..20).map(move |file| format!("etc/{directory}/{file}"));
    let mut paths: Vec<String> = (0..5).flat_map(files).collect();
    let mut long = || {
        for path in &paths {
            node.write(path, "new");
        }
        node.check(&effective);
        for path in &paths {
            fs::remove_file(node.path(path)).unwrap();
        }
        paths.reverse();
        paths.rotate_left(17);
        let json = fs::File::open(node.options().json_report).unwrap();
        let report = super::json::parse(json, 5_000).unwrap();
        assert!(report.omitted.is_some_and(|omitted| omitted.entries > 50));
        let set = ChangeSet::new(&report);
        (set.hash().to_owned(), set.paths_hash().to_owned())
    };
    let first = long();
    for _ in 0..3 {
        assert_eq!(long(), first);
    }
}

/// A new shell, with other permissions, and another owner, and a link with another target: each has another hash.
#[test]
fn the_hash_changes_with_new_values() {
    let node = Node::new();
    for file in ["etc/changed", "etc/stays"] {
        node.write(file, "text");
    }
    symlink("before", node.path("etc/link")).unwrap();
    // Without the directory: whether it is listed depends on the second at which it changed.
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
fn an_incomplete_report_is_detected() {
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
