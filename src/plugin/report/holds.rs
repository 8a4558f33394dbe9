//! The holds of a report: those of the specs in the period, and the others that hold nodes now. Pure.

use serde::Serialize;

use super::Scope;
use super::records::{IntegrityRecord, Records};
use super::tables::time;
use crate::api::{Hold, HoldEnd};
use crate::plugin::fleet::Node;

/// A hold of a FileIntegrity.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HoldRow {
    namespace: String,
    file_integrity: String,
    /// `spec`, or why an annotation holds the nodes: `user`, `node-update` or `unknown`.
    kind: &'static str,
    /// Null for an annotation, which has none of these.
    name: Option<String>,
    from: Option<String>,
    until: Option<String>,
    reason: Option<String>,
    /// `Report` or `Accept`.
    then: Option<HoldEnd>,
    /// Names of nodes, or labels. Empty for all nodes, and for an annotation.
    selected_nodes: String,
    /// Nodes that it holds now. Null if the period has ended.
    nodes_now: Option<String>,
}

pub(super) fn of(records: &Records, scope: Scope) -> Vec<HoldRow> {
    let all = records.integrities.iter();
    all.flat_map(|record| of_integrity(record, records, scope))
        .collect()
}

fn of_integrity(record: &IntegrityRecord, records: &Records, scope: Scope) -> Vec<HoldRow> {
    let owner = &record.integrity.owner;
    let nodes = records.nodes.iter().map(|it| &it.node);
    let held = nodes.filter(|node| node.owner == *owner && node.hold.is_some());
    let held: Vec<&Node> = held.filter(|_| scope.is_current()).collect();
    let row = |kind| HoldRow {
        namespace: owner.namespace.clone(),
        file_integrity: owner.name.clone(),
        kind,
        name: None,
        from: None,
        until: None,
        reason: None,
        then: None,
        selected_nodes: String::new(),
        nodes_now: None,
    };
    let in_period =
        |hold: &&Hold| hold.from.0 < scope.period.to && hold.until.0 > scope.period.from;
    let mut rows = Vec::new();
    for hold in record.holds.iter().filter(in_period) {
        let is_held = |node: &&&Node| {
            node.spec_hold()
                .is_some_and(|it| it.names.contains(&hold.name))
        };
        rows.push(HoldRow {
            name: Some(hold.name.clone()),
            from: Some(time(hold.from.0)),
            until: Some(time(hold.until.0)),
            reason: hold.reason.clone(),
            then: Some(hold.then.unwrap_or_default()),
            selected_nodes: selected(hold),
            nodes_now: scope
                .is_current()
                .then(|| names(held.iter().filter(is_held))),
            ..row("spec")
        });
    }
    for kind in ["user", "node-update", "unknown"] {
        let of_kind = |node: &&&Node| node.hold.as_ref().is_some_and(|it| it.as_str() == kind);
        let nodes = names(held.iter().filter(of_kind));
        if !nodes.is_empty() {
            let nodes_now = Some(nodes);
            rows.push(HoldRow {
                nodes_now,
                ..row(kind)
            });
        }
    }
    // Of a hold that was removed from the spec, only the nodes know.
    let is_known = |name: &String| record.holds.iter().any(|hold| hold.name == *name);
    let removed = held
        .iter()
        .filter_map(|node| Some((*node, node.spec_hold()?)));
    for (node, hold) in removed {
        if !hold.names.iter().any(is_known) {
            rows.push(HoldRow {
                name: Some(hold.names.join(" ")),
                from: Some(time(hold.since)),
                until: Some(time(hold.until)),
                nodes_now: Some(node.name.clone()),
                ..row("spec")
            });
        }
    }
    rows
}

fn names<'a>(nodes: impl Iterator<Item = &'a &'a Node>) -> String {
    let names: Vec<&str> = nodes.map(|node| node.name.as_str()).collect();
    names.join(", ")
}

/// The nodes that a hold of the spec is for.
fn selected(hold: &Hold) -> String {
    let labels = hold.node_selector.iter().flatten();
    let labels = labels.map(|(key, value)| format!("{key}={value}"));
    let names = hold.nodes.iter().flatten().cloned();
    names.chain(labels).collect::<Vec<_>>().join(", ")
}
