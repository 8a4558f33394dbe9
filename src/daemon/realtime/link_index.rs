//! The files with several hard links, and their names in watched directories. Pure.
//!
//! A change by one name, or of the number of names, changes the file at all its names. The kernel announces one
//! of them at most.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::aide::coverage::Extent;

/// Maximum number of names. Files beyond it are searched for whenever they are announced.
const MAX_NAMES: usize = 16_384;

/// Identifies a file while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Inode {
    pub(crate) device: u64,
    pub(crate) number: u64,
}

/// A file that is not a directory, as `lstat(2)` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) inode: Inode,
    /// Number of its names, watched or not.
    pub(crate) links: u64,
}

/// Files with several links, and their paths.
#[derive(Debug, Default)]
pub(crate) struct LinkIndex {
    names: HashMap<Inode, Names>,
    inodes: BTreeMap<Arc<[u8]>, Inode>,
}

#[derive(Debug, Default)]
struct Names {
    paths: BTreeSet<Arc<[u8]>>,
    /// The number of links of the file when these paths are all watched ones; none if others may exist.
    links: Option<u64>,
}

impl LinkIndex {
    /// Takes what is at a path now.
    pub(crate) fn update(&mut self, path: &[u8], now: Option<File>) {
        let is_same = self
            .inode(path)
            .is_some_and(|before| Some(before) == now.map(|it| it.inode));
        if !is_same {
            self.remove(path);
        }
        match now {
            Some(file) if file.links > 1 => {
                self.insert(file.inode, path);
                self.expect(file);
            }
            Some(file) if is_same => self.forget(file.inode),
            _ => {}
        }
    }

    /// The file that has this name, if it has several links.
    pub(crate) fn inode(&self, path: &[u8]) -> Option<Inode> {
        self.inodes.get(path).copied()
    }

    /// All watched paths of a file are these.
    pub(crate) fn set(&mut self, file: File, paths: &[Vec<u8>]) {
        self.forget(file.inode);
        if file.links < 2 {
            return;
        }
        for path in paths {
            self.remove(path);
            self.insert(file.inode, path);
        }
        if let Some(names) = self.names.get_mut(&file.inode)
            && names.paths.len() == paths.len()
        {
            names.links = Some(file.links);
        }
    }

    /// Whether all watched paths of a file are known.
    pub(crate) fn is_complete(&self, inode: Inode) -> bool {
        let names = self.names.get(&inode);
        names.is_some_and(|names| names.links.is_some())
    }

    /// Whether a file has several links.
    pub(crate) fn contains(&self, inode: Inode) -> bool {
        self.names.contains_key(&inode)
    }

    /// The known watched paths of a file.
    pub(crate) fn paths(&self, inode: Inode) -> impl Iterator<Item = &[u8]> {
        let names = self.names.get(&inode).into_iter();
        names.flat_map(|names| names.paths.iter().map(AsRef::as_ref))
    }

    /// The inodes of all known files.
    pub(crate) fn inodes(&self) -> impl Iterator<Item = Inode> {
        self.names.keys().copied()
    }

    /// The known paths in a part of the node.
    pub(crate) fn within(&self, path: &[u8], extent: Extent) -> Vec<Vec<u8>> {
        let own = self.inodes.get_key_value(path);
        let mut found: Vec<_> = own.map(|(path, _)| path.to_vec()).into_iter().collect();
        if extent == Extent::Own {
            return found;
        }
        let directory = [path.strip_suffix(b"/").unwrap_or(path), b"/"].concat();
        let from = (Bound::Excluded(directory.as_slice()), Bound::Unbounded);
        let below = self.inodes.range::<[u8], _>(from);
        let below = below.map_while(|(path, _)| {
            let name = path.strip_prefix(directory.as_slice())?;
            Some((path, name))
        });
        let is_within = |name: &[u8]| extent == Extent::Subtree || !name.contains(&b'/');
        found.extend(
            below
                .filter(|(_, name)| is_within(name))
                .map(|(path, _)| path.to_vec()),
        );
        found
    }

    fn insert(&mut self, inode: Inode, path: &[u8]) {
        if self.inodes.len() >= MAX_NAMES && !self.inodes.contains_key(path) {
            if let Some(names) = self.names.get_mut(&inode) {
                names.links = None;
            }
            return;
        }
        let path: Arc<[u8]> = path.into();
        self.inodes.insert(Arc::clone(&path), inode);
        let names = self.names.entry(inode).or_default();
        if names.paths.insert(path) {
            names.links = names.links.map(|links| links + 1);
        }
    }

    /// If a file has another number of links than expected, it has another name that is not known.
    fn expect(&mut self, file: File) {
        if let Some(names) = self.names.get_mut(&file.inode) {
            names.links = names.links.filter(|links| *links == file.links);
        }
    }

    fn remove(&mut self, path: &[u8]) {
        let Some(inode) = self.inodes.remove(path) else {
            return;
        };
        if let Some(names) = self.names.get_mut(&inode) {
            names.paths.remove(path);
            names.links = names.links.and_then(|links| links.checked_sub(1));
            if names.paths.is_empty() {
                self.names.remove(&inode);
            }
        }
    }

    fn forget(&mut self, inode: Inode) {
        let names = self.names.remove(&inode);
        for path in names.into_iter().flat_map(|names| names.paths) {
            self.inodes.remove(&path);
        }
    }
}

#[cfg(test)]
mod tests;
