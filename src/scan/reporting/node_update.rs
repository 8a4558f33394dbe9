//! Something on a node that is to be reported. Pure.

use crate::api::{
    AcceptanceResult, AnnouncedResult, Baseline, CompletedRequest, NodeHold, RealtimeStatus,
};
use crate::scan::event::EventMessage;
use crate::scan::outcome::Finding;

/// Something on a node that is to be reported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeUpdate {
    /// The result of a scan.
    pub finding: Option<Finding>,
    /// Digest of the database that the scan compared with, if it is known.
    pub scanned_digest: Option<String>,
    /// A baseline that was created.
    pub baseline: Option<Baseline>,
    /// The baseline on the node's disk. It is reported if the status has lost its baseline and this
    /// process has reported none yet.
    pub baseline_on_disk: Option<Baseline>,
    /// A request for re-initialization that is done.
    pub reinit: Option<CompletedRequest>,
    /// A request for an additional scan that is done.
    pub scan: Option<CompletedRequest>,
    /// What holds the node, if that is known.
    pub hold: Option<HoldUpdate>,
    /// The answer to an acceptance.
    pub acceptance: Option<AcceptanceResult>,
    /// What the baseline has of announced changes, if that is known anew.
    pub announced: Option<Vec<AnnouncedResult>>,
    /// The state of realtime detection.
    pub realtime: Option<RealtimeStatus>,
    /// An event to create besides that of the result.
    pub event: Option<EventMessage>,
}

/// What the node status is to show of the holds of the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldUpdate {
    /// None of them holds the node, and nothing is left to do for those that have ended.
    Over,
    /// These hold the node, or have ended.
    Shown(NodeHold),
}

impl HoldUpdate {
    pub(super) fn shown(&self) -> Option<&NodeHold> {
        match self {
            Self::Over => None,
            Self::Shown(hold) => Some(hold),
        }
    }
}

impl From<Option<NodeHold>> for HoldUpdate {
    fn from(hold: Option<NodeHold>) -> Self {
        hold.map_or(Self::Over, Self::Shown)
    }
}
