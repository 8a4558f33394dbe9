//! The path of a rule: a regular expression with macros and escapes. Pure.
//!
//! AIDE anchors the expression at the start of a path and stores the rule in a tree, at the directory before the
//! first special character (`strrxtok` of seltree.c). Both matter when the host root is inserted.

use std::ops::Range;

use super::line::macro_at;
use super::macros::{Macros, Readings};
use super::regex::{self, Unit, bars, may_match_root, node};

/// Maximum length of an expression with its macros expanded, in characters. PCRE2 compiles no longer ones.
const MAX_LENGTH: usize = 64 * 1024;

/// A rule's path with macros expanded and escapes of the configuration resolved.
#[derive(Debug, Clone)]
pub(super) struct RulePath {
    units: Vec<Unit>,
    length: usize,
}

/// A macro has several values that would give the path different meanings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ambiguous;

/// One alternative of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alternative {
    /// The start offset in the text, after any `^`.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether it may match `/` itself.
    pub(super) may_be_root: bool,
}

impl RulePath {
    /// Parses a path as written in the configuration.
    pub(super) fn read(text: &str, macros: &Macros) -> Result<Self, Ambiguous> {
        let mut units = Vec::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            if let Some(name) = macro_at(text, at) {
                let end = name.end + 1;
                let value = value_of(macros.read(&text[at..end]))?;
                units.extend(value.chars().map(|c| Unit {
                    c,
                    at,
                    from_macro: true,
                }));
                if units.len() > MAX_LENGTH {
                    return Err(Ambiguous);
                }
                at = end;
                continue;
            }
            let escaped = text[at..]
                .strip_prefix('\\')
                .and_then(|rest| rest.chars().next())
                .filter(|c| matches!(c, '\\' | '@' | ' '));
            units.push(Unit {
                c: escaped.unwrap_or(c),
                at,
                from_macro: false,
            });
            at += if escaped.is_some() { 2 } else { c.len_utf8() };
        }
        Ok(Self {
            units,
            length: text.len(),
        })
    }

    /// The expression that AIDE compiles.
    pub(super) fn regex(&self) -> String {
        self.units.iter().map(|unit| unit.c).collect()
    }

    /// Whether a macro contains a `|` that separates alternatives of the whole path.
    pub(super) fn has_alternative_in_macro(&self) -> bool {
        bars(&self.units)
            .iter()
            .any(|&bar| self.units[bar].from_macro)
    }

    /// The alternatives in order. There is at least one.
    pub(super) fn alternatives(&self) -> Vec<Alternative> {
        let alternative = |range: Range<usize>| Alternative {
            // An empty macro has no characters.
            start: if range.start == 0 {
                0
            } else {
                self.offset(range.start)
            },
            end: self.offset(range.end),
            may_be_root: may_match_root(&self.units[range]),
        };
        regex::alternatives(&self.units)
            .into_iter()
            .map(alternative)
            .collect()
    }

    fn offset(&self, unit: usize) -> usize {
        self.units.get(unit).map_or(self.length, |unit| unit.at)
    }

    /// Whether AIDE stores the rule at the root of its tree.
    pub(super) fn is_at_root_node(&self) -> bool {
        node(&self.regex()) == "/"
    }
}

/// One of the values of a macro. Which one does not matter, unless one of them separates alternatives.
fn value_of(readings: Readings) -> Result<String, Ambiguous> {
    let Readings::Known(mut values) = readings else {
        return Err(Ambiguous);
    };
    let splits = |value: &String| {
        let units = value.chars().map(|c| Unit {
            c,
            at: 0,
            from_macro: true,
        });
        !bars(&units.collect::<Vec<Unit>>()).is_empty()
    };
    if values.len() > 1 && values.iter().any(splits) {
        return Err(Ambiguous);
    }
    values.sort_by_key(String::len);
    Ok(values.into_iter().next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
