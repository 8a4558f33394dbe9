//! What runs of AIDE need on this node.

use std::path::PathBuf;

use crate::aide::command::Aide;
use crate::aide::database::StateDir;
use crate::daemon::node_config::Verified;
use crate::daemon::realtime::watcher::Watcher;
use crate::scan::Identity;

/// Maximum bytes of each of AIDE's two reports of a scan: enough for a million entries.
pub(crate) const MAX_REPORT: u64 = 1024 * 1024 * 1024;

/// Everything that a run of AIDE needs.
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    pub aide: Aide,
    /// Version of that program.
    pub aide_version: String,
    /// The state directory with the baseline.
    pub state: StateDir,
    /// Path of the state directory on the node.
    pub state_dir_on_node: String,
    /// A directory of the container that is kept as long as the pod.
    pub work_dir: PathBuf,
    /// The mount of the node's root.
    pub host_root: String,
    /// The node, and the FileIntegrity that selects it.
    pub identity: Identity,
    /// Number of AIDE's worker threads.
    pub workers: u32,
    /// Number of backups to keep.
    pub max_backups: usize,
    /// Maximum bytes of a report, if there is space for it.
    pub max_report: u64,
    /// What AIDE has answered about the newest configuration for this node.
    pub verified: Verified,
    /// Announces changes from the start of a scan on, if realtime detection is not off.
    pub watcher: Option<Watcher>,
}
