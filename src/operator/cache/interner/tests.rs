//! Tests of the interner.

use super::*;

#[test]
fn equal_texts_share_memory() {
    let texts = TextInterner::default();
    let (one, two) = (texts.intern("a"), texts.intern("a".to_owned()));
    assert!(Arc::ptr_eq(&one, &two));
    assert_eq!(&*texts.intern("b"), "b");
}

#[test]
fn unused_values_are_removed() {
    let texts = TextInterner::default();
    let used = texts.intern("used");
    for number in 0..MIN_SWEEP * 100 {
        texts.intern(number.to_string());
    }
    let known = texts.0.lock().unwrap().values.len();
    assert!(known <= MIN_SWEEP * 2, "{known}");
    assert!(Arc::ptr_eq(&texts.intern("used"), &used));
}
