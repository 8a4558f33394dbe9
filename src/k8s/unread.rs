//! Remembers which objects the watches show that cannot be read, so that they can be named. Logs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Resource;
use kube::runtime::watcher::Event;
use tokio::time::Instant;

use super::decode::Unreadable;
use super::watch::Read;

/// Maximum number of objects that are remembered: whoever may write such objects may write many.
const MAX_OBJECTS: usize = 100;
/// Maximum number of log lines in [`LOG_WINDOW`].
const MAX_LINES: u32 = 10;
/// After this time more lines are logged.
const LOG_WINDOW: Duration = Duration::from_secs(60);

/// The objects that cannot be read now.
#[derive(Debug, Default)]
pub struct Unread(Mutex<Known>);

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

    /// What concerns this FileIntegrity: itself, what it owns, and what nobody owns, such as a Node.
    pub fn about(&self, file_integrity: &str) -> Vec<String> {
        let known = self.known();
        let objects = known.objects.values().map(|entry| &entry.unreadable);
        objects
            .filter(|object| {
                object.name == file_integrity
                    || object.owners.is_empty()
                    || object.owners.iter().any(|owner| owner == file_integrity)
            })
            .map(ToString::to_string)
            .collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
                name = crate::api::checked::quoted(&unreadable.name),
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
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn readable(name: &str) -> Read<ConfigMap> {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        Ok(object)
    }

    fn odd(name: &str, owner: Option<&str>) -> Read<ConfigMap> {
        Err(Unreadable {
            kind: "ConfigMap".to_owned(),
            name: name.to_owned(),
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
        assert!(is_new(Event::Apply(odd("b", None))));
        assert_eq!(unread.about("other"), [text("b")]);
        assert!(is_new(Event::Apply(readable("b"))));
        assert!(is_new(Event::Delete(odd("a", None))));
        assert_eq!(unread.about("fi"), [""; 0]);
        // A list shows what is left.
        is_new(Event::Apply(odd("a", None)));
        is_new(Event::Apply(odd("b", None)));
        assert!(!is_new(Event::Init));
        assert!(!is_new(Event::InitApply(odd("b", None))));
        assert!(is_new(Event::InitDone));
        assert_eq!(unread.about("fi"), [text("b")]);
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let unread = Unread::default();
        for number in 0..MAX_OBJECTS * 2 {
            unread.take::<ConfigMap>(Event::Apply(odd(&number.to_string(), None)));
        }
        assert_eq!(unread.about("fi").len(), MAX_OBJECTS);
    }
}
