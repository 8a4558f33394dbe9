//! `fio daemon`: its arguments and environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::aide::watchdog::{self, Limits};
use crate::api::realtime::{
    DEFAULT_DELAY_MILLISECONDS, MAX_DELAY_MILLISECONDS, MIN_DELAY_MILLISECONDS, RealtimeActors,
    RealtimeMode,
};
use crate::api::{OutputFormat, file_integrity, names};
use crate::daemon;
use crate::daemon::realtime::kernel_watches::Preference;
use crate::daemon::settings::{RealtimeSettings, Settings};
use crate::k8s;
use crate::scan::{Identity, output};

/// What to do if the baseline is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnLoss {
    /// Create a new baseline and report it with a warning.
    Reinit,
    /// Report the node as Errored.
    Error,
}

/// Format of the lines for log shippers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputArg {
    /// The fields that fio's documentation describes.
    Fio,
    /// The Elastic Common Schema.
    Ecs,
    /// The Open Cybersecurity Schema Framework.
    Ocsf,
}

impl From<OutputArg> for OutputFormat {
    fn from(format: OutputArg) -> Self {
        match format {
            OutputArg::Fio => Self::Fio,
            OutputArg::Ecs => Self::Ecs,
            OutputArg::Ocsf => Self::Ocsf,
        }
    }
}

/// Whether changes are reported in addition to the periodic scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RealtimeArg {
    /// Changes are reported within about a second.
    Auto,
    /// Only periodic scans report changes.
    Off,
}

impl From<RealtimeArg> for RealtimeMode {
    fn from(mode: RealtimeArg) -> Self {
        match mode {
            RealtimeArg::Auto => Self::Auto,
            RealtimeArg::Off => Self::Off,
        }
    }
}

/// What is reported about who made a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ActorsArg {
    /// Nothing.
    None,
    /// The process; requires the process namespace of the node.
    Process,
}

impl From<ActorsArg> for RealtimeActors {
    fn from(actors: ActorsArg) -> Self {
        match actors {
            ActorsArg::None => Self::None,
            ActorsArg::Process => Self::Process,
        }
    }
}

/// Interface of the kernel for realtime detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BackendArg {
    /// fanotify, and inotify where that is not possible.
    Auto,
    /// inotify, also where fanotify is possible.
    Inotify,
}

impl From<BackendArg> for Preference {
    fn from(backend: BackendArg) -> Self {
        match backend {
            BackendArg::Auto => Self::Auto,
            BackendArg::Inotify => Self::Inotify,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the FileIntegrity.
    #[arg(long, value_parser = super::object_name)]
    owner: String,
    /// Namespace of the FileIntegrity.
    #[arg(long, env = "WATCH_NAMESPACE")]
    namespace: Option<String>,
    /// Name of the node.
    #[arg(long, env = "NODE_NAME", value_parser = super::object_name)]
    node: Option<String>,
    /// Name of the pod, for events.
    #[arg(long, env = "POD_NAME", hide = true)]
    pod: Option<String>,
    /// Prefix of the names of failure logs [default: aide-OWNER].
    #[arg(long, value_name = "PREFIX", value_parser = super::object_name)]
    lc_config_map_prefix: Option<String>,
    /// Ignored: AIDE's plain report is in the state directory.
    #[arg(long, value_name = "FILE")]
    lc_file: Option<PathBuf>,
    /// Pause between scans, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    interval: u64,
    /// Log debug messages.
    #[arg(long, default_value_t = false, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    pub(super) debug: bool,
    /// Number of backups to keep of the database and of the log, each.
    #[arg(long, value_name = "N", default_value_t = 5)]
    maxbackups: usize,
    /// Mount of the active ConfigMap.
    #[arg(long, value_name = "DIR", default_value = names::CONFIG_DIR)]
    aideconfigdir: PathBuf,
    /// Directory on the node for the database, the log and their backups [default: /etc/kubernetes,
    /// or /var/lib/file-integrity if that is missing, read-only or in memory].
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
    /// Mount of the node's root.
    #[arg(long, value_name = "DIR", default_value = names::HOST_ROOT)]
    host_root: PathBuf,
    /// What to do if the baseline is lost and nobody has requested a new one.
    #[arg(long, value_enum, default_value_t = OnLoss::Reinit)]
    on_baseline_loss: OnLoss,
    /// Number of AIDE's worker threads, which hash files [default: 1].
    #[arg(long, env = "FIO_WORKERS", value_name = "N")]
    workers: Option<u32>,
    /// Maximum duration of a scan, in seconds; a longer one is terminated and reported as hung.
    #[arg(long, value_name = "SECONDS", default_value_t = watchdog::TOTAL.as_secs(), value_parser = clap::value_parser!(u64).range(1..))]
    scan_timeout: u64,
    /// Realtime detection: report changes at once, in addition to the periodic scans.
    #[arg(long, value_enum, value_name = "MODE", default_value_t = RealtimeArg::Auto)]
    realtime: RealtimeArg,
    /// Milliseconds without further changes before changed files are checked, 100 to 10000.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = DEFAULT_DELAY_MILLISECONDS, value_parser = clap::value_parser!(i64).range(MIN_DELAY_MILLISECONDS..=MAX_DELAY_MILLISECONDS))]
    realtime_delay: i64,
    /// Report which process made a change.
    #[arg(long, value_enum, value_name = "ACTORS", default_value_t = ActorsArg::None)]
    realtime_actors: ActorsArg,
    /// Path of the AIDE program.
    #[arg(long, default_value = "/usr/bin/aide", env = "FIO_AIDE")]
    aide: PathBuf,
    /// A directory of the container's own.
    #[arg(long, default_value = "/tmp", env = "FIO_WORK_DIR")]
    work_dir: PathBuf,
    /// Format of the lines for log shippers.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = OutputArg::Fio)]
    output_format: OutputArg,
    /// Write only the changes that the scan before did not find.
    #[arg(long)]
    output_changes_only: bool,
    /// Name of the cluster in the lines for log shippers.
    #[arg(long, value_name = "NAME")]
    output_cluster: Option<String>,
    /// Address of /healthz and /readyz.
    #[arg(long, default_value = "0.0.0.0:8081", env = "FIO_HEALTH_ADDRESS")]
    health_address: SocketAddr,
    /// Interface of the kernel for realtime detection, for tests.
    #[arg(long, value_enum, default_value_t = BackendArg::Auto, env = "FIO_REALTIME_BACKEND", hide = true)]
    realtime_backend: BackendArg,
    #[arg(long, hide = true)]
    aidefiledir: Option<PathBuf>,
    #[arg(long, hide = true)]
    aideruntimedir: Option<PathBuf>,
    #[arg(long, hide = true)]
    lc_timeout: Option<i64>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    lc_compress: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    local: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pprof: Option<bool>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let node = super::node(args.node.clone())?;
    if args.pprof == Some(true) {
        tracing::info!("--pprof is ignored: there is no Go profiler here");
    }
    let stop = super::stop_signal()?;
    let client = k8s::client(super::config().await?)?;
    let settings = Settings {
        identity: Identity {
            namespace: super::namespace(args.namespace, &client)?.to_string(),
            log_prefix: args
                .lc_config_map_prefix
                .unwrap_or_else(|| names::daemon_set(&args.owner)),
            file_integrity: args.owner,
            node,
        },
        reporter: args.pod.unwrap_or_else(super::host_name),
        interval: Duration::from_secs(
            args.interval
                .max(file_integrity::MIN_GRACE_PERIOD.unsigned_abs()),
        ),
        max_backups: args.maxbackups,
        config_dir: args.aideconfigdir,
        host_root: args.host_root,
        state_dir: args.state_dir,
        work_dir: args.work_dir,
        aide: args.aide,
        workers: args.workers.unwrap_or(1).max(1),
        limits: Limits::of_total(Duration::from_secs(args.scan_timeout)),
        error_on_loss: args.on_baseline_loss == OnLoss::Error,
        realtime: RealtimeSettings {
            mode: args.realtime.into(),
            delay: Duration::from_millis(args.realtime_delay.unsigned_abs()),
            actors: args.realtime_actors.into(),
            backend: args.realtime_backend.into(),
        },
        output: output::Settings {
            format: args.output_format.into(),
            changes_only: args.output_changes_only,
            cluster: args.output_cluster,
        },
        health: Some(args.health_address),
    };
    Box::pin(daemon::run(settings, client, stop)).await
}
