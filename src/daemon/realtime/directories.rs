//! Opens directories of a node without following symbolic links. I/O.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// Opens the root of the node.
pub(crate) fn open_root(host_root: &Path) -> io::Result<OwnedFd> {
    open_directory(CWD, host_root.as_os_str().as_bytes())
}

/// Opens a directory of the node by its path.
pub(crate) fn open_path(host_root: &Path, path: &[u8]) -> io::Result<OwnedFd> {
    let names = path.split(|byte| *byte == b'/');
    names
        .filter(|name| !name.is_empty())
        .try_fold(open_root(host_root)?, |at, name| {
            open_directory(at.as_fd(), name)
        })
}

/// Opens a directory. Only its last component must not be a link.
pub(crate) fn open_directory(at: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, OsStr::from_bytes(name), flags, Mode::empty())?)
}

/// Whether there is no directory of this name any more.
pub(crate) fn has_vanished(error: &io::Error) -> bool {
    let error = Errno::from_io_error(error);
    matches!(error, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// The path of an entry.
pub(crate) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    [directory, b"/", name].concat()
}
