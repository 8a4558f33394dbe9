//! The mounts below the root of a node: parses `/proc/self/mountinfo`, and compares two states of it. Pure.
//!
//! Format: `proc_pid_mountinfo(5)`. fanotify does not report that a file system was mounted or unmounted, and
//! inotify only the latter.

use std::collections::BTreeMap;

/// File systems on the node itself that may have programs.
const LOCAL: [&[u8]; 13] = [
    b"bcachefs",
    b"btrfs",
    b"erofs",
    b"ext2",
    b"ext3",
    b"ext4",
    b"f2fs",
    b"overlay",
    b"ramfs",
    b"squashfs",
    b"tmpfs",
    b"xfs",
    b"zfs",
];

/// File systems that other machines write to as well. The kernel does not report what they change (inotify(7),
/// "Limitations and caveats").
const REMOTE: [&[u8]; 14] = [
    b"9p",
    b"afs",
    b"beegfs",
    b"ceph",
    b"cifs",
    b"gfs2",
    b"gpfs",
    b"lustre",
    b"nfs",
    b"nfs4",
    b"ocfs2",
    b"smb3",
    b"smbfs",
    b"virtiofs",
];
/// Such as `fuse.sshfs`. What its program changes is not reported either.
const FUSE: &[u8] = b"fuse";

/// The mounts at each path of the node, in the order in which they cover each other. The root is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mounts(BTreeMap<Vec<u8>, Vec<Mount>>);

/// A file system, or a directory of one, that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The id of the mount, which may be used again for another one.
    id: Vec<u8>,
    /// Major and minor number.
    device: Vec<u8>,
    /// The directory of the file system that is visible.
    root: Vec<u8>,
    file_system: Vec<u8>,
}

/// A line does not have the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kernel returned an invalid line of mountinfo: {0:?}")]
pub(crate) struct InvalidLine(String);

impl Mounts {
    /// The mounts below `host_root`.
    pub(crate) fn parse(mountinfo: &[u8], host_root: &[u8]) -> Result<Self, InvalidLine> {
        let host_root = host_root.strip_suffix(b"/").unwrap_or(host_root);
        let mut mounts = Self::default();
        for line in mountinfo.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            let invalid = || InvalidLine(String::from_utf8_lossy(line).into_owned());
            let (point, mount) = parse_line(line).ok_or_else(invalid)?;
            let point = point.strip_prefix(host_root).unwrap_or_default();
            if point.len() > 1 && point.starts_with(b"/") {
                mounts.0.entry(point.to_vec()).or_default().push(mount);
            }
        }
        Ok(mounts)
    }

    /// The visible mounts of local file systems, each with its path and its device. Others have no programs, or may
    /// not answer.
    pub(crate) fn local(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.visible()
            .filter(|(_, mount)| LOCAL.contains(&mount.file_system.as_slice()))
            .map(|(path, mount)| (path, mount.device.as_slice()))
    }

    /// The visible file systems that others than the kernel of this node change, each with its path.
    pub(crate) fn remote(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let file_systems = self.visible();
        let file_systems = file_systems.map(|(path, mount)| (path, mount.file_system.as_slice()));
        file_systems.filter(|(_, file_system)| is_remote(file_system))
    }

    /// The mounts that no other one covers, each with its path.
    fn visible(&self) -> impl Iterator<Item = (&[u8], &Mount)> {
        let all = self.0.iter();
        all.filter_map(|(path, mounts)| Some((path.as_slice(), mounts.last()?)))
    }

    /// The paths with other mounts than before, without those below another one of them.
    pub(crate) fn changed(&self, before: &Self) -> Vec<Vec<u8>> {
        let paths = self.0.keys().chain(before.0.keys());
        let mut changed: Vec<_> = paths
            .filter(|path| self.0.get(*path) != before.0.get(*path))
            .collect();
        // A path is before those below it.
        changed.sort_unstable_by_key(|path| path.split(|byte| *byte == b'/').collect::<Vec<_>>());
        let mut outermost: Vec<Vec<u8>> = Vec::new();
        for path in changed {
            let is_below = |above: &Vec<u8>| {
                path.strip_prefix(above.as_slice())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            };
            if !outermost.last().is_some_and(is_below) {
                outermost.push(path.clone());
            }
        }
        outermost
    }
}

fn is_remote(file_system: &[u8]) -> bool {
    let kind = file_system.split(|byte| *byte == b'.').next();
    REMOTE.contains(&file_system) || kind == Some(FUSE)
}

/// The mount point, and what is mounted there.
fn parse_line(line: &[u8]) -> Option<(Vec<u8>, Mount)> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = fields.next()?.to_vec();
    let device = fields.nth(1)?.to_vec();
    let root = unescaped(fields.next()?);
    let point = unescaped(fields.next()?);
    // The number of fields between varies.
    fields.find(|field| *field == b"-")?;
    let file_system = fields.next()?.to_vec();
    let mount = Mount {
        id,
        device,
        root,
        file_system,
    };
    Some((point, mount))
}

/// Decodes what the kernel has escaped: a backslash and three octal digits stand for a byte.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.first_chunk().filter(|_| *first == b'\\');
        if let Some(byte) = escaped.copied().and_then(octal) {
            bytes.push(byte);
            rest = &after[3..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    let digits = std::str::from_utf8(&digits).ok()?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    u8::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests;
