//! The condition Ready. Pure.

use super::condition::NewCondition;
use super::inputs::{NodeSummary, StatusInputs};
use super::node_names::names_of;
use crate::api::condition::{ConditionReason, ConditionStatus, ConditionType};
use crate::api::{Condition, Phase};

pub(super) fn ready(phase: Phase, inputs: &StatusInputs<'_>, is_refused: bool) -> NewCondition {
    let (reason, message) = match phase {
        Phase::Active => (ConditionReason::Active, scanned(inputs.nodes)),
        Phase::Initializing => (
            ConditionReason::Initializing,
            format!(
                "waiting for the baseline of {}",
                names_of(inputs.nodes, NodeSummary::is_initializing)
            ),
        ),
        Phase::Pending if inputs.nodes.is_empty() => (ConditionReason::NoNodes, no_nodes(inputs)),
        Phase::Pending => (
            ConditionReason::Pending,
            "the daemons are not deployed yet".to_owned(),
        ),
        Phase::Error if is_refused => (
            ConditionReason::ConfigRefused,
            "the configuration was refused, see the condition ConfigValid".to_owned(),
        ),
        Phase::Error => (ConditionReason::Error, errored(inputs.nodes)),
    };
    let status = if phase == Phase::Active {
        ConditionStatus::True
    } else {
        ConditionStatus::False
    };
    NewCondition::new(ConditionType::Ready, (status, reason), message)
}

/// Which nodes are being scanned. Held and silent nodes do not delay the phase, so they are named.
fn scanned(nodes: &[NodeSummary]) -> String {
    let except = |what: &str, which: fn(&NodeSummary) -> bool| {
        let which = |node: &NodeSummary| node.reachable && which(node);
        let is_any = nodes.iter().any(which);
        is_any.then(|| format!("{what} ({})", names_of(nodes, which)))
    };
    let except = [
        except("held nodes", |node| node.held),
        except(
            "nodes that have not reported for too long",
            NodeSummary::is_silent,
        ),
    ];
    let except: Vec<String> = except.into_iter().flatten().collect();
    if !nodes.iter().any(|node| node.reachable) {
        "no selected node is ready, so no node is being scanned".to_owned()
    } else if except.is_empty() {
        "all reachable nodes are being scanned".to_owned()
    } else {
        let except = except.join(" and ");
        format!("all reachable nodes are being scanned, except {except}")
    }
}

fn no_nodes(inputs: &StatusInputs<'_>) -> String {
    let see = if inputs.excluded.is_empty() {
        ""
    } else {
        ", see the condition NodesExcluded"
    };
    format!("no Linux node matches spec.nodeSelector and spec.tolerations{see}")
}

fn errored(nodes: &[NodeSummary]) -> String {
    format!(
        "the last scan ended with an error on {}; see the FileIntegrityNodeStatus objects of these nodes",
        names_of(nodes, |node| node.condition == Some(Condition::Errored))
    )
}
