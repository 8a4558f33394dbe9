//! What is known of the node's status object, and which of two states of it is the newer one. Pure.
//!
//! Resource versions can be compared as numbers (Kubernetes documentation, API concepts), but only
//! while the API server keeps its data: after etcd was restored from a backup they count on from that
//! of the backup. So they are compared within one watch. A new watch begins with what the API server
//! has, whatever its version is.

use crate::api::FileIntegrityNodeStatus;

/// What is known of the status object.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The object, if there is one.
    pub status: Option<FileIntegrityNodeStatus>,
    /// The API cannot be reached, or has not answered yet.
    pub away: bool,
    /// Number of own writes that were answered.
    writes: u64,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            status: None,
            away: true,
            writes: 0,
        }
    }
}

impl Seen {
    /// Whether this state has a lower resource version than the known one. Versions that are no
    /// numbers are not compared: what arrives later counts.
    pub fn is_ahead_of(&self, arrived: &FileIntegrityNodeStatus) -> bool {
        let version = |status: &FileIntegrityNodeStatus| {
            let version = status.metadata.resource_version.as_deref();
            version.and_then(|version| version.parse::<u128>().ok())
        };
        let known = self.status.as_ref().and_then(version);
        matches!((known, version(arrived)), (Some(known), Some(arrived)) if arrived < known)
    }

    /// Takes in what the watch shows, which may be behind what a write has already returned.
    pub fn keep_newest(&mut self, arrived: FileIntegrityNodeStatus) {
        if !self.is_ahead_of(&arrived) {
            self.status = Some(arrived);
        }
    }

    /// Takes in that the watch shows the end of an object. One that was known later stays.
    pub fn keep_deleted(&mut self, deleted: &FileIntegrityNodeStatus) {
        if !self.is_ahead_of(deleted) {
            self.status = None;
        }
    }

    /// Takes in what a write has returned. The object may be deleted by now, and another one be known
    /// in its place: to put it back would mean to write to it from then on.
    pub fn keep_written(&mut self, written: FileIntegrityNodeStatus) {
        self.writes += 1;
        let is_known = |known: &FileIntegrityNodeStatus| known.metadata.uid == written.metadata.uid;
        if self.status.as_ref().is_some_and(is_known) {
            self.keep_newest(written);
        }
    }

    /// Number of own writes that were answered so far.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Takes in what was read when `writes` writes were answered, unless there were more since: then
    /// it may be older than what the last one returned. Returns whether it was taken.
    pub fn keep_read(&mut self, read: Option<FileIntegrityNodeStatus>, writes: u64) -> bool {
        let is_current = self.writes == writes;
        if is_current {
            self.status = read;
        }
        is_current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uid: &str, version: &str) -> FileIntegrityNodeStatus {
        let mut status = FileIntegrityNodeStatus::default();
        status.metadata.uid = Some(uid.to_owned());
        status.metadata.resource_version = Some(version.to_owned());
        status
    }

    fn seen(status: Option<FileIntegrityNodeStatus>) -> Seen {
        Seen {
            status,
            ..Seen::default()
        }
    }

    fn version(seen: Seen) -> Option<String> {
        seen.status?.metadata.resource_version
    }

    #[test]
    fn a_late_event_does_not_undo_what_a_write_returned() {
        let table = [
            (status("a", "10"), status("a", "9"), "10"),
            (status("a", "10"), status("a", "11"), "11"),
            // The one before, as a watch that is behind shows it.
            (status("b", "10"), status("a", "9"), "10"),
            (status("a", "10"), status("b", "11"), "11"),
            (status("a", "10"), status("a", "odd"), "odd"),
        ];
        for (known, arrived, expected) in table {
            let mut seen = seen(Some(known));
            seen.keep_newest(arrived);
            assert_eq!(version(seen).as_deref(), Some(expected));
        }
    }

    #[test]
    fn the_end_of_an_earlier_object_is_not_that_of_the_known_one() {
        for (deleted, expected) in [("11", None), ("9", Some("10")), ("odd", None)] {
            let mut seen = seen(Some(status("a", "10")));
            seen.keep_deleted(&status("a", deleted));
            assert_eq!(version(seen).as_deref(), expected, "{deleted}");
        }
    }

    #[test]
    fn an_object_that_was_deleted_meanwhile_does_not_come_back_by_its_last_write() {
        let table = [
            (None, status("a", "10"), None),
            (Some(status("b", "9")), status("a", "10"), Some("9")),
            (Some(status("a", "9")), status("a", "10"), Some("10")),
        ];
        for (known, written, expected) in table {
            let mut seen = seen(known);
            seen.keep_written(written);
            assert_eq!(version(seen).as_deref(), expected);
        }
    }

    #[test]
    fn what_was_read_counts_whatever_its_version_unless_a_write_was_answered_meanwhile() {
        let mut seen = seen(Some(status("a", "100")));
        assert!(seen.keep_read(Some(status("a", "50")), seen.writes()));
        let writes = seen.writes();
        seen.keep_written(status("a", "51"));
        assert!(!seen.keep_read(Some(status("a", "50")), writes));
        assert_eq!(version(seen).as_deref(), Some("51"));
    }
}
