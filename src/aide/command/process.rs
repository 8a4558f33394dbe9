//! Processes of AIDE: priority, limits, termination. I/O.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::process::Child;

/// Scheduling priority of AIDE (0 normal, 19 lowest). Its I/O priority is derived from it, see
/// `ioprio_set(2)`.
const NICENESS: i32 = 19;
/// Time between SIGTERM and SIGKILL, and after SIGKILL until the process is considered stuck.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Limits of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Address space in bytes.
    pub memory: u64,
    /// CPU time in seconds. After that the kernel sends SIGXCPU.
    pub cpu_seconds: u64,
}

/// A process that does not react to SIGKILL, because it waits in the kernel, usually for a file system.
#[derive(Debug)]
pub(crate) struct StuckProcess(pub(super) Box<Child>);

impl StuckProcess {
    /// Waits until the process exits.
    pub(crate) async fn exited(mut self) {
        self.0.wait().await.ok();
    }
}

/// Sets the lowest priority. Threads that AIDE starts later inherit it. A failure does not prevent the scan.
pub(super) fn lower_priority(child: &Child) {
    if let Some(pid) = pid_of(child)
        && let Err(error) = rustix::process::setpriority_process(Some(pid), NICENESS)
    {
        tracing::debug!(%error, "AIDE runs at normal priority");
    }
}

/// Limits the size of files that AIDE writes. AIDE writes after it has read all files, so the limit is set in
/// time. SIGXFSZ would cause a core dump as large as the memory; with a limit of one byte the kernel
/// writes none, even if a program receives core dumps (core(5)).
pub(super) fn limit_files(child: &Child, bytes: u64) {
    for (resource, max) in [(Resource::Fsize, bytes), (Resource::Core, 1)] {
        let limit = Rlimit {
            current: Some(max),
            maximum: Some(max),
        };
        if let Err(error) = rustix::process::prlimit(pid_of(child), resource, limit) {
            tracing::warn!(%error, "failed to limit the size of AIDE's report");
        }
    }
}

/// Limits memory and CPU time. AIDE has just started, so it has not exceeded them yet.
pub(super) fn limit_usage(child: &Child, usage: Usage) -> io::Result<()> {
    let Usage {
        memory,
        cpu_seconds,
    } = usage;
    for (resource, current, maximum) in [
        (Resource::As, memory, memory),
        // After the second limit it gets SIGKILL.
        (Resource::Cpu, cpu_seconds, cpu_seconds + 1),
        (Resource::Core, 1, 1),
    ] {
        let limit = Rlimit {
            current: Some(current),
            maximum: Some(maximum),
        };
        rustix::process::prlimit(pid_of(child), resource, limit)?;
    }
    Ok(())
}

/// Terminates the process and its group. Returns whether it exited.
pub(super) async fn terminate(child: &mut Child) -> bool {
    let Some(pid) = pid_of(child) else {
        return true;
    };
    for signal in [Signal::TERM, Signal::KILL] {
        rustix::process::kill_process_group(pid, signal).ok();
        if tokio::time::timeout(GRACE, child.wait()).await.is_ok() {
            return true;
        }
    }
    false
}

fn pid_of(child: &Child) -> Option<Pid> {
    child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw)
}
