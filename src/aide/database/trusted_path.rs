//! Checks that only root controls a directory of the node: opens each component of its path without
//! following links. I/O.
//!
//! AIDE opens its files in the state directory by name and follows links. So only root may be able to
//! create links or replace directories along the path.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Write permissions of the group and of others. If an ACL grants write permission, the group's bits
/// show it.
const OTHERS_WRITE: u32 = 0o022;
/// Mode of the directories that fio creates.
const DIRECTORY_MODE: u32 = 0o755;
/// A new file system contains this directory.
const LOST_AND_FOUND: &str = "lost+found";
/// A directory with one of these files is fio's own. The lock is the first file that it creates.
const OWN_FILES: [&str; 2] = ["aide.lock", "aide.baseline.json"];

/// Why a directory cannot be the state directory. The messages complete a sentence that begins with its
/// path.
#[derive(Debug, thiserror::Error)]
pub(super) enum UntrustedError {
    /// The path contains a symbolic link.
    #[error("{0}")]
    Link(String),
    /// Users other than root can replace files there.
    #[error("{0}")]
    Writable(String),
    /// The directory does not exist.
    #[error("does not exist")]
    Missing,
    /// The directory does not exist and cannot be created.
    #[error("cannot be created ({0})")]
    Create(io::Error),
    /// The directory cannot be opened.
    #[error("cannot be opened ({0})")]
    Open(io::Error),
    /// The directory contains files of others.
    #[error(
        "contains {0}, which is not fio's; specify an empty directory or one that does not exist"
    )]
    Occupied(String),
}

/// Device and inode: they identify a file or directory.
pub(super) type Identity = (u64, u64);

/// Checks each component of `dir`, a path on the node whose root is at `host_root`. Creates missing
/// components if `may_create`.
pub(super) fn check(
    host_root: &Path,
    dir: &str,
    may_create: bool,
) -> Result<Identity, UntrustedError> {
    let mut place = PathBuf::from("/");
    let mut opened = open_root(host_root).map_err(UntrustedError::Open)?;
    let mut meta = require_root_only(&opened, &place)?;
    for component in dir.split('/').filter(|part| !matches!(*part, "" | ".")) {
        place.push(component);
        opened = open_or_create(host_root, &opened, component, &place, dir, may_create)?;
        meta = require_root_only(&opened, &place)?;
    }
    Ok(identity(&meta))
}

/// Checks that a directory is empty or was used by fio before. In a directory of another program, that
/// program could read fio's files as its own.
pub(super) fn check_content(path: &Path) -> Result<(), UntrustedError> {
    let root = rustix::process::geteuid().as_raw();
    let is_own = OWN_FILES.iter().any(|name| {
        fs::symlink_metadata(path.join(name)).is_ok_and(|meta| meta.is_file() && meta.uid() == root)
    });
    if is_own {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(UntrustedError::Open)? {
        let name = entry.map_err(UntrustedError::Open)?.file_name();
        if name != LOST_AND_FOUND {
            return Err(UntrustedError::Occupied(name.display().to_string()));
        }
    }
    Ok(())
}

fn open_root(host_root: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(host_root, flags, Mode::empty())?.into())
}

fn open_or_create(
    host_root: &Path,
    parent: &File,
    component: &str,
    place: &Path,
    dir: &str,
    may_create: bool,
) -> Result<File, UntrustedError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(parent, component, flags, Mode::empty()).map(File::from);
    let missing = match open() {
        Ok(opened) => return Ok(opened),
        Err(errno) => errno,
    };
    if missing == rustix::io::Errno::NOENT && may_create {
        let mode = Mode::from_raw_mode(DIRECTORY_MODE);
        return match rustix::fs::mkdirat(parent, component, mode) {
            // Another daemon may have created it meanwhile.
            Ok(()) | Err(rustix::io::Errno::EXIST) => open(),
            Err(errno) => Err(errno),
        }
        .map_err(|errno| UntrustedError::Create(errno.into()));
    }
    let on_host = host_root.join(place.strip_prefix("/").unwrap_or(place));
    if let Ok(target) = fs::read_link(on_host) {
        return Err(UntrustedError::Link(describe_link(
            place,
            target.as_os_str(),
            dir,
        )));
    }
    Err(match missing {
        rustix::io::Errno::NOENT => UntrustedError::Missing,
        errno if may_create => UntrustedError::Create(errno.into()),
        errno => UntrustedError::Open(errno.into()),
    })
}

fn describe_link(place: &Path, target: &OsStr, dir: &str) -> String {
    let target = target.display();
    if place == Path::new(dir) {
        format!("is a symbolic link to {target}")
    } else {
        let place = place.display();
        format!("is below the symbolic link {place} to {target}")
    }
}

/// Requires that this process' user, which is root in a daemon, owns the directory and is the only one with
/// write permission.
fn require_root_only(opened: &File, place: &Path) -> Result<Metadata, UntrustedError> {
    let meta = opened.metadata().map_err(UntrustedError::Open)?;
    let place = place.display();
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(UntrustedError::Writable(format!(
            "is not safe: {place} is owned by user {}, not by root (`chown root {place}`)",
            meta.uid()
        )));
    }
    if meta.mode() & OTHERS_WRITE != 0 {
        return Err(UntrustedError::Writable(format!(
            "is not safe: users other than root can write to {place} (mode {:04o}); remove this permission \
             (`chmod go-w {place}`)",
            meta.mode() & 0o7777
        )));
    }
    Ok(meta)
}

fn identity(meta: &Metadata) -> Identity {
    (meta.dev(), meta.ino())
}

/// The identity of a file or directory. Does not follow links.
pub(super) fn identity_of(path: &Path) -> io::Result<Identity> {
    Ok(identity(&fs::symlink_metadata(path)?))
}

#[cfg(test)]
mod tests;
