//! The record of a request on the FileIntegrity, until all nodes have the request. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::node_list::annotation;
use super::request::{ReinitRequest, is_requested_for_failed};
use crate::api::object_name::NamespaceName;
use crate::api::{FileIntegrity, names};

/// A request that is being written to the node statuses.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct ReinitRecord {
    pub(crate) id: String,
    /// The nodes, or none for all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nodes: Option<Vec<String>>,
}

impl ReinitRecord {
    /// The record on this FileIntegrity, if there is a valid one. Its id is checked, because a user may
    /// write one.
    pub(crate) fn from_annotations(fi: &FileIntegrity) -> Option<Self> {
        let text = annotation(fi, names::Annotation::REINIT_RECORD)?;
        let record: Self = serde_json::from_str(text).ok()?;
        is_request_id(&record.id).then_some(record)
    }

    /// Whether the request is for this node.
    pub(crate) fn includes(&self, node: &str) -> bool {
        self.nodes
            .as_ref()
            .is_none_or(|nodes| nodes.iter().any(|n| n == node))
    }
}

/// Whether the failed nodes are needed for a request that can be recorded now.
pub(crate) fn needs_failed_nodes(fi: &FileIntegrity) -> bool {
    is_requested_for_failed(fi) && ReinitRecord::from_annotations(fi).is_none()
}

/// Whether a text can be the id of a request. It becomes an argument of a container, and the content of
/// a file on nodes.
pub(crate) fn is_request_id(text: &str) -> bool {
    NamespaceName::parse(text).is_ok()
}

/// The patch that replaces the annotations of a request by a record. It has the object's resource
/// version, so that it fails if somebody changed the annotations meanwhile.
pub(crate) fn record_patch(fi: &FileIntegrity, request: &ReinitRequest) -> Value {
    let resource_version = fi.metadata.resource_version.clone().unwrap_or_default();
    let mut annotations = json!({});
    for key in &request.annotations {
        annotations[key] = Value::Null;
    }
    let is_for_no_node = request.nodes.as_ref().is_some_and(Vec::is_empty);
    if !is_for_no_node {
        let uid = fi.metadata.uid.as_deref().unwrap_or_default();
        let id = names::short_hash(format!("{uid}/{resource_version}"));
        let id = request.origin().request_id(&id);
        let record = json!(ReinitRecord {
            id,
            nodes: request.nodes.clone()
        });
        annotations[names::Annotation::REINIT_RECORD] = json!(record.to_string());
    }
    json!({"metadata": {"resourceVersion": resource_version, "annotations": annotations}})
}

/// The patch that removes all requests, and a record that not all nodes have. It fails if somebody changed the
/// annotations meanwhile.
pub(crate) fn refusal_patch(fi: &FileIntegrity) -> Value {
    json!({"metadata": {
        "resourceVersion": fi.metadata.resource_version,
        "annotations": {
            names::Annotation::REINIT: null,
            names::Annotation::REINIT_ON_FAILED: null,
            names::Annotation::REINIT_RECORD: null,
        },
    }})
}

/// The patch that removes the record.
pub(crate) fn record_removal_patch() -> Value {
    json!({"metadata": {"annotations": {names::Annotation::REINIT_RECORD: null}}})
}

#[cfg(test)]
mod tests;
