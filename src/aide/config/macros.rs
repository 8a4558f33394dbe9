//! What `@@{NAME}` may stand for at a line.
//!
//! Pure. Conditions (`@@if …`) are not evaluated: whether one holds depends on the node. So a
//! macro has a set of possible values, and a text with macros a set of possible readings. Unset
//! macros are empty (aide.conf(5), "@@{VAR}").

use std::collections::BTreeMap;
use std::rc::Rc;

use super::budget::Budget;
use super::line::{Directive, Line, Span, macro_at, string_end};

/// More readings than this are not followed: the text counts as one that cannot be told.
const MOST_READINGS: usize = 32;

/// Nor are more bytes in all of them: a macro that is made of itself twice grows without bound.
/// Debian's own macros of the dates of 90 days have some 1,100.
const LONGEST_READINGS: usize = 32 * 1024;

/// The values that macros may have at some line.
#[derive(Debug, Clone, Default)]
pub(super) struct Macros {
    values: BTreeMap<String, Rc<[String]>>,
    /// Bytes of all names and values.
    bytes: usize,
    /// How many conditions are open.
    depth: usize,
    /// The index of the line.
    index: usize,
    budget: Budget,
}

/// What a text may read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Readings {
    /// All that are possible, at least one.
    Known(Vec<String>),
    /// Too many or too long to follow.
    Unknown,
}

impl Readings {
    /// Does `test` hold for every reading? Not, if they cannot be told.
    pub(super) fn all(&self, test: impl FnMut(&String) -> bool) -> bool {
        match self {
            Self::Known(readings) => readings.iter().all(test),
            Self::Unknown => false,
        }
    }

    /// Could `test` hold? Yes, if they cannot be told.
    pub(super) fn any(&self, test: impl FnMut(&String) -> bool) -> bool {
        match self {
            Self::Known(readings) => readings.iter().any(test),
            Self::Unknown => true,
        }
    }
}

impl Macros {
    /// No macros, before the first line of a text that has this budget.
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            budget: budget.clone(),
            ..Self::default()
        }
    }

    /// Takes a line into account, after it has been looked at.
    pub(super) fn pass(&mut self, line: &Line) {
        if self.budget.work(self.index, line.text().len()) {
            self.take(line);
        }
        self.index += 1;
    }

    fn take(&mut self, line: &Line) {
        let Some((directive, argument)) = line.directive() else {
            return;
        };
        match directive {
            Directive::Define => self.define(argument),
            Directive::Undef => self.set(argument, Some(vec![String::new()])),
            Directive::EndIf => self.depth = self.depth.saturating_sub(1),
            _ if directive.opens() => self.depth += 1,
            _ => {}
        }
    }

    fn define(&mut self, argument: &str) {
        let (name, value) = split_definition(argument);
        match self.read(&argument[value]) {
            Readings::Known(values) => self.set(name, Some(values)),
            Readings::Unknown => self.set(name, None),
        }
    }

    /// `None`: cannot be told; kept as an empty set, which makes each reading unknown.
    fn set(&mut self, name: &str, values: Option<Vec<String>>) {
        let mut values = values.unwrap_or_default();
        if self.depth > 0 && !values.is_empty() {
            let before = self.values_of(name);
            values = if before.is_empty() {
                Vec::new()
            } else {
                union(before.to_vec(), values)
            };
        }
        if is_too_much(&values) {
            values = Vec::new();
        }
        let bytes = name.len() + size(&values);
        let replaced = self.values.insert(name.to_owned(), values.into());
        let freed = replaced.map_or(0, |values| name.len() + size(&values));
        self.bytes = self.bytes.saturating_add(bytes).saturating_sub(freed);
        if !self.budget.macro_bytes(self.index, self.bytes) {
            // The text is refused; nothing of this is needed any more.
            self.values.clear();
            self.bytes = 0;
        }
    }

    /// What `text` may read as, its macros filled in and its backslash escapes resolved.
    pub(super) fn read(&self, text: &str) -> Readings {
        if !self.budget.work(self.index, text.len()) {
            return Readings::Unknown;
        }
        let mut readings = vec![String::new()];
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            if let Some(name) = macro_at(text, at) {
                at = name.end + 1;
                readings = filled_in(readings, &self.values_of(&text[name]));
                if readings.is_empty() || is_too_much(&readings) {
                    self.budget.work(self.index, size(&readings));
                    return Readings::Unknown;
                }
                continue;
            }
            let escaped = text[at..]
                .strip_prefix('\\')
                .and_then(|behind| behind.chars().next());
            let (c, length) = match escaped {
                Some(escaped @ ('\\' | '@' | ' ')) => (escaped, 2),
                _ => (c, c.len_utf8()),
            };
            for reading in &mut readings {
                reading.push(c);
            }
            at += length;
        }
        if self.budget.work(self.index, size(&readings)) {
            Readings::Known(union(Vec::new(), readings))
        } else {
            Readings::Unknown
        }
    }

    fn values_of(&self, name: &str) -> Rc<[String]> {
        let known = self.values.get(name).map(Rc::clone);
        known.unwrap_or_else(|| Rc::new([predefined(name).to_owned()]))
    }
}

/// Each reading with each value behind it.
fn filled_in(mut readings: Vec<String>, values: &[String]) -> Vec<String> {
    if let [only] = values {
        // Without a copy of what is there: a line may have thousands of macros.
        for head in &mut readings {
            head.push_str(only);
        }
        return readings;
    }
    let with_each = |head: &String| -> Vec<String> {
        let behind = |tail: &String| format!("{head}{tail}");
        values.iter().map(behind).collect()
    };
    readings.iter().flat_map(with_each).collect()
}

fn size(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}

/// Are these more or longer than is followed?
fn is_too_much(readings: &[String]) -> bool {
    readings.len() > MOST_READINGS || size(readings) > LONGEST_READINGS
}

/// AIDE's own macros (aide.conf(5), "Pre-defined macro variables"): neither can hold a slash, so a
/// stand-in is enough to judge paths.
fn predefined(name: &str) -> &'static str {
    match name {
        "AIDE_VERSION" => "0.19",
        "HOSTNAME" => "hostname",
        _ => "",
    }
}

/// A definition's name, and where its value stands: up to the first unescaped blank.
pub(super) fn split_definition(argument: &str) -> (&str, Span) {
    let blank = [' ', '\t'];
    let name = argument.split(blank).next().unwrap_or_default();
    let from = argument.len() - argument[name.len()..].trim_start_matches(blank).len();
    (name, from..string_end(argument, from))
}

fn union(mut left: Vec<String>, right: Vec<String>) -> Vec<String> {
    left.extend(right);
    left.sort_unstable();
    left.dedup();
    left
}

#[cfg(test)]
mod tests;
