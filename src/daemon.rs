//! The agent on each node: creates a baseline, compares the node with it, and reports.
//!
//! [`machine`] decides (pure). Around it, [`watch`] and [`status_observer`] follow the node status,
//! [`configuration`] loads the configuration, [`mod@runner`] runs AIDE, and [`reporter`] publishes what is
//! in the [`outbox`], and [`accepted_reports`] the reports of new baselines. [`announced`] accepts announced changes. [`event_loop`] feeds their events to the machine and executes its actions.

mod accepted_reports;
mod announced;
pub(crate) mod configuration;
mod detection;
mod event_loop;
pub(crate) mod known_status;
mod lines;
pub(crate) mod machine;
pub(crate) mod node_config;
pub(crate) mod node_state;
pub(crate) mod outbox;
pub(crate) mod page_cache;
mod publishing;
pub(crate) mod realtime;
pub(crate) mod reporter;
pub(crate) mod runner;
pub(crate) mod settings;
pub(crate) mod start_jitter;
mod state_dir_lock;
mod status_observer;
pub(crate) mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::{Api, Client};
use tokio::sync::{Notify, mpsc, watch as watched};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::announced::Announcements;
use self::configuration::Configurations;
use self::detection::Detection;
use self::event_loop::{EventLoop, Progress};
use self::known_status::KnownStatus;
use self::lines::Lines;
use self::machine::{Event, Machine};
use self::node_config::Verified;
use self::publishing::Publishing;
use self::realtime::condition;
use self::realtime::shared::Notice;
use self::reporter::Reporter;
use self::runner::Runner;
use self::settings::Settings;
use self::start_jitter::start_jitter;
use self::state_dir_lock::{LockedStateDir, Place};
use crate::aide::command::{Aide, NO_AIDE};
use crate::api::{FileIntegrityNodeStatus, RealtimeMode, RealtimeStatus, names, state_dir};
use crate::scan::output::Output;
use crate::scan::publish::Publisher;
use crate::signal_file::SignalFile;
use crate::telemetry::health::{self, Readiness};

/// Maximum time to publish what is left before the process exits.
const SHUTDOWN_FLUSH: Duration = Duration::from_secs(5);

/// The directory of the Machine Config Operator's daemon on a node (`pkg/daemon` of the machine-config-operator).
const MACHINE_CONFIG_DAEMON: &str = "etc/machine-config-daemon";
/// For how long a first difference waits for a hold.
const UPDATE_DELAY: Duration = Duration::from_secs(12);

/// Runs the daemon until `stop` is cancelled.
pub(crate) async fn run(
    settings: Settings,
    client: Client,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // The kubelet probes as soon as the container runs.
    let readiness = Readiness::default();
    if let Some(address) = settings.health {
        health::serve(address, readiness.clone()).await?;
    }
    let (aide, version) = check_prerequisites(&settings).await?;
    let (events, inbox) = mpsc::unbounded_channel();
    let (status, _) = watched::channel(KnownStatus::default());
    let (items, outgoing) = mpsc::unbounded_channel();
    let publisher = Publisher::new(
        &client,
        settings.identity.clone(),
        settings.reporter.clone(),
    );
    let reporter = Reporter::new(publisher, outgoing, status.clone());
    let on_published = events.clone();
    let reporting = tokio::spawn(reporter.run(move || {
        on_published.send(Event::Published).ok();
    }));
    let namespace = &settings.identity.namespace;
    let statuses = Api::<FileIntegrityNodeStatus>::namespaced(client.clone(), namespace);
    let name = settings.identity.node_status();
    tokio::spawn(watch::run(statuses, name, status.clone()));
    tokio::spawn(status_observer::run(status.subscribe(), events.clone()));

    let place = Place {
        host_root: &settings.host_root,
        in_spec: settings.state_dir.as_deref(),
        owner: &settings.identity.file_integrity,
    };
    let output = Output::new(settings.output.clone(), &settings.identity);
    let mut lines = Lines::new(output, status.subscribe(), std::io::stdout());
    let locked = state_dir_lock::acquire(&place, &items, &mut lines, &readiness, &stop).await;
    // The lock is held until the process exits.
    let Some(locked) = locked else {
        return Ok(());
    };
    locked.state.prune_backups(settings.max_backups);
    let mut runner = runner(&settings, aide, version, &locked);
    let start = Instant::now();
    let (notices, announced) = mpsc::unbounded_channel();
    let (detection, realtime) = detection(&settings, &runner, start, notices);
    let reports = Arc::new(Notify::new());
    tokio::spawn(accepted_reports::publish(
        locked.state.clone(),
        Api::namespaced(client.clone(), namespace),
        settings.identity.file_integrity.clone(),
        Arc::clone(&reports),
    ));
    runner.watcher = detection.as_ref().map(Detection::watcher);
    let event_loop = EventLoop {
        machine: Machine::new(machine_settings(&settings)),
        announcements: Announcements::new(
            Api::namespaced(client.clone(), namespace),
            settings.identity.file_integrity.clone(),
            status.subscribe(),
        ),
        configurations: Configurations {
            mount: settings.config_dir.clone(),
            work_dir: settings.work_dir.clone(),
            name: settings.identity.file_integrity.clone(),
            api: Api::namespaced(client, namespace),
            state: runner.state.clone(),
        },
        signal: SignalFile::new(below(&settings.host_root, names::SIGNAL_FILE)),
        status: status.subscribe(),
        publishing: Publishing::new(items, runner.clone(), lines, realtime, reports),
        runner,
        detection,
        readiness,
        events,
        start,
        progress: Progress::default(),
    };
    event_loop.run(inbox, announced, stop).await?;
    tokio::time::timeout(SHUTDOWN_FLUSH, reporting).await.ok();
    Ok(())
}

/// Starts realtime detection, and returns its status. None if it is off or cannot be started.
fn detection(
    settings: &Settings,
    runner: &Runner,
    start: Instant,
    notices: mpsc::UnboundedSender<Notice>,
) -> (Option<Detection>, RealtimeStatus) {
    if settings.realtime.mode == RealtimeMode::Off {
        return (None, condition::off());
    }
    let place = detection::Place {
        host_root: runner.host_root.clone(),
        state_dir: runner.state_dir_on_node.clone(),
        backend: settings.realtime.backend,
        delay: settings.realtime.delay,
        actors: settings.realtime.actors,
        report_delay: report_delay(&settings.host_root),
        interrupted_checks: runner.interrupted_checks(),
    };
    match Detection::start(place, start.into_std(), notices) {
        Ok(mut detection) => {
            let status = detection.status().0;
            (Some(detection), status)
        }
        Err(error) => {
            // Scans report all changes without it.
            tracing::error!(%error, "failed to start realtime detection");
            (None, condition::not_started(error.to_string()))
        }
    }
}

/// Time from the first difference to its result. An update by the Machine Config Operator begins with changes,
/// and the hold for it reaches the daemon some seconds later.
fn report_delay(host_root: &Path) -> Duration {
    if host_root.join(MACHINE_CONFIG_DAEMON).is_dir() {
        UPDATE_DELAY
    } else {
        Duration::ZERO
    }
}

/// Checks that the node's root and AIDE can be used. Returns AIDE and its version.
async fn check_prerequisites(settings: &Settings) -> anyhow::Result<(Aide, String)> {
    let host_root = &settings.host_root;
    anyhow::ensure!(
        host_root.join("etc").is_dir(),
        "{} is not the root of a node; mount the host's / there",
        host_root.display()
    );
    let aide = Aide::new(&settings.aide).watched(settings.limits, host_root);
    let version = aide.supported_version().await.context(NO_AIDE)?;
    Ok((aide, version))
}

fn runner(
    settings: &Settings,
    aide: Aide,
    aide_version: String,
    locked: &LockedStateDir,
) -> Runner {
    let host_root = settings.host_root.to_string_lossy();
    Runner {
        aide,
        aide_version,
        state: locked.state.clone(),
        state_dir_on_node: locked.dir_on_node.clone(),
        work_dir: settings.work_dir.clone(),
        host_root: host_root.trim_end_matches('/').to_owned(),
        identity: settings.identity.clone(),
        workers: settings.workers,
        max_backups: settings.max_backups,
        max_report: runner::MAX_REPORT,
        verified: Verified::default(),
        watcher: None,
    }
}

fn machine_settings(settings: &Settings) -> machine::Settings {
    machine::Settings {
        interval: settings.interval,
        first_fraction: start_jitter(&settings.identity.node),
        error_on_loss: settings.error_on_loss,
        state_dir: settings.state_dir.as_deref().map(state_dir::normalized),
    }
}

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}
