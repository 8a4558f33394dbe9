use proptest::prelude::*;

use super::*;

/// The same by comparing with each text.
fn overlaps_any(texts: &[(String, usize, bool)], text: &str, owner: usize) -> bool {
    texts.iter().any(|(other, other_owner, matches_longer)| {
        *other_owner != owner
            && (other.starts_with(text) || (*matches_longer && text.starts_with(other.as_str())))
    })
}

proptest! {
    #[test]
    fn the_index_finds_the_same_as_a_search(
        texts in prop::collection::vec(("[ab\u{e9}]{0,4}", 0_usize..3, any::<bool>()), 0..12),
        text in "[ab\u{e9}]{0,4}",
        owner in 0_usize..3,
    ) {
        let mut index = PrefixIndex::default();
        for (text, owner, matches_longer) in &texts {
            index.insert(text, *owner, *matches_longer);
        }
        prop_assert_eq!(index.overlaps(&text, owner), overlaps_any(&texts, &text, owner));
    }
}
