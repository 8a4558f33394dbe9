//! A condition before it is compared with the stored one. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::condition::{ConditionReason, ConditionStatus, ConditionType};
use crate::text::shorten_middle;

/// Maximum size in bytes of a message. The API accepts 32,768.
const MAX_MESSAGE: usize = 2048;

#[derive(Debug)]
pub(super) struct NewCondition {
    pub(super) kind: ConditionType,
    pub(super) status: ConditionStatus,
    pub(super) reason: ConditionReason,
    pub(super) message: String,
}

impl NewCondition {
    /// Shortens the message if it is too long.
    pub(super) fn new(
        kind: ConditionType,
        (status, reason): (ConditionStatus, ConditionReason),
        message: impl Into<String>,
    ) -> Self {
        let mut message = message.into();
        shorten_middle(&mut message, MAX_MESSAGE);
        Self {
            kind,
            status,
            reason,
            message,
        }
    }

    /// The time of the last transition stays while the status does (API conventions).
    pub(super) fn into_condition(
        self,
        old: &[Condition],
        generation: Option<i64>,
        now: &Time,
    ) -> Condition {
        let same = self.kind.find(old);
        let same = same.filter(|condition| condition.status == self.status.as_str());
        let since = same.map_or_else(
            || now.clone(),
            |condition| condition.last_transition_time.clone(),
        );
        Condition {
            type_: self.kind.to_string(),
            status: self.status.to_string(),
            reason: self.reason.to_string(),
            message: self.message,
            last_transition_time: since,
            observed_generation: generation,
        }
    }
}
