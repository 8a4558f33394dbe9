//! The directories that are marked in the kernel, and their paths. Pure.
//!
//! The kernel names a directory by its handle. A handle cannot be opened again on every file system, so all
//! are kept, each with its name and the directory above it: a directory that is moved keeps its handle.

use std::collections::{BTreeMap, HashMap};

use super::fanotify_records::Handle;

/// All marked directories. Paths are those of the node.
#[derive(Debug, Default)]
pub(crate) struct WatchedDirectories {
    directories: HashMap<Handle, Directory>,
    root: Option<Handle>,
}

#[derive(Debug)]
struct Directory {
    /// The directory above it, and its name there; none for the root.
    place: Option<(Handle, Vec<u8>)>,
    children: BTreeMap<Vec<u8>, Handle>,
}

impl WatchedDirectories {
    /// Adds the root of the node.
    pub(crate) fn add_root(&mut self, root: Handle) {
        self.put(root.clone(), None);
        self.root = Some(root);
    }

    /// Adds an entry of a marked directory. A directory that was known by this name before is not watched any
    /// more: its handle is returned, with those below it.
    pub(crate) fn add(&mut self, parent: &Handle, name: &[u8], handle: Handle) -> Vec<Handle> {
        let Some(above) = self.directories.get(parent) else {
            return vec![handle];
        };
        if above.children.get(name) == Some(&handle) {
            return Vec::new();
        }
        let forgotten = self.forget(parent, name);
        self.detach(&handle);
        self.put(handle.clone(), Some((parent.clone(), name.to_vec())));
        if let Some(above) = self.directories.get_mut(parent) {
            above.children.insert(name.to_vec(), handle);
        }
        forgotten
    }

    fn put(&mut self, handle: Handle, place: Option<(Handle, Vec<u8>)>) {
        let directory = self.directories.entry(handle).or_insert(Directory {
            place: None,
            children: BTreeMap::new(),
        });
        directory.place = place;
    }

    /// Removes a directory from the children of the one above it.
    fn detach(&mut self, handle: &Handle) {
        let place = self.directories.get(handle).and_then(|it| it.place.clone());
        if let Some((parent, name)) = place
            && let Some(above) = self.directories.get_mut(&parent)
        {
            above.children.remove(&name);
        }
    }

    /// Forgets an entry of a directory, and all below it. Returns their handles.
    pub(crate) fn forget(&mut self, parent: &Handle, name: &[u8]) -> Vec<Handle> {
        let above = self.directories.get_mut(parent);
        let child = above.and_then(|above| above.children.remove(name));
        let (mut pending, mut forgotten) = (Vec::from_iter(child), Vec::new());
        while let Some(handle) = pending.pop() {
            if let Some(directory) = self.directories.remove(&handle) {
                pending.extend(directory.children.into_values());
                forgotten.push(handle);
            }
        }
        forgotten
    }

    /// The path of a marked directory.
    pub(crate) fn path(&self, handle: &Handle) -> Option<Vec<u8>> {
        let mut names = Vec::new();
        let mut at = self.directories.get(handle)?;
        while let Some((parent, name)) = &at.place {
            names.push(name.as_slice());
            at = self.directories.get(parent)?;
        }
        if names.is_empty() {
            return Some(b"/".to_vec());
        }
        let names = names.iter().rev();
        Some(
            names
                .flat_map(|name| [b"/", *name])
                .collect::<Vec<_>>()
                .concat(),
        )
    }

    /// Number of marked directories.
    pub(crate) fn len(&self) -> usize {
        self.directories.len()
    }
}

#[cfg(test)]
mod tests;
