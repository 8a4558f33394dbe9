//! Group names that AIDE 0.19 takes for options: lower case with underscores.
//!
//! Pure. `[a-z]+(_[a-z]+)+` is an "unknown config option" to the scanner since 0.17; 0.16 took any
//! name for a group's.

use std::collections::{BTreeMap, BTreeSet};

use super::super::groups::is_builtin;
use super::super::line::{Line, Span, Statement, operands};
use super::{Configuration, Notes};

pub(super) fn migrate(effective: &mut Configuration, notes: &mut Notes<'_>) {
    let renamed = new_names(effective);
    if renamed.is_empty() {
        return;
    }
    for (index, line) in effective.lines_mut().iter_mut().enumerate() {
        if let Statement::Group { name, .. } = line.statement()
            && let Some(new) = renamed.get(line.get(name))
        {
            notes.tell(
                index,
                &format!("AIDE 0.19 takes the group's name for an option, so it becomes {new}"),
                "use letters and digits only in names of groups",
            );
        }
        rename(line, &renamed);
    }
}

fn new_names(configuration: &Configuration) -> BTreeMap<String, String> {
    let groups: Vec<(&str, Vec<&str>)> = configuration
        .lines()
        .iter()
        .filter_map(|line| match line.statement() {
            Statement::Group {
                name, expression, ..
            } => {
                let operands = operands(line.text(), expression);
                let operands = operands.iter().map(|operand| line.get(operand)).collect();
                Some((line.get(name), operands))
            }
            _ => None,
        })
        .collect();
    let names: BTreeSet<&str> = groups.iter().map(|(name, _)| *name).collect();
    // What is made of anything else is no group but a misspelt option, which AIDE shall name.
    let known = |name: &&str| is_builtin(name) || names.contains(name);
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for (name, _) in groups.iter().filter(|(name, operands)| {
        looks_like_option(name) && !operands.is_empty() && operands.iter().all(known)
    }) {
        if renamed.contains_key(*name) {
            continue;
        }
        let mut new = name.replace('_', "");
        while names.contains(new.as_str()) || is_builtin(&new) || !taken.insert(new.clone()) {
            new.push('x');
        }
        renamed.insert((*name).to_owned(), new);
    }
    renamed
}

fn looks_like_option(name: &str) -> bool {
    name.contains('_')
        && name
            .split('_')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
}

fn rename(line: &mut Line, renamed: &BTreeMap<String, String>) {
    let spans: Vec<Span> = match line.statement() {
        Statement::Group {
            name, expression, ..
        } => std::iter::once(name.clone())
            .chain(operands(line.text(), expression))
            .collect(),
        Statement::Rule(rule) => rule
            .attributes
            .as_ref()
            .map(|span| operands(line.text(), span))
            .unwrap_or_default(),
        _ => return,
    };
    let mut text = line.text().to_owned();
    // From the end, so that the spans before stay right.
    for span in spans.into_iter().rev() {
        if let Some(new) = renamed.get(&text[span.clone()]) {
            text.replace_range(span, new);
        }
    }
    line.set_text(text);
}
