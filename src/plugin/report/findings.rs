//! What an auditor should look at. Pure.

use serde::Serialize;

use super::Scope;
use super::records::Records;
use super::tables::{BaselineRow, NodeRow};
use crate::plugin::screen::{counted, precise};

/// What an auditor should look at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    /// From a fixed set.
    kind: &'static str,
    namespace: String,
    file_integrity: String,
    node: Option<String>,
    message: String,
}

impl Finding {
    pub(super) fn of_integrity(
        kind: &'static str,
        namespace: &str,
        file_integrity: &str,
        message: String,
    ) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            file_integrity: file_integrity.to_owned(),
            node: None,
            message,
        }
    }
}

pub(super) fn of(
    records: &Records,
    scope: Scope,
    nodes: &[NodeRow],
    baselines: Option<&[BaselineRow]>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if scope.is_current() {
        findings.extend(of_integrities(records));
    }
    findings.extend(nodes.iter().filter_map(|node| late(node, scope)));
    if scope.is_current() {
        findings.extend(nodes.iter().filter_map(state));
        findings.extend(nodes.iter().filter_map(held));
        let tampered = records.nodes.iter().filter(|it| it.node.is_tampered());
        findings.extend(tampered.map(|it| Finding {
            kind: "tampered-baseline",
            namespace: it.node.owner.namespace.clone(),
            file_integrity: it.node.owner.name.clone(),
            node: Some(it.node.name.clone()),
            message: "the database of the node is not the recorded baseline".to_owned(),
        }));
    }
    findings.extend(nodes.iter().filter_map(|node| unrequested(node, scope)));
    findings.extend(baselines.unwrap_or_default().iter().filter_map(evidence));
    findings
}

fn of_integrities(records: &Records) -> impl Iterator<Item = Finding> {
    records.integrities.iter().flat_map(|record| {
        let integrity = &record.integrity;
        let finding = |kind, message| Finding {
            kind,
            namespace: integrity.owner.namespace.clone(),
            file_integrity: integrity.owner.name.clone(),
            node: None,
            message,
        };
        let problems = integrity.problems.iter().map(move |it| {
            finding(
                "condition",
                format!("{}: {}: {}", it.condition, it.reason, it.message),
            )
        });
        let not_selected = usize::try_from(integrity.not_selected).unwrap_or_default();
        let not_selected = (not_selected > 0).then(|| {
            let because = integrity
                .excluded
                .as_deref()
                .unwrap_or("their taints are not tolerated");
            let nodes = counted(not_selected, "node");
            finding("not-watched", format!("not watched: {nodes}: {because}"))
        });
        problems.chain(not_selected)
    })
}

fn late(node: &NodeRow, scope: Scope) -> Option<Finding> {
    let seconds = node.longest_interval_seconds.filter(|_| node.is_late)?;
    let end = match &node.longest_interval_ended_at {
        Some(ended_at) => format!("until {ended_at}"),
        None => "and is not scanned yet".to_owned(),
    };
    let message = format!(
        "was not scanned for {} {end}; the limit is {}",
        precise(seconds),
        precise(scope.max_interval)
    );
    Some(of_node("late-scan", node, message))
}

fn state(node: &NodeRow) -> Option<Finding> {
    let (kind, message) = match node.state {
        "changed" => ("changed", "differs from its baseline".to_owned()),
        "errored" => (
            "errored",
            format!(
                "the last scan ended with an error: {}",
                node.error.as_deref().unwrap_or_default()
            ),
        ),
        "pending" => ("no-result", "has no result yet".to_owned()),
        _ => return None,
    };
    Some(of_node(kind, node, message))
}

fn held(node: &NodeRow) -> Option<Finding> {
    let message = "its scans are held";
    node.held.then(|| of_node("held", node, message.to_owned()))
}

fn unrequested(node: &NodeRow, scope: Scope) -> Option<Finding> {
    let created_at = node.baseline_at?;
    let is_relevant = node.baseline_requested == Some(false) && scope.period.includes(created_at);
    let message = "its baseline was replaced, and nobody requested it";
    is_relevant.then(|| of_node("unrequested-baseline", node, message.to_owned()))
}

fn evidence(row: &BaselineRow) -> Option<Finding> {
    let reason = row
        .verified
        .strip_prefix("false: ")
        .unwrap_or(&row.verified);
    (row.verified != "true").then(|| Finding {
        kind: "evidence",
        namespace: row.namespace.clone(),
        file_integrity: row.file_integrity.clone(),
        node: None,
        message: format!("the evidence {} is not verified: {reason}", row.evidence),
    })
}

fn of_node(kind: &'static str, node: &NodeRow, message: String) -> Finding {
    Finding {
        kind,
        namespace: node.namespace.clone(),
        file_integrity: node.file_integrity.clone(),
        node: Some(node.name.clone()),
        message,
    }
}
