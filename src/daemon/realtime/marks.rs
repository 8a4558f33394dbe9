//! The marks in the kernel: a fanotify group with a mark on each directory that the configuration reaches.
//! I/O. Requires root and Linux 5.9 (`FAN_REPORT_DFID_NAME`); detects it by trying.
//!
//! Marks on directories cost other processes nothing outside of these directories. Only notifications, never
//! permission events: they would make other processes wait for the daemon.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use name_to_handle_at::{AT_EMPTY_PATH, name_to_handle_at};
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, fstatvfs, openat};

use super::announcement::{self, Announcement};
use super::fanotify_records::{self, Handle};
use super::watched_directories::WatchedDirectories;
use crate::aide::config::reach::Reach;

/// `FAN_REPORT_DIR_FID | FAN_REPORT_NAME`, which `nix` does not name.
const REPORT_DIRECTORY_AND_NAME: u32 = 0x400 | 0x800;
/// Bytes for the records of one read: some thousand.
const BUFFER: usize = 256 * 1024;

/// The marked directories of a node.
#[derive(Debug)]
pub(crate) struct Marks {
    group: Fanotify,
    watched: WatchedDirectories,
    reach: Reach,
    host_root: PathBuf,
    /// Maximum number of marks.
    limit: usize,
    buffer: Vec<u8>,
}

/// Directories that could not be marked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unmarked {
    /// How many were beyond the limit.
    pub beyond_limit: u64,
    /// How many the kernel or the file system refused, and the first one with its error.
    pub refused: u64,
    pub first_refused: Option<String>,
}

impl Marks {
    /// Creates a group without marks. It reports directories that `reach` includes, below `host_root`.
    pub(crate) fn new(host_root: PathBuf, reach: Reach, limit: usize) -> io::Result<Self> {
        let flags = InitFlags::FAN_CLASS_NOTIF
            | InitFlags::FAN_CLOEXEC
            | InitFlags::FAN_NONBLOCK
            | InitFlags::FAN_UNLIMITED_MARKS
            | InitFlags::from_bits_retain(REPORT_DIRECTORY_AND_NAME);
        Ok(Self {
            group: Fanotify::init(flags, EventFFlags::O_RDONLY)?,
            watched: WatchedDirectories::default(),
            reach,
            host_root,
            limit,
            buffer: vec![0; BUFFER],
        })
    }

    /// Marks the root of the node and all directories below it that are reached.
    pub(crate) fn mark_all(&mut self) -> io::Result<Unmarked> {
        let root = open_directory(CWD, self.host_root.as_os_str())?;
        let handle = handle_of(&root)?;
        self.mark(&root)?;
        self.watched.add_root(handle.clone());
        let mut unmarked = Unmarked::default();
        self.walk(root, &handle, b"/", &mut unmarked);
        Ok(unmarked)
    }

    /// Marks a directory that has appeared, and all below it. It may have disappeared again.
    pub(crate) fn mark_appeared(&mut self, parent: &Handle, name: &[u8], path: &[u8]) -> Unmarked {
        let mut unmarked = Unmarked::default();
        let below = path.strip_prefix(b"/").unwrap_or(path);
        let place = self.host_root.join(OsStr::from_bytes(below));
        if let Ok(directory) = open_directory(CWD, place.as_os_str()) {
            self.add(parent, name, path, directory, &mut unmarked);
        }
        unmarked
    }

    /// Removes a directory that has disappeared, and all below it. The kernel removes the marks of deleted
    /// directories; those of moved ones stay until they are deleted, and their events are ignored.
    pub(crate) fn forget(&mut self, parent: &Handle, name: &[u8]) {
        self.watched.forget(parent, name);
    }

    /// The next announcements; empty if there are none now.
    pub(crate) fn read(&mut self) -> io::Result<Vec<Announcement>> {
        let length = match rustix::io::read(&self.group, self.buffer.as_mut_slice()) {
            Ok(length) => length,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let events = fanotify_records::parse(&self.buffer[..length]).map_err(io::Error::other)?;
        let announced = events.into_iter();
        Ok(announced
            .flat_map(|event| announcement::of(event, &self.watched))
            .collect())
    }

    /// Number of marked directories.
    pub(crate) fn len(&self) -> usize {
        self.watched.len()
    }

    /// Marks the directories in an open directory, and all below them. The directory is marked before it is
    /// listed, so that no entry is missed.
    fn walk(&mut self, directory: OwnedFd, handle: &Handle, path: &[u8], unmarked: &mut Unmarked) {
        let mut pending = vec![(directory, handle.clone(), path.to_vec())];
        while let Some((directory, handle, path)) = pending.pop() {
            for name in directories_in(&directory) {
                let path = [path.strip_suffix(b"/").unwrap_or(&path), b"/", &name].concat();
                let Ok(child) = open_directory(directory.as_fd(), OsStr::from_bytes(&name)) else {
                    continue;
                };
                if let Some((child, added)) = self.add_one(&handle, &name, &path, child, unmarked) {
                    pending.push((child, added, path));
                }
            }
        }
    }

    fn add(
        &mut self,
        parent: &Handle,
        name: &[u8],
        path: &[u8],
        directory: OwnedFd,
        unmarked: &mut Unmarked,
    ) {
        if let Some((directory, handle)) = self.add_one(parent, name, path, directory, unmarked) {
            self.walk(directory, &handle, path, unmarked);
        }
    }

    /// Marks one directory, if it is reached. Returns it, so that it is listed.
    fn add_one(
        &mut self,
        parent: &Handle,
        name: &[u8],
        path: &[u8],
        directory: OwnedFd,
        unmarked: &mut Unmarked,
    ) -> Option<(OwnedFd, Handle)> {
        let on_host = [self.host_root.as_os_str().as_bytes(), path].concat();
        if !self.reach.includes(&on_host) {
            return None;
        }
        if self.watched.len() >= self.limit {
            unmarked.beyond_limit += 1;
            return None;
        }
        let marked = handle_of(&directory).and_then(|handle| {
            self.mark(&directory)?;
            Ok(handle)
        });
        match marked {
            Ok(handle) => {
                self.watched.add(parent, name, handle.clone());
                Some((directory, handle))
            }
            Err(error) => {
                unmarked.refused += 1;
                let path = crate::aide::report::display_path(path);
                unmarked
                    .first_refused
                    .get_or_insert_with(|| format!("{path}: {error}"));
                None
            }
        }
    }

    fn mark(&self, directory: &OwnedFd) -> io::Result<()> {
        let flags = MarkFlags::FAN_MARK_ADD | MarkFlags::FAN_MARK_ONLYDIR;
        let mask = MaskFlags::FAN_MODIFY
            | MaskFlags::FAN_CLOSE_WRITE
            | MaskFlags::FAN_ATTRIB
            | MaskFlags::FAN_CREATE
            | MaskFlags::FAN_DELETE
            | MaskFlags::FAN_MOVED_FROM
            | MaskFlags::FAN_MOVED_TO
            | MaskFlags::FAN_ONDIR
            | MaskFlags::FAN_EVENT_ON_CHILD;
        Ok(self.group.mark::<_, Path>(flags, mask, directory, None)?)
    }
}

/// Opens a directory without following a link in its last component.
fn open_directory(at: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, name, flags, Mode::empty())?)
}

/// The handle by which the kernel names the directory.
fn handle_of(directory: &OwnedFd) -> io::Result<Handle> {
    let (handle, _) = name_to_handle_at(directory, Path::new(""), AT_EMPTY_PATH)?;
    let fsid = fstatvfs(directory)?.f_fsid;
    Ok(Handle {
        fsid: fsid.to_ne_bytes(),
        handle_type: handle.handle_type,
        bytes: handle.handle,
    })
}

/// The names of the directories in a directory. What cannot be read has none.
fn directories_in(directory: &OwnedFd) -> Vec<Vec<u8>> {
    let Ok(entries) = Dir::read_from(directory) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| matches!(entry.file_type(), FileType::Directory | FileType::Unknown))
        .map(|entry| entry.file_name().to_bytes().to_vec())
        .filter(|name| !matches!(name.as_slice(), b"." | b".."))
        .collect()
}

#[cfg(test)]
mod tests;
