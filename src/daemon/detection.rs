//! Realtime detection of this daemon: what was announced, what is known, and what is published of it. The
//! event loop calls it; the decisions are in [`super::realtime`].

use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(test)]
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use tokio::sync::mpsc;

use super::machine::Event;
use super::realtime::actors::announced::AnnouncedActors;
use super::realtime::busy::Busy;
use super::realtime::condition::{self, Facts, Scans};
use super::realtime::dirty_paths::{DirtyPaths, Scope};
use super::realtime::kernel_watches::Preference;
use super::realtime::known_state::KnownState;
use super::realtime::own_files::OwnFiles;
use super::realtime::pacing::{Pacing, Publication};
use super::realtime::shared::{Notice, Shared};
use super::realtime::watcher::{Node, Watcher};
use super::runner::{Completed, PartEnd, Runner};
use crate::aide::coverage::Coverage;
use crate::aide::report::{self, Report};
use crate::api::{Condition, RealtimeActors, RealtimeState, RealtimeStatus, Trigger, time};
use crate::locks::lock;
use crate::scan::outcome::Finding;
use crate::scan::output;

/// Maximum number of missed changes whose paths are logged.
const MAX_LOGGED: usize = 20;

/// Why there may be no results of checks.
const INTERRUPTED: &str =
    "AIDE and the daemon were killed during a check; the usual reason is the memory limit";

/// Realtime detection of this daemon.
#[derive(Debug)]
pub(crate) struct Detection {
    shared: Arc<Shared>,
    watcher: Watcher,
    known: KnownState,
    pacing: Pacing,
    busy: Busy,
    facts: Facts,
    /// The configuration for this node that the last scan used.
    configuration: Option<Arc<str>>,
    /// The part that is being checked, and since when.
    checking: Option<Checking>,
    /// Whether the scan that runs started while all changes were announced.
    is_scan_watched: bool,
    is_held: bool,
    /// The last published failure.
    last_failed: Option<Finding>,
    status: Option<RealtimeStatus>,
}

/// A check that runs.
#[derive(Debug)]
struct Checking {
    part: Coverage,
    started: Duration,
    /// Who has changed the paths, as far as it is known.
    actors: AnnouncedActors,
}

/// Settings of realtime detection on this node.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Mount of the node's root, without a trailing slash.
    pub(crate) host_root: String,
    /// The state directory on the node.
    pub(crate) state_dir: String,
    /// The interface of the kernel.
    pub(crate) backend: Preference,
    /// Time without further changes before changed files are checked.
    pub(crate) delay: Duration,
    /// What is reported about who made a change.
    pub(crate) actors: RealtimeActors,
    /// Time from the first difference to its result.
    pub(crate) report_delay: Duration,
    /// Number of checks in a row that were killed together with the container.
    pub(crate) interrupted_checks: u32,
}

impl Detection {
    /// Starts the watcher. No directory is watched before the first scan.
    pub(crate) fn start(
        place: Place,
        clock: Instant,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> std::io::Result<Self> {
        let dirty = DirtyPaths::new(place.delay, place.host_root.clone());
        let shared = Arc::new(Shared::new(dirty, clock, notices));
        let node = Node {
            host_root: place.host_root.into(),
            own_files: OwnFiles::in_dir(&place.state_dir),
            backend: place.backend,
            has_actors: place.actors == RealtimeActors::Process,
        };
        let watcher = Watcher::start(node, Arc::clone(&shared))?;
        let interrupted = (place.interrupted_checks > 0).then(|| INTERRUPTED.to_owned());
        Ok(Self {
            shared,
            watcher,
            known: KnownState::default(),
            pacing: Pacing::new(place.report_delay),
            busy: Busy::default(),
            facts: Facts {
                check_error: interrupted,
                ..Facts::default()
            },
            configuration: None,
            checking: None,
            is_scan_watched: false,
            is_held: false,
            last_failed: None,
            status: None,
        })
    }

    pub(crate) fn watcher(&self) -> Watcher {
        self.watcher.clone()
    }

    /// The kernel has dropped events.
    pub(crate) fn overflowed(&mut self) {
        self.facts.has_overflowed = true;
    }

    /// The event for the state machine, if something was announced that can be checked.
    pub(crate) fn event(&self) -> Option<Event> {
        let dirty = lock(&self.shared.dirty);
        let due = dirty.due()?;
        if self.checking.is_some() {
            return None;
        }
        let is_complete = self.known.is_complete();
        if dirty.is_everything() && !(is_complete && dirty.has_first()) {
            return Some(Event::ScanNeeded);
        }
        is_complete.then_some(Event::Announced { due })
    }

    /// A scan of all files starts.
    pub(crate) fn scan_started(&mut self) {
        self.is_scan_watched = self.status().0.state == RealtimeState::Active;
        self.known.scan_started();
        let checking = self.checking.as_ref().map(|checking| &checking.part);
        lock(&self.shared.dirty).scan_started(checking);
    }

    /// A scan of all files has ended. Its result becomes that of the complete known state.
    pub(crate) fn scan_ended(&mut self, completed: &mut Completed, runner: &Runner) {
        let announced = lock(&self.shared.dirty).scan_ended();
        let Some(finding) = &mut completed.finding else {
            return;
        };
        if completed.node_config.is_some() {
            self.configuration.clone_from(&completed.node_config);
        }
        let report = completed.report.as_deref();
        let comparison = self.known.scan_ended(finding, report, announced);
        self.scan_compared(&comparison.missed);
        if comparison.is_merged
            && let Some(known) = self
                .known
                .finding(Trigger::Scan, finding.result.last_probe_time.clone())
        {
            (*finding, completed.report) = known;
            completed.log = log_of(runner, finding, completed.report.as_deref());
        }
        self.hold_failure(completed);
    }

    /// A scan of all files has ended, and what it has found is the new baseline. What was announced since it started stays
    /// announced, and is compared with the new baseline. So is what was checked since then: it was compared with the old one.
    pub(crate) fn accepted(&mut self, completed: &Completed) {
        let announced = lock(&self.shared.dirty).scan_ended();
        let checked = self.known.checked_since_scan();
        if !checked.is_empty() {
            lock(&self.shared.dirty).announce_part(&checked, self.shared.now());
        }
        self.known.reset();
        self.pacing.reset();
        self.last_failed = None;
        self.configuration.clone_from(&completed.node_config);
        if let Some(finding) = &completed.finding {
            let report = completed.report.as_deref();
            self.known.scan_ended(finding, report, announced);
            self.scan_compared(&[]);
            self.note_published(finding, true);
        }
    }

    /// What a scan has shown about the detection itself.
    fn scan_compared(&mut self, missed: &[Vec<u8>]) {
        if !lock(&self.shared.dirty).is_everything() {
            // Otherwise there was another overflow or error during the scan.
            self.facts.has_overflowed = false;
            self.facts.check_error = None;
        }
        self.facts.scans = if self.known.is_complete() {
            lock(&self.shared.state).all_compared();
            Scans::Compared
        } else {
            Scans::NotCompared
        };
        if !self.is_scan_watched {
            return;
        }
        self.facts.missed += missed.len() as u64;
        for path in missed.iter().take(MAX_LOGGED) {
            let path = report::display_path(path);
            tracing::warn!(
                path,
                "the scan found a change that the kernel did not report"
            );
        }
        if missed.len() > MAX_LOGGED {
            let more = missed.len() - MAX_LOGGED;
            tracing::warn!(more, "more changes that the kernel did not report");
        }
    }

    /// A failure that may be over for a moment only, as a file toggles, is published again.
    fn hold_failure(&mut self, completed: &mut Completed) {
        let Some(finding) = &mut completed.finding else {
            return;
        };
        let now = self.shared.now();
        let is_clean = finding.result.condition == Condition::Succeeded;
        if is_clean
            && !self.pacing.may_recover(now)
            && let Some(mut failed) = self.last_failed.clone()
        {
            failed.result.last_probe_time = finding.result.last_probe_time.clone();
            failed.result.trigger = Some(Trigger::Scan);
            *finding = failed;
            completed.report = None;
            completed.log = None;
            self.pacing.known(self.known.hash(), now);
            return;
        }
        let finding = finding.clone();
        self.note_published(&finding, true);
    }

    fn note_published(&mut self, finding: &Finding, with_log: bool) {
        let now = self.shared.now();
        match finding.result.condition {
            Condition::Errored => self.pacing.published_error(),
            Condition::Succeeded => self.pacing.published(None, with_log, now),
            Condition::Failed => {
                let hash = finding.result.changes_hash.clone();
                self.pacing.published(hash, with_log, now);
                self.last_failed = Some(finding.clone());
            }
        }
    }

    /// There is a new baseline, or none that can be trusted: nothing is known before the next scan.
    pub(crate) fn reset(&mut self) {
        lock(&self.shared.dirty).clear();
        lock(&self.shared.actors).clear();
        self.known.reset();
        self.pacing.reset();
        self.last_failed = None;
    }

    /// Scans are held: nothing is published.
    pub(crate) fn set_held(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// What to check now. Nothing if more was announced in the meantime, so that it is not due yet.
    pub(crate) fn begin_check(&mut self) -> Option<(Coverage, Arc<str>)> {
        let configuration = self.configuration.clone()?;
        if self.checking.is_some() || !self.known.is_complete() {
            return None;
        }
        let now = self.shared.now();
        let mut dirty = lock(&self.shared.dirty);
        if dirty.due().is_none_or(|due| due > now) {
            return None;
        }
        match dirty.take()? {
            Scope::Part(part) => {
                drop(dirty);
                self.checking = Some(Checking {
                    actors: lock(&self.shared.actors).take(&part),
                    part: part.clone(),
                    started: now,
                });
                Some((part, configuration))
            }
            Scope::Everything => {
                dirty.announce_everything(now);
                None
            }
        }
    }

    /// A check has ended. Returns the digest of the database that AIDE has read. `expected` is that of the
    /// baseline: a comparison with another database shows nothing.
    pub(crate) fn check_ended(&mut self, end: PartEnd, expected: Option<&str>) -> Option<String> {
        let Checking {
            part,
            started,
            mut actors,
        } = self.checking.take()?;
        let now = self.shared.now();
        let mut dirty = lock(&self.shared.dirty);
        let pause_until = dirty.checked(started, now);
        self.busy.checked(&part, started, pause_until);
        self.facts.checks += 1;
        let mut compared = match end {
            PartEnd::Compared(compared) => compared,
            PartEnd::Failed(error) | PartEnd::Stuck(error, _) => {
                tracing::warn!(error = error.message, "a check of changed files failed");
                dirty.announce_everything(now);
                self.facts.check_error = Some(error.message);
                return None;
            }
            PartEnd::Stopped => return None,
        };
        let digest = compared.report.database_digest.clone();
        let is_other = digest.as_deref() != expected;
        let mut announced = lock(&self.shared.actors);
        if !is_other {
            announced.take_late(&part, |path| dirty.contains(path), &mut actors);
            actors.name_in(&mut compared.report);
        }
        if is_other || !compared.is_complete {
            dirty.announce_part(&part, now);
            announced.take_back(actors);
        }
        drop(announced);
        if is_other {
            return digest;
        }
        drop(dirty);
        if self.known.checked(&part, compared) {
            self.pacing.known(self.known.hash(), now);
        }
        digest
    }

    /// The known state as a result.
    #[cfg(test)]
    pub(super) fn known_finding(
        &self,
        trigger: Trigger,
        at: Time,
    ) -> Option<(Finding, Option<Box<Report>>)> {
        self.known.finding(trigger, at)
    }

    /// The known differences, with their hash, if there are any.
    pub(crate) fn known_changes(&self) -> Option<(Report, String)> {
        self.known.changes()
    }

    /// When the known state is published, if it is not.
    pub(crate) fn publication_due(&self) -> Option<Duration> {
        self.pacing.due(self.is_burst()).filter(|_| !self.is_held)
    }

    fn is_burst(&self) -> bool {
        lock(&self.shared.dirty).is_burst()
    }

    /// The known state, if it has to be published now.
    pub(crate) fn publication(&mut self, runner: &Runner) -> Option<Completed> {
        let now = self.shared.now();
        let Publication { with_log } = self.pacing.publication(now, self.is_burst())?;
        if self.is_held {
            return None;
        }
        let (finding, report) = self.known.finding(Trigger::Event, time::now())?;
        self.note_published(&finding, with_log);
        let log = report.as_deref().filter(|_| with_log);
        let log = log_of(runner, &finding, log);
        let id = output::scan_id(&runner.identity, &jiff::Timestamp::now());
        Some(Completed::of_known_state(finding, report, log, id))
    }

    /// The status for the node status now, and whether it has to be written at once.
    pub(crate) fn status(&mut self) -> (RealtimeStatus, bool) {
        let now = self.shared.now();
        let busy = self.busy.path(now);
        self.facts.busy_path = busy.map(report::display_path);
        let watch = lock(&self.shared.state).clone();
        let before = self.status.as_ref();
        let status = condition::status(&watch, &self.facts, before, &time::now());
        let is_transition = before.is_some_and(|before| condition::is_transition(before, &status));
        self.status = Some(status.clone());
        (status, is_transition)
    }
}

/// The failure log of a failed result.
fn log_of(runner: &Runner, finding: &Finding, report: Option<&Report>) -> Option<Value> {
    let log = runner.log_of_known_state(report?, &finding.result.last_probe_time);
    log.inspect_err(|error| tracing::error!(%error, "failed to write the failure log"))
        .ok()
}

#[cfg(test)]
mod kernel_tests;
