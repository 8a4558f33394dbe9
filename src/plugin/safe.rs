//! Texts from the API, for a terminal. Pure.
//!
//! Whoever controls a node chooses the names of its files, and may write anything into its status. Escape sequences,
//! other control characters and characters that change the direction of a text are written as `\ooo`, as AIDE does.

use crate::aide::report::display_path;
use crate::text::shortened;

/// Maximum bytes of a message.
const MAX_MESSAGE: usize = 1024;

/// A text on one line. Backslashes stay, because the texts of daemons are already escaped.
pub(crate) fn safe(text: &str) -> String {
    let parts: Vec<String> = text
        .split('\\')
        .map(|part| display_path(part.as_bytes()))
        .collect();
    parts.join("\\")
}

/// A sentence or several ones, on one line.
pub(crate) fn message(text: &str) -> String {
    let text = shortened(text, MAX_MESSAGE);
    let words: Vec<&str> = text.split_whitespace().collect();
    safe(&words.join(" "))
}

/// A text of several lines: line feeds and tabs stay.
pub(crate) fn lines(text: &str, to: &mut String) {
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            to.push('\n');
        }
        let columns: Vec<String> = line.split('\t').map(safe).collect();
        to.push_str(&columns.join("\t"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_printable_characters_reach_the_terminal() {
        assert_eq!(safe("/etc/\u{1b}[31mred\u{7}"), "/etc/\\033[31mred\\007");
        assert_eq!(safe("a\u{202e}b\u{9b}c"), "a\\342\\200\\256b\\302\\233c");
        assert_eq!(safe("/a\\033b ü 漢"), "/a\\033b ü 漢", "escaped once");
        assert_eq!(message("two\nlines\r\n \u{1b}c"), "two lines \\033c");
        assert!(message(&"x".repeat(5000)).len() <= MAX_MESSAGE);
        let mut text = String::new();
        lines("a\tb\r\n\u{1b}]0;title\u{7}\n", &mut text);
        assert_eq!(text, "a\tb\\015\n\\033]0;title\\007\n");
    }
}
