//! The kernel's information about a process: `/proc/PID`, see proc(5). I/O; the reading of its texts is pure.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

/// What a process has used and holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// Resident memory, in bytes.
    pub(crate) rss: u64,
    /// Of that, what is no file's, in bytes.
    pub(crate) anonymous: u64,
    /// The largest `rss` since the last [`forget_peak`], in bytes.
    pub(crate) peak: u64,
    /// Time on a CPU, of all its threads.
    pub(crate) cpu: Duration,
    /// How often one of its threads began to wait: a thread that is woken waits again.
    pub(crate) waits: u64,
    /// How often another thread took the place of one of its own.
    pub(crate) preemptions: u64,
    /// Its threads.
    pub(crate) threads: u64,
    /// Its open files.
    pub(crate) files: u64,
    /// Of these, its sockets.
    pub(crate) sockets: u64,
}

impl Sample {
    /// Of the process with this id, now.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let of = PathBuf::from(format!("/proc/{pid}"));
        let read = |path: PathBuf| {
            fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
        };
        let memory = read(of.join("smaps_rollup"))?;
        let status = read(of.join("status"))?;
        let mut sample = Self {
            rss: kilobytes(&memory, "Rss:"),
            anonymous: kilobytes(&memory, "Anonymous:"),
            peak: kilobytes(&status, "VmHWM:"),
            ..Self::default()
        };
        for task in fs::read_dir(of.join("task"))?.flatten() {
            // A thread may end meanwhile.
            let (Ok(times), Ok(status)) = (
                read(task.path().join("schedstat")),
                read(task.path().join("status")),
            ) else {
                continue;
            };
            sample.threads += 1;
            sample.cpu += run_time(&times);
            sample.waits += field(&status, "voluntary_ctxt_switches:");
            sample.preemptions += field(&status, "nonvoluntary_ctxt_switches:");
        }
        for file in fs::read_dir(of.join("fd"))?.flatten() {
            sample.files += 1;
            let target = fs::read_link(file.path()).unwrap_or_default();
            sample.sockets += u64::from(target.to_string_lossy().starts_with("socket:"));
        }
        Ok(sample)
    }

    /// Time on a CPU on top of that of `before`.
    pub(crate) fn cpu_since(&self, before: Self) -> Duration {
        self.cpu.saturating_sub(before.cpu)
    }
}

/// Resets the peak of its memory.
pub(crate) fn forget_peak(pid: u32) -> anyhow::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("reset the peak of its memory")
}

/// Time on a CPU, to a hundredth of a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Of the process itself.
    pub(crate) own: Duration,
    /// Of its children that have ended.
    pub(crate) children: Duration,
}

impl Usage {
    /// Of the process with this id, since its start.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        Ok(usage(&text, rustix::param::clock_ticks_per_second()))
    }

    /// What came on top of `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            own: self.own.saturating_sub(before.own),
            children: self.children.saturating_sub(before.children),
        }
    }
}

/// The 14th to 17th word of a stat; the second is a name in brackets that may have blanks in it.
fn usage(stat: &str, ticks_per_second: u64) -> Usage {
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let words: Vec<u64> = rest
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|word| word.parse().ok())
        .collect();
    let time = |first: usize| {
        let ticks: u64 = words.iter().skip(first).take(2).sum();
        Duration::from_millis(ticks * 1000 / ticks_per_second.max(1))
    };
    Usage {
        own: time(0),
        children: time(2),
    }
}

/// The largest memory of a process, what it has read, and what of that came from a disk, in bytes.
pub(crate) fn reading(pid: u32) -> anyhow::Result<(u64, u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
    Ok((
        kilobytes(&status, "VmHWM:"),
        field(&io, "rchar:"),
        field(&io, "read_bytes:"),
    ))
}

/// The number behind `key` at the start of a line.
fn field(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or_default()
}

fn kilobytes(text: &str, key: &str) -> u64 {
    field(text, key) * 1024
}

/// The first word of a schedstat: nanoseconds on a CPU.
fn run_time(schedstat: &str) -> Duration {
    let word = schedstat.split_whitespace().next();
    Duration::from_nanos(word.and_then(|word| word.parse().ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests;
