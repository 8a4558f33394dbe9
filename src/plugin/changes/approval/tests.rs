use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use serde_json::json;

use super::*;
use crate::aide::database_entries::find;
use crate::aide::report::parse_json;
use crate::scan::approved_changes::{ApprovedChanges, Entries, decide};
use crate::testing::aide_binary::Node;

/// A change with these values, as the parser of reports reads it.
fn change(kind: &str, details: &serde_json::Value) -> Change {
    let report = json!({
        "number_of_entries": {"total": 1, "added": 0, "removed": 0, "changed": 0},
        (kind): {"/a": "f"},
        "details": {"/a": details},
    });
    let report = parse_json(report.to_string().as_bytes()).unwrap();
    report.changes.into_iter().next().unwrap()
}

fn changed(details: &serde_json::Value) -> Result<serde_json::Value, &'static str> {
    let listed = approval(&change("changed", details))?;
    let mut fields = serde_json::Map::new();
    if let Ok(serde_json::Value::Object(all)) = serde_json::to_value(listed) {
        fields = all;
    }
    fields.remove("path");
    fields.remove("kind");
    Ok(fields.into())
}

fn both(name: &str, old: &serde_json::Value, new: &serde_json::Value) -> serde_json::Value {
    json!({(name): {"old": old, "new": new}})
}

#[test]
fn new_values_are_listed_as_acceptances_have_them() {
    let digest = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let table = [
        (
            both("sha256", &json!("x"), &json!(digest)),
            json!({"digests": {"sha256": hex}}),
        ),
        (
            both("sha512-256", &json!("x"), &json!(digest)),
            json!({"digests": {"sha512_256": hex}}),
        ),
        (
            both("perm", &json!("-rw-r--r--"), &json!("-rwsr-xr-x")),
            json!({"mode": "4755"}),
        ),
        (both("uid", &json!(0), &json!(1000)), json!({"uid": 1000})),
        (both("gid", &json!(0), &json!(0)), json!({"gid": 0})),
        (
            both("link_name", &json!("a"), &json!("b\nc")),
            json!({"linkTarget": "b\\012c"}),
        ),
        (
            both("capabilities", &json!(""), &json!("cap_net_raw=ep")),
            json!({"capabilities": "cap_net_raw=ep"}),
        ),
        (both("modify_time", &json!("x"), &json!("y")), json!({})),
        (both("size", &json!(1), &json!(2)), json!({})),
        // The permissions determine this ACL.
        (
            both(
                "acl",
                &json!(["A: user::rw-", "A: group::r--"]),
                &json!(["A: user::r--", "A: group::---"]),
            ),
            json!({}),
        ),
        (
            both(
                "acl",
                &json!(["A: user::rw-"]),
                &json!([
                    "A: user::rw-",
                    "A: user:1000:r--\t#effective:r--",
                    "A: mask::r--",
                    "D: user::rwx"
                ]),
            ),
            json!({"acl": ["user::rw-", "user:1000:r--", "mask::r--", "default:user::rwx"]}),
        ),
        (
            both(
                "xattrs",
                &json!("num=0"),
                &json!([
                    "num=3",
                    "[1] user.x = a\\b",
                    "[2] user.y <=> AQ==",
                    "[3] security.selinux = label"
                ]),
            ),
            json!({"xattrs": {"user.x": "YVxi", "user.y": "AQ=="}}),
        ),
    ];
    for (details, expected) in table {
        assert_eq!(changed(&details), Ok(expected), "{details}");
    }
}

#[test]
fn what_cannot_be_listed_is_an_error() {
    let table = [
        (
            both("md5", &json!("x"), &json!("y")),
            "no digest that can be listed",
        ),
        (both("sha256", &json!("x"), &json!("y")), "is not one"),
        (
            both("file_type", &json!("File"), &json!("Link")),
            "another type",
        ),
        (both("selinux", &json!("a"), &json!("b")), "SELinux"),
        (
            both("fs_type", &json!("a"), &json!("b")),
            "cannot be listed",
        ),
        (
            both("to_come", &json!("a"), &json!("b")),
            "cannot be listed",
        ),
        (both("perm", &json!("x"), &json!("y")), "mode"),
        (both("uid", &json!(0), &json!("root")), "not a number"),
        (both("link_name", &json!("a"), &json!("")), "target"),
        (
            both("capabilities", &json!("a"), &json!("")),
            "lost its capabilities",
        ),
        (
            both("acl", &json!(["A: user:1:r--"]), &json!("")),
            "lost its ACL",
        ),
        (
            both("acl", &json!(""), &json!("user::r--")),
            "ACL cannot be read",
        ),
        (
            both(
                "xattrs",
                &json!(["num=1", "[1] user.x = a"]),
                &json!("num=0"),
            ),
            "lost its extended",
        ),
        (
            both(
                "xattrs",
                &json!(["num=1", "[1] security.selinux = a"]),
                &json!(["num=1", "[1] security.selinux = b"]),
            ),
            "SELinux",
        ),
        // A value that looks like another attribute.
        (
            both(
                "xattrs",
                &json!("num=0"),
                &json!(["num=2", "[1] user.x = a, [2] user.y = b", "[2] user.y = c"]),
            ),
            "cannot be read",
        ),
        (
            both(
                "xattrs",
                &json!("num=0"),
                &json!(["num=1", "[1] user.x = a, [2] user.y = b"]),
            ),
            "cannot be read",
        ),
        (
            both(
                "xattrs",
                &json!("num=0"),
                &json!(["num=1", "[1] a = b <=> c"]),
            ),
            "cannot be read",
        ),
        (json!({}), "not known"),
    ];
    for (details, expected) in table {
        let mut reported = change("changed", &details);
        if details == json!({}) {
            reported.new_values = Some([0; 32]);
        }
        let error = approval(&reported).unwrap_err();
        assert!(error.contains(expected), "{details}: {error}");
    }
}

#[test]
fn an_added_file_must_have_everything() {
    let owner = json!({"perm": {"new": "-rw-r--r--"}, "uid": {"new": 0}, "gid": {"new": 0}});
    let added = |more: &serde_json::Value| {
        let mut details = owner.clone();
        details
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        approval(&change("added", &details)).map(|_| ())
    };
    let of_type = |name: &str| json!({"file_type": {"new": name}});
    assert_eq!(added(&of_type("Directory")), Ok(()));
    assert!(added(&of_type("File")).unwrap_err().contains("no digest"));
    assert!(added(&of_type("Link")).unwrap_err().contains("target"));
    assert!(
        added(&of_type("Block device"))
            .unwrap_err()
            .contains("device")
    );
    let bare = change("added", &of_type("Directory"));
    assert!(approval(&bare).unwrap_err().contains("mode"));
    let unknown = change("added", &json!({}));
    assert!(approval(&unknown).unwrap_err().contains("not known"));
    assert_eq!(approval(&change("removed", &json!({}))).unwrap().path, "/a");
}

/// The entries of a database, by their paths on the node.
fn entries(node: &Node, path: &str) -> Entries {
    let found = find(std::path::Path::new(path), &|_| true).unwrap();
    let root = node.root().as_bytes();
    let of = |path: Vec<u8>| {
        path.strip_prefix(root)
            .map(<[u8]>::to_vec)
            .unwrap_or_default()
    };
    found
        .into_iter()
        .map(|(path, entry)| (of(path), entry))
        .collect()
}

#[test]
fn a_node_accepts_what_is_listed_from_a_report_of_aide() {
    let node = Node::new();
    for file in [
        "content",
        "mode",
        "gone",
        "owner",
        "new\nline\u{1b}",
        "-dash",
    ] {
        node.write(format!("etc/x/{file}"), file);
    }
    symlink("before", node.path("etc/x/link")).unwrap();
    let rule = "/etc/x ftype+p+u+g+s+l+m+c+acl+xattrs+caps+sha512+sha256\n";
    let effective = node.prepare(rule).effective;
    node.init(&effective);
    for file in ["content", "new\nline\u{1b}", "-dash", "added"] {
        node.write(format!("etc/x/{file}"), "other");
    }
    let mode = fs::Permissions::from_mode(0o4755);
    fs::set_permissions(node.path("etc/x/mode"), mode).unwrap();
    fs::remove_file(node.path("etc/x/gone")).unwrap();
    fs::remove_file(node.path("etc/x/link")).unwrap();
    symlink("a\\b\nc", node.path("etc/x/link")).unwrap();
    symlink("target", node.path("etc/x/added-link")).unwrap();
    fs::create_dir(node.path("etc/x/directory")).unwrap();
    // Not every user may do this, and not every file system has extended attributes.
    chown(node.path("etc/x/owner"), Some(1234), Some(1234)).ok();
    for (file, value) in [("content", &b"text"[..]), ("added", b"\x01\x02, [2] x = y")] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(node.path(format!("etc/x/{file}")), "user.x", value, flags).ok();
    }
    node.aide("--update", &effective);
    let report = node.report();
    let options = node.options();
    let old = entries(&node, &options.database_in);
    let new = entries(&node, &options.database_out);
    let listed: Vec<ApprovedChange> = report
        .changes
        .iter()
        .map(|change| approval(change).unwrap_or_else(|why| panic!("{change:?}: {why}")))
        .collect();
    assert!(listed.len() >= 9, "{listed:#?}");
    let approved = ApprovedChanges::new(&listed).unwrap();
    let decision = decide(&report, &old, &new, &[&approved]);
    assert_eq!(decision.mismatches, BTreeMap::new());
    assert_eq!(decision.approved.len(), report.changes.len());
    // Another content of one of the files.
    let mut other = listed.clone();
    for change in &mut other {
        for digest in change.digests.values_mut() {
            *digest = "0".repeat(digest.len());
        }
    }
    let other = ApprovedChanges::new(&other).unwrap();
    let decision = decide(&report, &old, &new, &[&other]);
    assert!(!decision.approved.contains_key(&b"/etc/x/content"[..]));
}
