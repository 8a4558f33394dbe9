//! An inotify instance. I/O. Requires no privilege, but permission to read the directories and files.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::kernel_event::Objects;

/// An instance with watches on directories, or on files.
#[derive(Debug)]
pub(crate) struct Instance {
    inotify: OwnedFd,
    objects: Objects,
}

impl Instance {
    /// Creates an instance without watches.
    pub(crate) fn open(objects: Objects) -> io::Result<Self> {
        Ok(Self {
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            objects,
        })
    }

    /// Watches a directory or file. Its events have the returned watch descriptor.
    pub(crate) fn add(&self, object: &OwnedFd) -> io::Result<i32> {
        // inotify only takes paths. This one leads to the open directory or file, wherever that is now.
        let path = format!("/proc/self/fd/{}", object.as_raw_fd());
        let changes = u32::try_from(self.objects.mask().0).map_err(io::Error::other)?;
        let mut flags = WatchFlags::from_bits_retain(changes);
        flags.set(WatchFlags::ONLYDIR, self.objects == Objects::Directories);
        Ok(inotify::add_watch(&self.inotify, path, flags)?)
    }

    /// Removes a watch, unless the kernel has removed it already.
    pub(crate) fn remove(&self, watch: i32) -> io::Result<()> {
        Ok(inotify::remove_watch(&self.inotify, watch)?)
    }
}

impl AsFd for Instance {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
