//! AIDE's complaint about a configuration, in terms of the user's file.
//!
//! Pure. AIDE stops at the first error, with one line on stderr:
//! `  ERROR: FILE:LINE: MESSAGE (line: 'TEXT')`, control characters escaped as `\ooo` since 0.19.2.
//! TEXT is whatever AIDE was reading. We let no configuration with includes come that far; should
//! one, its text still must not leave the node: only what stands in the user's own line is passed
//! on.

use super::configuration::BOM;
use super::line::Line;
use super::links::Followed;
use crate::api::names::HOST_ROOT;
use crate::text::shorten_middle;

use super::diagnostic::{push_octal, shorten, visible};

/// How AIDE calls the lines that we give it on the command line.
const OWN: [&str; 2] = ["(--before)", "(--after)"];

/// What AIDE says of a configuration with more lines of rules than its parser's stack holds: 4,990 are
/// read and 5,000 are not (AIDE 0.19.1, tried).
const TOO_LONG: &str = "memory exhausted";
const TOO_LONG_HINT: &str = ": AIDE reads no more than about 5,000 lines of rules; say them in fewer, by regular expressions";

/// No more than this many characters of AIDE's are passed on.
const LONGEST: usize = 512;

/// AIDE's first error in `stderr`: for one at a line of `config_file` (as given to `--config`) the
/// number of that line of `effective`, and its text in `user`, which has the same lines. Where the
/// user's text is not at hand it is what `effective` is without the host root. Without an error in
/// `stderr` the answer is empty.
pub fn aide_error(stderr: &str, effective: &str, user: Option<&str>, config_file: &str) -> String {
    numbered(stderr, effective, user, config_file, |number| number)
}

impl Followed {
    /// AIDE's first error in `stderr` about [`Followed::text`] in `config_file`, as [`aide_error`] has it,
    /// by the line of the user's configuration.
    pub fn aide_error(&self, stderr: &str, config_file: &str) -> String {
        numbered(stderr, &self.text, None, config_file, |number| {
            self.users_line(number)
        })
    }
}

fn numbered(
    stderr: &str,
    effective: &str,
    user: Option<&str>,
    config_file: &str,
    users_line: impl Fn(usize) -> usize,
) -> String {
    let Some(error) = stderr.lines().find_map(error_text) else {
        return String::new();
    };
    let (error, text) = split_line_text(error);
    if let Some((_, message)) = OWN.iter().find_map(|source| located(error, source)) {
        return shortened(&visible(message));
    }
    let Some((number, message)) = located(error, config_file) else {
        return elsewhere(error, text.is_some());
    };
    let own = line_of(effective, number);
    let users = user.map(|user| line_of(user, number));
    let mut message = without_foreign_quotes(message, &own);
    let named = users.as_ref().is_some_and(|line| line.contains(HOST_ROOT));
    if !named {
        message = on_node(&message);
    }
    if message == TOO_LONG {
        message.push_str(TOO_LONG_HINT);
    }
    let quoted = match text {
        Some(text) if !own.is_empty() && text == escaped(&own) => {
            let shown = users.unwrap_or_else(|| on_node(&own));
            format!(" (`{}`)", shorten(&visible(shown.trim()), LONGEST))
        }
        _ => String::new(),
    };
    format!(
        "line {}: {}{quoted}",
        users_line(number),
        shortened(&visible(&message))
    )
}

/// A line of a text by its number, from 1.
fn line_of(text: &str, number: usize) -> String {
    // Only this line is parsed: a text may have many.
    let line = number
        .checked_sub(1)
        .and_then(|index| text.split_inclusive('\n').nth(index))
        .map(|raw| Line::parse(raw.trim_start_matches(BOM)));
    line.map_or_else(String::new, |line| line.text().to_owned())
}

/// Paths as they are called on the node.
fn on_node(text: &str) -> String {
    text.replace(&format!("{HOST_ROOT}(/|$)"), "/")
        .replace(&format!("{HOST_ROOT}/"), "/")
}

/// The text behind AIDE's `ERROR:`.
fn error_text(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("ERROR: ")
}

/// Takes `(line: 'TEXT')` off the end.
fn split_line_text(error: &str) -> (&str, Option<&str>) {
    match error.split_once(" (line: '") {
        None => (error, None),
        Some((error, rest)) => (error, rest.strip_suffix("')")),
    }
}

/// Line number and message, if the error is at a line of the configuration. Errors in regular
/// expressions come with a column as well.
fn located<'a>(error: &'a str, config_file: &str) -> Option<(usize, &'a str)> {
    let rest = error.strip_prefix(config_file)?.strip_prefix(':')?;
    let (number, message) = rest.split_once(':')?;
    let number = number.parse().ok()?;
    let message = match message.split_once(':') {
        Some((column, behind)) if column.bytes().all(|byte| byte.is_ascii_digit()) => behind,
        _ => message,
    };
    Some((number, message.trim()))
}

/// An error that is not at a line of the configuration. One with a line's text comes from another
/// file or from our own lines; what an included program printed comes as `FILE: stderr> TEXT`.
fn elsewhere(error: &str, has_line: bool) -> String {
    if has_line || error.contains(": stderr> ") {
        return "AIDE refuses a line that is not in the configuration".to_owned();
    }
    shortened(&visible(error))
}

/// AIDE quotes a whole rule or path before it names the reason.
fn shortened(message: &str) -> String {
    let mut message = message.to_owned();
    shorten_middle(&mut message, LONGEST);
    message
}

/// Leaves out what AIDE quotes from elsewhere, `'…'`. One character is none: it is what AIDE expected.
fn without_foreign_quotes(message: &str, own: &str) -> String {
    let mut pieces = message.split('\'');
    let mut result = pieces.next().unwrap_or_default().to_owned();
    let mut inside = true;
    for piece in pieces {
        result.push('\'');
        let foreign = inside && piece.chars().count() > 1 && !own.contains(piece);
        result.push_str(if foreign { "…" } else { piece });
        inside = !inside;
    }
    result
}

/// As AIDE escapes what it prints (`stresc` of util.c, 0.19.2).
fn escaped(text: &str) -> String {
    let bytes = text.as_bytes();
    text.char_indices()
        .fold(String::with_capacity(text.len()), |mut escaped, (at, c)| {
            let octal = c == '\\'
                && bytes
                    .get(at + 1..at + 4)
                    .is_some_and(|next| next.iter().all(u8::is_ascii_digit));
            if octal || (c.is_ascii_control() && c != '\u{1f}') {
                push_octal(&mut escaped, c);
            } else {
                escaped.push(c);
            }
            escaped
        })
}

#[cfg(test)]
mod tests;
