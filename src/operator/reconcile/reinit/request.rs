//! What a user requests by the annotations of a FileIntegrity. Pure.

use std::collections::BTreeSet;

use super::super::node_list::{annotation, node_list};
use crate::api::object_name::visible;
use crate::api::{Condition, FileIntegrity, RequestOrigin, names};
use crate::operator::cache::node_status::CachedNodeStatus;

/// Maximum number of unknown nodes in an event.
const MAX_SHOWN: usize = 10;

/// A re-initialization that is requested and not recorded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReinitRequest {
    /// The nodes, or none for all nodes.
    pub(crate) nodes: Option<Vec<String>>,
    /// Nodes in the annotation that are not selected.
    pub(crate) unknown: Vec<String>,
    /// The failed nodes are requested, and no node is failed.
    pub(crate) finds_none_failed: bool,
    /// The annotations with the request.
    pub(crate) annotations: Vec<&'static str>,
}

impl ReinitRequest {
    /// The request in the annotations. `failed` are the nodes whose last scan is Failed.
    pub(crate) fn from_annotations(
        fi: &FileIntegrity,
        selected: &BTreeSet<String>,
        failed: &[String],
    ) -> Option<Self> {
        let mut request = Self {
            nodes: Some(Vec::new()),
            unknown: Vec::new(),
            finds_none_failed: false,
            annotations: Vec::new(),
        };
        if let Some(list) = annotation(fi, names::Annotation::REINIT) {
            request.annotations.push(names::Annotation::REINIT);
            if list.trim().is_empty() {
                request.nodes = None;
            } else {
                let named = node_list(list);
                let (known, unknown) = named.into_iter().partition(|node| selected.contains(node));
                request.nodes = Some(known);
                request.unknown = unknown;
            }
        }
        if annotation(fi, names::Annotation::REINIT_ON_FAILED).is_some() {
            request
                .annotations
                .push(names::Annotation::REINIT_ON_FAILED);
            request.finds_none_failed = failed.is_empty();
            if let Some(nodes) = &mut request.nodes {
                nodes.extend(failed.iter().cloned());
                nodes.sort();
                nodes.dedup();
            }
        }
        (!request.annotations.is_empty()).then_some(request)
    }

    /// What it was created for. With both annotations, `re-init` is the one that somebody has chosen nodes for.
    pub(crate) fn origin(&self) -> RequestOrigin {
        if self.annotations.contains(&names::Annotation::REINIT) {
            RequestOrigin::Annotation
        } else {
            RequestOrigin::OnFailed
        }
    }

    /// A message about nodes in the annotation that are unknown or missing, if there are any.
    pub(crate) fn unknown_nodes(&self) -> Option<String> {
        if !self.unknown.is_empty() {
            let shown = self.unknown.iter().take(MAX_SHOWN);
            let shown: Vec<String> = shown.map(|node| visible(node)).collect();
            let more = match self.unknown.len().saturating_sub(MAX_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            return Some(format!(
                "re-init names nodes that are not selected: {}{more}",
                shown.join(", ")
            ));
        }
        let names_no_node = self.annotations == [names::Annotation::REINIT]
            && self.nodes.as_ref().is_some_and(Vec::is_empty);
        names_no_node.then(|| {
            "re-init names no node: give an empty value for all nodes, or names separated by commas"
                .to_owned()
        })
    }
}

/// Whether the annotations have a request that is not recorded yet.
pub(crate) fn is_requested(fi: &FileIntegrity) -> bool {
    [
        names::Annotation::REINIT,
        names::Annotation::REINIT_ON_FAILED,
    ]
    .iter()
    .any(|key| annotation(fi, key).is_some())
}

/// Whether the annotations request the failed nodes.
pub(crate) fn is_requested_for_failed(fi: &FileIntegrity) -> bool {
    annotation(fi, names::Annotation::REINIT_ON_FAILED).is_some()
}

/// The nodes of this FileIntegrity whose last scan is Failed.
pub(crate) fn failed_nodes(file_integrity: &str, statuses: &[CachedNodeStatus]) -> Vec<String> {
    let failed = statuses.iter().filter(|status| {
        let owner = status.owner().map(|owner| &**owner);
        status.condition() == Some(Condition::Failed) && owner == Some(file_integrity)
    });
    failed.map(|status| status.node_name.to_string()).collect()
}

#[cfg(test)]
mod tests;
