//! Lists node names in messages. Pure.

use std::borrow::Borrow;

use super::inputs::NodeSummary;

/// Maximum number of node names in a message.
const MAX_NAMES: usize = 10;

/// The names of those nodes.
pub(super) fn names_of(nodes: &[NodeSummary], which: impl Fn(&NodeSummary) -> bool) -> String {
    let nodes = nodes.iter().filter(|node| which(node));
    let names: Vec<&str> = nodes.map(|node| &*node.name).collect();
    list(&names)
}

/// The names, separated by commas.
pub(super) fn list(names: &[&str]) -> String {
    match names.len() {
        0 => "the nodes".to_owned(),
        _ => first(names, MAX_NAMES),
    }
}

/// The first texts, separated by commas, and the number of the others.
pub(super) fn first<T: Borrow<str>>(texts: &[T], limit: usize) -> String {
    match texts.split_at_checked(limit) {
        Some((first, others)) if !others.is_empty() => {
            format!("{} and {} more", first.join(", "), others.len())
        }
        _ => texts.join(", "),
    }
}
