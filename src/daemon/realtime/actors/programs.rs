//! The programs that processes open to run them. I/O.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, fstat, openat};

use super::super::directories::{join, open_path};
use super::super::fanotify;
use super::super::kernel_event::{Opened, WatchId};

/// The start of a file with machine code.
const MACHINE_CODE: &[u8; 4] = b"\x7fELF";

/// The file systems with programs.
#[derive(Debug)]
pub(crate) struct Programs {
    host_root: PathBuf,
    /// A path of each one. An open directory would keep it mounted.
    file_systems: HashMap<[u8; 8], Vec<u8>>,
}

impl Programs {
    pub(crate) fn new(host_root: PathBuf) -> Self {
        Self {
            host_root,
            file_systems: HashMap::new(),
        }
    }

    /// Programs of the file system of this directory are reported.
    pub(crate) fn add_file_system(&mut self, path: &[u8], directory: &OwnedFd) {
        if let Ok(id) = fanotify::fsid_of(directory) {
            self.file_systems.insert(id, path.to_vec());
        }
    }

    /// A program of this name was opened in a directory.
    pub(crate) fn opened(&self, directory: &WatchId, name: &[u8]) -> Opened {
        Opened {
            name: name.to_vec(),
            program: self.program(directory, name),
            file_system: match directory {
                WatchId::Handle(handle) => Some(handle.fsid),
                WatchId::Watch(_) => None,
            },
        }
    }

    /// The path of a program, if it can be found and is machine code.
    fn program(&self, directory: &WatchId, name: &[u8]) -> Option<Vec<u8>> {
        let WatchId::Handle(handle) = directory else {
            return None;
        };
        let beside = self.file_systems.get(&handle.fsid)?;
        let beside = open_path(&self.host_root, beside).ok()?;
        let directory = fanotify::open(handle, &beside).ok()?;
        is_machine_code(&directory, name).then_some(())?;
        let path = self.path_of(&directory)?;
        Some(join(&path, name))
    }

    /// The path of a directory on the node. None if it has none: the directories below an overlay are opened by their
    /// handles as if they were roots.
    fn path_of(&self, directory: &OwnedFd) -> Option<Vec<u8>> {
        let path = fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd())).ok()?;
        let (there, opened) = (fs::symlink_metadata(&path).ok()?, fstat(directory).ok()?);
        if (there.dev(), there.ino()) != (opened.st_dev, opened.st_ino) {
            return None;
        }
        let path = path.into_os_string().into_vec();
        let host_root = self.host_root.as_os_str().as_bytes();
        Some(match path.strip_prefix(host_root) {
            Some(on_node @ (b"" | [b'/', ..])) => on_node.to_vec(),
            _ => path,
        })
    }
}

fn is_machine_code(directory: &OwnedFd, name: &[u8]) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = openat(directory, OsStr::from_bytes(name), flags, Mode::empty()) else {
        return false;
    };
    let mut start = [0; MACHINE_CODE.len()];
    rustix::io::read(&file, &mut start) == Ok(start.len()) && start == *MACHINE_CODE
}
