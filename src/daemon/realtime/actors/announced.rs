//! The actors of announced paths, until the paths are checked. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::process_table::Decision;
use crate::aide::coverage::Coverage;
use crate::aide::report::Report;
use crate::api::Actor;

/// Maximum number of paths. The actors of more are not known.
const MAX_PATHS: usize = 2000;

/// The last known actor of each path.
#[derive(Debug, Default)]
pub(crate) struct AnnouncedActors(HashMap<Vec<u8>, Arc<Actor>>);

impl AnnouncedActors {
    /// The last actor of a path counts, also if that is not known.
    pub(crate) fn add(&mut self, decisions: Vec<Decision>) {
        for (path, actor) in decisions {
            match actor {
                Some(actor) if self.0.len() < MAX_PATHS || self.0.contains_key(&path) => {
                    self.0.insert(path, actor);
                }
                _ => {
                    self.0.remove(&path);
                }
            }
        }
    }

    /// Takes those of a part that is checked now.
    pub(crate) fn take(&mut self, part: &Coverage) -> Self {
        Self(self.0.extract_if(|path, _| part.contains(path)).collect())
    }

    /// Takes back those of a check that has not shown all changes.
    pub(crate) fn take_back(&mut self, earlier: Self) {
        for (path, actor) in earlier.0 {
            if self.0.len() < MAX_PATHS {
                self.0.entry(path).or_insert(actor);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn of(&self, path: &[u8]) -> Option<Arc<Actor>> {
        self.0.get(path).cloned()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Names the actors in a report.
    pub(crate) fn name_in(&self, report: &mut Report) {
        for change in &mut report.changes {
            change.actor = self.0.get(&change.path).cloned();
        }
    }
}

#[cfg(test)]
mod tests;
