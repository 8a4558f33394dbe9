//! The agent on each node: keeps a baseline, compares, and tells.
//!
//! [`machine`] decides (pure); the tasks here turn the world into its events and carry out its
//! actions: [`watch`] follows the operator's wishes, [`signal_file`] the signal, [`runner`] runs
//! AIDE, [`configuration`] gets what to run it with, [`reporter`] publishes through an [`outbox`].

pub mod configuration;
pub mod machine;
pub mod node_config;
pub mod outbox;
pub mod page_cache;
pub mod reporter;
pub mod runner;
pub mod seen;
pub mod watch;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use kube::{Api, Client};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch as watched};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::configuration::Configurations;
use self::machine::{Action, Cause, Disk, Event, Machine, Observed};
use self::node_config::Verified;
use self::outbox::Item;
use self::reporter::Reporter;
use self::runner::{Done, Runner};
use self::seen::Seen;
use crate::aide::command::{Aide, NO_AIDE};
use crate::aide::database::{DatabaseError, StateDir};
use crate::aide::watchdog::Limits;
use crate::api::{
    Condition, ErrorClass, FileIntegrityNodeStatus, Reinit, ScanResult, names, state_dir, time,
};
use crate::scan::Identity;
use crate::scan::outcome::{Finding, Outcome, ScanError};
use crate::scan::publish::Publisher;
use crate::scan::reporting::NodeUpdate;
use crate::signal_file::{self, SignalFile};
use crate::telemetry::health::{self, Readiness};

/// How long the API may take to answer at the start before the daemon goes on without it.
const API_PATIENCE: Duration = Duration::from_secs(10);
/// How long what waits to be published may delay the end of the process.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How often a state directory that cannot be had is tried again.
const CLAIM_EVERY: Duration = Duration::from_secs(10);
/// How long the daemon of a pod that ends may keep the lock: its terminationGracePeriodSeconds, and as
/// long again for the cluster to begin with that, and for the kubelet.
const LOCK_PATIENCE: Duration = Duration::from_secs(40);
/// How often such a lock is tried.
const LOCK_EVERY: Duration = Duration::from_secs(1);

/// What a daemon is told when it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose files are scanned, for whom.
    pub identity: Identity,
    /// The pod or host, for events.
    pub reporter: String,
    /// Pause between scans.
    pub interval: Duration,
    /// Backups to keep.
    pub max_backups: usize,
    /// Mount of the active ConfigMap.
    pub config_dir: PathBuf,
    /// Mount of the node's root.
    pub host_root: PathBuf,
    /// The state directory on the node, where a user asks for one.
    pub state_dir: Option<String>,
    /// A directory of the container's own.
    pub work_dir: PathBuf,
    /// The AIDE program.
    pub aide: PathBuf,
    /// AIDE's worker threads.
    pub workers: u32,
    /// How long AIDE may take.
    pub limits: Limits,
    /// A lost baseline is reported and not made anew.
    pub error_on_loss: bool,
    /// Where health checks are served.
    pub health: Option<SocketAddr>,
}

/// Runs the daemon until `stop` says so.
pub async fn run(
    settings: Settings,
    client: Client,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // First of all: probes come as soon as the container runs.
    let readiness = Readiness::default();
    if let Some(address) = settings.health {
        health::serve(address, readiness.clone()).await?;
    }
    let (aide, version) = check_surroundings(&settings).await?;
    let (events, inbox) = mpsc::unbounded_channel();
    let (seen, _) = watched::channel(Seen::default());
    let (items, outgoing) = mpsc::unbounded_channel();
    let publisher = Publisher::new(
        &client,
        settings.identity.clone(),
        settings.reporter.clone(),
    );
    let reporter = Reporter::new(publisher, outgoing, seen.clone());
    let on_published = events.clone();
    let reporting = tokio::spawn(reporter.run(move || {
        on_published.send(Event::Published).ok();
    }));
    let namespace = &settings.identity.namespace;
    let statuses = Api::<FileIntegrityNodeStatus>::namespaced(client.clone(), namespace);
    tokio::spawn(watch::run(
        statuses,
        settings.identity.node_status(),
        seen.clone(),
    ));
    tokio::spawn(observe(seen.subscribe(), events.clone()));

    // The lock is held until the process ends.
    let place = Place {
        host_root: &settings.host_root,
        asked: settings.state_dir.as_deref(),
        owner: &settings.identity.file_integrity,
    };
    let claimed = claim(&place, &items, &readiness, &stop).await;
    let Some((state, state_dir, _lock)) = claimed else {
        return Ok(());
    };
    state.prune_backups(settings.max_backups);
    let daemon = Daemon {
        configurations: Configurations {
            mount: settings.config_dir.clone(),
            work_dir: settings.work_dir.clone(),
            name: settings.identity.file_integrity.clone(),
            api: Api::namespaced(client, namespace),
        },
        signal: SignalFile::new(below(&settings.host_root, names::SIGNAL_FILE)),
        machine: Machine::new(machine_settings(&settings)),
        runner: runner(&settings, aide, version, state, state_dir),
        readiness,
        events,
        items,
        start: Instant::now(),
        wake: None,
        loading: None,
        cancel: CancellationToken::new(),
        last: None,
        signalled: None,
        seen: seen.subscribe(),
        told: None,
    };
    daemon.live(inbox, stop).await?;
    tokio::time::timeout(LAST_WORDS, reporting).await.ok();
    Ok(())
}

/// Checks what must be there before anything else, naming what is not. Returns AIDE and its
/// version.
async fn check_surroundings(settings: &Settings) -> anyhow::Result<(Aide, String)> {
    let host_root = &settings.host_root;
    anyhow::ensure!(
        host_root.join("etc").is_dir(),
        "{} is not a node's root; mount the host's / there",
        host_root.display()
    );
    let aide = Aide::new(&settings.aide).watched(settings.limits, host_root);
    let version = aide.supported_version().await.context(NO_AIDE)?;
    Ok((aide, version))
}

/// Where a state directory is looked for.
struct Place<'a> {
    host_root: &'a Path,
    /// The directory that the spec names, if it does.
    asked: Option<&'a str>,
    /// The FileIntegrity.
    owner: &'a str,
}

/// Finds a state directory and takes its lock. While that cannot be had the node is Errored, and
/// says why: the pod is ready, as nothing better will come of waiting for it. A lock that is taken may
/// be that of a pod which ends, as where a FileIntegrity was made again; only one that stays so is
/// told. None: stopped.
async fn claim(
    place: &Place<'_>,
    items: &mpsc::UnboundedSender<Item>,
    readiness: &Readiness,
    stop: &CancellationToken,
) -> Option<(StateDir, String, std::fs::File)> {
    let mut last = String::new();
    let mut locked_since = None;
    loop {
        let claimed = StateDir::choose(place.host_root, place.asked, place.owner)
            .and_then(|(state, dir)| state.lock().map(|lock| (state, dir, lock)));
        let error = match claimed {
            Ok(claimed) => return Some(claimed),
            Err(error) => error,
        };
        let is_patient = is_patient(&error, &mut locked_since);
        let error = crate::error_chain(&error);
        if !is_patient && error != last {
            tracing::error!(error, "the node cannot be watched");
            let outcome = Outcome::Errored(ScanError::new(ErrorClass::State, error.clone()));
            let finding = Finding::new(&outcome, time::now(), Duration::ZERO);
            let news = NodeUpdate {
                finding: Some(finding),
                ..NodeUpdate::default()
            };
            items
                .send(Item {
                    update: news,
                    log: None,
                })
                .ok();
            readiness.set(true);
            last = error;
        }
        let pause = if is_patient { LOCK_EVERY } else { CLAIM_EVERY };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return None,
        }
    }
}

/// Whether what cannot be had is a lock that may be free soon.
fn is_patient(error: &DatabaseError, locked_since: &mut Option<Instant>) -> bool {
    if !matches!(error, DatabaseError::Locked { .. }) {
        return false;
    }
    let since = *locked_since.get_or_insert_with(|| {
        let error = crate::error_chain(error);
        let seconds = LOCK_PATIENCE.as_secs();
        tracing::info!(error, seconds, "waiting, as a pod that ends may have it");
        Instant::now()
    });
    since.elapsed() < LOCK_PATIENCE
}

fn runner(
    settings: &Settings,
    aide: Aide,
    aide_version: String,
    state: StateDir,
    state_dir_on_node: String,
) -> Runner {
    Runner {
        aide,
        aide_version,
        state,
        state_dir_on_node,
        work_dir: settings.work_dir.clone(),
        host_root: settings
            .host_root
            .to_string_lossy()
            .trim_end_matches('/')
            .to_owned(),
        identity: settings.identity.clone(),
        workers: settings.workers,
        max_backups: settings.max_backups,
        max_report: runner::MAX_REPORT,
        verified: Verified::default(),
    }
}

fn machine_settings(settings: &Settings) -> machine::Settings {
    machine::Settings {
        pause: settings.interval,
        first_pause: share(&settings.identity.node),
        error_on_loss: settings.error_on_loss,
        state_dir: settings.state_dir.as_deref().map(state_dir::normalized),
    }
}

/// A number from 0 to 1 that stays the same for a node and is spread evenly over nodes: the part of
/// the first pause.
pub fn share(node: &str) -> f64 {
    let hash = Sha256::digest(node.as_bytes());
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    f64::from(number) / f64::from(u32::MAX)
}

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Turns what is seen of the status object into events, one per change of what matters.
async fn observe(mut seen: watched::Receiver<Seen>, events: mpsc::UnboundedSender<Event>) {
    let patience = tokio::time::sleep(API_PATIENCE);
    tokio::pin!(patience);
    let (mut patient, mut last, mut told_away) = (true, None, false);
    loop {
        tokio::select! {
            changed = seen.changed() => if changed.is_err() { return },
            () = &mut patience, if patient => patient = false,
        }
        let (observed, away) = {
            let seen = seen.borrow_and_update();
            (seen.status.as_ref().map(wishes), seen.away)
        };
        if let Some(observed) = observed
            && last.as_ref() != Some(&observed)
        {
            last = Some(observed.clone());
            events.send(Event::Observed(observed)).ok();
        }
        if away && last.is_none() && !patient && !told_away {
            told_away = true;
            events.send(Event::ApiAway).ok();
        }
    }
}

fn wishes(status: &FileIntegrityNodeStatus) -> Observed {
    let desired = status.desired();
    Observed {
        held: desired.hold.is_some(),
        config: desired.config_hash,
        request: desired.reinit_request,
        done: status.reinit.as_ref().map(|r| r.id.clone()),
        baseline: status
            .baseline
            .as_ref()
            .map(|b| (b.digest.clone(), b.config_hash.clone())),
        state_dir: status.baseline.as_ref().and_then(|b| b.state_dir.clone()),
        unrequested: status.baseline.as_ref().is_some_and(|b| !b.requested),
        open_failure: open_failure(status),
    }
}

/// Counts and failure log of the newest result that is no error, where it is Failed.
fn open_failure(status: &FileIntegrityNodeStatus) -> Option<String> {
    let last = status.last_result.iter();
    let mut results: Vec<&ScanResult> = last.chain(&status.results).collect();
    results.retain(|result| result.condition != Condition::Errored);
    // The last result comes first, and of equal times the first one counts.
    let newest = results
        .into_iter()
        .rev()
        .max_by_key(|result| result.last_probe_time.0)?;
    (newest.condition == Condition::Failed).then(|| {
        let log = match (
            &newest.result_config_map_namespace,
            &newest.result_config_map_name,
        ) {
            (Some(namespace), Some(name)) => format!(" log:{namespace}/{name}"),
            _ => String::new(),
        };
        format!(
            "a:{},c:{},r:{}{log}",
            newest.files_added, newest.files_changed, newest.files_removed
        )
    })
}

/// The tasks' shared end: feeds the machine and does what it says.
struct Daemon {
    machine: Machine,
    runner: Runner,
    configurations: Configurations,
    signal: SignalFile,
    readiness: Readiness,
    events: mpsc::UnboundedSender<Event>,
    items: mpsc::UnboundedSender<Item>,
    start: Instant,
    wake: Option<Instant>,
    loading: Option<tokio::task::AbortHandle>,
    cancel: CancellationToken,
    last: Option<Done>,
    signalled: Option<String>,
    seen: watched::Receiver<Seen>,
    /// Hash of the changes that log shippers were told of last, empty where the last scan was clean;
    /// none before the first scan.
    told: Option<String>,
}

impl Daemon {
    async fn live(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Event>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let (done, mut finished) = mpsc::channel::<Done>(1);
        self.begin().await?;
        let mut look = tokio::time::interval(signal_file::LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stopping = false;
        loop {
            let wake = self.wake;
            let event = tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    Event::Shutdown
                }
                Some(done) = finished.recv() => {
                    give_page_cache_back();
                    self.finished(done)
                }
                Some(event) = inbox.recv() => event,
                () = sleep_until(wake), if wake.is_some() => {
                    self.wake = None;
                    Event::Timer
                }
                _ = look.tick() => match self.look_for_signal() {
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
                self.act(action, &done)?;
            }
        }
    }

    /// The events of the start: what the disk holds, and what is mounted.
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

    /// The mounted configuration serves for a start. Where there is none, or another one than the
    /// baseline was made with, the API decides; a daemon that has neither cannot begin.
    fn take_mounted(&self, known: Option<String>) -> anyhow::Result<()> {
        match self.configurations.load_mounted() {
            Ok(hash) => {
                if known.is_some_and(|known| known != hash) {
                    tracing::warn!(
                        hash,
                        "the mounted configuration is another than the baseline's; the API decides"
                    );
                }
                self.events.send(Event::ConfigLoaded(hash))?;
            }
            Err(error) if known.is_some() => {
                let error = crate::error_chain(&error);
                tracing::error!(error, "there is no mounted configuration; the API is asked");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn finished(&mut self, mut done: Done) -> Event {
        if let Some(remains) = done.remains.take() {
            let events = self.events.clone();
            tokio::spawn(async move {
                remains.gone().await;
                events.send(Event::Freed).ok();
            });
        }
        let event = Event::Finished(done.finished.clone());
        self.last = Some(done);
        event
    }

    fn look_for_signal(&mut self) -> Option<Event> {
        let text = self.signal.read();
        if text == self.signalled {
            return None;
        }
        self.signalled.clone_from(&text);
        text.map(Event::Signal)
    }

    fn act(&mut self, action: Action, done: &mpsc::Sender<Done>) -> anyhow::Result<()> {
        match action {
            Action::LoadConfig(hash) => self.load_config(hash),
            Action::StopLoading => self.stop_loading(),
            Action::Initialise(cause) => self.initialise(cause, done.clone()),
            Action::Scan => self.scan(done.clone()),
            Action::PublishScan => self.publish_scan(),
            Action::PublishBaseline { request, warning } => {
                self.publish_baseline(request, warning)?;
            }
            Action::PublishAgain => self.publish_again(),
            Action::PublishError { error, warning } => {
                tracing::error!(class = %error.class, error = error.message, "no scan");
                let outcome = Outcome::Errored(error);
                let finding = Finding::new(&outcome, time::now(), Duration::ZERO);
                let news = NodeUpdate {
                    finding: Some(finding),
                    event: warning,
                    ..NodeUpdate::default()
                };
                self.publish(news, None);
            }
            Action::ClearSignal => self.signalled = self.signal.clear_or_remember(),
            Action::WakeAt(at) => self.wake = Some(self.start + at),
            Action::Sleep => self.wake = None,
            Action::Ready => self.readiness.set(true),
            Action::StopAide => self.cancel.cancel(),
            // The loop ends before it comes here.
            Action::Exit => {}
        }
        Ok(())
    }

    fn stop_loading(&mut self) {
        if let Some(loading) = self.loading.take() {
            loading.abort();
        }
    }

    /// Hash of the configuration to run AIDE with. The machine runs nothing before it has one.
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

    fn initialise(&mut self, cause: Cause, done: mpsc::Sender<Done>) {
        tracing::info!(?cause, "making a new baseline");
        let (runner, cancel, hash) = (self.runner.clone(), self.cancel.clone(), self.config());
        let configurations = self.configurations.clone();
        tokio::spawn(async move {
            let result = match configurations.at_hand(&hash).await {
                Ok(config) => runner.initialise(&config, &hash, &cause, &cancel).await,
                Err(error) => Done::not_initialised(&error),
            };
            done.send(result).await.ok();
        });
    }

    fn scan(&mut self, done: mpsc::Sender<Done>) {
        let (runner, cancel) = (self.runner.clone(), self.cancel.clone());
        let (configurations, hash) = (self.configurations.clone(), self.config());
        tokio::spawn(async move {
            let result = match configurations.at_hand(&hash).await {
                Ok(config) => runner.scan(&config, &cancel).await,
                Err(error) => Done::not_scanned(&error),
            };
            done.send(result).await.ok();
        });
    }

    fn publish_scan(&mut self) {
        let Some(Done {
            finished: machine::Finished::Scanned { finding, digest },
            log,
            scan,
            lines,
            ..
        }) = self.last.take()
        else {
            return;
        };
        let result = &finding.result;
        tracing::info!(
            condition = %result.condition,
            added = result.files_added,
            changed = result.files_changed,
            removed = result.files_removed,
            files = result.files_scanned,
            milliseconds = result.duration_milliseconds,
            error = result.error_message,
            scan,
            "scan finished"
        );
        self.tell_shippers(result, lines);
        self.publish(
            NodeUpdate {
                finding: Some(finding),
                scanned_digest: digest,
                ..NodeUpdate::default()
            },
            log,
        );
    }

    /// Writes what a failed scan found to standard output, unless the scan before found the same.
    fn tell_shippers(&mut self, result: &ScanResult, lines: Option<String>) {
        let before = self.told.take().unwrap_or_else(|| {
            let seen = self.seen.borrow();
            let last = seen.status.as_ref().and_then(|s| s.last_result.as_ref());
            let hash = last.and_then(|last| last.changes_hash.clone());
            hash.unwrap_or_default()
        });
        let now = match result.condition {
            Condition::Errored => before.clone(),
            Condition::Failed | Condition::Succeeded => {
                result.changes_hash.clone().unwrap_or_default()
            }
        };
        if let Some(lines) = lines.filter(|_| now != before)
            && let Err(error) = std::io::stdout().write_all(lines.as_bytes())
        {
            tracing::warn!(%error, "standard output does not take what changed");
        }
        self.told = Some(now);
    }

    fn publish_baseline(
        &mut self,
        request: Option<String>,
        warning: Option<crate::scan::event::EventMessage>,
    ) -> anyhow::Result<()> {
        let done = self.last.take();
        let started_at = done
            .as_ref()
            .map_or_else(time::now, |done| done.started_at.clone());
        let baseline = match done.and_then(|done| done.baseline) {
            Some(baseline) => Some(baseline),
            None => self.runner.baseline_on_disk()?,
        };
        if let Some(baseline) = &baseline {
            tracing::info!(
                digest = baseline.digest,
                entries = baseline.entries,
                requested = baseline.requested,
                "baseline"
            );
        }
        let reinit = request.map(|id| Reinit {
            id,
            started_at,
            finished_at: time::now(),
        });
        self.publish(
            NodeUpdate {
                baseline,
                reinit,
                event: warning,
                ..NodeUpdate::default()
            },
            None,
        );
        Ok(())
    }

    fn publish_again(&self) {
        let on_disk = self.runner.baseline_on_disk().unwrap_or_else(|error| {
            let error = crate::error_chain(&error);
            tracing::warn!(error, "the baseline cannot be looked at");
            None
        });
        let news = NodeUpdate {
            baseline_on_disk: on_disk,
            ..NodeUpdate::default()
        };
        self.publish(news, None);
    }

    fn publish(&self, news: NodeUpdate, log: Option<serde_json::Value>) {
        // The receiver lives until this sender is dropped.
        self.items.send(Item { update: news, log }).ok();
    }
}

/// What the scan's own files took may go first; nothing depends on it.
fn give_page_cache_back() {
    if let Err(error) = page_cache::give_back(Path::new(page_cache::CGROUP)) {
        tracing::debug!(%error, "the page cache stays");
    }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::FlockOperation;

    use super::*;

    /// What the machine is told, and when, if the API opens the watch after `opened` seconds, shows the
    /// status after `shown` and is away after `lost`.
    async fn told(opened: u64, shown: u64, lost: u64) -> Vec<(u64, Event)> {
        let (seen, receiver) = watched::channel(Seen::default());
        let (events, mut inbox) = mpsc::unbounded_channel();
        tokio::spawn(observe(receiver, events));
        let start = Instant::now();
        tokio::spawn(async move {
            let after = |seconds| tokio::time::sleep_until(start + Duration::from_secs(seconds));
            let mut steps = [(opened, 0), (shown, 1), (lost, 2)];
            steps.sort_unstable();
            for (at, step) in steps {
                after(at).await;
                seen.send_modify(|seen| match step {
                    0 => seen.away = false,
                    1 => seen.status = Some(FileIntegrityNodeStatus::default()),
                    _ => seen.away = true,
                });
            }
        });
        let mut told = Vec::new();
        while let Some(event) = inbox.recv().await {
            told.push((start.elapsed().as_secs(), event));
        }
        told
    }

    /// Claims the state directory of a node whose lock is free after so many seconds and a half; gives
    /// up after 60. Returns after how many seconds it is claimed, and what is told when.
    async fn claimed(asked: &str, free: Option<u64>) -> (Option<u64>, Vec<(u64, String)>) {
        let root = tempfile::tempdir().unwrap();
        let (state, _) = StateDir::choose(root.path(), Some("/state"), "fi").unwrap();
        let lock = std::fs::File::create(state.path().join("aide.lock")).unwrap();
        let freed = free.map(|seconds| Duration::from_millis(seconds * 1000 + 500));
        if freed.is_some() {
            rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
        }
        let (items, mut outgoing) = mpsc::unbounded_channel::<Item>();
        let (readiness, stop) = (Readiness::default(), CancellationToken::new());
        let start = Instant::now();
        let stopping = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(freed.unwrap_or_default()).await;
            // Closing it would not do: programs that other tests start have it for a moment.
            rustix::fs::flock(&lock, FlockOperation::Unlock).unwrap();
            tokio::time::sleep_until(start + Duration::from_secs(60)).await;
            stopping.cancel();
        });
        let telling = tokio::spawn(async move {
            let mut told = Vec::new();
            while let Some(item) = outgoing.recv().await {
                let result = item.update.finding.unwrap().result;
                assert_eq!(result.condition, Condition::Errored);
                told.push((start.elapsed().as_secs(), result.error_message.unwrap()));
            }
            told
        });
        let place = Place {
            host_root: root.path(),
            asked: Some(asked),
            owner: "fi",
        };
        let claimed = claim(&place, &items, &readiness, &stop).await;
        let after = claimed.map(|_| start.elapsed().as_secs());
        drop(items);
        let told = telling.await.unwrap();
        assert_eq!(readiness.get(), !told.is_empty(), "{told:?}");
        (after, told)
    }

    #[test]
    fn an_open_failure_is_the_newest_result_without_an_error() {
        let result = |condition, second: i64| {
            let at = jiff::Timestamp::from_second(second).unwrap();
            ScanResult {
                files_changed: 3,
                result_config_map_name: Some("log".to_owned()),
                result_config_map_namespace: Some("ns".to_owned()),
                ..ScanResult::new(condition, at.into())
            }
        };
        let (ok, failed) = (Condition::Succeeded, Condition::Failed);
        let open = Some("a:0,c:3,r:0 log:ns/log".to_owned());
        for (last, others, expected) in [
            (None, vec![], None),
            (Some(result(failed, 2)), vec![result(ok, 1)], open.clone()),
            (Some(result(ok, 2)), vec![result(failed, 1)], None),
            // The clock was set back.
            (Some(result(failed, 2)), vec![result(ok, 2)], open.clone()),
            (
                Some(result(Condition::Errored, 9)),
                vec![result(ok, 1), result(failed, 2)],
                open.clone(),
            ),
            (
                Some(result(Condition::Errored, 9)),
                vec![result(failed, 1), result(ok, 2)],
                None,
            ),
        ] {
            let status = FileIntegrityNodeStatus {
                last_result: last,
                results: others,
                ..FileIntegrityNodeStatus::default()
            };
            assert_eq!(open_failure(&status), expected, "{status:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_an_ending_pod_has_is_waited_for_and_one_that_stays_is_told() {
        let locked = Some((40, "is locked by another fio daemon"));
        let no_place = Some((0, "cannot be created"));
        let table = [
            ("nobody has it", "/state", None, Some(0), None),
            ("a pod ends", "/state", Some(34), Some(35), None),
            ("a pod ends late", "/state", Some(45), Some(50), locked),
            ("another daemon", "/state", Some(90), None, locked),
            // The lock's file is no directory.
            ("no place", "/state/aide.lock/x", Some(90), None, no_place),
        ];
        for (what, asked, free, expected, error) in table {
            let (after, told) = claimed(asked, free).await;
            assert_eq!(after, expected, "{what}");
            let told: Vec<_> = told
                .iter()
                .map(|(at, text)| (*at, error.filter(|(_, part)| text.contains(part))))
                .collect();
            let expected: Vec<_> = error
                .map(|error| (error.0, Some(error)))
                .into_iter()
                .collect();
            assert_eq!(told, expected, "{what}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_that_does_not_answer_at_the_start_is_waited_for_ten_seconds() {
        let observed = || Event::Observed(Observed::default());
        let away = || Event::ApiAway;
        let table = [
            ("at once", [0, 1, 60], vec![(1, observed())]),
            ("late", [40, 41, 60], vec![(10, away()), (41, observed())]),
            (
                "it fails first",
                [0, 60, 5],
                vec![(10, away()), (60, observed())],
            ),
            (
                "no status",
                [1, 60, 30],
                vec![(30, away()), (60, observed())],
            ),
            ("away later", [1, 2, 30], vec![(2, observed())]),
        ];
        for (what, [opened, shown, lost], expected) in table {
            assert_eq!(told(opened, shown, lost).await, expected, "{what}");
        }
    }
}
