//! The files of a process in `/proc`. Pure.
//!
//! A process chooses its command name, and who creates control groups chooses theirs.

use crate::aide::report::display_path;
use crate::text::shorten_middle;

/// The login uid of a process that no login has started.
const NO_LOGIN: u32 = u32::MAX;
/// Maximum bytes of a text.
const MAX_TEXT: usize = 256;
/// The number of the field with the start time, after the command name and the state (`proc_pid_stat(5)`).
const START_TIME: usize = 19;
/// Length of a container's id.
const CONTAINER_ID: usize = 64;
/// What runtimes write before the id of a container in the name of its scope.
const RUNTIMES: [&str; 4] = ["cri-containerd-", "crio-", "docker-", "libpod-"];

/// To which service or container a process belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The systemd unit, outside of pods.
    pub unit: Option<String>,
    pub pod_uid: Option<String>,
    pub container_id: Option<String>,
}

/// The start time of a process, in ticks since the boot. The command name may have spaces and brackets.
pub fn start_time(stat: &[u8]) -> Option<u64> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = stat[name_end + 1..].split(u8::is_ascii_whitespace);
    let field = fields.filter(|field| !field.is_empty()).nth(START_TIME)?;
    number(field)
}

/// The uid of the login that a process descends from.
pub fn login_uid(text: &[u8]) -> Option<u32> {
    number(text.trim_ascii()).filter(|uid| *uid != NO_LOGIN)
}

/// The command name, without the newline.
pub fn command_name(comm: &[u8]) -> String {
    bounded(comm.strip_suffix(b"\n").unwrap_or(comm))
}

/// The path of the program. The kernel marks the path of a deleted file.
pub fn program(exe: &[u8]) -> String {
    bounded(exe)
}

/// To what a process belongs by its control groups. The last version of them has one line; before, the line with
/// most information counts.
pub fn origin(cgroup: &[u8]) -> Origin {
    let lines = cgroup.split(|byte| *byte == b'\n');
    let paths = lines.filter_map(|line| line.splitn(3, |byte| *byte == b':').nth(2));
    let origins = paths.map(origin_of_path);
    origins
        .max_by_key(|origin| {
            [
                origin.pod_uid.is_some(),
                origin.container_id.is_some(),
                origin.unit.is_some(),
            ]
        })
        .unwrap_or_default()
}

fn origin_of_path(path: &[u8]) -> Origin {
    let path = String::from_utf8_lossy(path);
    // containerd writes `slice:prefix:id` if its driver is not that of the kubelet.
    let names: Vec<&str> = path.split(['/', ':']).filter(|it| !it.is_empty()).collect();
    let pod_uid = names.iter().rev().find_map(|name| pod_uid(name));
    let container_id = names.iter().rev().find_map(|name| container_id(name));
    let is_unit = |name: &&&str| {
        let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix);
        matches!(suffix, Some("service" | "scope"))
    };
    let unit = names.iter().rev().find(is_unit);
    let unit = unit.filter(|_| pod_uid.is_none() && container_id.is_none());
    Origin {
        unit: unit.map(|unit| bounded(unit.as_bytes())),
        pod_uid,
        container_id: container_id.map(str::to_owned),
    }
}

/// The uid in the name of a pod's control group: `podUID`, or `kubepods-burstable-podUID.slice` with `_` for `-`.
fn pod_uid(name: &str) -> Option<String> {
    let name = name.strip_suffix(".slice").unwrap_or(name);
    let uid = match name.strip_prefix("pod") {
        Some(uid) => uid,
        None => name.strip_prefix("kubepods")?.rsplit_once("-pod")?.1,
    };
    let uid = uid.replace('_', "-");
    let parts: Vec<usize> = uid.split('-').map(str::len).collect();
    // The uid of a static pod is a hash.
    let has_form = parts == [8, 4, 4, 4, 12] || parts == [32];
    (has_form && uid.chars().all(|it| it == '-' || is_hex(it))).then_some(uid)
}

fn container_id(name: &str) -> Option<&str> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let stripped = RUNTIMES.iter().find_map(|prefix| name.strip_prefix(prefix));
    let id = stripped.unwrap_or(name);
    (id.len() == CONTAINER_ID && id.chars().all(is_hex)).then_some(id)
}

fn is_hex(char: char) -> bool {
    matches!(char, '0'..='9' | 'a'..='f')
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|it| it.is_ascii_digit()).then_some(())?;
    text.parse().ok()
}

fn bounded(bytes: &[u8]) -> String {
    let mut text = display_path(bytes);
    shorten_middle(&mut text, MAX_TEXT);
    text
}

#[cfg(test)]
mod tests;
