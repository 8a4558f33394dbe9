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

/// A text of at most so many bytes: [`shorten_middle`] of a copy.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    let mut text = text.to_owned();
    shorten_middle(&mut text, limit);
    text
}

#[cfg(test)]
mod tests;
