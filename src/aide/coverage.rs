//! The part of a node that a targeted check compares. Pure.

use std::collections::BTreeMap;

/// How much of a path is covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Extent {
    /// Only the file or directory itself.
    Own,
    /// A directory and its direct entries.
    Entries,
    /// A directory and everything below it.
    Subtree,
}

/// Paths of a node, each with what is covered of it. Paths are absolute, without a trailing slash, and
/// without the host root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    extents: BTreeMap<Vec<u8>, Extent>,
}

impl Coverage {
    /// Covers this extent of a path, too.
    pub(crate) fn add(&mut self, path: &[u8], extent: Extent) {
        let found = self.extents.entry(path.to_vec()).or_insert(extent);
        *found = (*found).max(extent);
    }

    /// Covers all that `other` covers, too.
    pub(crate) fn extend(&mut self, other: &Self) {
        for (path, extent) in other.iter() {
            self.add(path, extent);
        }
    }

    /// Whether an entry of AIDE's with this path is covered.
    pub(crate) fn contains(&self, path: &[u8]) -> bool {
        if self.extents.contains_key(path) {
            return true;
        }
        let mut ancestors = ancestors(path);
        let by_parent = ancestors.next().and_then(|parent| self.extents.get(parent));
        by_parent.is_some_and(|extent| *extent >= Extent::Entries)
            || ancestors.any(|path| self.extents.get(path) == Some(&Extent::Subtree))
    }

    /// The same, and more: instead of each path its directory with all entries. Subtrees stay.
    pub(crate) fn by_directory(&self) -> Self {
        let mut coarser = Self::default();
        for (path, extent) in self.iter() {
            match (extent, ancestors(path).next()) {
                (Extent::Own, Some(parent)) => coarser.add(parent, Extent::Entries),
                _ => coarser.add(path, extent),
            }
        }
        coarser
    }

    /// The first paths, this many, and the others.
    pub(crate) fn split_at(&self, count: usize) -> (Self, Self) {
        let mut first = self.clone();
        let next = self.extents.keys().nth(count);
        let others = next.map(|path| first.extents.split_off(path));
        let others = Self {
            extents: others.unwrap_or_default(),
        };
        (first, others)
    }

    pub(crate) fn len(&self) -> usize {
        self.extents.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.extents.is_empty()
    }

    /// The covered paths with their extents, sorted by path.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Extent)> {
        let extents = self.extents.iter();
        extents.map(|(path, extent)| (path.as_slice(), *extent))
    }
}

/// The directories above a path, the nearest first.
pub(crate) fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(parent(path), |path| parent(path))
}

/// The directory of a path; none for the root.
fn parent(path: &[u8]) -> Option<&[u8]> {
    match path.iter().rposition(|byte| *byte == b'/')? {
        0 if path.len() == 1 => None,
        0 => Some(b"/"),
        slash => Some(&path[..slash]),
    }
}

#[cfg(test)]
mod tests;
