//! Lists node names in messages. Pure.

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
        n if n <= MAX_NAMES => names.join(", "),
        n => format!(
            "{} and {} more",
            names[..MAX_NAMES].join(", "),
            n - MAX_NAMES
        ),
    }
}
