//! The directories that are marked in the kernel, and their paths. Pure.
//!
//! The kernel identifies a directory independently of its path. A bind mount shows one directory at several
//! paths, even inside itself, so a tree of places is kept: each place is a name in the place above it.

use std::collections::HashMap;
use std::iter;
use std::sync::Arc;

use super::kernel_event::WatchId;

/// A path at which a directory is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place(u32);

/// All marked directories. Paths are those of the node.
#[derive(Debug, Default)]
pub(crate) struct WatchedDirectories {
    nodes: HashMap<Place, Node>,
    /// The latest place of each directory.
    latest: HashMap<Arc<WatchId>, Place>,
    root: Option<Place>,
    next: u32,
}

/// There are tens of thousands, so each name and each id is stored once.
#[derive(Debug)]
struct Node {
    directory: Arc<WatchId>,
    /// The place of the same directory before this one.
    earlier: Option<Place>,
    /// The place above it; none for the root.
    above: Option<Place>,
    name: Box<[u8]>,
    below: Vec<Place>,
}

impl WatchedDirectories {
    /// Adds the root of the node.
    pub(crate) fn add_root(&mut self, directory: WatchId) -> Place {
        let root = self.put(directory, None, b"");
        self.root = Some(root);
        root
    }

    /// Adds an entry of a watched place. Returns its place, and the directories that are not watched any more
    /// because another one had this name before.
    pub(crate) fn add(
        &mut self,
        above: Place,
        name: &[u8],
        directory: WatchId,
    ) -> (Place, Vec<WatchId>) {
        let known = self.entry(above, name);
        let is_same = |place: &Place| self.directory(*place) == Some(&directory);
        if let Some(place) = known.filter(is_same) {
            return (place, Vec::new());
        }
        let place = self.put(directory, Some(above), name);
        let forgotten = known.map_or_else(Vec::new, |place| self.remove(vec![place]));
        if let Err(index) = self.find(above, name)
            && let Some(above) = self.nodes.get_mut(&above)
        {
            above.below.insert(index, place);
        }
        (place, forgotten)
    }

    fn put(&mut self, directory: WatchId, above: Option<Place>, name: &[u8]) -> Place {
        let place = self.unused();
        let known = self.latest.get_key_value(&directory);
        let directory = known.map_or_else(|| Arc::new(directory), |(known, _)| Arc::clone(known));
        let node = Node {
            earlier: self.latest.insert(Arc::clone(&directory), place),
            directory,
            above,
            name: name.into(),
            below: Vec::new(),
        };
        self.nodes.insert(place, node);
        place
    }

    fn unused(&mut self) -> Place {
        loop {
            let place = Place(self.next);
            self.next = self.next.wrapping_add(1);
            if !self.nodes.contains_key(&place) {
                return place;
            }
        }
    }

    /// Forgets an entry of a directory, and all below it. Returns the directories that are not watched any
    /// more.
    pub(crate) fn forget(&mut self, parent: &WatchId, name: &[u8]) -> Vec<WatchId> {
        let above = self.places(parent);
        let places = above.filter_map(|above| self.entry(above, name)).collect();
        self.remove(places)
    }

    /// Forgets a place, and all below it. Returns the directories that are not watched any more.
    pub(crate) fn forget_place(&mut self, place: Place) -> Vec<WatchId> {
        self.remove(vec![place])
    }

    /// Forgets all places of a directory, and all below them. Returns the directories that are not watched
    /// any more.
    pub(crate) fn forget_directory(&mut self, directory: &WatchId) -> Vec<WatchId> {
        let places = self.places(directory).collect();
        self.remove(places)
    }

    fn remove(&mut self, places: Vec<Place>) -> Vec<WatchId> {
        for place in &places {
            self.detach(*place);
        }
        let (mut pending, mut forgotten) = (places, Vec::new());
        while let Some(place) = pending.pop() {
            if let Some(node) = self.nodes.remove(&place) {
                forgotten.extend(self.unlink(place, &node));
                pending.extend(node.below);
            }
        }
        forgotten
    }

    /// Removes a place from those below the one above it.
    fn detach(&mut self, place: Place) {
        let Some(node) = self.nodes.get(&place) else {
            return;
        };
        if let Some(above) = node.above
            && let Ok(index) = self.find(above, &node.name)
            && let Some(above) = self.nodes.get_mut(&above)
        {
            above.below.remove(index);
        }
    }

    /// Removes a place from those of its directory. Returns the directory if it has no other.
    fn unlink(&mut self, place: Place, node: &Node) -> Option<WatchId> {
        let mut places = self.places(&node.directory);
        let later = places.find(|it| {
            self.nodes
                .get(it)
                .is_some_and(|it| it.earlier == Some(place))
        });
        drop(places);
        if let Some(later) = later.and_then(|later| self.nodes.get_mut(&later)) {
            later.earlier = node.earlier;
            return None;
        }
        if let Some(earlier) = node.earlier {
            self.latest.insert(Arc::clone(&node.directory), earlier);
            return None;
        }
        self.latest.remove(&node.directory);
        Some(WatchId::clone(&node.directory))
    }

    /// All places of a directory, the latest first.
    fn places(&self, directory: &WatchId) -> impl Iterator<Item = Place> {
        let latest = self.latest.get(directory).copied();
        iter::successors(latest, |place| self.nodes.get(place)?.earlier)
    }

    /// The place with this name in another one.
    pub(crate) fn entry(&self, above: Place, name: &[u8]) -> Option<Place> {
        let index = self.find(above, name).ok()?;
        self.nodes.get(&above)?.below.get(index).copied()
    }

    /// The index at which a name is, or would be, below a place.
    fn find(&self, above: Place, name: &[u8]) -> Result<usize, usize> {
        let below = self.nodes.get(&above).map(|node| node.below.as_slice());
        let name_of = |place: &Place| self.nodes.get(place).map(|node| &*node.name);
        let below = below.unwrap_or_default();
        below.binary_search_by(|place| name_of(place).cmp(&Some(name)))
    }

    /// The place with this path.
    pub(crate) fn at(&self, path: &[u8]) -> Option<Place> {
        let names = path.split(|byte| *byte == b'/');
        let mut names = names.filter(|name| !name.is_empty());
        names.try_fold(self.root?, |place, name| self.entry(place, name))
    }

    /// The directory at a place.
    pub(crate) fn directory(&self, place: Place) -> Option<&WatchId> {
        Some(&self.nodes.get(&place)?.directory)
    }

    /// The directory at the root of the node.
    pub(crate) fn root(&self) -> Option<&WatchId> {
        self.directory(self.root?)
    }

    /// The paths of a directory; none if it is not watched.
    pub(crate) fn paths(&self, directory: &WatchId) -> Vec<Vec<u8>> {
        let places = self.places(directory);
        places.filter_map(|place| self.path(place)).collect()
    }

    fn path(&self, place: Place) -> Option<Vec<u8>> {
        let mut names = Vec::new();
        let mut node = self.nodes.get(&place)?;
        while let Some(above) = &node.above {
            names.push(&*node.name);
            node = self.nodes.get(above)?;
        }
        if names.is_empty() {
            return Some(b"/".to_vec());
        }
        let names = names.into_iter().rev();
        Some(
            names
                .flat_map(|name| [b"/", name])
                .collect::<Vec<_>>()
                .concat(),
        )
    }

    /// Whether a directory is watched.
    pub(crate) fn contains(&self, directory: &WatchId) -> bool {
        self.latest.contains_key(directory)
    }

    /// The watched directories, to remove their watches.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &WatchId> {
        self.latest.keys().map(AsRef::as_ref)
    }

    /// Number of paths of watched directories.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }
}

#[cfg(test)]
mod tests;
