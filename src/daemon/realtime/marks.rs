//! The marks in the kernel: a watch on each directory that the configuration reaches. I/O.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::fs::{Dir, FileType};
use rustix::io::Errno;

use super::actors::programs::Programs;
use super::announcement::{self, Announced, Announcement};
use super::directories::{has_vanished, join, open_directory, open_path, open_root};
use super::kernel_event::{KernelEvent, Mask, Objects, WatchId};
use super::kernel_watches::{KernelWatches, Preference, Refused, Unavailable};
use super::own_files::OwnFiles;
use super::watched_directories::{Place, WatchedDirectories};
use crate::aide::config::reach::Reach;
use crate::aide::coverage::Extent;
use crate::aide::report::display_path;
use crate::api::realtime::RealtimeBackend;

/// The marked directories of a node.
#[derive(Debug)]
pub(crate) struct Marks {
    kernel: KernelWatches,
    watched: WatchedDirectories,
    reach: Reach,
    host_root: PathBuf,
    /// Maximum number of marks.
    limit: usize,
    own_files: Option<OwnFiles>,
    programs: Programs,
}

/// Directories that could not be marked. Those below them are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unmarked {
    /// How many were beyond the limit.
    pub beyond_limit: u64,
    /// How many were beyond the limits of the kernel, such as `fs.inotify.max_user_watches`.
    pub beyond_kernel_limit: u64,
    /// The first one beyond a limit.
    pub first_beyond_limit: Option<String>,
    /// How many the kernel or the file system refused, and the first one with its error.
    pub refused: u64,
    pub first_refused: Option<String>,
}

impl Unmarked {
    /// Adds those of another walk.
    pub(crate) fn add(&mut self, more: Self) {
        self.beyond_limit += more.beyond_limit;
        self.beyond_kernel_limit += more.beyond_kernel_limit;
        self.refused += more.refused;
        let first = self.first_beyond_limit.take();
        self.first_beyond_limit = first.or(more.first_beyond_limit);
        self.first_refused = self.first_refused.take().or(more.first_refused);
    }

    fn leave_out(&mut self, path: &[u8]) {
        self.first_beyond_limit
            .get_or_insert_with(|| display_path(path));
    }

    fn refuse(&mut self, path: &[u8], refused: Refused) {
        match refused {
            Refused::KernelLimit => {
                self.beyond_kernel_limit += 1;
                self.leave_out(path);
            }
            Refused::Other(error) => {
                self.refused += 1;
                self.first_refused
                    .get_or_insert_with(|| format!("{}: {error}", display_path(path)));
            }
        }
    }
}

/// An open directory, and those of its entries that are not visited yet.
struct Level {
    directory: OwnedFd,
    place: Place,
    path: Vec<u8>,
    names: Vec<Vec<u8>>,
}

impl Marks {
    /// Opens the preferred interface of the kernel, without marks. It reports directories that `reach`
    /// includes, below `host_root`.
    pub(crate) fn open(
        host_root: PathBuf,
        reach: Reach,
        limit: usize,
        preference: Preference,
    ) -> Result<Self, Unavailable> {
        Ok(Self {
            kernel: KernelWatches::open(Objects::Directories, preference)?,
            watched: WatchedDirectories::default(),
            reach,
            programs: Programs::new(host_root.clone()),
            host_root,
            limit,
            own_files: None,
        })
    }

    /// Leaves out events of these files.
    pub(crate) fn without(mut self, own_files: OwnFiles) -> Self {
        self.own_files = Some(own_files);
        self
    }

    /// Marks the root of the node and all directories below it that are reached. Directories that were marked
    /// before and are not found again are forgotten, such as after an overflow.
    pub(crate) fn mark_all(&mut self) -> io::Result<Unmarked> {
        let root = open_root(&self.host_root)?;
        let directory = self.kernel.add(&root).map_err(|refused| match refused {
            Refused::KernelLimit => Errno::NOSPC.into(),
            Refused::Other(error) => error,
        })?;
        let before = std::mem::take(&mut self.watched);
        let place = self.watched.add_root(directory);
        let mut unmarked = Unmarked::default();
        let level = level(root, place, b"/".to_vec(), &mut unmarked);
        self.walk(level, &mut unmarked);
        let stale = before.directories();
        let stale = stale.filter(|directory| !self.watched.contains(directory));
        let stale = stale.cloned().collect();
        self.unmark(stale, b"/");
        Ok(unmarked)
    }

    /// Marks a directory that has appeared, and all below it. It may have disappeared again.
    pub(crate) fn mark_appeared(&mut self, parent: &WatchId, name: &[u8], path: &[u8]) -> Unmarked {
        let mut unmarked = Unmarked::default();
        let above = path.strip_suffix(name).unwrap_or(path);
        let place = self.watched.at(above);
        if let Some(place) = place.filter(|place| self.watched.directory(*place) == Some(parent)) {
            self.mark_entry(place, above, name, &mut unmarked);
        }
        unmarked
    }

    /// Forgets what was marked at a mount point, and marks what is there now: a file system was mounted or
    /// unmounted. None if nothing is watched there.
    pub(crate) fn mark_mounted(&mut self, path: &[u8]) -> Option<Unmarked> {
        let slash = path.iter().rposition(|byte| *byte == b'/')?;
        let (above, name) = (&path[..slash], &path[slash + 1..]);
        let place = self.watched.at(above)?;
        if !self.is_reached(path) {
            return None;
        }
        if let Some(before) = self.watched.entry(place, name) {
            let forgotten = self.watched.forget_place(before);
            self.unmark(forgotten, above);
        }
        let mut unmarked = Unmarked::default();
        self.mark_entry(place, above, name, &mut unmarked);
        Some(unmarked)
    }

    /// Removes the marks of a directory that has disappeared, and of all below it.
    pub(crate) fn forget(&mut self, parent: &WatchId, name: &[u8]) {
        let above = self.watched.paths(parent).into_iter().next();
        let forgotten = self.watched.forget(parent, name);
        self.unmark(forgotten, &above.unwrap_or_default());
    }

    /// The next announcements; empty if there are none now.
    pub(crate) fn read(&mut self) -> io::Result<Vec<Announced>> {
        let mut announced = Vec::new();
        for event in self.kernel.read()? {
            if self.is_own(&event) {
                continue;
            }
            if let KernelEvent::Unwatched(directory) = &event {
                let forgotten = self.watched.forget_directory(directory);
                self.unmark(forgotten, b"/");
            }
            let mut pid = None;
            let mut execution = None;
            if let KernelEvent::Entry {
                mask,
                directory,
                name,
                pid: of_process,
            } = &event
            {
                pid = *of_process;
                // Perhaps besides other things: the kernel merges events of the same entry.
                let is_execution = mask.has(Mask::OPEN_EXEC);
                execution = is_execution.then(|| self.programs.opened(directory, name));
            }
            let announcements = announcement::of(event, &self.watched).into_iter();
            let of_process = |announcement| Announced { announcement, pid };
            announced.extend(
                announcements
                    .chain(execution.map(Announcement::Execution))
                    .map(of_process),
            );
        }
        Ok(announced)
    }

    /// Whether the last read may have left events. Otherwise it has returned all that happened before it.
    pub(crate) fn has_more(&self) -> bool {
        self.kernel.has_more()
    }

    /// Announces executions of programs on the file system of a directory. Returns whether it is possible.
    pub(crate) fn mark_executions(&mut self, path: &[u8]) -> bool {
        let Ok(directory) = open_path(&self.host_root, path) else {
            return false;
        };
        let is_marked = self.kernel.add_executions(&directory);
        if is_marked {
            self.programs.add_file_system(path, &directory);
        }
        is_marked
    }

    /// Whether fio itself has caused the event. It changes the directory, too, which is left out as well.
    fn is_own(&self, event: &KernelEvent) -> bool {
        let (
            KernelEvent::Entry {
                directory, name, ..
            },
            Some(own_files),
        ) = (event, &self.own_files)
        else {
            return false;
        };
        let mut paths = self.watched.paths(directory).into_iter();
        paths.any(|path| own_files.contains(&path, name))
    }

    /// Whether a rule excludes all that this extent of a path covers.
    pub(crate) fn is_excluded(&mut self, path: &[u8], extent: Extent) -> bool {
        let on_host = self.on_host(path);
        match extent {
            Extent::Own => self.reach.excludes(&on_host),
            Extent::Entries | Extent::Subtree => self.reach.excludes_tree(&on_host),
        }
    }

    /// Whether the directory with this path is marked.
    pub(crate) fn is_marked(&self, path: &[u8]) -> bool {
        self.watched.at(path).is_some()
    }

    /// Number of paths of marked directories.
    pub(crate) fn len(&self) -> usize {
        self.watched.len()
    }

    /// The interface that reports changes of the node's root. Other file systems may have the other one.
    pub(crate) fn backend(&self) -> RealtimeBackend {
        match self.watched.root() {
            Some(WatchId::Watch(_)) => RealtimeBackend::Inotify,
            Some(WatchId::Handle(_)) | None => RealtimeBackend::Fanotify,
        }
    }

    /// Why fanotify cannot be used, if it was tried.
    pub(crate) fn fallback(&self) -> Option<&Unavailable> {
        self.kernel.fallback()
    }

    /// What to poll. It changes when directories are marked.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.kernel.descriptors()
    }

    /// Marks an entry of a directory, if that is a directory, and all below it.
    fn mark_entry(&mut self, place: Place, above: &[u8], name: &[u8], unmarked: &mut Unmarked) {
        let directory = match open_path(&self.host_root, above) {
            Ok(directory) => directory,
            Err(error) if has_vanished(&error) => return,
            Err(error) => return unmarked.refuse(above, error.into()),
        };
        let level = Level {
            directory,
            place,
            path: above.to_vec(),
            names: vec![name.to_vec()],
        };
        self.walk(level, unmarked);
    }

    /// Marks the named directories in an open directory, and all below them. Only the directories above the
    /// current one are open.
    fn walk(&mut self, level: Level, unmarked: &mut Unmarked) {
        let mut levels = vec![level];
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.pop() else {
                levels.pop();
                continue;
            };
            let entered = self.enter(level, &name, unmarked);
            levels.extend(entered);
        }
    }

    /// Marks one directory, if it is reached, and lists it.
    fn enter(&mut self, above: &Level, name: &[u8], unmarked: &mut Unmarked) -> Option<Level> {
        let path = join(&above.path, name);
        if !self.is_reached(&path) {
            return None;
        }
        let directory = match open_directory(above.directory.as_fd(), name) {
            Ok(directory) => directory,
            Err(error) if has_vanished(&error) => return None,
            Err(error) => {
                unmarked.refuse(&path, error.into());
                return None;
            }
        };
        let is_new = self.watched.entry(above.place, name).is_none();
        if is_new && self.watched.len() >= self.limit {
            unmarked.beyond_limit += 1;
            unmarked.leave_out(&path);
            return None;
        }
        match self.kernel.add(&directory) {
            Ok(id) => {
                let (place, forgotten) = self.watched.add(above.place, name, id);
                self.unmark(forgotten, &above.path);
                Some(level(directory, place, path, unmarked))
            }
            Err(refused) => {
                unmarked.refuse(&path, refused);
                None
            }
        }
    }

    fn is_reached(&mut self, path: &[u8]) -> bool {
        let on_host = self.on_host(path);
        self.reach.includes(&on_host)
    }

    fn on_host(&self, path: &[u8]) -> Vec<u8> {
        [self.host_root.as_os_str().as_bytes(), path].concat()
    }

    /// Removes marks. `beside` is the path of a directory of the same file system.
    fn unmark(&self, directories: Vec<WatchId>, beside: &[u8]) {
        let needs_handle = |id: &WatchId| matches!(id, WatchId::Handle(_));
        let beside = if directories.iter().any(needs_handle) {
            open_path(&self.host_root, beside).ok()
        } else {
            None
        };
        for directory in directories {
            self.kernel.remove(&directory, beside.as_ref());
        }
    }
}

/// Lists a marked directory. It is marked before, so that no entry is missed.
fn level(directory: OwnedFd, place: Place, path: Vec<u8>, unmarked: &mut Unmarked) -> Level {
    let names = directories_in(&directory).unwrap_or_else(|error| {
        unmarked.refuse(&path, error.into());
        Vec::new()
    });
    Level {
        directory,
        place,
        path,
        names,
    }
}

/// The names of the directories in a directory.
fn directories_in(directory: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let may_be_directory = matches!(entry.file_type(), FileType::Directory | FileType::Unknown);
        if may_be_directory && !matches!(name, b"." | b"..") {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
