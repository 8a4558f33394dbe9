//! Replaces macros in attribute expressions and at the start of rules with their values. Pure.
//!
//! AIDE 0.16 expanded macros anywhere in a line, 0.17 and later only in paths and values.

use super::notes::Notes;
use crate::aide::config::budget::Budget;
use crate::aide::config::configuration::Configuration;
use crate::aide::config::line::{Line, Span, Statement, macro_at};
use crate::aide::config::macros::{Macros, Readings};
use crate::aide::config::paths::escape;

/// Replaces the macros at the start of rules in a converted configuration: AIDE 0.17 and later require a slash there.
pub(super) fn starts_of_rules(effective: &mut Configuration, budget: &Budget) {
    let mut macros = Macros::new(budget);
    for (index, line) in effective.lines_mut().iter_mut().enumerate() {
        if let Some(rule) = line.rule()
            && let Some(name) = macro_at(line.text(), rule.path.start)
        {
            let span = rule.path.start..name.end + 1;
            if let Readings::Known(values) = macros.read(line.get(&span))
                && let [value] = values.as_slice()
                && value.starts_with('/')
                && budget.output(index, value.len())
            {
                line.replace(&span, &escape(value));
            }
        }
        macros.advance(line);
    }
}

/// Replaces the macros in expressions, and returns the lines where this is not possible. `relocated` is the same text after
/// conversion, whose macros apply.
pub(super) fn expressions(
    effective: &mut Configuration,
    relocated: &Configuration,
    notes: &mut Notes<'_>,
) -> Vec<usize> {
    let mut macros = Macros::new(&notes.budget);
    let mut unclear = Vec::new();
    let lines = effective.lines_mut().iter_mut().zip(relocated.lines());
    for (index, (line, converted)) in lines.enumerate() {
        if let Some(span) = expression(line)
            && let Some(at) = first_macro(line.get(&span))
        {
            let text = line.get(&span)[at..].to_owned();
            match macros.read(&text) {
                Readings::Known(values)
                    if values.len() == 1 && notes.budget.output(index, values[0].len()) =>
                {
                    line.replace(&(span.start + at..span.end), &values[0]);
                    notes.warn(
                        index,
                        "AIDE 0.19 does not accept macros in attribute expressions, so it is replaced with its value",
                        "define a group instead, such as `NORMAL = p+u+g+sha256`",
                    );
                }
                _ => unclear.push(index),
            }
        }
        macros.advance(converted);
    }
    unclear
}

/// The text after the path of a rule or the `=` of a group.
fn expression(line: &Line) -> Option<Span> {
    match line.statement() {
        Statement::Rule(rule) => {
            let end = rule
                .comment
                .as_ref()
                .map_or_else(|| line.text().len(), |comment| comment.start);
            Some(rule.path.end..end)
        }
        Statement::Group { expression, .. } => Some(expression.clone()),
        _ => None,
    }
}

fn first_macro(text: &str) -> Option<usize> {
    text.match_indices("@@{")
        .map(|(at, _)| at)
        .find(|&at| macro_at(text, at).is_some())
}
