//! Remembers which objects the watches show that cannot be read, so that they can be named. Logs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Resource;
use kube::runtime::watcher::Event;
use tokio::time::Instant;

use super::decode::Unreadable;
use super::watch::Read;
use crate::api::names;

/// Maximum number of objects that are remembered: whoever may write such objects may write many.
const MAX_OBJECTS: usize = 100;
/// Maximum number of log lines in [`LOG_WINDOW`].
const MAX_LINES: u32 = 10;
/// Kinds whose objects no FileIntegrity owns, and all depend on.
const FOR_ALL: [&str; 2] = ["Deployment", "Node"];
/// After this time more lines are logged.
const LOG_WINDOW: Duration = Duration::from_secs(60);

/// The objects that cannot be read now.
#[derive(Debug, Default)]
pub struct Unread {
    known: Mutex<Known>,
    changed: tokio::sync::watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// By kind and name.
    objects: BTreeMap<(String, String), Entry>,
    /// Since when lines are counted, and how many there are.
    logged: Option<(Instant, u32)>,
}

#[derive(Debug)]
struct Entry {
    unreadable: Unreadable,
    /// The newest list, or what came after it, has shown it.
    is_current: bool,
}

impl Unread {
    /// Takes in an event. Returns it unless its object cannot be read, and whether there is anything
    /// new to report.
    pub fn take<W>(&self, event: Event<Read<W>>) -> (Option<Event<W>>, bool)
    where
        W: Resource<DynamicType = ()>,
    {
        let (event, is_new) = self.sort_out(event);
        if is_new {
            self.changed.send_replace(());
        }
        (event, is_new)
    }

    fn sort_out<W>(&self, event: Event<Read<W>>) -> (Option<Event<W>>, bool)
    where
        W: Resource<DynamicType = ()>,
    {
        let kind = W::kind(&());
        let mut known = self.known();
        match event {
            Event::Init => {
                known.start_list(&kind);
                (Some(Event::Init), false)
            }
            Event::InitDone => {
                let is_new = known.end_list(&kind);
                (Some(Event::InitDone), is_new)
            }
            Event::Apply(Ok(object)) => {
                let is_new = known.forget(&kind, name(&object));
                (Some(Event::Apply(object)), is_new)
            }
            Event::InitApply(Ok(object)) => {
                let is_new = known.forget(&kind, name(&object));
                (Some(Event::InitApply(object)), is_new)
            }
            Event::Delete(Ok(object)) => {
                let is_new = known.forget(&kind, name(&object));
                (Some(Event::Delete(object)), is_new)
            }
            Event::Apply(Err(unreadable)) | Event::InitApply(Err(unreadable)) => {
                (None, known.remember(unreadable))
            }
            Event::Delete(Err(unreadable)) => (None, known.forget(&kind, &unreadable.name)),
        }
    }

    /// What shows that there are others than before.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What concerns this FileIntegrity: itself, what it owns or what has a name that it needs, and what
    /// concerns all, such as a Node.
    pub fn about(&self, file_integrity: &str) -> Vec<String> {
        let own = [file_integrity, &names::daemon_set(file_integrity)];
        self.all(|object| {
            FOR_ALL.contains(&object.kind.as_str())
                || own.contains(&object.name.as_str())
                || object.owners.iter().any(|owner| owner == file_integrity)
        })
        .iter()
        .map(ToString::to_string)
        .collect()
    }

    /// Those of this kind.
    pub fn of<K: Resource<DynamicType = ()>>(&self) -> Vec<Unreadable> {
        let kind = K::kind(&());
        self.all(|object| object.kind == kind)
    }

    fn all(&self, which: impl Fn(&Unreadable) -> bool) -> Vec<Unreadable> {
        let known = self.known();
        let objects = known.objects.values().map(|entry| &entry.unreadable);
        objects.filter(|object| which(object)).cloned().collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn start_list(&mut self, kind: &str) {
        for ((_, _), entry) in self.objects.iter_mut().filter(|((k, _), _)| k == kind) {
            entry.is_current = false;
        }
    }

    fn end_list(&mut self, kind: &str) -> bool {
        let before = self.objects.len();
        self.objects
            .retain(|(known, _), entry| known != kind || entry.is_current);
        self.objects.len() != before
    }

    fn forget(&mut self, kind: &str, name: &str) -> bool {
        // Nearly always there is none.
        !self.objects.is_empty()
            && self
                .objects
                .remove(&(kind.to_owned(), name.to_owned()))
                .is_some()
    }

    fn remember(&mut self, unreadable: Unreadable) -> bool {
        let key = (unreadable.kind.clone(), unreadable.name.clone());
        if let Some(entry) = self.objects.get_mut(&key) {
            entry.is_current = true;
            if entry.unreadable == unreadable {
                return false;
            }
        } else if self.objects.len() >= MAX_OBJECTS {
            return false;
        }
        self.log(&unreadable);
        let is_current = true;
        let entry = Entry {
            unreadable,
            is_current,
        };
        self.objects.insert(key, entry);
        true
    }

    fn log(&mut self, unreadable: &Unreadable) {
        let now = Instant::now();
        let window = self.logged.filter(|(since, _)| now - *since < LOG_WINDOW);
        let (since, lines) = window.unwrap_or((now, 0));
        self.logged = Some((since, lines.saturating_add(1)));
        if lines < MAX_LINES {
            tracing::warn!(
                kind = unreadable.kind,
                name = unreadable.name,
                reason = unreadable.reason,
                "an object cannot be read, and is passed over"
            );
        }
    }
}

fn name<W: Resource<DynamicType = ()>>(object: &W) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Node};

    use super::*;

    fn readable(name: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object
    }

    fn odd(name: &str, owner: Option<&str>) -> Read<ConfigMap> {
        Err(Unreadable {
            kind: "ConfigMap".to_owned(),
            name: name.to_owned(),
            uid: String::new(),
            owners: owner.into_iter().map(str::to_owned).collect(),
            reason: "odd".to_owned(),
        })
    }

    #[test]
    fn an_object_is_named_until_it_can_be_read_or_is_gone() {
        let unread = Unread::default();
        let is_new = |event| unread.take::<ConfigMap>(event).1;
        let text = |name: &str| format!("ConfigMap {name} cannot be read: odd");
        assert!(is_new(Event::Apply(odd("a", Some("fi")))));
        assert!(!is_new(Event::Apply(odd("a", Some("fi")))));
        assert_eq!(unread.about("fi"), [text("a")]);
        assert_eq!(unread.about("other"), [""; 0]);
        assert!(is_new(Event::Apply(odd("other", None))));
        assert_eq!(unread.about("other"), [text("other")]);
        assert_eq!(unread.of::<ConfigMap>().len(), 2);
        assert_eq!(unread.of::<Node>(), []);
        assert!(is_new(Event::Apply(Ok(readable("other")))));
        assert!(is_new(Event::Delete(odd("a", None))));
        assert_eq!(unread.about("fi"), [""; 0]);
        // A list shows what is left.
        is_new(Event::Apply(odd("a", Some("fi"))));
        is_new(Event::Apply(odd("b", Some("fi"))));
        assert!(!is_new(Event::Init));
        assert!(!is_new(Event::InitApply(odd("b", Some("fi")))));
        assert!(is_new(Event::InitDone));
        assert_eq!(unread.about("fi"), [text("b")]);
    }

    #[test]
    fn a_node_concerns_every_file_integrity() {
        let unread = Unread::default();
        let mut node = odd("n", None).unwrap_err();
        node.kind = "Node".to_owned();
        unread.take::<Node>(Event::Apply(Err(node)));
        assert_eq!(unread.about("fi"), ["Node n cannot be read: odd"]);
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let unread = Unread::default();
        for number in 0..MAX_OBJECTS * 2 {
            unread.take::<ConfigMap>(Event::Apply(odd(&number.to_string(), Some("fi"))));
        }
        assert_eq!(unread.about("fi").len(), MAX_OBJECTS);
    }
}
