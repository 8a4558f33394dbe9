//! The phase of a FileIntegrity. Pure.

use super::inputs::{NodeSummary, StatusInputs};
use crate::api::{Condition, FileIntegrityStatus, Phase};

/// The phase. Nodes that are not reachable, are held, or have lost their daemon to a taint do not delay
/// it, because no result can be expected of them.
pub(super) fn phase(inputs: &StatusInputs<'_>, is_refused: bool) -> Phase {
    let errored = |node: &NodeSummary| node.condition == Some(Condition::Errored);
    if is_refused {
        Phase::Error
    } else if !inputs.deployed || inputs.nodes.is_empty() {
        Phase::Pending
    } else if inputs.nodes.iter().any(errored) {
        Phase::Error
    } else if inputs.reinit_requested || inputs.nodes.iter().any(NodeSummary::is_initializing) {
        Phase::Initializing
    } else {
        Phase::Active
    }
}

/// The number of phase transitions when the phase is `phase` now.
pub(crate) fn phase_transitions(before: Option<&FileIntegrityStatus>, phase: Phase) -> i64 {
    let so_far = before.and_then(|before| before.phase_transitions);
    let changed = before.and_then(|before| before.phase) != Some(phase);
    so_far.unwrap_or(0).saturating_add(i64::from(changed))
}

/// The phase, if it differs from the one before.
pub(crate) fn new_phase(
    before: Option<&FileIntegrityStatus>,
    status: &FileIntegrityStatus,
) -> Option<Phase> {
    let before = before.and_then(|before| before.phase);
    status.phase.filter(|phase| before != Some(*phase))
}

/// Resets the phase to the one before.
pub(crate) fn keep_phase(status: &mut FileIntegrityStatus, before: Option<&FileIntegrityStatus>) {
    status.phase = before.and_then(|before| before.phase);
    status.phase_transitions = before.and_then(|before| before.phase_transitions);
}
