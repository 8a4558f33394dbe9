//! The thread that reads the kernel's events, and keeps the marks. I/O.
//!
//! It is a thread of its own, as the kernel drops events if nobody reads them for long. While many events
//! arrive, it waits a little between two reads: the kernel merges events, and other processes wait less for
//! the queue.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::oneshot;

use super::actors::{Actors, Read};
use super::announcement::{Announced, Announcement};
use super::kernel_watches::Preference;
use super::links::Links;
use super::marks::{Marks, Unmarked};
use super::mounts::Mounts;
use super::own_files::OwnFiles;
use super::shared::Shared;
use super::wake::Wake;
use super::watch_state::{Remote, WatchError, WatchState};
use crate::aide::config::Configuration;
use crate::aide::config::reach::Reach;
use crate::aide::coverage::Extent;
use crate::aide::report::display_path;
use crate::api::RealtimeReason;
use crate::locks::lock;

/// The mounts that the daemon sees.
const MOUNTINFO: &str = "/proc/self/mountinfo";
/// Maximum number of marked directories.
const MAX_MARKS: usize = 65_536;
/// With this many announcements in a read, the thread waits before the next one.
const BUSY_ABOVE: usize = 64;
/// Until there are fewer than this many.
const BUSY_UNTIL: usize = 16;
/// Pause between two reads while many events arrive.
const NAP: Duration = Duration::from_millis(20);

/// The node that is watched.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Mount of its root.
    pub(crate) host_root: PathBuf,
    pub(crate) own_files: OwnFiles,
    /// The interface of the kernel.
    pub(crate) backend: Preference,
    /// Whether to find out who makes changes.
    pub(crate) has_actors: bool,
}

/// What the thread is asked to do. It answers when it has done it.
enum Request {
    /// Mark the directories that the rules of this configuration reach. Answers whether they were not marked
    /// completely before.
    Watch(Arc<str>, oneshot::Sender<bool>),
    /// Read all events that the kernel has now.
    Drain(oneshot::Sender<()>),
}

/// The thread. It ends with the last clone of this value.
#[derive(Clone, Debug)]
pub(crate) struct Watcher {
    requests: mpsc::Sender<Request>,
    wake: Arc<Wake>,
    shared: Arc<Shared>,
    links: Links,
}

impl Watcher {
    /// Starts the thread. It watches nothing before [`Self::watch`].
    pub(crate) fn start(node: Node, shared: Arc<Shared>) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel();
        let wake = Arc::new(Wake::new()?);
        let mountinfo = File::open(MOUNTINFO)?;
        let links = Links::start(node.host_root.clone(), node.backend, Arc::clone(&shared))?;
        let watcher = Self {
            requests,
            wake: Arc::clone(&wake),
            shared: Arc::clone(&shared),
            links: links.clone(),
        };
        let mut thread = Thread {
            actors: node.has_actors.then(Actors::default),
            node,
            mountinfo,
            mounts: Mounts::default(),
            shared,
            links: links.clone(),
            inbox,
            wake,
            watching: None,
            is_busy: false,
        };
        thread::Builder::new()
            .name("watcher".to_owned())
            .spawn(move || thread.run())?;
        Ok(watcher)
    }

    /// Marks the directories that the rules of a configuration for this node reach. Returns when all changes
    /// from now on are announced.
    pub(crate) async fn watch(&self, configuration: Arc<str>) {
        let request = |answer| Request::Watch(Arc::clone(&configuration), answer);
        if self.ask(request).await == Some(true) {
            self.links.read(configuration).await;
        }
    }

    /// Returns when all changes until now are announced.
    pub(crate) async fn drain(&self) {
        self.ask(Request::Drain).await;
        self.links.drain().await;
    }

    /// None if the thread has ended.
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let is_sent = self.requests.send(request(answer)).is_ok();
        self.wake.wake();
        let answer = answered.await.ok().filter(|_| is_sent);
        if answer.is_none() {
            let mut state = lock(&self.shared.state);
            state.backend = None;
            state.error = Some(WatchError {
                reason: RealtimeReason::CheckFailed,
                message: "the thread that reads the kernel's events has ended".to_owned(),
            });
        }
        answer
    }
}

struct Thread {
    node: Node,
    mountinfo: File,
    mounts: Mounts,
    shared: Arc<Shared>,
    links: Links,
    inbox: mpsc::Receiver<Request>,
    wake: Arc<Wake>,
    watching: Option<Watching>,
    /// None if the spec does not ask who makes changes.
    actors: Option<Actors>,
    is_busy: bool,
}

/// The marks of a configuration.
struct Watching {
    configuration: Arc<str>,
    marks: Marks,
    /// The marks have to be set again: some are missing, or events were dropped.
    is_incomplete: bool,
}

impl Watching {
    fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let descriptors = self.marks.descriptors();
        descriptors.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
    }
}

impl Thread {
    fn run(&mut self) {
        loop {
            self.wait();
            loop {
                match self.inbox.try_recv() {
                    Ok(Request::Watch(configuration, answer)) => {
                        answer.send(self.watch(configuration)).ok();
                    }
                    Ok(Request::Drain(answer)) => {
                        self.drain();
                        answer.send(()).ok();
                    }
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => return,
                }
            }
            let announced = self.read();
            self.is_busy = announced >= BUSY_ABOVE || (self.is_busy && announced >= BUSY_UNTIL);
            if self.is_busy {
                thread::sleep(NAP);
            }
        }
    }

    /// Waits for a request, an event, or another mount.
    fn wait(&mut self) {
        let mut fds = vec![
            PollFd::new(&*self.wake, PollFlags::IN),
            // The kernel marks the file this way when there is another mount (proc_pid_mounts(5)).
            PollFd::new(&self.mountinfo, PollFlags::PRI),
        ];
        fds.extend(self.watching.iter().flat_map(Watching::poll_fds));
        let interval = self.actors.as_ref().map(|actors| Timespec {
            // The next read decides, also if it returns nothing. Otherwise it has to be noticed from time to time
            // that the queue is empty.
            tv_sec: i64::from(!actors.has_pending()),
            tv_nsec: 0,
        });
        if poll(&mut fds, interval.as_ref()).is_err() {
            // Interrupted by a signal: the caller looks anyway.
            return;
        }
        let has_mounts = !fds[1].revents().is_empty();
        self.wake.reset();
        if has_mounts {
            self.take_mounts();
        }
    }

    /// Marks what was mounted, and what a mount has hidden.
    fn take_mounts(&mut self) {
        let mounts = self.read_mounts();
        let changed = mounts.changed(&self.mounts);
        self.mounts = mounts;
        self.mark_executions();
        for path in changed {
            let Some(watching) = &mut self.watching else {
                return;
            };
            if let Some(unmarked) = watching.marks.mark_mounted(&path) {
                self.marked_more(unmarked);
                if let Some(actors) = &mut self.actors {
                    lock(&self.shared.actors).add(actors.mounted(&path));
                }
                self.announce(&path, Extent::Subtree);
            }
        }
        self.find_remote();
    }

    /// Finds out which of the mounts are watched and have changes that the kernel does not report.
    fn find_remote(&self) {
        let Some(watching) = &self.watching else {
            return;
        };
        let mut remote = Remote::default();
        for (path, file_system) in self.mounts.remote() {
            if watching.marks.is_marked(path) {
                remote.count += 1;
                let name = || format!("{} ({})", display_path(path), display_path(file_system));
                remote.first.get_or_insert_with(name);
            }
        }
        lock(&self.shared.state).remote = remote;
    }

    fn read_mounts(&self) -> Mounts {
        let root = self.node.host_root.as_os_str().as_bytes();
        let read = fs::read(MOUNTINFO).map_err(anyhow::Error::from);
        let mounts = read.and_then(|text| Ok(Mounts::parse(&text, root)?));
        mounts.unwrap_or_else(|error| {
            tracing::error!(%error, "failed to read the mounts");
            Mounts::default()
        })
    }

    /// Marks the directories, unless they are marked already.
    fn watch(&mut self, configuration: Arc<str>) -> bool {
        // Mounts from now on are in the walk, or found later.
        let mounts = self.read_mounts();
        let same = self.watching.as_mut();
        let marked = match same.filter(|watching| watching.configuration == configuration) {
            Some(watching) if !watching.is_incomplete => return false,
            Some(_) => self.mark_again(),
            None => self.replace_marks(configuration),
        };
        self.mounts = mounts;
        match marked {
            Ok(unmarked) => {
                self.marked_all(unmarked);
                true
            }
            Err(error) => {
                self.watching = None;
                let mut state = lock(&self.shared.state);
                *state = WatchState {
                    error: Some(error),
                    overflows: state.overflows,
                    ..WatchState::default()
                };
                false
            }
        }
    }

    /// Marks what is not marked. The kernel may have no room for a second mark of each directory.
    fn mark_again(&mut self) -> Result<Unmarked, WatchError> {
        self.drain();
        let watching = self.watching.as_mut();
        watching.map_or_else(|| Ok(Unmarked::default()), |it| mark_all(&mut it.marks))
    }

    /// The new marks are set before the old ones are removed, so that no change is missed.
    fn replace_marks(&mut self, configuration: Arc<str>) -> Result<Unmarked, WatchError> {
        let (marks, unmarked) = self.new_marks(&configuration)?;
        self.drain();
        self.watching = Some(Watching {
            configuration,
            marks,
            is_incomplete: false,
        });
        Ok(unmarked)
    }

    fn new_marks(&self, configuration: &str) -> Result<(Marks, Unmarked), WatchError> {
        let reach = Reach::of(&Configuration::parse(configuration));
        let Node {
            host_root,
            own_files,
            backend,
            has_actors: _,
        } = self.node.clone();
        let marks = Marks::open(host_root, reach, MAX_MARKS, backend);
        let mut marks = marks
            .map(|marks| marks.without(own_files))
            .map_err(|error| WatchError {
                reason: error.reason,
                message: crate::error_chain(&error),
            })?;
        let unmarked = mark_all(&mut marks)?;
        Ok((marks, unmarked))
    }

    /// All directories were marked, except these.
    fn marked_all(&mut self, unmarked: Unmarked) {
        let Some(watching) = &mut self.watching else {
            return;
        };
        watching.is_incomplete = unmarked != Unmarked::default();
        let marks = &watching.marks;
        let mut state = lock(&self.shared.state);
        let marked_late = state.not_covered().clone();
        *state = WatchState {
            backend: Some(marks.backend()),
            directories: marks.len() as u64,
            fallback: marks.fallback().map(|it| crate::error_chain(it)),
            unmarked,
            marked_late,
            remote: Remote::default(),
            overflows: state.overflows,
            error: None,
        };
        drop(state);
        self.find_remote();
        self.mark_executions();
    }

    /// More directories were marked, except these.
    fn marked_more(&mut self, unmarked: Unmarked) {
        let Some(watching) = &mut self.watching else {
            return;
        };
        watching.is_incomplete |= unmarked != Unmarked::default();
        let mut state = lock(&self.shared.state);
        state.unmarked.add(unmarked);
        state.directories = watching.marks.len() as u64;
    }

    /// Reads all events that the kernel has now, and decides about their actors.
    fn drain(&mut self) {
        self.read_all();
        if self.actors.as_ref().is_some_and(Actors::has_pending) {
            self.read_all();
        }
    }

    fn read_all(&mut self) {
        let mut has_more = true;
        while has_more {
            self.read();
            let watching = self.watching.as_ref();
            has_more = watching.is_some_and(|it| it.marks.has_more());
        }
    }

    /// Reads once. Returns the number of announcements.
    fn read(&mut self) -> usize {
        let Some(watching) = &mut self.watching else {
            return 0;
        };
        let started = self.shared.now();
        let announced = watching.marks.read().unwrap_or_else(|error| {
            tracing::error!(%error, "failed to read the kernel's events");
            let announcement = Announcement::Everything;
            vec![Announced {
                announcement,
                pid: None,
            }]
        });
        let count = announced.len();
        if let Some(actors) = &mut self.actors {
            let read = Read {
                started,
                has_more: watching.marks.has_more(),
            };
            // First of all: the processes may end any moment.
            let decided = actors.take(&announced, read, self.shared.now());
            lock(&self.shared.actors).add(decided);
        }
        for Announced { announcement, .. } in announced {
            self.take(announcement);
        }
        count
    }

    /// Announces executions on all local file systems. Some may refuse it, then fewer actors are known.
    fn mark_executions(&mut self) {
        if let (Some(watching), Some(_)) = (&mut self.watching, &self.actors) {
            let mut devices = BTreeSet::new();
            for (path, device) in self.mounts.local() {
                // A single file of a file system may be mounted, too, which cannot be marked.
                if !devices.contains(device) && watching.marks.mark_executions(path) {
                    devices.insert(device);
                }
            }
            // The last path of a file system counts, and this one is never unmounted.
            let marked = devices.len() + usize::from(watching.marks.mark_executions(b"/"));
            tracing::debug!(marked, "the file systems whose programs are watched");
        }
    }

    fn take(&mut self, announcement: Announcement) {
        let Some(watching) = &mut self.watching else {
            return;
        };
        match announcement {
            Announcement::Dirty(path, extent) => self.announce(&path, extent),
            Announcement::Appeared { parent, name, path } => {
                // The subtree is checked after all its directories are marked.
                let unmarked = watching.marks.mark_appeared(&parent, &name, &path);
                self.marked_more(unmarked);
                self.announce(&path, Extent::Subtree);
            }
            Announcement::Disappeared { parent, name } => {
                watching.marks.forget(&parent, &name);
                lock(&self.shared.state).directories = watching.marks.len() as u64;
            }
            Announcement::Execution(_) => {}
            Announcement::Everything => {
                watching.is_incomplete = true;
                self.shared.overflowed();
            }
        }
    }

    fn announce(&mut self, path: &[u8], extent: Extent) {
        // An excluded file may have other names.
        self.links.announce(path, extent);
        let watching = self.watching.as_mut();
        if !watching.is_some_and(|it| it.marks.is_excluded(path, extent)) {
            self.shared.announce(path, extent);
        }
    }
}

fn mark_all(marks: &mut Marks) -> Result<Unmarked, WatchError> {
    marks.mark_all().map_err(|error| WatchError {
        reason: RealtimeReason::FilesystemRefuses,
        message: format!("the root of the node cannot be watched: {error}"),
    })
}
