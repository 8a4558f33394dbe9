//! The files in the directories that a configuration reaches. I/O.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Statx, StatxFlags, fstatfs, makedev, openat, statx,
};

use super::directories::{join, open_directory, open_path};
use super::link_index::{File, Inode};
use crate::aide::config::Configuration;
use crate::aide::config::reach::Reach;
use crate::aide::coverage::Extent;

/// Maximum number of directories of a walk.
const MAX_DIRECTORIES: usize = 65_536;
/// `OVERLAYFS_SUPER_MAGIC` of `magic.h`.
const OVERLAY: u64 = 0x794c_7630;

/// The part of a node that a configuration reaches.
#[derive(Debug)]
pub(crate) struct Tree {
    host_root: PathBuf,
    reach: Reach,
}

/// An entry of a directory that is no directory.
pub(crate) struct Entry<'a> {
    directory: &'a OwnedFd,
    path: &'a [u8],
    name: &'a [u8],
    /// The number of its inode, if the file system lists the right one.
    number: Option<u64>,
}

impl Entry<'_> {
    pub(crate) fn path(&self) -> Vec<u8> {
        join(self.path, self.name)
    }

    /// None if it does not exist any more.
    pub(crate) fn file(&self) -> Option<File> {
        file(self.directory, self.name)
    }
}

impl Tree {
    /// The part that the rules of a configuration for this node reach.
    pub(crate) fn new(host_root: PathBuf, configuration: &str) -> Self {
        Self {
            host_root,
            reach: Reach::of(&Configuration::parse(configuration)),
        }
    }

    /// What is at a path, if that is no directory.
    pub(crate) fn file(&self, path: &[u8]) -> Option<File> {
        file(CWD, &self.on_host(path))
    }

    /// Opens a file to watch it, not to read it.
    pub(crate) fn open(&self, path: &[u8]) -> io::Result<(OwnedFd, Inode)> {
        let path = self.on_host(path);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(CWD, OsStr::from_bytes(&path), flags, Mode::empty())?;
        let inode = inode(&stat(&file, b"", AtFlags::EMPTY_PATH)?);
        Ok((file, inode))
    }

    /// Opens the directory of a file.
    pub(crate) fn open_directory_of(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let slash = path.iter().rposition(|byte| *byte == b'/');
        open_path(&self.host_root, &path[..slash.unwrap_or(0)])
    }

    /// Visits the files in a directory, or all below it.
    pub(crate) fn visit(&mut self, path: &[u8], extent: Extent, visit: &mut dyn FnMut(&Entry<'_>)) {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let Ok(directory) = open_path(&self.host_root, path) else {
            return;
        };
        let names = visit_directory(&directory, path, visit);
        if extent != Extent::Subtree {
            return;
        }
        let mut levels = vec![(directory, path.to_vec(), names)];
        let mut count = 0;
        while let Some((directory, path, names)) = levels.last_mut() {
            let Some(name) = names.pop() else {
                levels.pop();
                continue;
            };
            let path = join(path, &name);
            if count >= MAX_DIRECTORIES || !self.reach.includes(&self.on_host(&path)) {
                continue;
            }
            if let Ok(directory) = open_directory(directory.as_fd(), &name) {
                count += 1;
                let names = visit_directory(&directory, &path, visit);
                levels.push((directory, path, names));
            }
        }
    }

    /// The files with several links, each once for each of its watched names.
    pub(crate) fn linked(&mut self) -> Vec<Inode> {
        let mut linked = Vec::new();
        self.visit(b"/", Extent::Subtree, &mut |entry| {
            let file = entry.file().filter(|file| file.links > 1);
            linked.extend(file.map(|file| file.inode));
        });
        linked
    }

    /// All watched names of these files.
    pub(crate) fn find(&mut self, wanted: &HashSet<Inode>) -> HashMap<Inode, (File, Vec<Vec<u8>>)> {
        let numbers: HashSet<_> = wanted.iter().map(|inode| inode.number).collect();
        let mut found = HashMap::new();
        self.visit(b"/", Extent::Subtree, &mut |entry| {
            if entry.number.is_some_and(|it| !numbers.contains(&it)) {
                return;
            }
            if let Some(file) = entry.file()
                && wanted.contains(&file.inode)
            {
                let names = found.entry(file.inode).or_insert((file, Vec::new()));
                names.0 = file;
                names.1.push(entry.path());
            }
        });
        found
    }

    fn on_host(&self, path: &[u8]) -> Vec<u8> {
        [self.host_root.as_os_str().as_bytes(), path].concat()
    }
}

/// Visits the files of a directory. Returns the names of the directories in it.
fn visit_directory(
    directory: &OwnedFd,
    path: &[u8],
    visit: &mut dyn FnMut(&Entry<'_>),
) -> Vec<Vec<u8>> {
    let mut below = Vec::new();
    // Overlay lists the numbers of another file system.
    let has_numbers = fstatfs(directory).is_ok_and(|it| u64::try_from(it.f_type) != Ok(OVERLAY));
    let Ok(entries) = Dir::read_from(directory) else {
        return below;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let kind = entry.file_type();
        if matches!(kind, FileType::Directory | FileType::Unknown) {
            below.push(name.to_vec());
        }
        if kind != FileType::Directory {
            visit(&Entry {
                directory,
                path,
                name,
                number: has_numbers.then(|| entry.ino()),
            });
        }
    }
    below
}

/// None for a directory, and for what does not exist.
fn file(directory: impl AsFd, name: &[u8]) -> Option<File> {
    let statx = stat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let is_directory = FileType::from_raw_mode(statx.stx_mode.into()) == FileType::Directory;
    (!is_directory).then(|| File {
        inode: inode(&statx),
        links: statx.stx_nlink.into(),
    })
}

/// Asks no server of a network file system.
fn stat(directory: impl AsFd, name: &[u8], flags: AtFlags) -> rustix::io::Result<Statx> {
    let fields = StatxFlags::TYPE | StatxFlags::INO | StatxFlags::NLINK;
    let flags = flags | AtFlags::STATX_DONT_SYNC;
    statx(directory, OsStr::from_bytes(name), flags, fields)
}

fn inode(statx: &Statx) -> Inode {
    Inode {
        device: makedev(statx.stx_dev_major, statx.stx_dev_minor),
        number: statx.stx_ino,
    }
}
