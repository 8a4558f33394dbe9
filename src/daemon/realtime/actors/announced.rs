//! The actors of announced paths, until the paths are checked. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::process_table::Decision;
use crate::aide::coverage::{Coverage, Extent};
use crate::aide::report::Report;
use crate::api::Actor;

/// Maximum number of paths. The actors of more are not known.
const MAX_PATHS: usize = 2000;

/// The last actor of each path.
#[derive(Debug, Default)]
pub(crate) struct AnnouncedActors {
    /// None if the last actor is not known.
    actors: HashMap<Vec<u8>, Option<Arc<Actor>>>,
    /// Whether paths that are not in `actors` have another last actor since some were taken.
    has_forgotten: bool,
}

impl AnnouncedActors {
    /// The last actor of a path counts, also if that is not known.
    pub(crate) fn add(&mut self, decisions: Vec<Decision>) {
        for decision in decisions {
            self.add_one(decision);
        }
    }

    fn add_one(&mut self, decision: Decision) {
        let Decision {
            path,
            extent,
            actor,
        } = decision;
        if extent != Extent::Own {
            // Who has moved a directory has changed what is at the paths below it.
            let mut moved = Coverage::default();
            moved.add(&path, extent);
            self.actors.retain(|path, _| !moved.contains(path));
            self.has_forgotten = true;
        }
        if self.actors.len() < MAX_PATHS || self.actors.contains_key(&path) {
            self.actors.insert(path, actor);
        } else {
            self.has_forgotten = true;
        }
    }

    /// Takes those of a part that is checked now.
    pub(crate) fn take(&mut self, part: &Coverage) -> Self {
        self.has_forgotten = false;
        let taken = self.actors.extract_if(|path, _| part.contains(path));
        Self {
            actors: taken.collect(),
            has_forgotten: false,
        }
    }

    /// Takes what was decided while a part was checked about the changes that the check shows. `is_announced` is
    /// whether a path has changed again.
    pub(crate) fn take_late(
        &mut self,
        part: &Coverage,
        is_announced: impl Fn(&[u8]) -> bool,
        taken: &mut Self,
    ) {
        let late = self
            .actors
            .extract_if(|path, _| part.contains(path) && !is_announced(path));
        taken.actors.extend(late);
    }

    /// Takes back those of a check that has not shown all changes.
    pub(crate) fn take_back(&mut self, earlier: Self) {
        if self.has_forgotten {
            return;
        }
        for (path, actor) in earlier.actors {
            if self.actors.len() < MAX_PATHS {
                self.actors.entry(path).or_insert(actor);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn of(&self, path: &[u8]) -> Option<Arc<Actor>> {
        self.actors.get(path).cloned().flatten()
    }

    pub(crate) fn clear(&mut self) {
        self.actors.clear();
        self.has_forgotten = true;
    }

    /// Names the actors in a report.
    pub(crate) fn name_in(&self, report: &mut Report) {
        for change in &mut report.changes {
            change.actor = self.actors.get(&change.path).cloned().flatten();
        }
    }
}

#[cfg(test)]
mod tests;
