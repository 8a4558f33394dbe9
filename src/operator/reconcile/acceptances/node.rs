//! A node of the FileIntegrity, as acceptances see it. Pure.

use k8s_openapi::jiff::Timestamp;

use crate::api::{AcceptanceRequest, AcceptanceState, AnnouncedChanges, ChangeSetId};
use crate::operator::cache::node::Labels;
use crate::operator::cache::node_status::{CachedAnswer, CachedProgress};

#[derive(Clone, Copy, Debug)]
pub(crate) struct AcceptanceNode<'a> {
    pub(crate) name: &'a str,
    pub(crate) labels: &'a Labels,
    /// The kubelet reports.
    pub(crate) ready: bool,
    /// It may get a request: its scans are not held, and no re-initialization is open.
    pub(crate) is_free: bool,
    /// Its daemon does not know acceptances: the hashes of its changes are of another version.
    pub(crate) is_too_old: bool,
    /// The changes that its last result shows.
    pub(crate) change_set: Option<ChangeSetId>,
    /// The configuration of its baseline.
    pub(crate) config_hash: Option<&'a str>,
    /// The same, if the node keeps it until its changes are accepted, although another one is in effect.
    pub(crate) kept_config: Option<&'a str>,
    /// The request in its status object.
    pub(crate) request: Option<&'a AcceptanceRequest>,
    pub(crate) answer: Option<&'a CachedAnswer>,
    /// The acceptances with lists of changes in its status object.
    pub(crate) announced: &'a [AnnouncedChanges],
    /// What its baseline has of them.
    pub(crate) progress: &'a [CachedProgress],
    /// When the API server stored the last change of its status object.
    pub(crate) written_at: Option<Timestamp>,
}

impl<'a> AcceptanceNode<'a> {
    /// The request that it has not answered yet.
    pub(crate) fn open_request(&self) -> Option<&'a AcceptanceRequest> {
        self.request
            .filter(|request| self.answer.is_none_or(|answer| !is_answer(request, answer)))
    }

    /// The request that it has answered.
    pub(crate) fn answered_request(&self) -> Option<&'a AcceptanceRequest> {
        let answer = self.answer?;
        self.request.filter(|request| is_answer(request, answer))
    }

    /// Its answer to the acceptance with this UID.
    pub(crate) fn answer_to(&self, uid: &str) -> Option<&'a CachedAnswer> {
        self.answer.filter(|answer| *answer.uid == *uid)
    }

    /// Whether it shows this set with this configuration.
    pub(crate) fn shows(&self, set: ChangeSetId, config_hash: &str) -> bool {
        self.change_set == Some(set) && self.config_hash == Some(config_hash)
    }

    /// When it answered. The clock of the node counts only as far as it is not ahead of the API server's.
    pub(crate) fn answered_at(&self, answer: &CachedAnswer) -> Timestamp {
        let written = self.written_at.unwrap_or(answer.finished_at);
        answer.finished_at.min(written)
    }
}

/// As [`AcceptanceRequest::is_answered_by`], for the cached form of the answer.
fn is_answer(request: &AcceptanceRequest, answer: &CachedAnswer) -> bool {
    *answer.uid == *request.uid
        && (request.attempt <= answer.attempt || answer.state == AcceptanceState::Accepted)
}
