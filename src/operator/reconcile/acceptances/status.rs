//! The status of an acceptance. Pure.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::refusal::Refusal;
use crate::api::condition::ConditionStatus;
use crate::api::{
    AcceptanceConditionType, AcceptanceCounts, AcceptanceReason, FileIntegrityAcceptance,
    FileIntegrityAcceptanceStatus, time,
};
use crate::text::shorten_middle;

/// Maximum size in bytes of a message.
const MAX_MESSAGE: usize = 1024;

/// The state of an acceptance.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Nodes may still get new baselines.
    Open {
        reason: AcceptanceReason,
        message: String,
    },
    Complete(AcceptanceReason),
    Failed(Refusal),
}

impl Phase {
    pub(crate) fn reason(&self) -> AcceptanceReason {
        match self {
            Self::Open { reason, .. } | Self::Complete(reason) => *reason,
            Self::Failed(refusal) => refusal.reason(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    fn message(&self, counts: AcceptanceCounts) -> String {
        let mut message = match self {
            Self::Open { message, .. } => message.clone(),
            Self::Complete(reason) => describe(*reason, counts),
            Self::Failed(refusal) => refusal.to_string(),
        };
        shorten_middle(&mut message, MAX_MESSAGE);
        message
    }
}

/// What has become of a complete acceptance, in a sentence.
fn describe(reason: AcceptanceReason, counts: AcceptanceCounts) -> String {
    let AcceptanceCounts {
        matched,
        accepted,
        refused,
        waiting,
    } = counts;
    let counts = format!(
        "{accepted} of {matched} nodes have a new baseline, {refused} refused, {waiting} did not answer"
    );
    match reason {
        AcceptanceReason::Expired if matched == 0 => {
            "the time is over; no included node showed this change set".to_owned()
        }
        AcceptanceReason::Expired => format!("the time is over: {counts}"),
        AcceptanceReason::Revoked => format!("withdrawn: {counts}"),
        _ => counts,
    }
}

/// How a complete acceptance ended.
pub(crate) fn completion(counts: AcceptanceCounts) -> AcceptanceReason {
    match counts {
        AcceptanceCounts { waiting: 1.., .. } | AcceptanceCounts { matched: 0, .. } => {
            AcceptanceReason::Expired
        }
        AcceptanceCounts { refused: 0, .. } => AcceptanceReason::Accepted,
        AcceptanceCounts { accepted: 0, .. } => AcceptanceReason::Refused,
        _ => AcceptanceReason::PartlyRefused,
    }
}

/// The status with the conditions of this phase. A finished acceptance is kept for `retention`.
pub(crate) fn with_phase(
    mut status: FileIntegrityAcceptanceStatus,
    acceptance: &FileIntegrityAcceptance,
    phase: &Phase,
    retention: SignedDuration,
    now: &Time,
) -> FileIntegrityAcceptanceStatus {
    let reason = phase.reason();
    let message = phase.message(status.counts.unwrap_or_default());
    let is_complete = match phase {
        Phase::Complete(_) => ConditionStatus::True,
        Phase::Open { .. } | Phase::Failed(_) => ConditionStatus::False,
    };
    let failed = match phase {
        Phase::Failed(_) => (ConditionStatus::True, reason, message.clone()),
        Phase::Open { .. } | Phase::Complete(_) => {
            let status = ConditionStatus::False;
            (status, AcceptanceReason::AsExpected, String::new())
        }
    };
    let before = std::mem::take(&mut status.conditions);
    let generation = acceptance.metadata.generation;
    let condition = |kind: AcceptanceConditionType, (status, reason, message)| {
        new_condition(kind, (status, reason, message), &before, generation, now)
    };
    let complete = (is_complete, reason, message);
    status.conditions = vec![
        condition(AcceptanceConditionType::Complete, complete),
        condition(AcceptanceConditionType::Failed, failed),
    ];
    if !phase.is_open() && status.retain_until.is_none() {
        status.retain_until = Some(retain_until(now, retention));
    }
    status
}

fn new_condition(
    kind: AcceptanceConditionType,
    (status, reason, message): (ConditionStatus, AcceptanceReason, String),
    before: &[Condition],
    generation: Option<i64>,
    now: &Time,
) -> Condition {
    let same = kind.find(before);
    let same = same.filter(|condition| condition.status == status.as_str());
    let since = same.map_or(now, |condition| &condition.last_transition_time);
    Condition {
        type_: kind.to_string(),
        status: status.to_string(),
        reason: reason.to_string(),
        message,
        last_transition_time: since.clone(),
        observed_generation: generation,
    }
}

fn retain_until(now: &Time, retention: SignedDuration) -> Time {
    let until = now.0.saturating_add(retention);
    // A duration in hours always can be added.
    time::whole_seconds(until.unwrap_or(now.0))
}
