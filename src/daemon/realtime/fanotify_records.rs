//! The records that are read from a fanotify group with `FAN_REPORT_DFID_NAME`. Pure.
//!
//! Formats: `fanotify(7)`, and `include/uapi/linux/fanotify.h` of Linux. All numbers have the byte order of
//! the machine. The kernel writes whole records; anything else ends the parsing with an error.

use std::ops::BitOr;

/// Version of the format (`FANOTIFY_METADATA_VERSION`).
const VERSION: u8 = 3;
/// Size of `struct fanotify_event_metadata`.
const METADATA: usize = 24;
/// Size of `struct fanotify_event_info_header`.
const HEADER: usize = 4;
/// Size of `fsid` and of the head of `struct file_handle`.
const FSID: usize = 8;
const HANDLE_HEAD: usize = 8;
/// Maximum bytes of a file handle (`MAX_HANDLE_SZ`).
const MAX_HANDLE: usize = 128;
/// `FAN_EVENT_INFO_TYPE_DFID_NAME`.
const DIRECTORY_AND_NAME: u8 = 2;
/// `FAN_Q_OVERFLOW`.
const OVERFLOW: u64 = 0x4000;

/// What happened, as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Mask(pub(crate) u64);

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
    /// The entry is a directory.
    pub(crate) const ON_DIRECTORY: Self = Self(0x4000_0000);

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

/// Identifies a directory until it is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handle {
    /// Id of the file system.
    pub fsid: [u8; FSID],
    /// The type of handle of the file system.
    pub handle_type: i32,
    pub bytes: Vec<u8>,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KernelEvent {
    /// Something happened to an entry of a directory. The name `.` is the directory itself.
    Entry {
        mask: Mask,
        /// The process; 0 if it is in another PID namespace.
        pid: i32,
        directory: Handle,
        name: Vec<u8>,
    },
    /// The kernel has dropped events.
    Overflow,
}

/// The bytes are no records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kernel returned an invalid fanotify record: {0}")]
pub(crate) struct InvalidRecord(&'static str);

/// Parses what one `read(2)` has returned. Records without a directory and a name are left out: the group
/// requests none.
pub(crate) fn parse(mut buffer: &[u8]) -> Result<Vec<KernelEvent>, InvalidRecord> {
    let mut events = Vec::new();
    while !buffer.is_empty() {
        let (record, rest) = split_record(buffer)?;
        events.extend(event(record)?);
        buffer = rest;
    }
    Ok(events)
}

/// Splits off the first record.
fn split_record(buffer: &[u8]) -> Result<(&[u8], &[u8]), InvalidRecord> {
    let length = u32::from_ne_bytes(array(buffer, 0)?);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length < METADATA {
        return Err(InvalidRecord("its length is too small"));
    }
    buffer
        .split_at_checked(length)
        .ok_or(InvalidRecord("it is incomplete"))
}

fn event(record: &[u8]) -> Result<Option<KernelEvent>, InvalidRecord> {
    if record.get(4) != Some(&VERSION) {
        return Err(InvalidRecord("its version is not 3"));
    }
    let mask = u64::from_ne_bytes(array(record, 8)?);
    if mask & OVERFLOW != 0 {
        return Ok(Some(KernelEvent::Overflow));
    }
    let pid = i32::from_ne_bytes(array(record, 20)?);
    let start = usize::from(u16::from_ne_bytes(array(record, 6)?));
    let infos = record.get(start..).filter(|_| start >= METADATA);
    let mut infos = infos.ok_or(InvalidRecord("its metadata has an impossible length"))?;
    while !infos.is_empty() {
        let length = usize::from(u16::from_ne_bytes(array(infos, 2)?));
        let info = infos.get(..length).filter(|info| info.len() >= HEADER);
        let info = info.ok_or(InvalidRecord("an information has an impossible length"))?;
        if info[0] == DIRECTORY_AND_NAME {
            let (directory, name) = directory_and_name(&info[HEADER..])?;
            return Ok(Some(KernelEvent::Entry {
                mask: Mask(mask),
                pid,
                directory,
                name,
            }));
        }
        infos = &infos[length..];
    }
    Ok(None)
}

fn directory_and_name(info: &[u8]) -> Result<(Handle, Vec<u8>), InvalidRecord> {
    let fsid = array(info, 0)?;
    let length = u32::from_ne_bytes(array(info, FSID)?);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_HANDLE {
        return Err(InvalidRecord("its file handle is too long"));
    }
    let handle_type = i32::from_ne_bytes(array(info, FSID + 4)?);
    let rest = info.get(FSID + HANDLE_HEAD..).unwrap_or_default();
    let (bytes, name) = rest
        .split_at_checked(length)
        .ok_or(InvalidRecord("its file handle is incomplete"))?;
    let end = name.iter().position(|byte| *byte == 0);
    let end = end.ok_or(InvalidRecord("its name has no end"))?;
    let name = &name[..end];
    if name.is_empty() || name.contains(&b'/') || name == b".." {
        return Err(InvalidRecord("its name is not that of an entry"));
    }
    let directory = Handle {
        fsid,
        handle_type,
        bytes: bytes.to_vec(),
    };
    Ok((directory, name.to_vec()))
}

fn array<const N: usize>(bytes: &[u8], start: usize) -> Result<[u8; N], InvalidRecord> {
    let found = bytes.get(start..).and_then(|bytes| bytes.first_chunk());
    found.copied().ok_or(InvalidRecord("it is incomplete"))
}

#[cfg(test)]
mod tests;
