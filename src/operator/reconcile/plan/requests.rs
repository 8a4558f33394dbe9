//! What users request by annotations: how the requests become records, and reach the nodes. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::reinit::request::ReinitRequest;
use super::super::request_record::{AnnotationChanges, RequestRecord, is_request_id};
use super::super::scan_request::ScanRequest;
use super::inputs::Inputs;
use crate::api::{DesiredNodeState, names};
use crate::operator::cache::node::CachedNode;

/// The requests in the annotations that can be recorded now.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) reinit: Option<ReinitRequest>,
    pub(super) scan: Option<ScanRequest>,
}

impl Inputs<'_> {
    pub(super) fn requests(&self) -> Requests {
        Requests {
            reinit: self.reinit_request(),
            scan: self.scan_request(),
        }
    }

    /// Records the requests, removes those that are refused, and a record if all nodes have the request.
    pub(super) fn metadata_patch(&self, requests: &Requests) -> Option<Value> {
        let mut changes = AnnotationChanges::default();
        match (&requests.reinit, &self.record) {
            (Some(request), _) => request.record(self.fi, &mut changes),
            _ if self.refuses_reinit() => {
                let request = [
                    names::Annotation::REINIT,
                    names::Annotation::REINIT_ON_FAILED,
                ];
                changes.refuse(&request, names::Annotation::REINIT_RECORD);
            }
            (None, Some(record)) if self.all_have(record, |it| it.reinit_request.as_ref()) => {
                changes.remove(names::Annotation::REINIT_RECORD);
            }
            _ => {}
        }
        match (&requests.scan, &self.scan_record) {
            (Some(request), _) => request.record(self.fi, &mut changes),
            (None, Some(record)) if self.all_have(record, |it| it.scan_request.as_ref()) => {
                changes.remove(names::Annotation::SCAN_RECORD);
            }
            _ => {}
        }
        changes.patch(self.fi)
    }

    /// Whether all nodes of the record have its request.
    fn all_have(
        &self,
        record: &RequestRecord,
        request: impl Fn(&DesiredNodeState) -> Option<&String>,
    ) -> bool {
        let nodes = self.selection.selected.iter();
        nodes
            .filter(|node| record.includes(&node.name))
            .all(|node| match self.status_of(node) {
                Some(status) => request(&status.desired) == Some(&record.id),
                // A node that cannot have a status object must not block later requests.
                None => self.observed.name_collisions.contains(&node.name),
            })
    }

    /// The requested scan, if it can be recorded now. It waits while an earlier record is being written to the nodes.
    fn scan_request(&self) -> Option<ScanRequest> {
        if self.scan_record.is_some() {
            return None;
        }
        ScanRequest::from_annotation(self.fi, || self.selected_names())
    }

    /// The newest request for a scan of this node: in the record, or the same as before.
    pub(super) fn scan_request_for(&self, node: &CachedNode) -> Option<String> {
        match &self.scan_record {
            Some(record) if record.includes(&node.name) => Some(record.id.clone()),
            _ => self
                .status_of(node)
                .and_then(|status| status.desired.scan_request.clone())
                .filter(|id| is_request_id(id)),
        }
    }

    pub(super) fn selected_names(&self) -> BTreeSet<String> {
        let selected = self.selection.selected.iter();
        selected.map(|node| node.name.to_string()).collect()
    }
}
