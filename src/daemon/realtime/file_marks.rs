//! Watches on files with several links, so that changes by names outside of the watched directories are
//! announced, too. I/O.

use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::kernel_event::Objects;
use super::kernel_event::{KernelEvent, WatchId};
use super::kernel_watches::{KernelWatches, Preference};
use super::link_index::Inode;

/// Maximum number of watched files. Each one costs the kernel about a kilobyte.
pub(crate) const MAX_FILES: usize = 4096;

/// Files that are watched by themselves, whatever their names are.
#[derive(Debug)]
pub(crate) struct FileMarks {
    preference: Preference,
    /// Opened for the first file: many nodes have none.
    kernel: Option<KernelWatches>,
    inodes: HashMap<WatchId, Inode>,
    ids: HashMap<Inode, WatchId>,
}

/// What has happened to a watched file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileEvent {
    Changed(Inode),
    /// The kernel has dropped events.
    Overflow,
}

impl FileMarks {
    pub(crate) fn new(preference: Preference) -> Self {
        Self {
            preference,
            kernel: None,
            inodes: HashMap::new(),
            ids: HashMap::new(),
        }
    }

    pub(crate) fn contains(&self, inode: Inode) -> bool {
        self.ids.contains_key(&inode)
    }

    /// Number of watched files.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Watches an open file, also if an earlier file with the same number was watched. If that is not possible,
    /// changes by other names are not announced.
    pub(crate) fn add(&mut self, inode: Inode, file: &OwnedFd) {
        let kernel = match self.kernel.take() {
            Some(kernel) => kernel,
            None => match KernelWatches::open(Objects::Files, self.preference) {
                Ok(kernel) => kernel,
                Err(error) => {
                    let error = crate::error_chain(&error);
                    return tracing::warn!(
                        error,
                        "hard links outside of the rules are not watched"
                    );
                }
            },
        };
        if let Ok(id) = self.kernel.insert(kernel).add(file) {
            self.inodes.insert(id.clone(), inode);
            if let Some(earlier) = self.ids.insert(inode, id.clone()).filter(|it| *it != id) {
                self.inodes.remove(&earlier);
            }
        }
    }

    /// Stops watching a file. `beside` is a directory of its file system.
    pub(crate) fn remove(&mut self, inode: Inode, beside: Option<&OwnedFd>) {
        let Some(id) = self.ids.remove(&inode) else {
            return;
        };
        self.inodes.remove(&id);
        if let Some(kernel) = &self.kernel {
            kernel.remove(&id, beside);
        }
    }

    /// The next events; empty if there are none now.
    pub(crate) fn read(&mut self) -> io::Result<Vec<FileEvent>> {
        let Some(kernel) = &mut self.kernel else {
            return Ok(Vec::new());
        };
        let mut read = Vec::new();
        for event in kernel.read()? {
            match event {
                KernelEvent::Entry { directory, .. } => {
                    let inode = self.inodes.get(&directory);
                    read.extend(inode.copied().map(FileEvent::Changed));
                }
                KernelEvent::Unwatched(id) | KernelEvent::Unmounted(id) => {
                    if let Some(inode) = self.inodes.remove(&id) {
                        self.ids.remove(&inode);
                        // Another file may have its number now.
                        read.push(FileEvent::Changed(inode));
                    }
                }
                KernelEvent::Overflow => read.push(FileEvent::Overflow),
            }
        }
        Ok(read)
    }

    /// The descriptors that are readable when there are events.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.kernel.iter().flat_map(KernelWatches::descriptors)
    }
}
