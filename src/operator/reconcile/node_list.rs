//! Annotations of a FileIntegrity, and the lists of nodes in their values. Pure.

use std::collections::BTreeSet;

use crate::api::FileIntegrity;
use crate::api::object_name::visible;

/// Maximum number of unknown nodes in an event.
const MAX_SHOWN: usize = 10;

/// The nodes that a value names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NamedNodes {
    /// The selected nodes among them, or none for all nodes.
    pub(super) nodes: Option<Vec<String>>,
    /// Nodes that are not selected.
    pub(super) unknown: Vec<String>,
}

impl NamedNodes {
    /// The nodes in the value of an annotation. An empty value means all nodes.
    pub(super) fn from_value(value: &str, selected: &BTreeSet<String>) -> Self {
        if value.trim().is_empty() {
            return Self::default();
        }
        let named = node_list(value).into_iter();
        let (known, unknown) = named.partition(|node| selected.contains(node));
        Self {
            nodes: Some(known),
            unknown,
        }
    }

    /// A message about nodes that are unknown or missing, if there are any. `what` names them.
    pub(super) fn problem(&self, what: &str) -> Option<String> {
        if !self.unknown.is_empty() {
            return Some(unknown_nodes(what, &self.unknown));
        }
        let names_no_node = self.nodes.as_ref().is_some_and(Vec::is_empty);
        names_no_node.then(|| {
            format!(
                "{what} names no node: give an empty value for all nodes, or names separated by commas"
            )
        })
    }
}

/// A message about nodes that are not selected.
pub(super) fn unknown_nodes(what: &str, unknown: &[String]) -> String {
    let shown = unknown.iter().take(MAX_SHOWN);
    let shown: Vec<String> = shown.map(|node| visible(node)).collect();
    let more = match unknown.len().saturating_sub(MAX_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{what} names nodes that are not selected: {}{more}",
        shown.join(", ")
    )
}

/// The value of an annotation.
pub(super) fn annotation<'a>(fi: &'a FileIntegrity, key: &str) -> Option<&'a str> {
    fi.metadata
        .annotations
        .as_ref()?
        .get(key)
        .map(String::as_str)
}

/// The node names in a value: they are separated by commas, and blanks are ignored.
pub(super) fn node_list(value: &str) -> Vec<String> {
    let mut nodes: Vec<String> = value
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    nodes.sort();
    nodes.dedup();
    nodes
}
