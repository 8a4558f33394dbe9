//! The condition `ConfigValid`. Pure.

use super::condition::NewCondition;
use super::inputs::NodeSummary;
use super::node_names::names_of;
use crate::api::FileIntegrityStatus;
use crate::api::condition::{ConditionReason, ConditionStatus, ConditionType};

/// The state of the configuration, for users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigState {
    /// It is in effect.
    Valid { warnings: Vec<String> },
    /// It cannot be read. The configuration before stays in effect.
    Unavailable {
        reason: ConditionReason,
        /// Includes what to do about it.
        message: String,
    },
    /// AIDE or fio does not accept it. The configuration before stays in effect.
    Refused { message: String },
    /// It has not been read yet.
    Unknown,
}

/// Whether the phase is Error because of the configuration: it is refused, or it was refused before it
/// became unavailable. An unavailable configuration does not change the phase.
pub(super) fn is_refused(config: &ConfigState, before: Option<&FileIntegrityStatus>) -> bool {
    match config {
        ConfigState::Refused { .. } => true,
        ConfigState::Unavailable { .. } => before
            .and_then(|status| ConditionType::Ready.find(&status.conditions))
            .is_some_and(|ready| ready.reason == ConditionReason::ConfigRefused.as_str()),
        ConfigState::Valid { .. } | ConfigState::Unknown => false,
    }
}

pub(super) fn config_valid(config: &ConfigState, nodes: &[NodeSummary]) -> NewCondition {
    let (status, reason, message) = match config {
        ConfigState::Valid { warnings } if nodes.iter().any(|node| node.waits_for_acceptance) => (
            ConditionStatus::True,
            ConditionReason::WaitingForAcceptance,
            waiting(nodes, warnings),
        ),
        ConfigState::Valid { warnings } if warnings.is_empty() => (
            ConditionStatus::True,
            ConditionReason::Valid,
            "the configuration is in effect".to_owned(),
        ),
        ConfigState::Valid { warnings } => (
            ConditionStatus::True,
            ConditionReason::ValidWithWarnings,
            format!("the configuration is in effect; {}", warnings.join("; ")),
        ),
        ConfigState::Unavailable { reason, message } => {
            (ConditionStatus::False, *reason, message.clone())
        }
        ConfigState::Refused { message } => (
            ConditionStatus::False,
            ConditionReason::Refused,
            message.clone(),
        ),
        ConfigState::Unknown => (
            ConditionStatus::Unknown,
            ConditionReason::Reading,
            "the configuration is being read".to_owned(),
        ),
    };
    NewCondition::new(ConditionType::ConfigValid, (status, reason), message)
}

fn waiting(nodes: &[NodeSummary], warnings: &[String]) -> String {
    let names = names_of(nodes, |node| node.waits_for_acceptance);
    let mut message = format!(
        "the configuration is in effect, except on nodes that are Failed: spec.config.requireAcceptance is true, so they \
         keep the configuration before until their changes are accepted or reverted: {names}"
    );
    for warning in warnings {
        message.push_str("; ");
        message.push_str(warning);
    }
    message
}
