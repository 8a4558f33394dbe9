//! Paths that `spec.exclude` of a FileIntegrity removes from its configuration: lines at the end of the text. Pure.
//!
//! A rule that excludes has precedence over all that select, wherever it is (aide.conf(5), "RULES"). At the end, it does
//! not change the numbers of the user's lines. AIDE does not read what a rule with `-` excludes. A comment before each rule has the path, so that the daemon finds the
//! paths again.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::budget::Budget;
use super::configuration::Configuration;
use super::macros::Macros;
use super::paths::escape_rule;
use super::regex::{literal_prefix, regex_alternatives};
use crate::aide::report::{display_path, exact_path};

/// The line before the rules.
const HEAD: &str = "# Excluded by spec.exclude of the FileIntegrity:\n";
/// Maximum bytes of a path, as of the kernel.
const MAX_PATH: usize = 4096;

/// Why a path cannot be excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// It is relative, `/`, or has odd components.
    #[error("it must be absolute, without empty components, `.` and `..`, and not /")]
    NotPlain,
    /// It is not written as in results.
    #[error(
        "characters that are not printable, and a backslash, must be written as \\ooo, and nothing else"
    )]
    NotExact,
    /// No expression matches it.
    #[error(
        "AIDE cannot exclude a name that is not UTF-8, or has a NUL byte; exclude its directory"
    )]
    NotText,
    /// The kernel has no longer ones.
    #[error("it has more than 4096 bytes")]
    TooLong,
}

/// Paths of a node that are excluded with everything below them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExcludedPaths(BTreeSet<String>);

impl ExcludedPaths {
    /// Adds a path as it is written in the API: with bytes as `\ooo`.
    pub fn add(&mut self, shown: &str) -> Result<(), InvalidPath> {
        let path = exact_path(shown).ok_or(InvalidPath::NotExact)?;
        if path.len() > MAX_PATH {
            return Err(InvalidPath::TooLong);
        }
        let path = String::from_utf8(path).map_err(|_| InvalidPath::NotText)?;
        if path.contains('\0') {
            return Err(InvalidPath::NotText);
        }
        let names = path.strip_prefix('/').ok_or(InvalidPath::NotPlain)?;
        if names.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(InvalidPath::NotPlain);
        }
        self.0.insert(path);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The paths, sorted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether this path of a node is excluded.
    pub(crate) fn excludes(&self, path: &[u8]) -> bool {
        self.excluding(path).is_some()
    }

    /// The path that excludes this one.
    pub(crate) fn excluding(&self, path: &[u8]) -> Option<&str> {
        self.iter()
            .find(|excluded| is_within(path, excluded.as_bytes()))
    }

    /// Whether an excluded path is this one, is above it, or is below it.
    pub(crate) fn overlaps(&self, path: &str) -> bool {
        self.iter().any(|excluded| {
            is_within(path.as_bytes(), excluded.as_bytes())
                || is_within(excluded.as_bytes(), path.as_bytes())
        })
    }

    /// The configuration with rules that exclude these paths. `host_root` has no trailing slash.
    pub fn append_to(&self, configuration: &str, host_root: &str) -> String {
        if self.is_empty() {
            return configuration.to_owned();
        }
        let line_end = if configuration.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        format!("{configuration}{line_end}{HEAD}{}", self.rules(host_root))
    }

    fn rules(&self, host_root: &str) -> String {
        self.iter().fold(String::new(), |mut text, path| {
            let shown = display_path(path.as_bytes());
            // Writing to a string cannot fail.
            writeln!(text, "# {shown}\n-{}(/|$)", expression(host_root, path)).ok();
            text
        })
    }

    /// Divides a configuration into the text before the rules, and the paths that they exclude. A text without such rules
    /// excludes nothing in this way.
    pub(crate) fn split(configuration: &str, host_root: &str) -> (String, Self) {
        let whole = || (with_line_end(configuration), Self::default());
        let Some((before, rules)) = configuration.rsplit_once(HEAD) else {
            return whole();
        };
        let mut paths = Self::default();
        let comments = rules.lines().filter_map(|line| line.strip_prefix("# "));
        for path in comments {
            if paths.add(path).is_err() {
                return whole();
            }
        }
        // Anything else is part of the text of a user.
        if paths.rules(host_root) != rules || !(before.is_empty() || before.ends_with('\n')) {
            return whole();
        }
        (with_line_end(before), paths)
    }

    /// Whether all that a converted configuration selects is excluded, as far as the beginning of its rules shows.
    pub(crate) fn exclude_all_of(&self, effective: &str, host_root: &str) -> bool {
        let effective = Configuration::parse(effective);
        let mut macros = Macros::new(&Budget::default());
        let (mut selects, mut is_left) = (false, false);
        let is_excluded = |expression: &str| {
            let prefix = literal_prefix(expression.trim_start_matches('^'));
            let path = prefix.strip_prefix(host_root);
            path.is_some_and(|path| self.excludes(path.as_bytes()))
        };
        for line in effective.lines() {
            if let Some(rule) = line.rule().filter(|rule| !rule.kind.is_negative()) {
                selects = true;
                let path = macros.read(line.get(&rule.path));
                is_left |= path.any(|path| {
                    let mut alternatives = regex_alternatives(path).into_iter();
                    alternatives.any(|one| !is_excluded(one))
                });
            }
            macros.advance(line);
        }
        selects && !is_left
    }
}

/// Whether a path is another one, or below it. `$` matches before a line feed at the end, too.
fn is_within(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| matches!(rest, [] | b"\n" | [b'/', ..]))
}

/// The expression of a rule for this path. A line feed would end the rule, and AIDE takes a backslash before a letter for
/// the letter when it looks for the directory of a rule. It does not look behind a class.
fn expression(host_root: &str, path: &str) -> String {
    let mut text = escape_rule(host_root);
    for char in path.chars() {
        if char.is_control() {
            write!(text, r"[\x{{{:02x}}}]", u32::from(char)).ok();
        } else {
            text.push_str(&escape_rule(char.encode_utf8(&mut [0; 4])));
        }
    }
    text
}

fn with_line_end(text: &str) -> String {
    format!("{}\n", text.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests;
