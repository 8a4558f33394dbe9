//! An index of texts by prefix, so that many rules need not be compared with each other. Pure.

use std::collections::BTreeMap;

/// Texts with their owners.
#[derive(Debug)]
pub(super) struct PrefixIndex<'a, O>(BTreeMap<&'a str, Entry<O>>);

#[derive(Debug)]
struct Entry<O> {
    owners: Owners<O>,
    /// The owners that also match longer texts.
    of_longer: Owners<O>,
}

/// The owners of a text, as far as it matters whether there is one other than a given one.
#[derive(Clone, Copy, Debug)]
enum Owners<O> {
    None,
    One(O),
    Several,
}

impl<O> Default for PrefixIndex<'_, O> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<O: Copy + PartialEq> Owners<O> {
    fn add(&mut self, owner: O) {
        *self = match *self {
            Self::None => Self::One(owner),
            Self::One(known) if known == owner => return,
            _ => Self::Several,
        };
    }

    fn has_other_than(self, owner: O) -> bool {
        match self {
            Self::None => false,
            Self::One(known) => known != owner,
            Self::Several => true,
        }
    }
}

impl<'a, O: Copy + PartialEq> PrefixIndex<'a, O> {
    /// Adds a text. With `matches_longer`, it also overlaps with texts that it is a prefix of.
    pub(super) fn insert(&mut self, text: &'a str, owner: O, matches_longer: bool) {
        let entry = self.0.entry(text).or_insert(Entry {
            owners: Owners::None,
            of_longer: Owners::None,
        });
        entry.owners.add(owner);
        if matches_longer {
            entry.of_longer.add(owner);
        }
    }

    /// Whether a text of another owner starts with `text`, or is a prefix of it and matches longer texts.
    pub(super) fn overlaps(&self, text: &str, owner: O) -> bool {
        let starting_with = self.0.range(text..);
        starting_with
            .take_while(|(other, _)| other.starts_with(text))
            .any(|(_, entry)| entry.owners.has_other_than(owner))
            || self.has_prefix_of(text, owner)
    }

    /// The greatest text that is not greater than `rest` is the longest prefix of it in the index, or shares
    /// with `rest` all characters that any prefix in the index can have.
    fn has_prefix_of(&self, text: &str, owner: O) -> bool {
        let mut rest = text;
        loop {
            let Some((other, entry)) = self.0.range(..=rest).next_back() else {
                return false;
            };
            let length = if rest.starts_with(other) {
                if entry.of_longer.has_other_than(owner) {
                    return true;
                }
                let Some((last, _)) = other.char_indices().next_back() else {
                    return false;
                };
                last
            } else {
                common_prefix(rest, other)
            };
            rest = &rest[..length];
        }
    }
}

/// The length of the common prefix in bytes.
fn common_prefix(a: &str, b: &str) -> usize {
    let pairs = a.char_indices().zip(b.chars());
    pairs
        .take_while(|((_, left), right)| left == right)
        .map(|((at, c), _)| at + c.len_utf8())
        .last()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
