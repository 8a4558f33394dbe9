//! What is wrong with a FileIntegrity, for its condition Degraded, and with its configuration. Pure.

use std::sync::Arc;

use super::super::conditions::config_valid::ConfigState;
use super::super::conditions::inputs::Problem;
use super::super::nodes::daemon_pod::DaemonPod;
use super::super::observed::ConfigVerdict;
use super::inputs::Inputs;
use crate::api::condition::ConditionReason;
use crate::api::object_name::visible;
use crate::api::{FileIntegrity, state_dir};

impl Inputs<'_> {
    pub(super) fn config_state(&self) -> ConfigState {
        match &self.observed.verdict {
            ConfigVerdict::Good { warnings, .. } => ConfigState::Valid {
                warnings: self.config_warnings(warnings),
            },
            ConfigVerdict::Unavailable { reason, message } => ConfigState::Unavailable {
                reason: *reason,
                message: message.clone(),
            },
            ConfigVerdict::Unchecked { message } => ConfigState::Unavailable {
                reason: ConditionReason::Unchecked,
                message: format!(
                    "AIDE gave no answer about the configuration; the check is repeated: {message}"
                ),
            },
            ConfigVerdict::Refused { message } => ConfigState::Refused {
                message: message.clone(),
            },
            ConfigVerdict::Unknown => ConfigState::Unknown,
        }
    }

    fn config_warnings(&self, warnings: &[String]) -> Vec<String> {
        let odd = self.fi.spec.unusual_values();
        odd.into_iter().chain(warnings.iter().cloned()).collect()
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let class = self.missing_priority_class();
        let class = class.map(|message| Problem {
            reason: ConditionReason::PriorityClass,
            message: format!("{message}; the pods run without it until it exists"),
        });
        let unreadable = self.observed.unreadable.iter().map(|sentence| Problem {
            reason: ConditionReason::ObjectUnreadable,
            message: sentence.clone(),
        });
        let lost = self.lost_configuration().into_iter();
        let problems = lost.chain(self.refused_state_dir()).chain(class);
        // There may be so many overlaps that they fill the message, so they come last.
        problems.chain(unreadable).chain(self.overlaps()).collect()
    }

    /// The state directory of the spec is not allowed.
    fn refused_state_dir(&self) -> Option<Problem> {
        let dir = self.fi.spec.state_dir();
        let refusal = state_dir::refusal(&dir)?;
        Some(Problem {
            reason: ConditionReason::StateDirRefused,
            message: format!("spec.config.stateDir {dir} {refusal}; no node is scanned with it"),
        })
    }

    /// The PriorityClass of the spec does not exist. The message is the original's.
    pub(super) fn missing_priority_class(&self) -> Option<String> {
        let class = visible(self.fi.spec.priority_class()?);
        (!self.observed.environment.priority_class_exists).then(|| {
            format!(
                "Error while getting priority class '{class}', PriorityClass not found or invalid"
            )
        })
    }

    /// Somebody edited or deleted the active ConfigMap, and this operator does not know its text.
    fn lost_configuration(&self) -> Option<Problem> {
        if !self.effective.is_lost || self.observed.verdict == ConfigVerdict::Unknown {
            return None;
        }
        let message = format!(
            "the ConfigMap {} does not have the configuration of the nodes; it is written again as soon as \
             the configuration can be used, see the condition ConfigValid",
            self.name
        );
        Some(Problem {
            reason: ConditionReason::ConfigurationLost,
            message,
        })
    }

    /// The FileIntegrities that select the same nodes. Their daemons would write the same baseline.
    fn overlaps(&self) -> impl Iterator<Item = Problem> {
        let overlapping = |other: &&Arc<FileIntegrity>| {
            let selector = other.spec.selector();
            let tolerations = &other.spec.tolerations;
            let mut selected = self.selection.selected.iter();
            selected.any(|node| node.daemon_pod(&selector, tolerations) == DaemonPod::Runs)
        };
        let others = self.observed.others.iter().filter(overlapping);
        others.map(|other| Problem {
            reason: ConditionReason::Overlap,
            message: format!(
                "{} and {} select the same nodes; only one of them can scan a node, change a nodeSelector",
                self.name,
                other.metadata.name.as_deref().unwrap_or_default()
            ),
        })
    }
}
