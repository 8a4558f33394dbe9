//! What a user requests by the annotation `scan`. Pure.
//!
//! It is recorded and written to the nodes like a re-initialization, and needs no signal: a daemon watches its node
//! status.

use std::collections::BTreeSet;

use super::node_list::{NamedNodes, annotation};
use super::request_record::{AnnotationChanges, RequestRecord, request_hash};
use crate::api::{FileIntegrity, names};

/// An additional scan that is requested and not recorded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScanRequest {
    nodes: NamedNodes,
}

impl ScanRequest {
    /// The request in the annotation.
    pub(super) fn from_annotation(
        fi: &FileIntegrity,
        selected: impl FnOnce() -> BTreeSet<String>,
    ) -> Option<Self> {
        let value = annotation(fi, names::Annotation::SCAN)?;
        Some(Self {
            nodes: NamedNodes::from_value(value, &selected()),
        })
    }

    /// A message about nodes in the annotation that are unknown or missing, if there are any.
    pub(super) fn unknown_nodes(&self) -> Option<String> {
        self.nodes.problem("scan")
    }

    /// Replaces the annotation by a record.
    pub(super) fn record(&self, fi: &FileIntegrity, changes: &mut AnnotationChanges) {
        let record = RequestRecord {
            id: request_hash(fi),
            nodes: self.nodes.nodes.clone(),
        };
        let request = [names::Annotation::SCAN];
        changes.replace(&request, names::Annotation::SCAN_RECORD, &record);
    }
}

#[cfg(test)]
mod tests;
