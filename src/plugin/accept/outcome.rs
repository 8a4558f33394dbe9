//! What has become of an acceptance. Pure.

use crate::api::{
    AcceptanceConditionType, AcceptanceCounts, AcceptanceReason, AcceptanceState,
    FileIntegrityAcceptance, NodeOutcome,
};
use crate::plugin::failure::{DIFFERENCES, PROBLEMS, WELL};

/// What has become of an acceptance so far.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) counts: AcceptanceCounts,
    pub(crate) end: Option<End>,
    /// Nodes that kept their baseline.
    pub(crate) refused: Vec<NodeOutcome>,
}

/// Why no further node gets a new baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Whether the acceptance is Failed.
    pub(crate) is_failure: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Outcome {
    pub(crate) fn of(object: &FileIntegrityAcceptance) -> Self {
        let end = object.end().map(|condition| End {
            is_failure: condition.type_ == AcceptanceConditionType::Failed.as_str(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        });
        let nodes = object.status.iter().flat_map(|status| &status.nodes);
        let refused = nodes.filter(|node| node.state == AcceptanceState::Refused);
        let counts = object.status.as_ref().and_then(|status| status.counts);
        Self {
            counts: counts.unwrap_or_default(),
            end,
            refused: refused.cloned().collect(),
        }
    }

    /// The exit status when it has ended.
    pub(crate) fn exit_status(&self) -> u8 {
        match &self.end {
            Some(end) if end.is_failure => PROBLEMS,
            Some(end) if end.reason == AcceptanceReason::Accepted.as_str() => WELL,
            _ => DIFFERENCES,
        }
    }
}
