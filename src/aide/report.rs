//! AIDE's reports: what changed on a node.
//!
//! [`parse_json`] reads what AIDE 0.18 and later write with `report_format=json`, [`parse_plain`] the
//! text that every version since 0.15 writes. Paths are bytes, as on disk. Pure but for reading a
//! JSON report as a stream: of a node whose every file differs it is far larger than what is kept
//! of it. That is some 200 bytes and the path for each entry, until they come to 32 MiB
//! for entries of one kind; of those [`Beyond`] this it is their number and a hash.

mod json;
mod names;
mod path;
mod plain;

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use path::display_path;

use crate::api::names::hex;

/// What a report tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The version of AIDE that wrote the report; empty if it does not say.
    pub aide_version: String,
    /// Entries found on the node, or written by `--init`.
    pub total: u64,
    /// Entries that the baseline lacks.
    pub added: u64,
    /// Entries that the node lacks.
    pub removed: u64,
    /// Entries that differ.
    pub changed: u64,
    /// It says that something differs, whatever it counts and lists.
    pub differs: bool,
    /// The entries themselves, sorted by path; of a very long report not all of them.
    pub changes: Vec<Change>,
    /// What is left of those that were not kept.
    pub beyond: Option<Beyond>,
    /// SHA-256 of the uncompressed database that was read, or by `--init` written; lower-case
    /// hexadecimal. Only with `database_attrs=sha256` or more.
    pub database_digest: Option<String>,
    /// How long AIDE ran.
    pub run_time_seconds: Option<u64>,
    /// The report ends early or lists less than it counts: AIDE does not notice when the file system
    /// of its report is full.
    pub truncated: bool,
}

/// An entry that differs.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The path's bytes: with the host root as AIDE wrote it, until [`Report::strip_host_root`].
    pub path: Vec<u8>,
    /// What happened.
    pub kind: ChangeKind,
    /// What differs, in AIDE's order: `permissions`, `owner`, `sha512`. Only for changed entries.
    /// Entries share the list: few kinds of change make up most of a long report.
    pub attributes: Arc<[String]>,
    /// SHA-256 over the names and new values of the attributes that the report details for an added or
    /// changed entry: all but times, inode, link count and block count, and the size of a directory.
    /// None where it details none.
    pub new_values: Option<[u8; 32]>,
    /// Attribute, old and new value; empty where there is none. Kept for the first
    /// [`DETAILED_CHANGES`] entries that the report details.
    pub details: Vec<(String, String, String)>,
}

/// What is kept of entries that are too many to be kept. Hashes are of what the report says, in its
/// order, which is that of AIDE's walk and the same each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beyond {
    /// How many entries.
    pub entries: u64,
    /// SHA-256 over their paths and kinds.
    pub listed: [u8; 32],
    /// SHA-256 over their paths and new values.
    pub detailed: [u8; 32],
}

/// What happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It differs.
    Changed,
}

/// Of more entries than this, values are not kept: a report may tell of every file of a node.
pub const DETAILED_CHANGES: usize = 1000;
/// Nor beyond so many bytes of them: an attribute may have 64 KiB.
const MAX_DETAILS: usize = 8 * 1024 * 1024;

/// As many bytes are kept of the entries of each kind. Each kind has its own, so that many files that
/// somebody added cannot push out those that he changed.
const MAX_KEPT: usize = 32 * 1024 * 1024;

/// Why a report cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Nothing was written.
    #[error("the report is empty")]
    Empty,
    /// It could not be read.
    #[error("the report cannot be read")]
    Read(#[source] io::Error),
    /// The text is not JSON, or not AIDE's.
    #[error("the report is not one of AIDE's in JSON")]
    Json(#[source] serde_json::Error),
    /// The text is not a report.
    #[error("the text is not one of AIDE's reports")]
    Plain,
}

/// Reads a report of AIDE 0.18 or later with `report_format=json`, of `--check`, `--update` or
/// `--init`, to its end. One that ends early gives what it tells up to there, and says so.
pub fn parse_json(report: impl Read) -> Result<Report, ReportError> {
    json::parse(report, MAX_KEPT)
}

/// Reads a text like [`parse_json`] does, but one that may hold several reports
/// (`report_append=yes`): the last one counts.
pub fn parse_last_json(reports: impl Read) -> Result<Report, ReportError> {
    json::parse_last(reports, MAX_KEPT)
}

/// The last of the plain reports in a text: AIDE adds them to a file with `report_append=yes`, and so
/// does a shell.
pub fn last_plain(reports: &[u8]) -> &[u8] {
    plain::last(reports)
}

/// Reads a plain report of AIDE 0.15 to 0.19: counts, paths, names of changed attributes, digest
/// of the database; of the values of changed attributes a digest. Of several reports in one text
/// (`report_append`) it is the last.
pub fn parse_plain(report: &[u8]) -> Result<Report, ReportError> {
    plain::parse(report)
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("path", &display_path(&self.path))
            .field("kind", &self.kind)
            .field("attributes", &self.attributes)
            .field("new_values", &self.new_values.map(|digest| hex(&digest)))
            .field("details", &self.details)
            .finish()
    }
}

impl Report {
    /// Takes the host root off the paths; one that is not below it stays.
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

    /// How many entries the report lists, kept or not.
    pub fn listed(&self) -> u64 {
        self.changes.len() as u64 + self.beyond.map_or(0, |beyond| beyond.entries)
    }

    /// How many entries differ: as many as the report counts, or lists where it does not count.
    pub fn differing(&self) -> u64 {
        self.counted().max(self.listed())
    }

    /// How many entries differ by the report's own count.
    pub fn counted(&self) -> u64 {
        self.added
            .saturating_add(self.removed)
            .saturating_add(self.changed)
    }
}

/// SHA-256 over attributes and the lines of their new values, in any order.
fn new_values<'a>(values: impl Iterator<Item = (&'a str, &'a [String])>) -> Option<[u8; 32]> {
    let mut values: Vec<_> = values
        .filter(|(name, _)| !names::is_incidental(name))
        .collect();
    if values.is_empty() {
        return None;
    }
    values.sort_unstable();
    let mut hash = Sha256::new();
    for (name, lines) in values {
        part(&mut hash, name.as_bytes());
        length(&mut hash, lines.len());
        for line in lines {
            part(&mut hash, line.as_bytes());
        }
    }
    Some(hash.finalize().into())
}

/// Adds bytes with their length, so that no two lists of them are encoded alike.
pub(crate) fn part(hash: &mut Sha256, bytes: &[u8]) {
    length(hash, bytes.len());
    hash.update(bytes);
}

/// Adds a length.
pub(crate) fn length(hash: &mut Sha256, length: usize) {
    hash.update((length as u64).to_be_bytes());
}

#[cfg(test)]
mod tests;
