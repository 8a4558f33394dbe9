//! What an event of the kernel means: which paths may have changed, and which directories to mark or to
//! forget. Pure.

use super::kernel_event::{KernelEvent, Mask, Opened, Pid, SELF, WatchId};
use super::watched_directories::WatchedDirectories;
use crate::aide::coverage::Extent;

/// An entry appeared in or disappeared from its directory.
const ENTRY_CHANGED: Mask = Mask(APPEARED.0 | DISAPPEARED.0);
const APPEARED: Mask = Mask(Mask::CREATE.0 | Mask::MOVED_TO.0);
const DISAPPEARED: Mask = Mask(Mask::DELETE.0 | Mask::MOVED_FROM.0);

/// What follows from an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// A path may have changed.
    Dirty(Vec<u8>, Extent),
    /// A directory has appeared: it is marked, then listed, then checked with all below it.
    Appeared {
        parent: WatchId,
        name: Vec<u8>,
        path: Vec<u8>,
    },
    /// A directory has disappeared: its marks, and those below it, are removed.
    Disappeared { parent: WatchId, name: Vec<u8> },
    /// The kernel has dropped events: anything may have changed.
    Everything,
    /// A process has opened a program to run it.
    Execution(Opened),
}

/// An announcement, and the process that caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) announcement: Announcement,
    pub(crate) pid: Option<Pid>,
}

/// What follows from an event. Nothing, if its directory is not known: it was moved out of the watched
/// part, and its marks are about to be removed.
pub(crate) fn of(event: KernelEvent, watched: &WatchedDirectories) -> Vec<Announcement> {
    match event {
        KernelEvent::Entry {
            mask,
            directory,
            name,
            pid: _,
        } => of_entry(mask, &directory, &name, watched),
        // The files of the directory below the mount have appeared.
        KernelEvent::Unmounted(directory) => {
            let paths = watched.paths(&directory).into_iter();
            paths
                .map(|path| Announcement::Dirty(path, Extent::Subtree))
                .collect()
        }
        KernelEvent::Unwatched(_) => Vec::new(),
        KernelEvent::Overflow => vec![Announcement::Everything],
    }
}

fn of_entry(
    mask: Mask,
    directory: &WatchId,
    name: &[u8],
    watched: &WatchedDirectories,
) -> Vec<Announcement> {
    let mut announced = Vec::new();
    if !mask.has(Mask::CHANGES) {
        return announced;
    }
    let parents = watched.paths(directory);
    // The kernel merges events of a name that follow each other. The order within one is not known, so
    // the directory is forgotten first, and looked up again.
    if mask.has(Mask::ON_DIRECTORY) && mask.has(DISAPPEARED) && !parents.is_empty() {
        announced.push(Announcement::Disappeared {
            parent: directory.clone(),
            name: name.to_vec(),
        });
    }
    for parent in parents {
        if name == SELF {
            announced.push(Announcement::Dirty(parent, Extent::Own));
            continue;
        }
        let path = [parent.strip_suffix(b"/").unwrap_or(&parent), b"/", name].concat();
        if mask.has(ENTRY_CHANGED) {
            // Times, size and link count of the directory.
            announced.push(Announcement::Dirty(parent, Extent::Own));
        }
        if !mask.has(Mask::ON_DIRECTORY) || !mask.has(ENTRY_CHANGED) {
            announced.push(Announcement::Dirty(path, Extent::Own));
            continue;
        }
        if mask.has(DISAPPEARED) {
            announced.push(Announcement::Dirty(path.clone(), Extent::Subtree));
        }
        if mask.has(APPEARED) {
            announced.push(Announcement::Appeared {
                parent: directory.clone(),
                name: name.to_vec(),
                path,
            });
        }
    }
    announced
}

#[cfg(test)]
mod tests;
