//! Gives the page cache that a scan filled back to the node. I/O.
//!
//! A scan reads every watched file, and the kernel charges the cached pages to the container: its
//! memory would read as near its limit between scans, although the kernel could drop them at any
//! time. cgroup v2 has `memory.reclaim` for that since Linux 5.19 (kernel documentation,
//! admin-guide/cgroup-v2); where it is not there, nothing is done.

use std::fs;
use std::io;
use std::path::Path;

/// Where a container sees its own cgroup.
pub const CGROUP: &str = "/sys/fs/cgroup";

/// Asks the kernel to drop the cached file pages of the cgroup at `dir`. Returns how many bytes
/// were asked for; none where the kernel does not offer it, or there are none.
pub fn give_back(dir: &Path) -> io::Result<Option<u64>> {
    let reclaim = dir.join("memory.reclaim");
    if !reclaim.exists() {
        return Ok(None);
    }
    let Some(bytes) = file_pages(&fs::read_to_string(dir.join("memory.stat"))?) else {
        return Ok(None);
    };
    match fs::write(reclaim, bytes.to_string()) {
        // It could not drop all of them; what it could is dropped.
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
mod tests {
    use super::*;

    fn cgroup(stat: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("memory.reclaim"), "").unwrap();
        fs::write(dir.path().join("memory.stat"), stat).unwrap();
        dir
    }

    #[test]
    fn as_much_is_asked_for_as_is_cached() {
        let dir = cgroup("anon 4096\nfile 1234567\nfile_mapped 1\n");
        assert_eq!(give_back(dir.path()).unwrap(), Some(1_234_567));
        let asked = fs::read_to_string(dir.path().join("memory.reclaim")).unwrap();
        assert_eq!(asked, "1234567");
    }

    #[test]
    fn nothing_is_done_where_there_is_nothing_or_no_such_file() {
        assert_eq!(give_back(cgroup("anon 1\nfile 0\n").path()).unwrap(), None);
        assert_eq!(
            give_back(tempfile::tempdir().unwrap().path()).unwrap(),
            None
        );
    }
}
