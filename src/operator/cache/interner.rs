//! Keeps one copy of each of a set of equal values. Pure.
//!
//! Thousands of node statuses have the same owner, labels and hashes, and their names are keys of
//! many maps.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use crate::locks::lock;

pub(crate) type TextInterner = Interner<str>;

/// With fewer values than this, the interner does not look for unused ones.
const MIN_SWEEP: usize = 64;

/// Returns the same `Arc` for equal values, as long as somebody holds it.
#[derive(Debug)]
pub(crate) struct Interner<T: ?Sized>(Mutex<Known<T>>);

#[derive(Debug)]
struct Known<T: ?Sized> {
    values: HashSet<Arc<T>>,
    /// At this number of values, unused ones are removed.
    sweep_at: usize,
}

impl<T: ?Sized + Eq + Hash> Default for Interner<T> {
    fn default() -> Self {
        Self(Mutex::new(Known {
            values: HashSet::new(),
            sweep_at: MIN_SWEEP,
        }))
    }
}

impl<T: ?Sized + Eq + Hash> Interner<T> {
    /// The shared copy of this value.
    pub(crate) fn intern(&self, value: impl Borrow<T> + Into<Arc<T>>) -> Arc<T> {
        let mut known = lock(&self.0);
        if let Some(existing) = known.values.get(value.borrow()) {
            return Arc::clone(existing);
        }
        if known.values.len() >= known.sweep_at {
            known.values.retain(|value| Arc::strong_count(value) > 1);
            known.sweep_at = MIN_SWEEP.max(known.values.len() * 2);
        }
        let new: Arc<T> = value.into();
        known.values.insert(Arc::clone(&new));
        new
    }
}

#[cfg(test)]
mod tests;
