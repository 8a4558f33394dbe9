//! Parsers of files in `/proc`. Pure.

use std::path::{Path, PathBuf};

use crate::aide::report::display_path;

/// User and system time of all threads, the 14th and 15th field (`proc_pid_stat(5)`).
pub(super) fn cpu_ticks(stat: &str) -> u64 {
    // The name of the program, in parentheses, may contain blanks.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// The line `rchar: N` (`proc_pid_io(5)`).
pub(super) fn bytes_read(io: &str) -> u64 {
    io.lines()
        .find_map(|line| line.strip_prefix("rchar: "))
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// The first two arguments of the system call in which a thread waits: `262 0xffffff9c 0x7f… …`. `None` if it
/// does not wait in a system call.
pub(super) fn arguments(call: &str) -> Option<[u64; 2]> {
    let mut words = call.split_whitespace();
    // -1: the thread waits outside of a system call, such as for a page. running: it does not wait.
    words.next()?.parse::<u32>().ok()?;
    let mut number = || u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok();
    Some([number()?, number()?])
}

/// The file system of `path` below the host root: `nfs4 server:/export on /mnt/data`.
pub(super) fn mount_of(mountinfo: &str, path: &Path, host_root: &Path) -> Option<String> {
    let mounts = mountinfo.lines().filter_map(parse_mount);
    let (at, kind, source) = mounts
        .filter(|(at, ..)| path.starts_with(at) && at.starts_with(host_root) && at != host_root)
        // The last one of several with the same mount point hides the others.
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

/// Blanks, tabs, line feeds and backslashes are escaped as `\ooo`.
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

/// Removes the host root from a path.
pub(super) fn on_node(path: &Path, host_root: &Path) -> PathBuf {
    path.strip_prefix(host_root)
        .map_or_else(|_| path.to_owned(), |rest| Path::new("/").join(rest))
}
