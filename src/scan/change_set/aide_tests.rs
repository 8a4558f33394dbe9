//! The change sets of nodes on which a package was upgraded, with a real AIDE and a real dpkg.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::testing::aide_binary::Node;

/// Everything that AIDE can compare on any file system, also what differs between nodes. Not the directory of
/// the database: its times are those of AIDE's own files.
const RULE: &str = "/(usr|var/lib/dpkg|etc/(hostname|machine-id|tool))(/|$) \
                    ftype+p+u+g+s+l+i+n+b+m+c+acl+xattrs+sha256\n";
/// AIDE compares times in seconds.
const NEXT_SECOND: Duration = Duration::from_millis(1100);

/// Two versions of a package, and another package.
struct Packages {
    dir: TempDir,
}

impl Packages {
    fn build() -> Self {
        let packages = Self {
            dir: TempDir::new().unwrap(),
        };
        let old = [
            ("usr/bin/tool", "one", 0o755),
            ("usr/lib/tool/gone", "one", 0o644),
            ("usr/lib/tool/same", "same", 0o644),
            ("usr/share/doc/tool/copyright", "one", 0o644),
        ];
        let new = [
            ("usr/bin/tool", "two", 0o4755),
            ("usr/lib/tool/plugins/a", "two", 0o644),
            ("usr/lib/tool/same", "same", 0o644),
            ("usr/share/doc/tool/copyright", "two", 0o644),
        ];
        packages.package("tool", "1", &old);
        packages.package("tool", "2", &new);
        packages.package("other", "1", &[("usr/bin/other", "one", 0o755)]);
        packages
    }

    fn file(&self, name: &str, version: &str) -> PathBuf {
        self.dir.path().join(format!("{name}_{version}.deb"))
    }

    fn package(&self, name: &str, version: &str, files: &[(&str, &str, u32)]) {
        let tree = self.dir.path().join(format!("{name}-{version}"));
        for (path, content, mode) in files {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        fs::create_dir(tree.join("DEBIAN")).unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\n\
             Maintainer: Nobody <nobody@example.net>\nDescription: a test\n"
        );
        fs::write(tree.join("DEBIAN/control"), control).unwrap();
        let mut build = Command::new("dpkg-deb");
        run(build
            .args(["--root-owner-group", "-Zgzip", "--build"])
            .arg(&tree)
            .arg(self.file(name, version)));
    }
}

fn run(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
}

/// A node with its own host name and machine ID.
fn node(name: &str) -> Node {
    let node = Node::new();
    node.write("etc/hostname", name);
    node.write("etc/machine-id", &names::sha256_hex(name)[..32]);
    node.write("var/lib/dpkg/status", "");
    for dir in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"] {
        fs::create_dir_all(node.path(dir)).unwrap();
    }
    node
}

/// Without root, dpkg leaves the owners as they are, which is what AIDE then finds on all nodes.
fn install(node: &Node, package: &Path) {
    let mut dpkg = Command::new("dpkg");
    run(dpkg
        .arg("--force-not-root,bad-path")
        .arg(format!("--root={}", node.root()))
        .arg(format!("--log={}", node.path("var/log/dpkg.log").display()))
        .arg("--install")
        .arg(package));
}

/// The changes of this node by an upgrade of the tool, and by what `also` does.
fn upgrade(node: &Node, packages: &Packages, also: impl FnOnce(&Node)) -> ChangeSet {
    let effective = node.prepare(RULE).effective;
    install(node, &packages.file("tool", "1"));
    node.init(&effective);
    std::thread::sleep(NEXT_SECOND);
    install(node, &packages.file("tool", "2"));
    also(node);
    let (_, report) = node.check(&effective);
    assert!(report.counted() > 5, "{report:?}");
    ChangeSet::new(&report)
}

#[test]
fn an_upgraded_package_makes_one_set_on_nodes_of_different_names() {
    let packages = Packages::build();
    let first = upgrade(&node("one"), &packages, |_| {});
    assert!(first.is_complete());
    // Another subdirectory and another link to a file: link counts that only this node has.
    let other = node("two");
    other.write("usr/lib/tool/own/file", "own");
    fs::hard_link(
        other.path("usr/lib/tool/own/file"),
        other.path("usr/lib/link"),
    )
    .unwrap();
    let second = upgrade(&other, &packages, |_| {});
    // The names of attributes may differ: a file system may give a new file the number of a removed one.
    assert_eq!(second.hash(), first.hash(), "{first:?}\n{second:?}");
    assert_eq!(
        second.paths_hash(),
        first.paths_hash(),
        "{first:?}\n{second:?}"
    );
}

#[test]
fn what_an_upgrade_writes_about_the_node_makes_another_set_of_the_same_paths() {
    let packages = Packages::build();
    let first = upgrade(&node("one"), &packages, |node| {
        node.write("etc/tool/id", "one");
    });
    let second = upgrade(&node("two"), &packages, |node| {
        node.write("etc/tool/id", "two");
    });
    assert_ne!(second.hash(), first.hash());
    assert_eq!(
        second.paths_hash(),
        first.paths_hash(),
        "{first:?}\n{second:?}"
    );
    // A node with one more package: the database of the packages has other content.
    let more = node("three");
    install(&more, &packages.file("other", "1"));
    let third = upgrade(&more, &packages, |node| {
        node.write("etc/tool/id", "one");
    });
    assert_ne!(third.hash(), first.hash());
    assert_eq!(
        third.paths_hash(),
        first.paths_hash(),
        "{first:?}\n{third:?}"
    );
}
