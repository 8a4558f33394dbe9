//! A fanotify group. I/O. Requires `CAP_SYS_ADMIN` and Linux 5.9 (`FAN_REPORT_DFID_NAME`); detects it by trying.
//!
//! Marks on directories and files cost other processes nothing outside of these. Only notifications, never
//! permission events: they would make other processes wait for the daemon.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use name_to_handle_at::{
    AT_EMPTY_PATH, AT_HANDLE_FID, FileHandle, name_to_handle_at, open_by_handle_at,
};
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};
use rustix::fs::{CWD, OFlags, fstatvfs};

use super::kernel_event::Handle;
use super::kernel_event::Objects;

/// `FAN_REPORT_DIR_FID | FAN_REPORT_NAME`, which `nix` does not name.
const REPORT_DIRECTORY_AND_NAME: u32 = 0x400 | 0x800;
/// `FAN_REPORT_FID`, which `nix` does not name.
const REPORT_FILE: u32 = 0x200;

/// A group with marks on directories, or on files.
#[derive(Debug)]
pub(crate) struct Group {
    fanotify: Fanotify,
    objects: Objects,
}

impl Group {
    /// Creates a group without marks.
    pub(crate) fn open(objects: Objects) -> io::Result<Self> {
        let reported = match objects {
            Objects::Directories => REPORT_DIRECTORY_AND_NAME,
            Objects::Files => REPORT_FILE,
        };
        let flags = InitFlags::FAN_CLASS_NOTIF
            | InitFlags::FAN_CLOEXEC
            | InitFlags::FAN_NONBLOCK
            | InitFlags::FAN_UNLIMITED_MARKS
            | InitFlags::from_bits_retain(reported);
        Ok(Self {
            fanotify: Fanotify::init(flags, EventFFlags::O_RDONLY)?,
            objects,
        })
    }

    /// Marks a directory or file. Its events have the returned handle.
    pub(crate) fn add(&self, object: &OwnedFd) -> io::Result<Handle> {
        let handle = handle_of(object)?;
        self.change(MarkFlags::FAN_MARK_ADD, object)?;
        Ok(handle)
    }

    /// Marks the file system of a directory for executions of programs only: other marks of file systems cost all
    /// processes that change files there.
    pub(crate) fn add_executions(&self, directory: &OwnedFd) -> io::Result<()> {
        let flags = MarkFlags::FAN_MARK_ADD | MarkFlags::FAN_MARK_FILESYSTEM;
        let mask = MaskFlags::FAN_OPEN_EXEC;
        Ok(self
            .fanotify
            .mark::<_, Path>(flags, mask, directory, None)?)
    }

    /// Removes the mark of a directory or file, if that still exists. `beside` is a directory of its file system.
    pub(crate) fn remove(&self, handle: &Handle, beside: &OwnedFd) -> io::Result<()> {
        if fsid_of(beside)? != handle.fsid {
            return Ok(());
        }
        let flags = match self.objects {
            Objects::Directories => OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Objects::Files => OFlags::PATH | OFlags::CLOEXEC,
        };
        let handle = FileHandle {
            handle_type: handle.kind,
            handle: handle.bytes.clone(),
        };
        let object = open_by_handle_at(beside, &handle, flags.bits().cast_signed())?;
        self.change(MarkFlags::FAN_MARK_REMOVE, &object)
    }

    fn change(&self, change: MarkFlags, object: &OwnedFd) -> io::Result<()> {
        let mask = MaskFlags::from_bits_retain(self.objects.mask().0);
        match self.objects {
            Objects::Directories => {
                let flags = change | MarkFlags::FAN_MARK_ONLYDIR;
                let mask = mask | MaskFlags::FAN_ONDIR | MaskFlags::FAN_EVENT_ON_CHILD;
                self.fanotify.mark::<_, Path>(flags, mask, object, None)?;
            }
            Objects::Files => {
                // A file that is open as a path only is named by this path.
                let path = format!("/proc/self/fd/{}", object.as_raw_fd());
                self.fanotify.mark(change, mask, CWD, Some(path.as_str()))?;
            }
        }
        Ok(())
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fanotify.as_fd()
    }
}

/// Opens a directory by its handle, only as a path. `beside` is a directory of its file system.
pub(crate) fn open(handle: &Handle, beside: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = FileHandle {
        handle_type: handle.kind,
        handle: handle.bytes.clone(),
    };
    open_by_handle_at(beside, &handle, flags.bits().cast_signed())
}

/// The handle by which the kernel names the directory or file.
fn handle_of(object: &OwnedFd) -> io::Result<Handle> {
    let handle = |flags| name_to_handle_at(object, Path::new(""), AT_EMPTY_PATH | flags);
    // Overlay has handles for events that cannot be opened; Linux 6.5 reports them on request.
    let (handle, _) = handle(0).or_else(|error| handle(AT_HANDLE_FID).map_err(|_| error))?;
    Ok(Handle {
        fsid: fsid_of(object)?,
        kind: handle.handle_type,
        bytes: handle.handle,
    })
}

/// The id of the file system, in the order of bytes of the records.
pub(crate) fn fsid_of(object: &OwnedFd) -> io::Result<[u8; 8]> {
    let fsid = fstatvfs(object)?.f_fsid;
    // The kernel has two numbers of 32 bits; the first one is the lower one here.
    let fsid = if cfg!(target_endian = "big") {
        fsid.rotate_right(32)
    } else {
        fsid
    };
    Ok(fsid.to_ne_bytes())
}
