//! Group names that AIDE 0.19 interprets as options: lower case with underscores. Pure.
//!
//! For AIDE 0.17 and later, `[a-z]+(_[a-z]+)+` is an "unknown config option". AIDE 0.16 accepted any name of a group.

use std::collections::{BTreeMap, BTreeSet};

use super::notes::Notes;
use crate::aide::config::configuration::Configuration;
use crate::aide::config::groups::is_builtin;
use crate::aide::config::line::{Line, Span, Statement, operands};

pub(super) fn migrate(effective: &mut Configuration, notes: &mut Notes<'_>) {
    let renamed = new_names(effective);
    if renamed.is_empty() {
        return;
    }
    for (index, line) in effective.lines_mut().iter_mut().enumerate() {
        if let Statement::Group { name, .. } = line.statement()
            && let Some(new) = renamed.get(line.get(name))
        {
            notes.warn(
                index,
                &format!(
                    "AIDE 0.19 interprets the group's name as an option, so it is renamed to {new}"
                ),
                "use only letters and digits in names of groups",
            );
        }
        rename(line, &renamed);
    }
}

fn new_names(configuration: &Configuration) -> BTreeMap<String, String> {
    let groups = || configuration.lines().iter().filter_map(group);
    let names: BTreeSet<&str> = groups().map(|(_, name, _)| name).collect();
    // Other names are misspelled options, which AIDE reports.
    let is_known = |name: &str| is_builtin(name) || names.contains(name);
    let mut fresh = FreshNames::new(&names);
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    for (line, name, expression) in groups().filter(|(_, name, _)| looks_like_option(name)) {
        let operands = operands(line.text(), expression);
        let is_group = !operands.is_empty() && operands.iter().all(|span| is_known(line.get(span)));
        if is_group && !renamed.contains_key(name) {
            renamed.insert(name.to_owned(), fresh.like(name));
        }
    }
    renamed
}

/// Line, name and expression of the definition of a group.
fn group(line: &Line) -> Option<(&Line, &str, &Span)> {
    match line.statement() {
        Statement::Group {
            name, expression, ..
        } => Some((line, line.get(name), expression)),
        _ => None,
    }
}

/// Finds names that no group has. Each name in use is tried a few times at most, even if many names are
/// alike.
struct FreshNames<'a> {
    used: &'a BTreeSet<&'a str>,
    given: BTreeSet<String>,
    /// How many suffixes have been tried, by the name without underscores.
    tried: BTreeMap<String, usize>,
}

impl<'a> FreshNames<'a> {
    fn new(used: &'a BTreeSet<&'a str>) -> Self {
        Self {
            used,
            given: BTreeSet::new(),
            tried: BTreeMap::new(),
        }
    }

    /// The name without underscores; where that is in use with `x`, then with `x2`, `x3`, …
    fn like(&mut self, name: &str) -> String {
        let plain = name.replace('_', "");
        let tried = self.tried.entry(plain.clone()).or_default();
        loop {
            let new = match *tried {
                0 => plain.clone(),
                1 => format!("{plain}x"),
                number => format!("{plain}x{number}"),
            };
            *tried += 1;
            let is_used = self.used.contains(new.as_str()) || is_builtin(&new);
            if !is_used && self.given.insert(new.clone()) {
                return new;
            }
        }
    }
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
    let Some(text) = replaced(line.text(), &spans, renamed) else {
        return;
    };
    line.set_text(text);
}

/// The text with new names at these spans, which are in order; none if all stay.
fn replaced(text: &str, spans: &[Span], renamed: &BTreeMap<String, String>) -> Option<String> {
    let mut result = String::new();
    let mut copied = 0;
    for span in spans {
        if let Some(new) = renamed.get(&text[span.clone()]) {
            result.push_str(&text[copied..span.start]);
            result.push_str(new);
            copied = span.end;
        }
    }
    if copied == 0 {
        return None;
    }
    result.push_str(&text[copied..]);
    Some(result)
}
