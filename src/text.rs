//! Texts that are too long for where they go. Pure.

/// What stands for the part that is left out.
const LEFT_OUT: &str = "…";

/// Takes the middle out of a text of more than `limit` bytes. Its end stays, since messages name a path
/// first and the reason after it.
pub(crate) fn shorten_middle(text: &mut String, limit: usize) {
    if text.len() <= limit {
        return;
    }
    let room = limit.saturating_sub(LEFT_OUT.len());
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    let head = (0..=room / 2).rev().find(is_boundary).unwrap_or(0);
    let from = text.len() - room.div_ceil(2);
    let tail = (from..text.len()).find(is_boundary).unwrap_or(text.len());
    text.replace_range(head..tail, LEFT_OUT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_stay() {
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
