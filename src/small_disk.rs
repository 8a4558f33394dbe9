//! A node's root for tests whose state directory is on a small disk in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable by which a test tells its own process, run anew, that the disk is there.
const ROOT: &str = "FIO_TEST_SMALL_DISK";

/// A root with a disk of 256 kB at `etc/kubernetes`.
pub(crate) struct SmallDisk {
    /// The root.
    pub(crate) root: PathBuf,
}

impl SmallDisk {
    /// Runs the calling test once more, where it may mount, with such a disk. Returns the disk
    /// there, and nothing here once that run has passed.
    pub(crate) fn of_test(test: &str) -> Option<Self> {
        if let Some(root) = std::env::var_os(ROOT) {
            return Some(Self { root: root.into() });
        }
        let root = tempfile::tempdir().unwrap();
        let disk = root.path().join("etc/kubernetes");
        fs::create_dir_all(&disk).unwrap();
        // Root of its own user namespace may mount in a mount namespace of its own, whoever it is
        // here.
        let status = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-euc"])
            .arg("mount -t tmpfs -o size=256k small \"$1\"; shift; exec \"$@\"")
            .args(["sh".as_ref(), disk.as_path()])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", test])
            .env(ROOT, root.path())
            .status()
            .expect("unshare, of util-linux");
        assert!(status.success(), "on the small disk: {status}");
        None
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
        let status = Command::new("mount")
            .args(["-o", "remount,ro"])
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
