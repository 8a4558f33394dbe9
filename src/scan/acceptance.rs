//! The answer of a node to an acceptance. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::event::{EventMessage, Severity};
use crate::api::object_name::visible;
use crate::api::{
    AcceptanceRequest, AcceptanceResult, AcceptanceState, AnnouncedResult, Baseline, EventReason,
    RefusalReason,
};
use crate::text::shorten_middle;

/// Maximum bytes of the explanation of a refusal.
const MAX_MESSAGE: usize = 768;

/// Why a node kept its baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(crate) reason: RefusalReason,
    /// Explanation.
    pub message: String,
}

impl Refusal {
    /// If the message is too long for a node status, its middle is omitted.
    pub(crate) fn new(reason: RefusalReason, message: impl Into<String>) -> Self {
        let mut message = message.into();
        shorten_middle(&mut message, MAX_MESSAGE);
        Self { reason, message }
    }

    /// The event. Only what nobody has caused on purpose is a warning.
    pub(crate) fn event(&self, node: &str, request: &AcceptanceRequest) -> EventMessage {
        let severity = match self.reason {
            RefusalReason::ChangesDiffer
            | RefusalReason::Unstable
            | RefusalReason::BaselineUntrusted
            | RefusalReason::Error => Severity::Warning,
            RefusalReason::ConfigurationDiffers
            | RefusalReason::Expired
            | RefusalReason::Revoked => Severity::Normal,
        };
        EventMessage {
            severity,
            reason: EventReason::ChangesDiffer,
            message: format!(
                "node {node}: the acceptance {} was refused, and the node keeps its baseline: {}, {}",
                visible(&request.name),
                self.reason,
                self.message
            ),
        }
    }
}

/// What a node has accepted of announced changes. Acceptances of which nothing was accepted now keep the time and the
/// digests of their last baseline.
pub(crate) fn with_earlier(
    new: &[AnnouncedResult],
    earlier: &[AnnouncedResult],
) -> Vec<AnnouncedResult> {
    let with_earlier = |result: &AnnouncedResult| {
        let earlier = earlier.iter().find(|it| it.uid == result.uid);
        match earlier.filter(|_| result.accepted_at.is_none()) {
            Some(earlier) => AnnouncedResult {
                accepted_at: earlier.accepted_at.clone(),
                old_digest: earlier.old_digest.clone(),
                new_digest: earlier.new_digest.clone(),
                ..result.clone()
            },
            None => result.clone(),
        }
    };
    new.iter().map(with_earlier).collect()
}

/// The answer of a node that has created this baseline for the acceptance.
pub(crate) fn accepted(
    request: &AcceptanceRequest,
    baseline: &Baseline,
    at: Time,
) -> AcceptanceResult {
    AcceptanceResult {
        attempt: request.attempt,
        finished_at: at,
        ..executed(&request.name, &request.uid, baseline)
    }
}

/// The answer of a node that has created this baseline for an acceptance of which only the record is left.
pub(crate) fn executed(name: &str, uid: &str, baseline: &Baseline) -> AcceptanceResult {
    let accepted = baseline.accepted.as_ref();
    AcceptanceResult {
        name: name.to_owned(),
        uid: uid.to_owned(),
        // A new baseline is the answer to all attempts.
        attempt: 1,
        state: AcceptanceState::Accepted,
        reason: None,
        message: None,
        finished_at: baseline.created_at.clone(),
        old_digest: accepted.and_then(|it| it.old_digest.clone()),
        new_digest: Some(baseline.digest.clone()),
    }
}

/// The answer of a node that keeps the baseline with this digest.
pub(crate) fn refused(
    request: &AcceptanceRequest,
    refusal: &Refusal,
    digest: Option<String>,
    at: Time,
) -> AcceptanceResult {
    AcceptanceResult {
        name: request.name.clone(),
        uid: request.uid.clone(),
        attempt: request.attempt,
        state: AcceptanceState::Refused,
        reason: Some(refusal.reason.to_string()),
        message: Some(refusal.message.clone()),
        finished_at: at,
        old_digest: digest,
        new_digest: None,
    }
}

#[cfg(test)]
mod tests;
