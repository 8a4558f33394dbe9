//! The complete known differences between a node and its baseline: those of the last full scan, with those
//! of the targeted checks since. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::aide::coverage::Coverage;
use crate::aide::report::{Change, ChangeKind, Report};

/// Differences of a node, by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownChanges {
    changes: BTreeMap<Vec<u8>, Change>,
    /// Number of entries on the node in the last full scan.
    total: u64,
}

/// What AIDE has reported of a part of the node.
#[derive(Debug)]
pub(crate) struct ComparedPart {
    /// The report. Its paths are those of the node, and all in the part.
    pub(crate) report: Report,
    /// Whether AIDE has read all files. If not, only what the report lists is known.
    pub(crate) is_complete: bool,
}

impl KnownChanges {
    /// Takes the report of a full scan. What is in `dirty` changed while it ran: the report may be older
    /// there than what is known.
    pub(crate) fn take_full(&mut self, report: Report, dirty: &Coverage) {
        let before = std::mem::take(&mut self.changes);
        let others = report.changes.into_iter();
        let others = others.filter(|change| !dirty.contains(&change.path));
        let others = others.map(|change| (change.path.clone(), with_actor(change, &before)));
        self.changes = others.collect();
        self.changes
            .extend(before.into_iter().filter(|(path, _)| dirty.contains(path)));
        self.total = report.total;
    }

    /// Takes the report of a check of a part of the node. Returns whether other differences are known now.
    pub(crate) fn take_part(&mut self, report: Report, coverage: &Coverage) -> bool {
        let before = self.changes.len();
        let reported: BTreeSet<&[u8]> = paths(&report).collect();
        self.changes
            .retain(|path, _| reported.contains(path.as_slice()) || !coverage.contains(path));
        let is_less = self.changes.len() < before;
        self.take_listed(report) || is_less
    }

    /// Takes the changes of a check that has not read all files of its part: other files may have changed,
    /// too. Returns whether other differences are known now.
    pub(crate) fn take_listed(&mut self, report: Report) -> bool {
        let mut is_other = false;
        for change in report.changes {
            let known = self.changes.get(&change.path);
            is_other |= known.is_none_or(|known| !is_same(known, &change));
            let change = with_actor(change, &self.changes);
            self.changes.insert(change.path.clone(), change);
        }
        is_other
    }

    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether the actor of a difference is known.
    pub(crate) fn has_actors(&self) -> bool {
        self.changes.values().any(|change| change.actor.is_some())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The paths that a full scan reports otherwise than known, outside of `dirty`: nothing announced their
    /// changes.
    pub(crate) fn missed<'a>(&'a self, report: &'a Report, dirty: &Coverage) -> Vec<&'a [u8]> {
        let is_missed = |change: &&Change| {
            let known = self.changes.get(&change.path);
            known.is_none_or(|known| !is_same(known, change)) && !dirty.contains(&change.path)
        };
        let reported: BTreeSet<&[u8]> = paths(report).collect();
        let undone = self.changes.keys().map(Vec::as_slice);
        let undone = undone.filter(|path| !reported.contains(path) && !dirty.contains(path));
        let missed = report.changes.iter().filter(is_missed);
        let mut missed: Vec<_> = missed
            .map(|change| change.path.as_slice())
            .chain(undone)
            .collect();
        missed.sort_unstable();
        missed
    }

    /// All differences, as a report of a full scan would have them.
    pub(crate) fn report(&self) -> Report {
        let count = |kind| {
            let of_kind = self.changes.values().filter(|change| change.kind == kind);
            of_kind.count() as u64
        };
        Report {
            total: self.total,
            added: count(ChangeKind::Added),
            removed: count(ChangeKind::Removed),
            changed: count(ChangeKind::Changed),
            differs: !self.changes.is_empty(),
            changes: self.changes.values().cloned().collect(),
            ..Report::default()
        }
    }
}

fn paths(report: &Report) -> impl Iterator<Item = &[u8]> {
    report.changes.iter().map(|change| change.path.as_slice())
}

/// The change with the actor of the same difference before: who has touched the path since did not make it.
fn with_actor(mut change: Change, before: &BTreeMap<Vec<u8>, Change>) -> Change {
    let known = before.get(&change.path);
    if let Some(known) = known.filter(|known| is_same(known, &change)) {
        change.actor.clone_from(&known.actor);
    }
    change
}

/// Whether both are the same difference. Values of long reports are only known by their hash.
fn is_same(one: &Change, other: &Change) -> bool {
    (one.kind, &one.attributes, one.new_values) == (other.kind, &other.attributes, other.new_values)
}

#[cfg(test)]
mod tests;
