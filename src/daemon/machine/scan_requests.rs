//! Requests for an additional scan. Pure.

use crate::daemon::node_state::ObservedStatus;

/// The newest request, and how far it is.
#[derive(Clone, Debug, Default)]
pub(super) struct ScanRequests {
    /// The newest request of the node status.
    desired: Option<String>,
    /// The request that the running scan does.
    running: Option<String>,
    /// The newest request that is done.
    done: Option<String>,
}

impl ScanRequests {
    pub(super) fn observe(&mut self, observed: &ObservedStatus) {
        self.desired.clone_from(&observed.desired.scan_request);
        // Later, this process knows it better: somebody may edit the status.
        if self.done.is_none() {
            self.done.clone_from(&observed.scan_done);
        }
    }

    /// Whether a scan is requested that is not done.
    pub(super) fn is_open(&self) -> bool {
        self.desired.is_some() && self.desired != self.done
    }

    /// A scan that runs when the request arrives has not read all files after it.
    pub(super) fn scan_started(&mut self) {
        self.running = self.desired.clone().filter(|_| self.is_open());
    }

    /// The request that is done with the end of this scan.
    pub(super) fn scan_ended(&mut self) -> Option<String> {
        let ended = self.running.take()?;
        self.done = Some(ended.clone());
        Some(ended)
    }
}

#[cfg(test)]
mod tests;
