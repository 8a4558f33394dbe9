//! Tracks the objects that cannot be decoded, so that conditions can name them. Logs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use kube::Resource;
use kube::runtime::watcher::Event;
use tokio::time::Instant;

use super::decode::Unreadable;
use super::watch::Read;
use crate::api::names;
use crate::locks::lock;

/// Maximum number of tracked objects: who may write one such object may write many.
const MAX_OBJECTS: usize = 100;
/// Maximum number of log lines in [`LOG_WINDOW`].
const MAX_LINES: u32 = 10;
/// Kinds whose objects affect all FileIntegrity objects.
const SHARED_KINDS: [&str; 2] = ["Deployment", "Node"];
/// Time in which [`MAX_LINES`] are logged.
const LOG_WINDOW: Duration = Duration::from_secs(60);

/// The objects that cannot be decoded now.
#[derive(Debug, Default)]
pub(crate) struct UnreadableObjects {
    known: Mutex<Known>,
    changed: tokio::sync::watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// By kind and name.
    objects: BTreeMap<(String, String), Entry>,
    /// Start of the current window, and number of lines in it.
    logged: Option<(Instant, u32)>,
}

#[derive(Debug)]
struct Entry {
    unreadable: Unreadable,
    /// Whether the latest list, or a later event, contained it.
    is_current: bool,
}

impl UnreadableObjects {
    /// Processes an event. Returns the event unless its object cannot be decoded, and whether the tracked objects
    /// have changed.
    pub(crate) fn take<W>(&self, event: Event<Read<W>>) -> (Option<Event<W>>, bool)
    where
        W: Resource<DynamicType = ()>,
    {
        let (event, is_new) = self.process(event);
        if is_new {
            self.changed.send_replace(());
        }
        (event, is_new)
    }

    fn process<W>(&self, event: Event<Read<W>>) -> (Option<Event<W>>, bool)
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

    /// Notifies about changes of the tracked objects.
    pub(crate) fn changes(&self) -> tokio::sync::watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Messages about objects that affect this FileIntegrity: itself, objects that it owns or whose name it uses, and
    /// shared objects such as Nodes.
    pub(crate) fn about(&self, file_integrity: &str) -> Vec<String> {
        let own = [file_integrity, &names::daemon_set(file_integrity)];
        self.all(|object| {
            SHARED_KINDS.contains(&object.kind.as_str())
                || own.contains(&object.name.as_str())
                || object.owners.iter().any(|owner| owner == file_integrity)
        })
        .iter()
        .map(ToString::to_string)
        .collect()
    }

    /// The objects of this kind.
    pub(crate) fn of<K: Resource<DynamicType = ()>>(&self) -> Vec<Unreadable> {
        let kind = K::kind(&());
        self.all(|object| object.kind == kind)
    }

    fn all(&self, which: impl Fn(&Unreadable) -> bool) -> Vec<Unreadable> {
        let known = self.known();
        let objects = known.objects.values().map(|entry| &entry.unreadable);
        objects.filter(|object| which(object)).cloned().collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
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
        // There are almost never any objects.
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
                "an object cannot be read and is ignored"
            );
        }
    }
}

fn name<W: Resource<DynamicType = ()>>(object: &W) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests;
