//! Which nodes publish the report of an acceptance, and whether it has become evidence. Pure.

use jiff::SignedDuration;

use super::super::node::AcceptanceNode;
use super::{Assessing, Sorted};
use crate::api::names;
use crate::operator::cache::node_status::CachedAnswer;
use crate::operator::evidence::index::EvidenceState;
use crate::scan::evidence::{acceptance_set, unverified_set};

/// Maximum number of nodes whose reports are not verified.
pub(super) const MAX_UNVERIFIED: usize = 3;
/// After so many nodes whose reports are too long to be verified, no other node is requested to publish its report.
const MAX_TRUNCATED: usize = 3;
/// How long the evidence of a node that has accepted is waited for, before another one is requested to publish its
/// report.
pub(super) const EVIDENCE_DELAY: SignedDuration = SignedDuration::from_secs(120);
/// After this time another node is requested to publish its report: the first may never answer.
pub(super) const REPORTER_DELAY: SignedDuration = SignedDuration::from_mins(10);
/// Maximum number of nodes that are requested to publish their report at the same time.
pub(super) const MAX_REPORTERS: usize = 3;

/// The evidence of a node that should publish its report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// It may still appear.
    Pending,
    /// It does not have the changes.
    Unverified,
    /// It has not all changes, so it cannot be verified.
    Truncated,
    /// It has not appeared in time.
    Late,
}

impl Report {
    /// Whether the node may have lied.
    pub(super) fn has_failed(self) -> bool {
        matches!(self, Self::Unverified | Self::Late)
    }
}

impl<'f, 'a> Assessing<'f, 'a> {
    /// The name of the evidence of the set, if it exists. A node could publish a truncated report on purpose, so one that
    /// cannot be verified counts only if no other node has a complete one.
    pub(super) fn evidence(&self, sorted: &Sorted<'f, 'a>, reports: &[Report]) -> Option<String> {
        let stored = self.before.and_then(|status| status.evidence.clone());
        let known = || {
            let known = self.fleet.evidence?;
            let set = self.acceptance.spec.set();
            let name = self.evidence_name(&acceptance_set(self.uid, self.config_hash, set));
            if known.get(&name) == Some(&EvidenceState::Verified) {
                return Some(name);
            }
            let truncated = sorted.reporters.iter().zip(reports);
            let mut truncated = truncated.filter(|(_, it)| **it == Report::Truncated);
            let ((node, answer), _) = truncated.next()?;
            let count = truncated.count().saturating_add(1);
            let is_sufficient = count >= MAX_TRUNCATED || self.is_nobody_left(sorted, reports);
            is_sufficient.then(|| self.unverified_name(node, answer))?
        };
        stored.or_else(known)
    }

    /// Whether no other node can publish its report.
    fn is_nobody_left(&self, sorted: &Sorted<'f, 'a>, reports: &[Report]) -> bool {
        let is_any_expected = !sorted.open.is_empty()
            || !sorted.candidates.is_empty()
            || reports.contains(&Report::Pending)
            || self.until.is_some();
        !is_any_expected || self.now >= self.deadline()
    }

    fn evidence_name(&self, set: &str) -> String {
        names::evidence(&names::daemon_set(self.fleet.file_integrity), set)
    }

    /// The name of the evidence of a report that is not verified.
    fn unverified_name(&self, node: &AcceptanceNode<'a>, answer: &CachedAnswer) -> Option<String> {
        let digest = names::hex(&answer.new_digest?);
        Some(self.evidence_name(&unverified_set(node.name, &digest)))
    }

    pub(super) fn reports(
        &self,
        reporters: &[(&'f AcceptanceNode<'a>, &'a CachedAnswer)],
    ) -> Vec<Report> {
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
        match name.and_then(|name| known.get(&name)) {
            Some(EvidenceState::Unverified) => Report::Unverified,
            Some(EvidenceState::Incomplete) => Report::Truncated,
            // The evidence of the set has another name.
            Some(EvidenceState::Verified) | None => {
                let since = self.now.duration_since(node.answered_at(answer));
                if since > EVIDENCE_DELAY {
                    Report::Late
                } else {
                    Report::Pending
                }
            }
        }
    }

    /// The next node that should publish its report, and the number of the attempt.
    pub(super) fn next_reporter(
        &self,
        sorted: &Sorted<'f, 'a>,
        reports: &[Report],
    ) -> Option<(&'f AcceptanceNode<'a>, u32)> {
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
}
