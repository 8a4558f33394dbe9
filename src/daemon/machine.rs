//! The daemon's state machine: decides what to do next. Pure; times are since the daemon's start, from a
//! monotonic clock.
//!
//! [`Machine::handle`] takes one event and returns actions. After each event the machine *settles*: it
//! derives from everything that is known whether to initialize, scan, wait or hold. So the order of
//! events does not matter.
//!
//! ```text
//!  Starting --all known--> settle --> Initializing --ok--> Scanning --> Idle --due--> Scanning
//!                            |             '--failed--> InitFailed --due--> Initializing
//!                            '--held--> Held          '--baseline not trusted--> Untrusted
//!
//!  Idle --acceptance requested--> Accepting --accepted or refused--> Idle
//!
//!  Initializing, Scanning, Accepting --AIDE cannot be terminated--> Stuck --AIDE has exited--> settle
//! ```
//!
//! AIDE is not terminated for a request that arrives while it runs: its result may be almost complete.
//! The request is done when AIDE has finished.

mod acceptances;
mod assessment;
mod baseline;
mod comparison;
mod config;
mod event;
mod messages;
mod part_checks;
mod readiness;
mod run_ended;
mod scan_requests;
mod schedule;
mod settings;
mod signal;
mod state;
mod timed_holds;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

pub(crate) use self::baseline::{BaselineReason, NO_DATABASE, OldBaseline};
pub use self::baseline::{Disk, KnownBaseline};
pub(crate) use self::baseline::{ExecutedAcceptance, MAX_KILLS};
pub use self::event::{Action, Event, Finished};
pub use self::settings::Settings;
pub(crate) use self::state::State;
#[cfg(test)]
pub(crate) use self::timed_holds::EndedHold;

use self::acceptances::Acceptances;
use self::assessment::{Assessment, BaselineState, Inputs};
use self::comparison::{Comparison, compare};
use self::config::Config;
use self::part_checks::PartChecks;
use self::readiness::Readiness;
use self::scan_requests::ScanRequests;
use self::schedule::{Schedule, retry_after};
use self::signal::Signal;
use self::timed_holds::{Phase, TimedHolds};
use super::node_state::ObservedStatus;
use crate::scan::outcome::ScanError;

#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each set once by an event; the state itself is an enum"
)]
pub struct Machine {
    state: State,
    schedule: Schedule,
    part_checks: PartChecks,
    scan_requests: ScanRequests,
    timed_holds: TimedHolds,
    baseline: BaselineState,
    signal: Signal,
    acceptances: Acceptances,
    /// Changes were found that announced acceptances may approve.
    expects_approval: bool,
    observed: Option<ObservedStatus>,
    api_unreachable: bool,
    config: Config,
    /// Id of the newest request that is done.
    reinit_done: Option<String>,
    /// The baseline on the disk was compared with the reported one.
    is_compared: bool,
    /// The node status had a baseline when it was observed last.
    baseline_shown: bool,
    /// Number of runs of AIDE in a row that were killed, or failed to create a baseline.
    interrupted: u32,
    readiness: Readiness,
    stopping: bool,
}

impl Machine {
    /// A machine that knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            state: State::Starting,
            schedule: Schedule::new(settings.interval, settings.first_fraction),
            part_checks: PartChecks::default(),
            scan_requests: ScanRequests::default(),
            timed_holds: TimedHolds::default(),
            baseline: BaselineState::new(settings.error_on_loss, settings.state_dir),
            signal: Signal::default(),
            acceptances: Acceptances::default(),
            expects_approval: false,
            observed: None,
            api_unreachable: false,
            config: Config::default(),
            reinit_done: None,
            is_compared: false,
            baseline_shown: false,
            interrupted: 0,
            readiness: Readiness::default(),
            stopping: false,
        }
    }

    /// Hash of the configuration to run AIDE with.
    pub fn config(&self) -> Option<&str> {
        self.config.loaded()
    }

    /// sha256 of the baseline on the disk, if there is one of this FileIntegrity.
    pub(crate) fn baseline_digest(&self) -> Option<&str> {
        self.baseline.known().map(|known| known.digest.as_str())
    }

    /// The baseline that a new one replaces, if it was recorded.
    pub(crate) fn old_baseline(&self) -> Option<OldBaseline> {
        self.baseline.old()
    }

    /// Whether only an acceptance may replace a baseline. While the API server is unreachable after a start this is not
    /// known, so the comparison with the API decides about a baseline that was created meanwhile.
    pub(crate) fn requires_acceptance(&self) -> bool {
        let observed = self.observed.as_ref();
        observed.is_some_and(|observed| observed.desired.require_acceptance)
    }

    #[cfg(any(test, feature = "testing"))]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The wall clock, to be set before each event. Without it, no hold of the spec starts.
    pub(crate) fn set_clock(&mut self, clock: Timestamp) {
        self.timed_holds.set_clock(clock);
    }

    /// Handles one event, and returns what to do.
    pub fn handle(&mut self, event: Event, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::DiskRead(disk) => self.baseline.disk = Some(disk),
            Event::Interrupted(times) => self.interrupted = times,
            Event::Observed(observed) => self.observe(*observed, now, &mut actions),
            Event::ApiUnreachable => self.api_unreachable = true,
            Event::ConfigLoaded(hash) => self.config_loaded(hash, now),
            Event::Signal(text) => self.signal.set(&text),
            Event::Finished(finished) => self.finish(finished, now, &mut actions),
            Event::Announced { due } => self.part_checks.announced(due),
            Event::ScanNeeded => self.scan_soon(now),
            Event::ApprovalExpected => self.approve_soon(now),
            Event::PartChecked { digest } => self.part_checked(digest.as_deref(), now),
            Event::AideExited => self.state = State::Idle { due: now },
            Event::Published => self.readiness.published(&mut actions),
            Event::Timer => {}
            Event::Shutdown => self.stopping = true,
        }
        if let Some(hold) = self.timed_holds.look() {
            actions.push(Action::PublishHold(Some(hold)));
        }
        self.settle(now, &mut actions);
        if let (Some(left), false) = (self.timed_holds.next_look(), self.stopping) {
            actions.push(Action::WakeAt(now + left));
        }
        actions
    }

    fn observe(&mut self, observed: ObservedStatus, now: Duration, actions: &mut Vec<Action>) {
        self.api_unreachable = false;
        if self.is_announced_anew(&observed) {
            if observed.open_failure.is_some() {
                self.approve_soon(now);
            }
            // The scan that runs may have looked for announced changes before.
            self.expects_approval |= self.state == State::Scanning;
        }
        let shown = observed.baseline.is_some();
        if self.is_compared && self.baseline_shown && !shown {
            actions.push(Action::RepublishStatus);
        }
        self.baseline_shown = shown;
        if self.reinit_done.is_none() {
            self.reinit_done.clone_from(&observed.reinit_done);
        }
        self.scan_requests.observe(&observed);
        self.timed_holds.observe(&observed);
        let done = observed.reinit_done.as_deref();
        self.signal.explain(&observed.desired, done);
        if !self.is_compared {
            self.baseline.recorded.clone_from(&observed.baseline);
        }
        self.observed = Some(observed);
    }

    /// Whether an acceptance is announced that was not before.
    fn is_announced_anew(&self, observed: &ObservedStatus) -> bool {
        let Some(before) = &self.observed else {
            return false;
        };
        let is_known = |uid: &String| {
            let mut known = before.desired.announced.iter();
            known.any(|announced| announced.uid == *uid)
        };
        let mut announced = observed.desired.announced.iter();
        announced.any(|it| !is_known(&it.uid))
    }

    /// A run that may accept announced changes starts now.
    fn approve_soon(&mut self, now: Duration) {
        if let State::Idle { due } = &mut self.state {
            *due = now;
            self.expects_approval = true;
        }
    }

    fn config_loaded(&mut self, hash: String, now: Duration) {
        let observed = self.observed.as_ref();
        let desired = observed.and_then(|o| o.desired.config_hash.as_deref());
        let is_taken = self.config.take(hash, desired);
        // With a new configuration initialization is tried again at once.
        if let (true, State::InitFailed { due, .. }) = (is_taken, &mut self.state) {
            *due = now;
        }
    }

    /// Any file may have changed.
    fn scan_soon(&mut self, now: Duration) {
        let soon = self.schedule.soon(now);
        if let State::Idle { due } = &mut self.state {
            *due = soon.min(*due);
        }
    }

    /// A scan decides about a database that is not the known one: it may be missing, empty, or outdated.
    fn part_checked(&mut self, digest: Option<&str>, now: Duration) {
        self.part_checks.ended();
        let is_other = digest.is_some_and(|digest| self.baseline.tampered_with(digest).is_some());
        if let (true, State::Idle { due }) = (is_other, &mut self.state) {
            *due = now;
        }
    }

    fn open_failure(&self) -> Option<&str> {
        self.observed.as_ref()?.open_failure.as_deref()
    }

    /// Derives what to do from what is known. While AIDE runs, it only loads the configuration, or
    /// terminates AIDE to exit.
    fn settle(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let running = self.state.runs_aide();
        if self.stopping {
            actions.push(if running || self.part_checks.is_running() {
                Action::StopAide
            } else {
                Action::Exit
            });
            return;
        }
        let observed = self.observed.as_ref();
        if let Some(desired) = observed.and_then(|o| o.desired.config_hash.as_deref()) {
            self.config.request(desired, actions);
        }
        if running {
            if self.state == State::Scanning {
                self.part_checks.proceed(now, actions);
            }
            return;
        }
        if let State::Stuck { due, error } = &self.state {
            let (due, error) = (*due, error.clone());
            self.stay_stuck(due, error, now, actions);
            return;
        }
        if !self.is_compared && !self.compare_with_api(actions) {
            self.state = State::Starting;
            return;
        }
        if self.hold_if_requested(now, actions) {
            return;
        }
        if self.state == State::Held {
            actions.push(Action::EndHold);
            // Changes during the hold are reported at once.
            self.state = State::Idle { due: now };
        }
        self.remove_done_signal(actions);
        self.refuse_signal(actions);
        if self.interrupted > 0 && self.state == State::Starting {
            self.report_interruption(now, actions);
        }
        self.proceed(now, actions);
    }

    /// Compares the baseline on the disk with the reported one. Returns false while one of them, or the
    /// configuration, is not known yet.
    fn compare_with_api(&mut self, actions: &mut Vec<Action>) -> bool {
        if self.baseline.moved_from().is_some() {
            // A database in the new directory is not the recorded one.
            self.baseline.disk = self.baseline.disk.as_ref().map(|_| Disk::Nothing);
        }
        let (Some(disk), Some(config)) = (&self.baseline.disk, self.config.loaded()) else {
            return false;
        };
        let Some(observed) = &self.observed else {
            // While the API server is unreachable, only the record on the disk is known. Nothing is reported
            // until the comparison with the API. A mounted configuration that is not the baseline's is not
            // used: nothing shows that it was requested.
            let is_known = matches!(disk, Disk::Baseline(known) if known.config_hash == config);
            return self.api_unreachable && is_known;
        };
        let desired = observed.desired.config_hash.as_deref();
        if desired.is_some_and(|desired| desired != config) {
            return false;
        }
        let comparison = compare(disk, observed);
        self.is_compared = true;
        self.take_comparison(comparison, actions);
        self.readiness.published(actions);
        true
    }

    fn take_comparison(&mut self, comparison: Comparison, actions: &mut Vec<Action>) {
        match comparison {
            Comparison::Same => self.readiness.attempt_over(),
            Comparison::Adopt { request, event } => {
                self.readiness.attempt_over();
                if let Some(adopted) = self.baseline.known().cloned() {
                    self.baseline.record(&adopted);
                    if self.timed_holds.is_of_period(adopted.request.as_deref()) {
                        self.finish_ended_holds(actions);
                    }
                }
                if request.is_some() {
                    self.reinit_done.clone_from(&request);
                }
                actions.push(Action::PublishBaseline { request, event });
            }
            Comparison::AdoptAccepted(request) => {
                self.readiness.attempt_over();
                if let Some(adopted) = self.baseline.known().cloned() {
                    self.baseline.record(&adopted);
                }
                self.acceptances.accepted(&request);
                actions.push(Action::PublishAccepted(request));
            }
            Comparison::AdoptWithdrawn { executed, event } => {
                self.readiness.attempt_over();
                if let Some(known) = self.baseline.known().cloned() {
                    let adopted = KnownBaseline {
                        requested: false,
                        ..known
                    };
                    self.baseline.record(&adopted);
                    self.baseline.disk = Some(Disk::Baseline(adopted));
                }
                actions.push(Action::PublishWithdrawn { executed, event });
            }
            Comparison::Restored(known) => {
                self.readiness.attempt_over();
                self.baseline.disk = Some(Disk::Baseline(known));
            }
            Comparison::Tampered(error) => self.baseline.error = Some(error),
            Comparison::NoBaseline => {}
        }
    }

    /// Holds the node if the annotation or a hold of the spec requests it.
    fn hold_if_requested(&mut self, now: Duration, actions: &mut Vec<Action>) -> bool {
        let observed = self.observed.as_ref();
        let by_annotation = observed.and_then(|o| o.desired.hold.clone());
        let phase = self.timed_holds.phase();
        let has_ended = !matches!(phase, Phase::None | Phase::Active(_));
        if phase == Phase::Reports || by_annotation.is_some() && has_ended {
            // If the annotation holds the node longer, what it requests at its end decides.
            self.timed_holds.finish();
            actions.push(Action::PublishHold(None));
            if let State::Idle { due } = &mut self.state {
                // AIDE was running from the start of the hold to its end.
                *due = now;
            }
        }
        let hold = match (by_annotation, phase) {
            (Some(reason), _) => Action::Hold(reason),
            (None, Phase::Active(hold)) => Action::HoldByName(hold.holds),
            (None, Phase::Unreported(hold)) => {
                actions.push(Action::PublishHold(Some(hold.clone())));
                Action::HoldByName(hold.holds)
            }
            (None, Phase::None | Phase::Reports | Phase::Accepts(_)) => return false,
        };
        if self.state != State::Held {
            self.state = State::Held;
            actions.push(hold);
        }
        self.readiness.become_ready(actions);
        true
    }

    /// There is a new baseline. If the holds have ended, nothing is left to do for them.
    fn finish_ended_holds(&mut self, actions: &mut Vec<Action>) {
        if !self.timed_holds.is_active() && self.timed_holds.finish() {
            actions.push(Action::SetHold(None));
        }
    }

    fn remove_done_signal(&mut self, actions: &mut Vec<Action>) {
        let Some(known) = self.baseline.known() else {
            return;
        };
        let observed = self.observed.as_ref();
        let is_superseded = observed.is_some_and(|o| self.signal.is_superseded(&o.desired));
        if self.signal.is_done(known, self.reinit_done.as_deref()) || is_superseded {
            self.signal.clear();
            actions.push(Action::RemoveSignal);
        }
    }

    /// The signal file accepts nothing if only an acceptance may replace a baseline.
    fn refuse_signal(&mut self, actions: &mut Vec<Action>) {
        if self.requires_acceptance() && self.signal.requests_acceptance() {
            self.signal.clear();
            actions.push(Action::RemoveSignal);
            actions.push(Action::PublishEvent(messages::signal_refused()));
        }
    }

    fn report_interruption(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let error = messages::interrupted(self.interrupted);
        let due = now + retry_after(self.interrupted);
        self.state = match self.assess() {
            Assessment::Needed(reason) => State::InitFailed {
                due,
                attempts: self.interrupted,
                reason,
            },
            Assessment::Usable | Assessment::Untrusted(_) => State::Idle { due },
        };
        self.readiness.attempt_over();
        actions.push(Action::PublishError { error, event: None });
    }

    fn assess(&self) -> Assessment {
        let observed = self.observed.as_ref();
        let request = observed.and_then(|o| o.desired.reinit_request.as_deref());
        let requires_acceptance = self.requires_acceptance();
        let is_open = |id: &&str| !requires_acceptance && self.reinit_done.as_deref() != Some(*id);
        let phase = self.timed_holds.phase();
        self.baseline.assess(&Inputs {
            ended_hold: match &phase {
                Phase::Accepts(ended) => Some(ended),
                _ => None,
            },
            config: self.config.loaded(),
            request: request.filter(is_open),
            open_failure: self.open_failure(),
            has_signal: !requires_acceptance && self.signal.is_set(),
            requires_acceptance,
        })
    }

    fn proceed(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let assessment = self.assess();
        self.refuse_acceptance(&assessment, actions);
        match assessment {
            // A check reads the baseline that would be replaced. It takes a minute at most.
            Assessment::Needed(_) if self.part_checks.is_running() => {}
            Assessment::Needed(reason) => self.initialize(reason, now, actions),
            Assessment::Untrusted(error) => self.distrust(error, now, actions),
            Assessment::Usable if self.open_acceptance().is_some() => self.accept(now, actions),
            Assessment::Usable => {
                self.scan_if_due(now, actions);
                self.part_checks.proceed(now, actions);
            }
        }
    }

    /// After a run that was killed, also a requested scan waits: it would be killed as well.
    fn scan_if_due(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let is_requested = self.scan_requests.is_open() && self.interrupted == 0;
        match self.state {
            State::Idle { due } if due > now && !is_requested => actions.push(Action::WakeAt(due)),
            _ => {
                self.state = State::Scanning;
                self.scan_requests.scan_started();
                self.schedule.scan_started(now);
                let expects_approval = std::mem::take(&mut self.expects_approval);
                actions.push(if expects_approval {
                    Action::ScanToAccept
                } else {
                    Action::Scan
                });
            }
        }
    }

    /// Starts an initialization, unless one for the same reason has failed and is not due again.
    fn initialize(&mut self, reason: BaselineReason, now: Duration, actions: &mut Vec<Action>) {
        match &self.state {
            State::InitFailed {
                due,
                reason: failed,
                ..
            } if *due > now && *failed == reason => actions.push(Action::WakeAt(*due)),
            _ => {
                self.state = State::Initializing(reason.clone());
                self.part_checks.forget();
                actions.push(Action::Initialize(reason));
            }
        }
    }

    /// Reports a stuck AIDE again. No other run starts: it would get stuck, too.
    fn stay_stuck(
        &mut self,
        due: Duration,
        error: ScanError,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let mut next = due;
        if due <= now {
            let error = error.clone();
            actions.push(Action::PublishError { error, event: None });
            next = self.schedule.report_again(now);
        }
        actions.push(Action::WakeAt(next));
        self.state = State::Stuck { due: next, error };
    }

    fn distrust(&mut self, error: ScanError, now: Duration, actions: &mut Vec<Action>) {
        let (mut due, event) = if let State::Untrusted { due } = self.state {
            (due, None)
        } else {
            self.readiness.attempt_over();
            (now, Some(messages::untrusted(&error)))
        };
        if due <= now {
            actions.push(Action::PublishError { error, event });
            due = self.schedule.report_again(now);
        }
        actions.push(Action::WakeAt(due));
        self.state = State::Untrusted { due };
    }
}

#[cfg(test)]
mod announced_tests;
#[cfg(test)]
mod require_acceptance_tests;
#[cfg(test)]
mod tests;
