//! Which directories of a node may hold fio's state, by their names. Pure.
//!
//! Root writes files there, so a directory whose files another program reads as its own
//! configuration, or in which pods write, would give whoever may edit a FileIntegrity root's rights
//! on the nodes. What the names cannot decide is checked on the node, see
//! [`crate::aide::state_place`].

use super::file_integrity::DEFAULT_STATE_DIR;

/// The state directories that need no `stateDir`, in the order in which they are tried. The first
/// is the original's and must exist already; the second is for nodes whose `/etc` cannot be
/// written, such as those of Bottlerocket or Talos.
pub const DEFAULT_DIRS: [&str; 2] = [DEFAULT_STATE_DIR, "/var/lib/file-integrity"];

/// Directories that belong to the system, the kubelet or a container runtime, with all below them.
const SYSTEM: [&str; 36] = [
    "/bin",
    "/boot",
    "/dev",
    "/efi",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt/cni",
    "/opt/local-path-provisioner",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/sysroot",
    "/ostree",
    "/tmp",
    "/usr",
    "/var/cache",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/crio",
    "/var/lib/docker",
    "/var/lib/etcd",
    "/var/lib/k0s",
    "/var/lib/kubelet",
    "/var/lib/rancher",
    "/var/lib/systemd",
    "/var/lock",
    "/var/log",
    "/var/mail",
    "/var/run",
    "/var/spool",
    "/var/tmp",
];

/// Directories that have others below them which may be used.
const PARENTS: [&str; 4] = ["/", "/opt", "/var", "/var/lib"];

/// What the kubelet calls the directories of its volume plugins, in whichever directory it works.
const KUBELET_VOLUME: &str = "kubernetes.io~";

/// The same directory without `//`, `/./` and a slash at the end.
pub fn normalized(dir: &str) -> String {
    let components = dir.split('/').filter(|part| !matches!(*part, "" | "."));
    let mut normal: String = components.flat_map(|part| ["/", part]).collect();
    if normal.is_empty() {
        normal.push('/');
    }
    normal
}

/// Why a directory, [`normalized`], may not be the state directory, if its name decides that.
pub fn refusal(dir: &str) -> Option<String> {
    if DEFAULT_DIRS.contains(&dir) {
        return None;
    }
    if dir.split('/').any(|part| part == "..") {
        return Some("goes up by `..`; write the path without it".to_owned());
    }
    if PARENTS.contains(&dir) {
        return Some("is a directory of the system".to_owned());
    }
    if dir.split('/').any(|part| part.starts_with(KUBELET_VOLUME)) {
        return Some("is inside a volume of a pod".to_owned());
    }
    let system = SYSTEM.iter().find(|system| {
        let below = dir.strip_prefix(**system);
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    })?;
    Some(if *system == dir {
        "is a directory of the system".to_owned()
    } else {
        format!("is inside {system}, a directory of the system")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_directory_has_one_name() {
        for (dir, expected) in [
            ("/etc/kubernetes", "/etc/kubernetes"),
            ("/etc/kubernetes/", "/etc/kubernetes"),
            ("//etc//kubernetes", "/etc/kubernetes"),
            ("/etc/./kubernetes/.", "/etc/kubernetes"),
            ("/var/lib/..x/.y", "/var/lib/..x/.y"),
            ("/./", "/"),
        ] {
            assert_eq!(normalized(dir), expected, "{dir}");
        }
    }

    #[test]
    fn directories_that_other_programs_read_are_refused_by_name() {
        for dir in [
            "/",
            "/etc",
            "/etc/cron.d",
            "/etc/kubernetes/manifests",
            "/usr/lib/systemd/system",
            "/var/lib",
            "/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/x",
            "/data/kubelet/pods/1/volumes/kubernetes.io~csi/x/mount",
            "/var/lib/rancher/k3s/server/manifests",
            "/var/spool/cron",
            "/run/fio",
            "/srv/../etc/cron.d",
        ] {
            assert!(refusal(dir).is_some(), "{dir}");
        }
        for dir in [
            "/etc/kubernetes",
            "/var/lib/file-integrity",
            "/var/lib/fio-e2e",
            "/var/lib/kubelet-fio",
            "/opt/fio",
            "/data",
            "/var/lib/..x/a.b-c_d",
        ] {
            assert_eq!(refusal(dir), None, "{dir}");
        }
        assert_eq!(
            refusal("/etc/cron.d").unwrap(),
            "is inside /etc, a directory of the system"
        );
    }
}
