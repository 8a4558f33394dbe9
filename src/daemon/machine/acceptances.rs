//! Which acceptance is executed, and which is refused without a run of AIDE. Pure.

use std::time::Duration;

use super::Machine;
use super::assessment::Assessment;
use super::baseline::{BaselineReason, MAX_KILLS};
use super::event::Action;
use super::state::State;
use crate::api::{AcceptanceRequest, RefusalReason};
use crate::scan::acceptance::Refusal;

/// What this process has answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Acceptances {
    newest: Option<Answer>,
}

#[derive(Clone, Debug)]
struct Answer {
    uid: String,
    attempt: u32,
    is_accepted: bool,
}

impl Acceptances {
    pub(super) fn accepted(&mut self, request: &AcceptanceRequest) {
        self.answer(request, true);
    }

    fn answer(&mut self, request: &AcceptanceRequest, is_accepted: bool) {
        self.newest = Some(Answer {
            uid: request.uid.clone(),
            attempt: request.attempt,
            is_accepted,
        });
    }

    /// Whether the answer is sent, or will be.
    fn is_answered(&self, request: &AcceptanceRequest) -> bool {
        let newest = self.newest.as_ref();
        newest.is_some_and(|answer| {
            answer.uid == request.uid && (answer.is_accepted || request.attempt <= answer.attempt)
        })
    }
}

impl Machine {
    /// The requested acceptance, if it is not answered.
    pub(super) fn open_acceptance(&self) -> Option<&AcceptanceRequest> {
        let observed = self.observed.as_ref()?;
        let request = observed.desired.acceptance.as_ref()?;
        let reported = observed.acceptance.as_ref();
        let is_answered = reported.is_some_and(|answer| request.is_answered_by(answer))
            || self.acceptances.is_answered(request);
        (!is_answered).then_some(request)
    }

    /// Executes the open acceptance. A check of a part reads the baseline that would be replaced; it takes a minute at most.
    pub(super) fn accept(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let Some(request) = self.open_acceptance().cloned() else {
            return;
        };
        if self.part_checks.is_running() {
            return;
        }
        let due = match self.state {
            State::Idle { due } => due,
            _ => now,
        };
        self.schedule.scan_started(now);
        actions.push(Action::Accept(request.clone()));
        self.state = State::Accepting { request, due };
    }

    /// Refuses the open acceptance if no run of AIDE could execute it.
    pub(super) fn refuse_acceptance(&mut self, found: &Assessment, actions: &mut Vec<Action>) {
        let Some(request) = self.open_acceptance() else {
            return;
        };
        if let Some(refusal) = self.refusal(request, found) {
            self.refuse(request.clone(), refusal, actions);
        }
    }

    pub(super) fn refuse(
        &mut self,
        request: AcceptanceRequest,
        refusal: Refusal,
        actions: &mut Vec<Action>,
    ) {
        self.acceptances.answer(&request, false);
        actions.push(Action::PublishRefused { request, refusal });
    }

    fn refusal(&self, request: &AcceptanceRequest, found: &Assessment) -> Option<Refusal> {
        let observed = self.observed.as_ref();
        let desired = observed.and_then(|it| it.desired.config_hash.as_deref());
        let of_baseline = self.baseline.known().map(|it| it.config_hash.as_str());
        let configurations = [desired.or_else(|| self.config.loaded()), of_baseline];
        let is_other = |hash: &&str| *hash != request.config_hash;
        if let Some(hash) = configurations.into_iter().flatten().find(is_other) {
            return Some(Refusal::new(
                RefusalReason::ConfigurationDiffers,
                format!(
                    "the node has the configuration {hash}, not {}, with which the changes were reviewed",
                    request.config_hash
                ),
            ));
        }
        match found {
            Assessment::Untrusted(error) => Some(Refusal::new(
                RefusalReason::BaselineUntrusted,
                error.message.clone(),
            )),
            Assessment::Needed(
                BaselineReason::First
                | BaselineReason::Foreign { .. }
                | BaselineReason::Outdated { .. }
                | BaselineReason::Moved(_)
                | BaselineReason::Lost,
            ) => Some(Refusal::new(
                RefusalReason::BaselineUntrusted,
                "the node has no baseline that it can be compared with",
            )),
            Assessment::Usable if self.interrupted >= MAX_KILLS => Some(Refusal::new(
                RefusalReason::Error,
                format!(
                    "AIDE and the daemon were killed {} times in a row; the usual reason is the memory limit, see \
                     spec.resources",
                    self.interrupted
                ),
            )),
            // The request, the end of the hold, the signal or the configuration is done first.
            Assessment::Usable
            | Assessment::Needed(
                BaselineReason::Requested(_)
                | BaselineReason::HoldEnded(_)
                | BaselineReason::Config
                | BaselineReason::Signal,
            ) => None,
        }
    }
}

#[cfg(test)]
mod tests;
