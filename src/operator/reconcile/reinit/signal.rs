//! Which nodes the re-init DaemonSet signals, and what. Pure.

use std::sync::Arc;

use super::super::build::Signal;

/// The newest request of a node that may be signaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeRequest {
    pub(crate) node: Arc<str>,
    /// The signal for the request.
    pub(crate) id: Option<String>,
    /// The request is open, and the node can do it.
    pub(crate) is_waiting: bool,
}

/// The signal to send, if a node waits for one.
///
/// All nodes with the same request get it, whether they have done it or not. So the DaemonSet does not
/// change until the last node is done: one DaemonSet for all nodes, for some, or for a single one. If
/// nodes wait for different requests, one of the requests is signaled. Every node reads its request
/// from its status object anyway.
pub(crate) fn signal(requests: &[NodeRequest]) -> Option<Signal> {
    let id = requests
        .iter()
        .find(|request| request.is_waiting)?
        .id
        .clone()?;
    let same: Vec<&NodeRequest> = requests
        .iter()
        .filter(|request| request.id.as_ref() == Some(&id))
        .collect();
    let mut nodes = if same.len() == requests.len() {
        Vec::new()
    } else {
        same.iter()
            .map(|request| request.node.to_string())
            .collect()
    };
    // The order of a cache varies, and another order would be another DaemonSet.
    nodes.sort();
    Some(Signal { nodes, id })
}

#[cfg(test)]
mod tests;
