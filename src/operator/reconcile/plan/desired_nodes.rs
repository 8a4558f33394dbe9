//! What each selected node should do, and what is known of it. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::super::conditions::inputs::{NodeRealtime, NodeSummary};
use super::super::reinit::node_request::is_open;
use super::acceptances::PlannedAcceptances;
use super::inputs::Inputs;
use crate::api::{Condition, DesiredNodeState};
use crate::operator::cache::freshness;
use crate::operator::cache::node::CachedNode;
use crate::operator::cache::node_status::CachedNodeStatus;

impl Inputs<'_> {
    pub(super) fn desired_state(
        &self,
        node: &CachedNode,
        acceptances: &PlannedAcceptances<'_>,
    ) -> DesiredNodeState {
        let current = self.status_of(node).map(|status| &status.desired);
        let announced = current.map(|desired| desired.announced.as_slice());
        let current = current.and_then(|desired| desired.acceptance.as_ref());
        DesiredNodeState {
            config_hash: self.config_for(node).map(str::to_owned),
            reinit_request: self.request_for(node),
            scan_request: self.scan_request_for(node),
            acceptance: acceptances.request_for(node, current),
            announced: acceptances.announced_to(node, announced.unwrap_or_default()),
            hold: self.hold(node),
            holds: self.timed_holds(node),
            require_acceptance: self.fi.spec.requires_acceptance(),
            previous_config: self.previous_config(node),
        }
    }

    /// Hash of the configuration that the node should scan with: that in effect, or that of its baseline while its changes
    /// have to be accepted.
    pub(super) fn config_for(&self, node: &CachedNode) -> Option<&str> {
        let status = self.status_of(node);
        let kept = status.and_then(|status| self.kept_config(status));
        kept.or(self.effective.hash.as_deref())
    }

    /// Hash of the configuration that a node keeps until its changes are accepted or reverted.
    pub(super) fn kept_config<'s>(&self, status: &'s CachedNodeStatus) -> Option<&'s str> {
        let is_failed = status.condition() == Some(Condition::Failed);
        self.old_config(status).filter(|_| is_failed)
    }

    /// Hash of the configuration of the baseline, if it is not that in effect and only an acceptance may replace the
    /// baseline. A hash that was never desired is not known: the node only claims it.
    fn old_config<'s>(&self, status: &'s CachedNodeStatus) -> Option<&'s str> {
        let baseline = status.report.baseline.as_ref()?;
        let desired = &status.desired;
        let mut known = [&desired.config_hash, &desired.previous_config].into_iter();
        let known = known.find_map(|hash| {
            let hash = hash.as_deref()?;
            (*baseline.config_hash == *hash).then_some(hash)
        })?;
        let is_old =
            self.fi.spec.requires_acceptance() && self.effective.hash.as_deref() != Some(known);
        is_old.then_some(known)
    }

    /// It stays when it is not needed any more: to remove it would be another write.
    fn previous_config(&self, node: &CachedNode) -> Option<String> {
        if !self.fi.spec.requires_acceptance() {
            return None;
        }
        let status = self.status_of(node)?;
        let old = self.old_config(status).map(str::to_owned);
        old.or_else(|| status.desired.previous_config.clone())
    }

    pub(super) fn node_summaries(&self) -> Vec<NodeSummary> {
        let nodes = self.selection.selected.iter();
        nodes.map(|node| self.summary(node)).collect()
    }

    fn summary(&self, node: &CachedNode) -> NodeSummary {
        let status = self.status_of(node);
        let baseline = status.and_then(|status| status.report.baseline.as_ref());
        let hash = self.config_for(node);
        let has_baseline = baseline.is_some_and(|it| Some(&*it.config_hash) == hash);
        let request = self.request_for(node);
        let is_open = status.is_none_or(|status| is_open(status, request.as_deref()));
        let initialized = has_baseline && !is_open;
        let held = self.is_held(node);
        let last = status.and_then(|status| status.report.last_result.as_ref());
        NodeSummary {
            name: Arc::clone(&node.name),
            reachable: node.ready,
            initialized,
            held,
            waits_for_acceptance: status.is_some_and(|it| self.kept_config(it).is_some()),
            silence_left: self.silence_left(node, initialized).filter(|_| !held),
            shut_out: self.selection.shut_out.contains(&*node.name),
            condition: status.and_then(CachedNodeStatus::condition),
            unwatched_rule: last.and_then(|last| last.unwatched_rule.clone()),
            realtime: status.and_then(realtime),
            change_set: last.and_then(|last| last.change_set.clone()),
        }
    }

    /// How much longer the node may go without a report. The end of a hold by annotation changes the status object, so
    /// the time starts again; that of a hold of the spec does not.
    fn silence_left(&self, node: &CachedNode, initialized: bool) -> Option<Duration> {
        let silence = self.observed.silence.get(&node.name)?;
        let last = self.status_of(node)?.report.last_result.as_ref();
        let last = last.and_then(|last| last.duration);
        let period = self.fi.spec.grace_period();
        let max_silence = freshness::max_silence(period, last, initialized);
        let silence = self
            .since_last_hold(node)
            .map_or(*silence, |since| since.min(*silence));
        Some(max_silence.saturating_sub(silence))
    }
}

fn realtime(status: &CachedNodeStatus) -> Option<NodeRealtime> {
    let realtime = status.report.realtime.as_ref()?;
    Some(NodeRealtime {
        state: realtime.state,
        explanation: realtime.explanation.clone(),
    })
}
