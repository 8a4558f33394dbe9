//! What has become of an acceptance on each node. Pure.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{
    AcceptanceCounts, AcceptanceState, FileIntegrityAcceptanceStatus, MAX_NODES_IN_STATUS,
    NodeOutcome, WaitingReason, names, time,
};
use crate::operator::cache::node_status::CachedAnswer;

/// The state of each node that an acceptance includes, by the name of the node.
#[derive(Debug, Default)]
pub(crate) struct Outcomes<'a>(BTreeMap<&'a str, Outcome<'a>>);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome<'a> {
    /// It has a request that it has not answered, or will get one.
    Waiting {
        reason: Option<WaitingReason>,
        message: Option<&'static str>,
    },
    /// Its last answer is final.
    Answered(&'a CachedAnswer),
    /// It was answered before, and the node status does not have the answer any more.
    Recorded(&'a NodeOutcome),
}

impl Outcome<'_> {
    fn state(&self) -> AcceptanceState {
        match self {
            Self::Waiting { .. } => AcceptanceState::Waiting,
            Self::Answered(answer) => answer.state,
            Self::Recorded(outcome) => outcome.state,
        }
    }
}

impl<'a> Outcomes<'a> {
    pub(crate) fn insert(&mut self, node: &'a str, outcome: Outcome<'a>) {
        self.0.insert(node, outcome);
    }

    /// Adds what the stored status has of nodes that are not known otherwise, such as deleted ones. Nodes that were
    /// waiting are omitted: they show the set no longer.
    pub(crate) fn add_recorded(&mut self, recorded: &RecordedNodes<'a>) {
        for (name, outcome) in &recorded.0 {
            if outcome.state != AcceptanceState::Waiting {
                self.0.entry(name).or_insert(Outcome::Recorded(outcome));
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The counts. `before` are the stored ones: the number of accepted nodes never decreases.
    pub(crate) fn counts(&self, before: Option<AcceptanceCounts>) -> AcceptanceCounts {
        let count = |state| {
            let nodes = self.0.values().filter(|outcome| outcome.state() == state);
            i64::try_from(nodes.count()).unwrap_or(i64::MAX)
        };
        let accepted = before.map_or(0, |before| before.accepted);
        let accepted = accepted.max(count(AcceptanceState::Accepted));
        let refused = count(AcceptanceState::Refused);
        let waiting = count(AcceptanceState::Waiting);
        AcceptanceCounts {
            matched: accepted.saturating_add(refused).saturating_add(waiting),
            accepted,
            refused,
            waiting,
        }
    }

    /// The nodes of a status: those that refused first, then those that wait.
    pub(crate) fn listed(&self) -> Vec<NodeOutcome> {
        let order = [
            AcceptanceState::Refused,
            AcceptanceState::Waiting,
            AcceptanceState::Accepted,
        ];
        let nodes = order.into_iter().flat_map(|state| {
            let all = self.0.iter();
            all.filter(move |(_, outcome)| outcome.state() == state)
        });
        nodes
            .take(MAX_NODES_IN_STATUS)
            .map(|(name, outcome)| listed(name, outcome))
            .collect()
    }
}

fn listed(name: &str, outcome: &Outcome<'_>) -> NodeOutcome {
    let text = |text: &Option<std::sync::Arc<str>>| text.as_ref().map(ToString::to_string);
    match outcome {
        Outcome::Recorded(outcome) => NodeOutcome::clone(outcome),
        Outcome::Waiting { reason, message } => NodeOutcome {
            name: name.to_owned(),
            state: AcceptanceState::Waiting,
            reason: reason.map(|reason| reason.to_string()),
            message: message.map(str::to_owned),
            at: None,
            old_digest: None,
            new_digest: None,
        },
        Outcome::Answered(answer) => NodeOutcome {
            name: name.to_owned(),
            state: answer.state,
            reason: text(&answer.reason),
            message: text(&answer.message),
            at: Some(answered_at(answer)),
            old_digest: answer.old_digest.map(|digest| names::hex(&digest)),
            new_digest: answer.new_digest.map(|digest| names::hex(&digest)),
        },
    }
}

fn answered_at(answer: &CachedAnswer) -> Time {
    time::whole_seconds(answer.finished_at)
}

/// The nodes in the stored status.
#[derive(Debug, Default)]
pub(crate) struct RecordedNodes<'a>(HashMap<&'a str, &'a NodeOutcome>);

impl<'a> RecordedNodes<'a> {
    pub(crate) fn new(status: Option<&'a FileIntegrityAcceptanceStatus>) -> Self {
        let nodes = status.iter().flat_map(|status| &status.nodes);
        Self(nodes.map(|node| (node.name.as_str(), node)).collect())
    }

    /// The stored state of a node.
    pub(crate) fn state(&self, node: &str) -> Option<AcceptanceState> {
        self.0.get(node).map(|outcome| outcome.state)
    }
}
