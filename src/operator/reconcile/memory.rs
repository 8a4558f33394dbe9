//! What is remembered between reconciles. Losing it costs some requests, and nothing else.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::ResourceExt as _;
use kube::runtime::reflector::Store;
use tokio::time::Instant;

use super::acceptance_reporting::WrittenAcceptance;
use super::apply::error::ApplyError;
use crate::api::FileIntegrity;
use crate::locks;

/// Maximum number of acceptances whose last writes are remembered.
const MAX_ACCEPTANCES: usize = 1000;
/// Maximum number of created events that are remembered, so that they are not requested again.
const MAX_EVENTS: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By the name of the FileIntegrity.
    reconciles: HashMap<String, LastReconcile>,
    /// The last writes of the statuses of acceptances, by UID.
    acceptances: HashMap<String, WrittenAcceptance>,
    /// Transition and message of created events.
    events: HashSet<(String, String)>,
}

/// What is remembered of the last reconcile of a FileIntegrity.
#[derive(Debug, Default)]
pub(super) struct LastReconcile {
    /// How many reconciles in a row have failed.
    pub(super) failures: u32,
    /// When the status was written last.
    pub(super) status_written: Option<Instant>,
    /// When the status should be written, if it was too soon for that.
    pub(super) status_due: Option<Instant>,
    /// The FileIntegrity after the operator's own last write. The watch may be behind it: reconciling
    /// what the watch shows could report a phase twice.
    pub(super) written: Option<Arc<FileIntegrity>>,
    /// The nodes whose status objects could not be created, because an object with the name belongs to
    /// somebody else.
    pub(super) name_collisions: HashSet<Arc<str>>,
    /// Why the annotations could not be changed. They are changed after the status is written, so the
    /// next reconcile reports this in the status.
    pub(super) annotation_failure: Option<WriteFailure>,
}

/// A write that failed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WriteFailure {
    /// Somebody has to change something.
    pub(super) is_refusal: bool,
    pub(super) message: String,
}

impl From<&ApplyError> for WriteFailure {
    fn from(error: &ApplyError) -> Self {
        Self {
            is_refusal: error.is_refusal(),
            message: crate::error_chain(error),
        }
    }
}

impl Memory {
    /// Reads or changes what is remembered of a FileIntegrity.
    pub(super) fn with<T>(&self, name: &str, act: impl FnOnce(&mut LastReconcile) -> T) -> T {
        self.lock(|state| act(state.reconciles.entry(name.to_owned()).or_default()))
    }

    /// The FileIntegrity, or the operator's own write of it if that is newer.
    pub(super) fn newest(&self, seen: Arc<FileIntegrity>) -> Arc<FileIntegrity> {
        let version = |fi: &FileIntegrity| fi.resource_version()?.parse::<u128>().ok();
        self.with(&seen.name_any(), |last| match &last.written {
            // Resource versions of an object can be compared as numbers (Kubernetes documentation, API
            // concepts).
            Some(written) if written.uid() == seen.uid() && version(written) > version(&seen) => {
                Arc::clone(written)
            }
            _ => seen,
        })
    }

    /// How much of `interval` since the last write of the status is left, if any.
    pub(super) fn status_pause_left(&self, name: &str, interval: Duration) -> Option<Duration> {
        let written = self.with(name, |last| last.status_written)?;
        interval
            .checked_sub(written.elapsed())
            .filter(|left| !left.is_zero())
    }

    /// The last write of the status of an acceptance, if it is remembered.
    pub(super) fn acceptance_written(&self, uid: &str) -> Option<WrittenAcceptance> {
        self.lock(|state| state.acceptances.get(uid).cloned())
    }

    /// Remembers a write of the status of an acceptance.
    pub(super) fn set_acceptance_written(&self, uid: String, written: WrittenAcceptance) {
        self.lock(|state| {
            if state.acceptances.len() >= MAX_ACCEPTANCES {
                state.acceptances.clear();
            }
            state.acceptances.insert(uid, written);
        });
    }

    /// Whether the event was created.
    pub(super) fn has_event(&self, event: &(String, String)) -> bool {
        self.lock(|state| state.events.contains(event))
    }

    /// Remembers an event that was created.
    pub(super) fn add_event(&self, event: (String, String)) {
        self.lock(|state| {
            if state.events.len() >= MAX_EVENTS {
                state.events.clear();
            }
            state.events.insert(event);
        });
    }

    /// Removes FileIntegrities that no longer exist.
    pub(super) fn forget_deleted(&self, existing: &Store<FileIntegrity>) {
        self.lock(|state| {
            if state.reconciles.len() <= existing.len() {
                return;
            }
            let existing = existing.state();
            let existing: HashSet<String> = existing.iter().map(|fi| fi.name_any()).collect();
            state.reconciles.retain(|name, _| existing.contains(name));
        });
    }

    fn lock<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut locks::lock(&self.0))
    }
}
