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

use std::collections::HashMap;
use std::time::Duration;

use self::process_table::{Decision, ProcessTable, Snapshot};
use super::announcement::{Announced, Announcement};
use super::kernel_event::Pid;

/// Finds the processes behind announcements.
#[derive(Debug, Default)]
pub(crate) struct Actors {
    table: ProcessTable,
    /// When the queue was empty.
    emptied: Duration,
}

impl Actors {
    /// Takes what was read from the queue.
    pub(crate) fn take(&mut self, announced: &[Announced], now: Duration) {
        // The state of a process until it opens a program.
        let mut shown: HashMap<Pid, Option<Snapshot>> = HashMap::new();
        for Announced { announcement, pid } in announced {
            let Some(pid) = *pid else { continue };
            match announcement {
                Announcement::Execution(opened) => {
                    let snapshot = processes::read(pid);
                    self.table
                        .opened(pid, opened.clone(), snapshot.as_ref(), now);
                    shown.remove(&pid);
                }
                Announcement::Dirty(path, _) | Announcement::Appeared { path, .. } => {
                    let snapshot = shown.entry(pid).or_insert_with(|| processes::read(pid));
                    let snapshot = snapshot.clone();
                    self.table.changed(pid, path.clone(), snapshot, now);
                }
                Announcement::Disappeared { .. } | Announcement::Everything => {}
            }
        }
    }

    /// The queue is empty.
    pub(crate) fn emptied(&mut self, now: Duration) -> Vec<Decision> {
        let oldest = now.saturating_sub(self.emptied);
        self.emptied = now;
        self.table.decide(oldest, now)
    }
}
