use std::os::unix::fs::{lchown, symlink};

use super::*;

/// A node with the layout of Fedora `CoreOS`.
fn node() -> tempfile::TempDir {
    let node = tempfile::tempdir().unwrap();
    let at = |path: &str| node.path().join(path);
    for directory in [
        "var/roothome/.ssh",
        "var/usrlocal/bin",
        "usr/sbin",
        "etc",
        "proc/1",
    ] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    fs::write(at("usr/sbin/auditctl"), "").unwrap();
    for (target, link) in [
        ("var/roothome", "root"),
        ("usr/sbin", "sbin"),
        ("../var/usrlocal", "usr/local"),
        ("/usr/local/bin", "etc/tools"),
        ("../usr/sbin/auditctl", "etc/file"),
        ("nowhere", "gone"),
        ("loop", "loop"),
        ("/", "all"),
        ("/proc/1", "one"),
        ("../../../../var", "up"),
        ("var/roothome", "of-a-user"),
        ("etc/file", "to-file"),
    ] {
        symlink(target, at(link)).unwrap();
    }
    lchown(at("of-a-user"), Some(1000), Some(1000)).unwrap();
    node
}

#[test]
fn links_are_resolved_below_the_host_root() {
    let node = node();
    let behind = |link: &str, real: &str, is_link| Place::Behind {
        link: link.to_owned(),
        real: real.to_owned(),
        is_link,
    };
    for (path, expected) in [
        ("/", Place::Same),
        ("/etc/passwd", Place::Same),
        ("/nothing/at/all", Place::Same),
        // A link to a file is an entry itself.
        ("/etc/file", Place::Same),
        ("/gone", Place::Same),
        ("/root", behind("/root", "/var/roothome", true)),
        ("/root/.ssh", behind("/root", "/var/roothome/.ssh", false)),
        ("/root/new", behind("/root", "/var/roothome/new", false)),
        (
            "/sbin/auditctl",
            behind("/sbin", "/usr/sbin/auditctl", false),
        ),
        (
            "/usr/local/bin",
            behind("/usr/local", "/var/usrlocal/bin", false),
        ),
        (
            "/etc/tools/a",
            behind("/etc/tools", "/var/usrlocal/bin/a", false),
        ),
        ("/up/roothome", behind("/up", "/var/roothome", false)),
        ("/gone/a", behind("/gone", "/nowhere/a", false)),
        ("/to-file", Place::Same),
    ] {
        assert_eq!(resolve(node.path(), path), expected, "{path}");
    }
}

#[test]
fn some_links_are_not_followed() {
    let node = node();
    for (path, link, reason) in [
        ("/loop/a", "/loop", "leads to a loop of symbolic links"),
        ("/all", "/all", "leads to /, which is not watched"),
        ("/one/a", "/one", "leads to /proc/1/a, which is not watched"),
        (
            "/of-a-user/a",
            "/of-a-user",
            "is a symbolic link that user 1000 can change; only links of root are followed",
        ),
    ] {
        let expected = Place::Refused {
            link: link.to_owned(),
            reason: reason.to_owned(),
        };
        assert_eq!(resolve(node.path(), path), expected, "{path}");
    }
}

#[test]
fn a_name_that_rules_cannot_contain() {
    let node = node();
    fs::create_dir(node.path().join("a\nb")).unwrap();
    symlink("a\nb", node.path().join("c")).unwrap();
    let expected = Place::Refused {
        link: "/c".to_owned(),
        reason: "leads to /a\\012b/d, a name that rules cannot contain".to_owned(),
    };
    assert_eq!(resolve(node.path(), "/c/d"), expected);
}
