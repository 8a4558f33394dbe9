//! The changes that an acceptance lists, and which of the changes of a node they approve. Pure.
//!
//! A change is approved if all new values of its path are known from the acceptance: each attribute that the rule watches
//! is given there, or follows from what is given, or is as before. What follows: size and all other digests from a
//! digest; entries of an ACL from the permissions. What does not count: times, inode, link count and block count, and the
//! size of a directory.
//!
//! If such a change changes the times, the size or the link count of the directory that contains the path, and nothing
//! else of it, the change of the directory is approved as well.
//!
//! AIDE drops the digests of a file that is written while it is read. The set of attributes of its entry is then another
//! one, so its change is not approved.

mod comparison;
mod expected;

use std::collections::{BTreeMap, BTreeSet};

use self::comparison::{is_incidental, mismatch};
use self::expected::Expected;
pub(crate) use self::expected::InvalidChange;
use crate::aide::database_entries::Entry;
use crate::aide::report::{ChangeKind, Report, display_path};
use crate::api::ApprovedChange;

/// Entries of a database, by their paths on the node.
pub(crate) type Entries = BTreeMap<Vec<u8>, Entry>;

/// The changes that an acceptance lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ApprovedChanges {
    changes: BTreeMap<Vec<u8>, Expected>,
    /// The directories of their paths. Every path of a database is looked up here.
    directories: BTreeSet<Vec<u8>>,
}

impl ApprovedChanges {
    pub(crate) fn new(changes: &[ApprovedChange]) -> Result<Self, InvalidChange> {
        let expected = changes.iter().map(Expected::parse);
        let changes: BTreeMap<_, _> = expected.collect::<Result<_, _>>()?;
        let directories = changes.keys().filter_map(|path| directory_of(path));
        Ok(Self {
            directories: directories.map(<[u8]>::to_vec).collect(),
            changes,
        })
    }

    /// Whether a path is listed.
    pub(crate) fn has(&self, path: &[u8]) -> bool {
        self.changes.contains_key(path)
    }

    /// Whether a path is a listed one, or the directory of one.
    pub(crate) fn concerns(&self, path: &[u8]) -> bool {
        self.has(path) || self.directories.contains(path)
    }

    /// Whether a change of a listed path is in the report, of the listed kind.
    pub(crate) fn may_approve(&self, report: &Report) -> bool {
        report.changes.iter().any(|change| {
            let expected = self.changes.get(&change.path);
            expected.is_some_and(|expected| expected.kind == change.kind)
        })
    }

    /// Number of listed changes that a baseline with these entries has, and of all others.
    pub(crate) fn progress(&self, baseline: &Entries) -> (usize, usize) {
        let is_in = |(path, expected): &(&Vec<u8>, &Expected)| {
            comparison::is_fulfilled(expected, baseline.get(*path))
        };
        let accepted = self.changes.iter().filter(is_in).count();
        (accepted, self.changes.len() - accepted)
    }

    /// The first path that both list with different values.
    pub(crate) fn contradiction(&self, other: &Self) -> Option<String> {
        let mut both = self.changes.iter();
        let found = both.find(|(path, expected)| {
            let other = other.changes.get(*path);
            other.is_some_and(|other| expected.contradicts(other))
        });
        found.map(|(path, _)| display_path(path))
    }
}

/// Which changes of a node are approved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The approved changes, with those of directories that come along.
    pub(crate) approved: BTreeMap<Vec<u8>, ChangeKind>,
    /// The positions of the acceptances that approve something.
    pub(crate) approving: BTreeSet<usize>,
    /// Why the first change at a listed path is not approved, by the position of the acceptance.
    pub(crate) mismatches: BTreeMap<usize, String>,
}

/// Which changes in a report are approved. `old` and `new` have the entries of all paths that the acceptances
/// [concern](ApprovedChanges::concerns).
pub(crate) fn decide(
    report: &Report,
    old: &Entries,
    new: &Entries,
    acceptances: &[&ApprovedChanges],
) -> Decision {
    let mut decision = Decision::default();
    for change in &report.changes {
        let (path, kind) = (&change.path, change.kind);
        let entries = (old.get(path), new.get(path));
        let mut mismatches = Vec::new();
        for (position, acceptance) in acceptances.iter().enumerate() {
            let Some(expected) = acceptance.changes.get(path) else {
                continue;
            };
            match mismatch(expected, kind, entries) {
                None => {
                    decision.approved.insert(path.clone(), kind);
                    decision.approving.insert(position);
                    mismatches.clear();
                    break;
                }
                Some(why) => mismatches.push((position, why)),
            }
        }
        for (position, why) in mismatches {
            let message = || format!("{}: {why}", display_path(path));
            decision.mismatches.entry(position).or_insert_with(message);
        }
    }
    let directories = incidental_directories(report, old, new, &decision);
    decision.approved.extend(directories);
    decision
}

/// The changed directories of approved paths of which only times, sizes and link counts differ.
fn incidental_directories(
    report: &Report,
    old: &Entries,
    new: &Entries,
    decision: &Decision,
) -> Vec<(Vec<u8>, ChangeKind)> {
    let directories: BTreeSet<&[u8]> = decision
        .approved
        .keys()
        .filter_map(|path| directory_of(path))
        .collect();
    let comes_along = |path: &Vec<u8>| {
        let entries = old.get(path).zip(new.get(path));
        entries.is_some_and(|(old, new)| is_incidental(old, new))
    };
    let changed = report.changes.iter();
    let changed = changed.filter(|change| change.kind == ChangeKind::Changed);
    changed
        .map(|change| &change.path)
        .filter(|path| !decision.approved.contains_key(*path))
        .filter(|path| directories.contains(path.as_slice()) && comes_along(path))
        .map(|path| (path.clone(), ChangeKind::Changed))
        .collect()
}

/// The directory that contains a path.
fn directory_of(path: &[u8]) -> Option<&[u8]> {
    let at = path.iter().rposition(|byte| *byte == b'/')?;
    let directory = if at == 0 { b"/" } else { &path[..at] };
    (directory.len() < path.len()).then_some(directory)
}

#[cfg(test)]
mod tests;
