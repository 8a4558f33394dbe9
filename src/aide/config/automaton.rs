//! Matches paths with many regular expressions at once, by the crate `regex-automata`. Pure.
//!
//! AIDE uses PCRE2 on bytes, anchors an expression at the start of a path, and takes a match of a part of
//! the path. Only expressions that mean the same to both libraries can be used.

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

use super::budget::Budget;
use super::macros::{Macros, Readings};
use super::rule_path::RulePath;

/// What PCRE2 reads otherwise than the crate, or what only PCRE2 knows: set operations in classes, groups
/// with a question mark, possessive quantifiers.
const OTHER_MEANING: [&str; 8] = ["&&", "--", "~~", "(?", "(*", "?+", "*+", "++"];
/// Letters that have the same meaning after a backslash in both.
const SAME_ESCAPES: &str = "dDwWsSAznrtfvae";
/// Maximum bytes of all compiled expressions.
const MAX_SIZE: usize = 16 << 20;

/// Compiled expressions.
#[derive(Debug)]
pub(super) struct Automaton {
    dfa: DFA,
    cache: Cache,
}

/// What the expressions match of a path.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about one path"
)]
pub(super) struct Matched {
    /// A start of the path that ends before its end, whatever follows.
    pub(super) start: bool,
    /// The whole path, if nothing follows.
    pub(super) whole: bool,
    /// A start of every path below this one.
    pub(super) below: bool,
    /// A directory above the path, if nothing follows that.
    pub(super) ancestor: bool,
    /// Something below the path may be matched.
    pub(super) may_go_on: bool,
}

impl Automaton {
    /// None if the expressions are too large.
    pub(super) fn new(expressions: &[String], syntax: syntax::Config) -> Option<Self> {
        let config = DFA::config()
            .match_kind(MatchKind::All)
            .skip_cache_capacity_check(true);
        let limit = regex_automata::nfa::thompson::Config::new().nfa_size_limit(Some(MAX_SIZE));
        let dfa = DFA::builder()
            .configure(config)
            .syntax(syntax)
            .thompson(limit)
            .build_many(expressions)
            .ok()?;
        Some(Self {
            cache: dfa.create_cache(),
            dfa,
        })
    }

    /// What is matched of a path without a trailing slash. None if the automaton gives up.
    pub(super) fn matched(&mut self, path: &[u8]) -> Option<Matched> {
        let (dfa, cache) = (&self.dfa, &mut self.cache);
        let config = start::Config::new().anchored(Anchored::Yes);
        let mut state = dfa.start_state(cache, &config).ok()?;
        let mut matched = Matched::default();
        for (index, byte) in path.iter().chain(b"/").enumerate() {
            let is_end = index == path.len();
            if *byte == b'/' && dfa.next_eoi_state(cache, state).ok()?.is_match() {
                matched.whole |= is_end;
                matched.ancestor |= !is_end;
            }
            state = dfa.next_state(cache, state, *byte).ok()?;
            // The automaton knows of a match when it has read one byte more.
            if state.is_match() {
                matched.start |= !is_end;
                matched.below = true;
            }
            if state.is_dead() {
                return Some(matched);
            }
            if state.is_quit() {
                return None;
            }
        }
        // Any byte: no expression that both libraries agree on looks at the one after its match.
        let next = dfa.next_state(cache, state, b'a').ok()?;
        matched.below |= next.is_match();
        matched.may_go_on = true;
        Some(matched)
    }
}

/// Paths are bytes. `dot_matches_new_line` is not so in AIDE; it makes expressions match more.
pub(super) fn bytes(dot_matches_new_line: bool) -> syntax::Config {
    syntax::Config::new()
        .unicode(false)
        .utf8(false)
        .dot_matches_new_line(dot_matches_new_line)
}

/// Whether both libraries read an expression alike, but for what a dot matches.
pub(super) fn is_agreed(expression: &str) -> bool {
    !OTHER_MEANING.iter().any(|text| expression.contains(text))
        && has_same_escapes(expression)
        && syntax::parse_with(expression, &bytes(true)).is_ok()
}

fn has_same_escapes(expression: &str) -> bool {
    let mut chars = expression.chars();
    let mut in_class = false;
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                // The crate has them for the start and the end of a word.
                Some('<' | '>') | None => return false,
                Some(next) if next.is_ascii_punctuation() || SAME_ESCAPES.contains(next) => {}
                Some(_) => return false,
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

/// All paths that a rule may have, depending on its macros. None if they are unknown.
pub(super) fn readings(path: &str, macros: &Macros) -> Option<Vec<RulePath>> {
    let Readings::Known(values) = macros.read(path) else {
        return None;
    };
    let none = Macros::new(&Budget::default());
    let read = |value: &String| RulePath::read(value, &none).ok();
    values.iter().map(read).collect()
}
