//! Wakes a thread that waits in `poll(2)`. I/O.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

/// A counter of the kernel that is readable while it is not zero.
#[derive(Debug)]
pub(crate) struct Wake(OwnedFd);

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        Ok(Self(eventfd(0, flags)?))
    }

    /// Wakes the thread. If the counter is full, it is awake already.
    pub(crate) fn wake(&self) {
        rustix::io::write(&self.0, &1_u64.to_ne_bytes()).ok();
    }

    /// Waits again from now on. Fails if there was no wake-up, which changes nothing.
    pub(crate) fn reset(&self) {
        rustix::io::read(&self.0, &mut [0; 8]).ok();
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
