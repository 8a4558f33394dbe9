//! Counts operations on DaemonSets. They are counted by the operator's own writes, because others
//! change DaemonSets, too.

use std::collections::HashSet;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::daemon_sets::{
    DaemonSetRef, DaemonSetVersion, UnansweredDeletion, UnansweredWrite, WriteOutcome,
};
use super::recorder::FleetMetrics;
use crate::telemetry::metrics::OperationLabel;

impl FleetMetrics {
    /// Records how applying a DaemonSet ended.
    pub(crate) fn record_write(&self, daemon_set: &DaemonSetRef<'_>, outcome: WriteOutcome) {
        match outcome {
            WriteOutcome::Written { version, replaced } => {
                self.count_write(daemon_set, &version, replaced);
            }
            WriteOutcome::Unchanged => self.settle_write(daemon_set),
            WriteOutcome::Failed { replaces } => self.with(|counted| {
                let written = counted.daemon_sets.written.get(daemon_set.name);
                let before = written.or(daemon_set.observed.as_ref()).cloned();
                let write = UnansweredWrite {
                    file_integrity: daemon_set.file_integrity.to_owned(),
                    before,
                    replaces,
                };
                let writes = &mut counted.daemon_sets.unanswered_writes;
                writes.entry(daemon_set.name.to_owned()).or_insert(write);
            }),
        }
    }

    /// Records a DaemonSet that was deleted.
    pub(crate) fn record_deletion(&self, daemon_set: &DaemonSetRef<'_>) {
        self.settle_write(daemon_set);
        self.with(|counted| {
            counted.daemon_sets.written.remove(daemon_set.name);
            let deletions = &mut counted.daemon_sets.unanswered_deletions;
            deletions.remove(daemon_set.name);
        });
        self.count_deletion(daemon_set.is_reinit);
    }

    /// Records a deletion that failed, and may have been carried out.
    pub(crate) fn record_failed_deletion(&self, daemon_set: &DaemonSetRef<'_>) {
        let Some(observed) = &daemon_set.observed else {
            return;
        };
        self.settle_write(daemon_set);
        let deletion = UnansweredDeletion {
            file_integrity: daemon_set.file_integrity.to_owned(),
            uid: observed.uid.clone(),
            is_reinit: daemon_set.is_reinit,
        };
        self.with(|counted| {
            let deletions = &mut counted.daemon_sets.unanswered_deletions;
            deletions.insert(daemon_set.name.to_owned(), deletion)
        });
    }

    /// Counts the failed deletions of a FileIntegrity's DaemonSets that were carried out: those whose uid
    /// does not exist any more.
    pub(crate) fn settle_deletions(&self, file_integrity: &str, existing_uids: &HashSet<String>) {
        let deleted: Vec<UnansweredDeletion> = self.with(|counted| {
            let daemon_sets = &mut counted.daemon_sets;
            let deleted: Vec<(String, UnansweredDeletion)> = daemon_sets
                .unanswered_deletions
                .extract_if(|_, deletion| {
                    deletion.file_integrity == file_integrity
                        && !existing_uids.contains(&deletion.uid)
                })
                .collect();
            let deleted = deleted.into_iter().map(|(name, deletion)| {
                daemon_sets.written.remove(&name);
                deletion
            });
            deleted.collect()
        });
        for deletion in deleted {
            self.count_deletion(deletion.is_reinit);
        }
    }

    /// The DaemonSet is up to date. If its last write was not answered, that write is counted now.
    fn settle_write(&self, daemon_set: &DaemonSetRef<'_>) {
        let is_unanswered = self.with(|counted| {
            let writes = &counted.daemon_sets.unanswered_writes;
            writes.contains_key(daemon_set.name)
        });
        if is_unanswered && let Some(version) = &daemon_set.observed {
            self.count_write(daemon_set, version, false);
        }
    }

    fn count_write(
        &self,
        daemon_set: &DaemonSetRef<'_>,
        version: &DaemonSetVersion,
        replaced: bool,
    ) {
        let (before, replaced) = self.with(|counted| {
            let daemon_sets = &mut counted.daemon_sets;
            let name = daemon_set.name;
            let known = daemon_sets.written.insert(name.to_owned(), version.clone());
            match daemon_sets.unanswered_writes.remove(name) {
                Some(write) => (write.before, replaced || write.replaces),
                None => (known.or_else(|| daemon_set.observed.clone()), replaced),
            }
        });
        if before.as_ref() == Some(version) {
            return;
        }
        if daemon_set.is_reinit {
            return count(&self.fleet.reinit_daemon_set, "update");
        }
        count(&self.fleet.daemon_set, "update");
        let is_same_object = before.is_some_and(|before| before.uid == version.uid);
        if is_same_object {
            // A changed template ends the pods.
            count(&self.fleet.daemon_set, "podkill");
        } else if replaced {
            count(&self.fleet.daemon_set, "delete");
        }
    }

    fn count_deletion(&self, is_reinit: bool) {
        let family = if is_reinit {
            &self.fleet.reinit_daemon_set
        } else {
            &self.fleet.daemon_set
        };
        count(family, "delete");
    }
}

fn count(family: &Family<OperationLabel, Counter>, operation: &'static str) {
    family.get_or_create(&OperationLabel { operation }).inc();
}
