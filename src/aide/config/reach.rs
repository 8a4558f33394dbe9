//! The directories in which a configuration may select entries. Pure.
//!
//! Realtime detection watches them, so too many are a cost and too few a missed change. An expression is
//! compiled by the crate `regex-automata` where that has the meaning of PCRE2, or a wider one. All others
//! select everything that starts with their literal text. Rules that exclude paths do not count.

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

use super::budget::Budget;
use super::configuration::Configuration;
use super::macros::{Macros, Readings};
use super::regex::literal_prefix;
use super::rule_path::RulePath;

/// What PCRE2 reads otherwise than the crate, or what only PCRE2 knows: set operations in classes, groups
/// with a question mark, possessive quantifiers.
const OTHER_MEANING: [&str; 8] = ["&&", "--", "~~", "(?", "(*", "?+", "*+", "++"];
/// Characters that have the same meaning after a backslash in both.
const SAME_ESCAPES: &str = "dDwWsSAznrtfvae";
/// Maximum bytes of all compiled expressions.
const MAX_SIZE: usize = 16 << 20;

/// Decides whether entries of a directory may be selected.
#[derive(Debug)]
pub(crate) struct Reach {
    /// None if the expressions are too large: then each directory counts.
    dfa: Option<DFA>,
    cache: Option<Cache>,
}

impl Reach {
    /// The reach of the rules of a converted configuration, whose paths start with the host root.
    pub(crate) fn of(effective: &Configuration) -> Self {
        let dfa = compile(&expressions(effective));
        Self {
            cache: dfa.as_ref().map(DFA::create_cache),
            dfa,
        }
    }

    /// Whether the directory, or an entry of it at any depth, may be selected. Its times and size change with its
    /// entries. The path starts with the
    /// host root and has no trailing slash.
    pub(crate) fn includes(&mut self, directory: &[u8]) -> bool {
        let (Some(dfa), Some(cache)) = (&self.dfa, &mut self.cache) else {
            return true;
        };
        includes(dfa, cache, directory).unwrap_or(true)
    }
}

/// None if the automaton gives up.
fn includes(dfa: &DFA, cache: &mut Cache, directory: &[u8]) -> Option<bool> {
    let config = start::Config::new().anchored(Anchored::Yes);
    let mut state = dfa.start_state(cache, &config).ok()?;
    for (index, byte) in directory.iter().chain(b"/").enumerate() {
        if index == directory.len() && dfa.next_eoi_state(cache, state).ok()?.is_match() {
            return Some(true);
        }
        state = dfa.next_state(cache, state, *byte).ok()?;
        if state.is_match() {
            // Rules select everything below what they match.
            return Some(true);
        }
        if state.is_dead() {
            return Some(false);
        }
        if state.is_quit() {
            return None;
        }
    }
    Some(true)
}

fn compile(expressions: &[String]) -> Option<DFA> {
    DFA::builder()
        .configure(
            DFA::config()
                .match_kind(MatchKind::All)
                .skip_cache_capacity_check(true),
        )
        .syntax(bytes())
        .thompson(regex_automata::nfa::thompson::Config::new().nfa_size_limit(Some(MAX_SIZE)))
        .build_many(expressions)
        .ok()
}

/// Paths are bytes. A dot that matches more than in PCRE2 only widens the reach.
fn bytes() -> syntax::Config {
    syntax::Config::new()
        .unicode(false)
        .utf8(false)
        .dot_matches_new_line(true)
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
    let Readings::Known(values) = macros.read(path) else {
        return vec![String::new()];
    };
    let none = Macros::new(&Budget::default());
    values
        .iter()
        .map(|value| match RulePath::read(value, &none) {
            Ok(path) => agreed(&path.regex()),
            Err(_) => String::new(),
        })
        .collect()
}

/// The expression, if both libraries agree on it, or else its literal start.
fn agreed(expression: &str) -> String {
    let is_plain = !OTHER_MEANING.iter().any(|text| expression.contains(text))
        && has_same_escapes(expression)
        && syntax::parse_with(expression, &bytes()).is_ok();
    if is_plain {
        return expression.to_owned();
    }
    escaped(&literal_prefix(expression))
}

fn has_same_escapes(expression: &str) -> bool {
    let mut chars = expression.chars();
    let mut in_class = false;
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some(next) if next.is_ascii_punctuation() || SAME_ESCAPES.contains(next) => {}
                _ => return false,
            },
            // A class in a class is one of PCRE2's names, or only a character for it.
            '[' if in_class => return false,
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
    }
    true
}

fn escaped(literal: &str) -> String {
    literal.chars().fold(String::new(), |mut text, char| {
        if char.is_ascii_punctuation() {
            text.push('\\');
        }
        text.push(char);
        text
    })
}

#[cfg(test)]
mod tests;
