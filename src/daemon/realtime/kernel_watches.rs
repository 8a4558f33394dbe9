//! Watches in the kernel, whatever their interface. I/O.
//!
//! fanotify is preferred: it needs no watch descriptors, of which inotify has a limited number per user, and
//! merges events. inotify is used where the kernel refuses a fanotify group, and beside it for directories
//! that refuse marks: those of FUSE, subvolumes of btrfs beside other file systems, overlay before Linux 6.6.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use super::kernel_event::{KernelEvent, Mask, Objects, WatchId};
use super::{fanotify, fanotify_records, inotify, inotify_records};
use crate::api::realtime::RealtimeReason;

/// Bytes for the records of one read: some thousand.
const BUFFER: usize = 256 * 1024;
/// Maximum bytes of a record: with the longest file handle and the longest name.
const MAX_RECORD: usize = 512;

/// Which interface to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preference {
    /// fanotify, and inotify where that is not possible.
    Auto,
    /// Only inotify, as on nodes without fanotify.
    Inotify,
}

impl Objects {
    /// The changes that are reported of them.
    pub(crate) const fn mask(self) -> Mask {
        match self {
            Self::Directories => Mask::CHANGES,
            Self::Files => Mask::FILE_CHANGES,
        }
    }
}

/// An interface cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[error("{interface} cannot be used")]
pub(crate) struct Unavailable {
    interface: &'static str,
    pub(crate) reason: RealtimeReason,
    source: io::Error,
}

impl Unavailable {
    fn new(interface: &'static str, source: io::Error) -> Self {
        let reason = match Errno::from_io_error(&source) {
            Some(Errno::PERM | Errno::ACCESS) => RealtimeReason::NotPermitted,
            Some(Errno::NOSYS | Errno::INVAL) => RealtimeReason::KernelTooOld,
            // The other errors in the manual pages: too many groups or instances, or no memory.
            _ => RealtimeReason::WatchLimit,
        };
        Self {
            interface,
            reason,
            source,
        }
    }
}

/// Why a directory or file is not watched.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There are as many watches or instances as the kernel allows.
    KernelLimit,
    /// The file system, or the kernel for another reason.
    Other(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOSPC | Errno::MFILE | Errno::NOMEM) => Self::KernelLimit,
            _ => Self::Other(error),
        }
    }
}

/// A fanotify group, an inotify instance, or both.
#[derive(Debug)]
pub(crate) struct KernelWatches {
    objects: Objects,
    fanotify: Option<fanotify::Group>,
    /// Created for the first directory that needs it: a user has few instances.
    inotify: Option<inotify::Instance>,
    fallback: Option<Unavailable>,
    buffer: Vec<u8>,
    has_more: bool,
}

impl KernelWatches {
    /// Opens the preferred interface that is available, without watches.
    pub(crate) fn open(objects: Objects, preference: Preference) -> Result<Self, Unavailable> {
        let group = match preference {
            Preference::Auto => fanotify::Group::open(objects).map(Some),
            Preference::Inotify => Ok(None),
        };
        let (fanotify, fallback) = match group {
            Ok(group) => (group, None),
            Err(error) => (None, Some(Unavailable::new("fanotify", error))),
        };
        let mut watches = Self {
            objects,
            fanotify,
            inotify: None,
            fallback,
            buffer: vec![0; BUFFER],
            has_more: false,
        };
        if watches.fanotify.is_none() {
            let instance = inotify::Instance::open(objects);
            let instance = instance.map_err(|error| Unavailable::new("inotify", error))?;
            watches.inotify = Some(instance);
        }
        Ok(watches)
    }

    /// Why there is no fanotify group, if one was tried.
    pub(crate) fn fallback(&self) -> Option<&Unavailable> {
        self.fallback.as_ref()
    }

    /// Watches a directory or file. A file may be open as a path only.
    pub(crate) fn add(&mut self, object: &OwnedFd) -> Result<WatchId, Refused> {
        if let Some(group) = &self.fanotify
            && let Ok(handle) = group.add(object)
        {
            return Ok(WatchId::Handle(handle));
        }
        let instance = match self.inotify.take() {
            Some(instance) => instance,
            None => inotify::Instance::open(self.objects)?,
        };
        let watch = self.inotify.insert(instance).add(object)?;
        Ok(WatchId::Watch(watch))
    }

    /// Reports executions of programs on the file system of a directory. Returns whether it is possible.
    pub(crate) fn add_executions(&self, directory: &OwnedFd) -> bool {
        let group = self.fanotify.as_ref();
        group.is_some_and(|group| group.add_executions(directory).is_ok())
    }

    /// Stops watching a directory or file. `beside` is a directory of its file system, which only fanotify needs. The
    /// kernel removes watches of what is deleted itself; of others that it cannot find, events are ignored.
    pub(crate) fn remove(&self, object: &WatchId, beside: Option<&OwnedFd>) {
        drop(match (object, beside, &self.fanotify, &self.inotify) {
            (WatchId::Handle(handle), Some(beside), Some(group), _) => group.remove(handle, beside),
            (WatchId::Watch(watch), _, _, Some(instance)) => instance.remove(*watch),
            _ => Ok(()),
        });
    }

    /// The next events; empty if there are none now.
    pub(crate) fn read(&mut self) -> io::Result<Vec<KernelEvent>> {
        let (mut events, mut longest) = (Vec::new(), 0);
        self.has_more = false;
        if let Some(group) = &self.fanotify {
            let length = read(group, &mut self.buffer)?;
            events
                .extend(fanotify_records::parse(&self.buffer[..length]).map_err(io::Error::other)?);
            longest = length;
        }
        if let Some(instance) = &self.inotify {
            let length = read(instance, &mut self.buffer)?;
            events
                .extend(inotify_records::parse(&self.buffer[..length]).map_err(io::Error::other)?);
            longest = longest.max(length);
        }
        self.has_more = longest + MAX_RECORD > BUFFER;
        Ok(events)
    }

    /// Whether the last read may have left events. Otherwise it has returned all that happened before it.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    /// The open interfaces. They are readable when there are events.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let fanotify = self.fanotify.iter().map(AsFd::as_fd);
        fanotify.chain(self.inotify.iter().map(AsFd::as_fd))
    }
}

/// Returns the number of bytes. A read that does not wait is not interrupted by signals.
fn read(from: &impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    match rustix::io::read(from, buffer) {
        Err(Errno::AGAIN) => Ok(0),
        length => Ok(length?),
    }
}

#[cfg(test)]
mod tests;
