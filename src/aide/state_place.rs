//! Whether a directory of the node may be the state directory: each of its components is opened
//! without following links, and must belong to root alone. I/O.
//!
//! AIDE opens its files in the state directory by name, and follows links there. Nobody but root may
//! be able to put a link, or another directory, anywhere on the way to them.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Write permissions of the group and of others. An ACL that lets anybody else write shows in those
/// of the group.
const OTHERS_WRITE: u32 = 0o022;
/// Mode of the directories that fio makes.
const DIRECTORY_MODE: u32 = 0o755;
/// An empty file system has this directory.
const LOST_AND_FOUND: &str = "lost+found";
/// Files by which a directory is known as fio's own: the lock is the first that it makes.
const OWN: [&str; 2] = ["aide.lock", "aide.baseline.json"];

/// Why a directory is not fit.
#[derive(Debug, thiserror::Error)]
pub enum UnfitError {
    /// A symbolic link is on the way.
    #[error("{0}")]
    Link(String),
    /// Somebody else than root can put other files there.
    #[error("{0}")]
    Writable(String),
    /// It is missing.
    #[error("is not there")]
    Missing,
    /// It is not there and cannot be made.
    #[error("cannot be made ({0})")]
    NotMade(io::Error),
    /// It cannot be opened.
    #[error("cannot be looked at ({0})")]
    Unreadable(io::Error),
    /// It has files of others in it.
    #[error(
        "is neither empty nor fio's own: {0} is in it; name an empty directory, or one that does not exist"
    )]
    Occupied(String),
}

/// Device and inode of a directory, which stay while it is the same one.
pub type Identity = (u64, u64);

/// Opens each component of `dir`, a path on the node, below `host_root`. Components that are missing
/// are made where `may_make`.
pub fn check(host_root: &Path, dir: &str, may_make: bool) -> Result<Identity, UnfitError> {
    let mut place = PathBuf::from("/");
    let mut opened = open_root(host_root).map_err(UnfitError::Unreadable)?;
    let mut meta = owned_by_root(&opened, &place)?;
    for component in dir.split('/').filter(|part| !matches!(*part, "" | ".")) {
        place.push(component);
        opened = open_or_make(host_root, &opened, component, &place, dir, may_make)?;
        meta = owned_by_root(&opened, &place)?;
    }
    Ok(identity(&meta))
}

/// Whether a directory is empty, or fio has used it before. Directories that the user names must be:
/// what reads the files in another one could take fio's for its own.
pub fn check_content(path: &Path) -> Result<(), UnfitError> {
    let root = rustix::process::geteuid().as_raw();
    let is_own = OWN.iter().any(|name| {
        fs::symlink_metadata(path.join(name)).is_ok_and(|meta| meta.is_file() && meta.uid() == root)
    });
    if is_own {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(UnfitError::Unreadable)? {
        let name = entry.map_err(UnfitError::Unreadable)?.file_name();
        if name != LOST_AND_FOUND {
            return Err(UnfitError::Occupied(name.display().to_string()));
        }
    }
    Ok(())
}

fn open_root(host_root: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(host_root, flags, Mode::empty())?.into())
}

fn open_or_make(
    host_root: &Path,
    parent: &File,
    component: &str,
    place: &Path,
    dir: &str,
    may_make: bool,
) -> Result<File, UnfitError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(parent, component, flags, Mode::empty()).map(File::from);
    let missing = match open() {
        Ok(opened) => return Ok(opened),
        Err(errno) => errno,
    };
    if missing == rustix::io::Errno::NOENT && may_make {
        let mode = Mode::from_raw_mode(DIRECTORY_MODE);
        return match rustix::fs::mkdirat(parent, component, mode) {
            // Another daemon may have made it meanwhile.
            Ok(()) | Err(rustix::io::Errno::EXIST) => open(),
            Err(errno) => Err(errno),
        }
        .map_err(|errno| UnfitError::NotMade(errno.into()));
    }
    let on_host = host_root.join(place.strip_prefix("/").unwrap_or(place));
    if let Ok(target) = fs::read_link(on_host) {
        return Err(UnfitError::Link(link(place, target.as_os_str(), dir)));
    }
    Err(match missing {
        rustix::io::Errno::NOENT => UnfitError::Missing,
        errno if may_make => UnfitError::NotMade(errno.into()),
        errno => UnfitError::Unreadable(errno.into()),
    })
}

fn link(place: &Path, target: &OsStr, dir: &str) -> String {
    let target = target.display();
    if place == Path::new(dir) {
        format!("is a symbolic link to {target}")
    } else {
        let place = place.display();
        format!("lies behind the symbolic link {place} to {target}")
    }
}

/// The daemon is root, and what belongs to it belongs to root.
fn owned_by_root(opened: &File, place: &Path) -> Result<Metadata, UnfitError> {
    let meta = opened.metadata().map_err(UnfitError::Unreadable)?;
    let place = place.display();
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(UnfitError::Writable(format!(
            "is not safe: {place} belongs to the user {}; it must belong to root (`chown root {place}`)",
            meta.uid()
        )));
    }
    if meta.mode() & OTHERS_WRITE != 0 {
        return Err(UnfitError::Writable(format!(
            "is not safe: others than root may write to {place} (mode {:04o}); only root may \
             (`chmod go-w {place}`)",
            meta.mode() & 0o7777
        )));
    }
    Ok(meta)
}

/// The identity of what these are the metadata of.
pub fn identity(meta: &Metadata) -> Identity {
    (meta.dev(), meta.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_directory_below_one_that_others_may_write_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let there = |path: &str| root.path().join(path);
        fs::create_dir_all(there("srv/shared/fio")).unwrap();
        check(root.path(), "/srv/shared/fio", false).unwrap();
        for mode in [0o777, 0o1777, 0o775, 0o757] {
            for place in ["srv", "srv/shared", "srv/shared/fio"] {
                set_mode(&there(place), mode);
                let error = check(root.path(), "/srv/shared/fio", true).unwrap_err();
                let expected = format!(
                    "is not safe: others than root may write to /{place} (mode {mode:04o}); only root \
                     may (`chmod go-w /{place}`)"
                );
                assert_eq!(error.to_string(), expected);
                set_mode(&there(place), 0o755);
            }
        }
    }

    #[test]
    fn a_directory_of_another_user_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("srv/fio");
        fs::create_dir_all(&dir).unwrap();
        let other = rustix::fs::Uid::from_raw(4242);
        if let Err(errno) = rustix::fs::chown(root.path().join("srv"), Some(other), None) {
            // Only root may give directories away.
            assert!(!rustix::process::geteuid().is_root(), "{errno}");
            return;
        }
        assert_eq!(
            check(root.path(), "/srv/fio", true)
                .unwrap_err()
                .to_string(),
            "is not safe: /srv belongs to the user 4242; it must belong to root (`chown root /srv`)"
        );
    }

    #[test]
    fn links_are_not_followed_wherever_they_are() {
        let root = tempfile::tempdir().unwrap();
        let there = |path: &str| root.path().join(path);
        fs::create_dir_all(there("var/opt/fio")).unwrap();
        symlink("var/opt", there("opt")).unwrap();
        symlink("fio", there("var/opt/other")).unwrap();
        for (dir, expected) in [
            ("/opt/fio", "lies behind the symbolic link /opt to var/opt"),
            ("/opt/new", "lies behind the symbolic link /opt to var/opt"),
            ("/var/opt/other", "is a symbolic link to fio"),
        ] {
            let error = check(root.path(), dir, true).unwrap_err();
            assert_eq!(error.to_string(), expected, "{dir}");
        }
        assert!(!there("var/opt/new").exists());
    }

    #[test]
    fn what_is_made_belongs_to_root_alone() {
        let root = tempfile::tempdir().unwrap();
        let made = check(root.path(), "/srv/a/b", true).unwrap();
        assert_eq!(check(root.path(), "/srv/./a//b/", false).unwrap(), made);
        let missing = check(root.path(), "/srv/other", false).unwrap_err();
        assert!(matches!(missing, UnfitError::Missing), "{missing}");
    }

    #[test]
    fn only_an_empty_directory_or_fios_own_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        check_content(dir).unwrap();
        fs::create_dir(dir.join(LOST_AND_FOUND)).unwrap();
        check_content(dir).unwrap();
        fs::write(dir.join("job"), "").unwrap();
        assert_eq!(
            check_content(dir).unwrap_err().to_string(),
            "is neither empty nor fio's own: job is in it; name an empty directory, or one that does \
             not exist"
        );
        symlink("job", dir.join(OWN[0])).unwrap();
        check_content(dir).unwrap_err();
        fs::write(dir.join(OWN[1]), "").unwrap();
        check_content(dir).unwrap();
    }
}
