//! The alternatives of an expression. Pure.

use std::ops::Range;

use super::literal::{is_literal, split_literal};
use super::scanner::{Unit, bars, closing, units};

/// The alternatives of an expression as ranges of its characters, without leading `^` except in the first one.
/// There is at least one.
pub(in crate::aide::config) fn alternatives(units: &[Unit]) -> Vec<Range<usize>> {
    let mut ends = bars(units);
    ends.push(units.len());
    let mut from = 0;
    ends.into_iter()
        .map(|end| {
            let carets = units[from..end].iter().take_while(|u| u.c == '^').count();
            let start = if from == 0 { 0 } else { from + carets };
            from = end + 1;
            start..end
        })
        .collect()
}

/// The alternatives of an expression without macros and escapes of the configuration.
pub(in crate::aide::config) fn regex_alternatives(regex: &str) -> Vec<&str> {
    let units = units(regex);
    let offset = |unit: usize| units.get(unit).map_or(regex.len(), |unit| unit.at);
    let text = |range: Range<usize>| &regex[offset(range.start)..offset(range.end)];
    alternatives(&units).into_iter().map(text).collect()
}

/// Expands the first group of an expression if all of its alternatives are literals and it is not repeated:
/// `/(bin|sbin)/a` becomes `/bin/a` and `/sbin/a`. Otherwise returns only the expression.
pub(in crate::aide::config) fn group_alternatives(regex: &str) -> Vec<String> {
    expanded_group(regex).unwrap_or_else(|| vec![regex.to_owned()])
}

fn expanded_group(regex: &str) -> Option<Vec<String>> {
    let (_, rest) = split_literal(regex);
    let before = regex.strip_suffix(rest)?;
    let units = units(rest);
    if units.first()?.c != '(' {
        return None;
    }
    let inside = if rest.starts_with("(?:") { 3 } else { 1 };
    let close = closing(&units, 0)?;
    let end = units[close].at;
    let after = &rest[end + 1..];
    if after.starts_with(['?', '*', '+', '{']) {
        return None;
    }
    let alternatives = regex_alternatives(&rest[inside..end]);
    let are_literal = alternatives.iter().all(|one| is_literal(one));
    are_literal.then(|| {
        let whole = |one: &&str| format!("{before}{one}{after}");
        alternatives.iter().map(whole).collect()
    })
}

#[cfg(test)]
mod tests;
