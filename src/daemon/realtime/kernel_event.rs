//! What the kernel reports of a directory or file, by fanotify or by inotify. Pure.

use std::num::NonZeroU32;
use std::ops::BitOr;

/// The name of the watched directory or file itself in an event.
pub(crate) const SELF: &[u8] = b".";

/// What happened, as a set of bits. They are the same for fanotify and inotify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mask(pub(crate) u64);

impl Mask {
    /// The content of a file was written.
    pub(crate) const MODIFY: Self = Self(0x2);
    /// Mode, owner, attributes or link count of an entry changed.
    pub(crate) const ATTRIB: Self = Self(0x4);
    /// A file that was open for writing was closed.
    pub(crate) const CLOSE_WRITE: Self = Self(0x8);
    /// An entry was moved away.
    pub(crate) const MOVED_FROM: Self = Self(0x40);
    /// An entry was moved here.
    pub(crate) const MOVED_TO: Self = Self(0x80);
    /// An entry was created.
    pub(crate) const CREATE: Self = Self(0x100);
    /// An entry was deleted.
    pub(crate) const DELETE: Self = Self(0x200);
    /// The watched file was moved.
    pub(crate) const MOVE_SELF: Self = Self(0x800);
    /// A program was opened to run it. Only fanotify reports it.
    pub(crate) const OPEN_EXEC: Self = Self(0x1000);
    /// The file system was unmounted. Only inotify reports it.
    pub(crate) const UNMOUNT: Self = Self(0x2000);
    /// The kernel has dropped events.
    pub(crate) const OVERFLOW: Self = Self(0x4000);
    /// The kernel has removed a watch. Only inotify reports it.
    pub(crate) const IGNORED: Self = Self(0x8000);
    /// The entry is a directory.
    pub(crate) const ON_DIRECTORY: Self = Self(0x4000_0000);
    /// All changes of a directory and its entries.
    pub(crate) const CHANGES: Self = Self(
        Self::MODIFY.0
            | Self::ATTRIB.0
            | Self::CLOSE_WRITE.0
            | Self::MOVED_FROM.0
            | Self::MOVED_TO.0
            | Self::CREATE.0
            | Self::DELETE.0,
    );

    /// All changes of a file, whatever its names.
    pub(crate) const FILE_CHANGES: Self =
        Self(Self::MODIFY.0 | Self::ATTRIB.0 | Self::CLOSE_WRITE.0 | Self::MOVE_SELF.0);

    /// Whether one of these bits is set.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Mask {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Whether directories with their entries are watched, or single files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Objects {
    /// Directories with their entries.
    Directories,
    /// Files, whatever their names are.
    Files,
}

/// Identifies a watched directory or file, whatever its path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WatchId {
    /// By fanotify: the handle of the directory.
    Handle(Handle),
    /// By inotify: the watch descriptor.
    Watch(i32),
}

/// A file handle: identifies a directory or file until it is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    /// Id of the file system.
    pub(crate) fsid: [u8; 8],
    /// The type of handle of the file system.
    pub(crate) kind: i32,
    pub(crate) bytes: Vec<u8>,
}

/// The id of a process, in the namespace of the reader. Another process may have it later.
pub type Pid = NonZeroU32;

/// A program that a process has opened to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The name of its file.
    pub(crate) name: Vec<u8>,
    /// Its path, if the file is there and is machine code. A script runs its interpreter, which is
    /// opened next.
    pub(crate) program: Option<Vec<u8>>,
    /// The id of its file system. A file of an overlay is reported twice: first as the file below it.
    pub(crate) file_system: Option<[u8; 8]>,
}

/// What the kernel has reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelEvent {
    /// Something happened to an entry of a directory.
    Entry {
        mask: Mask,
        /// The directory, or a watched file.
        directory: WatchId,
        /// The entry. The name `.` is the directory or the watched file itself.
        name: Vec<u8>,
        /// The process that caused it. Only fanotify reports it.
        pid: Option<Pid>,
    },
    /// The file system of a directory was unmounted.
    Unmounted(WatchId),
    /// The kernel does not watch a directory any more: it was deleted, unmounted, or its watch was removed.
    Unwatched(WatchId),
    /// The kernel has dropped events.
    Overflow,
}

/// The bytes are no records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kernel returned an invalid record: {0}")]
pub struct InvalidRecord(pub(crate) &'static str);

pub(crate) const INCOMPLETE: InvalidRecord = InvalidRecord("it is incomplete");

/// The bytes from `start`.
pub(crate) fn array<const N: usize>(bytes: &[u8], start: usize) -> Result<[u8; N], InvalidRecord> {
    let found = bytes.get(start..).and_then(|bytes| bytes.first_chunk());
    found.copied().ok_or(INCOMPLETE)
}

/// The name of an entry, which a zero ends.
pub(crate) fn entry_name(padded: &[u8]) -> Result<Vec<u8>, InvalidRecord> {
    let end = padded.iter().position(|byte| *byte == 0);
    let end = end.ok_or(InvalidRecord("its name has no end"))?;
    let name = &padded[..end];
    if name.is_empty() || name.contains(&b'/') || name == b".." {
        return Err(InvalidRecord("its name is not that of an entry"));
    }
    Ok(name.to_vec())
}
