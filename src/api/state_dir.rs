//! Which directories of a node may be the state directory, by their names. Pure.
//!
//! The daemon writes files there as root. In a directory with another program's configuration, or in a
//! pod's volume, this would let users who can edit a FileIntegrity act as root on the nodes. The daemon
//! checks what the names do not show: owners, permissions, links and content.

/// The preferred default of `stateDir`.
pub(crate) const DEFAULT_STATE_DIR: &str = "/etc/kubernetes";

/// The default state directories, in order of preference. The first one is that of the original operator
/// and is not created as a default. The second one is for nodes with a read-only `/etc`, such as Bottlerocket or
/// Talos.
pub(crate) const DEFAULT_DIRS: [&str; 2] = [DEFAULT_STATE_DIR, "/var/lib/file-integrity"];

/// Directories of the system, the kubelet or a container runtime. Their subdirectories are rejected, too.
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

/// System directories with subdirectories that may be used.
const PARENTS: [&str; 4] = ["/", "/opt", "/var", "/var/lib"];

/// Prefix of the directories of the kubelet's volume plugins, wherever the kubelet's root directory is.
const KUBELET_VOLUME: &str = "kubernetes.io~";

/// The path without `//`, `/./` and trailing slashes.
pub(crate) fn normalized(dir: &str) -> String {
    let components = dir.split('/').filter(|part| !matches!(*part, "" | "."));
    let mut normal: String = components.flat_map(|part| ["/", part]).collect();
    if normal.is_empty() {
        normal.push('/');
    }
    normal
}

/// Why a [`normalized`] path cannot be the state directory. Completes a sentence that begins with the
/// path.
pub(crate) fn refusal(dir: &str) -> Option<String> {
    if DEFAULT_DIRS.contains(&dir) {
        return None;
    }
    if dir.split('/').any(|part| part == "..") {
        return Some("contains `..`; use a path without it".to_owned());
    }
    if PARENTS.contains(&dir) {
        return Some("is a system directory".to_owned());
    }
    if dir.split('/').any(|part| part.starts_with(KUBELET_VOLUME)) {
        return Some("is inside a pod's volume".to_owned());
    }
    let system = SYSTEM.iter().find(|system| {
        let below = dir.strip_prefix(**system);
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    })?;
    Some(if *system == dir {
        "is a system directory".to_owned()
    } else {
        format!("is inside the system directory {system}")
    })
}

#[cfg(test)]
mod tests;
