//! Realtime detection: what the kernel announces as changed is checked at once.

pub(crate) mod announcement;
pub(crate) mod dirty_paths;
pub(crate) mod fanotify_records;
pub(crate) mod watched_directories;
pub(crate) mod marks;
