//! The profiles with a real AIDE.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::Profile;
use crate::testing::aide_binary::Node;

#[test]
fn the_generic_profile_watches_important_files() {
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
fn the_openshift_profile_watches_the_same_as_the_original() {
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

/// The root file system of Red Hat Enterprise Linux `CoreOS` and Fedora `CoreOS`. A rule for a directory that is a symbolic
/// link selects only the link.
#[test]
fn the_profiles_watch_the_targets_of_links_on_an_ostree_node() {
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

/// The lines that a page suggests to append to the generic profile: blocks with rules, and the last cells of tables.
fn suggested(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(page);
    let text = fs::read_to_string(path).unwrap();
    let in_table = |line: &str| {
        let cell = line.strip_prefix('|')?.strip_suffix("` |")?;
        Some(cell.rsplit_once("| `")?.1.replace("\\|", "|"))
    };
    let lines = text.lines();
    let lines = lines.map(|line| in_table(line).unwrap_or_else(|| line.to_owned()));
    lines
        .filter(|line| line.starts_with(['/', '-']) && line.contains('$'))
        .collect()
}

#[test]
fn the_lines_that_the_pages_suggest_extend_the_generic_profile() {
    let node = Node::new();
    let watched = [
        "etc/agent/state.json",
        "etc/agent/audit.log",
        "etc/agent/keys/x",
        "home/kubernetes/bin/kubelet",
        "var/lib/rancher/k3s/data/x/bin/containerd",
        "var/lib/rancher/k3s/server/manifests/coredns.yaml",
        "var/lib/rancher/rke2/data/x/bin/kubelet",
        "var/lib/rancher/rke2/agent/pod-manifests/etcd.yaml",
    ];
    let unwatched = [
        "etc/agent/cache/index",
        "home/user/x",
        "var/lib/rancher/k3s/agent/x",
        "var/lib/rancher/rke2/server/x",
    ];
    for path in watched.iter().chain(&unwatched) {
        node.write(path, "");
    }
    let lines = [suggested("distributions.md"), suggested("tuning.md")].concat();
    assert_eq!(lines.len(), 7, "{lines:?}");
    let text = format!("{}\n{}\n", Profile::Generic.text(), lines.join("\n"));
    let selected = node.selected(&text);
    let found: Vec<&str> = watched
        .iter()
        .chain(&unwatched)
        .copied()
        .filter(|path| selected.contains(&format!("/{path}")))
        .collect();
    assert_eq!(found, watched);
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
