//! Feeds events to the state machine, and executes its actions. I/O.

use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::configuration::Configurations;
use super::machine::{Action, BaselineReason, Disk, Event, Finished, Machine};
use super::page_cache;
use super::publishing::Publishing;
use super::runner::{Completed, Runner};
use crate::signal_file::{self, SignalFile};
use crate::telemetry::health::Readiness;

/// The state machine, and what it acts on.
pub(super) struct EventLoop {
    machine: Machine,
    runner: Runner,
    configurations: Configurations,
    signal: SignalFile,
    publishing: Publishing,
    readiness: Readiness,
    events: mpsc::UnboundedSender<Event>,
    start: Instant,
    wake: Option<Instant>,
    loading: Option<tokio::task::AbortHandle>,
    cancel: CancellationToken,
    /// The run of AIDE that has finished with the event that is handled.
    last: Option<Completed>,
    /// The text of the signal file that was handled.
    handled_signal: Option<String>,
}

impl EventLoop {
    pub(super) fn new(
        machine: Machine,
        runner: Runner,
        configurations: Configurations,
        signal: SignalFile,
        publishing: Publishing,
        readiness: Readiness,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        Self {
            machine,
            runner,
            configurations,
            signal,
            publishing,
            readiness,
            events,
            start: Instant::now(),
            wake: None,
            loading: None,
            cancel: CancellationToken::new(),
            last: None,
            handled_signal: None,
        }
    }

    /// Runs until the state machine exits, after `stop` was cancelled.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Event>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let (completed, mut finished) = mpsc::channel::<Completed>(1);
        self.begin().await?;
        let mut poll = signal_poll();
        let mut stopping = false;
        loop {
            let wake = self.wake;
            let event = tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    Event::Shutdown
                }
                Some(completed) = finished.recv() => self.finished(completed),
                Some(event) = inbox.recv() => event,
                () = sleep_until(wake), if wake.is_some() => {
                    self.wake = None;
                    Event::Timer
                }
                _ = poll.tick() => match self.poll_signal() {
                    Some(event) => event,
                    None => continue,
                },
            };
            tracing::debug!(?event, "event");
            for action in self.machine.handle(event, self.start.elapsed()) {
                tracing::debug!(?action, "action");
                if action == Action::Exit {
                    return Ok(());
                }
                self.act(action, &completed)?;
            }
            // What was not published is not needed any more, and a report may be large.
            self.last = None;
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
        if let Some(stuck_process) = completed.stuck_process.take() {
            let events = self.events.clone();
            tokio::spawn(async move {
                stuck_process.exited().await;
                events.send(Event::AideExited).ok();
            });
        }
        let event = Event::Finished(completed.finished.clone());
        self.last = Some(completed);
        event
    }

    fn poll_signal(&mut self) -> Option<Event> {
        let text = self.signal.read();
        if text == self.handled_signal {
            return None;
        }
        self.handled_signal.clone_from(&text);
        text.map(Event::Signal)
    }

    fn act(&mut self, action: Action, completed: &mpsc::Sender<Completed>) -> anyhow::Result<()> {
        match action {
            Action::LoadConfig(hash) => self.load_config(hash),
            Action::StopLoading => self.stop_loading(),
            Action::Initialize(reason) => self.initialize(reason, completed.clone()),
            Action::Scan => self.scan(completed.clone()),
            Action::PublishScan => self.publish_scan(),
            Action::PublishBaseline { request, event } => {
                let last = self.last.take();
                self.publishing.baseline(last, request, event)?;
            }
            Action::RepublishStatus => self.publishing.status_again(),
            Action::PublishError { error, event } => self.publishing.error(error, event),
            Action::RemoveSignal => self.handled_signal = self.signal.clear_or_remember(),
            Action::WakeAt(at) => self.wake = Some(self.start + at),
            Action::Hold(reason) => {
                self.wake = None;
                self.publishing.hold_started(&reason);
            }
            Action::EndHold => self.publishing.hold_ended(),
            Action::Ready => self.readiness.set(true),
            Action::StopAide => self.cancel.cancel(),
            // `run` has already returned.
            Action::Exit => {}
        }
        Ok(())
    }

    fn publish_scan(&mut self) {
        let Some(completed) = self.last.take() else {
            return;
        };
        if let Finished::Scanned { digest } = &completed.finished {
            let digest = digest.clone();
            self.publishing.scan(completed, digest);
        }
    }

    fn stop_loading(&mut self) {
        if let Some(loading) = self.loading.take() {
            loading.abort();
        }
    }

    /// Hash of the configuration to run AIDE with. The state machine starts no run without one.
    fn config(&self) -> String {
        self.machine.config().unwrap_or_default().to_owned()
    }

    fn load_config(&mut self, hash: String) {
        self.stop_loading();
        let (configurations, events) = (self.configurations.clone(), self.events.clone());
        let task = tokio::spawn(async move {
            configurations.load(&hash).await;
            events.send(Event::ConfigLoaded(hash)).ok();
        });
        self.loading = Some(task.abort_handle());
    }

    fn initialize(&mut self, reason: BaselineReason, completed: mpsc::Sender<Completed>) {
        tracing::info!(?reason, "creating a baseline");
        let (runner, cancel, hash) = (self.runner.clone(), self.cancel.clone(), self.config());
        let configurations = self.configurations.clone();
        tokio::spawn(async move {
            let result = match configurations.file(&hash).await {
                Ok(config) => runner.initialize(&config, &hash, &reason, &cancel).await,
                Err(error) => Completed::not_initialized(&error),
            };
            completed.send(result).await.ok();
        });
    }

    fn scan(&mut self, completed: mpsc::Sender<Completed>) {
        let (runner, cancel) = (self.runner.clone(), self.cancel.clone());
        let (configurations, hash) = (self.configurations.clone(), self.config());
        tokio::spawn(async move {
            let result = match configurations.file(&hash).await {
                Ok(config) => runner.scan(&config, &cancel).await,
                Err(error) => Completed::not_scanned(&error),
            };
            completed.send(result).await.ok();
        });
    }
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
