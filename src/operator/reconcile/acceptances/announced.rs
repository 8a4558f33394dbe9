//! Acceptances that list their changes: what is announced to each node, and how far each is. Pure.
//!
//! They are announced to all included nodes, before or after the changes happen. Each node decides with its own scan
//! which of its changes are listed, and reports how many of the listed ones its baseline has. Nothing is refused: what
//! is not listed stays a failure.

use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::jiff::Timestamp;

use super::assessment::{ANSWER_DELAY, Fleet};
use super::included_nodes::IncludedNodes;
use super::node::AcceptanceNode;
use super::outcomes::{Outcome, Outcomes, RecordedNodes};
use super::refusal::{Refusal, check_policy, check_until};
use super::status::{Phase, completion, with_phase};
use crate::api::{
    AcceptanceReason, AcceptanceState, AnnouncedChanges, FileIntegrityAcceptance,
    FileIntegrityAcceptanceStatus, NodeOutcome, names, time,
};
use crate::operator::admission_policy::PolicyState;
use crate::operator::cache::node_status::CachedProgress;
use crate::scan::approved_changes::ApprovedChanges;

/// How often a policy that is not as it should be is read again.
const POLICY_INTERVAL: Duration = Duration::from_secs(15);

/// An open acceptance that lists its changes.
#[derive(Debug)]
pub(crate) struct Listed<'a> {
    pub(crate) acceptance: &'a FileIntegrityAcceptance,
    changes: Result<ApprovedChanges, Refusal>,
    included: Result<IncludedNodes<'a>, Refusal>,
}

/// What is announced for an acceptance, and its status.
#[derive(Debug)]
pub(crate) struct AnnouncedAssessment<'a> {
    pub(crate) status: FileIntegrityAcceptanceStatus,
    pub(crate) phase: Phase,
    /// By the names of the nodes.
    pub(crate) announced: Vec<(&'a str, AnnouncedChanges)>,
    /// When something may have to be done although nothing changes.
    pub(crate) check_after: Option<Duration>,
}

impl<'a> Listed<'a> {
    pub(crate) fn new(acceptance: &'a FileIntegrityAcceptance) -> Self {
        let listed = acceptance.spec.changes.as_deref().unwrap_or_default();
        let changes = ApprovedChanges::new(listed);
        let included = IncludedNodes::new(acceptance.spec.nodes.as_ref());
        Self {
            acceptance,
            changes: changes.map_err(|error| Refusal::InvalidChanges(error.to_string())),
            included: included.map_err(Refusal::from),
        }
    }

    /// Why it contradicts an older one: both list other values for the same path, and include the same node.
    fn contradiction(&self, older: &Listed<'_>, nodes: &[AcceptanceNode<'_>]) -> Option<Refusal> {
        let (changes, others) = (self.changes.as_ref().ok()?, older.changes.as_ref().ok()?);
        let path = changes.contradiction(others)?;
        let (own, older_nodes) = (self.included.as_ref().ok()?, older.included.as_ref().ok()?);
        let mut both = nodes.iter().filter(|node| {
            own.includes(node.name, node.labels) && older_nodes.includes(node.name, node.labels)
        });
        let is_everywhere = matches!((own, older_nodes), (IncludedNodes::All, IncludedNodes::All));
        (is_everywhere || both.next().is_some()).then(|| Refusal::Contradictory {
            path,
            other: older.acceptance.metadata.name.clone().unwrap_or_default(),
        })
    }
}

/// What is announced for an open acceptance. `older` are the older ones that are open.
pub(crate) fn assess_listed<'a>(
    fleet: &Fleet<'a>,
    listed: &Listed<'a>,
    older: &[Listed<'a>],
) -> AnnouncedAssessment<'a> {
    Assessing::new(fleet, listed).assess(older)
}

struct Assessing<'f, 'a> {
    fleet: &'f Fleet<'a>,
    listed: &'f Listed<'a>,
    acceptance: &'a FileIntegrityAcceptance,
    uid: &'a str,
    before: Option<&'a FileIntegrityAcceptanceStatus>,
    created: Timestamp,
    until: Option<Timestamp>,
    now: Timestamp,
}

impl<'f, 'a> Assessing<'f, 'a> {
    fn new(fleet: &'f Fleet<'a>, listed: &'f Listed<'a>) -> Self {
        let acceptance = listed.acceptance;
        let meta = &acceptance.metadata;
        let now = fleet.now.0;
        Self {
            fleet,
            listed,
            acceptance,
            uid: meta.uid.as_deref().unwrap_or_default(),
            before: acceptance.status.as_ref(),
            created: meta.creation_timestamp.as_ref().map_or(now, |at| at.0),
            until: acceptance.spec.until.as_ref().map(|until| until.0),
            now,
        }
    }

    fn assess(&self, older: &[Listed<'a>]) -> AnnouncedAssessment<'a> {
        match self.check(older) {
            Ok(included) => self.assess_nodes(included),
            Err(refusal) => {
                let status = self.before.cloned().unwrap_or_default();
                self.ended(status, Phase::Failed(refusal))
            }
        }
    }

    /// What the definition cannot check.
    fn check(&self, older: &[Listed<'a>]) -> Result<&'f IncludedNodes<'a>, Refusal> {
        let bound_to = self.before.and_then(|it| it.file_integrity_uid.as_deref());
        if bound_to.is_some_and(|uid| uid != self.fleet.file_integrity_uid) {
            return Err(Refusal::FileIntegrityReplaced);
        }
        let included = self.listed.included.as_ref().map_err(Refusal::clone)?;
        self.listed.changes.as_ref().map_err(Refusal::clone)?;
        check_until(self.created, self.until)?;
        if self.acceptance.spec.revoked {
            return Ok(included);
        }
        if let Some(policy) = self.fleet.policy {
            let name = &self.fleet.policy_name;
            check_policy(policy, name, self.created, bound_to.is_some())?;
        }
        let nodes = &self.fleet.nodes;
        let mut contradictions = older
            .iter()
            .filter_map(|older| self.listed.contradiction(older, nodes));
        contradictions.next().map_or(Ok(included), Err)
    }

    fn assess_nodes(&self, included: &IncludedNodes<'a>) -> AnnouncedAssessment<'a> {
        let nodes = self.fleet.nodes.iter();
        let nodes: Vec<AcceptanceNode<'a>> = nodes
            .filter(|node| included.includes(node.name, node.labels))
            .copied()
            .collect();
        let recorded = RecordedNodes::new(self.before);
        let current: Vec<(&'a str, NodeOutcome)> = nodes
            .iter()
            // A node that has accepted everything may change again.
            .filter(|node| recorded.state(node.name) != Some(AcceptanceState::Accepted))
            .map(|node| (node.name, outcome(node, self.uid)))
            .collect();
        let mut outcomes = Outcomes::default();
        for (name, outcome) in &current {
            outcomes.insert(name, Outcome::Recorded(outcome));
        }
        outcomes.add_recorded(&recorded);
        let counts = outcomes.counts(self.before.and_then(|status| status.counts));
        let mut status = FileIntegrityAcceptanceStatus {
            conditions: self
                .before
                .map_or_else(Vec::new, |it| it.conditions.clone()),
            counts: Some(counts),
            nodes: outcomes.listed(),
            file_integrity_uid: Some(self.fleet.file_integrity_uid.to_owned()),
            config_hash: Some(self.fleet.config_hash.to_owned()),
            evidence: None,
            retain_until: None,
        };
        if self.acceptance.spec.revoked {
            return self.ended(status, Phase::Complete(AcceptanceReason::Revoked));
        }
        let is_in_force = matches!(self.fleet.policy, Some(PolicyState::InForce { .. }));
        if !is_in_force && self.now < self.deadline() {
            if self.before.is_none() {
                status = FileIntegrityAcceptanceStatus::default();
            }
            return self.interrupted(status, &nodes);
        }
        let is_over = self.now >= self.deadline() + ANSWER_DELAY;
        let is_done = self.until.is_none() && counts.matched > 0 && counts.waiting == 0;
        if is_over || is_done {
            return self.ended(status, Phase::Complete(completion(counts)));
        }
        let (reason, message) = if counts.matched == 0 {
            let message = "no node is included".to_owned();
            (AcceptanceReason::Pending, message)
        } else {
            let (accepted, matched) = (counts.accepted, counts.matched);
            let message =
                format!("the baselines of {accepted} of {matched} nodes have all listed changes");
            (AcceptanceReason::WaitingForNodes, message)
        };
        let phase = Phase::Open { reason, message };
        let is_announced = self.now < self.deadline();
        let announced = nodes.iter().filter(|_| is_announced);
        AnnouncedAssessment {
            status: self.status(status, &phase),
            phase,
            announced: announced
                .map(|node| (node.name, self.announcement(node)))
                .collect(),
            check_after: self.check_after(),
        }
    }

    fn announcement(&self, node: &AcceptanceNode<'a>) -> AnnouncedChanges {
        let name = self.acceptance.metadata.name.clone();
        // A node whose changes must be accepted before it gets the new configuration is scanned with the old one.
        let config_hash = node.kept_config.unwrap_or(self.fleet.config_hash);
        AnnouncedChanges {
            name: name.unwrap_or_default(),
            uid: self.uid.to_owned(),
            until: self.deadline(),
            config_hash: config_hash.to_owned(),
        }
    }

    /// The policy is not as it should be, or cannot be read: nothing is announced anew.
    fn interrupted(
        &self,
        status: FileIntegrityAcceptanceStatus,
        nodes: &[AcceptanceNode<'a>],
    ) -> AnnouncedAssessment<'a> {
        let policy = &self.fleet.policy_name;
        let message = match self.fleet.policy {
            Some(_) => format!("interrupted: the admission policy {policy} was changed"),
            None => format!("interrupted: the admission policy {policy} cannot be read"),
        };
        let phase = Phase::Open {
            reason: AcceptanceReason::Pending,
            message,
        };
        let current = nodes.iter().filter_map(|node| {
            let announced = node.announced.iter().find(|it| it.uid == self.uid)?;
            Some((node.name, announced.clone()))
        });
        AnnouncedAssessment {
            status: self.status(status, &phase),
            phase,
            announced: current.collect(),
            check_after: Some(POLICY_INTERVAL),
        }
    }

    /// Nothing of it is announced any more.
    fn ended(
        &self,
        status: FileIntegrityAcceptanceStatus,
        phase: Phase,
    ) -> AnnouncedAssessment<'a> {
        AnnouncedAssessment {
            status: self.status(status, &phase),
            phase,
            announced: Vec::new(),
            check_after: None,
        }
    }

    fn status(
        &self,
        status: FileIntegrityAcceptanceStatus,
        phase: &Phase,
    ) -> FileIntegrityAcceptanceStatus {
        let Fleet { retention, now, .. } = self.fleet;
        with_phase(status, self.acceptance, phase, *retention, now)
    }

    /// Nothing is accepted after this time.
    fn deadline(&self) -> Timestamp {
        self.acceptance.spec.accepts_until(self.created)
    }

    fn check_after(&self) -> Option<Duration> {
        let ends = [self.deadline(), self.deadline() + ANSWER_DELAY];
        let left = ends.into_iter().map(|at| at.duration_since(self.now));
        let next = left.filter(SignedDuration::is_positive).min()?;
        // The times are compared with whole seconds.
        Some(Duration::try_from(next).ok()? + Duration::from_secs(1))
    }
}

/// What has become of the acceptance on a node.
fn outcome(node: &AcceptanceNode<'_>, uid: &str) -> NodeOutcome {
    let progress = node.progress.iter().find(|it| *it.uid == *uid);
    let is_accepted = progress.is_some_and(|it| it.accepted > 0 && it.remaining == 0);
    let digest = |of: &dyn Fn(&CachedProgress) -> Option<[u8; 32]>| {
        progress.and_then(of).map(|digest| names::hex(&digest))
    };
    NodeOutcome {
        name: node.name.to_owned(),
        state: if is_accepted {
            AcceptanceState::Accepted
        } else {
            AcceptanceState::Waiting
        },
        reason: None,
        message: progress.filter(|_| !is_accepted).map(message),
        at: progress
            .and_then(|it| it.accepted_at)
            .map(time::whole_seconds),
        old_digest: digest(&|it| it.old_digest),
        new_digest: digest(&|it| it.new_digest),
    }
}

fn message(progress: &CachedProgress) -> String {
    let (accepted, remaining) = (progress.accepted, progress.remaining);
    let all = accepted.saturating_add(remaining);
    let mut message = format!("the baseline has {accepted} of {all} changes");
    if let Some(why) = &progress.message {
        message.push_str("; ");
        message.push_str(why);
    }
    message
}
