//! Which FileIntegrities an event of a watch affects. Pure.
//!
//! A watch sends an object whenever anything in it changes. A reconcile is needed only if something
//! changed that reconciles use, or if the object was deleted.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kube::runtime::reflector::Lookup;
use kube::runtime::watcher::Event;

use super::triggers::Target;
use crate::operator::cache::interner::TextInterner;

/// What an object means for reconciles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relevance {
    /// The FileIntegrities that it affects.
    pub(super) target: Option<Target>,
    /// Changes with everything that reconciles use.
    pub(super) fingerprint: u64,
}

/// Remembers what one watch has shown.
#[derive(Debug)]
pub(super) struct Changes<K> {
    relevance: fn(&K) -> Relevance,
    texts: Arc<TextInterner>,
    known: HashMap<Arc<str>, Relevance>,
    /// While the watch lists all objects again: those that the list has not shown yet.
    unlisted: HashSet<Arc<str>>,
    /// The targets of a list that is not complete. The store has none of its objects before it is.
    pending: HashSet<Target>,
}

impl<K: Lookup> Changes<K> {
    pub(super) fn new(relevance: fn(&K) -> Relevance, texts: Arc<TextInterner>) -> Self {
        Self {
            relevance,
            texts,
            known: HashMap::new(),
            unlisted: HashSet::new(),
            pending: HashSet::new(),
        }
    }

    /// Records an event, and returns the FileIntegrities to reconcile.
    pub(super) fn record(&mut self, event: &Event<K>) -> HashSet<Target> {
        match event {
            Event::Init => {
                self.unlisted = self.known.keys().cloned().collect();
                HashSet::new()
            }
            Event::InitApply(object) => {
                let targets = self.applied(object);
                self.pending.extend(targets);
                HashSet::new()
            }
            Event::Apply(object) => self.applied(object),
            Event::Delete(object) => self.deleted(&name(object)).into_iter().collect(),
            Event::InitDone => {
                let unlisted = std::mem::take(&mut self.unlisted);
                let deleted = unlisted.iter().filter_map(|name| self.deleted(name));
                let mut targets: HashSet<Target> = deleted.collect();
                targets.extend(self.pending.drain());
                targets
            }
        }
    }

    fn applied(&mut self, object: &K) -> HashSet<Target> {
        let name = self.texts.intern(name(object));
        self.unlisted.remove(&name);
        let relevance = (self.relevance)(object);
        match self.known.insert(name, relevance.clone()) {
            Some(before) if before == relevance => HashSet::new(),
            // If the target changed, the old one is affected, too.
            before => before
                .into_iter()
                .chain([relevance])
                .filter_map(|relevance| relevance.target)
                .collect(),
        }
    }

    fn deleted(&mut self, name: &str) -> Option<Target> {
        self.known
            .remove(name)
            .and_then(|relevance| relevance.target)
    }
}

fn name<K: Lookup>(object: &K) -> Cow<'_, str> {
    object.name().unwrap_or_default()
}

#[cfg(test)]
mod tests;
