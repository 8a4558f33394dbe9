//! Attribute expressions: `p+u+g-n+sha256`.
//!
//! Pure. aide.conf(5), "TYPES": names joined by `+` and `-`, worked off from left to right.

use super::line::{Span, operands};

/// One name of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    /// Whether the name is taken away.
    pub(super) minus: bool,
    /// Where the name stands in the line.
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

/// What to put in the place of terms.
pub(super) enum Instead {
    /// Nothing.
    Nothing,
    /// This name for the first of them, nothing for the others.
    Name(&'static str),
}

/// The expression at `span` of `text` without the terms that `unwanted` picks.
pub(super) fn without(
    text: &str,
    span: &Span,
    unwanted: impl Fn(&str) -> bool,
    instead: &Instead,
) -> String {
    let mut result = String::new();
    let mut replaced = false;
    for term in terms(text, span) {
        let mut name = &text[term.span];
        if unwanted(name) {
            match instead {
                Instead::Name(other) if !replaced && !term.minus => {
                    replaced = true;
                    name = other;
                }
                _ => continue,
            }
        }
        match (result.is_empty(), term.minus) {
            // What is taken away from nothing leaves nothing.
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
mod tests {
    use super::*;

    #[test]
    fn leaves_terms_out() {
        let table = [
            ("p+tiger+u", "p+u", "p+sha256+u"),
            ("tiger+p", "p", "sha256+p"),
            ("p - tiger + u", "p+u", "p+u"),
            ("tiger-p", "", "sha256-p"),
            ("haval+tiger", "", "sha256"),
            ("tiger", "", "sha256"),
        ];
        for (text, nothing, name) in table {
            let unwanted = |name: &str| name == "tiger" || name == "haval";
            let span = 0..text.len();
            assert_eq!(
                without(text, &span, unwanted, &Instead::Nothing),
                nothing,
                "{text}"
            );
            let instead = Instead::Name("sha256");
            assert_eq!(without(text, &span, unwanted, &instead), name, "{text}");
        }
    }
}
