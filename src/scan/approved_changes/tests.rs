use std::sync::Arc;

use super::*;
use crate::aide::report::Change;
use crate::api::ChangeKind as Listed;

/// Bits of the attributes of a file with all that is compared here: lname, perm, uid, gid, size, times, inode, blocks,
/// links, acl, sha256, sha512, selinux, xattrs, e2fsattrs and capabilities.
const ALL: &str = "222266658814";
/// sha256 and sha512 of two contents, as in the database and as listed.
const OLD: (&str, &str) = ("AAAA", "AAAAAA==");
const NEW: (&str, &str) = ("AQID", "AQIDBA==");

fn change(path: &str, kind: Listed) -> ApprovedChange {
    ApprovedChange::new(path.to_owned(), kind)
}

/// A regular file of the database, with these other values.
fn entry(others: &[(&str, &str)]) -> Entry {
    let mut values = vec![
        ("name", "/hostroot/etc/a"),
        ("lname", "0"),
        ("attr", ALL),
        ("perm", "100644"),
        ("uid", "0"),
        ("gid", "0"),
        ("size", "1"),
        ("mtime", "1"),
        ("inode", "1"),
        ("lcount", "1"),
        ("acl", "0"),
        ("sha256", OLD.0),
        ("sha512", OLD.1),
        ("selinux", "c3lzdGVt"),
        ("xattrs", "0"),
        ("e2fsattrs", "0"),
        ("capabilities", "0"),
    ];
    for (name, value) in others {
        values.iter_mut().find(|(it, _)| it == name).unwrap().1 = value;
    }
    Entry::of(&values)
}

/// As [`Expected`], with digests that are shorter than real ones.
fn expected(kind: ChangeKind) -> Expected {
    let parsed = Expected::parse(&ApprovedChange {
        mode: Some("0644".to_owned()),
        uid: Some(0),
        gid: Some(0),
        ..change("/etc/a", Listed::Added)
    });
    let (_, expected) = parsed.unwrap();
    Expected { kind, ..expected }
}

fn with_digest(name: &str, digest: &[u8], expected: Expected) -> Expected {
    Expected {
        digests: [(name.to_owned(), digest.to_vec())].into(),
        ..expected
    }
}

fn nothing_given(kind: ChangeKind) -> Expected {
    Expected {
        kind,
        permissions: None,
        uid: None,
        gid: None,
        ..expected(kind)
    }
}

/// What is odd, what is listed, what is new in the database, and why the change is not approved.
type Case<'a> = (
    &'a str,
    &'a Expected,
    &'a [(&'a str, &'a str)],
    Option<&'a str>,
);

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn a_changed_file_is_approved_if_all_new_values_are_known() {
    let none = nothing_given(ChangeKind::Changed);
    let content = with_digest("sha256", &[1, 2, 3], none.clone());
    let new_content = [("sha256", NEW.0), ("sha512", NEW.1), ("size", "2")];
    let mode = Expected {
        permissions: Some(0o755),
        ..none.clone()
    };
    let table: [Case<'_>; 17] = [
        (
            "incidental",
            &none,
            &[("mtime", "2"), ("inode", "9"), ("lcount", "2")],
            None,
        ),
        ("content", &content, &new_content, None),
        (
            "no digest",
            &none,
            &new_content,
            Some("the size has changed, and no digest is listed"),
        ),
        (
            "same size",
            &none,
            &new_content[..2],
            Some("the content has changed, and no digest is listed"),
        ),
        (
            "other content",
            &content,
            &[("sha256", OLD.0), ("sha512", NEW.1)],
            Some("the content is another one"),
        ),
        ("mode", &mode, &[("perm", "100755")], None),
        (
            "other mode",
            &mode,
            &[("perm", "104755")],
            Some("the mode is another one"),
        ),
        (
            "mode beside content",
            &content,
            &[("sha256", NEW.0), ("perm", "100755")],
            Some("the mode has changed, and is not listed"),
        ),
        (
            "owner",
            &none,
            &[("uid", "1")],
            Some("the owner has changed, and is not listed"),
        ),
        (
            "group",
            &none,
            &[("gid", "1")],
            Some("the group has changed, and is not listed"),
        ),
        (
            "type",
            &none,
            &[("perm", "120777"), ("lname", "b")],
            Some("it has another type than before"),
        ),
        (
            "label",
            &none,
            &[("selinux", "b3RoZXI=")],
            Some("the SELinux label has changed"),
        ),
        (
            "flags",
            &none,
            &[("e2fsattrs", "16")],
            Some("an attribute has changed that cannot be listed"),
        ),
        (
            "xattrs",
            &none,
            &[("xattrs", "1,user.a,YQ==")],
            Some("extended attributes have changed, and are not listed"),
        ),
        (
            "capabilities",
            &content,
            &[("sha256", NEW.0), ("capabilities", "YQ==")],
            Some("the capabilities have changed, and are not listed"),
        ),
        (
            "acl",
            &none,
            // user::rw-, user:1:r--, group::r--, mask::r--, other::r--
            &[(
                "acl",
                "POSIX,dXNlcjo6cnctCnVzZXI6MTpyLS0KZ3JvdXA6OnItLQptYXNrOjpyLS0Kb3RoZXI6OnItLQo=,0",
            )],
            Some("the ACL has changed, and is not listed"),
        ),
        (
            "written while it was read",
            &content,
            &[("attr", "219045433342"), ("sha256", "0"), ("sha512", "0")],
            Some("AIDE could not compare all of its attributes"),
        ),
    ];
    for (name, expected, new, why) in table {
        let (old, new) = (entry(&[]), entry(new));
        let found = mismatch(expected, ChangeKind::Changed, (Some(&old), Some(&new)));
        assert_eq!(found, why, "{name}");
    }
}

/// The entries of a minimal ACL are the permissions.
#[test]
fn a_new_mode_may_change_a_minimal_acl() {
    let minimal = |acl| entry(&[("perm", "100600"), ("acl", acl)]);
    // user::rw-, group::r--, other::r-- and user::rw-, group::---, other::---
    let old = entry(&[(
        "acl",
        "POSIX,dXNlcjo6cnctCmdyb3VwOjpyLS0Kb3RoZXI6OnItLQo=,0",
    )]);
    let new = minimal("POSIX,dXNlcjo6cnctCmdyb3VwOjotLS0Kb3RoZXI6Oi0tLQo=,0");
    let mode = Expected {
        permissions: Some(0o600),
        ..nothing_given(ChangeKind::Changed)
    };
    let entries = (Some(&old), Some(&new));
    assert_eq!(mismatch(&mode, ChangeKind::Changed, entries), None);
}

#[test]
fn an_added_file_has_nothing_that_is_not_listed() {
    let plain = expected(ChangeKind::Added);
    let file = with_digest("sha512", &[1, 2, 3, 4], plain.clone());
    let link = Expected {
        link_target: Some(b"b c".to_vec()),
        permissions: Some(0o777),
        ..plain.clone()
    };
    let content = ("sha512", NEW.1);
    let table: [Case<'_>; 12] = [
        ("file", &file, &[content], None),
        (
            "no digest",
            &plain,
            &[content],
            Some("an added file must have a digest"),
        ),
        ("label", &file, &[content, ("selinux", "b3RoZXI=")], None),
        (
            "owner",
            &file,
            &[content, ("uid", "1")],
            Some("the owner or the group is another one"),
        ),
        (
            "xattrs",
            &file,
            &[content, ("xattrs", "1,user.a,YQ==")],
            Some("it has extended attributes, which are not listed"),
        ),
        (
            "label as an attribute",
            &file,
            &[content, ("xattrs", "1,security.selinux,YQ==")],
            None,
        ),
        (
            "capabilities",
            &file,
            &[content, ("capabilities", "YQ==")],
            Some("it has capabilities, which are not listed"),
        ),
        ("directory", &plain, &[("perm", "40644")], None),
        (
            "directory with digest",
            &file,
            &[("perm", "40644")],
            Some("it is no regular file"),
        ),
        (
            "link",
            &link,
            &[("perm", "120777"), ("lname", "b%20c")],
            None,
        ),
        (
            "other target",
            &link,
            &[("perm", "120777"), ("lname", "b")],
            Some("the target is another one"),
        ),
        (
            "device",
            &plain,
            &[("perm", "60644")],
            Some("a device cannot be accepted by a list of changes"),
        ),
    ];
    for (name, expected, new, why) in table {
        let new = entry(new);
        let found = mismatch(expected, ChangeKind::Added, (None, Some(&new)));
        assert_eq!(found, why, "{name}");
    }
}

#[test]
fn a_listed_kind_is_the_only_one_that_is_approved() {
    let (old, new) = (entry(&[]), entry(&[("mtime", "2")]));
    let both = (Some(&old), Some(&new));
    let changed = nothing_given(ChangeKind::Changed);
    let removed = nothing_given(ChangeKind::Removed);
    assert_eq!(
        mismatch(&removed, ChangeKind::Removed, (Some(&old), None)),
        None
    );
    assert_eq!(
        mismatch(&removed, ChangeKind::Changed, both),
        Some("it was changed")
    );
    assert_eq!(
        mismatch(&changed, ChangeKind::Removed, (Some(&old), None)),
        Some("it was removed")
    );
    // The report and the databases are of the same run, so this is never so.
    let contradiction = Some("the databases do not show this change");
    assert_eq!(mismatch(&removed, ChangeKind::Removed, both), contradiction);
    assert_eq!(
        mismatch(&changed, ChangeKind::Changed, (None, Some(&new))),
        contradiction
    );
}

fn reported(path: &str, kind: ChangeKind) -> Change {
    Change {
        path: path.as_bytes().to_vec(),
        kind,
        attributes: Arc::default(),
        new_values: None,
        details: Vec::new(),
        actor: None,
    }
}

fn removed(paths: &[&str]) -> ApprovedChanges {
    let changes: Vec<_> = paths
        .iter()
        .map(|path| change(path, Listed::Removed))
        .collect();
    ApprovedChanges::new(&changes).unwrap()
}

#[test]
fn times_and_links_of_the_directory_come_along() {
    let directory = |others: &[(&str, &str)]| {
        let mut all = vec![("perm", "40755"), ("lcount", "2")];
        all.extend(others);
        entry(&all)
    };
    let report = Report {
        changes: vec![
            reported("/etc", ChangeKind::Changed),
            reported("/etc/a", ChangeKind::Removed),
            reported("/etc/other", ChangeKind::Changed),
            reported("/var", ChangeKind::Changed),
        ],
        ..Report::default()
    };
    let decide_with = |others: &[(&str, &str)]| {
        let (old, new) = (directory(&[]), directory(others));
        let entries = |of: &Entry| -> Entries {
            [("/etc", of), ("/var", of)]
                .map(|(path, entry)| (path.as_bytes().to_vec(), entry.clone()))
                .into()
        };
        let (mut old, new) = (entries(&old), entries(&new));
        old.insert(b"/etc/a".to_vec(), entry(&[]));
        let approved = decide(&report, &old, &new, &[&removed(&["/etc/a"])]).approved;
        let paths = approved.into_keys().map(String::from_utf8);
        paths.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let incidental = [("mtime", "2"), ("size", "4096"), ("lcount", "3")];
    assert_eq!(decide_with(&incidental), ["/etc", "/etc/a"]);
    for other in [
        ("perm", "40777"),
        ("uid", "1"),
        ("acl", "POSIX,YQ==,0"),
        ("attr", "0"),
    ] {
        assert_eq!(decide_with(&[other]), ["/etc/a"], "{other:?}");
    }
}

#[test]
fn each_acceptance_approves_its_own_paths() {
    let report = Report {
        changes: ["/a", "/b", "/c"]
            .map(|path| reported(path, ChangeKind::Removed))
            .into(),
        ..Report::default()
    };
    let old: Entries = ["/a", "/b", "/c"]
        .map(|path| (path.as_bytes().to_vec(), entry(&[])))
        .into();
    let changed = ApprovedChanges::new(&[change("/c", Listed::Changed)]).unwrap();
    let (first, second) = (removed(&["/a"]), removed(&["/a", "/b"]));
    let decision = decide(&report, &old, &Entries::new(), &[&first, &changed, &second]);
    let approved: Vec<&[u8]> = decision.approved.keys().map(Vec::as_slice).collect();
    assert_eq!(approved, [b"/a", b"/b"]);
    assert_eq!(decision.approving, [0, 2].into());
    assert_eq!(
        decision.mismatches,
        [(1, "/c: it was removed".to_owned())].into()
    );
}

#[test]
fn acceptances_contradict_each_other_with_other_values_of_a_path() {
    let with = |change: ApprovedChange| ApprovedChanges::new(&[change]).unwrap();
    let file = |digest: &str, mode: Option<&str>| {
        with(ApprovedChange {
            digests: [("sha256".to_owned(), digest.repeat(64))].into(),
            mode: mode.map(str::to_owned),
            ..change("/etc/a", Listed::Changed)
        })
    };
    let table = [
        (file("a", None), file("a", None), false),
        (file("a", None), file("b", None), true),
        (file("a", None), file("a", Some("0644")), false),
        (file("a", Some("0600")), file("a", Some("0644")), true),
        (file("a", None), removed(&["/etc/a"]), true),
        (removed(&["/etc/a"]), removed(&["/etc/a"]), false),
        (removed(&["/etc/a"]), removed(&["/etc/b"]), false),
    ];
    for (one, other, is_contradiction) in table {
        let path = is_contradiction.then(|| "/etc/a".to_owned());
        assert_eq!(one.contradiction(&other), path);
        assert_eq!(other.contradiction(&one), path);
    }
}

#[test]
fn a_list_that_no_node_can_have_is_invalid() {
    let digest = |name: &str, digits: String| ApprovedChange {
        digests: [(name.to_owned(), digits)].into(),
        ..change("/etc/a", Listed::Changed)
    };
    let table = [
        (change("etc/a", Listed::Removed), "not absolute"),
        (change("/etc/../a", Listed::Removed), ".."),
        (change("/etc//a", Listed::Removed), "empty segments"),
        (change("/etc/a/", Listed::Removed), "empty segments"),
        (change("/", Listed::Removed), "empty segments"),
        (change("/etc/\\056\\056/a", Listed::Removed), "written"),
        (change("/etc/\\141", Listed::Removed), "written"),
        (change("/etc/\\1", Listed::Removed), "written"),
        (change("/etc/a\n", Listed::Removed), "written"),
        (change("/etc/\\000", Listed::Removed), "no file"),
        (
            change(&format!("/{}", "a".repeat(4096)), Listed::Removed),
            "no file",
        ),
        (change("/etc/a", Listed::Added), "mode, uid and gid"),
        (digest("sha1", "a".repeat(40)), "unknown algorithm"),
        (digest("sha256", "a".repeat(128)), "digits"),
        (digest("sha512", "a".repeat(64)), "digits"),
        (digest("sha256", "g".repeat(64)), "digits"),
        (digest("sha256", "A".repeat(64)), "digits"),
        (
            ApprovedChange {
                mode: Some("0999".to_owned()),
                ..change("/etc/a", Listed::Changed)
            },
            "octal",
        ),
        (
            ApprovedChange {
                mode: Some("0644".to_owned()),
                ..change("/etc/a", Listed::Removed)
            },
            "no new values",
        ),
        (
            ApprovedChange {
                link_target: Some("b".to_owned()),
                ..digest("sha256", "a".repeat(64))
            },
            "symbolic link",
        ),
    ];
    for (change, problem) in table {
        let error = ApprovedChanges::new(std::slice::from_ref(&change))
            .unwrap_err()
            .to_string();
        assert!(error.contains(problem), "{change:?}: {error}");
    }
    // Odd names as in results.
    let odd = change("/etc/new\\012line \\377\\134x", Listed::Removed);
    let odd = ApprovedChanges::new(&[odd]).unwrap();
    assert!(odd.has(b"/etc/new\nline \xff\\x"));
    assert!(odd.concerns(b"/etc") && !odd.concerns(b"/"));
}
