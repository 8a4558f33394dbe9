//! Databases of a real AIDE.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::aide::exit::CheckStatus;
use crate::aide::report::Report;
use crate::testing::aide_binary::Node;

const RULE: &str = "/etc p+u+g+ftype+l+s+n+i+m+c+acl+xattrs+caps+sha256\n";

fn odd_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        &b"with space"[..],
        b"at@sign",
        b"colon:",
        b"percent%41%zz%",
        b"#hash",
        b"new\nline",
        b"no\xff\xfeutf8",
        b"back\\slash\\012",
        b"\"quoted\",comma",
        b"\x01\x1b\x7f",
        "\u{e4}\u{202e}".as_bytes(),
        b"0",
    ]
    .map(<[u8]>::to_vec)
    .into();
    names.push(vec![b'n'; 255]);
    names.push(vec![0xff; 255]);
    names
}

/// A file with this content for each name, and what is none.
fn write_files(node: &Node, content: &str) {
    for name in odd_names() {
        node.write(Path::new("etc/odd").join(OsStr::from_bytes(&name)), content);
    }
}

fn path_of(node: &Node, path: &[u8]) -> Vec<u8> {
    [node.root().as_bytes(), path].concat()
}

fn changed(report: &Report) -> BTreeSet<Vec<u8>> {
    report
        .changes
        .iter()
        .map(|change| change.path.clone())
        .collect()
}

fn odd_paths() -> BTreeSet<Vec<u8>> {
    let path = |name: Vec<u8>| [&b"/etc/odd/"[..], &name].concat();
    odd_names().into_iter().map(path).collect()
}

/// Replaces the database of the node.
fn replace_database(node: &Node, with: &Path) {
    fs::rename(with, node.options().database_in).unwrap();
}

/// Compares the node with its database. AIDE understands each line of it.
fn check(node: &Node, effective: &str) -> Report {
    let output = node.aide("--check", effective);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "", "AIDE warns");
    node.report()
}

/// Databases of AIDE before and after a change of all files.
fn before_and_after(node: &Node, effective: &str) -> (PathBuf, PathBuf) {
    node.init(effective);
    write_files(node, "new");
    node.aide("--update", effective);
    let options = node.options();
    (options.database_in.into(), options.database_out.into())
}

#[test]
fn each_odd_name_can_be_merged_alone() {
    let node = Node::new();
    write_files(&node, "old");
    let effective = node.prepare(RULE).effective;
    let (old, new) = before_and_after(&node, &effective);
    let all = changed(&check(&node, &effective));
    let odd: BTreeSet<_> = odd_paths();
    assert!(odd.is_subset(&all), "{all:?}");
    let into = node.aside.path().join("merged");
    let original = node.aside.path().join("original");
    fs::copy(&old, &original).unwrap();
    for path in odd {
        let stored = path_of(&node, &path);
        let is_chosen = |it: &[u8]| it == stored;
        let keeps = |it: &[u8]| it != stored;
        let merged = merge(&original, &new, &into, &keeps, &is_chosen).unwrap();
        assert_eq!((merged.left_out, merged.taken), (1, 1));
        replace_database(&node, &into);
        let report = check(&node, &effective);
        assert_eq!(report.database_digest.unwrap(), merged.database.digest);
        let mut rest = all.clone();
        rest.remove(&path);
        assert_eq!(changed(&node.report()), rest);
    }
}

#[test]
fn what_is_removed_from_a_database_is_new_on_the_node() {
    let node = Node::new();
    write_files(&node, "old");
    symlink("/etc/passwd", node.path("etc/link")).unwrap();
    let effective = node.prepare(RULE).effective;
    let before = node.init(&effective);
    let below = path_of(&node, b"/etc/odd/");
    let (rest, removed) = (
        node.aside.path().join("rest"),
        node.aside.path().join("removed"),
    );
    let database = PathBuf::from(node.options().database_in);
    let divided = without(&database, &rest, &removed, &|path| path.starts_with(&below)).unwrap();
    assert_eq!(divided.removed.entries, odd_paths().len() as u64);
    assert_eq!(divided.rest.entries + divided.removed.entries, before.total);

    replace_database(&node, &rest);
    let report = check(&node, &effective);
    let added = odd_paths().len() as u64;
    assert_eq!((report.added, report.counted()), (added, added));
    assert_eq!(changed(&report), odd_paths());

    let again = node.aside.path().join("again");
    merge(&database, &removed, &again, &|_| true, &|_| true).unwrap();
    replace_database(&node, &again);
    let (status, report) = node.check(&effective);
    assert_eq!((status, report.counted()), (CheckStatus::Clean, 0));
}

#[test]
fn found_entries_have_the_values_of_the_file() {
    let node = Node::new();
    node.write("etc/a file", "text");
    fs::set_permissions(node.path("etc/a file"), fs::Permissions::from_mode(0o4750)).unwrap();
    symlink("0 target", node.path("etc/link")).unwrap();
    node.init(&node.prepare(RULE).effective);
    let wanted = [path_of(&node, b"/etc/a file"), path_of(&node, b"/etc/link")];
    let database = PathBuf::from(node.options().database_in);
    let found = find(&database, &|path| wanted.iter().any(|it| it == path)).unwrap();
    let value = |path: &Vec<u8>, column: &str| {
        String::from_utf8(found[path].value(column).unwrap().to_vec()).unwrap()
    };
    assert_eq!(value(&wanted[0], "perm"), "104750");
    assert_eq!(value(&wanted[0], "size"), "4");
    assert_eq!(value(&wanted[0], "lname"), "0");
    assert_eq!(
        value(&wanted[0], "acl"),
        "POSIX,dXNlcjo6cnd4Cmdyb3VwOjpyLXgKb3RoZXI6Oi0tLQo=,0"
    );
    assert_eq!(value(&wanted[1], "lname"), "00%20target");
    assert_eq!(value(&wanted[1], "sha256"), "0");
}
