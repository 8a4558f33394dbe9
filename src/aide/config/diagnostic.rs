//! A message about a line of a user's configuration. Pure.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::configuration::Configuration;

/// Maximum number of quoted characters of a line.
const QUOTED: usize = 120;
/// Maximum length of a message in characters. Some messages quote names from the text.
const MAX_MESSAGE: usize = 512;

/// A message about a line of the user's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The line number, starting with 1.
    pub line: usize,
    /// The text of the line, truncated to 120 characters.
    pub text: String,
    pub message: String,
    /// How to fix it.
    pub remedy: String,
}

impl Diagnostic {
    /// A diagnostic for the line with this index, starting with 0.
    pub(super) fn new(index: usize, text: &str, message: &str, remedy: &str) -> Self {
        Self {
            line: index + 1,
            text: shorten(text.trim(), QUOTED),
            message: shorten(message, MAX_MESSAGE),
            remedy: remedy.to_owned(),
        }
    }

    /// The total length of its texts in bytes.
    pub(super) fn size(&self) -> usize {
        self.text.len() + self.message.len() + self.remedy.len()
    }

    /// Replaces the quoted line with that of the user's text.
    pub(super) fn quote(&mut self, user: &Configuration) {
        if let Some(line) = self.line.checked_sub(1).and_then(|at| user.lines().get(at)) {
            self.text = shorten(line.text().trim(), QUOTED);
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            text,
            message,
            remedy,
        } = self;
        write!(f, "line {line}: {message}: {remedy} (`{}`)", visible(text))
    }
}

/// Escapes control characters as `\ooo`, so that a message is on one line.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut visible, c| {
            if c.is_control() {
                push_octal(&mut visible, c);
            } else {
                visible.push(c);
            }
            visible
        })
}

/// Truncates a text to `max` characters. The last one is an ellipsis then.
pub(super) fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars()
        .take(max.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// Escapes a character like AIDE: `\ooo`.
pub(super) fn push_octal(text: &mut String, c: char) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\\{:03o}", u32::from(c));
}
