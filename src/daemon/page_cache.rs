//! Releases the page cache that a scan has filled. I/O.
//!
//! A scan reads every watched file, and the kernel counts the cached pages as memory of the container. It
//! would seem to be near its limit between scans, although the kernel can drop the pages at any time.
//! cgroup v2 has `memory.reclaim` for this since Linux 5.19 (kernel documentation,
//! admin-guide/cgroup-v2). On older kernels nothing is done.

use std::fs;
use std::io;
use std::path::Path;

/// Path of a container's own cgroup.
pub(crate) const CGROUP: &str = "/sys/fs/cgroup";

/// Requests the kernel to drop the cached file pages of the cgroup at `dir`. Returns the number of
/// bytes, or None if there are none or the kernel does not support it.
pub(crate) fn release(dir: &Path) -> io::Result<Option<u64>> {
    let reclaim = dir.join("memory.reclaim");
    if !reclaim.exists() {
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
