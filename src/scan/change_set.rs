//! The differences between a node and its baseline, as one value that can be compared. Pure.
//!
//! The hash identifies the differences: the same changes on two nodes have the same hash, and if a file
//! changes again, the hash is another one. A report may list every file of a node, so the hash is computed
//! of digests of the values ([`Change::new_values`]), not of the values.
//!
//! The entries are sorted. Those that exceed the memory limit of a report are hashed in AIDE's order, while
//! the report is read. AIDE walks a tree of names, so this order depends on the paths only, not on the
//! file system.

use sha2::{Digest as _, Sha256};

use crate::aide::report::{self, Change, Report, length, part};
use crate::api::names;
use crate::api::{ChangeEntry, ChangeKind};

/// Maximum number of changed paths in a node status. All of them are in the failure log.
pub(crate) const MAX_CHANGES_IN_STATUS: usize = 20;
/// First byte of the hashed data: the version of its format, so that hashes of different versions are never
/// equal. A daemon with another version than the one before it reports open changes once more, unless it
/// compares the hash of the earlier version as well.
const VERSION: u8 = 2;
/// Second byte: whether all entries follow, or only their number.
const ENTRIES: u8 = 0;
const COUNTS: u8 = 1;

/// The differences between a node and its baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    /// The first changes, for the node status.
    first: Vec<ChangeEntry>,
    /// Identifies the paths and their new values.
    hash: String,
    /// Identifies the paths, whatever their values.
    paths_hash: String,
    /// Whether the hash covers all changes with their new values.
    is_complete: bool,
}

impl ChangeSet {
    /// The differences in a report. If it does not list all of them, only the counts are compared: the
    /// length of the list depends on the free disk space.
    pub fn new(report: &Report) -> Self {
        let first = report.changes.iter().take(MAX_CHANGES_IN_STATUS);
        let is_listed = report.lists_all();
        let (hash, paths_hash) = if is_listed {
            let mut changes: Vec<&Change> = report.changes.iter().collect();
            changes.sort_by(|a, b| (&a.path, a.kind).cmp(&(&b.path, b.kind)));
            (hash(report, &changes), paths_hash(report, &changes))
        } else {
            (counts_hash(report), names::sha256_hex([VERSION, COUNTS]))
        };
        Self {
            first: first.map(entry).collect(),
            hash,
            paths_hash,
            is_complete: is_listed && report.changes.iter().all(has_new_values),
        }
    }

    /// The version of the format of the hashes.
    pub(crate) const HASH_VERSION: i64 = VERSION as i64;

    /// Whether the hash identifies the changes. If the report does not list all of them, or not their new
    /// values, then other changes have the same hash, so it must not be compared with those of other nodes.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Lower-case hexadecimal SHA-256 over the sorted entries: path, kind, and the new value of every
    /// attribute that [`Change::new_values`] counts. Each part comes with its length, so no two sets
    /// are encoded alike.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Lower-case hexadecimal SHA-256 over the sorted paths and kinds.
    pub(crate) fn paths_hash(&self) -> &str {
        &self.paths_hash
    }

    /// The first changes, for the node status.
    pub fn first(&self) -> &[ChangeEntry] {
        &self.first
    }

    /// Whether the same paths differ in both, in the same way (added, removed, changed).
    pub fn has_paths_of(&self, other: &Self) -> bool {
        self.paths_hash == other.paths_hash
    }
}

/// Whether the report has what is new of an entry. fio's own runs report the values of all entries, those of
/// other programs may not (`report_level`).
fn has_new_values(change: &Change) -> bool {
    match change.kind {
        report::ChangeKind::Added => change.new_values.is_some(),
        // There may be new times only, which are not counted.
        report::ChangeKind::Changed => !change.attributes.is_empty(),
        report::ChangeKind::Removed => true,
    }
}

fn hash(report: &Report, changes: &[&Change]) -> String {
    let mut hash = Sha256::new();
    hash.update([VERSION, ENTRIES]);
    length(&mut hash, changes.len());
    for change in changes {
        part(&mut hash, &change.path);
        hash.update([change.kind as u8]);
        part(&mut hash, change.new_values.as_ref().map_or(&[], |v| v));
    }
    if let Some(omitted) = &report.omitted {
        part(&mut hash, &omitted.listed);
        part(&mut hash, &omitted.detailed);
    }
    names::hex(&hash.finalize())
}

fn paths_hash(report: &Report, changes: &[&Change]) -> String {
    let mut hash = Sha256::new();
    hash.update([VERSION, ENTRIES]);
    for change in changes {
        part(&mut hash, &change.path);
        hash.update([change.kind as u8]);
    }
    if let Some(omitted) = &report.omitted {
        part(&mut hash, &omitted.listed);
    }
    names::hex(&hash.finalize())
}

fn counts_hash(report: &Report) -> String {
    let mut hash = Sha256::new();
    hash.update([VERSION, COUNTS]);
    for count in [report.added, report.removed, report.changed] {
        hash.update(count.to_be_bytes());
    }
    names::hex(&hash.finalize())
}

fn entry(change: &Change) -> ChangeEntry {
    ChangeEntry {
        path: report::display_path(&change.path),
        kind: match change.kind {
            report::ChangeKind::Added => ChangeKind::Added,
            report::ChangeKind::Removed => ChangeKind::Removed,
            report::ChangeKind::Changed => ChangeKind::Changed,
        },
        attributes: change.attributes.to_vec(),
        actor: change.actor.as_deref().cloned(),
    }
}

#[cfg(test)]
mod aide_tests;
#[cfg(test)]
pub(crate) mod tests;
