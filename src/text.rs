//! Shortens texts. Pure.

/// Replaces the removed part.
const ELLIPSIS: &str = "…";

/// Removes the middle of a text with more than `limit` bytes. The end remains, because messages have the reason after the
/// path.
pub(crate) fn shorten_middle(text: &mut String, limit: usize) {
    if text.len() <= limit {
        return;
    }
    let room = limit.saturating_sub(ELLIPSIS.len());
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    let head = (0..=room / 2).rev().find(is_boundary).unwrap_or(0);
    let from = text.len() - room.div_ceil(2);
    let tail = (from..text.len()).find(is_boundary).unwrap_or(text.len());
    text.replace_range(head..tail, ELLIPSIS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_and_end_remain() {
        let table = [
            ("abc", 3, "abc"),
            ("abcdefghij", 7, "ab…ij"),
            ("abcdefghij", 8, "ab…hij"),
            ("äöüßäöüß", 9, "ä…ß"),
            ("abcdef", 3, "…"),
        ];
        for (text, limit, expected) in table {
            let mut shortened = text.to_owned();
            shorten_middle(&mut shortened, limit);
            assert_eq!(shortened, expected);
            assert!(shortened.len() <= limit, "{shortened}");
        }
    }
}
