//! Detects runs of AIDE that hang, for example on a mount whose server is down or a file of endless size. I/O.
//!
//! A run hangs if it has neither used the CPU nor read anything for [`Limits::stall`], or has not finished after
//! [`Limits::total`]. The file is found in the system calls of its threads: `/proc/PID/task/TID/syscall`
//! has the arguments, including paths and open files (`proc_pid_syscall(5)`).

mod hang;
mod proc;

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) use self::hang::{Hang, Limits, TOTAL};
use self::proc::{arguments, bytes_read, cpu_ticks, mount_of, on_node};
use super::report::display_path;

/// Number of checks within the shortest limit.
const CHECKS: u32 = 10;
/// Maximum length of a path in bytes (`PATH_MAX` of `limits.h`).
const PATH_MAX: usize = 4096;

/// Watches the progress of a process.
#[derive(Debug)]
pub(crate) struct Watchdog {
    process: PathBuf,
    limits: Limits,
    start: Instant,
    progress: Progress,
    last_progress: Instant,
}

/// The resources that a process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    /// CPU time in clock ticks.
    ticks: u64,
    /// Bytes that it requested from the kernel.
    bytes: u64,
}

impl Watchdog {
    /// Watches the process with this ID from now on.
    pub(crate) fn new(pid: u32, limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            process: PathBuf::from(format!("/proc/{pid}")),
            limits,
            start: now,
            progress: Progress::default(),
            last_progress: now,
        }
    }

    /// Returns when the process hangs. The result has paths without `host_root`.
    pub(crate) async fn hang(&mut self, host_root: &Path) -> Hang {
        let shortest = self.limits.stall.min(self.limits.total);
        let interval = (shortest / CHECKS).max(Duration::from_millis(10));
        loop {
            tokio::time::sleep(interval).await;
            let progress = self.read_progress();
            if progress != self.progress {
                self.progress = progress;
                self.last_progress = Instant::now();
            }
            let (idle, total) = (self.last_progress.elapsed(), self.start.elapsed());
            let stalled = idle >= self.limits.stall;
            if stalled || total >= self.limits.total {
                let duration = if stalled { idle } else { total };
                return self.describe(stalled, duration, host_root);
            }
        }
    }

    fn read_progress(&self) -> Progress {
        let text = |name| fs::read_to_string(self.process.join(name)).unwrap_or_default();
        Progress {
            ticks: cpu_ticks(&text("stat")),
            bytes: bytes_read(&text("io")),
        }
    }

    fn describe(&self, stalled: bool, duration: Duration, host_root: &Path) -> Hang {
        let path = self.find_path(host_root);
        let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
        let mount = path
            .as_ref()
            .and_then(|path| mount_of(&String::from_utf8_lossy(&mounts), path, host_root));
        let shown =
            path.map(|path| display_path(on_node(&path, host_root).as_os_str().as_encoded_bytes()));
        Hang {
            stalled,
            duration,
            path: shown,
            mount,
        }
    }

    /// The file below `host_root` that one of the threads waits for.
    fn find_path(&self, host_root: &Path) -> Option<PathBuf> {
        let tasks = fs::read_dir(self.process.join("task")).ok()?;
        tasks
            .filter_map(Result::ok)
            .filter_map(|task| fs::read_to_string(task.path().join("syscall")).ok())
            .find_map(|call| self.argument(&call, host_root))
            .or_else(|| self.open_file(host_root))
    }

    /// An open file, except fio's own files (`aide.*`).
    fn open_file(&self, host_root: &Path) -> Option<PathBuf> {
        let is_own = |path: &PathBuf| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"aide."))
        };
        fs::read_dir(self.process.join("fd"))
            .ok()?
            .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
            .find(|path| path.starts_with(host_root) && !is_own(path))
    }

    /// The path, or the open file, in the first two arguments of a system call.
    fn argument(&self, call: &str, host_root: &Path) -> Option<PathBuf> {
        let arguments = arguments(call)?;
        let is_below = |path: &PathBuf| path.starts_with(host_root);
        let named = arguments
            .iter()
            .find_map(|&at| self.string_at(at).filter(is_below));
        named.or_else(|| {
            let open = fs::read_link(self.process.join("fd").join(arguments[0].to_string()));
            open.ok().filter(is_below)
        })
    }

    fn string_at(&self, address: u64) -> Option<PathBuf> {
        let memory = File::open(self.process.join("mem")).ok()?;
        let mut bytes = vec![0; PATH_MAX];
        let length = memory.read_at(&mut bytes, address).ok()?;
        let end = bytes[..length].iter().position(|&byte| byte == 0)?;
        bytes.truncate(end);
        Some(std::ffi::OsString::from_vec(bytes).into())
    }
}
