//! The identity of a change set. Pure.

use std::fmt;

use super::names;

/// Number of hex digits that are shown to people. They are not unique: somebody who may choose files finds
/// two sets with the same digits in seconds.
const SHOWN_DIGITS: usize = 12;

/// Identifies the changes of a node since its baseline: `changesHash` of a result that covers all of them.
/// Sets are compared and grouped by the whole hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChangeSetId([u8; 32]);

impl ChangeSetId {
    /// The set of a result with this `changesHash` and `changeSet`. `None` if the hash does not cover all
    /// changes, or if the values are not those that a daemon writes.
    pub(crate) fn of_result(changes_hash: Option<&str>, change_set: Option<&str>) -> Option<Self> {
        let (hash, shown) = (changes_hash?, change_set?);
        if shown.len() != SHOWN_DIGITS || !hash.starts_with(shown) {
            return None;
        }
        names::parse_sha256(hash).map(Self)
    }

    /// The set with this whole ID.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        names::parse_sha256(id).map(Self)
    }

    /// The digits of a hash that are shown to people.
    pub(crate) fn shown(hash: &str) -> String {
        hash.chars().take(SHOWN_DIGITS).collect()
    }
}

/// The whole hash, in hex.
impl fmt::Display for ChangeSetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&names::hex(&self.0))
    }
}

impl fmt::Debug for ChangeSetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
