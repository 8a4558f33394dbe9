//! Settings of a daemon, from its arguments and environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::aide::watchdog::Limits;
use crate::api::{RealtimeActors, RealtimeMode};
use crate::daemon::realtime::kernel_watches::Preference;
use crate::scan::{Identity, output};

/// Settings of a daemon.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The node, and the FileIntegrity that selects it.
    pub identity: Identity,
    /// The pod or host, for events.
    pub reporter: String,
    /// Pause between the end of a scan and the next.
    pub interval: Duration,
    /// Number of backups to keep.
    pub max_backups: usize,
    /// Mount of the active ConfigMap.
    pub config_dir: PathBuf,
    /// Mount of the node's root.
    pub host_root: PathBuf,
    /// The state directory in the spec, if there is one.
    pub state_dir: Option<String>,
    /// A directory of the container's own.
    pub work_dir: PathBuf,
    pub aide: PathBuf,
    /// Number of AIDE's worker threads.
    pub workers: u32,
    /// How long AIDE may take.
    pub limits: Limits,
    /// A lost baseline is reported, and not created again.
    pub error_on_loss: bool,
    pub realtime: RealtimeSettings,
    /// The lines for log shippers.
    pub output: output::Settings,
    /// Address of the health checks.
    pub health: Option<SocketAddr>,
}

/// Settings of realtime detection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RealtimeSettings {
    pub mode: RealtimeMode,
    /// Time without further changes before changed files are checked.
    pub delay: Duration,
    /// What is reported about who made a change.
    pub actors: RealtimeActors,
    /// The interface of the kernel.
    pub backend: Preference,
}
