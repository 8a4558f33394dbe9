//! Which FileIntegrities a change in a watch concerns. Pure.
//!
//! A watch sends an object whenever anything about it changes; a pass is needed only when
//! something changed that passes look at, or when the object is gone.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

use kube::runtime::reflector::Lookup;
use kube::runtime::watcher::Event;

use super::pool::Texts;

/// Whom a change concerns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The FileIntegrity of this name.
    One(Arc<str>),
    /// All of them.
    All,
}

/// What an object means for passes: whom it concerns, and a hash of what matters about it.
pub type Meaning = (Option<Target>, u64);

/// The hash of what matters.
pub fn hash(matters: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    matters.hash(&mut hasher);
    hasher.finish()
}

/// Remembers what one watch has shown.
#[derive(Debug)]
pub struct Changes<K> {
    meaning: fn(&K) -> Meaning,
    texts: Arc<Texts>,
    known: HashMap<Arc<str>, Meaning>,
    /// While the watch lists everything anew: what it has not shown yet.
    missing: HashSet<Arc<str>>,
    /// Whom the objects of a list that is not complete yet concern: the store has none of them
    /// before it is.
    waiting: HashSet<Target>,
}

impl<K: Lookup> Changes<K> {
    /// Nothing shown yet; names are kept among these texts.
    pub fn new(meaning: fn(&K) -> Meaning, texts: Arc<Texts>) -> Self {
        Self {
            meaning,
            texts,
            known: HashMap::new(),
            missing: HashSet::new(),
            waiting: HashSet::new(),
        }
    }

    /// Whom the next event of the watch concerns.
    pub fn take(&mut self, event: &Event<K>) -> HashSet<Target> {
        match event {
            Event::Init => {
                self.missing = self.known.keys().cloned().collect();
                HashSet::new()
            }
            Event::InitApply(object) => {
                let targets = self.shown(object);
                self.waiting.extend(targets);
                HashSet::new()
            }
            Event::Apply(object) => self.shown(object),
            Event::Delete(object) => self.gone(&name(object)).into_iter().collect(),
            Event::InitDone => {
                let missing = std::mem::take(&mut self.missing);
                let gone = missing.iter().filter_map(|name| self.gone(name));
                let mut targets: HashSet<Target> = gone.collect();
                targets.extend(self.waiting.drain());
                targets
            }
        }
    }

    fn shown(&mut self, object: &K) -> HashSet<Target> {
        let name = self.texts.shared(name(object));
        self.missing.remove(&name);
        let meaning = (self.meaning)(object);
        match self.known.insert(name, meaning.clone()) {
            Some(before) if before == meaning => HashSet::new(),
            // An object that changes hands concerns both.
            before => before
                .into_iter()
                .chain([meaning])
                .filter_map(|(target, _)| target)
                .collect(),
        }
    }

    fn gone(&mut self, name: &str) -> Option<Target> {
        self.known.remove(name).and_then(|(target, _)| target)
    }
}

fn name<K: Lookup>(object: &K) -> Cow<'_, str> {
    object.name().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    /// The target is in the data's key `for`, what matters in the key `matters`.
    fn meaning(object: &ConfigMap) -> Meaning {
        let data = object.data.clone().unwrap_or_default();
        let matters = data.get("matters").map_or(0, |text| text.parse().unwrap());
        (
            data.get("for")
                .map(|name| Target::One(name.as_str().into())),
            matters,
        )
    }

    fn object(name: &str, target: &str, matters: u64) -> ConfigMap {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": name},
            "data": {"for": target, "matters": matters.to_string()},
        }))
        .unwrap()
    }

    fn targets(names: &[&str]) -> HashSet<Target> {
        names
            .iter()
            .map(|name| Target::One((*name).into()))
            .collect()
    }

    #[test]
    fn only_what_matters_triggers_and_deletion_always_does() {
        let mut changes = Changes::new(meaning, Arc::default());
        let table = [
            (Event::Apply(object("a", "x", 1)), vec!["x"]),
            (Event::Apply(object("a", "x", 1)), vec![]),
            (Event::Apply(object("a", "x", 2)), vec!["x"]),
            (Event::Apply(object("a", "y", 2)), vec!["x", "y"]),
            (Event::Delete(object("a", "y", 2)), vec!["y"]),
            (Event::Delete(object("a", "y", 2)), vec![]),
        ];
        for (event, expected) in table {
            assert_eq!(changes.take(&event), targets(&expected), "{event:?}");
        }
    }

    #[test]
    fn a_list_triggers_when_it_is_complete() {
        let mut changes = Changes::new(meaning, Arc::default());
        let table = [
            (Event::Init, vec![]),
            (Event::InitApply(object("a", "x", 1)), vec![]),
            (Event::InitApply(object("b", "y", 1)), vec![]),
            (Event::InitDone, vec!["x", "y"]),
            (Event::Init, vec![]),
            (Event::InitApply(object("a", "x", 2)), vec![]),
            (Event::InitDone, vec!["x", "y"]),
        ];
        for (event, expected) in table {
            assert_eq!(changes.take(&event), targets(&expected), "{event:?}");
        }
    }

    #[test]
    fn what_went_while_the_watch_was_away_triggers_after_the_new_list() {
        let mut changes = Changes::new(meaning, Arc::default());
        changes.take(&Event::Apply(object("a", "x", 1)));
        changes.take(&Event::Apply(object("b", "y", 1)));
        assert_eq!(changes.take(&Event::Init), targets(&[]));
        assert_eq!(
            changes.take(&Event::InitApply(object("b", "y", 1))),
            targets(&[])
        );
        assert_eq!(changes.take(&Event::InitDone), targets(&["x"]));
    }
}
