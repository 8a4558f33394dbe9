//! One thing to say about one line of a user's configuration.
//!
//! Pure.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::configuration::Configuration;

/// More of a line is not quoted.
const QUOTED: usize = 120;
/// Maximum length of a message in characters: some quote names from the text.
const MAX_MESSAGE: usize = 512;

/// A remark on a line of the user's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The line, counted from 1.
    pub line: usize,
    /// The line's text, cut at 120 characters.
    pub text: String,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Diagnostic {
    /// About the line with this index, counted from 0.
    pub(super) fn new(index: usize, text: &str, message: &str, remedy: &str) -> Self {
        Self {
            line: index + 1,
            text: shorten(text.trim(), QUOTED),
            message: shorten(message, MAX_MESSAGE),
            remedy: remedy.to_owned(),
        }
    }

    /// Its length in bytes, without what stands between its parts.
    pub(super) fn size(&self) -> usize {
        self.text.len() + self.message.len() + self.remedy.len()
    }

    /// Quotes the line of the user's text instead of what became of it.
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

/// Control characters written as `\ooo`, so that a message stays on one line.
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

/// At most `most` characters, the last an ellipsis where something was cut.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars()
        .take(most.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// A character as AIDE escapes it: `\ooo`.
pub(super) fn push_octal(text: &mut String, c: char) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\\{:03o}", u32::from(c));
}
