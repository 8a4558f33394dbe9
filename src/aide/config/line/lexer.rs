//! Tokens of a line, as AIDE's scanner sees them (`conf_lex.l`). Pure.

use super::statement::Span;

pub(super) const BLANKS: [char; 2] = [' ', '\t'];

/// Whether a character can be part of a name: letters, digits, `_`, `%`, and non-ASCII characters (class `L` of
/// the scanner; its exact non-ASCII characters do not matter here).
pub(super) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '%' || !c.is_ascii()
}

/// The span of the name if there is a macro `@@{NAME}` at `at`.
pub(in crate::aide::config) fn macro_at(text: &str, at: usize) -> Option<Span> {
    let name = at + 3;
    if !text.get(at..)?.starts_with("@@{") {
        return None;
    }
    let length = text[name..].find(|c| !is_name(c))?;
    (length > 0 && text[name + length..].starts_with('}')).then_some(name..name + length)
}

/// The end of a string that starts at `from`: the first blank that is not escaped with a backslash.
pub(in crate::aide::config) fn string_end(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b' ' | b'\t', _) => break,
            (b'\\', Some(b'\\' | b'@' | b' ')) => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// Removes blanks at both ends.
pub(super) fn trim(text: &str, span: Span) -> Span {
    let within = &text[span.clone()];
    let blank = |c: char| BLANKS.contains(&c);
    let start = span.start + (within.len() - within.trim_start_matches(blank).len());
    let end = start + within.trim_matches(blank).len();
    start..end
}

/// The operands of an expression: runs of name characters and `>`.
pub(in crate::aide::config) fn operands(text: &str, span: &Span) -> Vec<Span> {
    let mut found = Vec::new();
    let mut from = None;
    for (at, c) in text[span.clone()].char_indices() {
        let at = span.start + at;
        match (is_name(c) || c == '>', from) {
            (true, None) => from = Some(at),
            (false, Some(start)) => {
                found.push(start..at);
                from = None;
            }
            _ => {}
        }
    }
    found.extend(from.map(|start| start..span.end));
    found
}
