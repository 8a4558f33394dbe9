//! The literal prefixes of a rule's regular expression. Pure.

use crate::aide::config::line::macro_at;
use crate::aide::config::regex::{group_alternatives, regex_alternatives, split_literal};

/// Maximum number of expressions that one is expanded to.
const MAX_EXPRESSIONS: usize = 64;

/// An expression, split after its literal prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    /// All matching paths start with this.
    pub(super) literal: String,
    /// The rest of the expression.
    pub(super) rest: String,
}

/// The prefixes of the expression's alternatives, with groups of literals expanded. Empty if the expression has
/// back references to its groups, because expansion would change their meaning.
pub(super) fn prefixes(regex: &str) -> Vec<Prefix> {
    if has_back_reference(regex) {
        return Vec::new();
    }
    let mut expressions: Vec<String> = regex_alternatives(regex)
        .into_iter()
        .map(|one| one.trim_start_matches('^').to_owned())
        .collect();
    // Twice: `/(usr|srv)/(lib|local)/`.
    for _ in 0..2 {
        expressions = expressions
            .iter()
            .flat_map(|one| group_alternatives(one))
            .take(MAX_EXPRESSIONS)
            .collect();
    }
    let mut prefixes: Vec<Prefix> = expressions.iter().map(|one| prefix(one)).collect();
    prefixes.dedup();
    prefixes
}

/// A single `.` is treated as the character, as AIDE does to find the directory of a rule such as
/// `/etc/init.d/` (`strrxtok` of seltree.c).
fn prefix(regex: &str) -> Prefix {
    let (mut literal, mut rest) = split_literal(regex);
    while let Some(after) = rest.strip_prefix('.')
        && !after.starts_with(['?', '*', '+', '{'])
    {
        let (more, left) = split_literal(after);
        literal.push('.');
        literal += &more;
        rest = left;
    }
    Prefix {
        literal,
        rest: rest.to_owned(),
    }
}

/// `\1`, `\g{-1}`, `\k<name>`, `(?1)`, `(?P=name)`, `(?(1)...)`, `(?R)`
fn has_back_reference(regex: &str) -> bool {
    let mut chars = regex.chars().peekable();
    let mut is_group = false;
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        let refers = match c {
            '\\' => {
                chars.next();
                next.is_ascii_digit() || matches!(next, 'g' | 'k')
            }
            '?' => is_group && matches!(next, '0'..='9' | 'P' | 'R' | '(' | '&' | '+' | '-' | '|'),
            _ => false,
        };
        if refers {
            return true;
        }
        is_group = c == '(';
    }
    false
}

/// The path up to its first macro.
pub(super) fn before_macros(text: &str) -> &str {
    let is_macro = |at: &usize| macro_at(text, *at).is_some();
    let end = text.match_indices("@@{").map(|(at, _)| at).find(is_macro);
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests;
