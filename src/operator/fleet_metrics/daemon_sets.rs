//! DaemonSets and the outcomes of their writes, as far as they are counted. Pure.

use std::collections::HashMap;

/// Uid and generation of a DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DaemonSetVersion {
    pub(crate) uid: String,
    pub(crate) generation: i64,
}

/// A DaemonSet that is written or deleted.
#[derive(Clone, Debug)]
pub(crate) struct DaemonSetRef<'a> {
    pub(crate) file_integrity: &'a str,
    pub(crate) name: &'a str,
    /// It is a re-init DaemonSet.
    pub(crate) is_reinit: bool,
    /// As the reconcile observed it.
    pub(crate) observed: Option<DaemonSetVersion>,
}

/// How applying a DaemonSet ended.
#[derive(Clone, Debug)]
pub(crate) enum WriteOutcome {
    Written {
        version: DaemonSetVersion,
        /// Another object with the name was deleted first.
        replaced: bool,
    },
    /// It was up to date.
    Unchanged,
    /// It may have been written: there was no answer, or an error.
    Failed {
        /// Another object with the name has to be deleted first.
        replaces: bool,
    },
}

/// A write that may have been carried out.
#[derive(Clone, Debug)]
pub(super) struct UnansweredWrite {
    pub(super) file_integrity: String,
    /// The object before the write.
    pub(super) before: Option<DaemonSetVersion>,
    pub(super) replaces: bool,
}

/// A deletion that may have been carried out.
#[derive(Clone, Debug)]
pub(super) struct UnansweredDeletion {
    pub(super) file_integrity: String,
    pub(super) uid: String,
    pub(super) is_reinit: bool,
}

/// The DaemonSets by their names.
#[derive(Debug, Default)]
pub(super) struct DaemonSets {
    /// As they were last written.
    pub(super) written: HashMap<String, DaemonSetVersion>,
    pub(super) unanswered_writes: HashMap<String, UnansweredWrite>,
    pub(super) unanswered_deletions: HashMap<String, UnansweredDeletion>,
}

impl DaemonSets {
    /// Removes the unanswered operations of a FileIntegrity.
    pub(super) fn forget(&mut self, file_integrity: &str) {
        self.unanswered_writes
            .retain(|_, write| write.file_integrity != file_integrity);
        self.unanswered_deletions
            .retain(|_, deletion| deletion.file_integrity != file_integrity);
    }
}
