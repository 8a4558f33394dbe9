//! When the daemon's pod becomes ready. Pure.

use super::event::Action;

/// Whether the pod is ready. It stays ready.
#[derive(Clone, Debug, Default)]
pub(super) struct Readiness {
    is_ready: bool,
    /// An initialization or an adoption is over: the pod is ready once that is published.
    attempt_over: bool,
}

impl Readiness {
    /// An initialization or an adoption is over, successful or not.
    pub(super) fn attempt_over(&mut self) {
        self.attempt_over = true;
    }

    /// The pod is ready if an attempt is over.
    pub(super) fn published(&mut self, actions: &mut Vec<Action>) {
        if self.attempt_over {
            self.become_ready(actions);
        }
    }

    pub(super) fn become_ready(&mut self, actions: &mut Vec<Action>) {
        if !self.is_ready {
            self.is_ready = true;
            actions.push(Action::Ready);
        }
    }
}
