//! The states of the state machine. Pure.

use std::time::Duration;

use super::baseline::BaselineReason;
use crate::api::AcceptanceRequest;
use crate::scan::outcome::ScanError;

/// The state of the daemon. All times are since its start.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// The disk, the configuration or the node status is not known yet.
    Starting,
    /// AIDE creates a baseline.
    Initializing(BaselineReason),
    /// AIDE compares the node with the baseline.
    Scanning,
    /// AIDE compares the node with the baseline, and creates one that accepts the requested changes.
    Accepting {
        request: AcceptanceRequest,
        /// When the next scan starts if the acceptance is refused.
        due: Duration,
    },
    /// Waiting for the next scan.
    Idle {
        /// When the next scan starts.
        due: Duration,
    },
    Held,
    /// Waiting for the next attempt to create a baseline.
    InitFailed {
        /// When the next attempt starts.
        due: Duration,
        /// Number of failed attempts.
        attempts: u32,
        /// Why the baseline is needed.
        reason: BaselineReason,
    },
    /// AIDE cannot be terminated.
    Stuck {
        /// When the error is reported again.
        due: Duration,
        error: ScanError,
    },
    /// The baseline cannot be trusted.
    Untrusted {
        /// When the error is reported again.
        due: Duration,
    },
}

impl State {
    /// Whether the daemon runs AIDE.
    pub fn runs_aide(&self) -> bool {
        matches!(
            self,
            Self::Initializing(_) | Self::Scanning | Self::Accepting { .. }
        )
    }
}
