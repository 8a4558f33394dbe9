//! Runs tests that mount file systems in a mount namespace of their own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Environment variable with the directory of the node's root, in the process with the namespace.
const ROOT: &str = "FIO_TEST_MOUNTS_ROOT";

/// The directories with a file system of their own that [`MOUNT_ALL`] creates.
pub(crate) const FILE_SYSTEMS: [&str; 7] = [
    "local", "ext4", "xfs", "btrfs", "memory", "overlay", "exported",
];
/// A script for [`of_root_test`]. Each file system has directories `auto` and `inotify`, and is also mounted in
/// `aliases`.
pub(crate) const MOUNT_ALL: &str = r#"
cd "$1"
mkdir local ext4 xfs btrfs memory overlay exported layers aliases
truncate -s 16M ext4.image
mkfs.ext4 -q ext4.image
mount -o loop ext4.image ext4
truncate -s 300M xfs.image
mkfs.xfs -q xfs.image
mount -o loop xfs.image xfs
truncate -s 128M btrfs.image
mkfs.btrfs -q btrfs.image
mount -o loop btrfs.image btrfs
btrfs -q subvolume create btrfs/part
umount btrfs
mount -o loop,subvol=part btrfs.image btrfs
mount -t tmpfs memory memory
mount -t tmpfs layers layers
for name in overlay exported; do
  mkdir -p layers/$name/lower/etc/lower layers/$name/upper layers/$name/work
done
layers() { echo "lowerdir=layers/$1/lower,upperdir=layers/$1/upper,workdir=layers/$1/work"; }
mount -t overlay -o "$(layers overlay),nfs_export=off" overlay overlay
mount -t overlay -o "$(layers exported),index=on,nfs_export=on" exported exported
for name in local ext4 xfs btrfs memory overlay exported; do
  mkdir $name/auto $name/inotify aliases/$name
  mount --bind $name aliases/$name
done
"#;

/// Runs the calling test in another process, as root of a user and mount namespace, after `script`, which
/// gets the node's root in `$1`. Returns the root in that process, and `None` in this one when the
/// other one has succeeded.
pub(crate) fn of_test(test: &str, script: &str) -> Option<PathBuf> {
    run(test, script, &["--user", "--map-root-user", "--mount"])
}

/// The same in a mount namespace only. Requires root, for what a user namespace does not allow: loop devices
/// and fanotify.
pub(crate) fn of_root_test(test: &str, script: &str) -> Option<PathBuf> {
    run(test, script, &["--mount"])
}

fn run(test: &str, script: &str, namespaces: &[&str]) -> Option<PathBuf> {
    if let Some(root) = std::env::var_os(ROOT) {
        return Some(root.into());
    }
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc/kubernetes")).unwrap();
    let script = format!("{script}\nshift; exec \"$@\"");
    let status = Command::new("unshare")
        .args(namespaces)
        .args(["sh", "-euc"])
        .args([OsStr::new(&script), "sh".as_ref(), root.path().as_os_str()])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env(ROOT, root.path())
        .status()
        .expect("unshare, of util-linux");
    assert!(status.success(), "in a mount namespace: {status}");
    None
}

/// A root directory with a small file system, in memory, at `etc/kubernetes`.
pub(crate) struct SmallDisk {
    pub(crate) root: PathBuf,
}

impl SmallDisk {
    /// Runs the calling test with a file system of 256 kB, see [`of_test`].
    pub(crate) fn of_test(test: &str) -> Option<Self> {
        Self::with(test, "size=256k")
    }

    /// Runs the calling test with a file system with these options of tmpfs(5).
    pub(crate) fn with(test: &str, options: &str) -> Option<Self> {
        let script = format!("mount -t tmpfs -o mode=755,{options} small \"$1/etc/kubernetes\"");
        of_test(test, &script).map(|root| Self { root })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.root.join("etc/kubernetes")
    }

    /// Writes a file that leaves `free` bytes, and returns its path.
    pub(crate) fn fill(&self, free: u64) -> PathBuf {
        let room = rustix::fs::statvfs(self.path()).unwrap();
        let ballast = self.path().join("ballast");
        let size = room.f_bavail * room.f_bsize - free;
        fs::write(&ballast, vec![0; usize::try_from(size).unwrap()]).unwrap();
        ballast
    }

    /// The sorted names of its files.
    pub(crate) fn names(&self) -> Vec<String> {
        names_in(&self.path())
    }

    pub(crate) fn make_read_only(&self) {
        self.remount("remount,ro");
    }

    /// Makes it writable again.
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

/// The sorted names of the files in a directory.
pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
