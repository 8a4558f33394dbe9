//! Which nodes have to re-initialize, and who signals them. Pure.

use std::sync::Arc;

use super::super::build::Signal;
use super::super::nodes::update::UpdateState;
use super::super::reinit::node_request::{is_open, next_request};
use super::super::reinit::request::{ReinitRequest, is_requested};
use super::super::reinit::signal::{self, NodeRequest};
use super::super::request_record::is_request_id;
use super::inputs::Inputs;
use crate::api::names;
use crate::operator::cache::node::CachedNode;

impl Inputs<'_> {
    /// The request in the annotations, if it can be recorded now. It waits while an earlier record is
    /// being written to the nodes.
    pub(super) fn reinit_request(&self) -> Option<ReinitRequest> {
        let is_allowed = !self.fi.spec.requires_acceptance();
        if self.record.is_some() || !is_requested(self.fi) || !is_allowed {
            return None;
        }
        let failed = &self.observed.failed_nodes;
        ReinitRequest::from_annotations(self.fi, &self.selected_names(), failed)
    }

    /// Whether a re-initialization is requested, or being written to the nodes, that nobody may request.
    pub(super) fn refuses_reinit(&self) -> bool {
        let is_requested = self.record.is_some() || is_requested(self.fi);
        self.fi.spec.requires_acceptance() && is_requested
    }

    /// The newest request for this node: at the end of an update, in the record, or the same as before.
    ///
    /// If only an acceptance may replace a baseline, there are no new requests, and open ones are withdrawn.
    pub(super) fn request_for(&self, node: &CachedNode) -> Option<String> {
        if self.fi.spec.requires_acceptance() {
            let status = self.status_of(node)?;
            let request = status.desired.reinit_request.clone();
            return request.filter(|id| is_request_id(id) && !is_open(status, Some(id)));
        }
        if let Some(id) = self.request_after_update(node) {
            return Some(id);
        }
        match &self.record {
            Some(record) if record.includes(&node.name) => Some(record.id.clone()),
            _ => self
                .status_of(node)
                .and_then(|status| status.desired.reinit_request.clone())
                .filter(|id| is_request_id(id)),
        }
    }

    /// The request that ends a hold for an update. It is written together with the end of the hold.
    fn request_after_update(&self, node: &CachedNode) -> Option<String> {
        if !self.is_held_for_update(node) || self.update(node) != UpdateState::None {
            return None;
        }
        self.status_of(node).map(next_request)
    }

    /// The signal to send, if nodes have to replace a baseline. A daemon creates its first baseline
    /// without a signal.
    pub(super) fn signal(&self) -> Option<Signal> {
        let nodes = self.selection.selected.iter();
        let requests: Vec<NodeRequest> = nodes.map(|node| self.node_request(node)).collect();
        signal::signal(&requests)
    }

    fn node_request(&self, node: &CachedNode) -> NodeRequest {
        let can_act = node.ready && !self.is_held(node);
        let (id, is_open) = self.signal_for(node).unwrap_or_default();
        NodeRequest {
            node: Arc::clone(&node.name),
            id,
            is_waiting: can_act && is_open,
        }
    }

    /// The signal for the newest request of this node, and whether the request is open.
    fn signal_for(&self, node: &CachedNode) -> Option<(Option<String>, bool)> {
        let status = self.status_of(node)?;
        let request = self.request_for(node);
        if is_open(status, request.as_deref()) {
            return Some((request, true));
        }
        let hash = self.config_for(node)?;
        let baseline = status.report.baseline.as_ref();
        let has_old = baseline.is_some_and(|baseline| *baseline.config_hash != *hash);
        if has_old || self.is_config_signaled(hash) {
            let id = format!("{}{hash}", names::CONFIG_SIGNAL);
            return Some((Some(id), has_old));
        }
        Some((request, false))
    }

    /// Whether a re-init DaemonSet for this configuration exists. It stays until all nodes are done.
    fn is_config_signaled(&self, config_hash: &str) -> bool {
        let argument = format!("--request={}{config_hash}", names::CONFIG_SIGNAL);
        self.observed.daemon_sets.iter().any(|ds| {
            let pod = ds
                .spec
                .as_ref()
                .and_then(|spec| spec.template.spec.as_ref());
            let container = pod.and_then(|pod| pod.containers.first());
            let args = container.and_then(|container| container.args.as_ref());
            args.is_some_and(|args| args.contains(&argument))
        })
    }
}
