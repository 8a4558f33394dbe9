//! Notices that a run of AIDE does not come to an end: a mount whose server is gone, a file of
//! endless size. I/O on `/proc`; how its files are read is in pure functions.
//!
//! A run hangs when for [`Limits::stall`] it has neither used the CPU nor read anything, or when it
//! is not over after [`Limits::total`]. Where it stands is told by what its threads wait for:
//! `/proc/PID/task/TID/syscall` has the arguments of the system call, a path among them or an open
//! file (`proc_pid_syscall(5)`).

use std::fmt;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::report::display_path;

/// How long a run may take, unless the user says otherwise.
pub const TOTAL: Duration = Duration::from_secs(6 * 60 * 60);
/// How long it may make no progress at all. A disk that is asked for minutes answers before that.
const STALL: Duration = Duration::from_secs(600);
/// So often in that time progress is looked for.
const LOOKS: u32 = 10;
/// Longest path, in bytes (`PATH_MAX` of `limits.h`).
const PATH_MAX: usize = 4096;

/// How long a run of AIDE may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub total: Duration,
    /// Without any progress.
    pub stall: Duration,
}

impl Limits {
    /// So long in all; without progress no longer than ten minutes.
    pub fn of_total(total: Duration) -> Self {
        Self {
            total,
            stall: STALL.min(total),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of_total(TOTAL)
    }
}

/// In which way a run does not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hang {
    /// It made no progress; else it took too long in all.
    pub stalled: bool,
    /// For so long.
    pub duration: Duration,
    /// On which file, if that could be told, as the node knows it.
    pub path: Option<String>,
    /// What is mounted there, where that is not the node's root: type, source, and where.
    pub mount: Option<String>,
}

impl fmt::Display for Hang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.duration.as_secs();
        if self.stalled {
            write!(f, "no progress for {seconds} seconds")?;
        } else {
            write!(f, "not done after {seconds} seconds")?;
        }
        if let Some(path) = &self.path {
            write!(f, " at {path}")?;
        }
        if let Some(mount) = &self.mount {
            write!(f, " ({mount})")?;
        }
        Ok(())
    }
}

/// Watches one process.
#[derive(Debug)]
pub struct Watchdog {
    process: PathBuf,
    limits: Limits,
    start: Instant,
    progress: Progress,
    moved: Instant,
}

/// What a process has done so far; more of either is progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    /// Clock ticks on a CPU.
    ticks: u64,
    /// Bytes that it asked the kernel for.
    bytes: u64,
}

impl Watchdog {
    /// Watches the process of this id from now on.
    pub fn new(pid: u32, limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            process: PathBuf::from(format!("/proc/{pid}")),
            limits,
            start: now,
            progress: Progress::default(),
            moved: now,
        }
    }

    /// Returns when the process hangs; paths are told without `host_root`. Never returns while it
    /// makes progress and has time.
    pub async fn hang(&mut self, host_root: &Path) -> Hang {
        let shortest = self.limits.stall.min(self.limits.total);
        let look = (shortest / LOOKS).max(Duration::from_millis(10));
        loop {
            tokio::time::sleep(look).await;
            let progress = self.look();
            if progress != self.progress {
                self.progress = progress;
                self.moved = Instant::now();
            }
            let (idle, total) = (self.moved.elapsed(), self.start.elapsed());
            let stalled = idle >= self.limits.stall;
            if stalled || total >= self.limits.total {
                let duration = if stalled { idle } else { total };
                return self.describe(stalled, duration, host_root);
            }
        }
    }

    fn look(&self) -> Progress {
        let text = |name| fs::read_to_string(self.process.join(name)).unwrap_or_default();
        Progress {
            ticks: cpu_ticks(&text("stat")),
            bytes: bytes_read(&text("io")),
        }
    }

    fn describe(&self, stalled: bool, duration: Duration, host_root: &Path) -> Hang {
        let path = self.place(host_root);
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

    /// The file below `host_root` at which one of its threads stands.
    fn place(&self, host_root: &Path) -> Option<PathBuf> {
        let tasks = fs::read_dir(self.process.join("task")).ok()?;
        tasks
            .filter_map(Result::ok)
            .filter_map(|task| fs::read_to_string(task.path().join("syscall")).ok())
            .find_map(|call| self.argument(&call, host_root))
            .or_else(|| self.open_file(host_root))
    }

    /// A file that it has open, but for those that fio gives it (`aide.*`).
    fn open_file(&self, host_root: &Path) -> Option<PathBuf> {
        let is_ours = |path: &PathBuf| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"aide."))
        };
        fs::read_dir(self.process.join("fd"))
            .ok()?
            .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
            .find(|path| path.starts_with(host_root) && !is_ours(path))
    }

    /// What the first two arguments of a system call name: a path, or an open file.
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

/// User and system time of all threads, the 14th and 15th field (`proc_pid_stat(5)`).
fn cpu_ticks(stat: &str) -> u64 {
    // The program's name, in brackets, may hold blanks.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// The line `rchar: N` (`proc_pid_io(5)`).
fn bytes_read(io: &str) -> u64 {
    io.lines()
        .find_map(|line| line.strip_prefix("rchar: "))
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// The first two arguments of the system call in which a thread waits: `262 0xffffff9c 0x7f… …`. None
/// where it waits in none.
fn arguments(call: &str) -> Option<[u64; 2]> {
    let mut words = call.split_whitespace();
    // -1: the kernel waits by itself, as for a page; running: it does not wait.
    words.next()?.parse::<u32>().ok()?;
    let mut number = || u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok();
    Some([number()?, number()?])
}

/// What is mounted at `path`, below the host's root: `nfs4 server:/export on /mnt/data`.
fn mount_of(mountinfo: &str, path: &Path, host_root: &Path) -> Option<String> {
    let mounts = mountinfo.lines().filter_map(parse_mount);
    let (at, kind, source) = mounts
        .filter(|(at, ..)| path.starts_with(at) && at.starts_with(host_root) && at != host_root)
        // Of several at one place the last covers the others.
        .max_by_key(|(at, ..)| at.as_os_str().len())?;
    let at = display_path(on_node(&at, host_root).as_os_str().as_encoded_bytes());
    Some(format!("{kind} {source} on {at}"))
}

/// Mount point, type and source of a line of `/proc/PID/mountinfo` (`proc_pid_mountinfo(5)`).
fn parse_mount(line: &str) -> Option<(PathBuf, &str, String)> {
    let (front, back) = line.split_once(" - ")?;
    let at = unescape(front.split(' ').nth(4)?);
    let mut back = back.split(' ');
    Some((at.into(), back.next()?, unescape(back.next()?)))
}

/// Blanks, tabs, line feeds and backslashes stand as `\ooo` there.
fn unescape(text: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (escaped, plain)| {
        text.replace(escaped, plain)
    })
}

/// The path as the node's own processes know it.
fn on_node(path: &Path, host_root: &Path) -> PathBuf {
    path.strip_prefix(host_root)
        .map_or_else(|_| path.to_owned(), |rest| Path::new("/").join(rest))
}

#[cfg(test)]
mod tests;
