//! The records that are read from an inotify instance. Pure.
//!
//! Format: `struct inotify_event` in `inotify(7)`. All numbers have the byte order of the machine. The kernel
//! writes whole records; anything else ends the parsing with an error.

use super::kernel_event::{
    INCOMPLETE, InvalidRecord, KernelEvent, Mask, SELF, WatchId, array, entry_name,
};

/// Size of a record without its name.
const HEAD: usize = 16;

/// Parses what one `read(2)` has returned.
pub fn parse(mut buffer: &[u8]) -> Result<Vec<KernelEvent>, InvalidRecord> {
    let mut events = Vec::new();
    while !buffer.is_empty() {
        let length = u32::from_ne_bytes(array(buffer, 12)?);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (head, rest) = buffer.split_at_checked(HEAD).ok_or(INCOMPLETE)?;
        let (name, rest) = rest.split_at_checked(length).ok_or(INCOMPLETE)?;
        events.push(event(head, name)?);
        buffer = rest;
    }
    Ok(events)
}

fn event(head: &[u8], name: &[u8]) -> Result<KernelEvent, InvalidRecord> {
    let directory = WatchId::Watch(i32::from_ne_bytes(array(head, 0)?));
    let mask = Mask(u32::from_ne_bytes(array(head, 4)?).into());
    if mask.has(Mask::OVERFLOW) {
        return Ok(KernelEvent::Overflow);
    }
    if mask.has(Mask::IGNORED) {
        return Ok(KernelEvent::Unwatched(directory));
    }
    if mask.has(Mask::UNMOUNT) {
        return Ok(KernelEvent::Unmounted(directory));
    }
    // An event of the directory itself has no name.
    let name = if name.is_empty() {
        SELF.to_vec()
    } else {
        entry_name(name)?
    };
    Ok(KernelEvent::Entry {
        mask,
        directory,
        name,
        pid: None,
    })
}

#[cfg(test)]
mod tests;
