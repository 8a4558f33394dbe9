//! What acceptances request of the nodes, and their status. Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::super::acceptances::assessment::{Assessment, Claims, Fleet, assess};
use super::super::acceptances::node::AcceptanceNode;
use super::super::acceptances::status::Phase;
use super::super::reinit::node_request::is_open;
use super::inputs::Inputs;
use crate::api::object_name::visible;
use crate::api::{
    AcceptanceConditionType, AcceptanceReason, AcceptanceRequest, ChangeSetId, EventReason,
    FileIntegrityAcceptance, FileIntegrityAcceptanceStatus,
};
use crate::operator::admission_policy::Policy;
use crate::operator::cache::node::CachedNode;
use crate::operator::cache::node_status::CachedNodeStatus;
use crate::scan::event::{EventMessage, Severity};

/// A status of an acceptance that differs from the stored one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AcceptanceUpdate {
    pub(crate) acceptance: Arc<FileIntegrityAcceptance>,
    pub(crate) status: FileIntegrityAcceptanceStatus,
    pub(crate) reason: AcceptanceReason,
    /// Whether it is Complete or Failed, with the event.
    pub(crate) ends_with: Option<EventMessage>,
}

/// What all acceptances of the FileIntegrity request.
#[derive(Debug, Default)]
pub(super) struct PlannedAcceptances<'a> {
    /// The requests by the names of the nodes. Unset if it is not known what is requested.
    requests: Option<HashMap<&'a str, AcceptanceRequest>>,
    pub(super) updates: Vec<AcceptanceUpdate>,
    pub(super) awaits_evidence: bool,
    pub(super) check_after: Option<Duration>,
}

impl PlannedAcceptances<'_> {
    /// The request in the node's status object. `current` is the one that it has.
    pub(super) fn request_for(
        &self,
        node: &CachedNode,
        current: Option<&AcceptanceRequest>,
    ) -> Option<AcceptanceRequest> {
        match &self.requests {
            Some(requests) => requests.get(&*node.name).cloned(),
            None => current.cloned(),
        }
    }
}

impl Inputs<'_> {
    /// Plans the acceptances, if they and the configuration are known.
    pub(super) fn acceptances(&self, is_deployable: bool) -> PlannedAcceptances<'_> {
        let hash = self.effective.hash.as_deref().filter(|_| is_deployable);
        let (Some(all), Some(hash)) = (&self.observed.acceptances, hash) else {
            return PlannedAcceptances::default();
        };
        let mut open: Vec<_> = all.iter().filter(|it| is_open_acceptance(it)).collect();
        open.sort_by(|a, b| order(a).cmp(&order(b)));
        let mut planned = PlannedAcceptances::default();
        let mut requests = self.answered_requests();
        if !open.is_empty() {
            let fleet = self.fleet(hash);
            let uids = open.iter().filter_map(|it| it.metadata.uid.as_deref());
            let mut claims = Claims {
                open: uids.collect(),
                ..Claims::default()
            };
            for acceptance in open {
                let assessment = assess(&fleet, acceptance, &claims);
                claims.nodes.extend(&assessment.claims);
                planned.add(acceptance, &assessment);
                requests.extend(assessment.requests);
            }
        }
        planned.requests = Some(requests);
        planned
    }

    /// The requests that nodes have answered. They stay: to remove them would be another write.
    fn answered_requests(&self) -> HashMap<&str, AcceptanceRequest> {
        let nodes = self.selection.selected.iter();
        let answered = nodes.filter_map(|node| {
            let request = acceptance_node(node, self.status_of(node)?, false).answered_request()?;
            Some((&*node.name, request.clone()))
        });
        answered.collect()
    }

    fn fleet<'f>(&'f self, config_hash: &'f str) -> Fleet<'f> {
        let observed = self.observed;
        let nodes = self.selection.selected.iter().filter_map(|node| {
            // A node without a status object cannot have a request.
            let status = self.status_of(node)?;
            let has_request = is_open(status, self.request_for(node).as_deref());
            let is_free = !has_request && !self.is_held(node);
            Some(acceptance_node(node, status, is_free))
        });
        let namespace = self.fi.metadata.namespace.as_deref();
        Fleet {
            file_integrity: &self.name,
            file_integrity_uid: self.fi.metadata.uid.as_deref().unwrap_or_default(),
            config_hash,
            nodes: nodes.collect(),
            evidence: observed.evidence.as_deref(),
            policy: observed.policy.as_ref(),
            policy_name: Policy::Acceptance.name(namespace.unwrap_or_default()),
            retention: self.fi.spec.evidence_retention(),
            now: &observed.now,
        }
    }
}

impl PlannedAcceptances<'_> {
    fn add(&mut self, acceptance: &Arc<FileIntegrityAcceptance>, assessment: &Assessment<'_>) {
        self.awaits_evidence |= assessment.awaits_evidence;
        let checks = [self.check_after, assessment.check_after];
        self.check_after = checks.into_iter().flatten().min();
        let status = &assessment.status;
        if acceptance.status.as_ref() == Some(status) {
            return;
        }
        self.updates.push(AcceptanceUpdate {
            acceptance: Arc::clone(acceptance),
            status: status.clone(),
            reason: assessment.phase.reason(),
            ends_with: end_event(acceptance, assessment),
        });
    }
}

fn acceptance_node<'a>(
    node: &'a CachedNode,
    status: &'a CachedNodeStatus,
    is_free: bool,
) -> AcceptanceNode<'a> {
    let report = &status.report;
    let last = report.last_result.as_ref();
    let baseline = report.baseline.as_ref();
    AcceptanceNode {
        name: &node.name,
        labels: &node.labels,
        ready: node.ready,
        is_free,
        change_set: last.and_then(|last| Some(last.change_set.as_ref()?.id)),
        config_hash: baseline.map(|baseline| &*baseline.config_hash),
        request: status.desired.acceptance.as_ref(),
        answer: report.acceptance.as_deref(),
        written_at: status.written_at,
    }
}

/// Whether nodes may get requests for it.
fn is_open_acceptance(acceptance: &FileIntegrityAcceptance) -> bool {
    !acceptance.is_finished() && acceptance.metadata.deletion_timestamp.is_none()
}

/// The oldest is executed first.
fn order(acceptance: &FileIntegrityAcceptance) -> (Option<Timestamp>, Option<&str>) {
    let meta = &acceptance.metadata;
    let created = meta.creation_timestamp.as_ref().map(|at| at.0);
    (created, meta.name.as_deref())
}

/// The event of an acceptance that is Complete or Failed.
fn end_event(
    acceptance: &FileIntegrityAcceptance,
    assessment: &Assessment<'_>,
) -> Option<EventMessage> {
    let (severity, reason) = match &assessment.phase {
        Phase::Open { .. } => return None,
        Phase::Complete(_) => (Severity::Normal, EventReason::AcceptanceComplete),
        Phase::Failed(_) => (Severity::Warning, EventReason::AcceptanceFailed),
    };
    let complete = AcceptanceConditionType::Complete.find(&assessment.status.conditions);
    let message = complete.map_or("", |complete| &complete.message);
    let name = acceptance.metadata.name.as_deref().unwrap_or_default();
    Some(EventMessage {
        severity,
        reason,
        message: format!(
            "acceptance {} of change set {} by {}: {}, {message}",
            visible(name),
            visible(&ChangeSetId::shown(&acceptance.spec.change_set)),
            visible(&acceptance.spec.approved_by.username),
            assessment.phase.reason(),
        ),
    })
}

#[cfg(test)]
mod tests;
