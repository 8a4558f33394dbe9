//! The tasks that run beside the event loop, and send their results to it. I/O.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{EventLoop, release_page_cache};
use crate::aide::command::StuckProcess;
use crate::api::{AcceptanceRequest, FileIntegrityNodeStatus};
use crate::daemon::announced::ScanInputs;
use crate::daemon::detection::Detection;
use crate::daemon::machine::{BaselineReason, Event};
use crate::daemon::runner::{Acceptance, Completed, IsDesired, NewBaseline, PartEnd};

impl EventLoop {
    pub(super) fn stop_loading(&mut self) {
        if let Some(loading) = self.progress.loading.take() {
            loading.abort();
        }
    }

    /// Hash of the configuration to run AIDE with. The state machine starts no run without one.
    fn config(&self) -> String {
        self.machine.config().unwrap_or_default().to_owned()
    }

    pub(super) fn load_config(&mut self, hash: String) {
        self.stop_loading();
        let (configurations, events) = (self.configurations.clone(), self.events.clone());
        let task = tokio::spawn(async move {
            configurations.load(&hash).await;
            events.send(Event::ConfigLoaded(hash)).ok();
        });
        self.progress.loading = Some(task.abort_handle());
    }

    pub(super) fn initialize(
        &mut self,
        reason: BaselineReason,
        completed: mpsc::Sender<Completed>,
    ) {
        tracing::info!(?reason, "creating a baseline");
        let (runner, cancel, hash) = (
            self.runner.clone(),
            self.progress.cancel.clone(),
            self.config(),
        );
        let (configurations, old) = (self.configurations.clone(), self.machine.old_baseline());
        let require_acceptance = self.machine.requires_acceptance();
        let is_scan = require_acceptance && reason == BaselineReason::Config;
        if let (true, Some(detection)) = (is_scan, &mut self.detection) {
            detection.scan_started();
        }
        tokio::spawn(async move {
            let result = match configurations.file(&hash).await {
                Ok(config) => {
                    let new = NewBaseline {
                        config: &config,
                        config_hash: &hash,
                        reason: &reason,
                        old: old.as_ref(),
                        require_acceptance,
                    };
                    runner.initialize(new, &cancel).await
                }
                Err(error) => Completed::not_initialized(&error),
            };
            completed.send(result).await.ok();
        });
    }

    pub(super) fn accept(
        &mut self,
        request: AcceptanceRequest,
        completed: mpsc::Sender<Completed>,
    ) {
        tracing::info!(
            acceptance = request.name,
            attempt = request.attempt,
            "executing an acceptance"
        );
        if let Some(detection) = &mut self.detection {
            detection.scan_started();
        }
        let (runner, cancel, hash) = (
            self.runner.clone(),
            self.progress.cancel.clone(),
            self.config(),
        );
        let configurations = self.configurations.clone();
        let acceptance = Acceptance {
            is_desired: self.is_desired(request.uid.clone()),
            request,
            config_hash: hash.clone(),
            old: self.machine.old_baseline(),
        };
        tokio::spawn(async move {
            let result = match configurations.file(&hash).await {
                Ok(config) => runner.accept(&config, acceptance, &cancel).await,
                Err(error) => Completed::not_accepted(&error),
            };
            completed.send(result).await.ok();
        });
    }

    /// Whether the node status still requests this acceptance. A request to the API server would take too long.
    fn is_desired(&self, uid: String) -> IsDesired {
        let status = self.status.clone();
        Arc::new(move || {
            let known = status.borrow();
            let desired = known.status.as_ref().map(FileIntegrityNodeStatus::desired);
            let request = desired.and_then(|desired| desired.acceptance);
            request.is_some_and(|request| request.uid == uid)
        })
    }

    /// Starts a check of what was announced.
    pub(super) fn check_part(&mut self, checks: mpsc::Sender<PartEnd>) {
        let begun = self.detection.as_mut().and_then(Detection::begin_check);
        let Some((part, configuration)) = begun else {
            // More was announced, so the check is not due yet, or all files have to be scanned.
            let ended = Event::PartChecked { digest: None };
            self.events.send(ended).ok();
            return;
        };
        let (runner, cancel) = (self.runner.clone(), self.progress.cancel.clone());
        tokio::spawn(async move {
            let end = runner.check_part(&configuration, &part, &cancel).await;
            checks.send(end).await.ok();
        });
    }

    /// The event of a check that has ended. There is none while its AIDE cannot be terminated.
    pub(super) fn check_ended(&mut self, end: PartEnd) -> Option<Event> {
        release_page_cache();
        let (end, has_exited) = match end {
            PartEnd::Stuck(error, process) => {
                let ended = Event::PartChecked { digest: None };
                self.send_when_exited(process, ended);
                (PartEnd::Failed(error), false)
            }
            end => (end, true),
        };
        let expected = self.machine.baseline_digest();
        let detection = self.detection.as_mut();
        let digest = detection.and_then(|it| it.check_ended(end, expected));
        has_exited.then_some(Event::PartChecked { digest })
    }

    /// `expects_approval`: announced changes were found, and are accepted in the same run.
    pub(super) fn scan(&mut self, expects_approval: bool, completed: mpsc::Sender<Completed>) {
        if let Some(detection) = &mut self.detection {
            detection.scan_started();
        }
        let (runner, cancel) = (self.runner.clone(), self.progress.cancel.clone());
        let (configurations, hash) = (self.configurations.clone(), self.config());
        let (announcements, old) = (self.announcements.clone(), self.machine.old_baseline());
        tokio::spawn(async move {
            let result = match configurations.file(&hash).await {
                Ok(config) => {
                    let inputs = ScanInputs {
                        runner: &runner,
                        config: &config,
                        config_hash: &hash,
                        old: old.as_ref(),
                        expects_approval,
                        cancel: &cancel,
                    };
                    announcements.scan(inputs).await
                }
                Err(error) => Completed::not_scanned(&error),
            };
            completed.send(result).await.ok();
        });
    }

    pub(super) fn send_when_exited(&self, stuck_process: StuckProcess, event: Event) {
        let events = self.events.clone();
        tokio::spawn(async move {
            stuck_process.exited().await;
            events.send(event).ok();
        });
    }
}
