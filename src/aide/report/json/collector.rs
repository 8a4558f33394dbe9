//! Collects the entries of a report within limits.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::latin1::as_bytes;
use super::values::{Values, hash_of_new};
use crate::aide::report::changes::{
    Change, ChangeKind, DETAILED_CHANGES, Incomparable, OmittedEntries, Report,
};
use crate::aide::report::names;
use crate::aide::report::tokens::sha256;
use crate::aide::report::value_hash::part;

/// Size of an entry without its path, in bytes.
const ENTRY_BYTES: usize = 200;
/// Maximum size of all values in bytes. A single attribute may have 64 KiB.
pub(in crate::aide::report) const MAX_DETAILS: usize = 8 * 1024 * 1024;

/// The attribute that differs if a file is of another type.
const FILE_TYPE: &str = "type";

/// The content of a report that has been read so far.
#[derive(Default)]
pub(super) struct Collector {
    pub(super) report: Report,
    entries: BTreeMap<Vec<u8>, Entry>,
    /// Maximum size of the entries of a kind, in bytes.
    max_kept: usize,
    /// Size of the entries of each kind, in bytes.
    kept: [usize; 3],
    /// Paths with other attributes in the new database.
    other_attributes: Vec<Vec<u8>>,
    /// Entries beyond the limits.
    omitted: OmittedCounter,
    /// All distinct lists of attributes.
    lists: HashSet<Arc<[String]>>,
    detailed: usize,
    /// Size of all values, in bytes.
    details: usize,
}

struct Entry {
    kind: ChangeKind,
    is_directory: bool,
    attributes: Arc<[String]>,
    new_values: Option<[u8; 32]>,
    details: Vec<(String, String, String)>,
}

impl Entry {
    /// `flags` start with the letter of the file type, or are a word, or empty.
    fn new(kind: ChangeKind, flags: &str) -> Self {
        Self {
            kind,
            is_directory: flags.starts_with('d'),
            attributes: Arc::default(),
            new_values: None,
            details: Vec::new(),
        }
    }
}

/// Entries of which only number and hashes are kept.
#[derive(Default)]
struct OmittedCounter {
    entries: u64,
    listed: Sha256,
    detailed: Sha256,
}

impl OmittedCounter {
    fn list(&mut self, path: &[u8], kind: ChangeKind) {
        self.entries += 1;
        part(&mut self.listed, path);
        self.listed.update([kind as u8]);
    }

    fn detail(&mut self, path: &[u8], new_values: Option<[u8; 32]>) {
        part(&mut self.detailed, path);
        part(&mut self.detailed, new_values.as_ref().map_or(&[], |v| v));
    }

    fn finish(self) -> Option<OmittedEntries> {
        (self.entries > 0).then(|| OmittedEntries {
            entries: self.entries,
            listed: self.listed.finalize().into(),
            detailed: self.detailed.finalize().into(),
        })
    }
}

impl Collector {
    pub(super) fn new(max_kept: usize) -> Self {
        Self {
            max_kept,
            ..Self::default()
        }
    }

    pub(super) fn list(&mut self, path: Vec<u8>, kind: ChangeKind, flags: &str) {
        let kept = &mut self.kept[kind as usize];
        *kept += path.len() + ENTRY_BYTES;
        if *kept > self.max_kept {
            self.omitted.list(&path, kind);
        } else {
            self.entries.insert(path, Entry::new(kind, flags));
        }
    }

    /// The databases have different attributes of this path.
    pub(super) fn other_attributes(&mut self, path: Vec<u8>) {
        self.other_attributes.push(path);
    }

    /// A file of another type has other attributes.
    fn incomparable(&self) -> Option<Incomparable> {
        let is_other_type = |path: &[u8]| {
            let entry = self.entries.get(path);
            entry.is_some_and(|entry| entry.attributes.iter().any(|name| name == FILE_TYPE))
        };
        let mut paths = self.other_attributes.iter();
        let first = paths.find(|path| !is_other_type(path))?.clone();
        let others = paths.filter(|path| !is_other_type(path)).count();
        Some(Incomparable {
            first,
            entries: others as u64 + 1,
        })
    }

    pub(super) fn detail(&mut self, path: &str, attributes: Vec<(String, Values)>) {
        let path = as_bytes(path);
        let named =
            |(field, values): (String, Values)| (names::of_field(&field).to_owned(), values);
        let attributes: Vec<_> = attributes.into_iter().map(named).collect();
        let list = self.intern(attributes.iter().map(|(name, _)| name.clone()).collect());
        if self.omitted.entries == 0 && !self.entries.contains_key(&path) {
            self.list(path.clone(), ChangeKind::Changed, "");
        }
        let Some(entry) = self.entries.get_mut(&path) else {
            return self.omitted.detail(&path, hash_of_new(&attributes, false));
        };
        if entry.kind == ChangeKind::Changed {
            entry.attributes = list;
        }
        if entry.kind != ChangeKind::Removed {
            entry.new_values = hash_of_new(&attributes, entry.is_directory);
        }
        let size: usize = attributes
            .iter()
            .map(|(_, v)| v.old.size() + v.new.size())
            .sum();
        self.details += size;
        if self.detailed < DETAILED_CHANGES && self.details <= MAX_DETAILS {
            let values = attributes.into_iter();
            entry.details = values
                .map(|(name, v)| (name, v.old.text(), v.new.text()))
                .collect();
        }
        self.detailed += 1;
    }

    fn intern(&mut self, list: Arc<[String]>) -> Arc<[String]> {
        if let Some(known) = self.lists.get(&list) {
            return Arc::clone(known);
        }
        self.lists.insert(Arc::clone(&list));
        list
    }

    /// Sets the digest of the database. The first one is that of the database that was read, if any.
    pub(super) fn database(&mut self, digests: &BTreeMap<String, String>) {
        if self.report.database_digest.is_none() {
            self.report.database_digest = digests.get("sha256").and_then(|text| sha256(text));
        }
    }

    pub(super) fn finish(mut self, truncated: bool) -> Report {
        self.report.truncated = truncated;
        self.report.incomparable = self.incomparable().map(Box::new);
        self.report.omitted = self.omitted.finish();
        self.report.changes = self
            .entries
            .into_iter()
            .map(|(path, entry)| Change {
                path,
                kind: entry.kind,
                attributes: entry.attributes,
                new_values: entry.new_values,
                details: entry.details,
                actor: None,
            })
            .collect();
        self.report
    }
}
