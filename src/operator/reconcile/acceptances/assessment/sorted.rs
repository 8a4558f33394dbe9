//! The nodes of an acceptance, by what they do for it. Pure.

use super::super::included_nodes::IncludedNodes;
use super::super::node::AcceptanceNode;
use super::super::outcomes::{Outcome, Outcomes};
use super::Assessing;
use crate::api::{AcceptanceRequest, AcceptanceState, ChangeSetId, WaitingReason};
use crate::operator::cache::node_status::CachedAnswer;

/// Maximum number of requests to a node.
const MAX_ATTEMPTS: u32 = 3;

/// The included nodes, by what they do for the acceptance.
#[derive(Default)]
pub(super) struct Sorted<'f, 'a> {
    pub(super) outcomes: Outcomes<'a>,
    /// Those with an open request.
    pub(super) open: Vec<(&'f AcceptanceNode<'a>, &'a AcceptanceRequest)>,
    /// Those that may get a request, with the number of the attempt.
    pub(super) candidates: Vec<(&'f AcceptanceNode<'a>, u32)>,
    /// Those that have accepted and should publish their report.
    pub(super) reporters: Vec<(&'f AcceptanceNode<'a>, &'a CachedAnswer)>,
}

impl<'f, 'a> Assessing<'f, 'a> {
    /// Sorts the included nodes.
    pub(super) fn sort(&self, set: ChangeSetId, included: &IncludedNodes<'a>) -> Sorted<'f, 'a> {
        let mut sorted = Sorted::default();
        for node in &self.fleet.nodes {
            let may_show =
                || node.shows(set, self.config_hash) && included.includes(node.name, node.labels);
            let open = node.open_request();
            if let Some(request) = open.filter(|request| request.uid == self.uid) {
                let message = (!node.ready).then_some("the node is not ready");
                sorted.wait(node, None, message);
                sorted.open.push((node, request));
            } else if let Some(answer) = node.answer_to(self.uid) {
                if is_retried(answer) && may_show() {
                    sorted.wait(node, None, Some("the node shows the set again"));
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
                let (reason, message) = obstacle(node);
                sorted.wait(node, reason, message);
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
}

/// Whether a node that has refused gets another request when it shows the set again.
fn is_retried(answer: &CachedAnswer) -> bool {
    answer.state == AcceptanceState::Refused
        && answer.attempt < MAX_ATTEMPTS
        && answer.is_older_than_result
}

/// Why a node that shows the set does not get a request now.
fn obstacle(node: &AcceptanceNode<'_>) -> (Option<WaitingReason>, Option<&'static str>) {
    if node.is_too_old {
        let message =
            "the daemon of the node is of an earlier version, which does not know acceptances";
        (Some(WaitingReason::DaemonTooOld), Some(message))
    } else if !node.is_free {
        let message = "the scans of the node are held, or it is being re-initialized";
        (None, Some(message))
    } else {
        (None, None)
    }
}

impl<'a> Sorted<'_, 'a> {
    fn wait(
        &mut self,
        node: &AcceptanceNode<'a>,
        reason: Option<WaitingReason>,
        message: Option<&'static str>,
    ) {
        self.outcomes
            .insert(node.name, Outcome::Waiting { reason, message });
    }
}
