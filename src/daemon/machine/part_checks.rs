//! Checks of parts of the node, after the kernel has announced changes. Pure.

use std::time::Duration;

use super::event::Action;

/// When the next check starts, and whether one runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PartChecks {
    due: Option<Duration>,
    is_running: bool,
}

impl PartChecks {
    /// Paths were announced that are to be checked at this time.
    pub(super) fn announced(&mut self, due: Duration) {
        self.due = Some(due);
    }

    /// The baseline is replaced: the announced paths are compared by the scan that follows.
    pub(super) fn forget(&mut self) {
        self.due = None;
    }

    pub(super) fn ended(&mut self) {
        self.is_running = false;
    }

    pub(super) fn is_running(&self) -> bool {
        self.is_running
    }

    /// Starts a check if one is due, and none runs.
    pub(super) fn proceed(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if self.is_running {
            return;
        }
        match self.due {
            Some(due) if due > now => actions.push(Action::WakeAt(due)),
            Some(_) => {
                self.due = None;
                self.is_running = true;
                actions.push(Action::CheckPart);
            }
            None => {}
        }
    }
}
