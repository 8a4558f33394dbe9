//! The status of a FileIntegrity: phase, conditions, node counts and change sets. Pure.

mod condition;
pub(super) mod config_valid;
pub(super) mod degraded;
pub(super) mod inputs;
mod node_names;
mod nodes_excluded;
pub(super) mod phase;
mod ready;
mod realtime;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use self::inputs::{NodeSummary, StatusInputs};
use crate::api::{Condition, FileIntegrityStatus, NodeCounts};

/// The whole status. `before` is the stored status.
pub(crate) fn status(
    inputs: &StatusInputs<'_>,
    before: Option<&FileIntegrityStatus>,
    now: &Time,
) -> FileIntegrityStatus {
    let is_refused = config_valid::is_refused(inputs.config, before);
    let phase = phase::phase(inputs, is_refused);
    let old = before.map(|status| status.conditions.as_slice());
    let old = old.unwrap_or_default();
    let conditions = [
        ready::ready(phase, inputs, is_refused),
        config_valid::config_valid(inputs.config, inputs.nodes),
        degraded::degraded(inputs),
        nodes_excluded::nodes_excluded(inputs.excluded),
        realtime::realtime(inputs),
    ]
    .into_iter()
    .map(|new| new.into_condition(old, inputs.generation, now))
    .collect();
    FileIntegrityStatus {
        phase: Some(phase),
        phase_transitions: Some(phase::phase_transitions(before, phase)),
        nodes: Some(counts(inputs)),
        realtime: realtime::counts(inputs.nodes),
        change_set_count: Some(inputs.change_sets.count()),
        change_sets: inputs.change_sets.listed(before, now),
        conditions,
        observed_generation: inputs.generation,
    }
}

fn counts(inputs: &StatusInputs<'_>) -> NodeCounts {
    let count = |predicate: fn(&NodeSummary) -> bool| {
        let nodes = inputs.nodes.iter().filter(|node| predicate(node));
        i64::try_from(nodes.count()).unwrap_or(i64::MAX)
    };
    NodeCounts {
        selected: count(|_| true),
        initialized: count(|node| node.initialized),
        failed: count(|node| node.condition == Some(Condition::Failed)),
        errored: count(|node| node.condition == Some(Condition::Errored)),
        held: count(|node| node.held),
        stale: count(NodeSummary::is_stale),
        not_selected: inputs.excluded.count(),
    }
}

#[cfg(test)]
mod tests;
