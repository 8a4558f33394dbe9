//! The condition Realtime, and the number of nodes in each state of realtime detection. Pure.
//!
//! It is for information: without realtime detection, the periodic scans report all changes. So no state
//! of it is a reason for Degraded.

use super::condition::NewCondition;
use super::inputs::{NodeRealtime, NodeSummary, StatusInputs};
use super::node_names::{first, names_of};
use crate::api::condition::{ConditionReason, ConditionStatus, ConditionType};
use crate::api::{RealtimeCounts, RealtimeMode, RealtimeState};

/// Maximum number of nodes whose states are explained.
const MAX_NODES: usize = 5;

pub(super) fn realtime(inputs: &StatusInputs<'_>) -> NewCondition {
    let nodes = inputs.nodes;
    let (status, reason, message) = if inputs.realtime == RealtimeMode::Off {
        (
            ConditionStatus::False,
            ConditionReason::Off,
            "spec.realtime.mode is Off; only the periodic scans report changes".to_owned(),
        )
    } else if is_any(nodes, RealtimeState::Unsupported) {
        (
            ConditionStatus::False,
            ConditionReason::Unsupported,
            limited(nodes),
        )
    } else if is_any(nodes, RealtimeState::Degraded) {
        (
            ConditionStatus::False,
            ConditionReason::Degraded,
            limited(nodes),
        )
    } else if is_all_active(nodes) {
        (
            ConditionStatus::True,
            ConditionReason::Active,
            active(nodes),
        )
    } else {
        (
            ConditionStatus::Unknown,
            ConditionReason::Starting,
            starting(nodes),
        )
    };
    NewCondition::new(ConditionType::Realtime, (status, reason), message)
}

/// None if no node has reported a state.
pub(super) fn counts(nodes: &[NodeSummary]) -> Option<RealtimeCounts> {
    let states = nodes.iter().filter_map(|node| node.realtime.as_ref());
    let mut states = states.map(|realtime| realtime.state).peekable();
    states.peek()?;
    let mut counts = RealtimeCounts::default();
    for state in states {
        *match state {
            RealtimeState::Active => &mut counts.active,
            RealtimeState::Degraded => &mut counts.degraded,
            RealtimeState::Unsupported => &mut counts.unsupported,
            RealtimeState::Starting => &mut counts.starting,
            RealtimeState::Off => &mut counts.off,
        } += 1;
    }
    Some(counts)
}

/// The reported state. That of a node that is not ready or silent may be outdated, so it does not count.
fn reported(node: &NodeSummary) -> Option<&NodeRealtime> {
    node.realtime.as_ref().filter(|_| !node.is_stale())
}

fn has_state(node: &NodeSummary, state: RealtimeState) -> bool {
    reported(node).is_some_and(|realtime| realtime.state == state)
}

fn is_any(nodes: &[NodeSummary], state: RealtimeState) -> bool {
    nodes.iter().any(|node| has_state(node, state))
}

fn is_all_active(nodes: &[NodeSummary]) -> bool {
    let is_other = |realtime: &NodeRealtime| realtime.state != RealtimeState::Active;
    is_any(nodes, RealtimeState::Active) && !nodes.iter().filter_map(reported).any(is_other)
}

fn active(nodes: &[NodeSummary]) -> String {
    let is_unknown = |node: &NodeSummary| node.reachable && reported(node).is_none();
    let except = if nodes.iter().any(is_unknown) {
        let names = names_of(nodes, is_unknown);
        format!(", except nodes that have not reported a state ({names})")
    } else {
        String::new()
    };
    format!("all reachable nodes report changes within about a second{except}")
}

/// The first nodes that report changes only by periodic scans, and why.
fn limited(nodes: &[NodeSummary]) -> String {
    let described: Vec<String> = nodes.iter().filter_map(describe).collect();
    format!(
        "only the periodic scans report some or all changes of {}",
        first(&described, MAX_NODES)
    )
}

fn describe(node: &NodeSummary) -> Option<String> {
    let realtime = reported(node)?;
    let state = match realtime.state {
        RealtimeState::Degraded | RealtimeState::Unsupported => realtime.state.as_str(),
        RealtimeState::Starting | RealtimeState::Active | RealtimeState::Off => return None,
    };
    let name = &node.name;
    Some(match &realtime.explanation {
        Some(explanation) => format!("{name} ({state}, {explanation})"),
        None => format!("{name} ({state})"),
    })
}

/// A daemon that reports Off has not yet been restarted with the current spec.
fn starting(nodes: &[NodeSummary]) -> String {
    let is_waiting = |node: &NodeSummary| {
        has_state(node, RealtimeState::Starting) || has_state(node, RealtimeState::Off)
    };
    if nodes.iter().any(is_waiting) {
        let names = names_of(nodes, is_waiting);
        format!("realtime detection is starting on {names}")
    } else {
        "no reachable node has reported a state of realtime detection".to_owned()
    }
}
