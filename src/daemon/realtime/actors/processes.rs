//! Reads `/proc`. I/O.

use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::kernel_event::Pid;
use super::process_files::{self, Origin};
use super::process_table::Snapshot;
use crate::api::Actor;

/// Maximum bytes of a file.
const MAX_FILE: u64 = 16 * 1024;
/// Attempts to read a process that starts another program in the meantime.
const ATTEMPTS: usize = 3;

/// What is shown of a process now; none if it has ended.
pub(crate) fn read(pid: Pid) -> Option<Snapshot> {
    let directory = PathBuf::from(format!("/proc/{pid}"));
    (0..ATTEMPTS).find_map(|_| read_once(pid, &directory))
}

fn read_once(pid: Pid, directory: &Path) -> Option<Snapshot> {
    let start = start_time(directory)?;
    let exe = program(directory)?;
    let comm = read_file(&directory.join("comm"))?;
    let login_uid = read_file(&directory.join("loginuid"));
    let cgroup = read_file(&directory.join("cgroup")).unwrap_or_default();
    // Another process has the same id now, or the same process another program.
    if start_time(directory)? != start || program(directory)? != exe {
        return None;
    }
    let Origin {
        unit,
        pod_uid,
        container_id,
    } = process_files::origin(&cgroup);
    let actor = Actor {
        exe: process_files::program(&exe),
        comm: Some(process_files::command_name(&comm)),
        pid: pid.get().into(),
        login_uid: login_uid
            .and_then(|text| process_files::login_uid(&text))
            .map(Into::into),
        unit,
        pod_uid,
        container_id,
    };
    Some(Snapshot {
        start,
        exe,
        actor: Arc::new(actor),
    })
}

fn start_time(directory: &Path) -> Option<u64> {
    process_files::start_time(&read_file(&directory.join("stat"))?)
}

fn program(directory: &Path) -> Option<Vec<u8>> {
    let path = fs::read_link(directory.join("exe")).ok()?;
    Some(path.into_os_string().into_vec())
}

fn read_file(path: &Path) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let file = fs::File::open(path).ok()?;
    file.take(MAX_FILE).read_to_end(&mut content).ok()?;
    Some(content)
}
