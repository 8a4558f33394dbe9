//! Attribute expressions: `p+u+g-n+sha256`. Pure.
//!
//! They consist of names with `+` and `-`, which are applied from left to right (aide.conf(5), "TYPES").

use super::line::{Span, operands};

/// One name of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    /// Whether the attributes are removed.
    pub(super) minus: bool,
    /// The span of the name.
    pub(super) span: Span,
}

/// The terms of the expression at `span` of `text`, in order.
pub(super) fn terms(text: &str, span: &Span) -> Vec<Term> {
    let mut end = span.start;
    operands(text, span)
        .into_iter()
        .map(|operand| {
            let minus = text[end..operand.start].contains('-');
            end = operand.end;
            Term {
                minus,
                span: operand,
            }
        })
        .collect()
}

/// The replacement of terms.
pub(super) enum Replacement {
    Nothing,
    /// This name replaces the first term. The others are removed.
    Name(&'static str),
}

/// Replaces the terms of the expression at `span` of `text` that `unwanted` selects.
pub(super) fn without(
    text: &str,
    span: &Span,
    unwanted: impl Fn(&str) -> bool,
    replacement: &Replacement,
) -> String {
    let mut result = String::new();
    let mut replaced = false;
    for term in terms(text, span) {
        let mut name = &text[term.span];
        if unwanted(name) {
            match replacement {
                Replacement::Name(other) if !replaced && !term.minus => {
                    replaced = true;
                    name = other;
                }
                _ => continue,
            }
        }
        match (result.is_empty(), term.minus) {
            // There is nothing to remove from.
            (true, true) => continue,
            (true, false) => {}
            (false, true) => result.push('-'),
            (false, false) => result.push('+'),
        }
        result.push_str(name);
    }
    result
}

#[cfg(test)]
mod tests;
