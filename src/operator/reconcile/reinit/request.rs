//! What a user requests by the annotations of a FileIntegrity. Pure.

use std::collections::BTreeSet;

use super::super::node_list::{NamedNodes, annotation};
use super::super::request_record::{AnnotationChanges, RequestRecord, request_hash};
use crate::api::{Condition, FileIntegrity, RequestOrigin, names};
use crate::operator::cache::node_status::CachedNodeStatus;

/// A re-initialization that is requested and not recorded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReinitRequest {
    /// The nodes, or none for all nodes.
    pub(crate) nodes: Option<Vec<String>>,
    /// A message about nodes in the annotation that are unknown or missing.
    pub(crate) unknown_nodes: Option<String>,
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
            unknown_nodes: None,
            finds_none_failed: false,
            annotations: Vec::new(),
        };
        if let Some(list) = annotation(fi, names::Annotation::REINIT) {
            request.annotations.push(names::Annotation::REINIT);
            let named = NamedNodes::from_value(list, selected);
            request.unknown_nodes = named.problem("re-init");
            request.nodes = named.nodes;
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

    /// Replaces the annotations by a record.
    pub(crate) fn record(&self, fi: &FileIntegrity, changes: &mut AnnotationChanges) {
        let record = RequestRecord {
            id: self.origin().request_id(&request_hash(fi)),
            nodes: self.nodes.clone(),
        };
        changes.replace(&self.annotations, names::Annotation::REINIT_RECORD, &record);
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

/// Whether the failed nodes are needed for a request that can be recorded now.
pub(crate) fn needs_failed_nodes(fi: &FileIntegrity) -> bool {
    let record = RequestRecord::from_annotation(fi, names::Annotation::REINIT_RECORD);
    annotation(fi, names::Annotation::REINIT_ON_FAILED).is_some() && record.is_none()
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
