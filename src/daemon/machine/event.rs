//! The events of the state machine, and the actions that it returns. Pure.

use std::time::Duration;

use super::baseline::{BaselineReason, Disk, ExecutedAcceptance, KnownBaseline};
use crate::api::{AcceptanceRequest, HoldReason, NodeHold};
use crate::daemon::node_state::ObservedStatus;
use crate::scan::acceptance::Refusal;
use crate::scan::event::EventMessage;
use crate::scan::outcome::ScanError;

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The state directory was read.
    DiskRead(Disk),
    /// The last runs of AIDE were killed together with the container; their number.
    Interrupted(u32),
    /// The node status was read, or has changed.
    Observed(Box<ObservedStatus>),
    /// The API server did not answer in time after the start.
    ApiUnreachable,
    /// The configuration with this hash is available.
    ConfigLoaded(String),
    /// The signal file exists, with this text.
    Signal(String),
    /// A run of AIDE has finished.
    Finished(Finished),
    /// The kernel has announced changes, which are to be checked at this time.
    Announced {
        /// When to check them.
        due: Duration,
    },
    /// Any file may have changed, so the whole node must be scanned.
    ScanNeeded,
    /// Changes were found that announced acceptances may approve.
    ApprovalExpected,
    /// A check of a part of the node has ended.
    PartChecked {
        /// sha256 of the database that AIDE has read, if it is known.
        digest: Option<String>,
    },
    /// An AIDE that could not be terminated has exited.
    AideExited,
    /// An update was published.
    Published,
    /// The time of [`Action::WakeAt`] has come.
    Timer,
    /// The daemon must exit.
    Shutdown,
}

impl Event {
    /// The node status was read, or has changed.
    pub fn observed(status: ObservedStatus) -> Self {
        Self::Observed(Box::new(status))
    }
}

/// How a run of AIDE ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Finished {
    /// A new baseline was created.
    Initialized(KnownBaseline),
    /// The excluded paths of the baseline were changed. It accepts no changes.
    ExclusionsChanged(KnownBaseline),
    /// No baseline was created; the old one, if any, is unchanged.
    InitFailed(ScanError),
    /// No baseline was created, because the node shows changes with the configuration of the old one, and only an
    /// acceptance may accept them.
    Unaccepted {
        /// As of [`Scanned`](Self::Scanned).
        digest: Option<String>,
    },
    /// The scan is over.
    Scanned {
        /// sha256 of the database that AIDE has read, or [`NO_DATABASE`](super::NO_DATABASE), if it
        /// is known.
        digest: Option<String>,
    },
    /// A new baseline accepts exactly the requested changes.
    Accepted(KnownBaseline),
    /// A new baseline accepts announced changes. The result is that of a scan: what is left.
    AcceptedPart(KnownBaseline),
    /// The requested changes were not accepted; the old baseline is unchanged.
    Refused {
        refusal: Refusal,
        /// Whether the run has compared the node with the baseline, so that its result is that of a scan.
        has_scanned: bool,
    },
    /// There was no database to compare with.
    BaselineMissing,
    /// The database was created by another version of AIDE, and this one cannot read it.
    BaselineOutdated {
        /// Version of the AIDE that created the database.
        made_by: String,
        /// sha256 of the database, in hexadecimal digits.
        digest: String,
    },
    /// AIDE does not finish, and cannot be terminated.
    Stuck(ScanError),
    /// AIDE was terminated because the daemon must exit.
    Stopped,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Load the configuration with this hash.
    LoadConfig(String),
    /// Stop loading: that configuration is not desired any more.
    StopLoading,
    Initialize(BaselineReason),
    /// Compare the node with the baseline.
    Scan,
    /// The same, and accept announced changes in this run.
    ScanToAccept,
    /// Compare the node with the baseline, and create one that accepts these changes.
    Accept(AcceptanceRequest),
    /// Compare the announced paths with the baseline, also while a scan runs.
    CheckPart,
    /// Publish the result of the scan that has finished.
    PublishScan,
    /// The same; it is the scan that was requested with this id.
    PublishRequestedScan(String),
    /// Publish the baseline that accepts announced changes, and the result of its run.
    PublishPart {
        /// The requested scan that is done.
        scan: Option<String>,
    },
    /// Publish the baseline that was created, or was found at the start.
    PublishBaseline {
        /// The request for re-initialization that is done.
        request: Option<String>,
        /// An event to create besides.
        event: Option<EventMessage>,
    },
    /// Publish the baseline that was created for this acceptance, or was found at the start, and the result of its run.
    PublishAccepted(AcceptanceRequest),
    /// Publish the baseline that was created for this acceptance, which is not requested any more. It counts as unrequested.
    PublishWithdrawn {
        executed: ExecutedAcceptance,
        event: EventMessage,
    },
    /// Publish that the changes were not accepted, and the result of the run if there was one.
    PublishRefused {
        request: AcceptanceRequest,
        refusal: Refusal,
    },
    /// Write the node status again: somebody has removed the baseline in it.
    RepublishStatus,
    /// Publish an Errored result.
    PublishError {
        /// Why there is no scan.
        error: ScanError,
        /// An event to create besides.
        event: Option<EventMessage>,
    },
    /// Create an event.
    PublishEvent(EventMessage),
    /// Remove the signal file.
    RemoveSignal,
    /// Send [`Event::Timer`] at this time, or at the earliest of several. It replaces that of earlier events.
    WakeAt(Duration),
    /// Scans are held. Send no [`Event::Timer`].
    Hold(HoldReason),
    /// Scans are held by these holds of the spec.
    HoldByName(Vec<String>),
    /// The node status is to show this with the next update.
    SetHold(Option<NodeHold>),
    /// The same, with an update now.
    PublishHold(Option<NodeHold>),
    /// Scans are not held any more.
    EndHold,
    /// The daemon's pod is ready.
    Ready,
    StopAide,
    Exit,
}
