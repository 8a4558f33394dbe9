//! Limits as a container has them, and what a cgroup uses. I/O.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The period of the CPU quota, in microseconds.
const QUOTA_PERIOD: u32 = 100_000;

/// A cgroup with a CPU limit, and an account of its memory. Gone when dropped.
pub(crate) struct Cgroup {
    cpu: PathBuf,
    memory: PathBuf,
    is_v1: bool,
}

impl Cgroup {
    /// One with this CPU limit, in thousandths of a core.
    pub(crate) fn new(thousandths: u32) -> anyhow::Result<Self> {
        let quota = QUOTA_PERIOD / 1000 * thousandths;
        let root = Path::new("/sys/fs/cgroup");
        let is_v1 = root.join("cpu").is_dir();
        let name = format!("fio-bench-{}", std::process::id());
        let of = |controller: &str| {
            if is_v1 {
                root.join(controller).join(&name)
            } else {
                root.join(&name)
            }
        };
        let cgroup = Self {
            cpu: of("cpu"),
            memory: of("memory"),
            is_v1,
        };
        for directory in [&cgroup.cpu, &cgroup.memory] {
            fs::create_dir_all(directory).context("make a cgroup")?;
        }
        if is_v1 {
            fs::write(
                cgroup.cpu.join("cpu.cfs_period_us"),
                QUOTA_PERIOD.to_string(),
            )?;
            fs::write(cgroup.cpu.join("cpu.cfs_quota_us"), quota.to_string())?;
        } else {
            fs::write(
                cgroup.cpu.join("cpu.max"),
                format!("{quota} {QUOTA_PERIOD}"),
            )?;
        }
        Ok(cgroup)
    }

    /// The shell's words to enter its CPU limit.
    pub(crate) fn enter(&self) -> String {
        format!("echo $$ > '{}'; ", self.cpu.join("cgroup.procs").display())
    }

    /// Puts a process into it.
    pub(crate) fn add(&self, pid: u32) -> anyhow::Result<()> {
        for directory in [&self.cpu, &self.memory] {
            fs::write(directory.join("cgroup.procs"), pid.to_string())?;
        }
        Ok(())
    }

    /// Bytes that are charged to it.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let file = if self.is_v1 {
            "memory.usage_in_bytes"
        } else {
            "memory.current"
        };
        let text = fs::read_to_string(self.memory.join(file))?;
        Ok(text.trim().parse()?)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in [&self.cpu, &self.memory] {
            fs::remove_dir(directory).ok();
        }
    }
}
