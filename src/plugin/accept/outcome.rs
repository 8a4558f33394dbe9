//! What has become of an acceptance. Pure.

use crate::api::condition::ConditionStatus;
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
        let status = object.status.clone().unwrap_or_default();
        let end = |kind: AcceptanceConditionType| {
            let condition = kind.find(&status.conditions)?;
            (condition.status == ConditionStatus::True.as_str()).then(|| End {
                is_failure: kind == AcceptanceConditionType::Failed,
                reason: condition.reason.clone(),
                message: condition.message.clone(),
            })
        };
        Self {
            counts: status.counts.unwrap_or_default(),
            end: end(AcceptanceConditionType::Failed)
                .or_else(|| end(AcceptanceConditionType::Complete)),
            refused: status
                .nodes
                .iter()
                .filter(|node| node.state == AcceptanceState::Refused)
                .cloned()
                .collect(),
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
