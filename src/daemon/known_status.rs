//! The newest known state of the node status. Pure.
//!
//! Resource versions can be compared as numbers (Kubernetes documentation, API concepts) as long as the
//! API server keeps its data: after etcd was restored from a backup, they continue from those of the
//! backup. So they are compared within one watch. A new watch begins with the object that the API server
//! has, whatever its version is.

use crate::api::FileIntegrityNodeStatus;

/// What is known of the node status.
#[derive(Clone, Debug)]
pub struct KnownStatus {
    /// The object, if it exists and can be decoded.
    pub status: Option<FileIntegrityNodeStatus>,
    /// The API server is unreachable, or has not answered yet.
    pub is_unreachable: bool,
    /// Number of writes of this process that were answered.
    writes: u64,
}

impl Default for KnownStatus {
    fn default() -> Self {
        Self {
            status: None,
            is_unreachable: true,
            writes: 0,
        }
    }
}

impl KnownStatus {
    /// Whether `arrived` has a lower resource version than the known state. Versions that are not
    /// numbers are not compared: then the state that arrives later counts.
    pub fn is_ahead_of(&self, arrived: &FileIntegrityNodeStatus) -> bool {
        let version = |status: &FileIntegrityNodeStatus| {
            let version = status.metadata.resource_version.as_deref();
            version.and_then(|version| version.parse::<u128>().ok())
        };
        let known = self.status.as_ref().and_then(version);
        matches!((known, version(arrived)), (Some(known), Some(arrived)) if arrived < known)
    }

    /// Takes a state from the watch. It may be older than one that a write has returned.
    pub fn keep_newest(&mut self, arrived: FileIntegrityNodeStatus) {
        if !self.is_ahead_of(&arrived) {
            self.status = Some(arrived);
        }
    }

    /// Takes a deletion from the watch. A newer object is kept.
    pub fn keep_deleted(&mut self, deleted: &FileIntegrityNodeStatus) {
        if !self.is_ahead_of(deleted) {
            self.status = None;
        }
    }

    /// Takes the state that a write has returned, unless another object of the same name has replaced it:
    /// otherwise all further writes would be for the deleted object.
    pub fn keep_written(&mut self, written: FileIntegrityNodeStatus) {
        self.writes += 1;
        let is_known = |known: &FileIntegrityNodeStatus| known.metadata.uid == written.metadata.uid;
        if self.status.as_ref().is_some_and(is_known) {
            self.keep_newest(written);
        }
    }

    /// Number of writes of this process that were answered.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Takes a state that was read after `writes` writes, unless more were answered since: then it may be
    /// older than what the last one has returned. Returns whether it was taken.
    pub fn keep_read(&mut self, read: Option<FileIntegrityNodeStatus>, writes: u64) -> bool {
        let is_current = self.writes == writes;
        if is_current {
            self.status = read;
        }
        is_current
    }
}

#[cfg(test)]
mod tests;
