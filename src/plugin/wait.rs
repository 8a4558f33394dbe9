//! `wait`: whether the fleet is as a pipeline wants it. Pure.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;

use super::accept::{Outcome, text::progress};
use super::failure::WELL;
use super::fleet::{Fleet, NodeState, Owner};
use super::safe::safe;
use super::screen::{counted, some_of};
use super::status::Status;
use crate::api::Phase;

/// Maximum number of names in a sentence.
const MAX_NAMES: usize = 5;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// All nodes were scanned, and nothing differs: as the exit status 0 of `status`.
    Ok,
    /// All FileIntegrities are Active.
    Active,
    /// The acceptances have ended.
    Accepted,
    /// All nodes were scanned completely since the wait began, and have executed the requested scans.
    Scanned,
}

/// The last complete scan of each node at the beginning.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start(HashMap<(Owner, String), Option<Timestamp>>);

/// Whether the fleet is as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Reached,
    /// It will not be, for this reason.
    Impossible(String),
    /// How far it is.
    NotYet(String),
}

impl Start {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let nodes = fleet.nodes.iter();
        Self(
            nodes
                .map(|node| {
                    let key = (node.owner.clone(), node.name.clone());
                    (key, node.last_full_scan)
                })
                .collect(),
        )
    }
}

/// Whether all goals are reached. The acceptances are those that are waited for, by name.
pub(crate) fn assess(
    goals: &[Goal],
    fleet: &Fleet,
    start: &Start,
    acceptances: &[(String, Outcome)],
) -> Verdict {
    let mut left = Vec::new();
    for goal in goals {
        let verdict = match goal {
            Goal::Ok => ok(fleet),
            Goal::Active => active(fleet),
            Goal::Accepted => accepted(acceptances),
            Goal::Scanned => scanned(fleet, start),
        };
        match verdict {
            Verdict::Reached => {}
            Verdict::Impossible(reason) => return Verdict::Impossible(reason),
            Verdict::NotYet(state) => left.push((*goal, state)),
        }
    }
    // A complete scan of all nodes has decided whether their files differ.
    if let [(Goal::Ok, state)] = &left[..]
        && goals.contains(&Goal::Scanned)
        && is_decided(fleet)
    {
        return Verdict::Impossible(state.clone());
    }
    if left.is_empty() {
        return Verdict::Reached;
    }
    let states: Vec<String> = left.into_iter().map(|(_, state)| state).collect();
    Verdict::NotYet(states.join("; "))
}

fn ok(fleet: &Fleet) -> Verdict {
    let status = Status::of(fleet);
    if status.exit_status() == WELL {
        return Verdict::Reached;
    }
    let count = |wanted: NodeState| {
        let nodes = fleet.nodes.iter();
        nodes.filter(|node| node.state() == wanted).count()
    };
    let mut parts: Vec<String> = [NodeState::Changed, NodeState::Errored, NodeState::Pending]
        .into_iter()
        .map(|state| (state, count(state)))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{} {}", counted(count, "node"), state.as_str()))
        .collect();
    for integrity in &fleet.integrities {
        let problems = integrity.problems.iter();
        parts.extend(problems.map(|problem| safe(&problem.reason)));
        if integrity.stale > 0 {
            parts.push(format!("{} stale", integrity.stale));
        }
    }
    if parts.is_empty() {
        parts.push("no nodes".to_owned());
    }
    Verdict::NotYet(format!("ok: {}", parts.join(", ")))
}

/// Whether a node differs, or cannot be scanned: no further scan changes that by itself.
fn is_decided(fleet: &Fleet) -> bool {
    let mut nodes = fleet.nodes.iter();
    nodes.any(|node| matches!(node.state(), NodeState::Changed | NodeState::Errored))
}

fn active(fleet: &Fleet) -> Verdict {
    let others = fleet.integrities.iter();
    let others: Vec<String> = others
        .filter(|integrity| integrity.phase != Some(Phase::Active))
        .map(|integrity| {
            let phase = integrity.phase.map_or("Pending", Phase::as_str);
            format!("{} is {phase}", integrity.owner.name)
        })
        .collect();
    if fleet.integrities.is_empty() {
        return Verdict::NotYet("active: no FileIntegrity".to_owned());
    }
    if others.is_empty() {
        return Verdict::Reached;
    }
    let others = some_of(others.iter().map(String::as_str), MAX_NAMES);
    Verdict::NotYet(format!("active: {others}"))
}

fn accepted(acceptances: &[(String, Outcome)]) -> Verdict {
    let mut left = Vec::new();
    for (name, outcome) in acceptances {
        let name = safe(name);
        let state = progress(&outcome.counts);
        match &outcome.end {
            None => left.push(format!("{name}: {state}")),
            Some(_) if outcome.exit_status() == WELL => {}
            Some(end) => {
                return Verdict::Impossible(format!("{name}: {}: {state}", safe(&end.reason)));
            }
        }
    }
    if left.is_empty() {
        return Verdict::Reached;
    }
    let left = some_of(left.iter().map(String::as_str), MAX_NAMES);
    Verdict::NotYet(format!("accepted: {left}"))
}

fn scanned(fleet: &Fleet, start: &Start) -> Verdict {
    let is_left = |node: &&super::fleet::Node| {
        let key = (node.owner.clone(), node.name.clone());
        let before = start.0.get(&key).copied().flatten();
        let is_same = node.last_full_scan.is_none() || node.last_full_scan == before;
        // The scan that has ended may have started before the request.
        is_same || node.owes_scan() || is_requested(fleet, node)
    };
    let left: Vec<&str> = fleet
        .nodes
        .iter()
        .filter(is_left)
        .map(|node| node.name.as_str())
        .collect();
    if fleet.nodes.is_empty() {
        return Verdict::NotYet("scanned: no nodes".to_owned());
    }
    if left.is_empty() {
        return Verdict::Reached;
    }
    let done = fleet.nodes.len() - left.len();
    let names = some_of(left.into_iter(), MAX_NAMES);
    Verdict::NotYet(format!(
        "scanned: {done} of {}, not yet {names}",
        counted(fleet.nodes.len(), "node")
    ))
}

/// Whether a scan of the node is requested that it has not received.
fn is_requested(fleet: &Fleet, node: &super::fleet::Node) -> bool {
    let mut integrities = fleet.integrities.iter();
    let integrity = integrities.find(|integrity| integrity.owner == node.owner);
    let names = integrity.and_then(|integrity| integrity.requested_scan.as_ref());
    names.is_some_and(|names| names.is_empty() || names.contains(&node.name))
}

#[cfg(test)]
mod tests;
