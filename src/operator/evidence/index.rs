//! What the leader knows of existing evidence. Shared by the task that keeps it and by reconciles.
//!
//! An acceptance is requested of all its nodes only when there is evidence of its set. So the reconcile of a
//! FileIntegrity that waits for evidence is triggered when any appears, and the task looks for new reports more often
//! meanwhile.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};

use crate::locks::lock;

/// Whether evidence proves what was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EvidenceState {
    /// Its report has exactly the changes that it claims.
    Verified,
    /// Not all changes are in its report, because there are too many.
    Incomplete,
    /// Its report does not have the changes that it claims.
    Unverified,
}

/// The existing evidence by name.
pub(crate) type EvidenceStates = HashMap<String, EvidenceState>;

#[derive(Debug, Default)]
pub struct EvidenceIndex {
    /// Unset until the evidence has been listed.
    states: watch::Sender<Option<Arc<EvidenceStates>>>,
    /// The FileIntegrities that wait for evidence.
    waiting: Mutex<HashSet<String>>,
    /// Wakes the task when the first FileIntegrity waits.
    wake: Notify,
}

impl EvidenceIndex {
    /// The existing evidence, once it has been listed.
    pub(crate) fn states(&self) -> Option<Arc<EvidenceStates>> {
        self.states.borrow().clone()
    }

    /// Receives all changes of the existing evidence.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<Arc<EvidenceStates>>> {
        self.states.subscribe()
    }

    /// Replaces what is known.
    pub(super) fn set(&self, states: EvidenceStates) {
        self.states.send_if_modified(|known| {
            let is_new = known.as_deref() != Some(&states);
            if is_new {
                *known = Some(Arc::new(states));
            }
            is_new
        });
    }

    /// Sets whether this FileIntegrity waits for evidence.
    pub(crate) fn set_waiting(&self, file_integrity: &str, waits: bool) {
        let mut waiting = lock(&self.waiting);
        if !waits {
            waiting.remove(file_integrity);
        } else if waiting.insert(file_integrity.to_owned()) {
            self.wake.notify_one();
        }
    }

    /// The FileIntegrities that wait.
    pub(crate) fn waiting(&self) -> Vec<String> {
        lock(&self.waiting).iter().cloned().collect()
    }

    /// Waits until another FileIntegrity waits for evidence.
    pub(super) async fn awaited(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_wakes_the_task_once() {
        let index = EvidenceIndex::default();
        index.set_waiting("fi", true);
        index.set_waiting("fi", true);
        index.awaited().await;
        assert_eq!(index.waiting(), ["fi"]);
        index.set_waiting("fi", false);
        assert_eq!(index.waiting(), Vec::<String>::new());
        let again = tokio::time::timeout(std::time::Duration::ZERO, index.awaited());
        assert!(again.await.is_err());
    }

    #[test]
    fn only_other_evidence_is_a_change() {
        let index = EvidenceIndex::default();
        let mut changes = index.changes();
        assert_eq!(index.states(), None);
        let one = || EvidenceStates::from([("a".to_owned(), EvidenceState::Verified)]);
        index.set(one());
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        index.set(one());
        assert!(!changes.has_changed().unwrap());
        assert_eq!(index.states().as_deref(), Some(&one()));
    }
}
