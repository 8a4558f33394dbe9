//! Paths of AIDE 0.15 and 0.16. Pure.
//!
//! These versions decoded `%20` as a blank (aide.conf(5) of 0.16, "SELECTION LINES"; `decode_string` of `conf_yacc.y`), kept
//! double backslashes, and ended a path at `#`. AIDE 0.17 and later do not decode `%20` and `#`, and
//! convert two backslashes to one. This step is before the insertion of the host root, because `%7C` is
//! a `|`.

use std::collections::BTreeSet;

use super::notes::Notes;
use crate::aide::config::configuration::Configuration;
use crate::aide::config::line::{Directive, Line, Statement, macro_at};
use crate::aide::config::macros::split_definition;
use crate::aide::config::written_for::WrittenFor;

/// Rewrites paths for AIDE 0.19.
pub(super) fn migrate(
    effective: &mut Configuration,
    written_for: WrittenFor,
    notes: &mut Notes<'_>,
) {
    match written_for {
        WrittenFor::UpTo016 => rewrite(effective, notes),
        WrittenFor::Unknown => warn(effective, notes),
        WrittenFor::From017 | WrittenFor::From019 => {}
    }
}

fn rewrite(effective: &mut Configuration, notes: &mut Notes<'_>) {
    let in_paths = macros_in_paths(effective);
    for (index, line) in effective.lines_mut().iter_mut().enumerate() {
        if cut_comment(line) {
            notes.warn(
                index,
                "AIDE 0.16 and earlier ended the path at `#`, so the text after it is removed",
                "put the comment on a separate line",
            );
        }
        let Some(span) = path_or_value(line, &in_paths) else {
            continue;
        };
        let old = line.get(&span).to_owned();
        let (new, is_exact) = rewritten(&old);
        if new != old {
            line.replace(&span, &new);
            notes.warn(
                index,
                "AIDE 0.16 and earlier decoded %XX and kept double backslashes, so the path is rewritten for AIDE 0.19",
                "use the character itself, `\\ ` for a blank, and two backslashes for one of the expression",
            );
        }
        if !is_exact {
            notes.warn(
                index,
                "the path contains a %XX that AIDE 0.19 cannot represent, so the rule may match other paths, too",
                "use `.` for the byte",
            );
        }
    }
}

fn warn(effective: &Configuration, notes: &mut Notes<'_>) {
    for (index, line) in effective.lines().iter().enumerate() {
        let Some(rule) = line.rule() else { continue };
        let path = line.get(&rule.path);
        if hex_pairs(path) {
            notes.warn(
                index,
                "%XX in the path is not decoded, as in AIDE 0.17 and later; AIDE 0.16 and earlier decoded it",
                "use the character itself, and `\\ ` for a blank; or add a line `verbose=5` to a file for 0.16",
            );
        }
        if rule.kind.is_negative() && unescaped_hash(path).is_some() {
            notes.warn(
                index,
                "`#` is part of the path, as in AIDE 0.17 and later; in AIDE 0.16 and earlier it started a comment",
                "put the comment on a separate line, or use `\\#`",
            );
        }
    }
}

/// The macros whose values become a part of a path.
fn macros_in_paths(configuration: &Configuration) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in configuration.lines() {
        if let Some(rule) = line.rule() {
            note_macros(line.get(&rule.path), &mut found);
        }
    }
    // A value may contain macros that were defined before it.
    for line in configuration.lines().iter().rev() {
        if let Some((Directive::Define, argument)) = line.directive() {
            let (name, value) = split_definition(argument);
            if found.contains(name) {
                note_macros(&argument[value], &mut found);
            }
        }
    }
    found
}

fn note_macros(text: &str, found: &mut BTreeSet<String>) {
    for (at, _) in text.match_indices("@@{") {
        found.extend(macro_at(text, at).map(|name| text[name].to_owned()));
    }
}

fn path_or_value(
    line: &Line,
    in_paths: &BTreeSet<String>,
) -> Option<crate::aide::config::line::Span> {
    match line.statement() {
        Statement::Rule(rule) => Some(rule.path.clone()),
        Statement::Directive {
            directive: Directive::Define,
            argument,
        } => {
            let (name, value) = split_definition(line.get(argument));
            let start = argument.start;
            in_paths
                .contains(name)
                .then(|| start + value.start..start + value.end)
        }
        _ => None,
    }
}

/// Ends a rule's path at a `#`. Returns whether there was one.
fn cut_comment(line: &mut Line) -> bool {
    let Some(rule) = line.rule() else {
        return false;
    };
    let Some(at) = unescaped_hash(line.get(&rule.path)) else {
        return false;
    };
    let text = line.text()[..rule.path.start + at].to_owned();
    line.set_text(text);
    true
}

fn unescaped_hash(path: &str) -> Option<usize> {
    let mut escaped = false;
    path.char_indices().find_map(|(at, c)| {
        let found = c == '#' && !escaped && at > 0;
        escaped = c == '\\' && !escaped;
        found.then_some(at)
    })
}

fn hex_pairs(path: &str) -> bool {
    path.match_indices('%')
        .any(|(at, _)| byte_at(path, at).is_some())
}

/// The byte of `%XX` at `at`.
fn byte_at(text: &str, at: usize) -> Option<u8> {
    let digits = text.get(at..)?.strip_prefix('%')?.get(..2)?;
    digits
        .bytes()
        .all(|digit| digit.is_ascii_hexdigit())
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// Converts a path of AIDE 0.16 to one of 0.19. Returns it and whether it is equivalent.
fn rewritten(path: &str) -> (String, bool) {
    let mut new = String::with_capacity(path.len());
    let mut is_exact = true;
    let mut at = 0;
    while let Some(c) = path[at..].chars().next() {
        if byte_at(path, at).is_some() {
            let mut bytes = Vec::new();
            let from = at;
            while let Some(byte) = byte_at(path, at) {
                bytes.push(byte);
                at += 3;
            }
            match std::str::from_utf8(&bytes) {
                // NUL ends the path.
                Ok(text) if !text.contains('\0') => {
                    text.chars().for_each(|c| push(&mut new, c));
                }
                _ => {
                    is_exact = false;
                    new.push_str(&path[from..at]);
                }
            }
            continue;
        }
        at += c.len_utf8();
        if c != '\\' {
            new.push(c);
            continue;
        }
        match path[at..].chars().next() {
            Some('\\') => {
                new.push_str("\\\\\\\\");
                at += 1;
            }
            Some('%') if byte_at(path, at).is_some() => new.push('\\'),
            Some(escaped) => {
                new.push('\\');
                new.push(escaped);
                at += escaped.len_utf8();
            }
            None => new.push('\\'),
        }
    }
    (new, is_exact)
}

/// Escapes a character of a regular expression for AIDE 0.19.
fn push(path: &mut String, c: char) {
    match c {
        // An escaped blank is a blank in the expression, too.
        ' ' | '@' if path.ends_with('\\') && !path.ends_with("\\\\") => path.push(c),
        ' ' | '@' => path.extend(['\\', c]),
        '\\' => path.push_str("\\\\"),
        '\t' => path.push_str("\\t"),
        '\n' => path.push_str("\\n"),
        '\r' => path.push_str("\\r"),
        c => path.push(c),
    }
}

#[cfg(test)]
mod tests;
