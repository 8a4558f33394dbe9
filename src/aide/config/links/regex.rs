//! The expression of a rule's path, as far as links in its directory matter. Pure.

use super::super::line::macro_at;
use super::super::rule_path::{group_alternatives, regex_alternatives, split_literal};

/// Most expressions that are made of one by writing its groups out.
const MOST_EXPRESSIONS: usize = 64;

/// What an expression begins with, and how it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    /// The beginning of each path that it matches.
    pub(super) literal: String,
    /// The rest of the expression.
    pub(super) rest: String,
}

/// The beginnings of the expression's alternatives, with groups of names written out. Nothing, if the
/// expression refers back to its groups: without them it would mean something else.
pub(super) fn beginnings(regex: &str) -> Vec<Beginning> {
    if refers_back(regex) {
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
            .take(MOST_EXPRESSIONS)
            .collect();
    }
    let mut beginnings: Vec<Beginning> = expressions.iter().map(|one| beginning(one)).collect();
    beginnings.dedup();
    beginnings
}

/// A single `.` counts as the character: AIDE takes `/etc/init.d/` for the directory of that name, too
/// (`strrxtok` of seltree.c).
fn beginning(regex: &str) -> Beginning {
    let (mut literal, mut rest) = split_literal(regex);
    while let Some(behind) = rest.strip_prefix('.')
        && !behind.starts_with(['?', '*', '+', '{'])
    {
        let (more, left) = split_literal(behind);
        literal.push('.');
        literal += &more;
        rest = left;
    }
    Beginning {
        literal,
        rest: rest.to_owned(),
    }
}

/// `\1`, `\g{-1}`, `\k<name>`, `(?1)`, `(?P=name)`, `(?(1)...)`, `(?R)`
fn refers_back(regex: &str) -> bool {
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

/// The path up to its first macro, where what the macro holds is not known.
pub(super) fn before_macros(text: &str) -> &str {
    let is_macro = |at: &usize| macro_at(text, *at).is_some();
    let end = text.match_indices("@@{").map(|(at, _)| at).find(is_macro);
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals(regex: &str) -> Vec<String> {
        beginnings(regex)
            .into_iter()
            .map(|one| format!("{} {}", one.literal, one.rest))
            .collect()
    }

    #[test]
    fn what_alternatives_begin_with() {
        for (regex, expected) in [
            ("/etc/init.d/", &["/etc/init.d/ "][..]),
            ("/java-1.8.0/lib", &["/java-1.8.0/lib "]),
            ("/root/.*", &["/root/ .*"]),
            ("/root/..*", &["/root/. .*"]),
            (r"/root/\..*", &["/root/. .*"]),
            ("/a|^/b$", &["/a ", "/b $"]),
            ("/(bin|sbin)/a", &["/bin/a ", "/sbin/a "]),
            ("/(?:bin|sbin)/a", &["/bin/a ", "/sbin/a "]),
            ("/(a|b)/(c|d)/", &["/a/c/ ", "/a/d/ ", "/b/c/ ", "/b/d/ "]),
            ("/(bin|bin)/a", &["/bin/a "]),
            ("/roots?", &["/root s?"]),
            (r"/(bin|opt)/(k|b)\2", &[]),
            ("/(a|b)/(?1)", &[]),
        ] {
            assert_eq!(literals(regex), expected, "{regex}");
        }
        let many = format!(
            "/({})/",
            (0..900)
                .map(|n| n.to_string())
                .collect::<Vec<_>>()
                .join("|")
        );
        assert_eq!(beginnings(&many).len(), MOST_EXPRESSIONS);
    }

    #[test]
    fn the_part_before_macros_is_known() {
        assert_eq!(before_macros("/root/a@@{B}@@{C}"), "/root/a");
        assert_eq!(before_macros("/root/@@{"), "/root/@@{");
    }
}
