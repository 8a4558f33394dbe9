//! Tests that mount: run anew where they may, on a node's root of their own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable by which a test tells its own process, run anew, where the root is.
const ROOT: &str = "FIO_TEST_MOUNTS_ROOT";

/// Runs the calling test once more as root of a user and mount namespace of its own, whoever it is
/// here, after `script`, which finds the node's root in `$1`. Returns the root there, and nothing
/// here once that run has passed.
pub(crate) fn of_test(test: &str, script: &str) -> Option<PathBuf> {
    if let Some(root) = std::env::var_os(ROOT) {
        return Some(root.into());
    }
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc/kubernetes")).unwrap();
    let script = format!("{script}\nshift; exec \"$@\"");
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-euc"])
        .args([OsStr::new(&script), "sh".as_ref(), root.path().as_os_str()])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env(ROOT, root.path())
        .status()
        .expect("unshare, of util-linux");
    assert!(status.success(), "with mounts of its own: {status}");
    None
}

/// A root with a small disk, in memory, at `etc/kubernetes`.
pub(crate) struct SmallDisk {
    /// The root.
    pub(crate) root: PathBuf,
}

impl SmallDisk {
    /// Runs the calling test once more with such a disk of 256 kB, as [`of_test`] does.
    pub(crate) fn of_test(test: &str) -> Option<Self> {
        Self::with(test, "size=256k")
    }

    /// The same with these options of tmpfs(5).
    pub(crate) fn with(test: &str, options: &str) -> Option<Self> {
        let script = format!("mount -t tmpfs -o mode=755,{options} small \"$1/etc/kubernetes\"");
        of_test(test, &script).map(|root| Self { root })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join("etc/kubernetes")
    }

    /// Fills it up, but for `rest` bytes; returns the file that does.
    pub(crate) fn fill(&self, rest: u64) -> PathBuf {
        let room = rustix::fs::statvfs(self.path()).unwrap();
        let ballast = self.path().join("ballast");
        let size = room.f_bavail * room.f_bsize - rest;
        fs::write(&ballast, vec![0; usize::try_from(size).unwrap()]).unwrap();
        ballast
    }

    /// The names of what is on it, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        names_in(&self.path())
    }

    /// Lets nobody write to it any more.
    pub(crate) fn make_read_only(&self) {
        self.remount("remount,ro");
    }

    /// Takes that back.
    pub(crate) fn make_writable(&self) {
        self.remount("remount,rw");
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", options])
            .arg(self.path())
            .status()
            .unwrap();
        assert!(status.success(), "{status}");
    }
}

/// The names of what is in a directory, in order.
pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
