//! AIDE's errors about a configuration, with line numbers of the user's text. Pure.
//!
//! AIDE stops at the first error, with one line on stderr: `  ERROR: FILE:LINE: MESSAGE (line: 'TEXT')`. Since 0.19.2,
//! control characters are escaped as `\ooo`. TEXT is what AIDE was parsing. Configurations with includes
//! are rejected earlier. If AIDE reads another file nevertheless, its content must not leave the node, so
//! only text from the user's own line is included.

use super::configuration::BOM;
use super::line::Line;
use super::links::Followed;
use crate::api::names::HOST_ROOT;
use crate::text::shortened;

use super::diagnostic::{push_octal, shorten, visible};

/// AIDE's names for the lines of the command line.
const OWN: [&str; 2] = ["(--before)", "(--after)"];

/// AIDE's error if the stack of its parser overflows: 4,990 lines of rules are accepted, 5,000 are not (AIDE 0.19.1).
const TOO_LONG: &str = "memory exhausted";
const TOO_LONG_HINT: &str =
    ": AIDE accepts about 5,000 lines of rules; combine rules with regular expressions";

/// Maximum number of characters of AIDE's message.
const MAX_LENGTH: usize = 512;

/// AIDE's first error in `stderr`, or an empty string. If it is about a line of `config_file` (the argument of `--config`),
/// it has the line's number and its text in `user`, which has the same lines as `effective`. Without
/// `user`, it has the text in `effective` without the host root.
pub(crate) fn aide_error(
    stderr: &str,
    effective: &str,
    user: Option<&str>,
    config_file: &str,
) -> String {
    numbered(stderr, effective, user, config_file, |number| number)
}

impl Followed {
    /// Like [`aide_error`] for [`Followed::text`], with line numbers of the user's configuration.
    pub(crate) fn aide_error(&self, stderr: &str, config_file: &str) -> String {
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
        return shortened(&visible(message), MAX_LENGTH);
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
            format!(" (`{}`)", shorten(&visible(shown.trim()), MAX_LENGTH))
        }
        _ => String::new(),
    };
    format!(
        "line {}: {}{quoted}",
        users_line(number),
        shortened(&visible(&message), MAX_LENGTH)
    )
}

/// The line with this number, starting with 1.
fn line_of(text: &str, number: usize) -> String {
    // Does not parse the other lines: there may be many.
    let line = number
        .checked_sub(1)
        .and_then(|index| text.split_inclusive('\n').nth(index))
        .map(|raw| Line::parse(raw.trim_start_matches(BOM)));
    line.map_or_else(String::new, |line| line.text().to_owned())
}

/// Removes the host root from paths.
fn on_node(text: &str) -> String {
    text.replace(&format!("{HOST_ROOT}(/|$)"), "/")
        .replace(&format!("{HOST_ROOT}/"), "/")
}

/// The text after AIDE's `ERROR:`.
fn error_text(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("ERROR: ")
}

/// Splits off `(line: 'TEXT')` at the end.
fn split_line_text(error: &str) -> (&str, Option<&str>) {
    match error.split_once(" (line: '") {
        None => (error, None),
        Some((error, rest)) => (error, rest.strip_suffix("')")),
    }
}

/// Line number and message of an error about a line of the configuration. Errors of regular expressions have a column,
/// too.
fn located<'a>(error: &'a str, config_file: &str) -> Option<(usize, &'a str)> {
    let rest = error.strip_prefix(config_file)?.strip_prefix(':')?;
    let (number, message) = rest.split_once(':')?;
    let number = number.parse().ok()?;
    let message = match message.split_once(':') {
        Some((column, after)) if column.bytes().all(|byte| byte.is_ascii_digit()) => after,
        _ => message,
    };
    Some((number, message.trim()))
}

/// An error that is not about a line of the configuration. One with the text of a line is from another file or from fio's
/// own lines. The output of an included program has the form `FILE: stderr> TEXT`.
fn elsewhere(error: &str, has_line: bool) -> String {
    if has_line || error.contains(": stderr> ") {
        return "AIDE rejects a line that is not in the configuration".to_owned();
    }
    shortened(&visible(error), MAX_LENGTH)
}

/// Removes quotes of text that is not in the user's line. A single character is the one that AIDE expected.
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

/// Escapes a text like AIDE (`stresc` of util.c, 0.19.2).
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
