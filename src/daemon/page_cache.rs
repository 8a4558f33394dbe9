//! Releases the page cache that a scan has filled. I/O.
//!
//! A scan reads every watched file, and the kernel counts the cached pages as memory of the container. It
//! would seem to be near its limit between scans, although the kernel can drop the pages at any time.
//! cgroup v2 has `memory.reclaim` for this since Linux 5.19 (kernel documentation,
//! admin-guide/cgroup-v2). On older kernels nothing is done. In a container that is not privileged, the
//! cgroups are read-only, and the attempt fails.
//!
//! Only the daemon's own cgroup is written to. A privileged container sees the hierarchy of the whole
//! node, whose root also has `memory.reclaim`: that would drop the cached files of all programs.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Mount point of the cgroups.
const HIERARCHY: &str = "/sys/fs/cgroup";
/// The cgroups of the process, as paths in its cgroup namespace.
const OWN_CGROUPS: &str = "/proc/self/cgroup";

/// Requests the kernel to drop the cached file pages of the own cgroup. Returns the number of bytes, or
/// None if there are none or the kernel does not support it.
pub(crate) fn release() -> io::Result<Option<u64>> {
    match own_cgroup(Path::new(HIERARCHY), &fs::read_to_string(OWN_CGROUPS)?) {
        Some(dir) => release_in(&dir),
        None => Ok(None),
    }
}

/// The directory of the cgroup v2 in the content of `/proc/self/cgroup`: the line `0::PATH`. None if
/// there is none, or if it is outside of the mounted hierarchy: the path then begins with `/..`.
fn own_cgroup(hierarchy: &Path, cgroups: &str) -> Option<PathBuf> {
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let is_inside = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    is_inside.then(|| hierarchy.join(path))
}

fn release_in(dir: &Path) -> io::Result<Option<u64>> {
    let reclaim = dir.join("memory.reclaim");
    // The root of the node's hierarchy has the first file, but not the second.
    if !reclaim.exists() || !dir.join("memory.current").exists() {
        return Ok(None);
    }
    let Some(bytes) = file_pages(&fs::read_to_string(dir.join("memory.stat"))?) else {
        return Ok(None);
    };
    match fs::write(reclaim, bytes.to_string()) {
        // The kernel could not drop all of them.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Some(bytes)),
        result => result.map(|()| Some(bytes)),
    }
}

/// The line `file N` of memory.stat, if it is above 0.
fn file_pages(stat: &str) -> Option<u64> {
    let value = stat.lines().find_map(|line| line.strip_prefix("file "))?;
    value.trim().parse().ok().filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests;
