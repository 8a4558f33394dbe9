//! What acceptances request of the nodes, and their status. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::super::acceptances::announced::{Listed, assess_listed};
use super::super::acceptances::answers;
use super::super::acceptances::assessment::{Assessment, Claims, Fleet, assess};
use super::super::acceptances::node::AcceptanceNode;
use super::super::acceptances::status::Phase;
use super::super::reinit::node_request::is_open;
use super::inputs::Inputs;
use crate::api::object_name::visible;
use crate::api::{
    AcceptanceConditionType, AcceptanceReason, AcceptanceRequest, AnnouncedChanges, EventReason,
    FileIntegrityAcceptance, FileIntegrityAcceptanceStatus, MAX_ANNOUNCED,
};
use crate::operator::admission_policy::Policy;
use crate::operator::cache::node::CachedNode;
use crate::operator::cache::node_status::CachedNodeStatus;
use crate::scan::change_set::ChangeSet;
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
    /// Unset if it is not known what is requested.
    requests: Option<PlannedRequests<'a>>,
    /// What is announced, by the names of the nodes. Unset if it is not known.
    announced: Option<HashMap<&'a str, Vec<AnnouncedChanges>>>,
    pub(super) updates: Vec<AcceptanceUpdate>,
    pub(super) awaits_evidence: bool,
    pub(super) check_after: Option<Duration>,
}

/// What is requested of the nodes, by their names.
#[derive(Debug, Default)]
struct PlannedRequests<'a> {
    /// The nodes whose requests stay as they are. They may be all nodes, so their requests are not copied.
    kept: HashSet<&'a str>,
    new: HashMap<&'a str, AcceptanceRequest>,
}

impl PlannedAcceptances<'_> {
    /// The request in the node's status object. `current` is the one that it has.
    pub(super) fn request_for(
        &self,
        node: &CachedNode,
        current: Option<&AcceptanceRequest>,
    ) -> Option<AcceptanceRequest> {
        let Some(requests) = &self.requests else {
            return current.cloned();
        };
        let new = requests.new.get(&*node.name);
        let kept = current.filter(|_| requests.kept.contains(&*node.name));
        new.or(kept).cloned()
    }
}

impl PlannedAcceptances<'_> {
    /// What is announced in the node's status object. `current` is what is announced there.
    pub(super) fn announced_to(
        &self,
        node: &CachedNode,
        current: &[AnnouncedChanges],
    ) -> Vec<AnnouncedChanges> {
        match &self.announced {
            Some(announced) => announced.get(&*node.name).cloned().unwrap_or_default(),
            None => current.to_vec(),
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
        let (lists, sets): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|it| it.spec.changes.is_some());
        let mut planned = PlannedAcceptances {
            announced: Some(HashMap::new()),
            ..PlannedAcceptances::default()
        };
        let mut requests = PlannedRequests {
            kept: self.answered(),
            ..PlannedRequests::default()
        };
        if !(lists.is_empty() && sets.is_empty()) {
            let fleet = self.fleet(hash);
            let uids = sets.iter().filter_map(|it| it.metadata.uid.as_deref());
            let objects: Vec<&FileIntegrityAcceptance> = sets.iter().map(|it| &***it).collect();
            let mut claims = Claims {
                open: uids.collect(),
                not_stored: answers::not_stored(&fleet, &objects),
                ..Claims::default()
            };
            planned.announce(&fleet, &lists);
            for acceptance in sets {
                let assessment = assess(&fleet, acceptance, &claims);
                claims.nodes.extend(&assessment.claims);
                claims.new_requests += assessment.requests.len();
                planned.add(acceptance, &assessment);
                requests.kept.extend(assessment.kept);
                requests.new.extend(assessment.requests);
            }
        }
        planned.requests = Some(requests);
        planned
    }

    /// The nodes that have answered their requests. These stay: to remove them would be another write.
    fn answered(&self) -> HashSet<&str> {
        let nodes = self.selection.selected.iter();
        let answered = nodes.filter(|node| {
            let status = self.status_of(node);
            let node = status.map(|status| self.acceptance_node(node, status, false));
            node.is_some_and(|node| node.answered_request().is_some())
        });
        answered.map(|node| &*node.name).collect()
    }

    fn fleet<'f>(&'f self, config_hash: &'f str) -> Fleet<'f> {
        let observed = self.observed;
        let nodes = self.selection.selected.iter().filter_map(|node| {
            // A node without a status object cannot have a request.
            let status = self.status_of(node)?;
            let has_request = is_open(status, self.request_for(node).as_deref());
            let is_free = !has_request && !self.is_held(node);
            Some(self.acceptance_node(node, status, is_free))
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

impl Inputs<'_> {
    fn acceptance_node<'n>(
        &self,
        node: &'n CachedNode,
        status: &'n CachedNodeStatus,
        is_free: bool,
    ) -> AcceptanceNode<'n> {
        let report = &status.report;
        let last = report.last_result.as_ref();
        let set = last.and_then(|last| last.change_set.as_ref());
        let baseline = report.baseline.as_ref();
        AcceptanceNode {
            name: &node.name,
            labels: &node.labels,
            ready: node.ready,
            is_free,
            is_too_old: set.is_some_and(|set| set.version != Some(ChangeSet::HASH_VERSION)),
            change_set: set.map(|set| set.id),
            config_hash: baseline.map(|baseline| &*baseline.config_hash),
            kept_config: self.kept_config(status),
            request: status.desired.acceptance.as_ref(),
            answer: report.acceptance.as_deref(),
            announced: &status.desired.announced,
            progress: &report.announced,
            written_at: status.written_at,
        }
    }
}

impl<'a> PlannedAcceptances<'a> {
    /// Announces the acceptances that list their changes.
    fn announce(&mut self, fleet: &Fleet<'a>, lists: &[&'a Arc<FileIntegrityAcceptance>]) {
        let mut announced: HashMap<&str, Vec<AnnouncedChanges>> = HashMap::new();
        let mut older: Vec<Listed<'_>> = Vec::new();
        for acceptance in lists {
            let listed = Listed::new(acceptance);
            let assessment = assess_listed(fleet, &listed, &older);
            self.check_before(assessment.check_after);
            let event = end_event(acceptance, &assessment.status, &assessment.phase);
            self.update(acceptance, &assessment.status, &assessment.phase, event);
            for (node, changes) in assessment.announced {
                let announced = announced.entry(node).or_default();
                if announced.len() < MAX_ANNOUNCED {
                    announced.push(changes);
                }
            }
            if assessment.phase.is_open() {
                older.push(listed);
            }
        }
        self.announced = Some(announced);
    }

    fn add(&mut self, acceptance: &Arc<FileIntegrityAcceptance>, assessment: &Assessment<'_>) {
        self.awaits_evidence |= assessment.awaits_evidence;
        self.check_before(assessment.check_after);
        let event = end_event(acceptance, &assessment.status, &assessment.phase);
        self.update(acceptance, &assessment.status, &assessment.phase, event);
    }

    fn check_before(&mut self, check_after: Option<Duration>) {
        let checks = [self.check_after, check_after];
        self.check_after = checks.into_iter().flatten().min();
    }

    fn update(
        &mut self,
        acceptance: &Arc<FileIntegrityAcceptance>,
        status: &FileIntegrityAcceptanceStatus,
        phase: &Phase,
        ends_with: Option<EventMessage>,
    ) {
        if acceptance.status.as_ref() == Some(status) {
            return;
        }
        self.updates.push(AcceptanceUpdate {
            acceptance: Arc::clone(acceptance),
            status: status.clone(),
            reason: phase.reason(),
            ends_with,
        });
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
    status: &FileIntegrityAcceptanceStatus,
    phase: &Phase,
) -> Option<EventMessage> {
    let (severity, reason) = match phase {
        Phase::Open { .. } => return None,
        Phase::Complete(_) => (Severity::Normal, EventReason::AcceptanceComplete),
        Phase::Failed(_) => (Severity::Warning, EventReason::AcceptanceFailed),
    };
    let complete = AcceptanceConditionType::Complete.find(&status.conditions);
    let message = complete.map_or("", |complete| &complete.message);
    let name = acceptance.metadata.name.as_deref().unwrap_or_default();
    Some(EventMessage {
        severity,
        reason,
        message: format!(
            "acceptance {} of {} by {}: {}, {message}",
            visible(name),
            acceptance.spec.subject(),
            visible(&acceptance.spec.approved_by.username),
            phase.reason(),
        ),
    })
}

#[cfg(test)]
mod tests;
