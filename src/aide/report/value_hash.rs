//! Hashes of attribute values. Pure.

use sha2::{Digest, Sha256};

use super::names;

/// SHA-256 over attributes and the lines of their new values, independent of their order.
pub(super) fn new_values<'a>(
    values: impl Iterator<Item = (&'a str, &'a [String])>,
) -> Option<[u8; 32]> {
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

/// Hashes bytes with their length, so that different lists have different encodings.
pub(crate) fn part(hash: &mut Sha256, bytes: &[u8]) {
    length(hash, bytes.len());
    hash.update(bytes);
}

pub(crate) fn length(hash: &mut Sha256, length: usize) {
    hash.update((length as u64).to_be_bytes());
}
