//! The entries that no rule selects because of a rule that excludes them. Pure.
//!
//! Realtime detection neither watches nor checks them, so a doubtful rule excludes nothing here: one with a
//! restriction, in a condition, with several readings, or with an expression that the crate `regex-automata`
//! may read otherwise than PCRE2. A rule that excludes an entry has precedence over all that select it
//! (`check_seltree` of seltree.c; aide.conf(5), "RULES").

use super::automaton::{self, Automaton};
use super::budget::Budget;
use super::configuration::Configuration;
use super::line::{Line, Rule, RuleKind};
use super::macros::Macros;
use super::regex::{literal_prefix, node};

/// A restriction to all file types.
const NO_RESTRICTION: &str = "0";

/// Decides whether an entry is excluded. Paths start with the host root and have no trailing slash.
#[derive(Debug)]
pub(super) struct Exclusions {
    /// Rules such as `!/path`: each entry with a path that starts with a match is excluded.
    by_path: Option<Automaton>,
    /// Rules such as `-/path`: AIDE does not read the directories that are excluded.
    by_directory: Option<Automaton>,
}

impl Exclusions {
    /// The excluding rules of a converted configuration.
    pub(super) fn of(effective: &Configuration) -> Self {
        let (mut by_path, mut by_directory) = (Vec::new(), Vec::new());
        let mut macros = Macros::new(&Budget::default());
        for line in effective.lines() {
            if let Some(rule) = line.rule().filter(|_| !macros.is_in_condition()) {
                let expressions = match rule.kind {
                    RuleKind::Negative => Some(&mut by_path),
                    RuleKind::NonRecursiveNegative => Some(&mut by_directory),
                    RuleKind::Regular | RuleKind::Equals => None,
                };
                if let Some(expressions) = expressions {
                    expressions.extend(certain(line, rule, &macros));
                }
            }
            macros.advance(line);
        }
        Self {
            by_path: compile(&by_path),
            by_directory: compile(&by_directory),
        }
    }

    /// Whether an entry with this path is never selected, whatever its file type is.
    pub(super) fn has_entry(&mut self, path: &[u8]) -> bool {
        let by_path = matched(&mut self.by_path, path);
        by_path.start || by_path.whole || self.is_not_read(path)
    }

    /// Whether neither the directory nor anything below it is ever selected.
    pub(super) fn has_tree(&mut self, directory: &[u8]) -> bool {
        let by_path = matched(&mut self.by_path, directory);
        let has_both = (by_path.start || by_path.whole) && by_path.below;
        has_both || self.is_not_read(directory)
    }

    /// Whether AIDE reads neither the entry nor what is below it.
    fn is_not_read(&mut self, path: &[u8]) -> bool {
        let by_directory = matched(&mut self.by_directory, path);
        by_directory.start || by_directory.whole || by_directory.ancestor
    }
}

fn matched(automaton: &mut Option<Automaton>, path: &[u8]) -> automaton::Matched {
    let matched = automaton.as_mut().and_then(|it| it.matched(path));
    matched.unwrap_or_default()
}

fn compile(expressions: &[String]) -> Option<Automaton> {
    if expressions.is_empty() {
        return None;
    }
    Automaton::new(expressions, automaton::bytes(false))
}

/// The expression of a rule that applies to all nodes and file types, if it is certain.
fn certain(line: &Line, rule: &Rule, macros: &Macros) -> Option<String> {
    let restriction = rule.restriction.as_ref().map(|it| line.get(it));
    if restriction.is_some_and(|restriction| restriction != NO_RESTRICTION) {
        return None;
    }
    let mut readings = automaton::readings(line.get(&rule.path), macros)?;
    let path = readings.pop().filter(|_| readings.is_empty())?;
    let expression = path.regex();
    // AIDE looks at a rule only for paths below the rule's place in its tree.
    let place = node(&expression);
    let below = format!("{}/", place.trim_end_matches('/'));
    let is_in_place =
        path.alternatives().len() == 1 && literal_prefix(&expression).starts_with(&below);
    (is_in_place && automaton::is_agreed(&expression)).then_some(expression)
}

#[cfg(test)]
mod tests;
