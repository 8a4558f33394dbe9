//! A hash that detects whether a value has changed, within this process. Pure.

use std::hash::{DefaultHasher, Hash, Hasher as _};

/// The hash of a value. It differs between versions of Rust, so it is not stored anywhere.
pub(crate) fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
