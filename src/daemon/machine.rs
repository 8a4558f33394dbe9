//! What the daemon does next: a state machine over what it knows. Pure; times are durations since
//! the daemon's start, from a monotonic clock.
//!
//! [`Machine::handle`] takes one event and returns the actions that follow. After each event the
//! machine *settles*: from all that is known it derives whether to initialise, scan, wait or hold,
//! so that no order of events leads anywhere else than another order would.
//!
//! ```text
//!  Starting --facts known--> settle --> Initialising --ok--> Scanning --> Idle --due--> Scanning
//!                              |             '--failed--> InitFailed --due--> Initialising
//!                              '--held--> Held          '--baseline untrustworthy--> Untrusted
//!
//!  Initialising, Scanning --AIDE cannot be ended--> Stuck --it is gone--> settle
//! ```
//!
//! AIDE is never ended for a wish that arrives while it runs: a result that is nearly there is not
//! thrown away, and the wish is met as soon as AIDE has finished.

use std::collections::VecDeque;
use std::time::Duration;

use crate::api::{ErrorClass, EventReason, names, state_dir};
use crate::scan::event::{EventMessage, Severity};
use crate::scan::outcome::{Finding, ScanError};

/// First pause after a failed initialisation; it doubles up to [`MAX_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// Longest pause after a failed initialisation or an interrupted scan.
const MAX_RETRY: Duration = Duration::from_secs(600);

/// What takes the place of a digest where the file cannot be read as a database.
pub const NO_DATABASE: &str = "a file that is no database";

/// As many explained signals are remembered: a signaller's pod may come up long after its request
/// was done through the status object, and after others were.
const MAX_EXPLAINED: usize = 32;

/// What does not change while a daemon runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Pause between the end of a scan and the next.
    pub pause: Duration,
    /// Part of the pause (0 to 1) after the very first scan; differs by node, so that a fleet that
    /// starts together does not write together.
    pub first_pause: f64,
    /// A lost baseline is reported and not made anew.
    pub error_on_loss: bool,
    /// The state directory that the spec asks for, if it does.
    pub state_dir: Option<String>,
}

/// The baseline as the daemon knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownBaseline {
    /// Configuration that it was made with.
    pub config_hash: String,
    /// sha256 of the database.
    pub digest: String,
    /// The request that it answers.
    pub request: Option<String>,
    /// Somebody asked for it.
    pub requested: bool,
}

/// What was found on the disk at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// No database.
    Nothing,
    /// No database, but the record of one that was made for this FileIntegrity.
    Gone(KnownBaseline),
    /// A database that nothing is known of: another FileIntegrity's, or an earlier program's.
    Foreign {
        /// Its digest.
        digest: String,
    },
    /// A file that cannot be read as a database.
    Unreadable,
    /// A database with its record, made for this FileIntegrity.
    Baseline(KnownBaseline),
}

/// What the node's status object says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Scans are held.
    pub held: bool,
    /// Hash of the configuration to run.
    pub config: Option<String>,
    /// Id of the re-initialisation that should be done.
    pub request: Option<String>,
    /// Id of the newest one that was reported done.
    pub done: Option<String>,
    /// Digest of the baseline that was reported, and the configuration that it was made with.
    pub baseline: Option<(String, String)>,
    /// The state directory in which that one lies, where it was reported.
    pub state_dir: Option<String>,
    /// It was made without anybody having asked for it.
    pub unrequested: bool,
    /// The failure that the newest result without an error reports: counts and failure log.
    pub open_failure: Option<String>,
}

/// Why a baseline is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There was none, and none is missed.
    First,
    /// There was one that nothing is known of: made for another FileIntegrity, or by an earlier
    /// program, whose database this AIDE may not even read.
    Foreign {
        /// The failure that is reported at this time.
        open_failure: Option<String>,
    },
    /// The one that was there was made by another version of AIDE, and today's cannot read it.
    Outdated {
        /// That version.
        made_by: String,
        /// The failure that is reported at this time.
        open_failure: Option<String>,
    },
    /// Somebody asked for it; the request's id.
    Requested(String),
    /// The configuration is another one.
    Config,
    /// The state directory is another one by the spec; the one of before.
    Moved(String),
    /// The one that was there is gone.
    Lost,
    /// The signal file appeared, and no request explains it.
    Signal,
}

impl Cause {
    /// Whether somebody asked for the new baseline. An upgrade makes one unasked, and that accepts
    /// nothing where no failure is open.
    pub fn requested(&self) -> bool {
        match self {
            Self::Lost | Self::Signal => false,
            Self::Foreign { open_failure } | Self::Outdated { open_failure, .. } => {
                open_failure.is_none()
            }
            Self::First | Self::Requested(_) | Self::Config | Self::Moved(_) => true,
        }
    }

    /// The request that it answers.
    pub fn request(&self) -> Option<&str> {
        match self {
            Self::Requested(id) => Some(id),
            _ => None,
        }
    }
}

/// How a run of AIDE ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Finished {
    /// A new baseline is in place.
    Initialised(KnownBaseline),
    /// No new baseline; the old one, if any, is as it was.
    InitFailed(ScanError),
    /// A check is over. The digest is that of the database it read, where the report names it, or of
    /// the one that AIDE cannot read.
    Scanned {
        /// What it found.
        finding: Finding,
        /// sha256 of the database, hex, or [`NO_DATABASE`].
        digest: Option<String>,
    },
    /// There was no database to check against.
    BaselineGone,
    /// Another AIDE made the database, by its record, and today's cannot read it.
    BaselineOutdated {
        /// Version of the AIDE that made it.
        made_by: String,
        /// sha256 of the database, hex.
        digest: String,
    },
    /// AIDE does not come to an end, and cannot be ended.
    Stuck(ScanError),
    /// AIDE was ended because the daemon stops.
    Stopped,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The state directory was read.
    DiskRead(Disk),
    /// The last run of AIDE was cut off together with the container, so many times in a row.
    Interrupted(u32),
    /// The node's status object was seen.
    Observed(Observed),
    /// The API did not answer in time at the start.
    ApiAway,
    /// The configuration of this hash is at hand.
    ConfigLoaded(String),
    /// The signal file is there, with this text.
    Signal(String),
    /// AIDE ended.
    Finished(Finished),
    /// An AIDE that could not be ended is gone at last.
    Freed,
    /// What was handed over has been published.
    Published,
    /// The time that was asked for has come.
    Timer,
    /// The daemon must end.
    Shutdown,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Get the configuration of this hash.
    LoadConfig(String),
    /// Get none: what was to be got is not wanted any more.
    StopLoading,
    /// Make a baseline.
    Initialise(Cause),
    /// Compare with the baseline.
    Scan,
    /// Publish the finding of the scan that just ended.
    PublishScan,
    /// Publish the baseline that was just made, or found at the start.
    PublishBaseline {
        /// The request that is over by it.
        request: Option<String>,
        /// What to say besides.
        warning: Option<EventMessage>,
    },
    /// Publish again what is known: somebody has removed it.
    PublishAgain,
    /// Publish that no scan could be done; over is the request that failed, if one did.
    PublishError {
        /// Why not.
        error: ScanError,
        /// What to say besides.
        warning: Option<EventMessage>,
    },
    /// Remove the signal file.
    ClearSignal,
    /// Send [`Event::Timer`] at this time.
    WakeAt(Duration),
    /// Nothing to wait for: scans are held.
    Sleep,
    /// The daemon's pod is ready.
    Ready,
    /// End AIDE.
    StopAide,
    /// End the daemon.
    Exit,
}

/// Where the machine stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Something that must be known first is not known yet.
    Starting,
    /// AIDE makes a baseline.
    Initialising(Cause),
    /// AIDE compares.
    Scanning,
    /// The next scan is due then.
    Idle {
        /// Since the daemon's start.
        due: Duration,
    },
    /// Scans are held.
    Held,
    /// The next try to make a baseline is due then.
    InitFailed {
        /// Since the daemon's start.
        due: Duration,
        /// So many tries failed.
        attempts: u32,
        /// What the baseline was to be made for.
        cause: Cause,
    },
    /// An AIDE that cannot be ended is still there; the fact is reported again then.
    Stuck {
        /// Since the daemon's start.
        due: Duration,
        /// What is reported.
        error: ScanError,
    },
    /// The baseline cannot be trusted; the fact is reported again then.
    Untrusted {
        /// Since the daemon's start.
        due: Duration,
    },
}

/// Whether the baseline can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trust {
    Fine,
    /// Why not: the text of the error.
    Broken(ScanError),
}

/// The state machine.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each set once by an event; the state proper is an enum"
)]
pub struct Machine {
    settings: Settings,
    state: State,
    disk: Option<Disk>,
    observed: Option<Observed>,
    api_away: bool,
    config: Option<String>,
    config_asked: Option<String>,
    signal: Option<String>,
    /// Texts of signals that the API has explained, newest last.
    explained: VecDeque<String>,
    done: Option<String>,
    /// Digest and configuration of the baseline that the API knows, or is told of.
    recorded: Option<(String, String)>,
    /// Where that one lies.
    recorded_in: Option<String>,
    reconciled: bool,
    /// The status object showed a baseline; should it show none later, somebody removed it.
    baseline_shown: bool,
    trust: Trust,
    /// Version of the AIDE that made the baseline, where today's cannot read it.
    outdated: Option<String>,
    scans: u64,
    interrupted: u32,
    attempt_over: bool,
    ready: bool,
    stopping: bool,
}

impl Machine {
    /// A machine that knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Starting,
            disk: None,
            observed: None,
            api_away: false,
            config: None,
            config_asked: None,
            signal: None,
            explained: VecDeque::new(),
            done: None,
            recorded: None,
            recorded_in: None,
            reconciled: false,
            baseline_shown: false,
            trust: Trust::Fine,
            outdated: None,
            scans: 0,
            interrupted: 0,
            attempt_over: false,
            ready: false,
            stopping: false,
        }
    }

    /// Hash of the configuration that AIDE is to be run with.
    pub fn config(&self) -> Option<&str> {
        self.config.as_deref()
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes in one event, and says what to do.
    pub fn handle(&mut self, event: Event, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::DiskRead(disk) => self.disk = Some(disk),
            Event::Interrupted(times) => self.interrupted = times,
            Event::Observed(observed) => self.observe(observed, &mut actions),
            Event::ApiAway => self.api_away = true,
            Event::ConfigLoaded(hash) => self.config_loaded(hash, now),
            Event::Signal(text) => self.signal = Some(text),
            Event::Finished(finished) => self.finish(finished, now, &mut actions),
            Event::Freed => self.state = State::Idle { due: now },
            Event::Published => self.published(&mut actions),
            Event::Timer => {}
            Event::Shutdown => self.stopping = true,
        }
        self.settle(now, &mut actions);
        actions
    }

    fn observe(&mut self, observed: Observed, actions: &mut Vec<Action>) {
        self.api_away = false;
        let shows = observed.baseline.is_some();
        if self.reconciled && self.baseline_shown && !shows {
            actions.push(Action::PublishAgain);
        }
        self.baseline_shown = shows;
        if self.done.is_none() {
            self.done.clone_from(&observed.done);
        }
        let config = observed
            .config
            .as_ref()
            .map(|hash| format!("{}{hash}", names::CONFIG_SIGNAL));
        for text in [observed.request.clone(), observed.done.clone(), config]
            .into_iter()
            .flatten()
        {
            self.explain(text);
        }
        if !self.reconciled {
            self.recorded.clone_from(&observed.baseline);
            self.recorded_in.clone_from(&observed.state_dir);
        }
        self.observed = Some(observed);
    }

    fn config_loaded(&mut self, hash: String, now: Duration) {
        let wanted = self.observed.as_ref().and_then(|o| o.config.as_ref());
        if self.config.is_some() && wanted.is_some_and(|wanted| *wanted != hash) {
            // It was wanted when it was asked for, and is not any more.
            return;
        }
        self.config = Some(hash);
        self.config_asked = None;
        // A new configuration deserves a new try at once.
        if let State::InitFailed { due, .. } = &mut self.state {
            *due = now;
        }
    }

    fn published(&mut self, actions: &mut Vec<Action>) {
        if self.attempt_over && !self.ready {
            self.ready = true;
            actions.push(Action::Ready);
        }
    }

    fn finish(&mut self, finished: Finished, now: Duration, actions: &mut Vec<Action>) {
        match finished {
            Finished::Initialised(baseline) => self.initialised(baseline, now, actions),
            Finished::InitFailed(error) => self.init_failed(error, now, actions),
            Finished::Scanned { digest, .. } => self.scanned(digest.as_deref(), now, actions),
            Finished::BaselineGone => {
                // While the API is away nothing else tells that there was one.
                self.disk = Some(match self.disk.take() {
                    Some(Disk::Baseline(known) | Disk::Gone(known)) => Disk::Gone(known),
                    _ => Disk::Nothing,
                });
                self.state = State::Idle { due: now };
            }
            Finished::BaselineOutdated { made_by, digest } => {
                match self.forgery(&digest) {
                    // The record beside it is no better than it is.
                    Some(error) => self.trust = Trust::Broken(error),
                    None => self.outdated = Some(made_by),
                }
                self.state = State::Idle { due: now };
            }
            Finished::Stuck(error) => {
                self.attempt_over = true;
                self.state = State::Stuck { due: now, error };
            }
            Finished::Stopped => self.state = State::Starting,
        }
    }

    fn initialised(&mut self, made: KnownBaseline, now: Duration, actions: &mut Vec<Action>) {
        let cause = match std::mem::replace(&mut self.state, State::Idle { due: now }) {
            State::Initialising(cause) => cause,
            _ => Cause::First,
        };
        self.attempt_over = true;
        self.interrupted = 0;
        if let Some(id) = cause.request() {
            self.done = Some(id.to_owned());
        }
        let warning = match &cause {
            Cause::Foreign { open_failure } => {
                Some(replaced(&made.digest, open_failure.as_deref()))
            }
            Cause::Outdated {
                made_by,
                open_failure,
            } => Some(outdated(made_by, &made.digest, open_failure.as_deref())),
            Cause::Moved(from) => Some(moved(from, &made.digest)),
            _ if !cause.requested() => Some(unrequested(
                self.old_digest(),
                &made.digest,
                self.open_failure(),
            )),
            _ => None,
        };
        actions.push(Action::PublishBaseline {
            request: cause.request().map(str::to_owned),
            warning,
        });
        if cause == Cause::Signal || self.signal_is_done(&made) {
            self.signal = None;
            actions.push(Action::ClearSignal);
        }
        self.recorded = Some((made.digest.clone(), made.config_hash.clone()));
        self.recorded_in = None;
        self.disk = Some(Disk::Baseline(made));
        self.reconciled = true;
        self.trust = Trust::Fine;
        self.outdated = None;
    }

    fn open_failure(&self) -> Option<&str> {
        self.observed.as_ref()?.open_failure.as_deref()
    }

    fn old_digest(&self) -> Option<&str> {
        match (&self.recorded, &self.disk) {
            (Some((digest, _)), _) | (None, Some(Disk::Foreign { digest })) => Some(digest),
            (None, Some(Disk::Baseline(known) | Disk::Gone(known))) => Some(&known.digest),
            _ => None,
        }
    }

    fn init_failed(&mut self, error: ScanError, now: Duration, actions: &mut Vec<Action>) {
        let (cause, attempts) = match std::mem::replace(&mut self.state, State::Starting) {
            State::Initialising(cause) => (cause, self.interrupted),
            State::InitFailed {
                cause, attempts, ..
            } => (cause, attempts),
            _ => (Cause::First, 0),
        };
        let attempts = attempts + 1;
        self.interrupted = attempts;
        self.attempt_over = true;
        self.state = State::InitFailed {
            due: now + retry_after(attempts),
            attempts,
            cause,
        };
        actions.push(Action::PublishError {
            error,
            warning: None,
        });
    }

    fn scanned(&mut self, digest: Option<&str>, now: Duration, actions: &mut Vec<Action>) {
        self.interrupted = 0;
        if let Some(error) = digest.and_then(|digest| self.forgery(digest)) {
            self.trust = Trust::Broken(error);
            self.state = State::Idle { due: now };
            return;
        }
        self.state = State::Idle {
            due: now + self.next_pause(),
        };
        self.scans += 1;
        actions.push(Action::PublishScan);
    }

    /// What is wrong, if the database with this digest is not the one that this daemon knows.
    fn forgery(&self, found: &str) -> Option<ScanError> {
        match &self.disk {
            Some(Disk::Baseline(known)) if known.digest != found => {
                Some(tampered(&known.digest, found))
            }
            _ => None,
        }
    }

    fn next_pause(&self) -> Duration {
        if self.scans == 0 {
            self.settings
                .pause
                .mul_f64(self.settings.first_pause.clamp(0.0, 1.0))
        } else {
            self.settings.pause
        }
    }

    /// Derives what to do from what is known. Does nothing while AIDE runs, except at the end.
    fn settle(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let running = matches!(self.state, State::Initialising(_) | State::Scanning);
        if self.stopping {
            actions.push(if running {
                Action::StopAide
            } else {
                Action::Exit
            });
            return;
        }
        self.ask_for_config(actions);
        if running {
            return;
        }
        if let State::Stuck { due, error } = &self.state {
            let (due, error) = (*due, error.clone());
            self.stay_stuck(due, error, now, actions);
            return;
        }
        if !self.reconciled && !self.reconcile(actions) {
            self.state = State::Starting;
            return;
        }
        if self.observed.as_ref().is_some_and(|o| o.held) {
            self.hold(actions);
            return;
        }
        if self.state == State::Held {
            // What happened while the node was held is to be seen at once.
            self.state = State::Idle { due: now };
        }
        self.drop_done_signal(actions);
        if self.interrupted > 0 && self.state == State::Starting {
            self.report_interruption(now, actions);
        }
        self.proceed(now, actions);
    }

    fn ask_for_config(&mut self, actions: &mut Vec<Action>) {
        let Some(wanted) = self.observed.as_ref().and_then(|o| o.config.clone()) else {
            return;
        };
        if self.config.as_ref() == Some(&wanted) {
            if self.config_asked.take().is_some() {
                actions.push(Action::StopLoading);
            }
        } else if self.config_asked.as_ref() != Some(&wanted) {
            self.config_asked = Some(wanted.clone());
            actions.push(Action::LoadConfig(wanted));
        }
    }

    /// Brings together what lies on the disk and what the API knows of it. False while one of the
    /// two, or the configuration, is not known yet.
    fn reconcile(&mut self, actions: &mut Vec<Action>) -> bool {
        if self.moved_from().is_some() {
            // What lies in the new place is of another time, and nobody has recorded it.
            self.disk = self.disk.as_ref().map(|_| Disk::Nothing);
        }
        let (Some(disk), Some(config)) = (&self.disk, &self.config) else {
            return false;
        };
        let Some(observed) = &self.observed else {
            // Without the API the disk's own record has to do; nothing is told before the API is
            // back, and then this runs again.
            // Nor is a mount believed then that has another text than the baseline was made with:
            // nothing says whether somebody asked for that.
            let is_known = matches!(disk, Disk::Baseline(known) if known.config_hash == *config);
            return self.api_away && is_known;
        };
        if observed
            .config
            .as_ref()
            .is_some_and(|wanted| wanted != config)
        {
            return false;
        }
        let verdict = compare(disk, observed);
        self.reconciled = true;
        match verdict {
            Comparison::Same => self.attempt_over = true,
            Comparison::Adopt { request, warning } => {
                self.attempt_over = true;
                // Should it go later, it is missed as one that the API knows.
                if let Disk::Baseline(adopted) = disk {
                    self.recorded = Some((adopted.digest.clone(), adopted.config_hash.clone()));
                    self.recorded_in = None;
                }
                if request.is_some() {
                    self.done.clone_from(&request);
                }
                actions.push(Action::PublishBaseline { request, warning });
            }
            Comparison::Restored(baseline) => {
                self.attempt_over = true;
                self.disk = Some(Disk::Baseline(baseline));
            }
            Comparison::Tampered(error) => self.trust = Trust::Broken(error),
            Comparison::NoBaseline => {}
        }
        if self.attempt_over && !self.ready {
            self.ready = true;
            actions.push(Action::Ready);
        }
        true
    }

    fn hold(&mut self, actions: &mut Vec<Action>) {
        if self.state != State::Held {
            self.state = State::Held;
            actions.push(Action::Sleep);
        }
        if !self.ready {
            self.ready = true;
            actions.push(Action::Ready);
        }
    }

    fn explain(&mut self, text: String) {
        if self.explained.back() == Some(&text) {
            return;
        }
        self.explained.retain(|known| *known != text);
        if self.explained.len() >= MAX_EXPLAINED {
            self.explained.pop_front();
        }
        self.explained.push_back(text);
    }

    fn drop_done_signal(&mut self, actions: &mut Vec<Action>) {
        let Some(Disk::Baseline(baseline)) = &self.disk else {
            return;
        };
        if self.signal_is_done(baseline) || self.signal_is_superseded() {
            self.signal = None;
            actions.push(Action::ClearSignal);
        }
    }

    /// The signal asks for what was wished for once and is not any more.
    fn signal_is_superseded(&self) -> bool {
        let (Some(text), Some(observed)) = (self.signal.as_deref().map(str::trim), &self.observed)
        else {
            return false;
        };
        let is_wished = match text.strip_prefix(names::CONFIG_SIGNAL) {
            Some(hash) => observed.config.as_deref() == Some(hash),
            None => observed.request.as_deref() == Some(text),
        };
        !is_wished && self.explained.iter().any(|known| known == text)
    }

    /// The signal asks for what this baseline already is.
    fn signal_is_done(&self, baseline: &KnownBaseline) -> bool {
        let Some(id) = self
            .signal
            .as_deref()
            .map(str::trim)
            .filter(|id| !id.is_empty())
        else {
            return false;
        };
        match id.strip_prefix(names::CONFIG_SIGNAL) {
            Some(hash) => hash == baseline.config_hash,
            None => self.done.as_deref() == Some(id),
        }
    }

    fn report_interruption(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let error = ScanError::new(
            ErrorClass::Interrupted,
            format!(
                "ScanInterrupted: AIDE and the daemon were ended in the middle of a scan, {} time(s) in a row; \
                 the usual reason is the memory limit, see spec.resources",
                self.interrupted
            ),
        );
        let due = now + retry_after(self.interrupted);
        self.state = match self.cause() {
            Some(cause) => State::InitFailed {
                due,
                attempts: self.interrupted,
                cause,
            },
            None => State::Idle { due },
        };
        self.attempt_over = true;
        actions.push(Action::PublishError {
            error,
            warning: None,
        });
    }

    fn proceed(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if let Some(cause) = self.cause() {
            match &self.state {
                State::InitFailed {
                    due, cause: failed, ..
                } if *due > now && *failed == cause => {
                    actions.push(Action::WakeAt(*due));
                }
                _ => {
                    self.state = State::Initialising(cause.clone());
                    actions.push(Action::Initialise(cause));
                }
            }
            return;
        }
        if let Trust::Broken(error) = &self.trust {
            let error = error.clone();
            self.distrust(error, now, actions);
            return;
        }
        match self.state {
            State::Idle { due } if due > now => actions.push(Action::WakeAt(due)),
            _ => {
                self.state = State::Scanning;
                actions.push(Action::Scan);
            }
        }
    }

    /// A second AIDE would wait beside the first.
    fn stay_stuck(
        &mut self,
        due: Duration,
        error: ScanError,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let due = self.tell(due, error.clone(), None, now, actions);
        self.state = State::Stuck { due, error };
    }

    fn distrust(&mut self, error: ScanError, now: Duration, actions: &mut Vec<Action>) {
        let (due, warning) = if let State::Untrusted { due } = self.state {
            (due, None)
        } else {
            self.attempt_over = true;
            let warning = EventMessage {
                severity: Severity::Warning,
                reason: error_reason(error.class),
                message: error.message.clone(),
            };
            (now, Some(warning))
        };
        let due = self.tell(due, error, warning, now, actions);
        self.state = State::Untrusted { due };
    }

    /// Publishes an error when it is due, and returns when it is due next: as often as a result would
    /// be, so that the node does not look silent.
    fn tell(
        &self,
        due: Duration,
        error: ScanError,
        warning: Option<EventMessage>,
        now: Duration,
        actions: &mut Vec<Action>,
    ) -> Duration {
        let mut next = due;
        if due <= now {
            actions.push(Action::PublishError { error, warning });
            next = now + self.settings.pause;
        }
        actions.push(Action::WakeAt(next));
        next
    }

    /// Why a baseline must be made, if it must.
    fn cause(&mut self) -> Option<Cause> {
        let request = self.observed.as_ref().and_then(|o| o.request.clone());
        if let Some(id) = request.filter(|id| self.done.as_ref() != Some(id)) {
            return Some(Cause::Requested(id));
        }
        let config = self.config.clone()?;
        match self.disk.as_ref()? {
            Disk::Baseline(baseline) if baseline.config_hash != config => {
                return Some(Cause::Config);
            }
            Disk::Baseline(_) => {
                if let Some(made_by) = &self.outdated {
                    return Some(Cause::Outdated {
                        made_by: made_by.clone(),
                        open_failure: self.open_failure().map(str::to_owned),
                    });
                }
            }
            Disk::Foreign { .. } | Disk::Unreadable if self.trust == Trust::Fine => {
                return Some(Cause::Foreign {
                    open_failure: self.open_failure().map(str::to_owned),
                });
            }
            Disk::Foreign { .. } | Disk::Unreadable => {
                if self
                    .recorded
                    .as_ref()
                    .is_some_and(|(_, recorded)| *recorded != config)
                {
                    return Some(Cause::Config);
                }
            }
            Disk::Nothing | Disk::Gone(_) => return self.cause_of_nothing(&config),
        }
        self.signal.is_some().then_some(Cause::Signal)
    }

    fn cause_of_nothing(&mut self, config: &str) -> Option<Cause> {
        let missed = match (&self.recorded, &self.disk) {
            (Some((_, config)), _) => config,
            (None, Some(Disk::Gone(known))) => &known.config_hash,
            // A result says that there was one, though nobody recorded it.
            (None, _) if self.open_failure().is_some() => config,
            (None, _) => return Some(Cause::First),
        };
        if missed != config {
            return Some(Cause::Config);
        }
        if let Some(from) = self.moved_from() {
            return Some(Cause::Moved(from));
        }
        if self.settings.error_on_loss && self.signal.is_none() {
            self.trust = Trust::Broken(lost());
            return None;
        }
        Some(Cause::Lost)
    }

    /// The state directory of before, where the spec names another one now. That a node falls back
    /// to another default directory is no such reason: somebody may have brought it about.
    fn moved_from(&self) -> Option<String> {
        let from = state_dir::normalized(self.recorded_in.as_ref()?);
        let is_moved = match &self.settings.state_dir {
            Some(asked) => *asked != from,
            None => !state_dir::DEFAULT_DIRS.contains(&from.as_str()),
        };
        is_moved.then_some(from)
    }
}

/// What disk and API together say of the baseline.
#[derive(Debug, PartialEq)]
enum Comparison {
    /// Both know the same one.
    Same,
    /// The disk has one that the API should know.
    Adopt {
        request: Option<String>,
        warning: Option<EventMessage>,
    },
    /// Both know the same one; its record on the disk was lost and is taken from the API.
    Restored(KnownBaseline),
    /// The disk has one that nothing explains.
    Tampered(ScanError),
    /// There is none to be used.
    NoBaseline,
}

/// A baseline that the API does not know is explained by a crash between making and publishing it:
/// its record then names a request or a configuration that is still open, or owns up to having
/// been made unasked. Anything else was put there by somebody.
fn compare(disk: &Disk, observed: &Observed) -> Comparison {
    match (disk, &observed.baseline) {
        (Disk::Nothing | Disk::Gone(_), _) | (Disk::Foreign { .. } | Disk::Unreadable, None) => {
            Comparison::NoBaseline
        }
        (Disk::Unreadable, Some((recorded, _))) => {
            Comparison::Tampered(tampered(recorded, NO_DATABASE))
        }
        (Disk::Foreign { digest }, Some((recorded, _))) if digest != recorded => {
            Comparison::Tampered(tampered(recorded, digest))
        }
        (Disk::Foreign { digest }, Some((_, config))) => Comparison::Restored(KnownBaseline {
            config_hash: config.clone(),
            digest: digest.clone(),
            request: observed.done.clone(),
            requested: !observed.unrequested,
        }),
        (Disk::Baseline(baseline), None) => Comparison::Adopt {
            request: baseline
                .request
                .clone()
                .filter(|id| observed.request.as_ref() == Some(id)),
            warning: (!baseline.requested)
                .then(|| unrequested(None, &baseline.digest, observed.open_failure.as_deref())),
        },
        (Disk::Baseline(baseline), Some((recorded, _))) if baseline.digest == *recorded => {
            match open_request(baseline, observed) {
                // Somebody has removed the word that it is done; it is not done twice.
                request @ Some(_) => Comparison::Adopt {
                    request,
                    warning: None,
                },
                None => Comparison::Same,
            }
        }
        (Disk::Baseline(baseline), Some((recorded, config))) => {
            let answers = open_request(baseline, observed);
            let by_config = baseline.config_hash != *config
                && observed.config.as_ref() == Some(&baseline.config_hash);
            if answers.is_some() || by_config {
                Comparison::Adopt {
                    request: answers,
                    warning: None,
                }
            } else if !baseline.requested {
                let failure = observed.open_failure.as_deref();
                let warning = unrequested(Some(recorded), &baseline.digest, failure);
                Comparison::Adopt {
                    request: None,
                    warning: Some(warning),
                }
            } else {
                Comparison::Tampered(tampered(recorded, &baseline.digest))
            }
        }
    }
}

/// The request that this baseline answers, where it is not reported done.
fn open_request(baseline: &KnownBaseline, observed: &Observed) -> Option<String> {
    let request = baseline.request.clone();
    request.filter(|id| observed.request.as_ref() == Some(id) && observed.done.as_ref() != Some(id))
}

fn unrequested(old: Option<&str>, new: &str, open_failure: Option<&str>) -> EventMessage {
    let old = old.unwrap_or("unknown");
    baseline_event(
        EventReason::UnrequestedReinit,
        Severity::Warning,
        &format!(
            "a new baseline was made that nobody asked for: old digest {old}, new digest {new}; \
             compare the node with a trusted one, then re-initialise it"
        ),
        open_failure,
    )
}

fn replaced(new: &str, open_failure: Option<&str>) -> EventMessage {
    baseline_event(
        EventReason::BaselineReplaced,
        Severity::Normal,
        &format!(
            "the database on the node was not made by this FileIntegrity's daemon; it was kept as a \
             backup, and a new baseline was made, digest {new}"
        ),
        open_failure,
    )
}

fn outdated(made_by: &str, new: &str, open_failure: Option<&str>) -> EventMessage {
    baseline_event(
        EventReason::BaselineReplaced,
        Severity::Normal,
        &format!(
            "the database on the node was made by AIDE {made_by}, and this version cannot read it; it \
             was kept as a backup, and a new baseline was made, digest {new}"
        ),
        open_failure,
    )
}

/// The event of a baseline that was made without a request. It is the record of an open failure, which
/// the new baseline accepts: the next result is Succeeded.
fn baseline_event(
    reason: EventReason,
    severity: Severity,
    message: &str,
    open_failure: Option<&str>,
) -> EventMessage {
    match open_failure {
        Some(failure) => EventMessage {
            severity: Severity::Warning,
            reason,
            message: format!(
                "{message}. The new baseline accepts the open failure, which nobody requested: \
                 Failed {failure}"
            ),
        },
        None => EventMessage {
            severity,
            reason,
            message: message.to_owned(),
        },
    }
}

fn moved(from: &str, new: &str) -> EventMessage {
    EventMessage {
        severity: Severity::Normal,
        reason: EventReason::BaselineReplaced,
        message: format!(
            "the state directory is another one by the spec; the files in {from} stay there, and a new \
             baseline was made, digest {new}"
        ),
    }
}

fn tampered(recorded: &str, found: &str) -> ScanError {
    ScanError::new(
        ErrorClass::Tampered,
        format!(
            "BaselineTampered: the database on the node is not the one that was recorded (recorded {recorded}, found {found}); \
             look into the node, then re-initialise it"
        ),
    )
}

fn lost() -> ScanError {
    ScanError::new(
        ErrorClass::Lost,
        "BaselineLost: the database on the node is gone and spec.config.onBaselineLoss is error; \
         look into the node, then re-initialise it",
    )
}

fn error_reason(class: ErrorClass) -> EventReason {
    match class {
        ErrorClass::Lost => EventReason::BaselineLost,
        _ => EventReason::BaselineTampered,
    }
}

fn retry_after(attempts: u32) -> Duration {
    FIRST_RETRY
        .saturating_mul(1 << attempts.saturating_sub(1).min(16))
        .min(MAX_RETRY)
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
