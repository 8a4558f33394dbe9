//! Metrics of the process from `/proc`, read at each scrape, with the standard names of Prometheus clients.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Collects the metrics of this process. Omits values that cannot be read.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(values) = Values::read() else {
            return Ok(());
        };
        let cpu = ConstCounter::new(values.cpu_seconds);
        let help = "Total user and system CPU time spent in seconds";
        let metric =
            encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type());
        cpu.encode(metric?)?;
        for (name, help, value) in [
            (
                "process_resident_memory_bytes",
                "Resident memory size in bytes",
                Some(values.resident),
            ),
            (
                "process_virtual_memory_bytes",
                "Virtual memory size in bytes",
                Some(values.virtual_memory),
            ),
            (
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds",
                values.started,
            ),
            (
                "process_open_fds",
                "Number of open file descriptors",
                open_files(),
            ),
            (
                "process_max_fds",
                "Maximum number of open file descriptors",
                max_files(),
            ),
        ] {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

struct Values {
    cpu_seconds: f64,
    resident: f64,
    virtual_memory: f64,
    started: Option<f64>,
}

impl Values {
    fn read() -> Option<Self> {
        let boot = fs::read_to_string("/proc/stat").ok();
        let boot = boot.as_deref().and_then(boot_time);
        let ticks = number(rustix::param::clock_ticks_per_second());
        let page = number(u64::try_from(rustix::param::page_size()).ok()?);
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        Self::parse(&stat, boot, ticks, page)
    }

    /// Parses /proc/self/stat, see proc(5).
    fn parse(stat: &str, boot: Option<f64>, ticks: f64, page: f64) -> Option<Self> {
        // The second field, the name of the program, may contain blanks and parentheses.
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // The first field after the name has number 3 in the manual page.
        let field = |n: usize| fields.get(n - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            resident: field(24)? * page,
            virtual_memory: field(23)?,
            started: boot
                .zip(field(22))
                .map(|(boot, start)| boot + start / ticks),
        })
    }
}

fn boot_time(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

fn open_files() -> Option<f64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the directory itself.
    Some(number(u64::try_from(open).ok()?.saturating_sub(1)))
}

fn max_files() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "all numbers are far below 2^53, and a sample is a float anyway"
)]
fn number(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
