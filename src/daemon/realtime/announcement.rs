//! What an event of the kernel means: which paths may have changed, and which directories to mark or to
//! forget. Pure.

use super::fanotify_records::{Handle, KernelEvent, Mask};
use super::watched_directories::WatchedDirectories;
use crate::aide::coverage::Extent;

/// An entry appeared in or disappeared from its directory.
const ENTRY_CHANGED: Mask =
    Mask(Mask::CREATE.0 | Mask::DELETE.0 | Mask::MOVED_FROM.0 | Mask::MOVED_TO.0);
const APPEARED: Mask = Mask(Mask::CREATE.0 | Mask::MOVED_TO.0);
const DISAPPEARED: Mask = Mask(Mask::DELETE.0 | Mask::MOVED_FROM.0);

/// The name of the directory itself in a record.
const SELF: &[u8] = b".";

/// What follows from an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// A path may have changed.
    Dirty(Vec<u8>, Extent),
    /// A directory has appeared: it is marked, then listed, then checked with all below it.
    Appeared {
        parent: Handle,
        name: Vec<u8>,
        path: Vec<u8>,
    },
    /// A directory has disappeared: its marks, and those below it, are removed.
    Disappeared { parent: Handle, name: Vec<u8> },
    /// The kernel has dropped events: anything may have changed.
    Everything,
}

/// What follows from an event. Nothing, if its directory is not known: it was moved out of the watched
/// part, and its marks are about to be removed.
pub(crate) fn of(event: KernelEvent, watched: &WatchedDirectories) -> Vec<Announcement> {
    let KernelEvent::Entry {
        mask,
        directory,
        name,
        ..
    } = event
    else {
        return vec![Announcement::Everything];
    };
    let Some(parent) = watched.path(&directory) else {
        return Vec::new();
    };
    if name == SELF {
        return vec![Announcement::Dirty(parent, Extent::Own)];
    }
    let path = [parent.strip_suffix(b"/").unwrap_or(&parent), b"/", &name].concat();
    let mut announced = Vec::new();
    if mask.has(ENTRY_CHANGED) {
        // Times, size and link count of the directory.
        announced.push(Announcement::Dirty(parent, Extent::Own));
    }
    if !mask.has(Mask::ON_DIRECTORY) || !mask.has(ENTRY_CHANGED) {
        announced.push(Announcement::Dirty(path, Extent::Own));
        return announced;
    }
    // The kernel merges events of a name that follow each other. The order within one is not known, so
    // the directory is forgotten first, and looked up again.
    let (parent, is_gone) = (directory, mask.has(DISAPPEARED));
    if is_gone {
        let (parent, name) = (parent.clone(), name.clone());
        announced.push(Announcement::Disappeared { parent, name });
        announced.push(Announcement::Dirty(path.clone(), Extent::Subtree));
    }
    if mask.has(APPEARED) {
        announced.push(Announcement::Appeared { parent, name, path });
    }
    announced
}

#[cfg(test)]
mod tests;
