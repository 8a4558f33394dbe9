//! Digests that AIDE 0.19 does not compute any more: crc32, crc32b, haval, tiger, whirlpool. Pure.
//!
//! AIDE ignores them if there is a supported digest, and rejects a rule without another one. They are removed, or replaced
//! with sha256 if no digest would remain.

use super::notes::Notes;
use crate::aide::config::configuration::Configuration;
use crate::aide::config::expression::{Replacement, Term, terms, without};
use crate::aide::config::groups::{Groups, is_removed};
use crate::aide::config::line::{Line, Span, Statement};

pub(super) fn migrate(effective: &mut Configuration, notes: &mut Notes<'_>) {
    let mut groups = Groups::default();
    for (index, line) in effective.lines_mut().iter_mut().enumerate() {
        if let Some(expression) = expression(line) {
            replace_digests(line, &expression, &groups, |message| {
                notes.warn(index, message, "use sha256 or sha512");
            });
        }
        if let Statement::Group {
            name, expression, ..
        } = line.statement()
        {
            groups.define(line.get(name), line.text(), expression);
        }
    }
}

fn expression(line: &Line) -> Option<Span> {
    match line.statement() {
        Statement::Group { expression, .. } => Some(expression.clone()),
        Statement::Rule(rule) => rule.attributes.clone(),
        _ => None,
    }
}

fn replace_digests(line: &mut Line, span: &Span, groups: &Groups, warn: impl FnOnce(&str)) {
    let text = line.text();
    let removed: Vec<Term> = terms(text, span)
        .into_iter()
        .filter(|term| is_removed(&text[term.span.clone()]))
        .collect();
    if removed.is_empty() {
        return;
    }
    let names: Vec<&str> = removed
        .iter()
        .map(|term| &text[term.span.clone()])
        .collect();
    let names = names.join(", ");
    let added = removed.iter().any(|term| !term.minus);
    let (replacement, message) = if !added || groups.has_digest(text, span) {
        (
            Replacement::Nothing,
            format!("AIDE 0.19 does not compute {names}, so it is removed"),
        )
    } else {
        (
            Replacement::Name("sha256"),
            format!("AIDE 0.19 does not compute {names}, so it is replaced with sha256"),
        )
    };
    let new = without(text, span, is_removed, &replacement);
    line.replace(
        span,
        if new.is_empty() {
            "sha256-sha256"
        } else {
            &new
        },
    );
    warn(&message);
}
