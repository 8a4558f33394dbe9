//! The record of a request on the FileIntegrity, until all nodes have the request. Pure.
//!
//! A re-initialization and an additional scan have one record each.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::node_list::annotation;
use crate::api::object_name::NamespaceName;
use crate::api::{FileIntegrity, names};

/// A request that is being written to the node statuses.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct RequestRecord {
    pub(crate) id: String,
    /// The nodes, or none for all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nodes: Option<Vec<String>>,
}

impl RequestRecord {
    /// The record in this annotation of the FileIntegrity, if there is a valid one. Its id is checked, because a
    /// user may write one.
    pub(crate) fn from_annotation(fi: &FileIntegrity, key: &str) -> Option<Self> {
        let record: Self = serde_json::from_str(annotation(fi, key)?).ok()?;
        is_request_id(&record.id).then_some(record)
    }

    /// Whether the request is for this node.
    pub(crate) fn includes(&self, node: &str) -> bool {
        self.nodes
            .as_ref()
            .is_none_or(|nodes| nodes.iter().any(|n| n == node))
    }
}

/// Whether a text can be the id of a request. It becomes an argument of a container, and the content of
/// a file on nodes.
pub(crate) fn is_request_id(text: &str) -> bool {
    NamespaceName::parse(text).is_ok()
}

/// The hash for the id of a request. Each version of a FileIntegrity has another one.
pub(crate) fn request_hash(fi: &FileIntegrity) -> String {
    let uid = fi.metadata.uid.as_deref().unwrap_or_default();
    let resource_version = fi.metadata.resource_version.as_deref().unwrap_or_default();
    names::short_hash(format!("{uid}/{resource_version}"))
}

/// Changes of the annotations of a FileIntegrity, which are written together.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnnotationChanges {
    changes: Map<String, Value>,
    replaces_request: bool,
}

impl AnnotationChanges {
    /// Replaces the annotations of a request by a record. A request for no node leaves none.
    pub(crate) fn replace(&mut self, request: &[&str], record_key: &str, record: &RequestRecord) {
        self.replaces_request = true;
        for key in request {
            self.changes.insert((*key).to_owned(), Value::Null);
        }
        let is_for_no_node = record.nodes.as_ref().is_some_and(Vec::is_empty);
        if !is_for_no_node {
            let text = json!(record).to_string();
            self.changes.insert(record_key.to_owned(), json!(text));
        }
    }

    /// Removes the annotations of a request, and its record.
    pub(crate) fn refuse(&mut self, request: &[&str], record_key: &str) {
        self.replaces_request = true;
        for key in request.iter().chain([&record_key]) {
            self.remove(key);
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.changes.insert(key.to_owned(), Value::Null);
    }

    /// The patch, if there are changes. One that replaces a request has the object's resource version, so that
    /// it fails if somebody changed the annotations meanwhile.
    pub(crate) fn patch(self, fi: &FileIntegrity) -> Option<Value> {
        if self.changes.is_empty() {
            return None;
        }
        let mut metadata = json!({"annotations": self.changes});
        if self.replaces_request {
            let resource_version = fi.metadata.resource_version.clone().unwrap_or_default();
            metadata["resourceVersion"] = json!(resource_version);
        }
        Some(json!({"metadata": metadata}))
    }
}

#[cfg(test)]
mod tests;
