//! The records that are read from a fanotify group with `FAN_REPORT_DFID_NAME` or `FAN_REPORT_FID`. Pure.
//!
//! Formats: `fanotify(7)`, and `include/uapi/linux/fanotify.h` of Linux. All numbers have the byte order of
//! the machine. The kernel writes whole records; anything else ends the parsing with an error.

use super::kernel_event::{
    Handle, INCOMPLETE, InvalidRecord, KernelEvent, Mask, Pid, SELF, WatchId, array, entry_name,
};

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
/// `FAN_EVENT_INFO_TYPE_FID` of `fanotify.h`.
const FILE: u8 = 1;
/// `FAN_EVENT_INFO_TYPE_DFID_NAME` of `fanotify.h`.
const DIRECTORY_AND_NAME: u8 = 2;

/// Parses what one `read(2)` has returned. Records of neither an entry nor a file are left out: the groups
/// request none.
pub fn parse(mut buffer: &[u8]) -> Result<Vec<KernelEvent>, InvalidRecord> {
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
    buffer.split_at_checked(length).ok_or(INCOMPLETE)
}

fn event(record: &[u8]) -> Result<Option<KernelEvent>, InvalidRecord> {
    if record.get(4) != Some(&VERSION) {
        return Err(InvalidRecord("its version is not 3"));
    }
    let mask = Mask(u64::from_ne_bytes(array(record, 8)?));
    if mask.has(Mask::OVERFLOW) {
        return Ok(Some(KernelEvent::Overflow));
    }
    // Zero for a process that the reader's namespace does not have.
    let pid = u32::try_from(i32::from_ne_bytes(array(record, 20)?));
    let pid = pid.ok().and_then(Pid::new);
    let start = usize::from(u16::from_ne_bytes(array(record, 6)?));
    let infos = record.get(start..).filter(|_| start >= METADATA);
    let mut infos = infos.ok_or(InvalidRecord("its metadata has an impossible length"))?;
    while !infos.is_empty() {
        let length = usize::from(u16::from_ne_bytes(array(infos, 2)?));
        let info = infos.get(..length).filter(|info| info.len() >= HEADER);
        let info = info.ok_or(InvalidRecord("an information has an impossible length"))?;
        let found = match info[0] {
            DIRECTORY_AND_NAME => {
                let (handle, name) = handle_and_rest(&info[HEADER..])?;
                Some((handle, entry_name(name)?))
            }
            FILE => Some((handle_and_rest(&info[HEADER..])?.0, SELF.to_vec())),
            _ => None,
        };
        if let Some((handle, name)) = found {
            return Ok(Some(KernelEvent::Entry {
                mask,
                directory: WatchId::Handle(handle),
                name,
                pid,
            }));
        }
        infos = &infos[length..];
    }
    Ok(None)
}

/// A file handle, and what follows it.
fn handle_and_rest(info: &[u8]) -> Result<(Handle, &[u8]), InvalidRecord> {
    let fsid = array(info, 0)?;
    let length = u32::from_ne_bytes(array(info, FSID)?);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_HANDLE {
        return Err(InvalidRecord("its file handle is too long"));
    }
    let kind = i32::from_ne_bytes(array(info, FSID + 4)?);
    let rest = info.get(FSID + HANDLE_HEAD..).unwrap_or_default();
    let (bytes, rest) = rest
        .split_at_checked(length)
        .ok_or(InvalidRecord("its file handle is incomplete"))?;
    let handle = Handle {
        fsid,
        kind,
        bytes: bytes.to_vec(),
    };
    Ok((handle, rest))
}

#[cfg(test)]
mod tests;
