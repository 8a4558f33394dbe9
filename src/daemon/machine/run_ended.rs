//! What follows from the end of an initialization, a scan or an acceptance. Pure.

use std::time::Duration;

use super::baseline::{BaselineReason, KnownBaseline};
use super::event::{Action, Finished};
use super::schedule::retry_after;
use super::state::State;
use super::{Machine, messages};
use crate::api::RefusalReason;
use crate::scan::acceptance::Refusal;
use crate::scan::outcome::ScanError;

impl Machine {
    pub(super) fn finish(&mut self, finished: Finished, now: Duration, actions: &mut Vec<Action>) {
        match finished {
            Finished::Initialized(created) => {
                self.finish_ended_holds(actions);
                self.initialized(created, now, actions);
            }
            // What holds should accept at their end is not accepted yet.
            Finished::ExclusionsChanged(created) => self.initialized(created, now, actions),
            Finished::InitFailed(error) => self.init_failed(error, now, actions),
            Finished::Unaccepted { digest } => self.unaccepted(digest.as_deref(), now, actions),
            Finished::Scanned { digest } => self.scanned(digest.as_deref(), now, actions),
            Finished::Accepted(created) => self.accepted(created, now, actions),
            Finished::AcceptedPart(created) => self.accepted_part(created, now, actions),
            Finished::Refused {
                refusal,
                has_scanned,
            } => self.refused(refusal, has_scanned, now, actions),
            Finished::BaselineMissing => {
                self.baseline.missing();
                self.state = State::Idle { due: now };
            }
            Finished::BaselineOutdated { made_by, digest } => {
                self.baseline.outdated(made_by, &digest);
                self.state = State::Idle { due: now };
            }
            Finished::Stuck(error) => {
                if let State::Accepting { request, .. } = &self.state {
                    let refusal = Refusal::new(RefusalReason::Error, error.message.clone());
                    self.refuse(request.clone(), refusal, actions);
                }
                self.readiness.attempt_over();
                self.state = State::Stuck { due: now, error };
            }
            Finished::Stopped => self.state = State::Starting,
        }
    }

    fn initialized(&mut self, created: KnownBaseline, now: Duration, actions: &mut Vec<Action>) {
        let reason = match std::mem::replace(&mut self.state, State::Idle { due: now }) {
            State::Initializing(reason) => reason,
            _ => BaselineReason::First,
        };
        self.readiness.attempt_over();
        self.interrupted = 0;
        if let Some(id) = reason.request() {
            self.reinit_done = Some(id.to_owned());
        }
        actions.push(Action::PublishBaseline {
            request: reason.request().map(str::to_owned),
            event: messages::of_new_baseline(
                &reason,
                self.baseline.old_digest(),
                &created.digest,
                self.open_failure(),
            ),
        });
        let done = self.reinit_done.as_deref();
        if reason == BaselineReason::Signal || self.signal.is_done(&created, done) {
            self.signal.clear();
            actions.push(Action::RemoveSignal);
        }
        self.baseline.initialized(created);
        self.is_compared = true;
    }

    fn init_failed(&mut self, error: ScanError, now: Duration, actions: &mut Vec<Action>) {
        let (reason, attempts) = match std::mem::replace(&mut self.state, State::Starting) {
            State::Initializing(reason) => (reason, self.interrupted),
            State::InitFailed {
                reason, attempts, ..
            } => (reason, attempts),
            _ => (BaselineReason::First, 0),
        };
        let attempts = attempts + 1;
        self.interrupted = attempts;
        self.readiness.attempt_over();
        self.state = State::InitFailed {
            due: now + retry_after(attempts),
            attempts,
            reason,
        };
        actions.push(Action::PublishError { error, event: None });
    }

    /// The new configuration waits. Unless the old one is desired again, the node is scanned with it at the next attempt.
    fn unaccepted(&mut self, digest: Option<&str>, now: Duration, actions: &mut Vec<Action>) {
        let before = std::mem::replace(&mut self.state, State::Idle { due: now });
        self.interrupted = 0;
        self.readiness.attempt_over();
        if let Some(error) = digest.and_then(|digest| self.baseline.tampered_with(digest)) {
            self.baseline.error = Some(error);
            return;
        }
        self.schedule.scan_ended(now);
        let due = self.schedule.after_scan(now);
        if let State::Initializing(reason) = before {
            self.state = State::InitFailed {
                due,
                attempts: 0,
                reason,
            };
        }
        actions.push(Action::PublishScan);
    }

    /// The run has compared the whole node, so the next scan is that after a scan.
    fn accepted(&mut self, created: KnownBaseline, now: Duration, actions: &mut Vec<Action>) {
        let state = std::mem::replace(&mut self.state, State::Idle { due: now });
        self.baseline.initialized(created);
        self.interrupted = 0;
        self.schedule.scan_ended(now);
        let due = self.schedule.after_scan(now);
        if let State::Accepting { request, .. } = state {
            self.state = State::Idle { due };
            self.acceptances.accepted(&request);
            self.finish_ended_holds(actions);
            actions.push(Action::PublishAccepted(request));
        }
    }

    /// The run has compared the whole node, and its result is what is left.
    fn accepted_part(&mut self, created: KnownBaseline, now: Duration, actions: &mut Vec<Action>) {
        self.baseline.initialized(created);
        self.interrupted = 0;
        self.schedule.scan_ended(now);
        let after = self.schedule.after_scan(now);
        let due = if self.expects_approval { now } else { after };
        self.state = State::Idle { due };
        let scan = self.scan_requests.scan_ended();
        actions.push(Action::PublishPart { scan });
    }

    fn refused(
        &mut self,
        refusal: Refusal,
        has_scanned: bool,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let before = std::mem::replace(&mut self.state, State::Idle { due: now });
        self.interrupted = 0;
        let State::Accepting { request, due } = before else {
            return;
        };
        let due = match refusal.reason {
            // A scan decides about the database.
            RefusalReason::BaselineUntrusted => now,
            _ if has_scanned => {
                self.schedule.scan_ended(now);
                self.schedule.after_scan(now)
            }
            _ => due,
        };
        self.state = State::Idle { due };
        self.refuse(request, refusal, actions);
    }

    fn scanned(&mut self, digest: Option<&str>, now: Duration, actions: &mut Vec<Action>) {
        self.interrupted = 0;
        if let Some(error) = digest.and_then(|digest| self.baseline.tampered_with(digest)) {
            self.baseline.error = Some(error);
            self.state = State::Idle { due: now };
            return;
        }
        self.schedule.scan_ended(now);
        let after = self.schedule.after_scan(now);
        let due = if self.expects_approval { now } else { after };
        self.state = State::Idle { due };
        actions.push(match self.scan_requests.scan_ended() {
            Some(id) => Action::PublishRequestedScan(id),
            None => Action::PublishScan,
        });
    }
}
