//! `changes`: the changed paths of a set or a node, with their old and new values. Pure.

mod entry;
mod filter;
pub(crate) mod json;
mod source;
pub(crate) mod text;

#[cfg(test)]
pub(crate) mod tests;

use crate::api::ChangeSetId;

use super::failure::{DIFFERENCES, PROBLEMS, WELL};
use super::fleet::{Counts, Owner};

pub(crate) use self::entry::{Attribute, Entry};
pub(crate) use self::filter::Filter;
pub(crate) use self::source::{Listed, Source, is_set, of_log, of_status, with_actors};

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
