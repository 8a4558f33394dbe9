//! The condition Degraded. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::condition::NewCondition;
use super::inputs::{NodeSummary, Problem, StatusInputs};
use super::node_names::names_of;
use crate::api::condition::{ConditionReason, ConditionStatus, ConditionType};
use crate::api::{FileIntegrity, FileIntegrityStatus};

/// After this many failed reconciles in a row, a problem is reported that may resolve itself.
const FAILURES_BEFORE_REPORT: u32 = 2;

pub(super) fn degraded(inputs: &StatusInputs<'_>) -> NewCondition {
    let mut problems = inputs.problems.to_vec();
    problems.extend(unwatched_nodes(inputs.nodes));
    problems.extend(unwatched_rules(inputs.nodes));
    if let [first, ..] = problems.as_slice() {
        let all: Vec<&str> = problems.iter().map(|problem| &*problem.message).collect();
        is_degraded(first.reason, all.join("; "))
    } else {
        NewCondition::new(
            ConditionType::Degraded,
            (ConditionStatus::False, ConditionReason::AsExpected),
            "no problems detected",
        )
    }
}

fn is_degraded(reason: ConditionReason, message: String) -> NewCondition {
    let status = (ConditionStatus::True, reason);
    NewCondition::new(ConditionType::Degraded, status, message)
}

/// The nodes that are not watched, and what to do about it.
fn unwatched_nodes(nodes: &[NodeSummary]) -> impl Iterator<Item = Problem> {
    let problem = |reason, what: &str, which: fn(&NodeSummary) -> bool| {
        let is_any = nodes.iter().any(which);
        is_any.then(|| Problem {
            reason,
            message: format!("{what}: {}", names_of(nodes, which)),
        })
    };
    let problems = [
        problem(
            ConditionReason::NodesNotReady,
            "not ready, so not watched",
            |node| !node.reachable,
        ),
        problem(
            ConditionReason::NodesSilent,
            "no report for too long; check the daemon's pod or, if there is none, the events of the \
             DaemonSet",
            |node| node.reachable && node.is_silent() && !node.shut_out,
        ),
        problem(
            ConditionReason::NodesShutOut,
            "no report for too long, and a taint that spec.tolerations does not tolerate keeps the \
             daemon's pod out; tolerate it, or delete the FileIntegrityNodeStatus to give the node up",
            |node| node.reachable && node.has_no_daemon(),
        ),
    ];
    problems.into_iter().flatten()
}

/// The nodes with rules that watch nothing.
fn unwatched_rules(nodes: &[NodeSummary]) -> Option<Problem> {
    let example = nodes.iter().find_map(|node| node.unwatched_rule.as_ref())?;
    let message = format!(
        "rules that do not watch what they name behind a symbolic link, such as {example}; name the real path in the \
         configuration (lastResult.unwatchedRules of a node's status lists such rules): {}",
        names_of(nodes, |node| node.unwatched_rule.is_some())
    );
    Some(Problem {
        reason: ConditionReason::RulesUnwatched,
        message,
    })
}

/// Adds to a planned status what prevented the plan, before the other problems. `before` is the stored
/// status.
pub(crate) fn degrade(
    status: &mut FileIntegrityStatus,
    before: Option<&FileIntegrityStatus>,
    problem: &Problem,
    now: &Time,
) {
    let Some(planned) = ConditionType::Degraded.find_mut(&mut status.conditions) else {
        return;
    };
    let message = if planned.status == ConditionStatus::True.as_str() {
        format!("{}; {}", problem.message, planned.message)
    } else {
        problem.message.clone()
    };
    let condition = is_degraded(problem.reason, message);
    let old = before.map_or(&[][..], |status| &status.conditions);
    *planned = condition.into_condition(old, planned.observed_generation, now);
}

/// The stored status with a problem that prevented the observation. Phase and counts stay.
pub(crate) fn not_observed(
    fi: &FileIntegrity,
    problem: Problem,
    now: &Time,
) -> FileIntegrityStatus {
    let mut status = fi.status.clone().unwrap_or_default();
    let condition = is_degraded(problem.reason, problem.message);
    let condition = condition.into_condition(&status.conditions, fi.metadata.generation, now);
    match ConditionType::Degraded.find_mut(&mut status.conditions) {
        Some(stored) => *stored = condition,
        None => status.conditions.push(condition),
    }
    status
}

/// The status of a FileIntegrity that cannot be decoded, as JSON. What else its status has is not known.
pub(crate) fn unreadable(message: &str, now: &Time) -> Value {
    let condition = |kind, status| {
        let reason = ConditionReason::ObjectUnreadable;
        NewCondition::new(kind, (status, reason), message).into_condition(&[], None, now)
    };
    json!({"conditions": [
        condition(ConditionType::Degraded, ConditionStatus::True),
        condition(ConditionType::Ready, ConditionStatus::Unknown),
    ]})
}

/// The reason for a request that failed, when `failures` reconciles in a row failed before. A refusal
/// is reported at once. Other failures, such as a webhook that restarts, are reported if they continue.
pub(crate) fn request_failure(is_refusal: bool, failures: u32) -> Option<ConditionReason> {
    if is_refusal {
        return Some(ConditionReason::ApiRefused);
    }
    (failures >= FAILURES_BEFORE_REPORT).then_some(ConditionReason::ApiFailing)
}
