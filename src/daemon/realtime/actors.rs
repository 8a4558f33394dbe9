//! Who has changed the announced paths, if the spec asks for it. Detection does not depend on it. I/O.
//!
//! `/proc` is read at once ([`processes`], [`process_files`]), as most processes that change files live for
//! milliseconds. [`process_table`] decides what is certain. [`announced`] has the results until they are
//! published.

pub(crate) mod announced;
pub(crate) mod process_files;
pub(crate) mod process_table;
mod processes;
pub(crate) mod programs;

#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use self::process_table::{Decision, ProcessTable, Snapshot};
use super::announcement::{Announced, Announcement};
use super::kernel_event::Pid;
use crate::aide::coverage::Extent;

/// Finds the processes behind announcements.
#[derive(Debug, Default)]
pub(crate) struct Actors {
    table: ProcessTable,
    /// When the queue was empty last.
    emptied: Duration,
}

/// A read from the queue of the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) started: Duration,
    /// Whether it may have left events.
    pub(crate) has_more: bool,
}

impl Actors {
    /// Takes what was read from the queue. Decides about the changes of earlier reads: if this one has left
    /// nothing, it has returned all that had happened when `/proc` was read for them. An empty queue is not waited
    /// for, as processes may open programs all the time.
    pub(crate) fn take(
        &mut self,
        announced: &[Announced],
        read: Read,
        now: Duration,
    ) -> Vec<Decision> {
        self.table.begin_read();
        // What is known from before is not the last actor any more.
        let mut undecided = Vec::new();
        // The state of a process until it opens a program.
        let mut shown: HashMap<Pid, Option<Snapshot>> = HashMap::new();
        for Announced { announcement, pid } in announced {
            let (path, extent) = match (announcement, pid) {
                (Announcement::Execution(opened), Some(pid)) => {
                    let show = || processes::read(*pid);
                    self.table.opened(*pid, opened.clone(), show, now);
                    shown.remove(pid);
                    continue;
                }
                (Announcement::Dirty(path, extent), _) => (path, *extent),
                (Announcement::Appeared { path, .. }, _) => (path, Extent::Subtree),
                (Announcement::Everything, _) => {
                    self.table.overflowed();
                    undecided.push(Decision::unknown(b"/", Extent::Subtree));
                    continue;
                }
                // Its path is announced, too.
                (Announcement::Disappeared { .. }, _) | (Announcement::Execution(_), None) => {
                    continue;
                }
            };
            undecided.push(Decision::unknown(path, extent));
            let Some(pid) = *pid else {
                self.table.changed_by_unknown(path.clone(), extent);
                continue;
            };
            let snapshot = shown.entry(pid).or_insert_with(|| processes::read(pid));
            let change = (path.clone(), extent);
            let snapshot = snapshot.clone();
            self.table.changed(pid, change, snapshot, self.emptied, now);
        }
        let mut decided = Vec::new();
        if !read.has_more {
            self.emptied = read.started;
            decided = self.table.decide(now);
        }
        decided.append(&mut undecided);
        decided
    }

    /// A file system was mounted or unmounted at a path.
    pub(crate) fn mounted(&mut self, path: &[u8]) -> Vec<Decision> {
        self.table
            .changed_by_unknown(path.to_vec(), Extent::Subtree);
        vec![Decision::unknown(path, Extent::Subtree)]
    }

    /// Whether there are changes that the next read decides about.
    pub(crate) fn has_pending(&self) -> bool {
        self.table.has_pending()
    }
}
