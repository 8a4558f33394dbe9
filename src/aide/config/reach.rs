//! The directories in which a configuration may select entries. Pure.
//!
//! Realtime detection watches them, so too many are a cost and too few a missed change. An expression is
//! compiled by the crate `regex-automata` where that has the meaning of PCRE2, or a wider one. All others
//! select everything that starts with their literal text. Rules that exclude paths count if that is certain.

use super::automaton::{self, Automaton};
use super::budget::Budget;
use super::configuration::Configuration;
use super::exclusions::Exclusions;
use super::macros::Macros;
use super::regex::literal_prefix;

/// Decides whether entries of a directory may be selected.
#[derive(Debug)]
pub(crate) struct Reach {
    /// None if the expressions are too large: then each directory counts.
    selected: Option<Automaton>,
    exclusions: Exclusions,
}

impl Reach {
    /// The reach of the rules of a converted configuration, whose paths start with the host root.
    pub(crate) fn of(effective: &Configuration) -> Self {
        // A dot that matches more only widens the reach.
        let syntax = automaton::bytes(true);
        Self {
            selected: Automaton::new(&expressions(effective), syntax),
            exclusions: Exclusions::of(effective),
        }
    }

    /// Whether the directory, or an entry of it at any depth, may be selected. Its times and size change with its
    /// entries. The path starts with the
    /// host root and has no trailing slash.
    pub(crate) fn includes(&mut self, directory: &[u8]) -> bool {
        let selected = self.selected.as_mut();
        let matched = selected.and_then(|selected| selected.matched(directory));
        let may_be_selected = matched.is_none_or(|matched| {
            // Rules select everything below what they match.
            matched.whole || matched.below || matched.may_go_on
        });
        may_be_selected && !self.exclusions.has_tree(directory)
    }

    /// Whether an entry with this path is certainly not selected. The path starts with the host root.
    pub(crate) fn excludes(&mut self, path: &[u8]) -> bool {
        self.exclusions.has_entry(path)
    }

    /// Whether neither the directory with this path nor anything below it is selected, certainly.
    pub(crate) fn excludes_tree(&mut self, directory: &[u8]) -> bool {
        self.exclusions.has_tree(directory)
    }
}

/// The expressions of all rules that select entries, or wider ones.
fn expressions(effective: &Configuration) -> Vec<String> {
    let mut macros = Macros::new(&Budget::default());
    let mut expressions = Vec::new();
    for line in effective.lines() {
        if let Some(rule) = line.rule().filter(|rule| !rule.kind.is_negative()) {
            expressions.extend(readings(line.get(&rule.path), &macros));
        }
        macros.advance(line);
    }
    expressions.sort_unstable();
    expressions.dedup();
    expressions
}

/// All expressions that a rule may have, depending on its macros.
fn readings(path: &str, macros: &Macros) -> Vec<String> {
    let Some(readings) = automaton::readings(path, macros) else {
        return vec![String::new()];
    };
    readings.iter().map(|path| agreed(&path.regex())).collect()
}

/// The expression, if both libraries agree on it, or else its literal start.
fn agreed(expression: &str) -> String {
    if automaton::is_agreed(expression) {
        return expression.to_owned();
    }
    escaped(&literal_prefix(expression))
}

fn escaped(literal: &str) -> String {
    literal.chars().fold(String::new(), |mut text, char| {
        // With a backslash, the crate reads these as the start and the end of a word.
        if char.is_ascii_punctuation() && !matches!(char, '<' | '>') {
            text.push('\\');
        }
        text.push(char);
        text
    })
}

#[cfg(test)]
mod tests;
