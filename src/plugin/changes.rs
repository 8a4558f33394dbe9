//! `changes`: the changed paths of a set or a node, with their old and new values. Pure.

mod approval;
mod entry;
mod filter;
pub(crate) mod json;
mod source;
pub(crate) mod text;

#[cfg(test)]
pub(crate) mod tests;

use crate::api::{ApprovedChange, ChangeKind, ChangeSetId};

use super::failure::{DIFFERENCES, PROBLEMS, WELL};
use super::fleet::{Counts, Owner};
use super::safe::safe;
use super::screen::{counted, some_of};

pub(crate) use self::entry::{Attribute, Entry};
pub(crate) use self::filter::Filter;
pub(crate) use self::source::{Listed, Source, is_set, of_log, of_status, with_actors};

/// Maximum number of names in a message.
const MAX_NAMED: usize = 5;

/// The changes of a set or of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) owner: Owner,
    /// The set, if all changes are known.
    pub(crate) set: Option<ChangeSetId>,
    /// The nodes that show the set; or the node that was asked for.
    pub(crate) nodes: Vec<String>,
    /// Where the paths and values are from.
    pub(crate) source: Source,
    pub(crate) counts: Counts,
    /// Sorted by path.
    pub(crate) entries: Vec<Entry>,
    /// Whether these are all changes, with their values.
    pub(crate) is_complete: bool,
    /// What the reader has to know, as sentences.
    pub(crate) notes: Vec<String>,
}

impl Changes {
    /// The changes at these paths, and how an acceptance lists them.
    pub(crate) fn at(&self, paths: &[String]) -> Result<(Self, Vec<ApprovedChange>), String> {
        let at = |path: &String| self.entries.iter().find(|entry| entry.path == *path);
        let unknown = paths.iter().filter(|path| at(path).is_none());
        let unknown = some_of(unknown.map(String::as_str), MAX_NAMED);
        if !self.is_complete {
            // Their hash cannot be compared with the set, so anybody may have written them.
            let known = self.entries.len();
            return Err(format!(
                "the report does not have all changes, only {known}, so none of them can be accepted alone"
            ));
        }
        if !unknown.is_empty() {
            return Err(format!("not among the changes: {unknown}"));
        }
        let is_meant = |entry: &&Entry| paths.contains(&entry.path);
        let entries: Vec<Entry> = self.entries.iter().filter(is_meant).cloned().collect();
        let listed = entries.iter().map(|entry| {
            let listed = entry.approval.clone();
            listed.map_err(|why| {
                let path = safe(&entry.path);
                format!("the change of {path} cannot be accepted alone: {why}")
            })
        });
        let listed: Vec<ApprovedChange> = listed.collect::<Result<_, _>>()?;
        let count = |kind: ChangeKind| {
            let entries = entries.iter().filter(|entry| entry.kind == kind);
            i64::try_from(entries.count()).unwrap_or(i64::MAX)
        };
        let mut changes = Self {
            counts: Counts {
                added: count(ChangeKind::Added),
                changed: count(ChangeKind::Changed),
                removed: count(ChangeKind::Removed),
            },
            entries,
            ..self.clone()
        };
        let all = self.counts.added + self.counts.changed + self.counts.removed;
        let all = usize::try_from(all).unwrap_or_default();
        let others = all.saturating_sub(changes.entries.len());
        if others > 0 {
            let others = counted(others, "other change");
            changes
                .notes
                .push(format!("not accepted: {others} of the set"));
        }
        Ok((changes, listed))
    }

    pub(crate) fn exit_status(&self) -> u8 {
        let Counts {
            added,
            changed,
            removed,
        } = self.counts;
        if matches!(self.source, Source::Error(_)) {
            PROBLEMS
        } else if added + changed + removed > 0 || !self.entries.is_empty() {
            DIFFERENCES
        } else {
            WELL
        }
    }
}
