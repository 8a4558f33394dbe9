//! What an acceptance requests of each node, and how far it is. Pure.

mod reports;
mod sorted;

use std::collections::HashSet;
use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use self::reports::{EVIDENCE_DELAY, MAX_REPORTERS, MAX_UNVERIFIED, REPORTER_DELAY, Report};
use self::sorted::Sorted;
use super::included_nodes::IncludedNodes;
use super::node::AcceptanceNode;
use super::outcomes::RecordedNodes;
use super::refusal::{Refusal, check_policy, check_until};
use super::status::{Phase, completion, with_phase};
use crate::api::{
    AcceptanceConditionType, AcceptanceReason, AcceptanceRequest, ChangeSetId,
    FileIntegrityAcceptance, FileIntegrityAcceptanceStatus,
};
use crate::operator::admission_policy::PolicyState;
use crate::operator::evidence::index::EvidenceStates;

/// How long an unknown set may be unknown: the results of nodes may reach the operator later than the acceptance.
const SET_DELAY: SignedDuration = SignedDuration::from_secs(10);
/// How long after the end an answer to an open request is waited for: a daemon may have replaced its baseline in the
/// last moment.
pub(super) const ANSWER_DELAY: SignedDuration = SignedDuration::from_secs(30);

/// What all acceptances of a FileIntegrity share.
#[derive(Debug)]
pub(crate) struct Fleet<'a> {
    pub(crate) file_integrity: &'a str,
    pub(crate) file_integrity_uid: &'a str,
    /// Hash of the configuration in effect.
    pub(crate) config_hash: &'a str,
    /// The selected nodes.
    pub(crate) nodes: Vec<AcceptanceNode<'a>>,
    /// Unset until it has been listed.
    pub(crate) evidence: Option<&'a EvidenceStates>,
    /// Unset if it cannot be read.
    pub(crate) policy: Option<&'a PolicyState>,
    pub(crate) policy_name: String,
    /// How long a finished acceptance is kept.
    pub(crate) retention: SignedDuration,
    pub(crate) now: &'a Time,
}

/// Maximum number of new requests in a plan. The next plan has the others, so that the counts of a large fleet change
/// while its nodes are requested, and no plan holds a request for each of its nodes.
const MAX_NEW_REQUESTS: usize = 250;

/// When the next plan has more requests at the latest: the watch usually shows those of this one immediately, which triggers
/// it. Until it shows them, they would be written again.
const NEXT_REQUESTS: Duration = Duration::from_secs(1);

/// What other acceptances use.
#[derive(Debug, Default)]
pub(crate) struct Claims<'a> {
    /// The nodes of older acceptances.
    pub(crate) nodes: HashSet<&'a str>,
    /// The UIDs of the acceptances whose open requests stay.
    pub(crate) open: HashSet<&'a str>,
    /// The nodes whose answers are not stored yet. Another answer would replace them.
    pub(crate) not_stored: HashSet<&'a str>,
    /// Number of new requests of older acceptances.
    pub(crate) new_requests: usize,
}

impl Claims<'_> {
    /// Whether a node may not get a request of the acceptance with this UID.
    fn exclude(&self, node: &AcceptanceNode<'_>, uid: &str) -> bool {
        let is_open = |request: &AcceptanceRequest| {
            request.uid != uid && self.open.contains(request.uid.as_str())
        };
        self.nodes.contains(node.name)
            || node.open_request().is_some_and(is_open)
            || self.not_stored.contains(node.name) && node.answer_to(uid).is_none()
    }
}

#[derive(Debug)]
pub(crate) struct Assessment<'a> {
    pub(crate) status: FileIntegrityAcceptanceStatus,
    pub(crate) phase: Phase,
    /// The nodes whose open requests stay. All other open requests for it are withdrawn.
    pub(crate) kept: Vec<&'a str>,
    /// The new requests.
    pub(crate) requests: Vec<(&'a str, AcceptanceRequest)>,
    /// The nodes that no younger acceptance may use.
    pub(crate) claims: Vec<&'a str>,
    /// A node has accepted, and its evidence does not exist yet.
    pub(crate) awaits_evidence: bool,
    /// When something may have to be done although nothing changes.
    pub(crate) check_after: Option<Duration>,
}

/// The new requests of a plan.
#[derive(Debug, Default)]
struct NewRequests<'a> {
    requests: Vec<(&'a str, AcceptanceRequest)>,
    /// A later plan has more of them.
    are_more_left: bool,
    /// As many as are allowed in a plan.
    are_limited: bool,
}

/// The configuration with which nodes show the set: that in effect, or one that they keep until the set is accepted.
fn shown_with<'a>(fleet: &Fleet<'a>, acceptance: &FileIntegrityAcceptance) -> &'a str {
    let Some(set) = ChangeSetId::parse(acceptance.spec.set()) else {
        return fleet.config_hash;
    };
    let is_shown = |hash| fleet.nodes.iter().any(|node| node.shows(set, hash));
    let mut kept = fleet.nodes.iter().filter_map(|node| node.kept_config);
    if is_shown(fleet.config_hash) {
        return fleet.config_hash;
    }
    kept.find(|hash| is_shown(hash))
        .unwrap_or(fleet.config_hash)
}

/// What an open acceptance requests of each node, and its status.
pub(crate) fn assess<'a>(
    fleet: &Fleet<'a>,
    acceptance: &'a FileIntegrityAcceptance,
    claims: &Claims<'a>,
) -> Assessment<'a> {
    Assessing::new(fleet, acceptance, claims).assess()
}

struct Assessing<'f, 'a> {
    fleet: &'f Fleet<'a>,
    acceptance: &'a FileIntegrityAcceptance,
    claims: &'f Claims<'a>,
    uid: &'a str,
    before: Option<&'a FileIntegrityAcceptanceStatus>,
    recorded: RecordedNodes<'a>,
    created: Timestamp,
    until: Option<Timestamp>,
    /// The configuration with which the nodes show the set.
    config_hash: &'a str,
    now: Timestamp,
}

impl<'f, 'a> Assessing<'f, 'a> {
    fn new(
        fleet: &'f Fleet<'a>,
        acceptance: &'a FileIntegrityAcceptance,
        claims: &'f Claims<'a>,
    ) -> Self {
        let meta = &acceptance.metadata;
        let before = acceptance.status.as_ref();
        let now = fleet.now.0;
        let config_hash = before.and_then(|status| status.config_hash.as_deref());
        Self {
            fleet,
            acceptance,
            claims,
            uid: meta.uid.as_deref().unwrap_or_default(),
            before,
            recorded: RecordedNodes::new(before),
            created: meta.creation_timestamp.as_ref().map_or(now, |at| at.0),
            until: acceptance.spec.until.as_ref().map(|until| until.0),
            config_hash: config_hash.unwrap_or_else(|| shown_with(fleet, acceptance)),
            now,
        }
    }

    fn assess(&self) -> Assessment<'a> {
        match self.check() {
            Ok((set, included)) => self.assess_nodes(set, &included),
            Err(refusal) => {
                let status = self.before.cloned().unwrap_or_default();
                self.ended(status, Phase::Failed(refusal))
            }
        }
    }

    /// What the definition cannot check.
    fn check(&self) -> Result<(ChangeSetId, IncludedNodes<'a>), Refusal> {
        let spec = &self.acceptance.spec;
        if self
            .bound_to()
            .is_some_and(|uid| uid != self.fleet.file_integrity_uid)
        {
            return Err(Refusal::FileIntegrityReplaced);
        }
        let included = IncludedNodes::new(spec.nodes.as_ref())?;
        let set = ChangeSetId::parse(spec.set()).ok_or(Refusal::InvalidChangeSet)?;
        check_until(self.created, self.until)?;
        if let Some(policy) = self.fleet.policy.filter(|_| !spec.revoked) {
            let (name, is_started) = (&self.fleet.policy_name, self.bound_to().is_some());
            check_policy(policy, name, self.created, is_started)?;
        }
        Ok((set, included))
    }

    /// The UID of the FileIntegrity for which its execution has begun.
    fn bound_to(&self) -> Option<&'a str> {
        self.before?.file_integrity_uid.as_deref()
    }

    fn assess_nodes(&self, set: ChangeSetId, included: &IncludedNodes<'a>) -> Assessment<'a> {
        let sorted = self.sort(set, included);
        let counts_before = self.before.and_then(|status| status.counts);
        let reports = self.reports(&sorted.reporters);
        let evidence = self.evidence(&sorted, &reports);
        let counts = sorted.outcomes.counts(counts_before);
        let mut status = FileIntegrityAcceptanceStatus {
            conditions: self
                .before
                .map_or_else(Vec::new, |it| it.conditions.clone()),
            counts: Some(counts),
            nodes: sorted.outcomes.listed(),
            file_integrity_uid: Some(self.fleet.file_integrity_uid.to_owned()),
            config_hash: Some(self.config_hash.to_owned()),
            evidence: evidence.clone(),
            retain_until: None,
        };
        if self.acceptance.spec.revoked {
            return self.revoked(status, &sorted);
        }
        let is_in_force = matches!(self.fleet.policy, Some(PolicyState::InForce { .. }));
        if !is_in_force && self.now < self.deadline() {
            if self.bound_to().is_none() {
                status = FileIntegrityAcceptanceStatus::default();
            }
            return self.interrupted(status, &sorted);
        }
        if let Some(phase) = self.end(&sorted, &status, &reports) {
            return self.ended(status, phase);
        }
        let new = if self.now < self.deadline() {
            self.new_requests(&sorted, evidence.is_some(), &reports)
        } else {
            NewRequests::default()
        };
        let mut assessment = self.open(status, &sorted, new.are_more_left);
        assessment.awaits_evidence = evidence.is_none() && reports.contains(&Report::Pending);
        if new.are_limited {
            assessment.check_after = Some(NEXT_REQUESTS);
        }
        assessment.requests = new.requests;
        assessment
    }

    /// Without evidence, at most one node gets a request.
    fn new_requests(
        &self,
        sorted: &Sorted<'f, 'a>,
        has_evidence: bool,
        reports: &[Report],
    ) -> NewRequests<'a> {
        if !has_evidence {
            let next = self.next_reporter(sorted, reports).into_iter();
            let requests = next.map(|(node, attempt)| (node.name, self.request(attempt, true)));
            return NewRequests {
                requests: requests.collect(),
                ..NewRequests::default()
            };
        }
        let limit = MAX_NEW_REQUESTS.saturating_sub(self.claims.new_requests);
        let mut free = self.free(sorted);
        let requests: Vec<_> = free
            .by_ref()
            .take(limit)
            .map(|(node, attempt)| (node.name, self.request(attempt, false)))
            .collect();
        let are_limited = free.next().is_some();
        let mut names = sorted.candidates.iter().map(|(node, _)| node.name);
        let is_any_not_stored = names.any(|name| self.claims.not_stored.contains(name));
        NewRequests {
            requests,
            are_more_left: are_limited || is_any_not_stored,
            are_limited,
        }
    }

    /// Whether the request was handed out to all nodes. The status is written after the requests.
    fn is_handed_out(&self) -> bool {
        let conditions = self.before.map(|status| status.conditions.as_slice());
        let complete = AcceptanceConditionType::Complete.find(conditions.unwrap_or_default());
        complete.is_some_and(|it| it.reason == AcceptanceReason::WaitingForNodes.as_str())
    }

    /// How it ends, if it does.
    fn end(
        &self,
        sorted: &Sorted<'f, 'a>,
        status: &FileIntegrityAcceptanceStatus,
        reports: &[Report],
    ) -> Option<Phase> {
        let counts = status.counts.unwrap_or_default();
        let has_evidence = status.evidence.is_some();
        let unproven = Phase::Failed(Refusal::EvidenceNotVerified(counts.accepted));
        let failed = reports.iter().filter(|it| it.has_failed());
        if !has_evidence && failed.count() >= MAX_UNVERIFIED {
            return Some(unproven);
        }
        if self.now >= self.deadline() {
            let is_last_moment = self.now < self.deadline() + ANSWER_DELAY;
            let is_answer_possible = sorted.open.iter().any(|(node, _)| node.ready);
            // The time of an answer is by the clock of its node, which may always be now.
            let is_evidence_in_time = self.fleet.evidence.is_none()
                || self.now < self.deadline() + ANSWER_DELAY + EVIDENCE_DELAY;
            let is_evidence_possible =
                !has_evidence && is_evidence_in_time && reports.contains(&Report::Pending);
            if is_last_moment && is_answer_possible || is_evidence_possible {
                return None;
            }
            return Some(if counts.accepted > 0 && !has_evidence {
                unproven
            } else {
                Phase::Complete(completion(counts))
            });
        }
        if self.until.is_some() || counts.waiting > 0 {
            return None;
        }
        if sorted.outcomes.is_empty() {
            let before = self.before.and_then(|status| status.counts);
            let refusal = match before {
                Some(before) if before.matched > 0 => Refusal::ChangeSetVanished,
                _ if self.age() < SET_DELAY => return None,
                _ => Refusal::UnknownChangeSet,
            };
            return Some(Phase::Failed(refusal));
        }
        if counts.accepted == 0 || has_evidence {
            return Some(Phase::Complete(completion(counts)));
        }
        let are_all_wrong =
            !reports.is_empty() && reports.iter().all(|it| *it == Report::Unverified);
        are_all_wrong.then_some(unproven)
    }

    /// The candidates that may get a request now.
    fn free(&self, sorted: &Sorted<'f, 'a>) -> impl Iterator<Item = (&'f AcceptanceNode<'a>, u32)> {
        let candidates = sorted.candidates.iter().copied();
        candidates.filter(|(node, _)| {
            node.is_free && !node.is_too_old && !self.claims.exclude(node, self.uid)
        })
    }

    fn request(&self, attempt: u32, publish_report: bool) -> AcceptanceRequest {
        let name = self.acceptance.metadata.name.clone();
        AcceptanceRequest {
            name: name.unwrap_or_default(),
            uid: self.uid.to_owned(),
            attempt,
            change_set: self.acceptance.spec.set().to_owned(),
            config_hash: self.config_hash.to_owned(),
            until: self.deadline(),
            publish_report,
        }
    }

    /// No node gets a new baseline after this time.
    fn deadline(&self) -> Timestamp {
        self.acceptance.spec.accepts_until(self.created)
    }

    fn age(&self) -> SignedDuration {
        self.now.duration_since(self.created)
    }

    /// It continues. Open requests stay. `are_requests_left`: not all nodes get their requests now.
    fn open(
        &self,
        status: FileIntegrityAcceptanceStatus,
        sorted: &Sorted<'f, 'a>,
        are_requests_left: bool,
    ) -> Assessment<'a> {
        let (reason, message) = if status.evidence.is_some() && are_requests_left {
            let message = "the nodes that show the set get the request, some after the others";
            (AcceptanceReason::Requesting, message)
        } else if status.evidence.is_some() {
            let message =
                "the report of the changes is verified; nodes that show the set accept it";
            (AcceptanceReason::WaitingForNodes, message)
        } else if sorted.outcomes.is_empty() {
            let message = "no included node shows the set yet";
            (AcceptanceReason::Pending, message)
        } else {
            let message = "one node accepts the set first; its report is verified before others do";
            (AcceptanceReason::WaitingForEvidence, message)
        };
        let phase = Phase::Open {
            reason,
            message: message.to_owned(),
        };
        let open = sorted.open.iter().map(|(node, _)| node.name);
        let candidates = sorted.candidates.iter().map(|(node, _)| node.name);
        let status = self.status(status, &phase);
        Assessment {
            status,
            phase,
            kept: open.clone().collect(),
            requests: Vec::new(),
            claims: open.chain(candidates).collect(),
            awaits_evidence: false,
            check_after: self.check_after(sorted),
        }
    }

    /// The policy is not as it should be, or cannot be read: open requests stay, and there are no new ones.
    fn interrupted(
        &self,
        status: FileIntegrityAcceptanceStatus,
        sorted: &Sorted<'f, 'a>,
    ) -> Assessment<'a> {
        let reason = if self.is_handed_out() {
            AcceptanceReason::WaitingForNodes
        } else if status.evidence.is_some() || status.counts.is_some() {
            AcceptanceReason::WaitingForEvidence
        } else {
            AcceptanceReason::Pending
        };
        let policy = &self.fleet.policy_name;
        let message = match self.fleet.policy {
            Some(_) => format!("interrupted: the admission policy {policy} was changed"),
            None => format!("interrupted: the admission policy {policy} cannot be read"),
        };
        let phase = Phase::Open { reason, message };
        let status = self.status(status, &phase);
        Assessment {
            status,
            phase,
            check_after: Some(POLICY_INTERVAL),
            claims: Vec::new(),
            ..self.open(FileIntegrityAcceptanceStatus::default(), sorted, false)
        }
    }

    /// It is complete when the open requests are withdrawn.
    fn revoked(
        &self,
        status: FileIntegrityAcceptanceStatus,
        sorted: &Sorted<'f, 'a>,
    ) -> Assessment<'a> {
        let phase = if sorted.open.is_empty() {
            Phase::Complete(AcceptanceReason::Revoked)
        } else {
            Phase::Open {
                reason: AcceptanceReason::Revoked,
                message: "the requests to nodes are being withdrawn".to_owned(),
            }
        };
        self.ended(status, phase)
    }

    fn status(
        &self,
        status: FileIntegrityAcceptanceStatus,
        phase: &Phase,
    ) -> FileIntegrityAcceptanceStatus {
        let Fleet { retention, now, .. } = self.fleet;
        with_phase(status, self.acceptance, phase, *retention, now)
    }

    /// No requests.
    fn ended(&self, status: FileIntegrityAcceptanceStatus, phase: Phase) -> Assessment<'a> {
        Assessment {
            status: self.status(status, &phase),
            phase,
            kept: Vec::new(),
            requests: Vec::new(),
            claims: Vec::new(),
            awaits_evidence: false,
            check_after: None,
        }
    }

    /// When something changes by time alone.
    fn check_after(&self, sorted: &Sorted<'f, 'a>) -> Option<Duration> {
        let since = |from: Timestamp, delay: SignedDuration| from.checked_add(delay).ok();
        let reports = sorted.reporters.iter();
        let reports =
            reports.filter_map(|(node, answer)| since(node.answered_at(answer), EVIDENCE_DELAY));
        let reporters = (1..MAX_REPORTERS).filter_map(|count| {
            let count = i32::try_from(count).ok()?;
            since(self.created, REPORTER_DELAY.checked_mul(count)?)
        });
        let fixed = [
            since(self.created, SET_DELAY),
            Some(self.deadline()),
            since(self.deadline(), ANSWER_DELAY),
            since(self.deadline(), ANSWER_DELAY + EVIDENCE_DELAY),
        ];
        let all = reports.chain(reporters).chain(fixed.into_iter().flatten());
        let left = all.map(|at| at.duration_since(self.now));
        let next = left.filter(SignedDuration::is_positive).min()?;
        // The times are compared with whole seconds.
        Some(Duration::try_from(next).ok()? + Duration::from_secs(1))
    }
}

/// How often a policy that is not as it should be is read again.
const POLICY_INTERVAL: Duration = Duration::from_secs(15);
