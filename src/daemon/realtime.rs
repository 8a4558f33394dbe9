//! Realtime detection: the kernel announces changes, AIDE checks the announced paths, and the complete known
//! state is published.
//!
//! [`watcher`] is a thread that keeps [`marks`] on directories ([`watched_directories`]) with [`fanotify`] or
//! [`inotify`], and reads the kernel's events ([`kernel_event`], [`announcement`]). It also looks for new
//! [`mounts`]. What is announced is collected in [`dirty_paths`], where [`links`] adds the other names of files
//! with several hard links. [`known_state`] merges the results of scans and checks, and [`pacing`] decides
//! when they are published. [`condition`] is what users see of the detection itself. [`mod@super::detection`]
//! composes all of this for the event loop.

pub(crate) mod actors;
pub(crate) mod announcement;
pub(crate) mod busy;
pub(crate) mod condition;
mod directories;
pub(crate) mod dirty_paths;
mod fanotify;
pub(crate) mod fanotify_records;
mod file_marks;
mod inotify;
pub(crate) mod inotify_records;
pub(crate) mod kernel_event;
pub(crate) mod kernel_watches;
pub(crate) mod known_state;
mod link_index;
mod links;
mod marks;
mod mounts;
pub(crate) mod own_files;
pub(crate) mod pacing;
pub(crate) mod shared;
mod tree;
mod wake;
mod watch_state;
mod watched_directories;
pub(crate) mod watcher;
