//! Values that many objects have in common, each kept once. Pure.
//!
//! Thousands of node statuses have the same owner, labels and hashes, and their names are keys of
//! many maps. Whoever keeps such a value asks for the shared one.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Texts, each kept once.
pub type Texts = Pool<str>;

/// As many values are kept before those that nobody has any more are looked for.
const FEW: usize = 64;

/// Keeps a value as long as anybody else has it.
#[derive(Debug)]
pub struct Pool<T: ?Sized>(Mutex<Known<T>>);

#[derive(Debug)]
struct Known<T: ?Sized> {
    values: HashSet<Arc<T>>,
    /// With more than these, some may be nobody's.
    limit: usize,
}

impl<T: ?Sized + Eq + Hash> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::new(Known {
            values: HashSet::new(),
            limit: FEW,
        }))
    }
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    /// The shared value that equals this one.
    pub fn shared(&self, value: impl Borrow<T> + Into<Arc<T>>) -> Arc<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = known.values.get(value.borrow()) {
            return Arc::clone(there);
        }
        if known.values.len() >= known.limit {
            known.values.retain(|value| Arc::strong_count(value) > 1);
            known.limit = FEW.max(known.values.len() * 2);
        }
        let new: Arc<T> = value.into();
        known.values.insert(Arc::clone(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one() {
        let texts = Texts::default();
        let (one, two) = (texts.shared("a"), texts.shared("a".to_owned()));
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(&*texts.shared("b"), "b");
    }

    #[test]
    fn what_nobody_has_is_not_kept_for_ever() {
        let texts = Texts::default();
        let kept = texts.shared("kept");
        for number in 0..FEW * 100 {
            texts.shared(number.to_string());
        }
        let known = texts.0.lock().unwrap().values.len();
        assert!(known <= FEW * 2, "{known}");
        assert!(Arc::ptr_eq(&texts.shared("kept"), &kept));
    }
}
