//! Which process has changed a path. Pure.
//!
//! The kernel reports the id of a process, which may have ended and another one may have now, and which may run
//! another program now. So the programs that processes open to run them are reported, too, in the same
//! queue. An actor is only known if the order in the queue, the start time of the process and its program agree.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::super::kernel_event::{Opened, Pid};
use super::process_files;
use crate::aide::coverage::Extent;
use crate::api::Actor;

/// Maximum number of processes that are remembered.
const MAX_PROCESSES: usize = 4096;
/// Maximum number of changes whose actors are not decided yet.
const MAX_PENDING: usize = 4000;
/// The time in which no id of a process is used twice: the kernel uses all others first.
const MAX_AGE: Duration = Duration::from_secs(3);

/// What `/proc` shows of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Start time, in ticks since the boot.
    pub(crate) start: u64,
    /// The path of its program.
    pub(crate) exe: Vec<u8>,
    pub(crate) actor: Arc<Actor>,
}

/// The last actor of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) path: Vec<u8>,
    /// What has changed. Nothing is known about the actors of what is below the path.
    pub(crate) extent: Extent,
    /// None if it is not known.
    pub(crate) actor: Option<Arc<Actor>>,
}

impl Decision {
    pub(crate) fn unknown(path: &[u8], extent: Extent) -> Self {
        Self {
            path: path.to_vec(),
            extent,
            actor: None,
        }
    }
}

/// The processes that were seen, and the changes whose actors are not decided yet.
#[derive(Debug, Default)]
pub(crate) struct ProcessTable {
    processes: HashMap<Pid, Process>,
    /// The order in which they are forgotten.
    order: VecDeque<Pid>,
    pending: Vec<Change>,
    /// How many of them there were before the current read.
    earlier: usize,
}

#[derive(Clone, Debug)]
struct Process {
    /// None if it had ended before it could be seen.
    start: Option<u64>,
    program: Program,
    /// It has done nothing since it opened the program, so what it opens next may be the loader of the program.
    may_open_loader: bool,
    /// The file systems on which it has opened the loader.
    loaders: Vec<Option<[u8; 8]>>,
    /// When it was seen last.
    seen: Duration,
}

impl Process {
    /// Whether it opens the loader of its program. If the loader is opened on the same file system again, it is run as a
    /// program itself.
    fn opens_loader(&mut self, opened: &Opened) -> bool {
        let is_next = self.may_open_loader && is_loader(&opened.name);
        let is_first = is_next && !self.loaders.contains(&opened.file_system);
        if is_first {
            self.loaders.push(opened.file_system);
        }
        is_first
    }
}

#[derive(Clone, Debug)]
enum Program {
    Running(Running),
    /// It has opened a program of this name, and may run it now.
    Unclear(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Running {
    exe: Vec<u8>,
    actor: Arc<Actor>,
}

#[derive(Debug)]
struct Change {
    path: Vec<u8>,
    extent: Extent,
    pid: Option<Pid>,
    /// The program that it ran according to the queue.
    before: Before,
    /// What `/proc` has shown after the change.
    after: Option<Snapshot>,
    /// Whether the process has opened another program after the change.
    is_followed: bool,
    /// It is not older than this.
    since: Duration,
}

#[derive(Clone, Debug)]
enum Before {
    Running(Running),
    /// Not known, or about to change.
    Unclear,
    /// The process was not seen before.
    New,
}

impl ProcessTable {
    /// A process has opened a program to run it. `show` reads what `/proc` shows of the process after that.
    pub(crate) fn opened(
        &mut self,
        pid: Pid,
        opened: Opened,
        show: impl FnOnce() -> Option<Snapshot>,
        now: Duration,
    ) {
        if let Some(process) = self.processes.get_mut(&pid)
            && process.opens_loader(&opened)
        {
            return;
        }
        for change in self
            .pending
            .iter_mut()
            .filter(|change| change.pid == Some(pid))
        {
            change.is_followed = true;
        }
        let shown = show();
        let process = Process {
            start: shown.as_ref().map(|shown| shown.start),
            may_open_loader: !is_loader(&opened.name),
            program: program(pid, opened, shown.as_ref()),
            loaders: Vec::new(),
            seen: now,
        };
        self.put(pid, process);
    }

    /// A process has changed a path, not before `since`. `shown` is what `/proc` shows of the process after that.
    pub(crate) fn changed(
        &mut self,
        pid: Pid,
        (path, extent): (Vec<u8>, Extent),
        shown: Option<Snapshot>,
        since: Duration,
        now: Duration,
    ) {
        let before = self.before(pid, shown.as_ref(), now);
        if self.pending.len() >= MAX_PENDING {
            // Also what is known of the same paths from before is not their last actor.
            self.forget_pending();
        }
        self.pending.push(Change {
            path,
            extent,
            pid: Some(pid),
            before,
            after: shown,
            is_followed: false,
            since,
        });
    }

    /// A path has changed, and the kernel does not report by whom.
    pub(crate) fn changed_by_unknown(&mut self, path: Vec<u8>, extent: Extent) {
        self.pending.push(Change {
            path,
            extent,
            pid: None,
            before: Before::Unclear,
            after: None,
            is_followed: false,
            since: Duration::ZERO,
        });
    }

    /// The kernel has dropped events: processes may run other programs, and anything may have changed.
    pub(crate) fn overflowed(&mut self) {
        self.processes.clear();
        self.order.clear();
        self.forget_pending();
    }

    fn forget_pending(&mut self) {
        self.pending.clear();
        self.earlier = 0;
        self.changed_by_unknown(b"/".to_vec(), Extent::Subtree);
    }

    fn before(&mut self, pid: Pid, shown: Option<&Snapshot>, now: Duration) -> Before {
        let Some(process) = self.processes.get_mut(&pid) else {
            return Before::New;
        };
        let is_recent = now.saturating_sub(process.seen) <= MAX_AGE;
        let is_same = match (shown, process.start) {
            (Some(shown), Some(start)) => shown.start == start,
            _ => is_recent,
        };
        if !is_same {
            self.processes.remove(&pid);
            return Before::New;
        }
        process.may_open_loader = false;
        if let Some(shown) = shown {
            process.seen = now;
            process.start = Some(shown.start);
            if let Program::Unclear(name) = &process.program
                && file_name(&shown.exe) == name.as_slice()
            {
                process.program = Program::Running(shown.into());
            }
        }
        match &process.program {
            Program::Running(running) => Before::Running(running.clone()),
            Program::Unclear(_) => Before::Unclear,
        }
    }

    /// Whether there are changes whose actors are not decided yet.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What follows is from another read.
    pub(crate) fn begin_read(&mut self) {
        self.earlier = self.pending.len();
    }

    /// Decides about the changes of earlier reads: all that their processes had opened when `/proc` was read
    /// is known.
    pub(crate) fn decide(&mut self, now: Duration) -> Vec<Decision> {
        let later = self.pending.split_off(self.earlier);
        self.earlier = 0;
        let pending = std::mem::replace(&mut self.pending, later);
        let mut decided = Vec::with_capacity(pending.len());
        for change in pending {
            let is_recent = now.saturating_sub(change.since) <= MAX_AGE;
            let actor = actor(&change, is_recent);
            if let (Some(pid), Some(after), false) = (change.pid, &change.after, change.is_followed)
            {
                // Seen after the last program that it has opened, or that was on a file system without reports.
                let process = Process {
                    start: Some(after.start),
                    program: Program::Running(after.into()),
                    may_open_loader: false,
                    loaders: Vec::new(),
                    seen: now,
                };
                self.put(pid, process);
            }
            decided.push(Decision {
                path: change.path,
                extent: change.extent,
                actor,
            });
        }
        decided
    }

    fn put(&mut self, pid: Pid, process: Process) {
        if self.processes.insert(pid, process).is_some() {
            return;
        }
        self.order.push_back(pid);
        while self.order.len() > MAX_PROCESSES {
            if let Some(oldest) = self.order.pop_front() {
                self.processes.remove(&oldest);
            }
        }
    }
}

impl From<&Snapshot> for Running {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            exe: snapshot.exe.clone(),
            actor: Arc::clone(&snapshot.actor),
        }
    }
}

/// The program that a process runs after it has opened one.
fn program(pid: Pid, opened: Opened, shown: Option<&Snapshot>) -> Program {
    let is_running = |shown: &&Snapshot| file_name(&shown.exe) == opened.name.as_slice();
    if let Some(shown) = shown.filter(is_running) {
        return Program::Running(shown.into());
    }
    let Some(exe) = opened.program else {
        return Program::Unclear(opened.name);
    };
    let mut actor = Actor {
        exe: process_files::program(&exe),
        // That of the program before, or of the next one.
        comm: None,
        pid: pid.get().into(),
        login_uid: None,
        unit: None,
        pod_uid: None,
        container_id: None,
    };
    if let Some(shown) = shown {
        actor.login_uid = shown.actor.login_uid;
        actor.unit.clone_from(&shown.actor.unit);
        actor.pod_uid.clone_from(&shown.actor.pod_uid);
        actor.container_id.clone_from(&shown.actor.container_id);
    }
    Program::Running(Running {
        exe,
        actor: Arc::new(actor),
    })
}

/// Who made a change, if that is certain.
fn actor(change: &Change, is_recent: bool) -> Option<Arc<Actor>> {
    let known = match (&change.before, &change.after, change.is_followed) {
        (Before::Running(before), Some(after), false) => {
            let is_same = file_name(&after.exe) == file_name(&before.exe);
            is_same.then_some(&after.actor)
        }
        (Before::Running(before), None, _) | (Before::Running(before), _, true) => {
            Some(&before.actor)
        }
        // It has run this program since before the change, or is a process that was started without one.
        (Before::New, Some(after), false) => Some(&after.actor).filter(|_| is_recent),
        (Before::Unclear, ..) | (Before::New, None, _) | (Before::New, _, true) => None,
    };
    known.cloned()
}

/// The loader is a shared library itself, as `ld-linux-x86-64.so.2` or `ld-musl-x86_64.so.1`.
fn is_loader(name: &[u8]) -> bool {
    name.starts_with(b"ld") && name.windows(3).any(|part| part == b".so")
}

/// The last component of a path.
fn file_name(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    &path[slash.map_or(0, |slash| slash + 1)..]
}

#[cfg(test)]
mod tests;
