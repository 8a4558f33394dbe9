//! What an acceptance requests of each node, and how far it is. Pure.

use std::collections::HashSet;
use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::included_nodes::IncludedNodes;
use super::node::AcceptanceNode;
use super::outcomes::{Outcome, Outcomes, RecordedNodes};
use super::refusal::{Refusal, check_policy, check_until};
use super::status::{Phase, completion, with_phase};
use crate::api::{
    AcceptanceConditionType, AcceptanceReason, AcceptanceRequest, AcceptanceState, ChangeSetId,
    FileIntegrityAcceptance, FileIntegrityAcceptanceStatus, names,
};
use crate::operator::admission_policy::PolicyState;
use crate::operator::cache::node_status::CachedAnswer;
use crate::operator::evidence::index::{EvidenceState, EvidenceStates};
use crate::scan::evidence::{acceptance_set, unverified_set};

/// How long nodes without a new baseline are waited for, unless the acceptance has `until`.
const DEFAULT_TIME: SignedDuration = SignedDuration::from_hours(24);
/// How long an unknown set may be unknown: the results of nodes may reach the operator later than the acceptance.
const SET_DELAY: SignedDuration = SignedDuration::from_secs(10);
/// How long after the end an answer to an open request is waited for: a daemon may have replaced its baseline in the
/// last moment.
const ANSWER_DELAY: SignedDuration = SignedDuration::from_secs(30);
/// Maximum number of requests to a node.
const MAX_ATTEMPTS: u32 = 3;
/// Maximum number of nodes whose reports are not verified.
const MAX_UNVERIFIED: usize = 3;
/// How long the evidence of a node that has accepted is waited for, before another one is requested to publish its
/// report.
const EVIDENCE_DELAY: SignedDuration = SignedDuration::from_secs(120);
/// After this time another node is requested to publish its report: the first may never answer.
const REPORTER_DELAY: SignedDuration = SignedDuration::from_mins(10);
/// Maximum number of nodes that are requested to publish their report at the same time.
const MAX_REPORTERS: usize = 3;

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

/// The nodes that other acceptances use.
#[derive(Debug, Default)]
pub(crate) struct Claims<'a> {
    /// The nodes of older acceptances.
    pub(crate) nodes: HashSet<&'a str>,
    /// The UIDs of the acceptances whose open requests stay.
    pub(crate) open: HashSet<&'a str>,
}

impl Claims<'_> {
    /// Whether a node may not get a request of the acceptance with this UID.
    fn exclude(&self, node: &AcceptanceNode<'_>, uid: &str) -> bool {
        let is_open = |request: &AcceptanceRequest| {
            request.uid != uid && self.open.contains(request.uid.as_str())
        };
        self.nodes.contains(node.name) || node.open_request().is_some_and(is_open)
    }
}

#[derive(Debug)]
pub(crate) struct Assessment<'a> {
    pub(crate) status: FileIntegrityAcceptanceStatus,
    pub(crate) phase: Phase,
    /// The open requests, those that stay and new ones. All other open requests for it are withdrawn.
    pub(crate) requests: Vec<(&'a str, AcceptanceRequest)>,
    /// The nodes that no younger acceptance may use.
    pub(crate) claims: Vec<&'a str>,
    /// A node has accepted, and its evidence does not exist yet.
    pub(crate) awaits_evidence: bool,
    /// When something may have to be done although nothing changes.
    pub(crate) check_after: Option<Duration>,
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

/// The included nodes, by what they do for the acceptance.
#[derive(Default)]
struct Sorted<'a> {
    outcomes: Outcomes<'a>,
    /// Those with an open request.
    open: Vec<(AcceptanceNode<'a>, &'a AcceptanceRequest)>,
    /// Those that may get a request, with the number of the attempt.
    candidates: Vec<(AcceptanceNode<'a>, u32)>,
    /// Those that have accepted and should publish their report.
    reporters: Vec<(AcceptanceNode<'a>, &'a CachedAnswer)>,
}

/// The evidence of a node that should publish its report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    /// It may still appear.
    Pending,
    /// It does not have the changes.
    Unverified,
    /// It has not appeared in time.
    Late,
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
            config_hash: config_hash.unwrap_or(fleet.config_hash),
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
        let set = ChangeSetId::parse(&spec.change_set).ok_or(Refusal::InvalidChangeSet)?;
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
        let evidence = self.evidence(&sorted.reporters);
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
        let reports = self.reports(&sorted.reporters);
        if let Some(phase) = self.end(&sorted, &status, &reports) {
            return self.ended(status, phase);
        }
        let mut assessment = self.open(status, &sorted);
        assessment.awaits_evidence = evidence.is_none() && reports.contains(&Report::Pending);
        if self.now < self.deadline() {
            let new = self.new_requests(&sorted, evidence.is_some(), &reports);
            assessment.requests.extend(new);
        }
        assessment
    }

    /// Without evidence, at most one node gets a request.
    fn new_requests(
        &self,
        sorted: &Sorted<'a>,
        has_evidence: bool,
        reports: &[Report],
    ) -> Vec<(&'a str, AcceptanceRequest)> {
        let nodes: Vec<_> = if has_evidence {
            self.free(sorted).collect()
        } else {
            self.next_reporter(sorted, reports).into_iter().collect()
        };
        let requests = nodes.into_iter();
        requests
            .map(|(node, attempt)| (node.name, self.request(attempt, !has_evidence)))
            .collect()
    }

    fn sort(&self, set: ChangeSetId, included: &IncludedNodes<'a>) -> Sorted<'a> {
        let mut sorted = Sorted::default();
        for node in &self.fleet.nodes {
            let node = *node;
            let may_show =
                || node.shows(set, self.config_hash) && included.includes(node.name, node.labels);
            let open = node.open_request();
            if let Some(request) = open.filter(|request| request.uid == self.uid) {
                let message = (!node.ready).then_some("the node is not ready");
                sorted.wait(node, message);
                sorted.open.push((node, request));
            } else if let Some(answer) = node.answer_to(self.uid) {
                if is_retried(answer) && may_show() {
                    sorted.wait(node, Some("the node shows the set again"));
                    sorted.candidates.push((node, answer.attempt + 1));
                    continue;
                }
                sorted.outcomes.insert(node.name, Outcome::Answered(answer));
                let request = node.answered_request();
                let publishes = request.is_some_and(|request| request.publish_report);
                if publishes && answer.state == AcceptanceState::Accepted {
                    sorted.reporters.push((node, answer));
                }
            } else if self.takes(node.name) && may_show() {
                let message = (!node.is_free)
                    .then_some("the scans of the node are held, or it is being re-initialized");
                sorted.wait(node, message);
                sorted.candidates.push((node, 1));
            }
        }
        sorted.outcomes.add_recorded(&self.recorded);
        sorted
    }

    /// Whether a node that shows the set is included. Without `until`, these are the nodes that showed it when the
    /// request was handed out.
    fn takes(&self, node: &str) -> bool {
        match self.recorded.state(node) {
            Some(AcceptanceState::Accepted) => false,
            Some(AcceptanceState::Waiting) => true,
            Some(AcceptanceState::Refused) | None => self.until.is_some() || !self.is_handed_out(),
        }
    }

    /// Whether the request was handed out to all nodes. The status is written after the requests.
    fn is_handed_out(&self) -> bool {
        let conditions = self.before.map(|status| status.conditions.as_slice());
        let complete = AcceptanceConditionType::Complete.find(conditions.unwrap_or_default());
        complete.is_some_and(|it| it.reason == AcceptanceReason::WaitingForNodes.as_str())
    }

    /// The name of the evidence of the set, if it exists.
    fn evidence(&self, reporters: &[(AcceptanceNode<'a>, &'a CachedAnswer)]) -> Option<String> {
        let stored = self.before.and_then(|status| status.evidence.clone());
        let known = || {
            let known = self.fleet.evidence?;
            let set = &self.acceptance.spec.change_set;
            let name = self.evidence_name(&acceptance_set(self.uid, self.config_hash, set));
            if known.get(&name) == Some(&EvidenceState::Verified) {
                return Some(name);
            }
            // The report was too long to be verified.
            let names = reporters.iter();
            let mut names = names.filter_map(|(node, answer)| self.unverified_name(node, answer));
            names.find(|name| known.get(name) == Some(&EvidenceState::Incomplete))
        };
        stored.or_else(known)
    }

    fn evidence_name(&self, set: &str) -> String {
        names::evidence(&names::daemon_set(self.fleet.file_integrity), set)
    }

    /// The name of the evidence of a report that is not verified.
    fn unverified_name(&self, node: &AcceptanceNode<'a>, answer: &CachedAnswer) -> Option<String> {
        let digest = names::hex(&answer.new_digest?);
        Some(self.evidence_name(&unverified_set(node.name, &digest)))
    }

    fn reports(&self, reporters: &[(AcceptanceNode<'a>, &'a CachedAnswer)]) -> Vec<Report> {
        let reporters = reporters.iter();
        reporters
            .map(|(node, answer)| self.report(node, answer))
            .collect()
    }

    fn report(&self, node: &AcceptanceNode<'a>, answer: &CachedAnswer) -> Report {
        let Some(known) = self.fleet.evidence else {
            return Report::Pending;
        };
        let name = self.unverified_name(node, answer);
        if name.is_some_and(|name| known.get(&name) == Some(&EvidenceState::Unverified)) {
            Report::Unverified
        } else if self.now.duration_since(node.answered_at(answer)) > EVIDENCE_DELAY {
            Report::Late
        } else {
            Report::Pending
        }
    }

    /// How it ends, if it does.
    fn end(
        &self,
        sorted: &Sorted<'a>,
        status: &FileIntegrityAcceptanceStatus,
        reports: &[Report],
    ) -> Option<Phase> {
        let counts = status.counts.unwrap_or_default();
        let has_evidence = status.evidence.is_some();
        let unproven = Phase::Failed(Refusal::EvidenceNotVerified(counts.accepted));
        let failed = reports.iter().filter(|it| **it != Report::Pending);
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
    fn free(&self, sorted: &Sorted<'a>) -> impl Iterator<Item = (AcceptanceNode<'a>, u32)> {
        let candidates = sorted.candidates.iter().copied();
        candidates.filter(|(node, _)| node.is_free && !self.claims.exclude(node, self.uid))
    }

    /// The next node that should publish its report, and the number of the attempt.
    fn next_reporter(
        &self,
        sorted: &Sorted<'a>,
        reports: &[Report],
    ) -> Option<(AcceptanceNode<'a>, u32)> {
        let asked = sorted.open.iter();
        let asked = asked.filter(|(node, request)| request.publish_report && node.ready);
        let pending = reports.iter().filter(|it| **it == Report::Pending);
        if asked.count() + pending.count() >= self.max_reporters() {
            return None;
        }
        let free = self.free(sorted).filter(|(node, _)| node.ready);
        free.min_by_key(|(node, _)| node.name)
    }

    fn max_reporters(&self) -> usize {
        let delays = self.age().as_secs() / REPORTER_DELAY.as_secs();
        let delays = usize::try_from(delays).unwrap_or(0);
        MAX_REPORTERS.min(delays.saturating_add(1))
    }

    fn request(&self, attempt: u32, publish_report: bool) -> AcceptanceRequest {
        let name = self.acceptance.metadata.name.clone();
        AcceptanceRequest {
            name: name.unwrap_or_default(),
            uid: self.uid.to_owned(),
            attempt,
            change_set: self.acceptance.spec.change_set.clone(),
            config_hash: self.config_hash.to_owned(),
            until: self.deadline(),
            publish_report,
        }
    }

    /// No node gets a new baseline after this time.
    fn deadline(&self) -> Timestamp {
        let default = || {
            let end = self.created.checked_add(DEFAULT_TIME);
            end.unwrap_or(Timestamp::MAX)
        };
        self.until.unwrap_or_else(default)
    }

    fn age(&self) -> SignedDuration {
        self.now.duration_since(self.created)
    }

    /// It continues. Open requests stay.
    fn open(&self, status: FileIntegrityAcceptanceStatus, sorted: &Sorted<'a>) -> Assessment<'a> {
        let (reason, message) = if status.evidence.is_some() {
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
        let open = sorted.open.iter();
        let candidates = sorted.candidates.iter().map(|(node, _)| node.name);
        let status = self.status(status, &phase);
        Assessment {
            status,
            phase,
            requests: open
                .clone()
                .map(|(node, request)| (node.name, AcceptanceRequest::clone(request)))
                .collect(),
            claims: open.map(|(node, _)| node.name).chain(candidates).collect(),
            awaits_evidence: false,
            check_after: self.check_after(sorted),
        }
    }

    /// The policy is not as it should be, or cannot be read: open requests stay, and there are no new ones.
    fn interrupted(
        &self,
        status: FileIntegrityAcceptanceStatus,
        sorted: &Sorted<'a>,
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
            ..self.open(FileIntegrityAcceptanceStatus::default(), sorted)
        }
    }

    /// It is complete when the open requests are withdrawn.
    fn revoked(
        &self,
        status: FileIntegrityAcceptanceStatus,
        sorted: &Sorted<'a>,
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
            requests: Vec::new(),
            claims: Vec::new(),
            awaits_evidence: false,
            check_after: None,
        }
    }

    /// When something changes by time alone.
    fn check_after(&self, sorted: &Sorted<'a>) -> Option<Duration> {
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

/// Whether a node that has refused gets another request when it shows the set again.
fn is_retried(answer: &CachedAnswer) -> bool {
    answer.state == AcceptanceState::Refused
        && answer.attempt < MAX_ATTEMPTS
        && answer.is_older_than_result
}

impl<'a> Sorted<'a> {
    fn wait(&mut self, node: AcceptanceNode<'a>, message: Option<&'static str>) {
        self.outcomes
            .insert(node.name, Outcome::Waiting { message });
    }
}
