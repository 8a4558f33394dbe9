//! The content of a report. Pure.

use std::fmt;
use std::sync::Arc;

use super::path::display_path;
use crate::api::Actor;
use crate::api::names::hex;

/// Maximum number of changes with values: a report may list all files of a node.
pub(crate) const DETAILED_CHANGES: usize = 1000;

/// The content of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The version of AIDE, or an empty string if the report does not contain it.
    pub aide_version: String,
    /// Number of entries on the node, or in the new database with `--init`.
    pub total: u64,
    /// Number of entries that are not in the baseline.
    pub added: u64,
    /// Number of entries that are not on the node.
    pub removed: u64,
    /// Number of entries that differ.
    pub changed: u64,
    /// Whether the report states that there are differences, independent of its counts and lists.
    pub differs: bool,
    /// The entries, sorted by path. Very long lists are truncated.
    pub changes: Vec<Change>,
    /// Entries of which the databases have different attributes, such as a file without digests, and whose type is the
    /// same. These attributes are not compared.
    pub incomparable: Option<Box<Incomparable>>,
    /// Number and hashes of the entries that are not in [`Self::changes`].
    pub omitted: Option<OmittedEntries>,
    /// SHA-256 of the uncompressed database, as lower-case hexadecimal: the one that was read, or the new one
    /// with `--init`. Requires `database_attrs` with sha256.
    pub database_digest: Option<String>,
    /// The duration of the run.
    pub run_time_seconds: Option<u64>,
    /// Whether the report is incomplete. AIDE does not detect that the file system is full.
    pub truncated: bool,
}

/// An entry that differs.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The bytes of the path. It starts with the host root until [`Report::strip_host_root`] removes it.
    pub path: Vec<u8>,
    pub kind: ChangeKind,
    /// The attributes that differ, in AIDE's order, such as `permissions`, `owner`, `sha512`. Only for changed
    /// entries. Entries share equal lists to save memory.
    pub attributes: Arc<[String]>,
    /// SHA-256 over the names and new values of the attributes of an added or changed entry, except times,
    /// inode, link count, block count, and the size of a directory. `None` without such values.
    pub new_values: Option<[u8; 32]>,
    /// Attribute, old and new value (or an empty string). Only for the first [`DETAILED_CHANGES`] entries
    /// with values.
    pub details: Vec<(String, String, String)>,
    /// The process that made the change. AIDE does not know it.
    pub actor: Option<Arc<Actor>>,
}

/// Entries that are not completely compared.
#[derive(Clone, PartialEq, Eq)]
pub struct Incomparable {
    /// The bytes of the first path, with the host root.
    pub first: Vec<u8>,
    /// Number of these entries.
    pub entries: u64,
}

/// The entries that exceed the size limit. The hashes depend on the order in the report, which is the same each
/// time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OmittedEntries {
    /// Number of these entries.
    pub entries: u64,
    /// SHA-256 over paths and kinds of change.
    pub listed: [u8; 32],
    /// SHA-256 over paths and new values.
    pub detailed: [u8; 32],
}

/// The kind of change of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// The entry is not in the baseline.
    Added,
    /// The entry is not on the node.
    Removed,
    /// The attributes of the entry differ.
    Changed,
}

impl fmt::Debug for Incomparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Incomparable");
        debug.field("first", &display_path(&self.first));
        debug.field("entries", &self.entries).finish()
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Change");
        debug
            .field("path", &display_path(&self.path))
            .field("kind", &self.kind)
            .field("attributes", &self.attributes)
            .field("new_values", &self.new_values.map(|digest| hex(&digest)))
            .field("details", &self.details);
        if let Some(actor) = &self.actor {
            debug.field("actor", actor);
        }
        debug.finish()
    }
}

impl Report {
    /// Removes the host root from the paths. Other paths remain unchanged.
    pub fn strip_host_root(&mut self, host_root: &str) {
        let root = host_root.trim_end_matches('/').as_bytes();
        for change in &mut self.changes {
            match change.path.strip_prefix(root) {
                Some([]) => change.path = b"/".to_vec(),
                Some(rest @ [b'/', ..]) => change.path = rest.to_vec(),
                _ => {}
            }
        }
    }

    /// Number of entries in the lists of the report.
    pub fn listed(&self) -> u64 {
        self.changes.len() as u64 + self.omitted.map_or(0, |omitted| omitted.entries)
    }

    /// Whether the lists have all entries that differ.
    pub fn lists_all(&self) -> bool {
        !self.truncated && self.listed() >= self.counted()
    }

    /// Number of entries that differ: the count of the report, or the length of its lists if that is greater.
    pub fn differing(&self) -> u64 {
        self.counted().max(self.listed())
    }

    /// Number of entries that differ according to the count of the report.
    pub fn counted(&self) -> u64 {
        self.added
            .saturating_add(self.removed)
            .saturating_add(self.changed)
    }
}
