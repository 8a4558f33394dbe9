use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::*;
use crate::aide::report::display_path;
use crate::testing::aide_binary::Node as AideNode;

fn coverage(paths: &[(&[u8], Extent)]) -> Coverage {
    let mut coverage = Coverage::default();
    for (path, extent) in paths {
        coverage.add(path, *extent);
    }
    coverage
}

#[test]
fn expressions() {
    for (paths, expected) in [
        (
            &[(&b"/etc/passwd"[..], Extent::Own)][..],
            r"/hostroot/etc/passwd\z",
        ),
        (&[(b"/", Extent::Own)], r"/hostroot\z"),
        (&[(b"/", Extent::Subtree)], r"/hostroot(?:/|\z)"),
        (&[(b"/etc", Extent::Entries)], r"/hostroot/etc(?:/[^/]*)?\z"),
        (
            &[(b"/etc/a", Extent::Own), (b"/etc/b", Extent::Own)],
            r"/hostroot/etc/(?:a\z|b\z)",
        ),
        (
            &[(b"/etc", Extent::Own), (b"/etc/b", Extent::Own)],
            r"/hostroot/etc(?:\z|/b\z)",
        ),
        (
            &[(b"/etc", Extent::Subtree), (b"/etc/b", Extent::Own)],
            r"/hostroot/etc(?:/|\z)",
        ),
        (
            &[(b"/a.b+c$(d)", Extent::Own)],
            r"/hostroot/a\.b\+c\$\(d\)\z",
        ),
        (
            &[(b"/getty@.service", Extent::Own)],
            r"/hostroot/getty(?:@|%40)\.service\z",
        ),
        (
            &[("/\u{e9}\n[".as_bytes(), Extent::Own)],
            r"/hostroot/(?:é|%C3%A9)(?:\x{0a}|%0A)(?:\[|%5B)\z",
        ),
        (&[(b"/a/\xff/b", Extent::Own)], r"/hostroot/a/[^/]*/b\z"),
    ] {
        let coverage = coverage(paths);
        let seen = expression(&coverage, "/hostroot");
        assert_eq!(seen.as_deref(), Some(expected), "{paths:?}");
    }
}

#[test]
fn an_expression_that_aide_refuses_is_not_returned() {
    let mut coverage = Coverage::default();
    for number in 0..3000 {
        coverage.add(format!("/etc/file-{number}").as_bytes(), Extent::Own);
    }
    assert_eq!(expression(&coverage, "/hostroot"), None);
    assert!(expression(&coverage.by_directory(), "/hostroot").is_some());
}

const NAMES: [&[u8]; 12] = [
    b"plain",
    b"getty@.service",
    b"a b",
    b"<>\"#%{}|\\^~[]`@:'",
    b"$.*+?()",
    b"new\nline",
    b"\x1b\x1f\x7f",
    "\u{e9}\u{1f980}".as_bytes(),
    b"no\xff\xfeutf8",
    b"%41",
    b"A",
    b"-",
];

/// Each entry is compared when it is covered, and another name is not: with names that AIDE encodes.
#[test]
fn aide_selects_the_covered_entries() {
    let node = AideNode::new();
    let file = |name: &[u8]| Path::new("etc").join(OsStr::from_bytes(name));
    for name in NAMES {
        node.write(file(name), "old");
    }
    let effective = node.prepare("/etc ftype+p+sha256\n").effective;
    node.init(&effective);
    for name in NAMES {
        fs::write(node.path(file(name)), "new").unwrap();
    }
    for name in NAMES {
        let path = [b"/etc/", name].concat();
        let limit = expression(&coverage(&[(&path, Extent::Own)]), node.root()).unwrap();
        let (_, report) = node.check_within(&effective, &limit);
        let seen: BTreeSet<&[u8]> = report.changes.iter().map(|it| it.path.as_slice()).collect();
        let shown: Vec<String> = seen.iter().map(|path| display_path(path)).collect();
        assert!(seen.contains(path.as_slice()), "{limit}: {shown:?}");
        let is_exact = std::str::from_utf8(name).is_ok();
        assert!(seen.len() == 1 || !is_exact, "{limit}: {shown:?}");
        let added = report
            .changes
            .iter()
            .filter(|it| it.kind == crate::aide::report::ChangeKind::Added);
        assert_eq!(
            added.count(),
            0,
            "{limit}: the entry of the database was not selected"
        );
    }
}

/// A directory that was moved in, one that was removed, and entries of one.
#[test]
fn aide_selects_directories() {
    let node = AideNode::new();
    node.write("etc/gone/deep/file", "old");
    node.write("etc/dir/file", "old");
    node.write("etc/dir/sub/file", "old");
    let effective = node.prepare("/etc ftype+p+sha256\n").effective;
    node.init(&effective);
    fs::remove_dir_all(node.path("etc/gone")).unwrap();
    node.write("etc/new/deep/file", "new");
    fs::write(node.path("etc/dir/file"), "new").unwrap();
    fs::write(node.path("etc/dir/sub/file"), "new").unwrap();
    let selected = |paths: &[(&[u8], Extent)]| -> Vec<String> {
        let limit = expression(&coverage(paths), node.root()).unwrap();
        let (_, report) = node.check_within(&effective, &limit);
        report
            .changes
            .iter()
            .map(|it| display_path(&it.path))
            .collect()
    };
    assert_eq!(
        selected(&[(b"/etc/gone", Extent::Subtree)]),
        ["/etc/gone", "/etc/gone/deep", "/etc/gone/deep/file"]
    );
    assert_eq!(
        selected(&[(b"/etc/new", Extent::Subtree)]),
        ["/etc/new", "/etc/new/deep", "/etc/new/deep/file"]
    );
    assert_eq!(
        selected(&[(b"/etc/dir", Extent::Entries)]),
        ["/etc/dir/file"]
    );
    assert_eq!(selected(&[(b"/etc/dir", Extent::Own)]), [""; 0]);
    assert_eq!(
        selected(&[
            (b"/etc/new", Extent::Own),
            (b"/etc/dir/sub/file", Extent::Own)
        ]),
        ["/etc/dir/sub/file", "/etc/new"]
    );
}
