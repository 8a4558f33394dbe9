//! Feeds events to the state machine, and executes its actions. I/O.

mod tasks;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::announced::Announcements;
use super::configuration::Configurations;
use super::detection::Detection;
use super::known_status::KnownStatus;
use super::machine::{Action, Disk, Event, Finished, Machine};
use super::page_cache;
use super::publishing::Publishing;
use super::realtime::shared::Notice;
use super::runner::{Completed, PartEnd, Runner};
use crate::api::{AcceptanceRequest, RefusalReason};
use crate::scan::acceptance::Refusal;
use crate::scan::output::HeldBy;
use crate::signal_file::{self, SignalFile};
use crate::telemetry::health::Readiness;

/// Maximum time for which a result waits for the run that accepts some of it.
const APPROVAL_TIME: Duration = Duration::from_secs(600);

/// What the event loop waits for.
enum Input {
    Event(Event),
    Notice(Notice),
    CheckEnded(PartEnd),
    /// The known state has to be published.
    PublicationDue,
}

/// Where tasks send their results.
#[derive(Clone)]
struct Results {
    completed: mpsc::Sender<Completed>,
    checks: mpsc::Sender<PartEnd>,
}

/// The state machine, and what it acts on.
pub(super) struct EventLoop {
    pub(super) machine: Machine,
    pub(super) runner: Runner,
    pub(super) configurations: Configurations,
    pub(super) announcements: Announcements,
    pub(super) signal: SignalFile,
    pub(super) publishing: Publishing,
    /// The newest known node status.
    pub(super) status: watch::Receiver<KnownStatus>,
    /// None if realtime detection is off.
    pub(super) detection: Option<Detection>,
    pub(super) readiness: Readiness,
    pub(super) events: mpsc::UnboundedSender<Event>,
    /// The start of the clock of the state machine and of the detection.
    pub(super) start: Instant,
    pub(super) progress: Progress,
}

/// What the event loop has begun.
#[derive(Default)]
pub(super) struct Progress {
    wake: Option<Instant>,
    /// Until then nothing is published that announced acceptances may approve: a run that accepts it was requested.
    approval_until: Option<Instant>,
    loading: Option<tokio::task::AbortHandle>,
    cancel: CancellationToken,
    /// The run of AIDE that has finished with the event that is handled.
    last: Option<Completed>,
    /// The text of the signal file that was handled.
    handled_signal: Option<String>,
}

impl EventLoop {
    /// Runs until the state machine exits, after `stop` was cancelled.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Event>,
        mut notices: mpsc::UnboundedReceiver<Notice>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let (completed, mut finished) = mpsc::channel(1);
        let (checks, mut ended_checks) = mpsc::channel(1);
        let results = Results { completed, checks };
        self.begin().await?;
        let mut poll = signal_poll();
        let mut stopping = false;
        loop {
            let (wake, publish_at) = (self.progress.wake, self.publication_due());
            let input = tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    Input::Event(Event::Shutdown)
                }
                Some(completed) = finished.recv() => Input::Event(self.finished(completed)),
                Some(end) = ended_checks.recv() => Input::CheckEnded(end),
                Some(event) = inbox.recv() => Input::Event(event),
                Some(notice) = notices.recv() => Input::Notice(notice),
                () = sleep_until(wake), if wake.is_some() => {
                    self.progress.wake = None;
                    Input::Event(Event::Timer)
                }
                () = sleep_until(publish_at), if publish_at.is_some() => Input::PublicationDue,
                _ = poll.tick() => {
                    // Such as a path that is not busy any more, or directories that cannot be watched.
                    self.publish_transition();
                    let Some(event) = self.poll_signal() else {
                        continue;
                    };
                    Input::Event(event)
                }
            };
            if self.take(input, &results)? {
                return Ok(());
            }
        }
    }

    /// Handles an input. Returns whether the daemon exits.
    fn take(&mut self, input: Input, results: &Results) -> anyhow::Result<bool> {
        match input {
            Input::Event(event) => {
                // A check that was due may have been put off, because more was announced.
                let is_end = matches!(event, Event::Finished(_) | Event::PartChecked { .. });
                let exits = self.handle(event, results)?;
                if is_end && !exits {
                    return self.check_announced(results);
                }
                Ok(exits)
            }
            Input::Notice(notice) => {
                if let (Notice::Overflow, Some(detection)) = (notice, &mut self.detection) {
                    detection.overflowed();
                    self.publish_transition();
                }
                self.check_announced(results)
            }
            Input::CheckEnded(end) => {
                let ended = self.check_ended(end);
                self.publish_known_state();
                self.publish_transition();
                let exits = match ended {
                    Some(event) => self.handle(event, results)?,
                    None => false,
                };
                Ok(exits || self.check_announced(results)?)
            }
            Input::PublicationDue => {
                self.publish_known_state();
                Ok(false)
            }
        }
    }

    /// Feeds an event to the state machine, and executes its actions.
    fn handle(&mut self, event: Event, results: &Results) -> anyhow::Result<bool> {
        tracing::debug!(?event, "event");
        self.progress.wake = None;
        self.machine.set_clock(Timestamp::now());
        for action in self.machine.handle(event, self.start.elapsed()) {
            tracing::debug!(?action, "action");
            if action == Action::Exit {
                return Ok(true);
            }
            self.act(action, results)?;
        }
        // What was not published is not needed any more, and a report may be large.
        self.progress.last = None;
        Ok(false)
    }

    /// Lets the state machine decide when announced paths are checked.
    fn check_announced(&mut self, results: &Results) -> anyhow::Result<bool> {
        match self.detection.as_ref().and_then(Detection::event) {
            Some(event) => self.handle(event, results),
            None => Ok(false),
        }
    }

    /// Sends the first events: what is on the disk, and the mounted configuration.
    async fn begin(&mut self) -> anyhow::Result<()> {
        let interruptions = self.runner.interruptions();
        if interruptions > 0 {
            self.events.send(Event::Interrupted(interruptions))?;
        }
        let runner = self.runner.clone();
        let disk = tokio::task::spawn_blocking(move || runner.read_disk()).await??;
        let known = match &disk {
            Disk::Baseline(baseline) => Some(baseline.config_hash.clone()),
            _ => None,
        };
        self.events.send(Event::DiskRead(disk))?;
        self.take_mounted(known)
    }

    /// Starts with the mounted configuration. If there is none, or it is not that of the baseline, the
    /// API decides. A daemon that has neither configuration nor baseline cannot start.
    fn take_mounted(&self, known: Option<String>) -> anyhow::Result<()> {
        match self.configurations.load_mounted() {
            Ok(hash) => {
                if known.is_some_and(|known| known != hash) {
                    tracing::warn!(
                        hash,
                        "the mounted configuration is not that of the baseline; reading it from the API server"
                    );
                }
                self.events.send(Event::ConfigLoaded(hash))?;
            }
            Err(error) if known.is_some() => {
                let error = crate::error_chain(&error);
                tracing::error!(
                    error,
                    "there is no mounted configuration; reading it from the API server"
                );
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn finished(&mut self, mut completed: Completed) -> Event {
        release_page_cache();
        self.progress.approval_until = None;
        if let Some(stuck_process) = completed.stuck_process.take() {
            self.send_when_exited(stuck_process, Event::AideExited);
        }
        let event = Event::Finished(completed.finished.clone());
        self.progress.last = Some(completed);
        event
    }

    fn poll_signal(&mut self) -> Option<Event> {
        let text = self.signal.read();
        if text == self.progress.handled_signal {
            return None;
        }
        self.progress.handled_signal.clone_from(&text);
        text.map(Event::Signal)
    }

    fn act(&mut self, action: Action, results: &Results) -> anyhow::Result<()> {
        match action {
            Action::LoadConfig(hash) => self.load_config(hash),
            Action::StopLoading => self.stop_loading(),
            Action::Initialize(reason) => self.initialize(reason, results.completed.clone()),
            Action::Scan => self.scan(false, results.completed.clone()),
            Action::ScanToAccept => self.scan(true, results.completed.clone()),
            Action::CheckPart => self.check_part(results.checks.clone()),
            Action::PublishScan => self.publish_scan(None),
            Action::PublishRequestedScan(id) => self.publish_scan(Some(id)),
            Action::PublishPart { scan } => self.publish_part(scan)?,
            Action::PublishBaseline { request, event } => {
                let last = self.progress.last.take();
                self.forget_known_state();
                self.publishing.baseline(last, request, event)?;
            }
            Action::Accept(request) => self.accept(request, results.completed.clone()),
            Action::PublishAccepted(request) => self.publish_accepted(&request)?,
            Action::PublishWithdrawn { executed, event } => {
                self.progress.last = None;
                self.forget_known_state();
                self.publishing.withdrawn(&executed, event)?;
            }
            Action::PublishRefused { request, refusal } => {
                self.publish_refused(&request, &refusal);
            }
            Action::RepublishStatus => self.publishing.status_again(),
            Action::PublishError { error, event } => {
                self.forget_known_state();
                self.publishing.error(error, event);
            }
            Action::PublishEvent(event) => self.publishing.event(event),
            Action::RemoveSignal => self.progress.handled_signal = self.signal.clear_or_remember(),
            Action::WakeAt(at) => {
                let at = self.start + at;
                self.progress.wake = Some(self.progress.wake.map_or(at, |wake| wake.min(at)));
            }
            Action::Hold(reason) => {
                self.set_held(true);
                self.publishing.hold_started(&HeldBy::Annotation(reason));
            }
            Action::HoldByName(holds) => {
                self.set_held(true);
                self.publishing.hold_started(&HeldBy::Holds(holds));
            }
            Action::SetHold(hold) => self.publishing.set_hold(hold),
            Action::PublishHold(hold) => {
                self.publishing.set_hold(hold);
                self.publishing.hold();
            }
            Action::EndHold => {
                self.set_held(false);
                self.publishing.hold_ended();
            }
            Action::Ready => self.readiness.set(true),
            Action::StopAide => self.progress.cancel.cancel(),
            // `run` has already returned.
            Action::Exit => {}
        }
        Ok(())
    }

    fn publish_scan(&mut self, request: Option<String>) {
        let Some(mut completed) = self.progress.last.take() else {
            return;
        };
        if let Some(detection) = &mut self.detection {
            detection.scan_ended(&mut completed, &self.runner);
            self.publishing.set_realtime(detection.status().0);
        }
        if let Finished::Scanned { digest } | Finished::Unaccepted { digest } = &completed.finished
        {
            let digest = digest.clone();
            self.publishing.scan(completed, digest, request);
        }
    }

    /// Publishes the baseline of an acceptance. It is that of the run that has finished, or was found on the disk.
    fn publish_accepted(&mut self, request: &AcceptanceRequest) -> anyhow::Result<()> {
        let last = self.progress.last.take();
        match (&mut self.detection, &last) {
            (Some(detection), Some(completed)) => {
                detection.accepted(completed);
                self.publishing.set_realtime(detection.status().0);
            }
            _ => self.forget_known_state(),
        }
        Ok(self.publishing.accepted(last, request)?)
    }

    /// Publishes the baseline that accepts announced changes, what is left, and the request that the scan has done.
    fn publish_part(&mut self, scan: Option<String>) -> anyhow::Result<()> {
        let Some(completed) = self.progress.last.take() else {
            return Ok(());
        };
        if let Some(detection) = &mut self.detection {
            detection.accepted(&completed);
            self.publishing.set_realtime(detection.status().0);
        }
        Ok(self.publishing.accepted_part(completed, scan)?)
    }

    /// Publishes a refusal, with the result of the run if there was one.
    fn publish_refused(&mut self, request: &AcceptanceRequest, refusal: &Refusal) {
        let mut last = self.progress.last.take();
        if let (Some(detection), Some(completed)) = (&mut self.detection, &mut last) {
            detection.scan_ended(completed, &self.runner);
            self.publishing.set_realtime(detection.status().0);
        }
        // What was announced during the run is checked again. Until then the known state may still be the refused set.
        let last = last.filter(|completed| !is_refuted(completed, request, refusal));
        let digest = self.machine.baseline_digest().map(str::to_owned);
        self.publishing.refused(last, request, refusal, digest);
    }

    fn publication_due(&self) -> Option<Instant> {
        let due = self.start + self.detection.as_ref()?.publication_due()?;
        Some(
            self.progress
                .approval_until
                .map_or(due, |until| until.max(due)),
        )
    }

    /// Publishes what checks have shown, if it is due.
    fn publish_known_state(&mut self) {
        if self.awaits_approval() {
            return;
        }
        let Some(detection) = &mut self.detection else {
            return;
        };
        if let Some(completed) = detection.publication(&self.runner) {
            self.publishing.set_realtime(detection.status().0);
            let digest = self.machine.baseline_digest().map(str::to_owned);
            self.publishing.scan(completed, digest, None);
        }
    }

    /// Whether the known state is not published yet, because announced acceptances may approve some of it. Requests the run
    /// that decides.
    fn awaits_approval(&mut self) -> bool {
        let now = Instant::now();
        if let Some(until) = self.progress.approval_until {
            return until > now;
        }
        let is_due = self.publication_due().is_some_and(|due| due <= now);
        let known = self.detection.as_ref().filter(|_| is_due);
        let known = known.and_then(Detection::known_changes);
        let may_approve =
            known.is_some_and(|(report, hash)| self.announcements.may_approve(&report, Some(hash)));
        if may_approve {
            self.progress.approval_until = Some(now + APPROVAL_TIME);
            self.events.send(Event::ApprovalExpected).ok();
        }
        may_approve
    }

    /// Publishes the state of the detection, if it is another one.
    fn publish_transition(&mut self) {
        if let Some(detection) = &mut self.detection
            && let (status, true) = detection.status()
        {
            self.publishing.set_realtime(status);
            self.publishing.realtime();
        }
    }

    fn forget_known_state(&mut self) {
        if let Some(detection) = &mut self.detection {
            detection.reset();
        }
    }

    fn set_held(&mut self, is_held: bool) {
        if let Some(detection) = &mut self.detection {
            detection.set_held(is_held);
        }
    }
}

/// Whether the known state is the set although the run has found another one.
fn is_refuted(completed: &Completed, request: &AcceptanceRequest, refusal: &Refusal) -> bool {
    let finding = completed.finding.as_ref();
    let hash = finding.and_then(|finding| finding.result.changes_hash.as_ref());
    refusal.reason == RefusalReason::ChangesDiffer && hash == Some(&request.change_set)
}

fn signal_poll() -> Interval {
    let mut poll = tokio::time::interval(signal_file::POLL_INTERVAL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    poll
}

/// The page cache that a scan has filled counts as memory of the container.
fn release_page_cache() {
    if let Err(error) = page_cache::release() {
        tracing::debug!(%error, "failed to release the page cache");
    }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}
