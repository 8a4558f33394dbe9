//! Annotations of a FileIntegrity, and the lists of nodes in their values. Pure.

use crate::api::FileIntegrity;

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
