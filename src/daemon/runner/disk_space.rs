//! Free space on the node's disk, and what a run may use of it. I/O.

use std::fs;
use std::path::Path;

use super::context::Runner;

/// A disk with fewer free bytes counts as full if AIDE could not write: the database of a small node.
const MIN_FREE: u64 = 1024 * 1024;
/// Each of the two reports may take this fraction of the free space, so half of it stays free.
const REPORT_FRACTION: u64 = 4;

/// Bytes that can still be written to the file system of this directory.
fn free(directory: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether there is no space for a second database beside the existing one.
pub(super) fn is_nearly_full(runner: &Runner) -> bool {
    let database = fs::metadata(runner.state.database()).map_or(0, |meta| meta.len());
    free(runner.state.path()).is_some_and(|free| free < MIN_FREE.max(database.saturating_mul(2)))
}

/// Maximum bytes of each file of a run that compares and writes a new database: the limit of a report, but enough for a
/// database of twice as many files.
pub(super) fn update_limit(runner: &Runner, report_limit: u64) -> u64 {
    let database = fs::metadata(runner.state.database()).map_or(0, |meta| meta.len());
    report_limit.max(database.saturating_mul(2).max(MIN_FREE))
}

/// Maximum bytes of a report now: an endless report must not fill the node's disk.
pub(super) fn report_limit(runner: &Runner) -> u64 {
    let free = [runner.state.path(), &runner.work_dir]
        .into_iter()
        .filter_map(free)
        .min();
    let fraction = free.map_or(u64::MAX, |free| free / REPORT_FRACTION);
    fraction.max(MIN_FREE).min(runner.max_report)
}
