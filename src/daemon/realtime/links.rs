//! Announces the other names of announced files with several hard links. I/O, in a thread of its own: a link
//! that is not known has to be searched for in all watched directories.
//!
//! At most a tenth of the time is used for that, however many paths are announced.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::oneshot;

use super::dirty_paths::Scope;
use super::file_marks::{FileEvent, FileMarks, MAX_FILES};
use super::kernel_watches::Preference;
use super::link_index::{File, Inode, LinkIndex};
use super::shared::Shared;
use super::tree::Tree;
use super::wake::Wake;
use crate::aide::coverage::{Coverage, Extent};
use crate::locks::lock;

/// Pause after the work, in durations of the work.
const PAUSE: u32 = 9;
/// How long a scan waits for the thread, which an unresponsive file system may block.
const MAX_WAIT: Duration = Duration::from_secs(30);

enum Request {
    /// Read the links of all files that this configuration selects.
    Read(Arc<str>, oneshot::Sender<()>),
    /// Announce the names of all files that were announced until now.
    Drain(oneshot::Sender<()>),
}

/// The thread. It ends with the last clone of this value.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    requests: mpsc::Sender<Request>,
    wake: Arc<Wake>,
    /// What was announced, and whose links are not looked up yet.
    pending: Arc<Mutex<Scope>>,
}

impl Links {
    pub(crate) fn start(
        host_root: PathBuf,
        preference: Preference,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel();
        let wake = Arc::new(Wake::new()?);
        let pending = Arc::new(Mutex::new(Scope::default()));
        let mut thread = Thread {
            host_root,
            preference,
            shared,
            inbox,
            wake: Arc::clone(&wake),
            pending: Arc::clone(&pending),
            tree: None,
            index: LinkIndex::default(),
            marks: FileMarks::new(preference),
            paused_until: Instant::now(),
        };
        thread::Builder::new()
            .name("links".to_owned())
            .spawn(move || thread.run())?;
        Ok(Self {
            requests,
            wake,
            pending,
        })
    }

    /// A path was announced.
    pub(crate) fn announce(&self, path: &[u8], extent: Extent) {
        let mut pending = lock(&self.pending);
        let was_empty = pending.is_empty();
        pending.add(path, extent);
        drop(pending);
        if was_empty {
            self.wake.wake();
        }
    }

    /// Reads the links of all files. Their directories are watched already.
    pub(crate) async fn read(&self, configuration: Arc<str>) {
        self.ask(|answer| Request::Read(configuration, answer))
            .await;
    }

    /// Returns when all names of the files that were announced until now are announced.
    pub(crate) async fn drain(&self) {
        self.ask(Request::Drain).await;
    }

    async fn ask(&self, request: impl FnOnce(oneshot::Sender<()>) -> Request) {
        let (answer, answered) = oneshot::channel();
        if self.requests.send(request(answer)).is_ok() {
            self.wake.wake();
            if tokio::time::timeout(MAX_WAIT, answered).await.is_err() {
                tracing::warn!("looking up hard links takes long");
            }
        }
    }
}

struct Thread {
    host_root: PathBuf,
    preference: Preference,
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Request>,
    wake: Arc<Wake>,
    pending: Arc<Mutex<Scope>>,
    /// None before the first configuration.
    tree: Option<Tree>,
    index: LinkIndex,
    marks: FileMarks,
    paused_until: Instant,
}

/// The names of a file that may have changed.
#[derive(Debug, Default)]
struct Touched {
    /// The names that were announced.
    announced: BTreeSet<Vec<u8>>,
    /// All that are known, or were.
    names: BTreeSet<Vec<u8>>,
}

/// What was looked at.
#[derive(Debug, Default)]
struct Batch {
    files: BTreeMap<Inode, Touched>,
    examined: BTreeSet<Vec<u8>>,
}

impl Thread {
    fn run(&mut self) {
        loop {
            self.wait();
            loop {
                match self.inbox.try_recv() {
                    Ok(Request::Read(configuration, answer)) => {
                        self.tree = Some(Tree::new(self.host_root.clone(), &configuration));
                        self.read_all();
                        answer.send(()).ok();
                    }
                    Ok(Request::Drain(answer)) => {
                        self.resolve();
                        answer.send(()).ok();
                    }
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => return,
                }
            }
            if Instant::now() >= self.paused_until {
                self.resolve();
            }
        }
    }

    /// Waits for a request, or for the end of the pause and something to do.
    fn wait(&self) {
        let pause = self.paused_until.checked_duration_since(Instant::now());
        if pause.is_none() && !lock(&self.pending).is_empty() {
            return;
        }
        let mut fds = vec![PollFd::new(&*self.wake, PollFlags::IN)];
        if pause.is_none() {
            let marks = self.marks.descriptors();
            fds.extend(marks.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        }
        let timeout = pause.and_then(|pause| Timespec::try_from(pause).ok());
        // Interrupted by a signal: the caller looks anyway.
        poll(&mut fds, timeout.as_ref()).ok();
        self.wake.reset();
    }

    /// Looks up the links of what was announced, and announces their other names.
    fn resolve(&mut self) {
        let started = Instant::now();
        let mut batch = Batch::default();
        self.read_marks(&mut batch);
        let pending = std::mem::take(&mut *lock(&self.pending));
        match pending {
            Scope::Part(part) => self.examine_part(&part, &mut batch),
            Scope::Everything => self.read_all(),
        }
        self.examine_names(&mut batch);
        self.search(&mut batch);
        self.announce(&batch);
        for (inode, touched) in &batch.files {
            self.mark(*inode, &touched.names);
        }
        self.paused_until = Instant::now() + started.elapsed() * PAUSE;
    }

    /// Reads the links of all files.
    fn read_all(&mut self) {
        let Some(tree) = &mut self.tree else { return };
        let mut linked = tree.linked();
        linked.sort_unstable();
        let (several, one) = linked
            .chunk_by(|a, b| a == b)
            .partition::<Vec<_>, _>(|names| names.len() > 1);
        // Only changes by names that are not watched matter for the others.
        let wanted = several.into_iter().chain(one.into_iter().take(MAX_FILES));
        let wanted = wanted.filter_map(|names| names.first().copied()).collect();
        self.index = LinkIndex::default();
        self.marks = FileMarks::new(self.preference);
        for (file, paths) in tree.find(&wanted).into_values() {
            self.index.set(file, &paths);
        }
        let inodes: Vec<_> = self.index.inodes().collect();
        for inode in inodes {
            self.mark(inode, &BTreeSet::new());
        }
    }

    fn read_marks(&mut self, batch: &mut Batch) {
        let events = self.marks.read().unwrap_or_else(|error| {
            tracing::error!(%error, "failed to read the kernel's events of files");
            vec![FileEvent::Overflow]
        });
        for event in events {
            match event {
                FileEvent::Changed(inode) => self.touch(inode, None, batch),
                FileEvent::Overflow => self.shared.overflowed(),
            }
        }
    }

    fn examine_part(&mut self, part: &Coverage, batch: &mut Batch) {
        let Some(tree) = &mut self.tree else { return };
        let mut found = Vec::new();
        for (path, extent) in part.iter() {
            for path in self.index.within(path, extent) {
                let file = tree.file(&path);
                found.push((path, file));
            }
            if extent == Extent::Own {
                found.push((path.to_vec(), tree.file(path)));
            } else {
                tree.visit(path, extent, &mut |entry| {
                    if let Some(file) = entry.file().filter(|file| file.links > 1) {
                        found.push((entry.path(), Some(file)));
                    }
                });
            }
        }
        for (path, file) in found {
            self.take(&path, file, true, batch);
        }
    }

    /// Looks at all known names of the files that were announced, as some may not exist any more.
    fn examine_names(&mut self, batch: &mut Batch) {
        let Some(tree) = &self.tree else { return };
        let names = batch.files.keys();
        let names = names.flat_map(|inode| self.index.paths(*inode).map(<[u8]>::to_vec));
        let names: Vec<_> = names
            .filter(|path| !batch.examined.contains(path))
            .map(|path| (tree.file(&path), path))
            .collect();
        for (file, path) in names {
            self.take(&path, file, false, batch);
        }
    }

    /// Takes what is at a path.
    fn take(&mut self, path: &[u8], file: Option<File>, is_announced: bool, batch: &mut Batch) {
        let known = self.index.inode(path);
        let linked = file.filter(|file| file.links > 1).map(|file| file.inode);
        for inode in known.into_iter().chain(linked) {
            self.touch(inode, Some(path).filter(|_| is_announced), batch);
        }
        self.index.update(path, file);
        batch.examined.insert(path.to_vec());
    }

    /// A file may have changed.
    fn touch(&self, inode: Inode, announced: Option<&[u8]>, batch: &mut Batch) {
        let touched = batch.files.entry(inode).or_default();
        let names = self.index.paths(inode).chain(announced);
        touched.names.extend(names.map(<[u8]>::to_vec));
        touched.announced.extend(announced.map(<[u8]>::to_vec));
    }

    /// Searches for the names of files that may have others than the known ones.
    fn search(&mut self, batch: &mut Batch) {
        let Some(tree) = &mut self.tree else { return };
        let unknown = batch.files.keys().copied();
        let unknown = unknown.filter(|it| self.index.contains(*it) && !self.index.is_complete(*it));
        let unknown: HashSet<_> = unknown.collect();
        if unknown.is_empty() {
            return;
        }
        for (file, paths) in tree.find(&unknown).into_values() {
            self.index.set(file, &paths);
            let touched = batch.files.entry(file.inode).or_default();
            touched.names.extend(paths);
        }
    }

    /// A single name that was announced needs nothing more. If several were, one may have been checked before
    /// the change by another.
    fn announce(&self, batch: &Batch) {
        for touched in batch.files.values() {
            if touched.announced.len() == 1 && touched.names == touched.announced {
                continue;
            }
            for name in &touched.names {
                self.shared.announce(name, Extent::Own);
            }
        }
    }

    /// Watches a file while it has several links. `names` are those that it has or had.
    fn mark(&mut self, inode: Inode, names: &BTreeSet<Vec<u8>>) {
        let Some(tree) = &self.tree else { return };
        if !self.index.contains(inode) {
            let directory = names.first().map(|name| tree.open_directory_of(name));
            let directory = directory.and_then(Result::ok);
            self.marks.remove(inode, directory.as_ref());
        } else if self.marks.contains(inode) || self.marks.len() < MAX_FILES {
            // Again, if it is watched: a file may have been replaced by another one with the same number.
            let mut files = self.index.paths(inode).map(|path| tree.open(path));
            if let Some((file, _)) = files.find_map(|it| it.ok().filter(|(_, at)| *at == inode)) {
                drop(files);
                self.marks.add(inode, &file);
            }
        }
    }
}

#[cfg(test)]
mod tests;
