//! Realtime detection in the API: its settings in a spec, and its state in a node status. The doc comments
//! are the descriptions in the API.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) const DEFAULT_DELAY_MILLISECONDS: i64 = 500;
pub(crate) const MIN_DELAY_MILLISECONDS: i64 = 100;
pub(crate) const MAX_DELAY_MILLISECONDS: i64 = 10_000;

/// Realtime detection: the kernel reports changes, and AIDE checks the changed files at once.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Realtime {
    /// Auto: changes are reported within about a second, in addition to the periodic scans. Off: only the
    /// periodic scans report changes. YAML requires quotes: "Off". Default: Auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RealtimeMode>,
    /// Milliseconds without further changes before changed files are checked. Default: 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = MIN_DELAY_MILLISECONDS, max = MAX_DELAY_MILLISECONDS))]
    pub delay_milliseconds: Option<i64>,
    /// Process: reports also which process made a change. The daemons then see all processes of their nodes
    /// (hostPID), which securityProfile restricted does not allow. None: they do not. Default: None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actors: Option<RealtimeActors>,
}

/// Process: reports also which process made a change. The daemons then see all processes of their nodes
/// (hostPID), which securityProfile restricted does not allow. None: they do not. Default: None.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RealtimeActors {
    /// Only the changes.
    #[default]
    None,
    /// The process that made a change, if it is known for certain.
    Process,
}

/// The process that made a change.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// Path of its program, in its own file system if it runs in a container. Bytes that are not printable are
    /// escaped as \ooo.
    pub exe: String,
    /// Its command name, which a process can choose. Missing if the process ended too soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Its process ID on the node.
    pub pid: i64,
    /// UID of the login that it descends from, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<i64>,
    /// Its systemd unit, if it is not in a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// UID of its pod. That of a static pod is a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// ID of its container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
}

/// Auto: changes are reported within about a second, in addition to the periodic scans. Off: only the
/// periodic scans report changes. YAML requires quotes: "Off". Default: Auto.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RealtimeMode {
    /// With fanotify, or with inotify where that cannot be used.
    #[default]
    Auto,
    /// Only the periodic scans report changes.
    Off,
}

/// State of realtime detection on a node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RealtimeStatus {
    /// Starting: the directories are not watched yet, or no scan has finished since. Active: changes are
    /// reported within about a second. Degraded: some changes are only reported by the periodic scans, see
    /// reason. Unsupported: all changes are only reported by the periodic scans, see reason. Off: the spec
    /// disables it.
    pub state: RealtimeState,
    /// Reason of the state Degraded or Unsupported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RealtimeReason>,
    /// Details of the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Time of the last change of state or reason.
    #[serde(deserialize_with = "super::time::lenient")]
    pub since: Time,
    /// The interface of the kernel that reports changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<RealtimeBackend>,
    /// Number of watched directories.
    #[serde(default)]
    pub directories: i64,
    /// Number of times that the kernel dropped reports since the daemon started. Each one causes a scan.
    #[serde(default)]
    pub overflows: i64,
    /// Number of changed paths that a periodic scan found, and the kernel did not report, since the daemon
    /// started.
    #[serde(default)]
    pub missed: i64,
    /// Number of checks of changed files since the daemon started.
    #[serde(default)]
    pub checks: i64,
}

/// State of realtime detection.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RealtimeState {
    /// The directories are not watched yet, or no scan has finished since.
    Starting,
    /// Changes are reported within about a second.
    Active,
    /// Some changes are only reported by the periodic scans.
    Degraded,
    /// All changes are only reported by the periodic scans.
    Unsupported,
    /// The spec disables it.
    Off,
}

impl RealtimeState {
    /// All states, the worst first.
    pub(crate) const ALL: [Self; 5] = [
        Self::Unsupported,
        Self::Degraded,
        Self::Starting,
        Self::Active,
        Self::Off,
    ];

    /// Its name in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Active => "Active",
            Self::Degraded => "Degraded",
            Self::Unsupported => "Unsupported",
            Self::Off => "Off",
        }
    }
}

/// The interface of the kernel that reports changes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RealtimeBackend {
    /// Reports identify directories by handles, which stay valid when a directory is renamed.
    Fanotify,
    /// For kernels and file systems without fanotify, and for the security profile restricted.
    Inotify,
}

/// Reason of the state Degraded or Unsupported.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RealtimeReason {
    /// Changes are announced faster than they can be checked; some paths wait for the pause between checks.
    Busy,
    /// A check of changed files failed. A scan follows.
    CheckFailed,
    /// A file system refuses watches.
    FilesystemRefuses,
    /// The kernel has neither fanotify with directory names nor inotify.
    KernelTooOld,
    /// The pod may not use the interfaces of the kernel.
    NotPermitted,
    /// The kernel dropped reports. A scan follows.
    Overflow,
    /// Some file systems or directories are not watched.
    PartlyWatched,
    /// There are more directories than can be watched.
    WatchLimit,
}

/// What caused the result. Scan: a scan of all files. Event: a check of files that the kernel reported as
/// changed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A scan of all files.
    Scan,
    /// A check of files that the kernel reported as changed.
    Event,
}
